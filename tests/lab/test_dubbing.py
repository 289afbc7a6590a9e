"""The measures of dubbing, on films whose mouths are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pack.tools.lab.dubbing import Dubbed, make_dub, summarise_dubs


@pytest.fixture(scope="module")
def perfect():
    """The film outside of the mouths, and drawn mouths of the new voices inside."""
    dub = make_dub("turns", 0)
    source = (dub.source / 255).astype(np.float32)
    film = dub.clip.film
    laid = np.where(dub.outside[..., None], source, (film / 255).astype(np.float32))
    return Dubbed(dub=dub, talking=film, source=source, laid=laid)


def test_the_film_says_something_else(perfect):
    assert np.abs(perfect.dub.old - perfect.dub.clip.openings).max(1).min() > 0.4


def test_drawn_mouths_follow_the_new_voices_and_leave_the_rest(perfect):
    numbers = summarise_dubs([perfect])
    assert numbers["dub_r"] > 0.95
    assert numbers["dub_r"] == pytest.approx(numbers["dub_talking_r"], abs=1e-6)
    assert numbers["dub_old_voice_r"] < 0.6
    assert numbers["dub_identical"] == 1
    assert 0.5 < numbers["dub_outside"] < 0.95


def test_a_film_left_as_it_was_follows_the_old_voices(perfect):
    numbers = summarise_dubs([replace(perfect, laid=perfect.source)])
    assert numbers["dub_r"] < 0.6
    assert numbers["dub_old_voice_r"] > 0.95


def test_one_pixel_outside_that_changed_in_its_last_bit_is_found(perfect):
    laid = perfect.laid.copy()
    laid[3, 0, 0, 1] = np.nextafter(laid[3, 0, 0, 1], np.float32(2))
    pixels = perfect.dub.outside.sum() * len(laid)
    assert summarise_dubs([replace(perfect, laid=laid)])["dub_identical"] == 1 - 1 / pixels


def test_regions_are_within_the_picture_and_hold_the_mouths(perfect):
    width, height = perfect.dub.clip.scene.size
    for (x, y, wide, high), (rows, columns) in zip(
        perfect.dub.boxes, perfect.dub.clip.areas, strict=True
    ):
        assert 0 <= x < columns.start
        assert columns.stop < x + wide <= width
        assert 0 <= y < rows.start
        assert rows.stop < y + high <= height
