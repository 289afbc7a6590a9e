from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch

from pack.multitalk.sound.audio import Sound, Track, count_frames
from pack.multitalk.sound.levels import FLOOR_DB, find_speech, frame_levels


def noise(seconds, rate=16000, channels=1, level=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.randn(channels, round(seconds * rate), generator=generator) * level
    return Sound(waveform=waveform, sample_rate=rate)


def levels_of(sound, start_s="0", num_frames=None):
    track = Track(sound=sound, start_s=Fraction(start_s))
    return frame_levels(track, num_frames or count_frames(track.end_s))


@pytest.mark.parametrize("rate", [7, 25, 8000, 11025, 22050, 44056, 48000])
@pytest.mark.parametrize(("start_s", "seconds"), [("0", 0.03), ("0.013", 2.5), ("1.5", 61.01)])
def test_every_frame_has_the_level_of_its_own_samples(rate, start_s, seconds):
    sound = noise(max(seconds, 1 / rate), rate, channels=2)
    track = Track(sound=sound, start_s=Fraction(start_s))
    num_frames = count_frames(track.end_s) + 3
    levels = frame_levels(track, num_frames)
    assert levels.shape == (num_frames,)
    power = sound.waveform.double().square().mean(0)
    for frame in range(0, num_frames, 1 if num_frames < 100 else 13):
        edges = (Fraction(frame, 25), Fraction(frame + 1, 25))
        first, last = (
            min(max(0, floor((edge - track.start_s) * rate + Fraction(1, 2))), len(power))
            for edge in edges
        )
        if last > first:
            expected = 10 * np.log10(max(float(power[first:last].mean()), 1e-6))
            assert abs(float(levels[frame]) - expected) < 1e-4
        elif edges[1] <= track.start_s or edges[0] >= track.end_s:
            assert levels[frame] == FLOOR_DB


def test_sine_at_full_scale_is_at_minus_three_decibels():
    wave = torch.sin(torch.arange(48000) * 2 * torch.pi * 1000 / 48000)[None]
    levels = levels_of(Sound(waveform=wave, sample_rate=48000))
    assert torch.allclose(levels, torch.full((25,), -3.0103), atol=1e-3)
    assert torch.equal(levels_of(Sound(waveform=wave * 0, sample_rate=48000)), levels * 0 - 60)


def test_speech_is_what_is_near_the_tracks_own_loudness():
    levels = torch.full((100,), -50.0)
    levels[20:40], levels[60:80] = -20.0, -30.0
    expected = torch.zeros(100, dtype=torch.bool)
    expected[20:40] = expected[60:80] = True
    for quieter in (0.0, 9.0):  # the same recording, not so loud
        assert torch.equal(find_speech(levels - quieter), expected)


@pytest.mark.parametrize(("gap", "closed"), [(1, True), (7, True), (8, False), (30, False)])
def test_short_pauses_lie_within_speech(gap, closed):
    levels = torch.full((100,), -20.0)
    levels[40 : 40 + gap] = FLOOR_DB
    speech = find_speech(levels)
    assert bool(speech[40 : 40 + gap].all()) is closed
    assert bool(speech[40 : 40 + gap].any()) is closed
    assert int(speech.sum()) == (100 if closed else 100 - gap)


def test_silence_before_and_after_speech_stays_silence():
    levels = torch.full((9,), FLOOR_DB)
    assert not find_speech(levels).any()
    levels[4] = -30.0
    assert torch.nonzero(find_speech(levels)).tolist() == [[4]]
    assert find_speech(torch.tensor([-30.0])).tolist() == [True]
    assert find_speech(torch.tensor([FLOOR_DB])).tolist() == [False]
