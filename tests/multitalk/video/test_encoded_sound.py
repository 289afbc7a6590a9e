"""What sound becomes in a video file: channels, rates, and nothing beyond full scale."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from pack.multitalk.sound.audio import Sound, resample
from pack.multitalk.video.encoded_sound import as_encoded, cut_sound
from pack.multitalk.video.mp4 import VideoFile
from pack.tests.multitalk import clips
from pack.tests.multitalk.video.test_mp4 import finished, video, write_windows


@pytest.mark.parametrize(("channels", "rate"), [(1, 16000), (6, 48000), (2, 7350)])
def test_what_aac_takes_keeps_its_bits(channels, rate):
    sound = Sound(waveform=torch.rand(channels, 500) * 2 - 1, sample_rate=rate)
    assert as_encoded(sound) is sound


def test_only_what_is_heard_is_resampled():
    sound = Sound(waveform=torch.zeros(1, 40_000_000), sample_rate=40000)
    assert cut_sound(sound, Fraction(2)).waveform.shape == (1, 84000)


@pytest.mark.parametrize("channels", [7, 8])
def test_more_channels_are_folded(tmp_path, channels):
    hertz = torch.tensor([100, 200, 300, 50, 500, 600, 700, 800])[:channels]
    sound = 0.2 * torch.sin(2 * torch.pi * hertz[:, None] * torch.arange(16 * 640) / 16000)
    contents = clips.read(finished(tmp_path / "a.mp4", [8, 8], sound=sound))
    assert len(contents.waveform) == 6
    spectrum = np.abs(np.fft.rfft(contents.waveform[:, :8000])).max(0)
    heard = [f for f in hertz.tolist() if spectrum[f // 2] > 0.3 * spectrum.max()]
    assert heard == hertz.tolist()


def test_nine_channels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="sound has 9 channels; a video file takes up to 8"):
        video(tmp_path / "a.mp4", 8, channels=9)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [16000, 40000])
def test_sound_beyond_full_scale_is_turned_down_and_not_distorted(tmp_path, rate):
    times = torch.arange(rate * 40 // 25) / rate
    tones = sum(torch.sin(2 * torch.pi * f * times + f) for f in (150, 310, 450, 1210))
    sound = 1.54 * tones[None] / tones.abs().max()
    heard = clips.read(finished(tmp_path / "a.mp4", [20, 20], rate=rate, sound=sound)).waveform[0]
    expected = resample(sound[0], rate, 44100 if rate == 40000 else rate).numpy()[2000:-2000]
    heard = heard[2000 : 2000 + len(expected)]
    gain = float(heard @ expected / (expected @ expected))
    assert 20 * np.log10(gain) == pytest.approx(-1 - 20 * np.log10(1.54), abs=0.2)
    noise = np.square(heard / gain - expected).mean() / np.square(expected).mean()
    assert 10 * np.log10(noise) < -25


def test_no_sound_is_a_silent_film(tmp_path):
    with (
        VideoFile(tmp_path / "a.mp4", height=clips.HEIGHT, width=clips.WIDTH, sound=None,
                  num_frames=20, metadata=None, frame_rate=Fraction(24000, 1001)) as file,
    ):  # fmt: skip
        write_windows(file, [12, 8])
        file.finish()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)
        assert len([*container.decode(video=0)]) == 20
