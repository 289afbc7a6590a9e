from __future__ import annotations

import pytest

from pack.kokoro.chunks import MAX_PHONEMES, chunk_piece, chunk_tokens, split_lines, split_sentences
from pack.kokoro.symbols import Token


def words(*texts, blank=True):
    return [Token(text=text, phonemes=text, blank=blank) for text in texts]


def test_lines_are_stripped_and_empty_ones_left_out():
    assert split_lines("\n a \n\n\n b\n \n") == ["a", "b"]
    assert split_lines(" \n ") == []


def test_a_short_text_is_one_chunk():
    (chunk,) = chunk_tokens(words("ab", "cd"))
    assert chunk.phonemes == chunk.text == "ab cd"
    assert [token.text for token in chunk.tokens] == ["ab", "cd"]


def test_the_last_blank_does_not_count():
    assert len(chunk_tokens(words("a" * 255, "b" * 254))) == 1
    assert len(chunk_tokens(words("a" * 255, "b" * 255))) == 2


@pytest.mark.parametrize("marks", [".:,", ":,", ","])
def test_a_long_text_is_cut_after_its_best_mark(marks):
    tokens = words("a" * 200)
    for mark in marks:
        tokens += [*words(mark), *words("b" * 30)]
    head, tail = chunk_tokens([*tokens, *words("c" * 300)])
    assert head.phonemes == "a" * 200 + f" {marks[0]}"
    assert tail.phonemes.startswith("b" * 30)


@pytest.mark.parametrize("closing", [")", "\u201d"])
def test_a_closing_mark_goes_with_the_sentence(closing):
    tokens = [*words("a" * 300), *words(".", closing), *words("b" * 300)]
    assert [chunk.phonemes[-1] for chunk in chunk_tokens(tokens)] == [closing, "b"]


def test_a_mark_too_far_back_is_no_place_to_cut():
    tokens = [*words("a", "."), *words("b" * 300), *words("c" * 200), *words("d" * 50)]
    first, second = chunk_tokens(tokens)
    assert first.phonemes.endswith("c" * 200)
    assert second.phonemes == "d" * 50


def test_a_single_word_that_is_too_long_is_cut_off():
    chunks = chunk_tokens(words("x", "a" * 600, "y"))
    assert [len(chunk.phonemes) for chunk in chunks] == [1, MAX_PHONEMES, 1]


def test_tokens_without_phonemes_make_no_chunk():
    assert chunk_tokens([Token(text="@", phonemes=None, blank=True)]) == []
    assert chunk_piece("@", [Token(text="@", phonemes=None, blank=True)]) == []


def test_every_token_is_in_one_chunk():
    tokens = words(*(f"{'abcdefgh'[i % 8] * (i % 40 + 1)}" for i in range(400)))
    found = [token for chunk in chunk_tokens(tokens) for token in chunk.tokens]
    assert found == tokens


def test_sentences_are_packed_up_to_400_characters():
    text = ("a" * 199 + "." + "b" * 199 + "!") + "c" * 10 + "?"
    assert [len(piece) for piece in split_sentences(text)] == [400, 11]


def test_a_long_sentence_and_a_text_without_marks_stay_whole():
    assert split_sentences("x" * 900) == ["x" * 900]
    assert split_sentences("a. " + "x" * 900 + ".") == ["a.", "x" * 900 + "."]


def test_a_piece_never_spans_lines():
    assert split_sentences("One. Two.\nThree") == ["One. Two.", "Three"]


def test_a_piece_is_cut_off_after_510_characters():
    (chunk,) = chunk_piece("text", words("a" * 600))
    assert chunk.text == "text"
    assert chunk.phonemes == "a" * MAX_PHONEMES
