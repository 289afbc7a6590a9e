"""Written English as the words that are said: numbers, dates, money, abbreviations, addresses.

A text becomes items; each is a mark, or something written with the words that are said for it. A
word of capitals with a full stop after each (`U.S.`) is one that is spelled.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..symbols import MARKS, drop_unsaid, fold_marks
from . import numbers
from .abbreviations import (
    ABBREVIATIONS,
    BEFORE_NAME,
    BEFORE_NUMBER,
    CLOSERS,
    MONTHS,
    NAMES_WITH_NUMBERS,
    SYMBOLS_SAID,
    UNITS,
    WITHOUT_STOP,
)

MAX_WORD = 100  # letters; a longer run is no word and is said in pieces
MAX_ADDRESS_WORDS = 24
CODES = {"USD": "$", "EUR": "\u20ac", "GBP": "\u00a3"}
SCALES = {"k": "thousand", "m": "million", "b": "billion", "t": "trillion"}
OPENING, CLOSING = "\u201c\u201d"
QUOTES = ('"', OPENING, CLOSING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A mark, or something written and the words that are said for it."""

    text: str
    words: tuple[str, ...]  # for a mark: empty
    mark: bool
    blank: bool  # followed by a blank


def read_text(text: str) -> list[Item]:
    """Items of an English text in order; what nobody says is left out."""
    text = _prepare(text)
    items: list[Item] = []
    for found in PATTERN.finditer(text):
        kind = str(found.lastgroup)
        blank = not text[found.end() : found.end() + 1].strip()
        words = tuple(READERS[kind](found))
        if kind == "mark":
            mark = _paired(found[0], items)
            if items and items[-1].mark and items[-1].text == mark:
                items.pop()  # !!! is !
            items.append(Item(text=mark, words=(), mark=True, blank=blank))
        elif words and kind == "initials" and _ends_sentence(found):
            items.append(Item(text=found[0][0], words=words, mark=False, blank=False))
            items.append(Item(text=".", words=(), mark=True, blank=blank))
        elif words:
            items.append(Item(text=found[0], words=words, mark=False, blank=blank))
        elif blank and items:
            items[-1] = replace(items[-1], blank=True)
    return items


def _paired(mark: str, items: Sequence[Item]) -> str:
    """A mark; if it is a quotation mark the opening or closing one, by the one before it."""
    if mark not in QUOTES:
        return mark
    last = next((item.text for item in reversed(items) if item.text in QUOTES), CLOSING)
    return OPENING if last == CLOSING != mark else CLOSING


def _ends_sentence(found: re.Match[str]) -> bool:
    """Whether a single letter with a stop is no initial: `plan B. Then` but `George W. Bush`."""
    before = re.search(r"(\w+)\s*$", found.string[: found.start()])
    return len(found[0]) == 2 and before is not None and before[1].islower()


def _prepare(text: str) -> str:
    # Fractions, small raised digits, wide letters and the digits of other scripts.
    plain = []
    for c in drop_unsaid(text):
        kind = unicodedata.category(c)
        if kind == "Nd":
            plain.append(str(unicodedata.digit(c)))
        elif kind in ("No", "Nl") or "\uff01" <= c <= "\uff5e" or "\ufb00" <= c <= "\ufb06":
            piece = unicodedata.normalize("NFKC", c).replace("\u2044", "/")
            after_digit = "/" in piece and plain and plain[-1].isdecimal()
            plain.append(" " + piece if after_digit else piece)
        else:
            plain.append(c)
    text = fold_marks("".join(plain))
    # A lone hyphen between blanks is a dash; a bracket around nothing is nothing.
    text = re.sub(r"(?<=\s)-(?=\s)", "\u2014", text)
    text = re.sub(r"\(\s*\)", " ", text)
    text = re.sub(r"(?<![\w/])[:;]-?[()DP](?!\w)", " ", text)  # :-)
    # espeak-ng and the dictionaries know no endless words.
    return re.sub(rf"(\w{{{MAX_WORD}}})(?=\w)", r"\1 ", text)


def _number_or_year(text: str) -> list[str]:
    is_year = re.fullmatch(r"1[1-9]\d\d|20\d\d", text)
    return numbers.year(int(text)) if is_year else numbers.decimal(text)


def _plus(text: str) -> list[str]:
    return ["plus"] if text.startswith("+") else []


def _scaled(found: re.Match[str]) -> list[str]:
    """An amount with a sign or code of a currency before or after it."""
    sign = (found["sign"] or found["sign_after"]).strip()
    amount, scale = found["amount"] or found["amount_before"], (found["scale"] or "").strip()
    currency = numbers.CURRENCIES[CODES.get(sign, sign)]
    minus = ["minus"] if found["minus"] else []
    if not scale:
        return minus + numbers.money(amount, currency)
    # In whole, or as a letter.
    name = scale.lower() if len(scale) > 2 else SCALES[scale[0].lower()]
    return [*minus, *numbers.decimal(amount), name, currency.many]


def _measure(found: re.Match[str]) -> list[str]:
    amount = found["quantity"]
    name = UNITS[found["unit"]]
    if amount in ("1", "-1"):
        name = name.replace("(s)", "")
    else:
        name = name.replace("(s)", "s").replace("foot", "feet")
    return [*numbers.decimal(amount), *name.split()]


def _time(found: re.Match[str]) -> list[str]:
    seconds = found["seconds"]
    hours, minutes = int(found["hours"]), int(found["minutes"])
    half = [f"{found['half'].upper()}.M."] if found["half"] else []
    if not minutes and half:
        return numbers.cardinal(hours) + half
    return numbers.clock(hours, minutes, int(seconds) if seconds else None) + half


def _date(found: re.Match[str]) -> list[str]:
    parts = re.findall(r"\d+", found[0])
    month, day, year = map(int, parts)
    if month > 31:  # 2026-03-01
        year, month, day = month, day, year
    elif month > 12:  # 25/12/2026
        month, day = day, month
    if not 1 <= month <= 12:
        return [word for part in parts for word in numbers.decimal(part)]
    return [MONTHS[month - 1], *numbers.ordinal(day), *numbers.year(year)]


def _month_day(found: re.Match[str]) -> list[str]:
    name = next(name for name in MONTHS if name.startswith(found["month"][:3]))
    return [name, *numbers.ordinal(int(found["day"]))]


def _fraction(found: re.Match[str]) -> list[str]:
    whole, above, below = found["whole"], int(found["above"]), int(found["below"])
    if found[0] in ("24/7", "9/11"):
        return [*numbers.cardinal(above), *numbers.cardinal(below)]
    said = numbers.fraction(above, below)
    if not whole:
        return said
    return [*numbers.decimal(whole), "and", *(["a", *said[1:]] if said[0] == "one" else said)]


def _version(found: re.Match[str]) -> list[str]:
    first, *rest = (numbers.decimal(part) for part in found[0].split("."))
    return first + [word for part in rest for word in ("point", *part)]


def _address(found: re.Match[str]) -> list[str]:
    text = re.sub(r"^[a-z]+://", "", found[0]).rstrip(".,/")
    names = {".": "dot", "/": "slash", "@": "at", "_": "underscore", "-": "dash"}
    said: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[./@_-]", text):
        if part in names:
            said.append(names[part])
        elif part.isdecimal():
            said += numbers.decimal(part) if len(part) < 5 else numbers.digits(part)
        else:
            spelled = part.lower() == "www" or (len(part) == 2 and said[-1:] == ["dot"])
            said.append("".join(f"{c}." for c in part.upper()) if spelled else part)
    return said[:MAX_ADDRESS_WORDS]


def _initials(found: re.Match[str]) -> list[str]:
    if found[0].lower() in ABBREVIATIONS:
        return ABBREVIATIONS[found[0].lower()].split()
    return ["".join(f"{c}." for c in re.sub(r"\W", "", found[0]).upper())]


def _abbreviation(found: re.Match[str]) -> list[str]:
    return ABBREVIATIONS[found[0].lower().rstrip(".") + "."].split()


def _saint_or_street(found: re.Match[str]) -> list[str]:
    after = found.string[found.end() :].lstrip()
    word_before = re.search(r"(\w+)\s*$", found.string[: found.start()])
    after_name = word_before is not None and word_before[1][0].isupper()
    return ["saint" if after[:1].isupper() and not after_name else "street"]


def _roman(found: re.Match[str]) -> list[str]:
    digits = [{"I": 1, "V": 5, "X": 10}[c] for c in found["numeral"]]
    value = sum(-a if a < b else a for a, b in zip(digits, [*digits[1:], 0], strict=True))
    name = found["ruler"]
    if name in NAMES_WITH_NUMBERS:
        return [name, "the", *numbers.ordinal(value)]
    return [name, *numbers.cardinal(value)]


def _symbol(found: re.Match[str]) -> list[str]:
    after = found.string[found.end() : found.end() + 1]
    if found[0] == "#":
        return ["hashtag"] if after.isalpha() else ["number"] if after.isdigit() else []
    return SYMBOLS_SAID.get(found[0], "").split()


def _height(found: re.Match[str]) -> list[str]:
    feet, inches = (numbers.cardinal(int(found[part])) for part in ("feet", "inches"))
    return [*feet, "feet", *inches, *["inches"] * found[0].endswith('"')]


def _word(found: re.Match[str]) -> list[str]:
    text = found[0]
    if any("LATIN" in unicodedata.name(c, "") for c in text):
        return [text]
    if len(text) == 1 and unicodedata.name(text, "").startswith("GREEK"):
        return [unicodedata.name(text).split()[-1].lower()]
    return []


Reader = Callable[[re.Match[str]], list[str]]
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
AMOUNT = rf"(?:\d+,\d\d(?![\d,])|{NUMBER})"  # 12,50 is twelve and a half
SCALE = r"(?:\s?(?:thousand|million|billion|trillion)\b|[kKmMbBtT]n?\b)"
SIGNS = "".join(map(re.escape, numbers.CURRENCIES))
# The full stop at the end of a text is a mark, whatever else it is; some short forms often end a
# sentence before.
END = r"(?=\.\s*$)"
SENTENCE_END = r"(?=\.(?:\s*$|\s+[A-Z]))"
_UNIT = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
_SHORT = "|".join(
    re.escape(a[:-1])
    for a in sorted(ABBREVIATIONS, key=len, reverse=True)
    if a[:-1] not in f"{BEFORE_NUMBER}|{BEFORE_NAME}".lower().split("|")
)
_MONTH = "|".join([*MONTHS, *(rf"{m[:3]}\.?" for m in MONTHS), r"Sept\.?"])
_LETTER = r"[^\W\d_]"
_PATTERNS: dict[str, tuple[str, Reader]] = {
    "address": (
        # Lengths are bounded, or a text of dots would take for ever.
        rf"(?:https?://|www\.)[^\s<>\"(){MARKS[-2:]}]*[\w/]"
        r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
        r"|\b[A-Za-z][\w-]{0,63}(?:\.[\w-]{1,63}){0,4}"
        r"\.(?:com|org|net|io|ai|edu|gov|uk|de|dev)\b(?:/[\w./-]{0,200}\w)?",
        _address,
    ),
    "time": (
        r"\b(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?"
        rf"(?![\d:])(?:\s?(?P<half>[aApP])(?:\.?[mM]{SENTENCE_END}|\.[mM]\.|[mM]\b))?",
        _time,
    ),
    "hour": (
        rf"\b(?P<at>1?\d)\s?(?P<half_only>[aApP])(?:\.?[mM]{SENTENCE_END}|\.[mM]\.|[mM]\b)",
        lambda m: [*numbers.cardinal(int(m["at"])), f"{m['half_only'].upper()}.M."],
    ),
    "date": (
        r"\b(?:\d{1,2}(?P<between>[/.-])\d{1,2}(?P=between)(?:\d{4}|\d\d)|\d{4}-\d\d-\d\d)\b"
        r"(?![./-]\d)",
        _date,
    ),
    "month_day": (
        rf"\b(?P<month>{_MONTH})\s(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?(?![\d:.,]\d|\d|\w)",
        _month_day,
    ),
    "phone": (
        r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)\s?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b|\b\d{3}-\d{4}\b"
        r"|\+\d{1,3}(?:[ .-]?\d{2,4}){2,5}\b|\b\d{19,}\b",
        lambda m: _plus(m[0]) + numbers.digits(m[0]),
    ),
    "money": (
        rf"(?P<minus>-)?(?:(?P<sign>[{SIGNS}]|\b(?:USD|EUR|GBP)\s)\s?(?P<amount>{AMOUNT})"
        rf"|(?P<amount_before>{AMOUNT})\s?(?P<sign_after>[{SIGNS}]|(?:USD|EUR|GBP)\b))"
        rf"(?P<scale>{SCALE})?",
        _scaled,
    ),
    "decade": (
        r"(?:'|\b)(?:\d{3}|\d)0'?s\b",
        lambda m: numbers.decade(int(re.sub(r"\D", "", m[0]))),
    ),
    "height": (r"\b(?P<feet>\d)'(?P<inches>\d|1[01])(?:\"|(?!\w))", _height),
    "ordinal": (
        r"\b\d{1,3}(?:,?\d{3})*(?:st|nd|rd|th|ST|ND|RD|TH)\b",
        lambda m: numbers.ordinal(int(m[0][:-2].replace(",", ""))),
    ),
    "fraction": (
        r"(?<![\d/.])(?:(?P<whole>\d{1,3}) )?(?P<above>\d{1,3})/(?P<below>\d{1,3})(?![\d/.]*\d)",
        _fraction,
    ),
    "measure": (rf"(?<!\w)(?P<quantity>-?{NUMBER})\s?(?P<unit>{_UNIT})(?!\w)", _measure),
    "version": (r"\d+(?:\.\d+){2,}", _version),
    "range": (
        rf"(?<![\w-])(?P<from>{NUMBER})(?:[-\u2014:])(?P<until>{NUMBER})(?![\w-])",
        lambda m: [*_number_or_year(m["from"]), "to", *_number_or_year(m["until"])],
    ),
    "number": (
        rf"(?:(?<!\w)[+-])?{NUMBER}|(?<!\w)\.\d+",
        lambda m: _plus(m[0]) + _number_or_year(m[0]),
    ),
    "street": (rf"\bSt(?:{END}|\.|\b(?!'|-))", _saint_or_street),
    "closer": (rf"(?i:\b(?:{CLOSERS})){SENTENCE_END}", _abbreviation),
    "initials": (
        rf"\b(?:{_LETTER}\.){{1,11}}(?:{_LETTER}(?={END})|{_LETTER}\.(?!\w))|(?<![\w.])[A-Z]\.(?=\s?[A-Z])",
        _initials,
    ),
    "abbreviation": (
        rf"(?i:\b(?:{_SHORT}))(?:{END}|\.(?!\w))|\b(?:{WITHOUT_STOP})\b"
        rf"|(?i:\b(?:{BEFORE_NUMBER})\.)(?=\s?\d)|\b(?:{BEFORE_NAME})\.(?=\s[A-Z])",
        _abbreviation,
    ),
    "roman": (
        r"\b(?P<ruler>[A-Z][a-z]+) (?=[IVX]{2})"
        r"(?P<numeral>X{1,3}(?:IX|IV|V?I{0,3})|IX|IV|VI{1,3}|I{2,3})\b",
        _roman,
    ),
    "word": (
        rf"(?:'(?=(?i:em|tis|twas|cause|til|n)\b))?{_LETTER}+(?:'{_LETTER}+){{0,4}}"
        rf"(?:-{_LETTER}+(?:'{_LETTER}+){{0,4}}){{0,20}}(?:(?:(?<=s)|(?<=[a-z]in))'(?!\w))?",
        _word,
    ),
    "mark": (rf"[{re.escape(MARKS)}]", lambda _: []),
    "symbol": (r"[^\w\s]|_", _symbol),
}  # fmt: skip
PATTERN = re.compile("|".join(f"(?P<{name}>{body})" for name, (body, _) in _PATTERNS.items()))
READERS = {name: reader for name, (_, reader) in _PATTERNS.items()}
