"""What the readers of written forms share: what a reader is, numbers as written, and context.

A form is a regular expression and a reader of its matches. No expression has two neighbouring
repetitions that can share a character, and none looks ahead further than a few words: hostile text
must not make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import numbers
from .abbreviations import STARTERS, UNITS

Reader = Callable[[re.Match[str]], list[str]]
Form = tuple[str, Reader]

NUMBER = r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)?"
LETTER = r"[^\W\d_]"
DASH = r"[-\u2014]"
UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
# The full stop at the end of a text is a mark, whatever else it is; some short forms often end a
# sentence before.
_CLOSERS = "[)\"'\u201c\u201d]*"
END = rf"(?=\.{_CLOSERS}\s*$)"
SENTENCE_END = rf"(?=\.{_CLOSERS}(?:\s*$|\s+[A-Z]))"
STARTS = re.compile(rf"{_CLOSERS}\s+(?:{'|'.join(STARTERS)})\b")
_CONTEXT = 40  # characters
_YEAR_AFTER = re.compile(
    r"(?:\b(?:in|since|by|until|till|from|before|after|during|around|circa|year|early|late|mid|AD"
    r"|of|to|and|January|February|March|April|May|June|July|August|September|October|November"
    r"|December)\s|\()$",
    re.IGNORECASE,
)
_ERA = re.compile(r"\s?(?:AD|BC|CE|BCE|A\.D|B\.C)\b")
_COUNTED = re.compile(r"\s(?:[a-z]+s|people|men|women|children|percent|million|thousand)\b")
_SURE_YEAR_AFTER = re.compile(r"\b(?:of|to|and)\s$", re.IGNORECASE)


def before(found: re.Match[str]) -> str:
    """The few characters before a match."""
    return found.string[max(0, found.start() - _CONTEXT) : found.start()]


def after(found: re.Match[str]) -> str:
    """The few characters after a match."""
    return found.string[found.end() : found.end() + _CONTEXT]


def is_year(text: str) -> bool:
    """Whether a number can be one end of a span of years."""
    return re.fullmatch(r"1\d{3}|20\d\d", text) is not None


def number_in_context(text: str, found: re.Match[str]) -> list[str]:
    """A number that may be a year by what stands around it: in 1066, 476 AD."""
    if not 3 <= len(text) <= 4:
        return numbers.decimal(text)
    if re.fullmatch(r"[1-9]\d{2,3}", text) and _ERA.match(after(found)):
        return numbers.year_before_era(int(text))
    if re.fullmatch(r"[12]\d{3}", text):
        near = before(found)
        named = _YEAR_AFTER.search(near) and not _COUNTED.match(after(found))
        if named and not (_SURE_YEAR_AFTER.search(near) and not re.match(r"1[1-9]|20", text)):
            return numbers.year(int(text))
    # Without context 1984 is a year, 1066 and 2200 are numbers.
    likely = re.fullmatch(r"1[1-9]\d\d|20\d\d", text)
    return numbers.year(int(text)) if likely else numbers.decimal(text)


def pair(text: str) -> list[str]:
    """A number of pixels as people say it: 1080 is ten eighty, 720 seven twenty."""
    high, low = divmod(int(text), 100)
    if not 1 <= high <= 99 or low == 0 or (high % 10 == 0 and low < 10):
        return numbers.decimal(text)
    return [*numbers.cardinal(high), *(["oh"] if low < 10 else []), *numbers.cardinal(low)]


def is_adjective(found: re.Match[str]) -> bool:
    """Whether an amount says what kind of thing follows: a 20 pound note, a 5 kilometer run."""
    near = re.search(r"\b(?:[Aa]n?|[Aa]nother)\s(?:[a-z]{2,12}\s)?$", before(found))
    if near is None:
        return bool(re.match(r"[\s-](?:bills?|notes?|coins?)\b", after(found)))
    following = re.match(r"\s([a-z]{2,})|-(a|[a-z]{2,})", after(found))
    if following is None or following[1] in _NO_NOUNS:  # a $20-a-month plan is one
        return False
    between = near[0].split()[1:]
    return not between or between[0] not in _NO_ADJECTIVES


_NO_NOUNS = frozenset([
    "a", "an", "and", "are", "as", "at", "by", "each", "every", "for", "from", "if", "in", "is",
    "more", "less", "of", "off", "on", "or", "per", "than", "the", "to", "was", "were", "when",
    "with", "away", "ago", "apart", "later", "earlier", "extra", "below", "above", "under", "over",
])  # fmt: skip
_NO_ADJECTIVES = frozenset(["total", "sum", "mere", "further", "whopping", "loss", "profit", "few"])
