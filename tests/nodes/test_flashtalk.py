"""FlashTalk in the host: the toy's weights under its rule, from files of its name, and stops."""

from __future__ import annotations

import pytest
import torch

from pack.tests.nodes.stops import (
    fail_in,
    frames_of,
    host_nodes,
    prompt_of,
    report_of,
    run,
    runs,
    video_of,
    windows_begun,
)
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import TOY, node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
RULE = {"rule": "flashtalk", "preset": "FlashTalk"}
WHOLE, PART = "SoulX-FlashTalk/test_whole.safetensors", "Flash-Talk/test_dit.safetensors"
TRAINED = {"window": 0, "overlap": 0, "size__width": 64, "size__height": 32}


def loaded(prompt, **choices):
    """The prompt with MultiTalk Load Model; by default FlashTalk's one file."""
    files = {"base": WHOLE, "audio_part": "(in base)"} | choices
    prompt["model"] = node("MultiTalkLoadModel", **files)
    return prompt


@pytest.fixture
def draws(monkeypatch):
    """Every noise that was drawn after a step, from the engine's own stream."""
    from pack.multitalk.noise import SeededNoise

    taken, window = [], SeededNoise.window

    def step(self, shape):
        taken.append(window(self, shape))
        return taken[-1]

    for kind in type_in_host(SeededNoise):
        monkeypatch.setattr(kind, "step", step)
    return taken


def type_in_host(kind):
    """A class as the tests and as the pack in the host know it."""
    import sys

    modules = [m for n, m in sys.modules.items() if n.endswith("multitalk.noise")]
    return {kind, *(getattr(module, kind.__name__) for module in modules)}


def test_trained_windows_of_four_steps_in_one_pass(host, draws):
    prompt = talk(seconds=1.6, **RULE, **TRAINED)
    prompt["counted"] = node("TestCountPasses", model=["model", 0])
    prompt["sampler"]["inputs"]["model"] = ["counted", 0]
    host_nodes().PASSES.clear()
    report = report_of(host, prompt)
    assert report.startswith("video: 40 frames of 64 x 32 (1.60 s), 1 speaker\n")
    assert "\nwindows: 2 of 33 frames (overlap 5)\n" in report
    assert "\nsampling: 4 steps of 1 pass, lcm, shift 5, text 1, audio 1, seed 7\n" in report
    assert "\nrule flashtalk was chosen; by the loader these are InfiniteTalk weights\n" in report
    assert host_nodes().PASSES == [1] * 8
    assert len(draws) == 8  # three of each window are mixed in, and one has weight 0
    assert draws[0].shape == (1, 16, 9, 4, 8)
    for index, noise in enumerate(draws):
        assert not any(torch.equal(noise, other) for other in draws[:index])


@pytest.mark.parametrize("seconds", [0.04, 1.12, 1.16])
def test_length_is_that_of_the_sound(host, seconds):
    frames = frames_of(host, talk(seconds=seconds, **RULE, **TRAINED))
    assert len(frames) == round(25 * seconds)


def test_stopped_run_goes_on_with_the_same_bits(host):
    prompt = prompt_of(voices=1, seconds=0.64, **RULE)
    unbroken = frames_of(host, prompt)
    assert windows_begun() == 4
    prompt["sampler"]["inputs"]["keep_progress"] = True
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    assert len(list(runs().glob("*/window_*.json"))) == 2
    assert torch.equal(frames_of(host, prompt), unbroken)
    assert windows_begun() == 2


def test_file_grows_to_the_same_frames_and_two_voices_are_experimental(host):
    path, result = video_of(host, prompt_of(to_video=True, seconds=0.32, **RULE))
    report = result.outputs["sampler"][1][0]
    assert path.is_file()
    assert report.startswith("video: 8 frames of 64 x 64 (0.32 s), 2 speakers")
    assert "speakers with places of their own: FlashTalk was trained for one voice" in report


def test_file_or_folder_of_its_name_is_flashtalk(host, other_files):
    report = report_of(host, loaded(talk(seconds=0.3, preset="FlashTalk")))
    assert "4 steps of 1 pass, lcm" in report
    assert "was chosen" not in report
    words = refuse(host, loaded(talk(preset="full")))
    assert (
        "preset full is for MultiTalk or InfiniteTalk weights, and this run follows Flas" in words
    )
    words = refuse(host, talk(audio_part=PART, preset="lightx2v"))
    assert "preset lightx2v is for MultiTalk or InfiniteTalk weights" in words


def test_choice_of_the_loader_decides_and_is_said(host, other_files):
    words = refuse(host, loaded(talk(preset="FlashTalk"), family="infinitetalk"))
    assert "preset FlashTalk is for FlashTalk weights, and this run follows InfiniteTalk" in words
    prompt = loaded({}, family="infinitetalk")
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    result = host.run(prompt)
    assert result.ok, result.error
    said = "family infinitetalk was chosen and counts; by its folder test_whole.safetensors is fl"
    assert said in result.outputs["model"][1][0]


def test_weights_behind_a_switch_are_taken_for_what_fits_the_preset(host, other_files):
    prompt = talk(seconds=0.3, preset="FlashTalk", audio_part=PART)
    prompt["other"] = node("MultiTalkAttach", model=["base", 0], audio_part=TOY["audio_part"])
    prompt["switch"] = node("TestFirstModel", first=["model", 0], second=["other", 0])
    prompt["sampler"]["inputs"]["model"] = ["switch", 0]
    assert "4 steps of 1 pass, lcm" in report_of(host, prompt)
    prompt["switch"]["inputs"] = {"first": ["other", 0], "second": ["model", 0]}
    result = host.run(prompt)
    assert not result.ok
    assert "this run follows InfiniteTalk" in result.error["exception_message"]


def test_another_audio_part_on_top_is_refused(host, other_files):
    prompt = loaded(talk(preset="FlashTalk"), audio_part=TOY["audio_part"])
    words = refuse(host, prompt)
    assert "test_whole.safetensors is FlashTalk by its name and holds an audio part of its" in words
    assert "Set audio_part to (in base)" in words


REFUSED = {
    "sampler of another kind": (
        {**RULE, "sampler": "dpmpp_2m"},
        "sampler is dpmpp_2m, and preset FlashTalk runs on lcm",
    ),
    "cache": (
        {**RULE, "step_cache": 0.2},
        "preset FlashTalk has 4 steps and step_cache is 0.2; the step cache needs the many steps "
        "of preset full. Set step_cache to 0.",
    ),
    "length": ({**RULE, "length": "reference"}, "FlashTalk's own program leaves out up to 1.1 s"),
    "video": (
        {**RULE, "source_frames": 3},
        "image holds 3 pictures; FlashTalk takes one, only InfiniteTalk follows a video",
    ),
    "other weights": (
        {"preset": "FlashTalk"},
        "preset FlashTalk is for FlashTalk weights, and this run follows InfiniteTalk",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_the_base_is_read(host, changes, message):
    assert message in refuse(host, talk(**changes))
