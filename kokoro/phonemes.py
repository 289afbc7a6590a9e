"""Text to phonemes: which engine reads which language, and phonemes that a user types.

Engines, best first, by what is installed: misaki's own classes (English only with spaCy, its model
and num2words in place: they would be downloaded otherwise), misaki's English dictionaries with our
own rules, espeak-ng. Typed phonemes go before any engine: `[word](/phonemes/)`, and `[word](+1)` or
`[word](-2)` raises or lowers the stress.

Source: kokoro.md section 5; misaki's README for what is typed.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from .chunks import Chunk, chunk_piece, chunk_tokens, split_lines, split_sentences
from .english.lexicon import Lexicon, data_folder
from .english.pronunciation import EnglishPhonemes
from .espeak.process import is_installed
from .espeak.voice import EspeakPhonemes, espeak_ipa
from .symbols import (
    FLAPS,
    MARKS,
    Token,
    drop_unsaid,
    fold_english,
    is_mark,
    keep_symbols,
    shift_stress,
)

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
    "en": ("misaki", "spacy", "num2words", "en_core_web_sm"),
    "j": ("misaki", "fugashi", "unidic", "pyopenjtalk", "jaconv", "mojimoji"),
    "z": ("misaki", "jieba", "pypinyin", "pypinyin_dict", "cn2an", "ordered_set"),
}
MAX_MARKED = 200  # characters of a word or its phonemes in brackets
MARKED = re.compile(
    rf"\[(?P<word>[^\[\]\n]{{1,{MAX_MARKED}}})\]\("
    rf"(?:/(?P<phonemes>[^/\n]{{0,{MAX_MARKED}}})/"
    rf"|(?P<stress>[+-]?\d(?:\.\d+)?)|(?P<other>[^()\n]{{0,{MAX_MARKED}}}))\)"
)


class Engine(Protocol):
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
    """The letter of a language.

    Args:
        language: A letter, a code such as `en-gb`, a name such as `British English`, or the name of
            a voice (`bf_emma`), whose first letter is its language.

    Returns:
        One of `LANGUAGES`.

    Raises:
        ValueError: If the speech model has no such language.
    """
    wanted = language.strip().lower().replace("_", "-")
    names = {name.lower(): letter for letter, name in LANGUAGES.items()}
    if wanted in LANGUAGES:
        return wanted
    if wanted in CODES or wanted in names:
        return CODES.get(wanted) or names[wanted]
    voice = re.fullmatch(r"([a-z])[fm]-.+", wanted)
    if voice and voice[1] in LANGUAGES:
        return voice[1]
    known = ", ".join(f"{letter} ({name})" for letter, name in LANGUAGES.items())
    raise ValueError(
        f"The language is {language[:40]!r}; the speech model knows {known}. Use a letter."
    )


def choose_engine(language: str) -> Engine:
    """The best engine for a language among what is installed.

    Args:
        language: As for `language_of`.

    Returns:
        An engine; its name says what it is.

    Raises:
        ValueError: If the speech model has no such language.
        RuntimeError: If no engine for the language is installed; names the package to install.
    """
    letter = language_of(language)
    if letter in "ab":
        return _english_engine(british=letter == "b")
    if letter in MISAKI_NEEDS:
        return _misaki_engine(letter)
    if not is_installed():
        raise RuntimeError(
            f"{LANGUAGES[letter]} needs espeak-ng to turn text into phonemes. "
            "Run: pip install espeakng-loader. Or type phonemes instead of text."
        )
    return EspeakPhonemes(language=ESPEAK_CODES[letter])


def _english_engine(*, british: bool) -> Engine:
    letter = "b" if british else "a"

    def fallback(words: Sequence[str]) -> list[str]:
        found = espeak_ipa(words, ESPEAK_CODES[letter])
        return [fold_english(ipa, british=british) for ipa in found]

    known = fallback if is_installed() else None
    if not _missing("en"):
        return _misaki_english(known, british=british)
    folder = data_folder()
    if folder is not None:
        helper = " and espeak-ng for other words" if known else ""
        return EnglishPhonemes(
            lexicon=Lexicon.load(folder, british=british),
            name=f"misaki's dictionaries{helper}",
            fallback=known,
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

    name: str
    english: bool
    british: bool
    read: Callable[[str], tuple[str, Sequence[object] | None]]  # text to phonemes and tokens

    def tokens(self, text: str) -> list[Token]:
        """Words and marks; for languages other than English the whole text is one token."""
        phonemes, found = self.read(drop_unsaid(text))
        if not self.english or found is None:
            said = keep_symbols(phonemes)
            return [Token(text=text, phonemes=said or None, blank=False)] if said else []
        tokens = []
        for token in found:
            said = str(getattr(token, "phonemes", None) or "")
            said = keep_symbols(said if self.british else said.translate(FLAPS))
            blank = bool(getattr(token, "whitespace", ""))
            word = str(getattr(token, "text", ""))
            tokens.append(Token(text=word, phonemes=said or None, blank=blank))
        return tokens


def _misaki_english(
    fallback: Callable[[Sequence[str]], list[str]] | None, *, british: bool
) -> Engine:
    module = importlib.import_module("misaki.en")

    def unknown(token: object) -> tuple[str | None, int | None]:
        if fallback is None:
            return None, None
        return fallback([str(getattr(token, "text", ""))])[0] or None, 1

    read = module.G2P(trf=False, british=british, fallback=unknown)
    return MisakiPhonemes(name="misaki", english=True, british=british, read=read)


def _misaki_engine(letter: str) -> Engine:
    missing = _missing(letter)
    if missing:
        extra = {"j": "ja", "z": "zh"}[letter]
        raise RuntimeError(
            f"{LANGUAGES[letter]} needs {len(MISAKI_NEEDS[letter])} packages to turn text into "
            f"phonemes; missing here: {', '.join(missing)}. "
            f'Run: pip install "misaki[{extra}]" (for Python before 3.13). '
            "Or type phonemes instead of text."
        )
    if letter == "j":
        read = importlib.import_module("misaki.ja").JAG2P()
    else:
        read = importlib.import_module("misaki.zh").ZHG2P()
    return MisakiPhonemes(name="misaki", english=False, british=False, read=read)


def read_tokens(text: str, engine: Engine) -> list[Token]:
    """Tokens of a text, with what the user typed in brackets in place of what an engine says.

    Args:
        text: Text, in which `[word](/phonemes/)` gives the phonemes of a word, `[word](+1)` to
            `[word](-2)` moves its stress, and `[word](anything else)` is just the word.
        engine: Reads the rest.

    Returns:
        Words and marks in order.
    """
    tokens: list[Token] = []
    plain, start = "", 0
    for found in MARKED.finditer(text):
        plain += text[start : found.start()]
        start = found.end()
        if found["phonemes"] is None and found["stress"] is None:
            plain += found["word"]
            continue
        before, word = _tokens_up_to(plain, found["word"], engine)
        tokens += before
        plain = ""
        blank = text[start : start + 1].isspace()
        if found["phonemes"] is not None:
            tokens += typed_word(found["word"], found["phonemes"], blank=blank)
        elif word:
            steps = float(found["stress"])
            word = [_changed(t, phonemes=_shifted(t.phonemes, steps)) for t in word]
            tokens += [*word[:-1], _changed(word[-1], blank=blank)]
    return tokens + _plain_tokens(plain + text[start:], engine)


def _tokens_up_to(plain: str, word: str, engine: Engine) -> tuple[list[Token], list[Token]]:
    """Tokens of a text and of a word after it; read together, for words hang on the next."""
    own = engine.tokens(word)
    both = _plain_tokens(plain + word, engine) if plain.strip() else own
    cut = len(both) - len(own)
    if [token.text for token in both[cut:]] == [token.text for token in own]:
        return both[:cut], both[cut:]
    return _plain_tokens(plain, engine), own


def _plain_tokens(text: str, engine: Engine) -> list[Token]:
    tokens = engine.tokens(text) if text.strip() else []
    return [*tokens[:-1], _changed(tokens[-1], blank=text[-1:].isspace())] if tokens else []


def _shifted(phonemes: str | None, steps: float) -> str | None:
    return None if phonemes is None or is_mark(phonemes) else shift_stress(phonemes, steps)


def _changed(token: Token, **changes: str | bool | None) -> Token:
    return dataclasses.replace(token, **changes)


def typed_word(word: str, phonemes: str, *, blank: bool) -> list[Token]:
    """A word whose phonemes the user typed; none if no symbol of them is known."""
    said = keep_symbols(drop_unsaid(phonemes).replace("g", "\u0261").strip())
    return [Token(text=word, phonemes=said, blank=blank)] if said else []


def typed_tokens(phonemes: str) -> list[Token]:
    """Tokens of a text that is all phonemes.

    Args:
        phonemes: Words in the model's symbols, apart by blanks.

    Returns:
        A token for each word and mark; unknown symbols are dropped.
    """
    tokens: list[Token] = []
    pieces = re.finditer(rf"[{re.escape(MARKS)}]|[^\s{re.escape(MARKS)}]+", phonemes)
    for found in pieces:
        blank = phonemes[found.end() : found.end() + 1].isspace()
        tokens += typed_word(found[0], found[0], blank=blank)
    return tokens


def speech_chunks(text: str, engine: Engine, *, cut_long: bool = True) -> Iterator[Chunk]:
    """Pieces of a text that are said one after the other.

    Args:
        text: Any text; lines are separate, empty ones are passed over.
        engine: For the language of the text.
        cut_long: A sentence of another language than English with over 510 phonemes becomes
            several pieces; otherwise what is over is lost, as in the reference.

    Yields:
        Chunks of at most 510 phoneme characters.
    """
    if engine.english:
        for line in split_lines(text):
            yield from chunk_tokens(read_tokens(line, engine))
        return
    for piece in split_sentences(text):
        tokens = read_tokens(piece, engine)
        if cut_long:
            yield from chunk_tokens(tokens)
        else:
            yield from chunk_piece(piece, tokens)


def phoneme_chunks(phonemes: str) -> Iterator[Chunk]:
    """Pieces of a text that is all phonemes.

    Args:
        phonemes: Words in the model's symbols, apart by blanks; lines are separate.

    Yields:
        Chunks of at most 510 phoneme characters.

    Raises:
        ValueError: If the text holds no symbol of the model.
    """
    lines = [typed_tokens(line) for line in split_lines(phonemes)]
    if not any(lines):
        raise ValueError(
            f"The phonemes are {phonemes[:40]!r}; the speech model knows none of these symbols. "
            "Type phonemes such as h\u0259l\u02c8O w\u02c8\u025c\u0279ld, or choose text."
        )
    for tokens in lines:
        yield from chunk_tokens(tokens)
