from __future__ import annotations

import dataclasses

import pytest

from pack.multitalk.config import ApgConfig, WindowSize
from pack.multitalk.settings import (
    DriftControl,
    GuidanceSettings,
    RunSettings,
    digest_settings,
    plan_video,
    resolve_guidance,
    resolve_step_cache,
    resolve_video_size,
    resolve_windows,
    to_record,
)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"size": "480"}, (704, 576)),
        ({"size": "720"}, (1088, 832)),
        ({"size": "custom", "width": 832, "height": 480}, (480, 832)),
        ({"size": "custom", "width": 16, "height": 16}, (16, 16)),
    ],
)
def test_video_size_is_height_and_width(choice, expected):
    assert resolve_video_size(choice, 1300, 1000) == expected


@pytest.mark.parametrize(
    ("picture", "choice"),
    [
        ((1, 4000), {"size": "480"}),
        ((4000, 1), {"size": "720"}),
        ((10, 161), {"size": "custom", "width": 64, "height": 64}),
    ],
)
def test_picture_that_would_be_cropped_to_next_to_nothing_is_refused(picture, choice):
    words = f"picture is {picture[1]} x {picture[0]} and the video .* less than 1/16 of the picture"
    with pytest.raises(ValueError, match=words):
        resolve_video_size(choice, *picture)
    assert resolve_video_size({"size": "custom", "width": 64, "height": 64}, 10, 160) == (64, 64)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"size": "custom", "width": 100, "height": 64}, "width is 100; sizes must be multiples"),
        ({"size": "custom", "width": 64, "height": 8}, "height is 8; .* Use 16 or 32"),
        ({"size": "1080"}, "size is '1080'; use 480, 720 or custom"),
        ({}, "size is None; use 480, 720 or custom"),
    ],
)
def test_unknown_sizes_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        resolve_video_size(choice, 100, 100)


@pytest.mark.parametrize(
    ("preset", "height", "width", "expected"),
    [
        ("full", 640, 640, (40, 7.0, 5.0, 4.0)),
        ("full", 960, 960, (40, 11.0, 5.0, 4.0)),
        ("FusionX", 640, 640, (8, 2.0, 1.0, 2.0)),
        ("FusionX", 960, 960, (8, 2.0, 1.0, 2.0)),
        ("lightx2v", 960, 960, (4, 2.0, 1.0, 2.0)),
        ("FlashTalk", 448, 768, (4, 5.0, 1.0, 1.0)),
        ("FlashTalk", 960, 960, (4, 5.0, 1.0, 1.0)),
    ],
)
def test_presets(preset, height, width, expected):
    found = resolve_guidance({"preset": preset}, height, width, step_cache=0.0)
    assert dataclasses.astuple(found) == expected


@pytest.mark.parametrize("step_cache", [0.0, 0.2])
def test_custom_numbers_are_taken_as_they_are(step_cache):
    choice = {
        "preset": "custom", "steps": 6, "shift": 3.5, "text_guidance": 1, "audio_guidance": 2.5,
    }  # fmt: skip
    assert resolve_guidance(choice, 640, 640, step_cache=step_cache) == GuidanceSettings(
        steps=6, shift=3.5, text_guidance=1.0, audio_guidance=2.5
    )


@pytest.mark.parametrize(("name", "shown"), [("fast", "'fast'"), (None, "'None'")])
def test_unknown_preset_is_refused(name, shown):
    with pytest.raises(ValueError, match=f"preset is {shown}; use full, FusionX, lightx2v, FlashT"):
        resolve_guidance({"preset": name}, 640, 640, step_cache=0.0)


@pytest.mark.parametrize(("preset", "steps"), [("FusionX", 8), ("lightx2v", 4), ("FlashTalk", 4)])
def test_step_cache_needs_many_steps(preset, steps):
    message = f"preset {preset} has {steps} steps and step_cache is 0.2"
    with pytest.raises(ValueError, match=message):
        resolve_guidance({"preset": preset}, 640, 640, step_cache=0.2)
    assert resolve_guidance({"preset": "full"}, 640, 640, step_cache=0.2).steps == 40


@pytest.mark.parametrize(
    ("family", "window", "overlap", "expected"),
    [
        ("multitalk", 0, 0, (81, 25)),
        ("infinitetalk", 0, 0, (81, 9)),
        ("multitalk", 33, 9, (33, 9)),
        ("infinitetalk", 33, 0, (33, 9)),
        ("multitalk", 0, 5, (81, 5)),
    ],
)
def test_zero_means_the_trained_window(family, window, overlap, expected):
    size = resolve_windows(family, window=window, overlap=overlap)
    assert size == WindowSize(window=expected[0], overlap=expected[1])


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [(10, 5, "window is 10"), (9, 4, "overlap is 4"), (9, 0, "overlap is 25 and window is 9")],
)
def test_impossible_windows_are_refused(window, overlap, message):
    with pytest.raises(ValueError, match=message):
        resolve_windows("multitalk", window=window, overlap=overlap)


def test_run_is_exact_full_and_uncached_unless_told():
    run = RunSettings(
        height=64, width=64, family="multitalk", seed=0, sampler="euler",
        guidance=resolve_guidance({"preset": "full"}, 64, 64, step_cache=0.0),
        size=resolve_windows("multitalk", window=0, overlap=0),
    )  # fmt: skip
    assert (run.step_cache, run.apg) == (None, None)
    assert (run.audio_strength, run.drift.color_strength) == (1.0, 1.0)
    assert not run.reference_length
    assert not run.short_last_window


@pytest.mark.parametrize(
    ("threshold", "side", "first"), [(0.2, 640, 2.57151496e5), (0.3, 960, 8.10705460e3)]
)
def test_step_cache_has_the_numbers_of_the_size(threshold, side, first):
    found = resolve_step_cache(threshold, side, side)
    assert (found.threshold, found.coefficients[0]) == (threshold, first)
    assert resolve_step_cache(0.0, side, side) is None


def settings(**changes):
    """Those of the widgets as they are, for a square picture and MultiTalk weights."""
    run = {
        "height": 640, "width": 640, "family": "multitalk", "seed": 42, "sampler": "euler",
        "guidance": resolve_guidance({"preset": "full"}, 640, 640, step_cache=0.0),
        "size": resolve_windows("multitalk", window=0, overlap=0),
    }  # fmt: skip
    return RunSettings(**run | changes)


EVERYTHING_ELSE = {
    "height": 832, "width": 480, "family": "infinitetalk", "seed": 7, "sampler": "dpmpp_2m",
    "guidance": GuidanceSettings(steps=30, shift=11.0, text_guidance=5.0, audio_guidance=3.5),
    "size": WindowSize(window=49, overlap=13), "audio_strength": 1.2,
    "step_cache": resolve_step_cache(0.2, 832, 480), "apg": ApgConfig(),
    "drift": DriftControl(
        color_strength=0.5, color_reference="running mean", image_tokens="picture"
    ),
    "reference_length": True, "short_last_window": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "06bde63b98f00ac99a04e533d35d81cb6a1cdf9bc538d088b26362cfe4b3aded"),
        (EVERYTHING_ELSE, "2e715f9f7e9ad34e3335c120ddab942d6a215b006ab36ba7e481a65901ad3233"),
    ],
    ids=["as they are", "everything else"],
)
def test_runs_that_were_begun_before_there_were_records_go_on(changes, digest):
    # Made at commit 068ed9e, where the text of the dataclass was digested.
    assert digest_settings(settings(**changes)) == digest


def test_the_seed_is_told_apart_by_itself():
    assert digest_settings(settings(seed=1)) == digest_settings(settings(seed=2))


NEWER = {
    "schedule": "even",
    "sigmas": (1.0, 0.5, 0.0),
    "start_strength": 0.5,
    "drift": dataclasses.replace(EVERYTHING_ELSE["drift"], correction=0.5),
}  # than the first record
ALL = EVERYTHING_ELSE | NEWER


@pytest.mark.parametrize("name", [name for name in ALL if name != "seed"])
def test_every_setting_counts(name):
    changed = settings(**{name: ALL[name]})
    assert digest_settings(changed) != digest_settings(settings())


def test_no_setting_is_forgotten_in_the_record():
    def leaves(value):
        parts = value.values() if isinstance(value, dict) else [value]
        return [leaf for part in parts for leaf in (leaves(part) if part is not value else [part])]

    run = settings(**ALL)
    record = to_record(run)
    assert record.pop("version") == 1
    assert leaves(record) == leaves(dataclasses.asdict(run))


@pytest.mark.parametrize(
    ("changes", "frames", "windows"),
    [
        ({}, 100, 2),
        ({"short_last_window": True}, 100, 2),
        ({"reference_length": True}, 97, 2),
    ],
)
def test_plan_follows_the_settings(changes, frames, windows):
    plan = plan_video(settings(**changes), 100, 2)
    assert (plan.num_frames, plan.num_windows) == (frames, windows)
    assert plan.last_window == (45 if "short_last_window" in changes else 81)
