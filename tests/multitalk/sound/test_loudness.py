from __future__ import annotations

import math

import pytest
import torch

from pack.multitalk.sound.loudness import measure_loudness, normalize_loudness, track_loudness
from pack.tests.multitalk.sound.tones import RATE, tone
from pack.tests.multitalk.tolerances import close


def noise(seconds, rate=RATE, channels=1, level=0.1):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(channels, round(seconds * rate), generator=generator) * level


def test_loudness_of_a_full_scale_tone_is_that_of_the_standard():
    # ITU-R BS.1770-4: a 0 dBFS sine of 997 Hz in one front channel reads -3.01 LKFS.
    waveform = tone(2, 48000, amplitude=1.0, hertz=997.0)
    assert measure_loudness(waveform, 48000) == pytest.approx(-3.01, abs=0.05)


def test_two_equal_channels_are_3_decibels_louder():
    one = measure_loudness(tone(1), RATE)
    two = measure_loudness(tone(1, channels=2), RATE)
    assert two - one == pytest.approx(10 * math.log10(2), abs=1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_loudness_needs_one_block(rate):
    block = -(-2 * rate // 5)  # 0.4 s
    waveform = tone(1, rate)
    assert measure_loudness(waveform[:, :block], rate) is not None
    assert measure_loudness(waveform[:, : block - 1], rate) is None


@pytest.mark.parametrize(
    "waveform",
    [torch.zeros(1, RATE), torch.zeros(2, RATE), tone(1, amplitude=1e-6), tone(0.3), tone(0)],
    ids=["silence", "stereo silence", "below the gate", "short", "empty"],
)
def test_what_cannot_be_measured_is_returned_unchanged(waveform):
    out, before = normalize_loudness(waveform, RATE)
    assert before is None
    assert out is waveform


@pytest.mark.parametrize("target", [-23.0, -16.0, -5.0])
def test_loudness_is_reached_with_one_gain(target):
    waveform = tone(1, channels=2)
    out, before = normalize_loudness(waveform, RATE, target_lufs=target)
    assert before == measure_loudness(waveform, RATE)
    close(out, waveform * 10 ** ((target - before) / 20))
    assert measure_loudness(out, RATE) == pytest.approx(target, abs=1e-3)


def test_loud_target_is_not_limited():
    out, _ = normalize_loudness(tone(1), RATE, target_lufs=6.0)
    assert float(out.max()) > 1


def test_surround_sound_is_measured_or_refused_in_our_words():
    with pytest.raises(ValueError, match="6 channels"):
        measure_loudness(torch.rand(6, 16000) - 0.5, 16000)


@pytest.mark.parametrize("rate", [4000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("seconds", [0.4, 0.449, 3.3, 21.27])
def test_loudness_is_that_of_the_library(rate, channels, seconds):
    waveform = noise(seconds, rate, channels)
    waveform[:, : len(waveform[0]) // 3] *= 0.02
    measured = measure_loudness(waveform, rate)
    assert abs(track_loudness(waveform, rate) - measured) < 1e-3


def test_loudness_of_what_cannot_be_measured_is_none():
    assert track_loudness(noise(0.39), RATE) is None
    assert track_loudness(noise(2, level=0.0), RATE) is None
    assert track_loudness(noise(2, level=1e-6), RATE) is None


def test_loudness_of_more_channels_is_that_of_their_mean():
    one = noise(2)
    eight = track_loudness(one.expand(8, -1), RATE)
    assert eight == pytest.approx(track_loudness(one, RATE), abs=1e-6)
