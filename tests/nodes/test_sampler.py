"""The sampler through the real host: length, repeatability, passes, progress, interruption."""

from __future__ import annotations

import itertools
import re
import sys
import threading
import time
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch

from pack.tests.nodes.small import SMALL
from pack.tools.host import prompts
from pack.tools.host.prompts import node

pytestmark = pytest.mark.host
# The VAE is what a run waits for.
FLAT = {"size__width": 32, "size__height": 16, "picture": (32, 16)}
talk = partial(prompts.talk, files=SMALL)
WINDOWS = {"multitalk": (81, 25), "infinitetalk": (81, 9)}


def counters():
    return next(module for name, module in sys.modules.items() if name.endswith("nodes_for_tests"))


@pytest.fixture(scope="module")
def quick(host):
    """Run a graph for what its sampler gives: no file, and what the run before loaded is kept."""
    executor = host.executor()

    def run(prompt):
        rest = {name: prompt[name] for name in prompt if name != "video"}
        last = next(name for name in ("sampler", "speech") if name in rest)
        return host.run(rest | {"end": node("TestShowSpeech", speech=[last, 0])}, executor)

    return run


def frames_of(result):
    assert result.ok, result.error
    return result.outputs["sampler"][0][0]


@pytest.mark.parametrize("family", WINDOWS)
@pytest.mark.parametrize(
    ("seconds", "voices"),
    [
        *itertools.product([0.3, 3.24, 3.25, 10], ["one", "together", "in turn"]),
        (21, "one"),  # several voices of that length: tests/multitalk/test_planners.py
    ],
)
def test_length_is_that_of_the_sound(quick, seconds, voices, family):
    window, overlap = WINDOWS[family]
    prompt = talk(
        seconds=seconds,
        rate=8000,
        voices=1 if voices == "one" else 2,
        placement="together" if voices == "one" else voices,
        rule=family,
        window=window,
        overlap=overlap,
        preset__steps=1,
        preset__audio_guidance=1.0,
        colour_match=0.0,
        size__width=32,
        size__height=16,
        picture=(32, 16),
    )
    result = quick(prompt)
    samples = round(seconds * 8000) * (2 if voices == "in turn" else 1)
    expected = -(-samples * 25 // 8000)
    assert len(frames_of(result)) == expected
    sound = result.outputs["sampler"][1][0]
    assert Fraction(sound["waveform"].shape[-1], sound["sample_rate"]) == Fraction(expected, 25)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("voices", ["one", "together", "in turn"])
@pytest.mark.parametrize("seconds", [0.3, 3.24, 3.25, 10, 21])
def test_embedding_counts_frames_on_the_source_rate(quick, seconds, voices, rate):
    prompt = talk(
        seconds=seconds,
        rate=rate,
        voices=1 if voices == "one" else 2,
        placement="together" if voices == "one" else voices,
    )
    unused = ("sampler", "base", "model", "vae")
    result = quick({name: prompt[name] for name in prompt if name not in unused})
    assert result.ok, result.error
    samples = round(seconds * rate) * (2 if voices == "in turn" else 1)
    speech = result.outputs["speech"][0][0]
    assert speech.num_frames == -(-samples * 25 // rate)
    assert speech.num_speakers == (1 if voices == "one" else 2)
    assert torch.isfinite(speech.features).all()


def test_two_runs_and_two_caches_give_equal_tensors(host):
    prompt = talk(voices=2, seconds=0.8, flat_vae=False, **FLAT)
    executor = host.executor()
    first = frames_of(host.run(prompt, executor))
    warm = talk(voices=2, seconds=0.8, flat_vae=False, **FLAT)
    warm["video"]["inputs"]["filename_prefix"] = "video/again"
    again = host.run(warm, executor)
    assert again.executed == ["video"]  # everything before is cached
    torch.testing.assert_close(frames_of(again), first, rtol=0, atol=0)
    fresh = frames_of(host.run(prompt, host.executor()))
    torch.testing.assert_close(fresh, first, rtol=0, atol=0)
    prompt["keep"] = node("TestKeepFrames", images=["sampler", 0])
    assert host.run(prompt, host.executor("none")).ok
    torch.testing.assert_close(counters().SAVED_FRAMES.pop(), first, rtol=0, atol=0)


def test_another_seed_gives_another_video(quick):
    first = frames_of(quick(talk(seed=1)))
    assert not torch.equal(first, frames_of(quick(talk(seed=2))))


def count_passes(quick, **settings):
    prompt = talk(seconds=0.3, **settings)
    prompt["counted"] = node("TestCountPasses", model=["model", 0])
    prompt["sampler"]["inputs"]["model"] = ["counted", 0]
    counters().PASSES.clear()
    frames_of(quick(prompt))
    steps = settings.get("preset__steps", 2)
    return sum(counters().PASSES) / steps


@pytest.mark.parametrize(
    ("text", "audio", "apg", "passes"),
    [
        (1.0, 1.0, False, 1),
        (1.0, 4.0, False, 2),
        (4.0, 4.0, False, 2),
        (5.0, 1.0, False, 2),
        (5.0, 4.0, False, 3),
        (1.0, 0.0, False, 1),  # audio off: only the silent pass
        (1.0, 1.0, True, 1),
        (1.0, 4.0, True, 2),
        (4.0, 4.0, True, 3),  # APG does not cancel
        (5.0, 1.0, True, 2),
        (5.0, 4.0, True, 3),
    ],
)
@pytest.mark.parametrize("voices", [1, 2])
def test_no_pass_runs_in_vain(quick, voices, text, audio, apg, passes):
    counted = count_passes(
        quick,
        voices=voices,
        preset__text_guidance=text,
        preset__audio_guidance=audio,
        apg=apg,
    )
    assert counted == passes


def test_progress_counts_steps_over_all_windows(host):
    result = host.rerun(talk(seconds=0.8, preset__steps=3))  # 20 frames: 0..9, 4..13, 8..17, 12..
    values = [data["value"] for event, data in result.events if event == "progress"]
    assert values == sorted(values)
    assert values[-1] == 3 * len(range(0, 20 - 9 + 3, 4))


def previews_of(result):
    """(progress, kind, picture [H, W, 3], largest side) of every event with a preview."""
    events = [data for event, data in result.events if event == "progress" and data["preview"]]
    assert all(data["node"] in (None, "sampler") for data in events)
    return [
        (data["value"], kind, torch.from_numpy(np.asarray(picture).copy()), size)
        for data in events
        for kind, picture, size in [data["preview"]]
    ]


def middle_frames(frames, steps, windows=4):
    """What the preview of each window shows, with the progress it belongs to.

    Windows of 9 begin at 0, 4, 8, 11 in 20 frames; of all but the first, 5 frames are not new.
    """
    new = [(0, 9), (9, 13), (13, 17), (17, 20)][:windows]
    for index, (begin, end) in enumerate(new):
        yield (index + 1) * steps, (frames[begin + (end - begin) // 2] * 255).round().byte()


def test_every_window_ends_in_a_preview_of_its_middle_frame(host):
    prompt = talk(seconds=0.8, voices=2, flat_vae=False, **FLAT)
    result = host.rerun(prompt)
    previews = previews_of(result)
    wanted = list(middle_frames(frames_of(result), steps=2))
    assert [value for value, *_ in previews] == [value for value, _ in wanted]
    for (_, kind, picture, largest), (_, frame) in zip(previews, wanted, strict=True):
        assert (kind, largest) == ("JPEG", 512)
        assert torch.equal(picture, frame)
    assert len({tuple(picture.flatten().tolist()) for _, _, picture, _ in previews}) > 1


def test_latent_previews_go_on_while_a_window_is_made(host, monkeypatch):
    import latent_preview
    from comfy.cli_args import LatentPreviewMethod

    monkeypatch.setattr(latent_preview, "default_preview_method", LatentPreviewMethod.Latent2RGB)
    result = host.rerun(talk(seconds=0.8, voices=2, flat_vae=False, **FLAT))
    previews = previews_of(result)
    assert [value for value, *_ in previews] == [1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8]
    for (_, _, picture, _), (_, frame) in zip(
        previews[2::3], middle_frames(frames_of(result), steps=2), strict=True
    ):
        assert torch.equal(picture, frame)
    for index in (0, 1):
        assert previews[index][2].shape == (2, 4, 3)  # whole, one pixel per cell


def test_interrupt_is_honoured_within_one_pass(host):
    import nodes

    prompt = talk(seconds=4, preset__steps=50)
    prompt["counted"] = node("TestCountPasses", model=["model", 0])
    prompt["sampler"]["inputs"]["model"] = ["counted", 0]
    module = counters()
    module.PASSES.clear()
    seen = []

    def stop():
        while len(module.PASSES) < 5:
            time.sleep(0.001)
        nodes.interrupt_processing()
        seen.append(len(module.PASSES))

    thread = threading.Thread(target=stop)
    thread.start()
    result = host.run(prompt)
    thread.join()
    assert not result.ok
    assert any(event == "execution_interrupted" for event, _ in result.events)
    assert len(module.PASSES) <= seen[0] + 1
    assert len(frames_of(host.run(talk(seconds=0.3)))) == 8


@pytest.mark.parametrize(
    ("settings", "voices"),
    [
        ({"step_cache": 0.3, "preset__steps": 12}, 1),
        ({"apg": True, "preset__text_guidance": 3.0}, 2),
        ({"rule": "multitalk"}, 2),
        ({"sampler": "dpmpp_2m", "preset__steps": 5}, 1),
        ({"audio_strength": 0.0}, 1),
    ],
)
def test_options_run_and_change_the_result(quick, settings, voices):
    steps = {"preset__steps": settings.get("preset__steps", 2)}
    # The small model is random, of no rule's own, and its steps are too unlike to be reused.
    graph = prompts.talk if {"step_cache", "rule"} & settings.keys() else talk
    plain = frames_of(quick(graph(seconds=0.8, voices=voices, **steps)))
    changed = frames_of(quick(graph(seconds=0.8, voices=voices, **settings)))
    assert changed.shape == plain.shape
    assert torch.isfinite(changed).all()
    assert not torch.equal(changed, plain)


def test_report_counts_the_steps_that_the_cache_reuses(host):
    prompt = prompts.talk(seconds=0.3, preset__steps=12, step_cache=0.3)
    executor = host.executor()
    model = host.run(prompt, executor).outputs["model"][0][0]
    rows = []
    block = model.model.diffusion_model.blocks[0]
    hook = block.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    prompt["sampler"]["inputs"]["seed"] = 8
    result = host.run(prompt, executor)
    hook.remove()
    assert result.ok, result.error
    text = result.outputs["sampler"][2][0]
    reused = int(re.search(r"step cache: (\d+) of 12 steps reused in each window", text)[1])
    assert 0 < reused < 12
    assert sum(rows) == (12 - reused) * 2  # a row per pass
    assert f"made now: 1 of 1 window, {(12 - reused) * 2} network passes" in text


def test_reference_length_mirrors_the_end(quick):
    settings = {"seconds": 0.8, "rule": "infinitetalk"}
    exact = frames_of(quick(talk(**settings)))
    reference = frames_of(quick(talk(length="reference", **settings)))
    torch.testing.assert_close(reference[:17], exact[:17], rtol=0, atol=0)
    assert not torch.equal(reference[17:], exact[17:])
    shorter = frames_of(quick(talk(seconds=0.8, length="reference", rule="multitalk")))
    assert len(shorter) == len(exact) - 3  # MultiTalk's reference loses three frames


def test_short_last_window_keeps_the_length(quick):
    settings = {"seconds": 0.64, "window": 13, "overlap": 5}
    full = frames_of(quick(talk(**settings)))
    short = frames_of(quick(talk(last_window="short", **settings)))
    torch.testing.assert_close(short[:13], full[:13], rtol=0, atol=0)
    assert len(short) == len(full) == 16
    assert not torch.equal(short[13:], full[13:])


def test_one_speaker_with_a_mask_takes_the_two_speaker_path(quick):
    free = frames_of(quick(talk()))
    masked = frames_of(quick(talk(boxes="0,0,32,64")))
    assert masked.shape == free.shape
    assert not torch.equal(masked, free)


def test_one_speaker_may_fill_the_picture(quick):
    assert len(frames_of(quick(talk(boxes="0,0,64,64")))) == 15


def test_masks_may_have_another_size_than_the_picture(quick):
    wide = {"voices": 2, "picture": (128, 64), "size__width": 128}
    same = frames_of(quick(talk(boxes="0,0,60,64;68,0,60,64", **wide)))
    prompt = talk(boxes="0,0,30,64;34,0,30,64", **wide)
    prompt["masks"]["inputs"] |= {"width": 64, "height": 64}
    torch.testing.assert_close(frames_of(quick(prompt)), same, rtol=0, atol=0)


def test_swapped_masks_change_the_result(quick):
    left = frames_of(quick(talk(voices=2, boxes="0,0,30,64;34,0,30,64")))
    right = frames_of(quick(talk(voices=2, boxes="34,0,30,64;0,0,30,64")))
    assert not torch.equal(left, right)


def test_three_speakers_with_masks(quick):
    boxes = "0,0,20,64;22,0,20,64;44,0,20,64"
    assert len(frames_of(quick(talk(voices=3, boxes=boxes)))) == 15


def test_infinitetalk_follows_a_source_video(quick, other_files):
    settings = {"audio_part": "test_infinite_audio.safetensors", "seconds": 0.8}
    still = frames_of(quick(prompts.talk(**settings)))
    moving = frames_of(quick(prompts.talk(source_frames=20, **settings)))
    assert still.shape == moving.shape
    torch.testing.assert_close(still[:1], moving[:1], rtol=0, atol=0)  # window 1 sees frame 0
    assert not torch.equal(still[-4:], moving[-4:])


def test_advanced_widgets_may_be_left_out_of_a_prompt(host):
    prompt = talk(window=0, overlap=0)
    full = frames_of(host.rerun(prompt))
    for name in ("audio_strength", "colour_match", "window", "overlap", "rule", "sampler"):
        del prompt["sampler"]["inputs"][name]
    for name in ("step_cache", "apg", "length", "last_window"):
        del prompt["sampler"]["inputs"][name]
    torch.testing.assert_close(frames_of(host.rerun(prompt)), full, rtol=0, atol=0)


def test_overlap_of_the_family_is_known_before_the_model_is_read(host, other_files):
    settings = {"window": 21, "overlap": 0, "seconds": 0.9}
    short = frames_of(
        host.run(prompts.talk(audio_part="test_infinite_audio.safetensors", **settings))
    )
    assert len(short) == 23  # InfiniteTalk's overlap of 9 fits a window of 21
    refused = host.run(prompts.talk(audio_part="test_random_audio.safetensors", **settings))
    assert "overlap is 25 and window is 21" in refused.error["exception_message"]
