"""Which phonemizer turns the text of a language into phonemes, by what is installed.

English: misaki's dictionaries with our own rules, which read written forms ($20-$30) better than
misaki's class does; spaCy's model tells parts of speech where it is installed. Japanese and
Mandarin: misaki's own classes. Others, and English words that are in no dictionary: espeak-ng.

Source: kokoro.md section 5.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .english.lexicon import Lexicon, data_folder
from .english.pronunciation import EnglishPhonemes
from .english.tags import find_tagger
from .espeak.phonemes import EspeakPhonemes, espeak_ipa
from .espeak.process import is_installed
from .symbols import Token, drop_unsaid, fold_english, keep_symbols

LANGUAGES = {
    "a": "American English", "b": "British English", "e": "Spanish", "f": "French", "h": "Hindi",
    "i": "Italian", "j": "Japanese", "p": "Brazilian Portuguese", "z": "Mandarin",
}  # fmt: skip
CODES = {
    "en-us": "a", "en": "a", "en-gb": "b", "es": "e", "fr-fr": "f", "fr": "f", "hi": "h", "it": "i",
    "ja": "j", "pt-br": "p", "pt": "p", "zh": "z", "cmn": "z",
}  # fmt: skip
ESPEAK_CODES = {
    "a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br",
}  # fmt: skip
# Packages without which misaki's own classes do not work, by language.
MISAKI_NEEDS = {
    "j": ("misaki", "fugashi", "unidic", "pyopenjtalk", "jaconv", "mojimoji"),
    "z": ("misaki", "jieba", "pypinyin", "pypinyin_dict", "cn2an", "ordered_set"),
}


class Phonemizer(Protocol):
    """Reads the text of one language."""

    @property
    def name(self) -> str:
        """What the user is told is used."""
        ...

    @property
    def english(self) -> bool:
        """Whether chunks are made of tokens; otherwise of sentences."""
        ...

    def tokens(self, text: str) -> list[Token]:
        """Words and marks of a text with their phonemes."""
        ...


def language_of(language: str) -> str:
    """The letter of a language, one of `LANGUAGES`.

    It may be given as a letter, a code such as `en-gb`, a name such as `British English`, or the
    name of a voice (`bf_emma`), whose first letter is its language.

    Raises:
        ValueError: If the speech model has no such language.
    """
    wanted = language.strip().lower().replace("_", "-")
    names = {name.lower(): letter for letter, name in LANGUAGES.items()}
    letter = wanted if wanted in LANGUAGES else CODES.get(wanted) or names.get(wanted)
    if letter:
        return letter
    voice = re.fullmatch(r"([a-z])[fm]-.+", wanted)
    if voice and voice[1] in LANGUAGES:
        return voice[1]
    known = ", ".join(f"{letter} ({name})" for letter, name in LANGUAGES.items())
    raise ValueError(
        f"language is {language[:40]!r}; the speech model knows {known}. Use a letter."
    )


def choose_phonemizer(language: str) -> Phonemizer:
    """The best phonemizer for a language, see `language_of`, among what is installed.

    Raises:
        ValueError: If the speech model has no such language.
        RuntimeError: If no phonemizer for the language is installed; names the package to install.
    """
    letter = language_of(language)
    if letter in "ab":
        return _english_phonemizer(british=letter == "b")
    if letter in MISAKI_NEEDS:
        return _misaki_phonemizer(letter)
    if not is_installed():
        raise RuntimeError(
            f"{LANGUAGES[letter]} needs espeak-ng to turn text into phonemes. "
            "Run: pip install espeakng-loader. Or type phonemes instead of text."
        )
    return EspeakPhonemes(language=ESPEAK_CODES[letter])


def _english_phonemizer(*, british: bool) -> Phonemizer:
    letter = "b" if british else "a"

    def fallback(words: Sequence[str]) -> list[str]:
        found = espeak_ipa(words, ESPEAK_CODES[letter])
        return [fold_english(ipa, british=british) for ipa in found]

    known = fallback if is_installed() else None
    if folder := data_folder():
        tagger = find_tagger()
        parts = ["misaki's dictionaries"]
        parts += ["spaCy for parts of speech"] * bool(tagger)
        parts += ["espeak-ng for other words"] * bool(known)
        return EnglishPhonemes(
            lexicon=Lexicon.load(folder, british=british),
            name=" and ".join(parts),
            fallback=known,
            tagger=tagger,
        )
    if known:
        empty = Lexicon(gold={}, silver={}, british=british)
        return EnglishPhonemes(lexicon=empty, name="espeak-ng", fallback=known)
    raise RuntimeError(
        "English needs a dictionary or espeak-ng to turn text into phonemes. "
        "Run: pip install --no-deps --ignore-requires-python misaki (only its dictionaries are "
        "used), and: pip install espeakng-loader. Or type phonemes instead of text."
    )


def _missing(needs: str) -> list[str]:
    """Packages that misaki's own class for a language needs and that are not installed."""
    return [name for name in MISAKI_NEEDS[needs] if importlib.util.find_spec(name) is None]


@dataclass(frozen=True, kw_only=True, slots=True)
class MisakiPhonemes:
    """A class of misaki; not run in this project's tests, which have none of its packages."""

    read: Callable[[str], tuple[str, object]]  # text to phonemes, and more
    name: str = "misaki"
    english: bool = False

    def tokens(self, text: str) -> list[Token]:
        """The whole text as one token."""
        said = keep_symbols(self.read(drop_unsaid(text))[0])
        return [Token(text=text, phonemes=said, blank=False)] if said else []


def _misaki_phonemizer(letter: str) -> Phonemizer:
    extra, reader = {"j": ("ja", "JAG2P"), "z": ("zh", "ZHG2P")}[letter]
    missing = _missing(letter)
    if missing:
        raise RuntimeError(
            f"{LANGUAGES[letter]} needs {len(MISAKI_NEEDS[letter])} packages to turn text into "
            f"phonemes; missing here: {', '.join(missing)}. "
            f'Run: pip install "misaki[{extra}]" (for Python before 3.13). '
            "Or type phonemes instead of text."
        )
    read = getattr(importlib.import_module(f"misaki.{extra}"), reader)()
    return MisakiPhonemes(read=read)
