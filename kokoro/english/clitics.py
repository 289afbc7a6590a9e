"""What an apostrophe joins to an English word: possessives, contractions, dropped letters."""

from __future__ import annotations

import re

from ..symbols import FAINT_SCHWA, SCHWA, TURNED_R
from .lexicon import Lexicon, last_is_vowel

# The ends of words that have a sound of their own, whatever stands before them.
_TAILS = re.compile(
    r"(?P<head>.*[^\W\d_])(?P<tail>n't|'(?:s|d|ll|ve|re|m|n|all|em)?)", re.IGNORECASE
)
_PLURAL = re.compile(r"(?P<head>[A-Z]{2,})(?P<tail>s)")  # GPUs
# Before 's these are words that change with it or are said without stress: read as a whole where
# no dictionary has them.
_CONTRACTED = frozenset([
    "he", "here", "how", "i", "it", "let", "she", "that", "there", "they", "this", "we", "what",
    "when", "where", "who", "why", "y'all", "you",
])  # fmt: skip


def split_clitic(word: str) -> tuple[str, str] | None:
    """Head and end of a word such as `Anna's`, `GPUs` or `Rex'll`; None if it has no such end."""
    found = _TAILS.fullmatch(word) or _PLURAL.fullmatch(word)
    if found is None or (found["tail"] == "'" and found["head"][-1] not in "sSxXzZ"):
        return None
    return found["head"], found["tail"].lower()


def is_contraction(head: str, tail: str) -> bool:
    """Whether the sound of a word is not that of its head and its end: don't, he's, let's."""
    return tail == "n't" or head.lower() in _CONTRACTED


def add_clitic(lexicon: Lexicon, said: str, tail: str) -> str:
    """Phonemes of a word with an end of `split_clitic`, from the sound that it ends in."""
    if not said or tail == "'":
        return said
    if tail in ("'s", "s"):
        return lexicon.add_s(said)
    vowel = last_is_vowel(said)
    if tail == "'d" and said[-1] in "td":
        return said + lexicon.weak_i + "d"
    if tail == "'re":
        return said + SCHWA + ("" if lexicon.british else TURNED_R)
    if tail == "n't":
        return said + FAINT_SCHWA + "nt"
    if tail in ("'n", "'all", "'em"):
        return said + SCHWA + {"'n": "n", "'all": "l", "'em": "m"}[tail]
    sound = {"'d": "d", "'ll": "l", "'ve": "v", "'m": "m"}[tail]
    return said + ("" if vowel else SCHWA) + sound
