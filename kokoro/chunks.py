"""Texts in pieces that the speech model can say at once. Source: kokoro.md section 4."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
    """Gather words and marks into chunks, cut at the best mark before a chunk gets too long.

    A chunk has at most 510 phoneme characters; those of a longer single token are cut off. A chunk
    without phonemes is left out.
    """
    chunks: list[Chunk] = []
    held: list[Token] = []
    count = 0
    for token in tokens:
        after = count + len(token.phonemes or "")
        while held and after > MAX_PHONEMES:
            cut = _cut(held, after)
            chunks.append(_chunk(held[:cut]))
            after -= sum(map(_length, held[:cut]))
            held = held[cut:]
        held.append(token)
        count = after + token.blank
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
        if after - len(joined(held[:cut]).strip()) <= MAX_PHONEMES:
            return cut
    return len(held)


def joined(tokens: Sequence[Token]) -> str:
    """Phonemes of tokens in one string, with the blanks after them."""
    return "".join((t.phonemes or "") + " " * t.blank for t in tokens)


def _chunk(tokens: Sequence[Token]) -> Chunk:
    text = "".join(t.text + " " * t.blank for t in tokens).strip()
    return Chunk(tokens=tuple(tokens), text=text, phonemes=joined(tokens).strip()[:MAX_PHONEMES])


def chunk_piece(piece: str, tokens: Sequence[Token]) -> list[Chunk]:
    """One chunk of a piece, cut off after 510 characters; none if nothing is said.

    So the reference makes them for languages other than English.
    """
    chunk = replace(_chunk(tokens), text=piece)
    return [chunk] if chunk.phonemes else []


def split_sentences(text: str) -> list[str]:
    """Cut a text of a language other than English into pieces of whole sentences.

    A piece has at most 400 characters, except that a longer sentence stays whole, and never goes
    over the end of a line.
    """
    pieces: list[str] = []
    for line in split_lines(text):
        pieces.append("")
        for sentence in re.findall(r"[^.!?]*[.!?]+|[^.!?]+", line):
            if pieces[-1] and len(pieces[-1]) + len(sentence) > MAX_SENTENCE_CHARACTERS:
                pieces.append("")
            pieces[-1] += sentence
    return [piece.strip() for piece in pieces if piece.strip()]
