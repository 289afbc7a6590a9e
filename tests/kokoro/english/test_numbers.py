from __future__ import annotations

import pytest

from pack.kokoro.english import numbers
from pack.kokoro.english.written import read_text


def said(text):
    return " ".join(word for item in read_text(text) for word in item.words)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (1005, "one thousand and five"),
        (1234567, "one million two hundred and thirty four thousand five hundred and sixty seven"),
        (-7, "minus seven"),
        (10**15, "one quadrillion"),
    ],
)
def test_cardinals(number, words):
    assert " ".join(numbers.cardinal(number)) == words


def test_a_number_without_a_name_is_read_digit_by_digit():
    assert numbers.cardinal(10**18) == ["one", *["zero"] * 18]
    assert numbers.decimal("1" * 5000) == ["one"] * 5000


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (5, "fifth"),
        (8, "eighth"),
        (9, "ninth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty first"),
        (100, "one hundredth"),
        (104, "one hundred and fourth"),
        (1000, "one thousandth"),
    ],
)
def test_ordinals(number, words):
    assert " ".join(numbers.ordinal(number)) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1066, "ten sixty six"),
        (1776, "seventeen seventy six"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1999, "nineteen ninety nine"),
        (2000, "two thousand"),
        (2005, "two thousand and five"),
        (2026, "twenty twenty six"),
    ],
)
def test_years(number, words):
    assert said(f"in {number}") == f"in {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$3.50", "three dollars and fifty cents"),
        ("$1", "one dollar"),
        ("$0.01", "one cent"),
        ("$0.99", "ninety nine cents"),
        ("$0", "zero dollars"),
        ("-$40", "minus forty dollars"),
        ("$1,250", "one thousand two hundred and fifty dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("$2B", "two billion dollars"),
        ("$10k", "ten thousand dollars"),
        ("\u00a310.01", "ten pounds and one penny"),
        ("\u20ac12,50", "twelve euros and fifty cents"),
        ("100\u20ac", "one hundred euros"),
        ("\u00a51500", "one thousand five hundred yen"),
        ("50 USD", "fifty dollars"),
        ("USD 5", "five dollars"),
    ],
)
def test_money(text, words):
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3:45", "three forty five"),
        ("3:05 p.m. on", "three oh five P.M. on"),
        ("10:00", "ten o'clock"),
        ("10:00 a.m. or", "ten A.M. or"),
        ("at 9pm", "at nine P.M."),
        ("19:05:30", "nineteen oh five and thirty seconds"),
        ("12/25/2026", "December twenty fifth twenty twenty six"),
        ("25/12/2026", "December twenty fifth twenty twenty six"),
        ("2026-03-01", "March first twenty twenty six"),
        ("99/99/2026", "ninety nine ninety nine two thousand and twenty six"),
        ("March 3rd", "March third"),
        ("Mar. 3, 1999", "March third nineteen ninety nine"),
        ("the 1980s", "the nineteen eighties"),
        ("the '90s", "the nineties"),
        ("1914-1918", "nineteen fourteen to nineteen eighteen"),
    ],
)
def test_times_and_dates(text, words):
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.14", "three point one four"),
        ("-0.05", "minus zero point zero five"),
        ("007", "zero zero seven"),
        ("1/2", "one half"),
        ("3/4", "three quarters"),
        ("2 1/2", "two and a half"),
        ("1\u00be", "one and three quarters"),
        ("24/7", "twenty four seven"),
        ("16:9", "sixteen to nine"),
        ("pages 12-15", "pages twelve to fifteen"),
        ("5kg", "five kilograms"),
        ("1 km", "one kilometer"),
        ("10 km/h", "ten kilometers per hour"),
        ("20\u00b0C", "twenty degrees Celsius"),
        ("85 m\u00b2", "eighty five square meters"),
        ("12 %", "twelve percent"),
        ("6'2\"", "six feet two inches"),
        ("1.2.3", "one point two point three"),
        ("#1 #tag", "number one hashtag tag"),
        ("555-1234", "five five five one two three four"),
        ("(555) 987-6543", "five five five nine eight seven six five four three"),
        ("+1 555 123 4567", "plus one five five five one two three four five six seven"),
        ("\u0663 and \u096a", "three and four"),
    ],
)
def test_other_numbers(text, words):
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dr. Who and Mr Bean", "doctor Who and mister Bean"),
        ("St. James St. was", "saint James street was"),
        ("e.g. this, i.e. that", "for example this that is that"),
        ("No. 5", "number five"),
        ("He said no. I", "He said no I"),
        ("the U.S.A. and", "the U.S.A. and"),
        ("George W. Bush", "George W. Bush"),
        ("Henry VIII", "Henry the eighth"),
        ("Chapter IV", "Chapter four"),
        ("Malcolm X", "Malcolm X"),
        ("a@b.com", "a at b dot com"),
        ("see https://www.a.org/b", "see W.W.W. dot a dot org slash b"),
        ("5 & 10", "five and ten"),
        ("\U0001f600 hi \u2605", "hi"),
        ("\u03c0 is pi", "pi is pi"),
        ("\u4f60\u597d means hello", "means hello"),
    ],
)
def test_abbreviations_addresses_and_symbols(text, words):
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ('"Yes," she said.', "\u201c,\u201d."),
        ("\u201elow\u201c \u00abgu\u00bb", "\u201c\u201d\u201c\u201d"),
        ("No!!! Wait... or -- or - or", "!\u2026\u2014\u2014"),
        ("[a] {b} (c)", "()()()"),
        ("At 5 p.m. on it", ""),
        ("At 5 p.m.", "."),
        ("It was 5 p.m. Then", "."),
        ("etc. The", "."),
        ("plan B. Then", "."),
        ("on 5th Ave.", "."),
        (":-) ok ;)", ""),
    ],
)
def test_marks_are_the_models_own(text, marks):
    assert "".join(item.text for item in read_text(text) if item.mark) == marks


def test_items_keep_what_was_written_and_blanks():
    items = read_text("Pay $5, now")
    assert [(item.text, item.blank) for item in items] == [
        ("Pay", True),
        ("$5", False),
        (",", True),
        ("now", True),
    ]
