from __future__ import annotations

import math

import pytest
import torch

from pack.multitalk.sound.audio import Sound, describe_mono, place_tracks, within_range
from pack.multitalk.sound.channels import (
    CEILING,
    count_bad,
    kept_channel,
    peak,
    to_mono,
    within_full_scale,
)

RATE = 8000
VOICE = torch.randn(1, 5 * RATE, generator=torch.Generator().manual_seed(1)) * 0.1
OTHER = torch.randn(1, 5 * RATE, generator=torch.Generator().manual_seed(2)) * 0.1
SILENCE = torch.zeros_like(VOICE)


def stereo(*channels):
    return torch.cat(channels)


MEANS = {
    "one channel": VOICE,
    "equal": stereo(VOICE, VOICE),
    "one of two": stereo(VOICE, SILENCE),
    "one of six": stereo(SILENCE, SILENCE, VOICE, SILENCE, SILENCE, SILENCE),
    "unlike": stereo(VOICE, OTHER),
    "a little inverted": stereo(VOICE, OTHER - 0.3 * VOICE),
    "silent": stereo(SILENCE, SILENCE),
    "no samples": torch.zeros(2, 0),
}


@pytest.mark.parametrize("waveform", MEANS.values(), ids=MEANS.keys())
def test_mono_is_the_mean_to_the_bit(waveform):
    assert kept_channel(waveform, RATE) is None
    assert torch.equal(to_mono(waveform, RATE), waveform.mean(0))
    assert describe_mono(Sound(waveform=waveform, sample_rate=RATE), 1) == []


HALF = VOICE.clone()
HALF[:, 3 * RATE :] *= -1
CANCELLED = {
    "inverted": (stereo(VOICE, -VOICE), 0),
    "right is louder": (stereo(0.7 * VOICE, -VOICE), 1),
    "with a little noise": (stereo(VOICE, 0.05 * OTHER - VOICE), 1),
    "weaker": (stereo(VOICE, -0.6 * VOICE), 0),
    "three": (stereo(VOICE, -VOICE, 0.01 * OTHER), 0),
    "for two of five seconds": (stereo(1.01 * VOICE, HALF), 0),
}


@pytest.mark.parametrize(("waveform", "louder"), CANCELLED.values(), ids=CANCELLED.keys())
def test_channels_that_cancel_leave_the_louder_one(waveform, louder):
    assert torch.equal(to_mono(waveform, RATE), waveform[louder])
    (note,) = describe_mono(Sound(waveform=waveform, sample_rate=RATE), 2)
    assert note.startswith("speaker 2: the channels of the sound cancel each other")
    assert f"channel {louder + 1} of {len(waveform)}" in note


def test_channels_that_cancel_are_heard_in_a_mix_of_more_channels():
    sounds = [Sound(waveform=w, sample_rate=RATE) for w in (stereo(VOICE, -VOICE), SILENCE[:, :1])]
    six = Sound(waveform=torch.zeros(6, 100), sample_rate=RATE)
    mix = place_tracks([*sounds, six], [0, 0, 0]).mix.waveform
    assert all(torch.equal(channel, VOICE[0]) for channel in mix)


def test_sound_within_full_scale_comes_back_itself():
    for waveform in (torch.tensor([[1.0, -1.0]]), torch.zeros(2, 0), VOICE):
        sound = Sound(waveform=waveform, sample_rate=RATE)
        assert within_full_scale(waveform) is waveform
        assert within_range(sound) == (sound, [])


@pytest.mark.parametrize("highest", [1.0001, 1.54, -1.22, 32768.0])
def test_sound_beyond_full_scale_is_turned_down_as_a_whole(highest):
    waveform = stereo(VOICE, OTHER)
    waveform[1, 7] = highest
    sound, (note,) = within_range(Sound(waveform=waveform, sample_rate=RATE))
    assert peak(sound.waveform) == pytest.approx(CEILING)
    torch.testing.assert_close(sound.waveform / waveform, (CEILING / abs(highest)) + 0 * waveform)
    lost = 1 + 20 * math.log10(abs(highest))
    assert note.startswith(f"sound: turned down by {lost:.1f} dB; it reached {abs(highest):.2f}")


def test_bad_samples_are_counted_piece_by_piece():
    waveform = torch.zeros(2, (1 << 20) + 3)
    waveform[0, 5] = math.nan
    waveform[1, -1] = -math.inf
    assert count_bad(waveform) == 2
