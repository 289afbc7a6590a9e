"""Sound, speaker, video and example nodes through the real host."""

from __future__ import annotations

import json
import types
from pathlib import Path

import av
import pytest
import torch
from PIL import Image

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host


def sound(**inputs):
    return node("TestSound", **({"samples": 16000, "rate": 16000, "kind": "noise", "seed": 1,
                                 "channels": 1} | inputs))  # fmt: skip


def run(host, prompt, name, output=0):
    prompt["end"] = node("TestShowSpeech", speech=[name, output])
    result = host.run(prompt)
    assert result.ok, result.error
    return result.outputs[name][output][0]


def text_under(result, name):
    shown = [d for e, d in result.events if e == "executed" and d["node"] == name]
    return shown[0]["output"]["text"][0]


def test_loudness_keeps_rate_and_channels(host):
    prompt = {
        "sound": sound(rate=44100, samples=44100, channels=2),
        "level": node("MultiTalkLoudness", audio=["sound", 0], loudness_lufs=-16.0),
    }
    out = run(host, prompt, "level")
    assert out["sample_rate"] == 44100
    assert out["waveform"].shape == (1, 2, 44100)
    import pyloudnorm

    meter = pyloudnorm.Meter(44100)
    assert abs(meter.integrated_loudness(out["waveform"][0].T.numpy()) + 16) < 0.1


def test_silence_passes_unchanged_and_says_so(host):
    prompt = {
        "sound": sound(kind="silence"),
        "level": node("MultiTalkLoudness", audio=["sound", 0], loudness_lufs=-16.0),
    }
    prompt["end"] = node("TestShowSpeech", speech=["level", 0])
    result = host.run(prompt)
    assert not result.outputs["level"][0][0]["waveform"].any()
    assert "unchanged" in text_under(result, "level")


def test_tracks_are_drawn_one_row_each(host):
    prompt = {
        "one": sound(),
        "two": sound(seed=2),
        "tracks": node(
            "MultiTalkTracks",
            placement="in turn",
            **{"speakers.speaker_1": ["one", 0], "speakers.speaker_2": ["two", 0]},
            **{"placement.gap": 0.5},
        ),
    }
    picture = run(host, prompt, "tracks", output=2)
    assert picture.shape == (1, 320, 960, 3)
    draw = host.module("multitalk.sound.timeline").draw_tracks
    assert torch.equal(picture[0], draw(run(host, prompt, "tracks")))


def test_tracks_mix_at_the_highest_rate_and_keep_stereo(host):
    prompt = {
        "one": sound(rate=16000, samples=16000),
        "two": sound(rate=48000, samples=48000, channels=2),
        "tracks": node(
            "MultiTalkTracks",
            **{
                "speakers.speaker_1": ["one", 0],
                "speakers.speaker_2": ["two", 0],
                "placement": "offsets",
                "placement.offsets": "0, 0.5",
            },
        ),
    }
    mix = run(host, prompt, "tracks", 1)
    assert mix["sample_rate"] == 48000
    assert mix["waveform"].shape == (1, 2, 72000)


def test_the_heard_sound_may_be_another(host):
    prompt = talk(seconds=0.4)
    prompt["music"] = sound(rate=44100, samples=22050, channels=2)
    prompt["speech"]["inputs"]["video_sound"] = ["music", 0]
    result = host.run(prompt)
    assert result.ok, result.error
    heard = result.outputs["sampler"][1][0]
    assert heard["waveform"].shape == (1, 2, 44100 * 10 // 25)
    original = result.outputs["music"][0][0]["waveform"]
    torch.testing.assert_close(heard["waveform"], original[..., : 44100 * 10 // 25])


def speakers(host, **inputs):
    prompt = {
        "example": node("MultiTalkExample", scene="two_speakers"),
        "who": node("MultiTalkSpeakers", **({"image": ["example", 0], "boxes": ""} | inputs)),
        "end": node("TestShowSpeech", speech=["who", 0]),
    }
    return host.run(prompt)


def test_detections_become_masks_with_a_picture_of_who_is_who(host):
    result = speakers(host, detections=["example", 3])
    masks, preview, report = (values[0] for values in result.outputs["who"])
    assert masks.shape == (2, 640, 960)
    assert preview.shape == (1, 640, 960, 3)
    left, right = (mask.nonzero()[:, 1].float().mean() for mask in masks)
    assert left < 480 < right
    assert report.startswith("Speaker 1: ")


def face(x, score):
    return {"x": x, "y": 100.5, "width": 200.25, "height": 250.0, "label": "face", "score": score}


# As MediaPipe and RT-DETR (label) and SAM3 (none) give them: by score, one list per frame.
SURE_FIRST = [face(600.5, 0.99), face(100.5, 0.7)]
DETECTORS = {
    "one frame": [SURE_FIRST],
    "frames of a video": [SURE_FIRST, [], [face(0, 0.5)]],
    "no label": [[{k: v for k, v in box.items() if k != "label"} for box in SURE_FIRST]],
}


@pytest.mark.parametrize("boxes", DETECTORS.values(), ids=DETECTORS.keys())
def test_boxes_of_the_hosts_detectors_are_sorted_from_left_to_right(host, boxes):
    result = speakers(host, detections={"__value__": boxes})
    assert result.ok, result.error
    masks = result.outputs["who"][0][0]
    columns = [mask.any(0).nonzero()[[0, -1], 0].tolist() for mask in masks]
    assert columns == [[100, 300], [600, 800]]


def test_a_detector_that_finds_nobody_is_refused(host):
    result = speakers(host, detections={"__value__": [[]]})
    assert "The detector found nobody" in result.error["exception_message"]


def test_typed_boxes_and_halves(host):
    typed = speakers(host, boxes="0, 0, 100, 200\n500, 10, 100, 2000")
    masks, _, report = (values[0] for values in typed.outputs["who"])
    assert masks.sum((1, 2)).tolist() == [100 * 200, 100 * 630]
    assert "Speaker 2: the box" in report
    halves = speakers(host).outputs["who"][0][0]
    assert halves[0, :, 480:].sum() == 0
    assert halves[1, :, :480].sum() == 0


def test_masks_of_another_size_are_brought_to_the_picture(host):
    prompt = {
        "example": node("MultiTalkExample", scene="two_speakers"),
        "small": node("TestMasks", boxes="0,0,30,64;34,0,30,64", width=64, height=64),
        "who": node("MultiTalkSpeakers", image=["example", 0], masks=["small", 0]),
        "end": node("TestShowSpeech", speech=["who", 0]),
    }
    result = host.run(prompt)
    assert result.ok, result.error
    masks = result.outputs["who"][0][0]
    assert masks.shape == (2, 640, 960)
    assert masks.sum((1, 2)).tolist() == [450 * 640, 450 * 640]


def test_speakers_given_twice_are_refused(host):
    result = speakers(host, boxes="0,0,50,50", detections=["example", 3])
    assert "given twice, by boxes and detections" in result.error["exception_message"]


def test_video_has_the_sound_and_the_graph_inside(host):
    prompt = talk(seconds=1.0, rate=44100)
    result = host.run(prompt)
    assert result.ok, result.error
    shown = next(d for e, d in result.events if e == "executed" and d["node"] == "video")
    entry = shown["output"]["images"][0]
    path = Path(host.base) / entry["type"] / entry["subfolder"] / entry["filename"]
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == 25
        assert (video.width, video.height) == (64, 64)
        assert sum(1 for _ in container.decode(video)) == 25
        assert audio.duration * audio.time_base == 1  # to the sample
        assert "MultiTalkSampler" in container.metadata["prompt"]


DEEP = json.loads("[" * 800 + "]" * 800)
KEPT = {"workflow": {"nodes": []}}


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        (None, {}),
        ([], {}),
        ([["a", 1]], {}),
        ("workflow", {}),
        (5, {}),
        (True, {}),
        ({**KEPT, "\ud800": 1, "": 2, 3: 4}, KEPT),
        ({**KEPT, "object": object(), "bytes": b"a"}, KEPT),
        ({"workflow": "\ud800", "number": float("nan")}, ["workflow", "number"]),
    ],
)
def test_any_graph_that_a_program_sends_leaves_a_video(host, extra, kept):
    hidden = types.SimpleNamespace(extra_pnginfo=extra, prompt=None)
    assert list(host.module("nodes.host").graph_metadata(hidden)) == list(kept)


@pytest.mark.parametrize("extra", [["workflow"], {"\ud800": 1, "deep": DEEP, "kept": [1]}])
def test_video_is_written_whatever_is_sent_as_its_graph(host, extra):
    inputs = {"images": ["image", 0], "fps": 25.0, "filename_prefix": "x", "save_output": False}
    prompt = {
        "image": node("TestPicture", width=32, height=32, frames=2),
        "video": node("MultiTalkVideoCombine", **inputs),
    }
    result = host.run(prompt, extra={"extra_pnginfo": extra})
    assert result.ok, result.error
    shown = next(d for e, d in result.events if e == "executed" and d["node"] == "video")
    entry = shown["output"]["images"][0]
    with av.open(str(Path(host.base) / "temp" / entry["subfolder"] / entry["filename"])) as file:
        assert "MultiTalkVideoCombine" in file.metadata["prompt"]
        assert file.metadata.get("kept") == ("[1]" if isinstance(extra, dict) else None)


@pytest.mark.parametrize("extra", [None, ["workflow"], {**KEPT, "\u4f60": 1, "deep": object()}])
def test_picture_under_a_node_is_written_whatever_is_sent_as_its_graph(host, extra):
    hidden = types.SimpleNamespace(extra_pnginfo=extra, prompt={"1": {}})
    (shown,) = host.module("nodes.host").preview_picture(torch.zeros(1, 8, 8, 3), hidden).values
    with Image.open(Path(host.base) / "temp" / shown["filename"]) as picture:
        kept = {"workflow": json.dumps(KEPT["workflow"])} if isinstance(extra, dict) else {}
        assert picture.text == {"prompt": '{"1": {}}', **kept}


def test_odd_sides_are_refused(host):
    prompt = {
        "image": node("TestPicture", width=33, height=32, frames=2),
        "video": node(
            "MultiTalkVideoCombine",
            images=["image", 0],
            fps=25.0,
            filename_prefix="x",
            save_output=False,
        ),
    }
    assert "33 x 32; H.264 needs even sides" in host.run(prompt).error["exception_message"]


def test_the_example_has_two_voices_of_its_own(host):
    prompt = {"example": node("MultiTalkExample", scene="one_speaker")}
    silent = run(host, prompt, "example", 2)
    assert not silent["waveform"].any()
