"""Every turn, sample and word exactly once, in order, whatever the script; see
tests/multitalk/test_planners.py for the frames.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pack.kokoro.chunks import MAX_PHONEMES, chunk_tokens, split_sentences
from pack.kokoro.script.names import MAX_SPEAKERS
from pack.kokoro.script.reader import parse_script
from pack.kokoro.script.turns import Turn, schedule_turns
from pack.kokoro.symbols import Token
from pack.multitalk.sound.dialogue import dialogue_tracks, lay_turns
from pack.tools.fuzz.broken_values import PIECES, UNICODE

same_examples = settings(derandomize=True, deadline=None, database=None, max_examples=200)

RATE = 100  # samples per second: short arrays


def attempt(function, *values):
    """Result and empty text, or None and what is refused; any other error fails the test."""
    try:
        return function(*values), ""
    except ValueError as error:
        return None, str(error)


turns = st.builds(
    Turn,
    speaker=st.integers(0, MAX_SPEAKERS - 1),
    name=st.just("Anna"),
    text=st.just("Hello."),
    pause_s=st.sampled_from([0.0, 0.0, 0.25, -0.1, -0.1, -0.37]),
    together=st.booleans(),
    voice=st.none(),
    speed=st.none(),
    language=st.none(),
    line=st.just(1),
    column=st.just(1),
)


@same_examples
@given(st.lists(st.tuples(turns, st.integers(1, 90)), min_size=1, max_size=5))
def test_turns_are_laid_once_and_nobody_talks_over_themselves(said):
    script, lengths = [turn for turn, _ in said], [length for _, length in said]
    starts, refusal = attempt(schedule_turns, script, lengths, RATE)
    if starts is None:
        assert "shorter" in refusal  # an overlap that cannot be: what to do about it
        return
    assert starts == sorted(starts)
    assert starts[0] >= 0
    for number, turn in enumerate(script):
        ended = [start + length for start, length in zip(starts, lengths, strict=True)][:number]
        after = starts[number - 1] if turn.together and number else max(ended, default=0)
        assert starts[number] == after + round(turn.pause_s * RATE)
    waves = [torch.full((length,), float(n + 1)) for n, length in enumerate(lengths)]
    speakers = [turn.speaker for turn in script]
    tracks = lay_turns(waves, starts, speakers, MAX_SPEAKERS, end_pause=7)
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    assert tracks.shape == (MAX_SPEAKERS, max(ends) + 7)
    for wave, start, end, speaker in zip(waves, starts, ends, speakers, strict=True):
        assert torch.equal(tracks[speaker, start:end], wave)
    assert (tracks > 0).sum() == sum(lengths)
    placed = dialogue_tracks(tracks, RATE)
    assert placed.num_frames == -(-tracks.shape[1] * 25 // RATE)
    assert torch.equal(placed.mix.waveform[0], tracks.sum(0))


@same_examples
@given(st.lists(st.sampled_from([*PIECES, *UNICODE]), max_size=14).map("".join))
@example("Anna: [1e9s] x")
@example("(s1)(s2)(s1) x")
@example("[together]")
def test_any_script_is_read_or_refused_with_a_place(text):
    script, refusal = attempt(parse_script, text)
    if script is None:
        assert refusal.startswith(("Line ", "The script has no words"))
        assert len(refusal) < 500
        return
    assert 1 <= len(script.speakers) <= MAX_SPEAKERS
    assert script.turns
    for turn in script.turns:
        assert turn.text.strip()
        assert turn.name == script.speakers[turn.speaker]
    places = [(turn.line, turn.column) for turn in script.turns]
    assert places == sorted(places)


tokens = st.builds(
    Token,
    text=st.sampled_from(["a", "word", ".", ",", "-"]),
    phonemes=st.none()
    | st.sampled_from([".", ",", ":", "!", "a"])
    | st.sampled_from([1, 45, 100, 254, 255, 256, 350]).map("ab".__mul__),
    blank=st.booleans(),
)


@same_examples
@given(st.lists(tokens, max_size=60))
def test_every_word_is_in_one_piece_and_no_piece_too_long(given_tokens):
    chunks = chunk_tokens(given_tokens)
    assert all(0 < len(chunk.phonemes) <= MAX_PHONEMES for chunk in chunks)
    kept = [token for chunk in chunks for token in chunk.tokens if token.phonemes]
    assert list(map(id, kept)) == [id(token) for token in given_tokens if token.phonemes]


@same_examples
@given(st.lists(st.sampled_from(["Hello", " ", ". ", "!? ", "\n", "x" * 390, "..."]), max_size=20))
def test_sentences_lose_no_character(parts):
    text = "".join(parts)
    pieces = split_sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() != "" for piece in pieces)


@pytest.mark.parametrize("rate", [8000, 22_050, 24_000])
def test_pause_is_placed_to_the_sample(rate):
    script = parse_script("Anna: a\nBen: [0.2s] b").turns
    assert schedule_turns(script, [10, 20], rate) == [0, 10 + round(rate / 5)]
