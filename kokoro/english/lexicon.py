"""English words to phonemes: misaki's dictionaries as data, and rules for what they leave out.

The dictionaries are read as files of the installed package; its code is never imported, because
that needs spaCy. gold is checked by hand, silver is not.
"""

from __future__ import annotations

import importlib.util
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..symbols import (
    BARRED_I,
    ENG,
    FAINT_SCHWA,
    FLAP,
    LONG,
    PRIMARY,
    SCHWA,
    SECONDARY,
    SIBILANTS,
    SMALL_I,
    STRESSES,
    TURNED_R,
    VOICELESS,
    VOWELS,
)

Entry = str | dict[str, str | None]
DEFAULT = "DEFAULT"
FAINT_L = FAINT_SCHWA + "l"
VOICED_SIBILANTS = "z\u0292\u02a4"
# Stems of a written word, by its ending: what is cut off, what is put back.
STEMS = {
    "s": (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("s", ""), ("es", "")),
    "ed": (("ied", "y"), ("d", ""), ("ed", ""), ("cked", "c")),
    "ing": (("ing", "e"), ("ing", ""), ("ying", "ie"), ("cking", "c")),
    "ly": (("ically", "ic"), ("ily", "y"), ("ly", ""), ("ly", "le"), ("y", ""), ("ally", "")),
}


def data_folder() -> Path | None:
    """Where misaki's dictionaries are, or None where the package is not installed."""
    spec = importlib.util.find_spec("misaki")
    places = (spec.submodule_search_locations if spec else None) or []
    folders = [Path(place) / "data" for place in places]
    return next((f for f in folders if (f / "us_gold.json").is_file()), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lexicon:
    """The words of one kind of English."""

    gold: Mapping[str, Entry]
    silver: Mapping[str, Entry]
    british: bool

    @classmethod
    def load(cls, folder: Path, *, british: bool) -> Lexicon:
        """Read the dictionaries from a folder as `data_folder` gives it; British or American."""
        prefix = "gb" if british else "us"
        gold, silver = (
            json.loads((folder / f"{prefix}_{grade}.json").read_text(encoding="utf-8"))
            for grade in ("gold", "silver")
        )
        return cls(gold=gold, silver=silver, british=british)

    def find(self, word: str) -> str | None:
        """Phonemes of a written word, with stress; None if neither entry nor rule gives them."""
        return self.entry(word) or self.possessive(word) or self.derive(word)

    def entry(self, word: str, uses: tuple[str, ...] = ()) -> str | None:
        """What the dictionaries have: gold before silver, as written before other cases.

        `uses` are parts of speech that fit here, best first, in the dictionaries' terms.
        """
        for table in (self.gold, self.silver):
            for form in _forms(word):
                found = table.get(form)
                if isinstance(found, dict):
                    found = next((found[use] for use in (*uses, DEFAULT) if found.get(use)), None)
                if found:
                    return found
        return None

    def is_spelled(self, word: str) -> bool:
        """Whether a word in capitals is read letter by letter: the entry says so, or lacks."""
        found = self.gold.get(word)
        if isinstance(found, dict):
            return "NOUN" in found and found["NOUN"] is None
        return found is None and self.entry(word) is None

    def possessive(self, word: str) -> str | None:
        """A word with 's or s' by its stem."""
        stem, apostrophe, rest = word.rpartition("'")
        if not apostrophe or rest.lower() not in ("s", ""):
            return None
        if not rest and not stem.lower().endswith("s"):
            return None
        found = self.entry(stem) or self.derive(stem)
        return found and (self.add_s(found) if rest else found)

    def derive(self, word: str) -> str | None:
        """A word with one of the endings -s, -ed, -ing, -ly, by the entry of its stem, if known."""
        lower = word.lower()
        adders = {"s": self.add_s, "ed": self.add_ed, "ing": self.add_ing, "ly": self.add_ly}
        for ending, add in adders.items():
            if not lower.endswith(ending) or lower.endswith("ss"):
                continue
            for stem in _stems(word, ending):
                found = self.entry(stem, ("VERB",) if ending in ("ed", "ing") else ())
                if found:
                    return add(found, lower, stem.lower())
        return None

    def add_s(self, stem: str, written: str = "", base: str = "") -> str:
        """Plural, third person or possessive."""
        if written.endswith("ves") and base.endswith(("f", "fe")):
            stem = stem.removesuffix("f") + "v"
        if stem[-1] in SIBILANTS:
            return stem + self.weak_i + "z"
        if self.british and written.endswith("ies") and stem.endswith("i"):
            stem = stem[:-1] + SMALL_I
        return stem + ("s" if stem[-1] in VOICELESS else "z")

    def add_ed(self, stem: str, written: str, base: str) -> str:
        """Past tense."""
        if stem[-1] in "td":
            return self._flapped(stem) + self.weak_i + "d"
        if self.british and stem.endswith(FAINT_L):
            stem = stem[:-2] + "l"
        if self.british and base.endswith("y") and stem.endswith("i"):
            stem = stem[:-1] + SMALL_I
        voiceless = stem[-1] in VOICELESS + SIBILANTS and stem[-1] not in VOICED_SIBILANTS
        return stem + ("t" if voiceless else "d")

    def add_ing(self, stem: str, written: str, base: str) -> str:
        """Present participle."""
        if self.british and base.endswith(("r", "re")) and stem[-1] in VOWELS + LONG:
            stem += TURNED_R
        if stem.endswith((FAINT_L, SCHWA + "l")) and base.endswith("le"):
            stem = stem[:-2] + ("" if self.british else FAINT_SCHWA) + "l"
        return self._flapped(stem) + SMALL_I + ENG

    def add_ly(self, stem: str, written: str, base: str) -> str:
        """Adverb."""
        weak = SMALL_I if self.british else SCHWA
        if written.endswith("ically") and stem.endswith(SMALL_I + "k"):
            return stem[:-2] + weak + "k" + ("" if self.british else FAINT_SCHWA) + "li"
        if written.endswith("ily") and stem.endswith("i"):
            return stem[:-1] + weak + "li"
        for ending, vowel in (("ed", BARRED_I), ("ive", SMALL_I)):
            if base.endswith(ending) and stem[-2:-1] == vowel:
                stem = stem[:-2] + weak + stem[-1]
        stem = self._l_before_ly(stem, base)
        return stem + ("i" if stem.endswith("l") else "li")

    def _l_before_ly(self, stem: str, base: str) -> str:
        """A syllable with an l at the end of a stem is swallowed or gets a clear vowel."""
        swallowed = base.endswith("ble") or (self.british and base.endswith("ical"))
        if swallowed and stem.endswith((FAINT_L, SCHWA + "l")):
            return stem[:-2] + "l"
        if stem.endswith(FAINT_L) and (self.british or not base.endswith("le")):
            return stem[:-2] + SCHWA + "l"
        return stem

    @property
    def weak_i(self) -> str:
        """The vowel of an ending with a syllable of its own: boxes, wanted."""
        return SMALL_I if self.british else BARRED_I

    def _flapped(self, stem: str) -> str:
        flaps = re.search(f"[{VOWELS}{TURNED_R}]t$", stem)
        return stem[:-1] + FLAP if flaps and not self.british else stem

    def spell(self, letters: str) -> str:
        """Names of letters in one breath, the last one stressed most."""
        names = [name for letter in letters if (name := self.entry(letter.upper()))]
        said = [name.replace(PRIMARY, SECONDARY) for name in names[:-1]]
        return "".join([*said, *names[-1:]])

    def compound(self, word: str) -> str | None:
        """A word of two known ones, such as framerate, cut nearest to its middle."""
        lower = word.lower()
        middle = len(lower) / 2
        for cut in sorted(range(3, len(lower) - 2), key=lambda cut: abs(cut - middle)):
            head = self.entry(lower[:cut])
            tail = head and (self.entry(lower[cut:]) or self.derive(lower[cut:]))
            if head and tail:
                return head + tail.replace(SECONDARY, "").replace(PRIMARY, SECONDARY)
        return None


def _forms(word: str) -> Iterator[str]:
    """A word in the cases that the dictionaries may have it in."""
    yield word
    lower = word.lower()
    if lower != word:
        yield lower
    if word[:1].islower() or word.isupper():
        yield lower[:1].upper() + lower[1:]
    if not word.isascii():
        plain = unicodedata.normalize("NFD", word)
        yield "".join(c for c in plain if not unicodedata.combining(c)).lower()


def _stems(word: str, ending: str) -> Iterator[str]:
    lower = word.lower()
    shortest = 2 if ending == "s" else 3
    for cut, put in STEMS[ending]:
        if lower.endswith(cut) and len(word) - len(cut) + len(put) >= shortest:
            yield word[: -len(cut)] + put
    bare = word[: -len(ending)]
    if ending in ("ed", "ing") and len(bare) > 3 and bare[-1] == bare[-2]:
        yield bare[:-1]  # stopped, running


def first_is_vowel(phonemes: str) -> bool:
    """Whether phonemes begin with a vowel sound."""
    return re.match(f"[{STRESSES}]*[{VOWELS}]", phonemes) is not None


def last_is_vowel(phonemes: str) -> bool:
    """Whether phonemes end in a vowel sound."""
    return phonemes[-1:] in tuple(VOWELS + LONG)
