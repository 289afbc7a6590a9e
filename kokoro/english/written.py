"""Written English as the words that are said: numbers, dates, money, abbreviations, addresses.

A text becomes items; each is a mark, or something written with the words that are said for it. A
word of capitals with a full stop after each (`U.S.`) is one that is spelled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from . import amounts, names, sizes, times
from .abbreviations import INSIDE
from .cleaning import clean
from .reading import STARTS, before

# In order: what is read first is not taken apart by what comes later.
_FORMS = {
    **names.ADDRESSES,
    **times.FORMS,
    **names.PHONES,
    **sizes.FORMS,
    **amounts.FORMS,
    **names.FORMS,
}
READERS = {name: reader for name, (_, reader) in _FORMS.items()}
# By the first character; where a form cannot begin it is not tried.
_BEGINNINGS = {
    "digit": (
        "address", *times.NUMBERED, *names.PHONES, *sizes.NUMBERED, *amounts.FORMS,
    ),
    "letter": ("address", *times.NAMED, *amounts.FORMS, *names.LETTERED),
    "blank": ("rate",),
    "sign": (
        "address", "till", "decade", "phone", "power", "rate", *amounts.FORMS, "word", "mark",
        "symbol",
    ),
}  # fmt: skip


def join_forms(chosen: Collection[str] = tuple(_FORMS)) -> re.Pattern[str]:
    """One expression of forms, each a group with its name."""
    bodies = {name: body for name, (body, _) in _FORMS.items() if name in chosen}
    return re.compile("|".join(f"(?P<{name}>{body})" for name, body in bodies.items()))


_PATTERNS = {kind: join_forms(forms) for kind, forms in _BEGINNINGS.items()}
OPENING, CLOSING = "\u201c\u201d"
_QUOTES = ('"', OPENING, CLOSING)
_MAY_END = ("initials", "abbreviation", "street", "hour", "time", "day_range")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A mark, or something written and the words that are said for it."""

    text: str
    words: tuple[str, ...]  # for a mark: empty
    mark: bool
    blank: bool  # followed by a blank; between two that have words always


def read_text(text: str) -> list[Item]:
    """Items of an English text in order; what nobody says is left out."""
    text = clean(text)
    reader = _Items()
    for found in find_forms(text):
        kind = str(found.lastgroup)
        blank = not text[found.end() : found.end() + 1].strip()
        if kind == "mark" and reader.is_inches(found):
            many = _MORE_THAN_ONE.match(text, found.end())
            reader.add_words(found[0], ["inches" if many else "inch"], blank=blank)
        elif kind == "mark":
            reader.add_mark(found[0], blank=blank)
        else:
            words = READERS[kind](found)
            ends = kind in _MAY_END and _ends_sentence(found, kind)
            written = found[0].removesuffix(".") if ends else found[0]
            reader.add_words(written, words, blank=blank and not ends)
            if ends:
                reader.add_mark(".", blank=blank)
    return reader.items


def find_forms(text: str) -> Iterator[re.Match[str]]:
    """What is written in a cleaned text, in order; the last group of a match is its form."""
    digits, letters, blanks, signs = (
        _PATTERNS[kind].match for kind in ("digit", "letter", "blank", "sign")
    )
    position = 0
    while position < len(text):
        c = text[position]
        match = (
            blanks if c.isspace()
            else signs if not c.isalnum()
            else digits if c.isdecimal()
            else letters
        )  # fmt: skip
        found = match(text, position)
        if found:
            yield found
        position = found.end() if found else position + 1


class _Items:
    """The items so far."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.quote = CLOSING  # the last quotation mark

    def add_mark(self, mark: str, *, blank: bool) -> None:
        """Add a mark; a quotation mark is an opening or closing one by the one before it."""
        if mark in _QUOTES:
            mark = self.quote = OPENING if self.quote == CLOSING != mark else CLOSING
        if self.items and self.items[-1].mark and self.items[-1].text == mark:
            self.items.pop()  # !!! is !
        self.items.append(Item(text=mark, words=(), mark=True, blank=blank))

    def add_words(self, written: str, words: Sequence[str], *, blank: bool) -> None:
        """Add what is said as words; nothing said is at most a blank."""
        last = self.items[-1] if self.items else None
        if last and not last.blank and (blank if not words else not last.mark):
            self.items[-1] = replace(last, blank=True)  # 5k: said apart
        if words:
            self.items.append(Item(text=written, words=tuple(words), mark=False, blank=blank))

    def is_inches(self, found: re.Match[str]) -> bool:
        """Whether a quotation mark that opens nothing follows a number: a 12" pizza."""
        if found[0] != '"' or self.quote != CLOSING or not self.items:
            return False
        return not self.items[-1].blank and self.items[-1].text[-1].isdecimal()


# What follows inches that are not said of a thing: 12" long, but a 12" pizza.
_MORE_THAN_ONE = re.compile(
    r"(?!\s[a-z]{3})|\s(?:and|but|was|has|are|for|the|with|long|wide|tall|high)\b"
)


def _ends_sentence(found: re.Match[str], kind: str) -> bool:
    """Whether the full stop of a short form also ends the sentence: `in the U.S. He went`."""
    written = found[0]
    if not written.endswith("."):
        return False
    if kind == "initials" and len(written) == 2:  # plan B. Then, but George W. Bush
        word = re.search(r"(\w+)\s*$", before(found))
        return word is not None and word[1].islower()
    if written.lower() in INSIDE and not (kind == "street" and not written.startswith("Dr")):
        return False
    return STARTS.match(found.string, found.end()) is not None
