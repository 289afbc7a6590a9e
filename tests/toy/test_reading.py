"""The readers on pictures whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from pack.tools.lab.cast import make_clip
from pack.tools.lab.measures import LEVELS, mouth_scales
from pack.tools.toy.reading import pearson, psnr_db, read_opening


def test_opening_counts_dark_pixels_of_the_area_only():
    frames = np.full((2, 4, 4, 3), 200, np.uint8)
    frames[1, 1:3, 1:3, 0] = 0  # four dark pixels, one of them outside
    frames[1, 1, 3, 0] = 105  # half dark: 45 of 90 below 150
    assert read_opening(frames, slice(1, 4), slice(2, 4)).tolist() == [0.0, 2.5]


def test_opening_sees_red_only():
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    frames[..., 0] = 150
    assert read_opening(frames, slice(0, 2), slice(0, 2)).tolist() == [0.0]


def test_drawn_mouths_are_read_in_proportion():
    scales = mouth_scales(make_clip("turns", 0))
    for scale in scales:
        assert pearson(scale, LEVELS) > 0.995
        assert scale[0] < 0.1 * scale[-1]


def test_pearson_of_known_curves():
    curve = np.array([0.0, 1.0, 3.0, 1.0])
    assert pearson(curve, 5 - 2 * curve) == pytest.approx(-1)
    assert pearson(curve, np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(-5 / 57**0.5)
    assert pearson(curve, np.ones(4)) == 0


def test_psnr_of_a_known_error():
    truth = np.zeros((2, 2, 3), np.uint8)
    assert psnr_db(truth, truth + 51) == pytest.approx(20 * np.log10(5))
