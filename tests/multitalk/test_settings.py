from __future__ import annotations

import dataclasses

import pytest

from pack.multitalk.config import WindowSize
from pack.multitalk.settings import (
    GuidanceSettings,
    RunSettings,
    resolve_guidance,
    resolve_video_size,
    resolve_windows,
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
    with pytest.raises(ValueError, match=f"preset is {shown}; use full, FusionX, lightx2v or cus"):
        resolve_guidance({"preset": name}, 640, 640, step_cache=0.0)


@pytest.mark.parametrize(("preset", "steps"), [("FusionX", 8), ("lightx2v", 4)])
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
