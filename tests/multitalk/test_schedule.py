from __future__ import annotations

import dataclasses

import pytest
import torch

from pack.multitalk.config import WINDOW_SIZES
from pack.multitalk.schedule import (
    check_sigmas,
    even_sigmas,
    noise_levels,
    shifted_sigmas,
    trained_sigmas,
)
from pack.multitalk.settings import GuidanceSettings, RunSettings
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


@pytest.mark.parametrize("steps", [1, 4, 8, 40])
@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_even_levels_are_equal_steps_before_the_shift(steps, shift):
    wanted = [1 - step / steps for step in range(steps + 1)]
    wanted = [shift * u / (1 + (shift - 1) * u) for u in wanted]
    close(even_sigmas(steps, shift), torch.tensor(wanted))


def test_flashtalk_was_trained_on_even_levels_of_four_steps():
    close(even_sigmas(4, 5.0), trained_sigmas("flashtalk", 4, 5.0))


def settings(**changes):
    guidance = GuidanceSettings(steps=4, shift=5.0, text_guidance=1.0, audio_guidance=1.0)
    run = RunSettings(
        height=16, width=16, guidance=guidance, size=WINDOW_SIZES["multitalk"],
        family="multitalk", seed=0, sampler="euler",
    )  # fmt: skip
    return dataclasses.replace(run, **changes)


def test_levels_of_a_run_are_given_ones_else_those_of_the_schedule():
    given = (1.0, 0.4, 0.0)
    close(noise_levels(settings()), shifted_sigmas(4, 5.0))
    close(noise_levels(settings(family="flashtalk")), trained_sigmas("flashtalk", 4, 5.0))
    close(noise_levels(settings(schedule="even")), even_sigmas(4, 5.0))
    for schedule in ("as trained", "even"):
        run = settings(schedule=schedule, sigmas=given)
        close(noise_levels(run), torch.tensor(given))


def test_a_window_that_begins_from_its_source_has_all_steps_below_its_share_of_noise():
    for more in ({}, {"schedule": "even"}, {"sigmas": (1.0, 0.4, 0.0)}):
        whole = noise_levels(settings(**more))
        assert torch.equal(noise_levels(settings(start_strength=1.0, **more)), whole)
        assert torch.equal(noise_levels(settings(start_strength=0.5, **more)), whole * 0.5)


def test_levels_that_were_given_keep_their_bits():
    given = shifted_sigmas(7, 3.3)
    assert torch.equal(torch.tensor(check_sigmas(given, step_cache=False)), given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "sigmas holds 0 numbers, and they must fall"),
        ([1.0], "sigmas holds 1 number,"),
        ([1.0, 0.5, 0.5, 0.0], "must fall from each to the next"),
        ([0.0, 1.0], "must fall"),
        ([1.0, float("nan"), 0.0], "must fall"),
        ([14.6, 3.0, 0.0], "sigmas go from 14.6 to 0; a whole video is made from noise at 1"),
        ([1.0, 0.5, 0.2], "sigmas go from 1 to 0.2"),
        ([0.6, 0.3, 0.0], "sigmas go from 0.6 to 0; .* with the same MODEL and denoise 1"),
    ],
)
def test_levels_that_make_no_whole_video_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        check_sigmas(torch.tensor(given), step_cache=False)


def test_cache_needs_many_levels():
    with pytest.raises(
        ValueError, match=r"sigmas holds 19 steps and step_cache is on; .* 20 or mo"
    ):
        check_sigmas(even_sigmas(19, 3.0), step_cache=True)
    check_sigmas(even_sigmas(20, 3.0), step_cache=True)
