"""One recording of several people to a track per speaker."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.sound.audio import Sound
from pack.multitalk.sound.recording import cut_turns, parse_turns, split_channels

RATE = 1000


def recording(seconds=10.0, channels=1, rate=RATE):
    """Numbered samples, so that each one tells its place."""
    length = round(seconds * rate)
    return Sound(
        waveform=(torch.arange(1.0, length + 1) / length).repeat(channels, 1), sample_rate=rate
    )


def times(text):
    return [(t.speaker, float(t.start_s), t.end_s and float(t.end_s)) for t in parse_turns(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna 0-3.2, Ben 3.2-7", [("Anna", 0, 3.2), ("Ben", 3.2, 7)]),
        ("Anna: 0 - 3.2 s\nBen: 3.2 s \u2013 7 s", [("Anna", 0, 3.2), ("Ben", 3.2, 7)]),
        ("Anna 0-1 2-3, 4-5; Ben 6-", [*(("Anna", t, t + 1) for t in (0, 2, 4)), ("Ben", 6, None)]),
        ("Speaker 1 0:01-1:02.5", [("Speaker 1", 1, 62.5)]),
        ("Anna Lee 1:00:00-1:00:01", [("Anna Lee", 3600, 3601)]),
        ("1: 0 to 3, 2: 3 to 4", [("1", 0, 3), ("2", 3, 4)]),
        ("\u5b89\u5a1c 0-1", [("\u5b89\u5a1c", 0, 1)]),
    ],
)
def test_times_are_read_as_people_write_them(text, expected):
    assert times(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "times is empty. Write who speaks when"),
        ("Anna", "times contains 'Anna', which is not read as a name and times"),
        ("0-3", "times contains '0-3', which is not read"),
        ("Anna 0-3 loud", "times contains 'Anna 0-3 loud', which is not read"),
        ("Anna 3-1", "Anna 3-1 ends before it begins"),
        ("Anna 0-3, Anna 2-4", "times has 0-3 and 2-4 for Anna, which overlap"),
        ("Anna 0-, Anna 2-4", "times has 0- and 2-4 for Anna, which overlap"),
        ("Anna 9-11", "Anna 9-11 lies behind the end of audio, which is 10.00 s long"),
        ("Anna 10-", "Anna 10- lies behind the end of audio"),
        (", ".join(f"S{n} {n}-{n + 1}" for n in range(7)), "times names 7 speakers; up to 6"),
        ("A 0-1," * 4000, "times has 24000 characters"),
    ],
)
def test_what_cannot_be_cut_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cut_turns(recording(), text)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([8000, 22050, 44100]),
    marks=st.lists(st.integers(0, 300), min_size=3, max_size=9, unique=True),
)
def test_cuts_lie_on_the_sample_of_their_time(rate, marks):
    sound = recording(3.0, rate=rate)
    edges = [Fraction(mark, 100) for mark in sorted(marks)]
    turns = list(pairwise(edges))
    text = ", ".join(f"S{n % 2} {float(a)}-{float(b)}" for n, (a, b) in enumerate(turns))
    tracks, names, _ = cut_turns(sound, text)
    assert names == ["S0", "S1"][: len(turns)]
    assert tracks.mix is sound
    for index, track in enumerate(tracks.tracks):
        own = torch.zeros_like(sound.waveform)
        for start, end in turns[index::2]:
            place = slice(round(start * rate), round(end * rate))
            own[:, place] = sound.waveform[:, place]
        assert torch.equal(track.sound.waveform, own)
        assert track.end_s == sound.duration_s


def test_left_and_right_become_two_speakers():
    sound = Sound(waveform=torch.randn(2, RATE), sample_rate=RATE)
    tracks, notes = split_channels(sound)
    assert [len(t.sound.waveform) for t in tracks.tracks] == [1, 1]
    assert torch.equal(torch.cat([t.sound.waveform for t in tracks.tracks]), sound.waveform)
    assert (tracks.mix is sound, notes) == (True, [])


@pytest.mark.parametrize(
    ("channels", "message"),
    [(1, "audio has 1 channel; left and right need two"), (3, "3 channels")],
)
def test_left_and_right_need_two_channels(channels, message):
    with pytest.raises(ValueError, match=message):
        split_channels(recording(channels=channels))


@pytest.mark.parametrize("sign", [1, -1])
def test_one_sound_on_both_channels_is_refused(sign):
    left = torch.randn(RATE)
    with pytest.raises(ValueError, match="the same sound left and right"):
        split_channels(Sound(waveform=torch.stack([left, 0.5 * sign * left]), sample_rate=RATE))


def test_a_voice_on_both_channels_is_said():
    left, right = torch.randn(2, 100 * RATE, generator=torch.Generator().manual_seed(0))
    _, (note,) = split_channels(
        Sound(waveform=torch.stack([left + 0.4 * right, right + 0.4 * left]), sample_rate=RATE)
    )
    assert "have much in common (correlation 0.69)" in note


def test_sound_of_nobody_and_of_several_is_said():
    _, _, notes = cut_turns(recording(), "Anna 0-4, Ben 3-6")
    assert notes == [
        "78% of the sound's energy belongs to nobody; it is heard, and no lips move",
        "for 1.00 s several speak at once: all their faces move with the same sound",
    ]
    assert cut_turns(recording(), "Anna 0-5, Ben 5-")[2] == []
