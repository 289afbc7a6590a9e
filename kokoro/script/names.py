"""Who speaks: names at the beginning of lines, the reference's marks, and a list of names.

The rule, in one sentence: one to three capitalised words and a colon at the beginning of a line are
a speaker's name (or, if a list of names is given, one of that list), and other one to three words
before a colon there are refused, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .notation import MAX_REMARK, REMARK, Place

MAX_SPEAKERS = 6
MAX_NAME = 30  # characters
MAX_WORDS = 3  # in a name that is not listed

# [- ][**]Name[**][ (remark)][ [options]][ (remark)][**]:[**]
HEAD = re.compile(
    r"(?:[-*>\u2022\u2013\u2014][ \t]+)?(?P<stars>\*{1,3})?"
    r"(?P<name>[^\s:\uff1a\[\](){}\uff08\uff09*][^:\uff1a\[\](){}\uff08\uff09*]{0,39}?)(?<!\s)"
    rf"(?(stars)\*{{0,3}})\s*(?:(?P<remark>{REMARK})\s*)?(?P<brackets>(?:\[[^\[\]]*\]\s*)*)"
    rf"(?:(?P<late>{REMARK})\s*)?"
    r"\*{0,3}(?P<colon>[:\uff1a])(?(stars)\*{0,3})"
)
_BEGUN = re.compile(  # the same with a bracket that HEAD cannot read
    r"(?:[-*>\u2022\u2013\u2014][ \t]+)?\*{0,3}(?P<name>[^\s:\uff1a\[\](){}\uff08\uff09*]"
    r"[^:\uff1a\[\](){}\uff08\uff09*]{0,39}?)\*{0,3}\s?[(\uff08](?P<inside>[^:\uff1a]*)[:\uff1a]"
)
_SMILEY = re.compile(r"[:/\\]|[-']?[()|DPpOo3](?=\s|$)")  # after a colon: also "http://", "a::b"
MARK_NAME = re.compile(r"s[ _]?(\d{1,3})")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_JOINERS = frozenset(" '-._&\u2019\u200c\u200d\u05f3\u05f4")
_TITLES = frozenset([
    "dr.", "mr.", "mrs.", "ms.", "prof.", "st.", "sgt.", "capt.", "cpt.", "lt.", "col.", "gen.",
    "maj.", "rev.", "sen.", "gov.", "pres.", "fr.", "jr.", "sr.", "hr.", "fra.", "sra.", "dra.",
    "srta.", "mme.", "mlle.", "sig.", "dott.",
])  # fmt: skip
# Words that begin a sentence before a colon more often than they name somebody.
_SPOKEN = frozenset([
    "act", "answer", "attention", "b.c", "caution", "chapter", "conclusion", "danger",
    "episode", "example", "fact", "finally", "first", "hint", "important", "last", "listen",
    "look", "n.b", "nb", "no", "note", "notes", "ok", "okay", "p.s", "part", "problem", "ps",
    "question", "reason", "remember", "reminder", "result", "rule", "scene", "second", "so",
    "solution", "spoiler", "step", "summary", "then", "third", "tip", "title", "today",
    "tomorrow", "update", "wait", "warning", "well", "yes",
])  # fmt: skip


def name_key(name: str) -> str:
    """What two spellings of one name have in common."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def is_label_colon(line: str, found: re.Match[str]) -> bool:
    """Whether the colon of a HEAD can end a label: no time of day, address or smiley."""
    at, after = found.start("colon"), line[found.end() :]
    if found["colon"] != ":":
        return True
    if line[at - 1].isdigit() and after[:1].isdigit():
        return False
    if line[at - 1].isspace() and after and not after[0].isspace():
        return False
    return _SMILEY.match(after) is None


def may_be_name(name: str) -> bool:
    """Whether words could name somebody: short, few, and nothing but letters and digits."""
    return (
        len(name) <= MAX_NAME
        and len(name.split()) <= MAX_WORDS
        and name[0].isalpha()
        and all(c in _JOINERS or unicodedata.category(c)[0] in "LMN" for c in name)
    )


def looks_like_name(name: str) -> bool:
    """Whether every word begins with a capital letter (or one of an alphabet without them)."""
    words = name.split()
    base = words[:-1] if len(words) > 1 and words[-1].isdigit() else words
    if name_key(" ".join(base)).rstrip(".") in _SPOKEN:
        return False
    return all(
        word[0].isalnum()
        and not word[0].islower()
        and ("." not in word or _INITIALS.fullmatch(word) or word.casefold() in _TITLES)
        for word in words
    )


def check_remark(line: str, start: int, place: Place) -> None:
    """Refuse a name at the start of a line with a bracket that does not end before the colon.

    It is called where HEAD finds no name, and the bracket would be spoken.

    Raises:
        ValueError: If the bracket is open, too long, or holds others.
    """
    found = _BEGUN.match(line, start)
    if found is None or not may_be_name(found["name"]) or not looks_like_name(found["name"]):
        return
    inside = found["inside"].rstrip("* \t")
    is_closed = inside.endswith((")", "\uff09"))
    if is_closed or not re.search(r"[)\uff09]", line[found.start("inside") :]):
        why = f"is one bracket of up to {MAX_REMARK} characters with no other inside"
        why = why if is_closed else "ends before the colon, and this bracket is open"
        raise place.error(
            f"What {found['name'].strip()} does while speaking {why}. Write for example "
            f"{found['name'].strip()} (laughing): Hello."
        )


class SpeakerNames:
    """The speakers of a script, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        """Begin with a list of names, which may be empty.

        Raises:
            ValueError: If there are too many, or one is blank, too long, twice there, or no name.
        """
        self.names = [" ".join(name.split()) for name in names]
        self.is_listed = bool(self.names)
        self._uses_marks: bool | None = None  # None: neither mark nor name has been seen
        if len(self.names) > MAX_SPEAKERS:
            raise ValueError(
                f"voices names {len(self.names)} speakers; up to {MAX_SPEAKERS} are possible. "
                f"Remove {', '.join(self.names[MAX_SPEAKERS:])[:60]}."
            )
        for number, name in enumerate(self.names, start=1):
            if not 0 < len(name) <= MAX_NAME or re.search(r"[:\uff1a\[\](){}*]", name):
                raise ValueError(
                    f"Name {number} in voices is {name[:40]!r}; a name has 1 to {MAX_NAME} "
                    "characters and no colon, bracket or asterisk. Write for example: Anna"
                )
        self._index = {name_key(name): index for index, name in enumerate(self.names)}
        if len(self._index) < len(self.names):
            raise ValueError(
                f"voices has one name twice: {', '.join(self.names)}; capital letters make no "
                "difference. Give every speaker another name."
            )

    def by_number(self, number: int, place: Place) -> int:
        """The speaker of a mark, from 0.

        Raises:
            ValueError: If there is no such speaker, or marks and names are mixed without a list.
        """
        if number > MAX_SPEAKERS:
            raise place.error(
                f"(s{number}) would be speaker {number}; up to {MAX_SPEAKERS} are possible. "
                f"Use (s1) to (s{MAX_SPEAKERS})."
            )
        if number < 1:
            raise place.error(f"(s{number}) is no speaker; the first one is (s1). Write (s1).")
        self._check_kind(place, marks=True)
        if self.is_listed and number > len(self.names):
            raise place.error(
                f"(s{number}) is speaker {number}, but voices names only {', '.join(self.names)}. "
                "Add a name there."
            )
        while len(self.names) < number:
            self.names.append(f"s{len(self.names) + 1}")
        return number - 1

    def by_name(self, name: str, place: Place) -> int | None:
        """The speaker of a label, from 0, or None if what stands before the colon are words.

        Raises:
            ValueError: If it cannot be told whether this is a speaker, or there are too many.
        """
        key = name_key(name)
        if key in self._index:
            self._check_kind(place, marks=False)
            return self._index[key]
        mark = MARK_NAME.fullmatch(key)
        if mark:
            return self.by_number(int(mark[1]), place)
        if not may_be_name(name):
            return None
        if self.is_listed:
            raise place.error(
                f'"{name}:" is not among the names in voices: {", ".join(self.names)}. Correct it, '
                rf"add it to voices, or write \{name}: with a backslash if it is to be spoken."
            )
        if not looks_like_name(name):
            capitals = "" if name.istitle() else "capitalise every word or "
            raise place.error(
                f'"{name}:" could be a speaker or words to speak. For a speaker, {capitals}add it '
                rf"to voices; for words, write \{name}: with a backslash."
            )
        return self._add(name, place)

    def by_any_name(self, name: str, place: Place) -> int:
        """The speaker of a name that is surely one, whatever it looks like.

        Raises:
            ValueError: If it is not among the listed names, too long, or there are too many.
        """
        known = self._index.get(name_key(name[: 4 * MAX_NAME]))
        if known is not None:
            return known
        if self.is_listed:
            raise place.error(
                f"{name[:40]} is not among the names in voices: {', '.join(self.names)}. Correct "
                "it, or add it to voices."
            )
        if len(name) > MAX_NAME:
            raise place.error(
                f"{name[:40]} is no name; it has up to {MAX_NAME} characters. Give a shorter one."
            )
        return self._add(name, place)

    def _add(self, name: str, place: Place) -> int:
        key = name_key(name)
        self._check_kind(place, marks=False)
        name = " ".join(name.split())
        if len(self.names) == MAX_SPEAKERS:
            raise place.error(
                f'"{name}" is the seventh speaker after {", ".join(self.names)}; up to '
                f"{MAX_SPEAKERS} are possible. Give the words to one of them, or write "
                rf"\{name}: with a backslash if it is to be spoken."
            )
        self._index[key] = len(self.names)
        self.names.append(name)
        return len(self.names) - 1

    def _check_kind(self, place: Place, *, marks: bool) -> None:
        """With a list, (s1) is its first name; without one it could be anybody."""
        if self._uses_marks is None:
            self._uses_marks = marks
        elif self._uses_marks != marks and not self.is_listed:
            raise place.error(
                "Marks like (s1) and names like Anna: are mixed, so nobody can tell who (s1) is. "
                "Use one of them, or name the speakers in voices: (s1) is then the first."
            )
