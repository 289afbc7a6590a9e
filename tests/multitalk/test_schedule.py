from __future__ import annotations

import pytest
import torch

from pack.multitalk.schedule import shifted_sigmas
from pack.tests.multitalk.tolerances import close


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 40])
@pytest.mark.parametrize("shift", [1.0, 2.0, 7.0, 11.0])
def test_levels_fall_from_one_to_zero(steps, shift):
    sigmas = shifted_sigmas(steps, shift)
    assert sigmas.shape == (steps + 1,)
    assert sigmas.dtype == torch.float32
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_levels_without_shift_are_even():
    close(shifted_sigmas(4, 1.0), torch.tensor([1.0, 0.667, 0.334, 0.001, 0.0]))


def test_shift_follows_the_formula():
    close(shifted_sigmas(3, 7.0)[1], torch.tensor(7 * 0.5005 / (1 + 6 * 0.5005)))


def test_larger_shift_stays_longer_at_high_noise():
    assert (shifted_sigmas(8, 11.0)[1:-1] > shifted_sigmas(8, 2.0)[1:-1]).all()
