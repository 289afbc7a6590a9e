"""Shots and continuations through the real host: what is shown, from what, and what is refused."""

from __future__ import annotations

import importlib
import re
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from pack.multitalk.dubbing.source import Cut, read_frames
from pack.tests.nodes.small import SMALL
from pack.tests.nodes.stops import (
    fail_in,
    frames_of,
    host_nodes,
    output_folder,
    report_of,
    run,
    runs,
    video_of,
)
from pack.tests.nodes.test_end_image import shown
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
CUT, SECONDS = 14, 0.96  # 24 frames
RULES = ["multitalk", "infinitetalk", "flashtalk"]
PLAIN = {"colour_match": 0.0, "preset__audio_guidance": 1.0}


def small(**settings):
    return talk(files=SMALL, **({"seconds": SECONDS} | PLAIN | settings))


def with_shots(prompt, seconds="0.56", pictures=1, **inputs):
    """The prompt with cuts: to the negative of its picture, and back to the picture."""
    prompt["negative_picture"] = node("ImageInvert", image=["image", 0])
    sources = ["negative_picture", "image"]
    links = {f"images.image_{n + 2}": [sources[n % 2], 0] for n in range(pictures)}
    prompt["shots"] = node("MultiTalkShots", seconds=seconds, **links, **inputs)
    prompt["sampler"]["inputs"]["shots"] = ["shots", 0]
    return prompt


def goes_on(prompt, frames=5, **picture):
    """The prompt with a video to go on from, whose frames are noise."""
    prompt["earlier"] = node(
        "TestPicture", **({"width": 64, "height": 64, "frames": frames} | picture)
    )
    prompt["sampler"]["inputs"]["continue_from"] = ["earlier", 0]
    return prompt


@pytest.mark.parametrize("rule", RULES)
def test_a_shot_begins_at_its_frame_with_its_own_picture(host, rule):
    free = frames_of(host, small(rule=rule))
    result = run(host, with_shots(small(rule=rule)))
    assert result.ok, result.error
    frames, picture = host_nodes().SAVED_FRAMES.pop(), result.outputs["negative_picture"][0][0]
    assert frames.shape == free.shape == (24, 64, 64, 3)
    assert torch.equal(frames[:CUT], free[:CUT])  # a shot is a video that ends at the cut
    apart = (frames[CUT:] - free[CUT:]).abs().mean()
    assert apart > 0.05
    if rule == "infinitetalk":  # whose first latent frame is the picture
        close = {"rtol": 0, "atol": 0.51 / 255}
        torch.testing.assert_close(frames[CUT], shown(picture)[0], **close)
    report = result.outputs["sampler"][2][0]
    assert ", 2 shots\n" in report
    assert "\nshot 2: from 0.56 s, frame 14, in " in report
    assert report.splitlines()[-1].startswith("  shot 2: ")
    assert result.outputs["shots"][1][0].shape == (1, 320, 960, 3)


@pytest.fixture(autouse=True)
def _anew(host):
    """Nothing of the graph is there already."""
    host.kept = None


@pytest.fixture
def pinned(host, monkeypatch):
    """Clean motion latents of every window, and the condition the network was told."""
    guider = host_nodes_module(host, "sampling.talk_guider").TalkGuider
    seen, begin = [], guider.__init__

    def note(self, model, positive, negative, audio, *args, motion=None, **kwargs):
        told = positive[0][1].get("concat_latent_image")
        seen.append((None if motion is None else motion.latents, told, audio))
        begin(self, model, positive, negative, audio, *args, motion=motion, **kwargs)

    monkeypatch.setattr(guider, "__init__", note)
    return seen


def host_nodes_module(host, name):
    return importlib.import_module(f"{host.pack_name}.nodes.{name}")


@pytest.mark.parametrize("rule", RULES)
def test_first_window_goes_on_from_the_last_frames_of_the_video(host, pinned, rule):
    flat_encode = host_nodes().flat_encode
    result = run(host, goes_on(small(rule=rule), frames=8))
    assert result.ok, result.error
    frames, given = host_nodes().SAVED_FRAMES.pop(), result.outputs["earlier"][0][0]
    assert len(frames) == 24  # the new ones alone
    tail = (given[-5:] * 255).round() / 255
    latents, told, audio = pinned[0]
    wanted = flat_encode(tail)
    torch.testing.assert_close(latents, wanted, rtol=0, atol=1e-5)
    if rule == "multitalk":
        torch.testing.assert_close(told[:, :, :2], wanted, rtol=0, atol=1e-5)
    else:
        picture = flat_encode((result.outputs["image"][0][0] * 255).round() / 255)
        torch.testing.assert_close(told[:, :, :1], picture, rtol=0, atol=1e-5)
    silent = audio.speech[0, :3]  # these frames lie before the sound
    assert torch.equal(silent, silent[:1, :1].expand_as(silent))
    assert result.outputs["sampler"][1][0]["waveform"].shape[-1] == round(SECONDS * 16000)
    report = result.outputs["sampler"][2][0]
    assert "\ncontinue_from: the first window goes on from the last 5 frames; " in report


def test_a_video_of_another_rate_is_gone_on_with_by_time(host, pinned):
    prompt = goes_on(small(rule="multitalk"), frames=20)
    prompt["film"] = node("CreateVideo", images=["earlier", 0], fps=50.0)
    prompt["sampler"]["inputs"]["continue_from"] = ["film", 0]
    frames = frames_of(host, prompt)
    given = host.run({**prompt, "keep": node("TestKeepFrames", images=["earlier", 0])})
    assert given.ok, given.error
    earlier = host_nodes().SAVED_FRAMES.pop()
    tail = (earlier[10:20:2] * 255).round() / 255  # 0.04 s apart, the last 0.04 s before the end
    wanted = host_nodes().flat_encode(tail)
    torch.testing.assert_close(pinned[0][0], wanted, rtol=0, atol=1e-5)
    assert len(frames) == 24


@pytest.mark.parametrize(("rate", "sliced"), [(30, False), (24, True)])
def test_of_a_video_file_its_last_frames_are_read_by_time(host, tmp_path, rate, sliced):
    from comfy_api.latest import InputImpl

    path, module = tmp_path / "long.mp4", host_nodes_module(host, "continuation")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width = stream.height = 16
        for number in range(5 * rate):
            picture = np.full((16, 16, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    video = InputImpl.VideoFromFile(str(path), **({"duration": 4} if sliced else {}))
    read = module.read_continuation(video, {"overlap": 9})
    end = 4 if sliced else 5
    numbers = [int(rate * (end - Fraction(back, 25))) for back in range(25, 0, -1)]
    whole = read_frames(str(path), Cut(), loops=True).kept
    assert torch.equal(read, torch.stack([whole[number] for number in numbers]) / 255)


def test_stopped_run_with_shots_and_a_continuation_goes_on_with_the_same_bits(host):
    def prompt(**settings):
        return goes_on(with_shots(small(colour_match=1.0, **settings), "0.4, 0.8", 2))

    unbroken = frames_of(host, prompt(seconds=1.2))
    for passing in (1, 2, 1):
        fail_in("decode", passing, 1, RuntimeError("stop"))
        assert not run(host, broken(prompt(seconds=1.2, keep_progress=True))).ok
        kept = len(list(runs().glob("*/window_*.json")))
        assert kept > 0
    assert torch.equal(frames_of(host, broken(prompt(seconds=1.2, keep_progress=True))), unbroken)
    assert not list(runs().glob("*"))


def broken(prompt):
    """The prompt with a network and a VAE that fail when a test wants it."""
    prompt["trouble"] = node("TestTrouble", model=["model", 0], vae=["vae", 0])
    prompt["sampler"]["inputs"] |= {"model": ["trouble", 0], "vae": ["trouble", 1]}
    return prompt


@pytest.mark.parametrize("other", ["time", "video"])
def test_other_shots_or_another_video_begin_a_new_run(host, other):
    def prompt(*, changed):
        seconds = "0.52" if changed and other == "time" else "0.56"
        built = goes_on(with_shots(small(keep_progress=True), seconds))
        if changed and other == "video":
            built["earlier"]["inputs"]["frames"] = 6
        return broken(built)

    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt(changed=False)).ok
    report = report_of(host, prompt(changed=True))
    named = "video before" if other == "video" else "shots"
    assert f"a new run: it differs in {named} from" in report


def test_each_shot_hears_the_voices_whose_face_it_shows(host, pinned):
    boxes = "0,0,28,64;36,0,28,64"
    prompt = with_shots(small(voices=2, boxes=boxes), voices="1, 2; 2")
    assert frames_of(host, prompt).shape[0] == 24
    both = [audio for _, _, audio in pinned if len(audio.speech) == 2]
    one = [audio for _, _, audio in pinned if len(audio.speech) == 1]
    assert len(both) + len(one) == len(pinned)
    assert min(len(both), len(one)) > 0
    assert all(audio.cells is None for audio in one)
    assert all(len(audio.cells) == 3 for audio in both)


def test_masks_of_a_shot_are_its_own(host, pinned):
    prompt = small(voices=2, boxes="0,0,28,64;36,0,28,64")
    prompt["others"] = node("TestMasks", boxes="36,0,28,64;0,0,28,64", width=64, height=64)
    prompt = with_shots(prompt, **{"masks.masks_2": ["others", 0]})
    frames_of(host, prompt)
    first, last = pinned[0][2].cells, pinned[-1][2].cells
    assert torch.equal(first[:2], last[:2].flip(0))
    assert not torch.equal(first, last)


def test_file_has_every_frame_and_the_whole_sound(host):
    prompt = goes_on(with_shots(small()))
    prompt["sampler"]["class_type"] = "MultiTalkSampleToVideo"
    prompt["sampler"]["inputs"]["filename_prefix"] = "video/shots"
    del prompt["video"]
    path, result = video_of(host, prompt)
    assert path.is_relative_to(output_folder())
    assert ", 2 shots\n" in result.outputs["sampler"][1][0]
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


REFUSED = {
    "beyond": ({"seconds": "1"}, {}, "shots: Shot 2 begins at 1 s and the sound is 0.96 s long"),
    "late": ({"seconds": "0.8"}, {}, "leaves it next to no time"),
    "reference": ({}, {"length": "reference"}, "length is reference, and shots is connected"),
    "voices": ({"voices": "1; 2"}, {}, "voices has number 2 for shot 2, and speech has 1 voice"),
}


@pytest.mark.parametrize(("shots", "settings", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_shots_are_refused_before_the_base_is_read(host, shots, settings, words):
    assert words in refuse(host, with_shots(small(**settings), **shots))


def test_pictures_and_masks_of_shots_are_refused_by_their_number(host):
    prompt = with_shots(small())
    prompt["wide"] = node("TestPicture", width=2048, height=64, frames=1)
    prompt["shots"]["inputs"]["images.image_2"] = ["wide", 0]
    assert "image_2: The picture is 2048 x 64" in refuse(host, prompt)
    prompt = with_shots(small())
    prompt["two"] = node("TestMasks", boxes="0,0,28,64;36,0,28,64", width=64, height=64)
    prompt["shots"]["inputs"]["masks.masks_2"] = ["two", 0]
    assert "Shot 2: masks holds 2 masks, and speech has 1 voice" in refuse(host, prompt)


OF_SHOTS = {
    "order": ({"seconds": "0.8, 0.4", "pictures": 2}, "Shot 3 begins at 0.4 s; shots follow one"),
    "count": ({"seconds": "0.4, 0.8"}, "seconds has 2 numbers for 1 picture"),
    "gap": ({"images.image_4": ["image", 0]}, "Connected are image_2, image_4; pictures must"),
    "lonely": ({"masks.masks_3": ["masks", 0]}, "masks_3 is connected, and image_3 is free"),
}


@pytest.mark.parametrize(("shots", "words"), OF_SHOTS.values(), ids=OF_SHOTS.keys())
def test_node_refuses_what_it_can_know(host, shots, words):
    prompt = with_shots(small(boxes="0,0,28,64"), **shots)
    assert words in str(host.run(prompt).error)


CONTINUED = {
    "few": (
        {"frames": 4},
        {},
        "holds 4 frames; the first window goes on from 5, the overlap .* to 1",
    ),
    "shape": ({"width": 2048}, {}, "continue_from: The picture is 2048 x 64"),
    "reference": ({}, {"length": "reference"}, "length is reference, and continue_from is connec"),
}


@pytest.mark.parametrize(("video", "settings", "words"), CONTINUED.values(), ids=CONTINUED.keys())
def test_videos_to_go_on_from_are_refused_before_the_base_is_read(host, video, settings, words):
    assert re.search(words, refuse(host, goes_on(small(**settings), **video)))
