"""Prefixes with a hyphen: how they sound, which a word of the same letters may not."""

from __future__ import annotations

from collections.abc import Callable

from ..symbols import LONG, SCHWA, SECONDARY, STRESSES, TURNED_R

# In American and in British sounds.
_PREFIXES = {
    "re": (f"{TURNED_R}{SECONDARY}i", f"{TURNED_R}{SECONDARY}i{LONG}"),
    "de": (f"d{SECONDARY}i", f"d{SECONDARY}i{LONG}"),
    "pre": (f"p{TURNED_R}{SECONDARY}i", f"p{TURNED_R}{SECONDARY}i{LONG}"),
    "co": (f"k{SECONDARY}O", f"k{SECONDARY}Q"),
    "un": (f"{SECONDARY}\u028cn", f"{SECONDARY}\u028cn"),
    "non": (f"n{SECONDARY}\u0251n", f"n{SECONDARY}\u0252n"),
    "anti": (f"{SECONDARY}\u00e6nti", f"{SECONDARY}anti"),
    "semi": (f"s{SECONDARY}\u025bmi", f"s{SECONDARY}\u025bmi"),
    "multi": (f"m{SECONDARY}\u028clti", f"m{SECONDARY}\u028clti"),
    "tri": (f"t{TURNED_R}{SECONDARY}I", f"t{TURNED_R}{SECONDARY}I"),
    "neo": (f"n{SECONDARY}iO", f"n{SECONDARY}i{LONG}Q"),
    "geo": (f"\u02a4{SECONDARY}iO", f"\u02a4{SECONDARY}i{LONG}Q"),
    "socio": (f"s{SECONDARY}OsiO", f"s{SECONDARY}QsiQ"),
    "inter": (f"{SECONDARY}\u026ant{SCHWA}{TURNED_R}", f"{SECONDARY}\u026ant{SCHWA}"),
    "intra": (f"{SECONDARY}\u026ant{TURNED_R}{SCHWA}", f"{SECONDARY}\u026ant{TURNED_R}{SCHWA}"),
}  # fmt: skip
_BARE = str.maketrans("", "", STRESSES)


def prefix_sound(prefix: str, *, british: bool) -> str | None:
    """Phonemes of a prefix such as re; None if it sounds like the word of its letters."""
    sounds = _PREFIXES.get(prefix.lower())
    return sounds[british] if sounds else None


def without_hyphen(word: str, find: Callable[[str], str | None], *, british: bool) -> str:
    """A word such as re-read as one that is known, reread; itself where that is another word.

    `find` gives the phonemes of a word. Resign does not sound like re-sign.
    """
    prefix, hyphen, rest = word.partition("-")
    sound = prefix_sound(prefix, british=british)
    if not hyphen or sound is None or find(word):
        return word
    known = (find(prefix + rest.lower()) or "").translate(_BARE)
    same = known.startswith(sound.translate(_BARE).rstrip(LONG))
    return prefix + rest.lower() if same else word
