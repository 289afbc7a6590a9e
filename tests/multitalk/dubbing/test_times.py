from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.dubbing.times import (
    SourceTimes,
    describe_rate,
    ending_frames,
    even_times,
    plan_dub,
    waiting_frames,
)
from pack.multitalk.dubbing.voices import dub_tracks
from pack.multitalk.sound.audio import Sound, place_tracks

RATE = 16000


@pytest.mark.parametrize("shorter", ["hold", "loop", "stop"])
@pytest.mark.parametrize("longer", ["cut", "keep, silent", "keep as it is"])
@pytest.mark.parametrize("voice", [None, 10, 25, 40])
def test_source_and_voice_come_to_one_length(shorter, longer, voice):
    plan = plan_dub(25, voice, shorter=shorter, longer=longer)
    if voice in (None, 25):
        expected = (25, 25)
    elif voice == 40:
        expected = (25, 25) if shorter == "stop" else (40, 40)
    else:
        expected = {"cut": (10, 10), "keep, silent": (25, 25), "keep as it is": (25, 10)}[longer]
    assert (plan.num_frames, plan.num_spoken) == expected
    times = even_times(25, Fraction(25))
    shown = [plan.frame(k, times) for k in range(plan.num_frames)]
    beyond = [k % 25 if shorter == "loop" else 24 for k in range(25, plan.num_frames)]
    assert shown == [*range(min(25, plan.num_frames)), *beyond]


def test_a_frame_is_seen_from_its_time_stamp_on_but_for_what_that_is_rounded_by():
    ms = Fraction(1, 1000)
    times = SourceTimes(starts=(Fraction(0), 41 * ms), end=80 * ms, tick=ms)
    assert [times.shown_at(t * ms) for t in (0, 40, 41)] == [0, 0, 1]
    assert times.shown_at(Fraction(405, 10) * ms) == 1
    assert times.num_frames == 2
    assert SourceTimes(starts=(Fraction(0),), end=Fraction(81, 1000)).num_frames == 3
    assert waiting_frames(1, Fraction(1, 5), Fraction(0), None) == range(1, 5)
    assert waiting_frames(1, Fraction(1, 5), Fraction(0), 3) == range(1, 3)
    assert len(waiting_frames(3, Fraction(1, 25), Fraction(0), None)) == 0


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=60),
    count=st.integers(1, 30),
    even=st.booleans(),
)
def test_a_video_is_gone_on_with_from_what_is_seen_before_its_end(lengths, count, even):
    if even:  # the video's own frames, where it has 25 per second
        lengths = [40] * len(lengths)
    starts = [Fraction(sum(lengths[:number]), 1000) for number in range(len(lengths) + 1)]
    times = SourceTimes(starts=tuple(starts[:-1]), end=starts[-1])
    found = ending_frames(times, count)
    wanted = []
    for back in range(1, count + 1):
        time_s = starts[-1] - Fraction(back, 25)
        if time_s >= 0:
            seen = [n for n in range(len(lengths)) if starts[n] <= time_s < starts[n + 1]]
            wanted = [*seen, *wanted]
    assert found == (wanted or [len(lengths) - 1])
    if even:
        assert found == list(range(len(lengths)))[-count:]


def test_rates_are_said_as_people_say_them():
    assert describe_rate(even_times(10, Fraction(30000, 1001))) == "29.97 frames per second"
    assert describe_rate(even_times(1, Fraction(25))) == "one frame"
    uneven = SourceTimes(starts=(Fraction(0), Fraction(1, 30), Fraction(1, 5)), end=Fraction(1, 4))
    assert describe_rate(uneven) == "10 frames per second on average, of varying length"


def ramp(seconds, *, channels=1, rate=RATE, begin=1.0):
    wave = begin + torch.arange(round(seconds * rate), dtype=torch.float32)
    return Sound(waveform=(wave / 2**20).expand(channels, -1), sample_rate=rate)


def dub(voices, own, num_voice, *, shorter="hold", longer="cut", level=None, starts=None):
    tracks = place_tracks(voices, starts or [Fraction(0)] * len(voices))
    assert tracks.num_frames == num_voice
    times = even_times(25, Fraction(25))
    plan = plan_dub(25, num_voice, shorter=shorter, longer=longer)
    return plan, dub_tracks(tracks, own, plan, times, level)


@pytest.mark.parametrize("seconds", [0.4, 0.61, 1.0, 1.5])
@pytest.mark.parametrize("longer", ["cut", "keep, silent", "keep as it is"])
@pytest.mark.parametrize("rate", [16000, 44100, 12345])
def test_voice_and_mix_last_as_long_as_the_video(seconds, longer, rate):
    voice = ramp(seconds, rate=rate)
    frames = -(-voice.waveform.shape[1] * 25 // rate)
    for shorter in ("hold", "stop"):
        plan, tracks = dub([voice], None, frames, shorter=shorter, longer=longer)
        assert tracks.num_frames == plan.num_spoken
        assert tracks.mix.waveform.shape[1] == round(Fraction(plan.num_frames * rate, 25))
        heard = min(voice.waveform.shape[1], tracks.mix.waveform.shape[1])
        assert torch.equal(tracks.mix.waveform[:, :heard], voice.waveform[:, :heard])
        assert not tracks.mix.waveform[:, heard:].any()


def test_the_sound_of_the_source_lies_under_the_voice_sample_for_sample():
    voice, own = ramp(0.5), ramp(1.0, channels=2, begin=5000.0)
    _, tracks = dub([voice], own, 13, level=-20.0, longer="keep, silent")
    expected = own.waveform * 10 ** (-20.0 / 20)
    expected[:, : len(voice.waveform[0])] += voice.waveform
    assert torch.equal(tracks.mix.waveform, expected)
    assert torch.equal(tracks.tracks[0].sound.waveform[:, :8000], voice.waveform)
    _, quiet = dub([voice], own, 13, longer="keep, silent")
    assert not quiet.mix.waveform[:, 8000:].any()


def test_the_sound_of_a_looped_source_begins_again_with_it():
    _, tracks = dub([ramp(2.2)], ramp(0.9, begin=9000.0), 55, shorter="loop", level=0.0)
    under = tracks.mix.waveform[0] - ramp(2.2).waveform[0]
    time = torch.arange(len(under)) % RATE
    expected = torch.where(time < 14400, (9000.0 + time) / 2**20, 0.0)
    assert torch.allclose(under, expected, atol=1e-7)


def test_a_voice_that_begins_after_a_stopped_source_is_silent():
    starts = [Fraction(0), Fraction(3, 2)]
    _, tracks = dub([ramp(1.0), ramp(0.5)], None, 50, shorter="stop", starts=starts)
    assert tracks.num_frames == 25
    assert not tracks.tracks[1].sound.waveform.any()
    assert torch.equal(tracks.tracks[0].sound.waveform, ramp(1.0).waveform)
