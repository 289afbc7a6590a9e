"""Abbreviations, initials, addresses, signs and words as words."""

from __future__ import annotations

import re
import unicodedata

from ..symbols import MARKS
from . import numbers
from .abbreviations import (
    ABBREVIATIONS,
    BEFORE_NAME,
    BEFORE_NUMBER,
    CLOSERS,
    DAYS,
    MONTHS,
    NAMES_WITH_NUMBERS,
    SYMBOLS_SAID,
    WITHOUT_STOP,
)
from .reading import END, LETTER, SENTENCE_END, Form, after, before

MAX_ADDRESS_WORDS = 24
_SHORT = "|".join(
    re.escape(a[:-1])
    for a in sorted(ABBREVIATIONS, key=len, reverse=True)
    if a[:-1] not in f"{BEFORE_NUMBER}|{BEFORE_NAME}".lower().split("|")
)
# Short forms of days and months that are words or names in small letters or at an end.
_SHORT_DAY = "|".join(name[:3] for name in DAYS if name[:3] != "Sun")
_SHORT_MONTH = "|".join(name[:3] for name in MONTHS if name not in ("January", "May"))
_TITLE_OF_STREET = "Dr|St"


def _plus(text: str) -> list[str]:
    return ["plus"] if text.startswith("+") else []


def _read_address(found: re.Match[str]) -> list[str]:
    text = re.sub(r"^[a-z]+://", "", found[0]).rstrip(".,/")
    said_as = {".": "dot", "/": "slash", "@": "at", "_": "underscore", "-": "dash"}
    said: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[./@_-]", text):
        if part in said_as:
            said.append(said_as[part])
        elif part.isdecimal():
            said += numbers.decimal(part) if len(part) < 5 else numbers.digits(part)
        else:
            spelled = part.lower() == "www" or (len(part) == 2 and said[-1:] == ["dot"])
            said.append("".join(f"{c}." for c in part.upper()) if spelled else part)
    return said[:MAX_ADDRESS_WORDS]


def _read_initials(found: re.Match[str]) -> list[str]:
    if found[0].lower() in ABBREVIATIONS:
        return ABBREVIATIONS[found[0].lower()].split()
    return ["".join(f"{c}." for c in re.sub(r"\W", "", found[0]).upper())]


def _read_abbreviation(found: re.Match[str]) -> list[str]:
    return ABBREVIATIONS[found[0].lower().rstrip(".") + "."].split()


def _read_street(found: re.Match[str]) -> list[str]:
    """St. and Dr.: after a name they are streets, before one a saint and a doctor."""
    word_before = re.search(r"(\w+)\s$", before(found))
    after_name = word_before is not None and word_before[1][0].isupper()
    follows_name = re.match(r"\s?[A-Z]", after(found)) is not None
    is_doctor = found[0].startswith("D")
    if is_doctor:
        return ["drive" if after_name and not follows_name else "doctor"]
    return ["saint" if follows_name and not after_name else "street"]


def _read_roman(found: re.Match[str]) -> list[str]:
    digits = [{"I": 1, "V": 5, "X": 10}[c] for c in found["numeral"]]
    value = sum(-a if a < b else a for a, b in zip(digits, [*digits[1:], 0], strict=True))
    name = found["ruler"]
    said = [name, *numbers.cardinal(value)]
    if name in NAMES_WITH_NUMBERS:
        said = [name, "the", *numbers.ordinal(value)]
    return [*said[:-1], said[-1] + (found["owned"] or "")]


def _read_symbol(found: re.Match[str]) -> list[str]:
    sign = found[0]
    if sign not in "#*-~":
        return SYMBOLS_SAID.get(sign, "").split()
    near, following = before(found), after(found)
    if sign == "#":
        return _read_hash(near, following)
    if sign == "*":
        times = re.search(r"\d\s?$", near) and re.match(r"\s?\d", following)
        return ["times"] * bool(times)
    if sign == "-":
        minus = near[-1:].isdigit() and re.match(r"\s?\d{1,15}(?:\.\d{1,15})?\s?=", following)
        return ["minus"] * bool(minus)
    return ["about"] * following[:1].isdigit()


def _read_hash(near: str, following: str) -> list[str]:
    following = following[:1]
    if re.search(r"(?<!\w)[A-G]$", near) and not following.isalnum():
        return ["sharp"]
    return ["hashtag"] * following.isalpha() or ["number"] * following.isdigit()


def _read_word(found: re.Match[str]) -> list[str]:
    text = found[0]
    if text.isascii() or any("LATIN" in unicodedata.name(c, "") for c in text):
        return [text]
    if len(text) == 1 and unicodedata.name(text, "").startswith("GREEK"):
        return [unicodedata.name(text).split()[-1].lower()]
    return []


# Lengths are bounded, or a text of dots would take for ever.
ADDRESSES: dict[str, Form] = {
    "address": (
        rf"(?:https?://|www\.)[^\s<>\"(){MARKS[-2:]}]{{0,2000}}[\w/]"
        r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
        r"|\b[A-Za-z][\w-]{0,63}(?:\.[\w-]{1,63}){0,4}"
        r"\.(?:com|org|net|io|ai|edu|gov|uk|de|dev)\b(?:/[\w./-]{0,200}\w)?",
        _read_address,
    ),
}
PHONES: dict[str, Form] = {
    "phone": (
        r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)\s?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b"
        r"|(?<![\d/.-])\d{3}-\d{4}\b(?!\s?[%$\u20ac\u00a3]|\s[a-z]+s\b)"
        r"|\+\d{1,3}(?:[ .-]?\d{2,4}){2,5}\b|\b\d{19,}\b",
        lambda m: _plus(m[0]) + numbers.digits(m[0]),
    ),
    # 1-2-3, and the numbers of books and passports.
    "hyphens": (
        r"(?<![\w.-])\d{1,6}(?:-\d{1,6}){2,6}(?![\w-]|\.\d)",
        lambda m: (
            numbers.digits(m[0])
            if re.search(r"\d{3}", m[0])
            else [word for part in m[0].split("-") for word in numbers.decimal(part)]
        ),
    ),
}
FORMS: dict[str, Form] = {
    "street": (rf"\b(?:{_TITLE_OF_STREET})(?:{END}|\.|\b(?!'|-))", _read_street),
    "closer": (rf"(?i:\b(?:{CLOSERS})){SENTENCE_END}", _read_abbreviation),
    "initials": (
        rf"\b(?:{LETTER}\.){{1,11}}(?:{LETTER}(?={END})|{LETTER}\.(?!\w))"
        r"|(?<![\w.])[A-Z]\.(?=\s?[A-Z])",
        _read_initials,
    ),
    "abbreviation": (
        rf"(?i:\b(?:{_SHORT}))(?:{END}|\.(?!\w))|\b(?:{WITHOUT_STOP})(?!\w)"
        rf"|(?i:\b(?:{BEFORE_NUMBER})\.)(?=\s?\d)|\b(?:{BEFORE_NAME})\.(?=\s[A-Z])"
        # Sat. is a day, she sat. is none.
        rf"|(?<!\A)(?<![.!?]\s)\b(?:{_SHORT_DAY}|{_SHORT_MONTH})(?:{END}|\.(?!\w))"
        rf"|\b(?:{_SHORT_DAY}|{_SHORT_MONTH}|Jan|Sun)\.(?=\s[a-z]|,)",
        _read_abbreviation,
    ),
    "roman": (
        r"\b(?P<ruler>[A-Z][a-z]{1,30}) (?=[IVX]{2})"
        r"(?P<numeral>X{1,3}(?:IX|IV|V?I{0,3})|IX|IV|VI{1,3}|I{2,3})\b(?P<owned>'s\b)?",
        _read_roman,
    ),
    "article": (r"(?<=-)an?(?=-[a-z])", lambda m: [m[0]]),  # $20-a-month
    "word": (
        rf"(?:'(?=(?i:em|tis|twas|cause|til|n)\b))?{LETTER}+(?:'{LETTER}+){{0,4}}"
        rf"(?:-{LETTER}+(?:'{LETTER}+){{0,4}}){{0,20}}(?:(?:(?<=s)|(?<=[a-z]in))'(?!\w))?",
        _read_word,
    ),
    "mark": (rf"[{re.escape(MARKS)}]", lambda _: []),
    "symbol": (r"[^\w\s]|_", _read_symbol),
}
# Those that begin with a letter.
LETTERED = ("street", "closer", "initials", "abbreviation", "roman", "article", "word")
