"""Chunks of phonemes from a text or from phonemes that a user types.

What is typed in brackets goes before any phonemizer. Source: misaki's README.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .chunks import Chunk, chunk_piece, chunk_tokens, split_lines, split_sentences
from .markup import drop_markup
from .phonemizers import Phonemizer
from .symbols import MARKS, Token, drop_unsaid, keep_symbols, shift_stress

MAX_MARKED = 200  # characters of a word or its phonemes in brackets
MARKED = re.compile(
    rf"\[(?P<word>[^\[\]\n]{{1,{MAX_MARKED}}})\]\("
    rf"(?:/(?P<phonemes>[^/\n]{{0,{MAX_MARKED}}})/"
    rf"|(?P<stress>[+-]?\d(?:\.\d+)?)|(?P<other>[^()\n]{{0,{MAX_MARKED}}}))\)"
)


def read_tokens(text: str, phonemizer: Phonemizer) -> list[Token]:
    """Tokens of a text, with what the user typed in brackets in place of what a phonemizer says.

    `[word](/phonemes/)` gives the phonemes of a word, `[word](+1)` to `[word](-2)` moves its
    stress, and `[word](anything else)` is just the word.
    """
    tokens: list[Token] = []
    plain, start = "", 0
    for found in MARKED.finditer(text):
        plain += text[start : found.start()]
        start = found.end()
        if found["phonemes"] is None and found["stress"] is None:
            plain += found["word"]
            continue
        before, word = _tokens_up_to(plain, found["word"], phonemizer)
        tokens += before
        plain = ""
        blank = text[start : start + 1].isspace()
        if found["phonemes"] is not None:
            tokens += typed_word(found["word"], found["phonemes"], blank=blank)
        elif word:
            steps = float(found["stress"])
            word = [
                replace(t, phonemes=t.phonemes and shift_stress(t.phonemes, steps)) for t in word
            ]
            tokens += [*word[:-1], replace(word[-1], blank=blank)]
    return tokens + _plain_tokens(plain + text[start:], phonemizer)


def _tokens_up_to(plain: str, word: str, phonemizer: Phonemizer) -> tuple[list[Token], list[Token]]:
    """Tokens of a text and of a word after it; read together, for words hang on the next."""
    own = phonemizer.tokens(word)
    both = _plain_tokens(plain + word, phonemizer) if plain.strip() else own
    cut = len(both) - len(own)
    if [token.text for token in both[cut:]] == [token.text for token in own]:
        return both[:cut], both[cut:]
    return _plain_tokens(plain, phonemizer), own


def _plain_tokens(text: str, phonemizer: Phonemizer) -> list[Token]:
    tokens = phonemizer.tokens(text) if text.strip() else []
    return [*tokens[:-1], replace(tokens[-1], blank=text[-1:].isspace())] if tokens else []


def typed_word(word: str, phonemes: str, *, blank: bool) -> list[Token]:
    """A word whose phonemes the user typed; none if no symbol of them is known."""
    said = keep_symbols(drop_unsaid(phonemes).replace("g", "\u0261").strip())
    return [Token(text=word, phonemes=said, blank=blank)] if said else []


def typed_tokens(phonemes: str) -> list[Token]:
    """Words and marks of a text that is all phonemes; unknown symbols are dropped."""
    tokens: list[Token] = []
    for found in re.finditer(rf"[{re.escape(MARKS)}]|[^\s{re.escape(MARKS)}]+", phonemes):
        blank = phonemes[found.end() : found.end() + 1].isspace()
        tokens += typed_word(found[0], found[0], blank=blank)
    return tokens


def speech_chunks(text: str, phonemizer: Phonemizer, *, cut_long: bool = True) -> Iterator[Chunk]:
    """Chunks of a text; lines are separate, empty ones are passed over.

    A sentence of another language than English with over 510 phonemes becomes several chunks;
    without `cut_long` what is over is lost, as in the reference. Marks of markdown are not said.
    """
    text = drop_markup(text)
    if phonemizer.english:
        for line in split_lines(text):
            yield from chunk_tokens(read_tokens(line, phonemizer))
        return
    for piece in split_sentences(text):
        tokens = read_tokens(piece, phonemizer)
        if cut_long:
            yield from chunk_tokens(tokens)
        else:
            yield from chunk_piece(piece, tokens)


def phoneme_chunks(phonemes: str) -> Iterator[Chunk]:
    """Chunks of a text that is all phonemes: words apart by blanks; lines are separate.

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
