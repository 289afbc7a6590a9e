"""Phonemes of any language that espeak-ng speaks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..symbols import MARKS, Token, drop_unsaid, fold_espeak, fold_marks
from .process import known_voices, read_ipa
from .voice import find_voice

# A full stop or comma inside a number or an address belongs to the word.
PIECES = re.compile(
    rf"(?P<mark>(?!(?<=\w)[.,:](?=\w))[{re.escape(MARKS)}])"
    rf"|(?:[^\s{re.escape(MARKS)}]|(?<=\w)[.,:](?=\w))+"
)


def espeak_ipa(texts: Sequence[str], language: str) -> list[str]:
    """IPA of words or stretches of words without marks: words apart by blanks, `^` as tie.

    Raises:
        ValueError: If espeak-ng does not know the language code.
        RuntimeError: If espeak-ng is not installed.
    """
    voices = known_voices(f"Text in the language {language[:40]!r}")
    found = read_ipa(texts, find_voice(voices, language).identifier)
    # espeak-ng marks words that it reads by another language's rules: (en)word(de).
    return [re.sub(r"\([a-z-]+\)", "", ipa) for ipa in found]


@dataclass(frozen=True, kw_only=True, slots=True)
class EspeakPhonemes:
    """Phonemes of any language that espeak-ng speaks, one token for each word."""

    language: str  # espeak-ng's code
    name: str = "espeak-ng"
    english: bool = False

    def tokens(self, text: str) -> list[Token]:
        """Words and marks with their phonemes."""
        pieces = split_pieces(drop_unsaid(text))
        groups = [list(group) for _, group in itertools.groupby(pieces, lambda piece: piece.mark)]
        said = iter(self._read([group for group in groups if not group[0].mark]))
        tokens: list[Token] = []
        for group in groups:
            marks = [_token([piece], [piece.text]) for piece in group if piece.mark]
            tokens += marks or next(said)
        return [token for token in tokens if token.phonemes]

    def _read(self, stretches: Sequence[Sequence[Piece]]) -> list[list[Token]]:
        """Tokens of each stretch of words."""
        written = [" ".join(piece.text for piece in stretch) for stretch in stretches]
        said = [fold_espeak(ipa).split() for ipa in espeak_ipa(written, self.language)]
        pairs = list(zip(stretches, said, strict=True))
        # Numbers are several words, and some short words are said as one.
        odd = [stretch for stretch, words in pairs if len(stretch) != len(words)]
        alone = espeak_ipa([piece.text for stretch in odd for piece in stretch], self.language)
        counts = (len(ipa.split()) for ipa in alone)
        return [_share(stretch, words, counts) for stretch, words in pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A word or a mark of a text."""

    text: str
    mark: bool
    blank: bool  # followed by a blank


def _share(pieces: Sequence[Piece], words: Sequence[str], counts: Iterator[int]) -> list[Token]:
    """Spoken words to the written ones; one token where they do not fit.

    `counts` are those of the written words of each stretch that has another number of spoken ones.
    """
    own = [1] * len(pieces)
    if len(words) != len(pieces):
        own = list(itertools.islice(counts, len(pieces)))
    if sum(own) != len(words):
        return [_token(pieces, words)]
    rest = iter(words)
    return [
        _token([piece], itertools.islice(rest, count))
        for piece, count in zip(pieces, own, strict=True)
    ]


def _token(pieces: Sequence[Piece], words: Iterable[str]) -> Token:
    text = " ".join(piece.text for piece in pieces)
    return Token(text=text, phonemes=" ".join(words) or None, blank=pieces[-1].blank)


def split_pieces(text: str) -> list[Piece]:
    """Words and marks of a text, with the model's own marks; one that is repeated is there once."""
    text = fold_marks(text)
    pieces: list[Piece] = []
    for found in PIECES.finditer(text):
        mark = found["mark"] is not None
        if mark and pieces and pieces[-1].text == found[0]:
            pieces.pop()
        blank = text[found.end() : found.end() + 1].isspace()
        pieces.append(Piece(text=found[0], mark=mark, blank=blank))
    return pieces
