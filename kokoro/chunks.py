"""Texts in pieces that the speech model can say at once.

Source: kokoro.md section 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .config import MAX_PHONEMES
from .symbols import Token

MAX_SENTENCE_CHARACTERS = 400
# Where a piece that is too long is cut, best first: sentence ends, colons, commas and dashes.
CUTS = (frozenset("!.?\u2026"), frozenset(":;"), frozenset(",\u2014"))
CLOSING = frozenset(")\u201d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of text that is said at once."""

    tokens: tuple[Token, ...]
    text: str
    phonemes: str  # at most 510 characters


def split_lines(text: str) -> list[str]:
    """Lines that hold something, without blanks at their ends."""
    return [line.strip() for line in re.split(r"\n+", text.strip()) if line.strip()]


def chunk_tokens(tokens: Iterable[Token]) -> list[Chunk]:
    """Gather tokens into chunks, cut at the best mark before a chunk gets too long.

    Args:
        tokens: Words and marks in order.

    Returns:
        Chunks of at most 510 phoneme characters; phonemes of a longer single token are cut off.
        A chunk without phonemes is left out.
    """
    chunks: list[Chunk] = []
    held: list[Token] = []
    count = 0
    for token in tokens:
        phonemes = token.phonemes or ""
        after = count + len(phonemes)
        while held and after > MAX_PHONEMES:
            cut = _cut(held, after)
            chunks.append(_chunk(held[:cut]))
            held = held[cut:]
            count = sum(map(_length, held))
            after = count + len(phonemes)
        held.append(token)
        count += _length(token)
    if held:
        chunks.append(_chunk(held))
    return [chunk for chunk in chunks if chunk.phonemes]


def _length(token: Token) -> int:
    return len(token.phonemes or "") + token.blank


def _cut(held: Sequence[Token], after: int) -> int:
    for marks in CUTS:
        found = [i for i, token in enumerate(held) if token.phonemes in marks]
        if not found:
            continue
        cut = found[-1] + 1
        if cut < len(held) and held[cut].phonemes in CLOSING:
            cut += 1
        if after - len(joined(held[:cut])) <= MAX_PHONEMES:
            return cut
    return len(held)


def joined(tokens: Sequence[Token]) -> str:
    """Phonemes of tokens in one string, with the blanks between them."""
    return "".join((t.phonemes or "") + " " * t.blank for t in tokens).strip()


def _chunk(tokens: Sequence[Token]) -> Chunk:
    text = "".join(t.text + " " * t.blank for t in tokens).strip()
    return Chunk(tokens=tuple(tokens), text=text, phonemes=joined(tokens)[:MAX_PHONEMES])


def chunk_piece(piece: str, tokens: Sequence[Token]) -> list[Chunk]:
    """One chunk of a piece, as the reference makes them for languages other than English.

    Args:
        piece: Text of the piece.
        tokens: Its words and marks.

    Returns:
        A chunk, its phonemes cut off after 510 characters; none if nothing is said.
    """
    phonemes = joined(tokens)[:MAX_PHONEMES]
    return [Chunk(tokens=tuple(tokens), text=piece, phonemes=phonemes)] if phonemes else []


def split_sentences(text: str) -> list[str]:
    """Cut a text of a language other than English into pieces of whole sentences.

    Args:
        text: Any text; a piece never goes over the end of a line.

    Returns:
        Pieces of at most 400 characters, except that a longer sentence stays whole.
    """
    return [piece for line in split_lines(text) for piece in _pack_sentences(line)]


def _pack_sentences(line: str) -> list[str]:
    parts = re.split(r"([.!?]+)", line)
    ends = [*parts[1::2], ""]
    pieces, held = [], ""
    for sentence, end in zip(parts[::2], ends, strict=True):
        if held and len(held) + len(sentence + end) > MAX_SENTENCE_CHARACTERS:
            pieces.append(held)
            held = ""
        held += sentence + end
    return [piece.strip() for piece in [*pieces, held] if piece.strip()]
