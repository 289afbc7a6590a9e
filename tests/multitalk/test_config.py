from __future__ import annotations

import dataclasses

import pytest

from pack.multitalk.config import (
    FAMILIES,
    PRESETS,
    SAMPLES_PER_FRAME,
    WINDOW_SIZES,
    ApgConfig,
    AudioPartConfig,
    WindowSize,
    default_shift,
    size_class,
)


def test_one_video_frame_is_640_samples():
    assert SAMPLES_PER_FRAME == 640


@pytest.mark.parametrize(("family", "overlap"), [("multitalk", 25), ("infinitetalk", 9)])
def test_trained_windows_are_81_frames(family, overlap):
    assert WINDOW_SIZES[family] == WindowSize(window=81, overlap=overlap)


def test_every_family_has_a_window():
    assert set(FAMILIES) == set(WINDOW_SIZES)


BEFORE = ("multitalk", "infinitetalk")


@pytest.mark.parametrize(
    ("name", "numbers"),
    {
        "full": (40, None, 5, 4, True, BEFORE),
        "FusionX": (8, 2, 1, 2, False, BEFORE),
        "lightx2v": (4, 2, 1, 2, False, BEFORE),
        "FlashTalk": (4, 5, 1, 1, False, ("flashtalk",)),
    }.items(),
)
def test_presets_are_the_published_numbers(name, numbers):
    assert dataclasses.astuple(PRESETS[name]) == numbers


def test_released_audio_part_reads_46080_numbers_per_latent_frame():
    config = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)
    assert 5 * config.encoder_layers * config.encoder_channels == 46080
    assert config.num_tokens * config.token_width == 24576
    assert config.class_range // config.class_interval == 6


def test_guidance_projection_defaults_are_the_published_ones():
    assert ApgConfig() == ApgConfig(momentum=-0.75, norm_threshold=55, eta=0)


@pytest.mark.parametrize(
    ("height", "width", "expected", "shift"),
    [
        (640, 640, "480", 7.0),
        (600, 1000, "480", 7.0),  # 0.6 megapixel exactly
        (601, 1000, "720", 11.0),
        (720, 1280, "720", 11.0),
        (16, 16, "480", 7.0),
    ],
)
def test_size_class_and_shift_change_above_600000_pixels(height, width, expected, shift):
    assert size_class(height, width) == expected
    assert default_shift(height, width) == shift


def test_sizes_cannot_be_changed_or_given_by_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        WINDOW_SIZES["multitalk"].window = 5
    with pytest.raises(TypeError, match="positional"):
        WindowSize(81, 25)
