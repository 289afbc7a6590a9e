"""Dubbing and recordings in the real host: files and sounds through all the nodes to the video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from pack.tests.multitalk.dubbing import films
from pack.tests.nodes.small import SMALL
from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host
WIDTH, HEIGHT = films.SIZE[1], films.SIZE[0] * 8
FRAMES = 9  # of the dubbed video
SECONDS = FRAMES / 25


@pytest.fixture(scope="module")
def source(host):
    """A film in the host's input folder: 24 frames per second, each painted with its number."""
    import folder_paths

    sound = np.full(films.RATE_HZ // 2, 8000, np.int16)
    starts = [Fraction(number, 24) for number in range(12)]
    made = films.film(starts, rate=24, sound=(0, sound), size=(HEIGHT, WIDTH))
    name = "test_dubbed.mkv"
    Path(folder_paths.get_input_directory(), name).write_bytes(made.getvalue())
    return name


def numbers(frames):
    return [films.read(frame) for frame in frames]


def dubbed(source, *, strength=1.0, voice=True, **dub):
    """From a file to a video whose mouth alone is new."""
    prompt = talk(
        files=SMALL,
        seconds=SECONDS,
        rule="infinitetalk",
        size__width=WIDTH,
        size__height=HEIGHT,
        preset__steps=1,
        colour_match=0.0,
    )
    widgets = {"shorter_source": "hold", "longer_source": "cut", "source_sound": "off", **dub}
    prompt["file"] = node("LoadVideo", file=source)
    prompt["image"] = node("MultiTalkDubSource", video=["file", 0], **widgets)
    if voice:
        prompt["image"]["inputs"]["voice"] = ["sound_1", 0]
    prompt["speech"]["inputs"]["audio"] = ["image", 1]
    prompt["sampler"]["inputs"]["start_strength"] = strength
    prompt["mouth"] = node(
        "MultiTalkMouthOnly", source=["image", 0], talking=["sampler", 0], boxes="16, 16, 40, 32",
        feather=4, match_colours=False,
    )  # fmt: skip
    prompt["video"]["inputs"] |= {"images": ["mouth", 0], "audio": ["image", 2]}
    return prompt


def run(host, prompt, last="image"):
    result = host.rerun(prompt, last)
    assert result.ok, result.error
    return result.outputs


def test_a_file_is_dubbed_and_only_its_mouth_is_new(host, source):
    level = {"source_sound": "under the voice", "source_sound.level": 0.0}
    out = run(host, dubbed(source, **level))
    frames, sound, report = out["image"][0][0], out["image"][2][0], out["image"][3][0]
    assert numbers(frames) == [int(number * 24 / 25) for number in range(FRAMES)]
    assert sound["waveform"].shape[-1] == round(SECONDS * sound["sample_rate"])
    rate = float(report.removeprefix("source: ").partition(" frames per second, ")[0])
    assert rate == pytest.approx(24, abs=0.1)  # the file's times are whole milliseconds
    mixed, voice = sound["waveform"][0, 0], out["sound_1"][0][0]["waveform"][0, 0]
    assert (mixed - voice).mean() == pytest.approx(8000 / 32768, abs=0.02)
    new = out["mouth"][0][0]
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[16:48, 16:56] = True
    assert torch.equal(new[:, ~inside], frames[:, ~inside])
    assert (new[:, 24:40, 24:48] - frames[:, 24:40, 24:48]).abs().mean() > 0.05
    kept = FRAMES * (HEIGHT * WIDTH - 40 * 32)
    assert f"{kept} (79.17%) are the source's own, bit for bit" in out["mouth"][1][0]
    with av.open(out["video"][0][0].get_stream_source()) as video:
        assert sum(1 for _ in video.decode(video=0)) == FRAMES


def test_strength_of_nothing_gives_the_source_back_and_one_forgets_it(host, source):
    kept, half, new = (
        run(host, dubbed(source, strength=strength), "sampler") for strength in (0.0, 0.5, 1.0)
    )
    frames = kept["image"][0][0]
    given = [one["sampler"][0][0] for one in (kept, half, new)]
    assert all(len(one) == FRAMES for one in given)
    # The VAE of the test keeps one frame of four, and one color for each 8 x 8 pixels: a bit.
    shown = numbers(frames)
    assert numbers(given[0]) == [shown[0], *[shown[4]] * 4, *[shown[8]] * 4]
    near = [float((one - given[0]).abs().mean()) for one in given]
    assert near[0] < near[1] < near[2]
    report = half["sampler"][2][0]
    assert "\nsigmas: 0.5 0\n" in report
    assert "bring it to 25" not in report  # it is, by time stamps


@pytest.mark.parametrize(
    ("shorter", "longer", "seconds", "expected"),
    [
        ("hold", "cut", 0.8, [*(int(n * 24 / 25) for n in range(13)), *[11] * 7]),
        ("stop", "cut", 0.8, [int(n * 24 / 25) for n in range(13)]),
        ("hold", "keep, silent", 0.2, [int(n * 24 / 25) for n in range(13)]),
    ],
)
def test_a_voice_of_another_length_is_met_as_chosen(
    host, source, shorter, longer, seconds, expected
):
    prompt = dubbed(source, shorter_source=shorter, longer_source=longer)
    prompt["sound_1"]["inputs"]["samples"] = round(seconds * 16000)
    only = {name: prompt[name] for name in ("file", "image", "sound_1")}
    only["show"] = node("PreviewImage", images=["image", 0])
    out = run(host, only)
    assert numbers(out["image"][0][0]) == expected
    sound = out["image"][2][0]
    assert sound["waveform"].shape[-1] == round(len(expected) / 25 * sound["sample_rate"])


def test_without_a_voice_the_source_speaks_itself(host, source):
    out = run(host, {**dubbed(source, voice=False)})
    assert len(out["mouth"][0][0]) == 13
    assert float(out["image"][2][0]["waveform"].mean()) == pytest.approx(8000 / 32768, rel=0.05)


def test_a_region_is_needed_just_once(host, source):
    prompt = dubbed(source)
    prompt["mouth"]["inputs"]["boxes"] = ""
    assert "No face region is given" in host.rerun(prompt, "mouth").error["exception_message"]
    prompt["mouth"]["inputs"]["boxes"] = "1, 1, 8, 8"
    prompt["masks"] = node("TestMasks", boxes="8, 8, 16, 16", width=WIDTH, height=HEIGHT)
    prompt["mouth"]["inputs"]["masks"] = ["masks", 0]
    error = host.rerun(prompt, "mouth").error["exception_message"]
    assert "Given are boxes and masks; exactly one of" in error
    prompt["mouth"]["inputs"]["boxes"] = ""
    out = run(host, prompt, "mouth")
    new, frames = out["mouth"][0][0], out["image"][0][0]
    changed = (new != frames).any(-1).any(0)
    assert changed.any()
    assert not changed[24:].any()
    assert not changed[:, 24:].any()


def recorded(**split):
    """A recording of two people that is taken apart, and a video with all of it."""
    prompt = talk(files=SMALL, seconds=0.4, preset__steps=1)
    prompt["sound_1"]["inputs"]["channels"] = 2
    prompt["tracks"] = node("MultiTalkSplitRecording", audio=["sound_1", 0], **split)
    prompt["speech"]["inputs"]["audio"] = ["tracks", 0]
    return prompt


def tracks_of(out):
    """Each speaker's waveform on the time line of the recording [A]."""
    recording = out["sound_1"][0][0]["waveform"][0]
    placed = []
    for track in out["tracks"][0][0].tracks:
        wave = track.sound.waveform.reshape(-1)
        start = round(track.start_s * track.sound.sample_rate)
        placed.append(torch.zeros(recording.shape[-1]))
        placed[-1][start : start + len(wave)] = wave
    return recording, placed


def test_left_and_right_of_a_recording_are_two_speakers_of_one_video(host):
    out = run(host, recorded(split="left and right"), "tracks")
    recording, tracks = tracks_of(out)
    assert len(tracks) == len(recording) == 2
    assert all(map(torch.equal, tracks, recording))
    assert "2 speakers: 1 left, 2 right" in out["tracks"][2][0]
    assert ", 2 speakers" in out["sampler"][2][0]
    heard = out["sampler"][1][0]["waveform"]
    assert torch.equal(heard[0], recording)


def test_times_of_a_recording_cut_it_and_its_sound_stays_whole(host):
    times = {"split": "times", "split.times": "Anna 0-0.16, Ben 0.2-"}
    out = run(host, recorded(**times), "tracks")
    recording, (first, second) = tracks_of(out)
    assert first[: int(0.15 * 16000)].abs().mean() > 0
    assert not first[int(0.18 * 16000) :].any()
    assert not second[: int(0.18 * 16000)].any()
    assert "1 Anna, 2 Ben" in out["tracks"][2][0]
    assert out["tracks"][1][0].shape[0] == 1
    assert torch.equal(out["sampler"][1][0]["waveform"][0], recording)
