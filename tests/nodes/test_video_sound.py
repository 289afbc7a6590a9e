"""The sound of a video in the real host: odd rates and channels, loud and cancelled sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host


def combine(host, *, width=32, **sound):
    prompt = {
        "image": node("TestPicture", width=width, height=32, frames=10),
        "sound": node("TestSound", **{"samples": 20000, "rate": 16000, "kind": "noise", "seed": 1,
                                 "channels": 1} | sound),
        "video": node("MultiTalkVideoCombine", images=["image", 0], audio=["sound", 0],
                      fps=25.0, filename_prefix="video/sound", save_output=False),
    }  # fmt: skip
    return host.run(prompt)


def read(host, result):
    """Frames, samples [C, A] and rate of the file that a result shows."""
    shown = next(d for e, d in result.events if e == "executed" and d["node"] == "video")
    entry = shown["output"]["images"][0]
    path = Path(host.base) / entry["type"] / entry["subfolder"] / entry["filename"]
    assert not [*path.parent.glob(".*")]
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return frames, np.concatenate(parts, 1), container.streams.audio[0].rate


@pytest.mark.parametrize(
    ("rate", "channels", "stored"),
    [(40000, 1, (1, 44100)), (26400, 2, (2, 32000)), (192000, 2, (2, 96000)),
     (176400, 1, (1, 96000)), (6000, 1, (1, 7350)), (48000, 3, (3, 48000)),
     (48000, 4, (4, 48000)), (16000, 5, (5, 16000)), (16000, 7, (6, 16000)),
     (44100, 8, (6, 44100))],
)  # fmt: skip
def test_combine_saves_any_rate_and_channels(host, rate, channels, stored):
    result = combine(host, rate=rate, channels=channels)
    assert result.ok, result.error
    frames, samples, found = read(host, result)
    assert (frames, len(samples), found) == (10, *stored)
    assert 0 <= samples.shape[1] - round(0.4 * found) < 1024


def test_combine_turns_down_what_is_too_loud(host):
    result = combine(host, kind="loud")
    assert result.ok, result.error
    assert 0.75 < np.abs(read(host, result)[1]).max() < 1


def test_what_no_video_can_have_is_refused_before_the_encoder_is_loaded(host):
    prompt = talk(seconds=0.4)
    prompt["sound_1"]["inputs"]["channels"] = 9
    prompt["speech"]["inputs"]["speech_encoder"] = None
    message = host.run(prompt).error["exception_message"]
    assert "audio has 9 channels; a video file takes up to 8." in message


def test_the_report_says_what_was_done_to_the_sound(host):
    prompt = talk(seconds=0.4, sound="inverted")
    prompt["sound_1"]["inputs"]["channels"] = 2
    prompt["music"] = node("TestSound", samples=40000, rate=40000, kind="loud",
                           seed=3, channels=1)  # fmt: skip
    prompt["speech"]["inputs"]["video_sound"] = ["music", 0]
    result = host.run(prompt)
    assert result.ok, result.error
    report = result.outputs["sampler"][2][0]
    assert "sound: turned down by 4.8 dB; it reached 1.54 times full scale" in report
    assert "speaker 1: the channels of the sound cancel each other" in report
    heard = result.outputs["sampler"][1][0]
    assert heard["sample_rate"] == 40000
    frames, _, rate = read(host, result)
    assert (frames, rate) == (10, 44100)
    speech = result.outputs["speech"][0][0]
    assert (speech.features - speech.silence).abs().max() > 0.01


@pytest.mark.parametrize("fps", [0, -25, 0.5, 1e9, "fast"])
def test_frame_rates_that_no_video_has_are_refused(fps):
    from pack.nodes.video import _read_rate

    with pytest.raises(ValueError, match=r"fps is .*; use a number from 1 to 120"):
        _read_rate(fps)
