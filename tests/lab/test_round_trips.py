"""Drift of the VAE alone, with pictures that are changed in a known way in its place."""

from __future__ import annotations

import numpy as np
import pytest

from pack.tools.lab.cast import make_clip
from pack.tools.lab.measures import color_drift
from pack.tools.lab.round_trips import OVERLAP, last_frames, vae_drift


@pytest.fixture(scope="module")
def clip():
    return make_clip("turns", 0)


def test_what_loses_nothing_does_not_drift(clip):
    numbers = vae_drift(clip, lambda frames: frames, 0.0)
    frames, last = last_frames(clip), clip.num_frames - 1
    assert len(frames) == OVERLAP
    np.testing.assert_array_equal(frames[-1], clip.scene.frame(last, clip.openings[:, last]))
    drawn = color_drift(frames, clip.picture, clip.areas).mean()
    assert list(numbers) == ["vae_drift_de_1", "vae_drift_de_4", "vae_drift_de_8"]
    assert list(numbers.values()) == pytest.approx([drawn] * 3)


def test_a_stain_that_grows_is_found_and_color_matching_does_not_take_it_back(clip):
    def stain(frames):
        stained = frames.astype(np.int16)
        stained[:, :32, :32, 2] -= 12  # a corner of the wall becomes more yellow each time
        return stained.clip(0, 255).astype(np.uint8)

    for colour_match in (0.0, 1.0):
        numbers = vae_drift(clip, stain, colour_match)
        one, four, eight = numbers.values()
        assert one < four - 0.5 < eight - 1.5


def test_color_matching_takes_back_a_tint_of_the_whole_picture(clip):
    def tint(frames):
        return (frames * 0.97).round().astype(np.uint8)

    kept, left = (vae_drift(clip, tint, match)["vae_drift_de_8"] for match in (1.0, 0.0))
    assert kept < left / 3
