from __future__ import annotations

import pytest
import torch

from pack.multitalk.stepcache import (
    COEFFICIENTS,
    StepCache,
    StepCachePlan,
    StepCacheSettings,
    plan_steps,
)
from pack.tests.multitalk.tolerances import close

PROPORTIONAL = (2.0, 0.0)  # change = 2 x distance


def plan(signals, threshold, *, coefficients=PROPORTIONAL, always_computed=1):
    settings = StepCacheSettings(
        threshold=threshold, coefficients=coefficients, always_computed=always_computed
    )
    return plan_steps(torch.tensor(signals)[:, None], settings)


def of(compute):
    """A plan with these decisions."""
    zeros = (0.0,) * len(compute)
    return StepCachePlan(compute=compute, distances=zeros, accumulated=zeros)


@pytest.mark.parametrize("size", ["480", "720"])
def test_published_polynomials_have_five_coefficients(size):
    assert len(COEFFICIENTS[size]) == 5


def test_change_accumulates_until_the_threshold():
    made = plan([1.0, 2, 4, 8, 16, 32], 5.0)
    assert made.compute == (True, False, False, True, False, False)
    assert made.distances == (0, 1, 1, 1, 1, 1)
    assert made.accumulated == (0, 2, 4, 0, 2, 4)
    assert made.num_reused == 4


def test_reaching_the_threshold_computes():
    assert plan([1.0, 2, 4], 4.0).compute == (True, False, True)


@pytest.mark.parametrize("always", [1, 3, 5, 8, 9])
def test_first_steps_are_always_computed(always):
    made = plan([1.0] * 8, 1.0, always_computed=always)  # nothing changes
    assert made.compute == (True,) * min(always, 8) + (False,) * (8 - always)


def test_first_change_counts_from_the_last_step_always_computed():
    made = plan([1.0, 100, 2, 4], 3.0, always_computed=3)
    assert made.distances == (0, 0, 0, 1)
    assert made.accumulated == (0, 0, 0, 2)


def test_five_steps_are_always_computed_by_default():
    settings = StepCacheSettings(threshold=1.0, coefficients=PROPORTIONAL)
    assert plan_steps(torch.ones(6, 4), settings).compute == (True,) * 5 + (False,)


def test_polynomial_has_the_highest_power_first():
    made = plan([2.0, 3.0], 100.0, coefficients=(8.0, 4.0, 1.0))
    assert made.distances == (0, 0.5)
    assert made.accumulated == (0, 8 * 0.25 + 4 * 0.5 + 1)


def test_distance_is_the_mean_change_over_the_mean_size():
    settings = StepCacheSettings(threshold=9.0, coefficients=(1.0, 0.0), always_computed=1)
    signals = torch.tensor([[1.0, -3.0], [2.0, -6.0]])
    assert plan_steps(signals, settings).distances == (0, 1)


def test_no_step_is_no_plan():
    settings = StepCacheSettings(threshold=0.2, coefficients=PROPORTIONAL)
    made = plan_steps(torch.zeros(0, 4), settings)
    assert (made.compute, made.num_reused) == ((), 0)


def test_threshold_zero_computes_every_step():
    assert plan([1.0, 2, 4, 8, 16, 32, 64], 0.0).num_reused == 0


def test_cache_begins_at_the_first_step():
    cache = StepCache(of((True, False)))
    assert cache.step == 0
    assert cache.computes


def test_cache_follows_the_plan_and_computes_beyond_it():
    cache = StepCache(of((True, False, True)))
    decisions = []
    for cache.step in range(5):
        decisions.append(cache.computes)
    assert decisions == [True, False, True, True, True]


def test_residuals_belong_to_passes_and_not_to_rows():
    cache = StepCache(of((True, False)))
    before = torch.zeros(2, 4, 3)
    after = torch.stack([torch.full((4, 3), 1.0), torch.full((4, 3), 2.0)])
    cache.store(["full", "bare"], before, after)
    tokens = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(0))
    out = cache.reuse(["bare", "full"], tokens)
    assert out.shape == (2, 4, 3)
    close(out, tokens + torch.tensor([2.0, 1.0])[:, None, None])
    close(cache.reuse(["full"], tokens[:1]), tokens[:1] + 1)


def test_later_residual_replaces_the_earlier():
    cache = StepCache(of((True, True, False)))
    zeros = torch.zeros(1, 2, 3)
    cache.store(["full"], zeros, zeros + 1)
    cache.store(["full"], zeros + 1, zeros + 4)
    close(cache.reuse(["full"], zeros), zeros + 3)


def test_passes_may_be_stored_one_at_a_time():
    cache = StepCache(of((True, False)))
    zeros = torch.zeros(1, 2, 3)
    cache.store(["full"], zeros, zeros + 1)
    cache.store(["silent"], zeros, zeros + 2)
    out = cache.reuse(["full", "silent"], zeros.expand(2, -1, -1))
    assert out[:, 0, 0].tolist() == [1, 2]


def test_pass_that_never_ran_cannot_be_reused():
    with pytest.raises(KeyError, match="bare"):
        StepCache(of((False,))).reuse(["bare"], torch.zeros(1, 2, 3))
