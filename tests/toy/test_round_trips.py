"""Motion frames that are several windows on, and what a window repairs of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pack.tools.toy import round_trips
from pack.tools.toy.rollout import passed_on
from pack.tools.toy.round_trips import FARTHEST, FARTHEST_SAMPLED, further_on, some_windows

SHAPE = (1, 16, 3, 4, 6)


@pytest.fixture
def parts():
    """Latents, their own changes and those of others, of 60 clips."""
    seeds = torch.Generator().manual_seed(1)
    latents = torch.randn((60, *SHAPE[1:]), generator=seeds)
    own, others = torch.randn((2, 60, 16, 1, 4, 6), generator=seeds)
    return latents, own, others


def windows_on(found, latents, change):
    """How many times a change is in what was found, per clip, and whether that is all of it."""
    added = found - latents
    times = (added * change).sum((1, 2, 3, 4)) / (3 * change.square().sum((1, 2, 3, 4)))
    return times, (added - times.view(-1, 1, 1, 1, 1) * change).abs().amax((1, 2, 3, 4)) < 1e-4


def test_own_changes_are_added_some_times_over_and_the_same_in_all_frames(parts, monkeypatch):
    monkeypatch.setattr(round_trips, "OWN_SHARE", 1.0)
    latents, own, others = parts
    times, whole = windows_on(
        further_on(latents, own, others, np.random.default_rng(2)), *parts[:2]
    )
    assert whole.all()
    assert 0 <= times.min() < 1
    assert FARTHEST - 1 < times.max() <= FARTHEST
    near = ((times > 0.5) & (times < 1.5)).float().mean()
    assert 0.25 < near < 0.65  # 0.42 are expected


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_changes_of_other_clips_come_as_they_are_or_mirrored(parts, monkeypatch, mirrored):
    monkeypatch.setattr(round_trips, "OWN_SHARE", 0.0)
    monkeypatch.setattr(round_trips, "MIRRORED_SHARE", mirrored)
    latents, own, others = parts
    found = further_on(latents, own, others, np.random.default_rng(3))
    expected = others.flip(-1) if mirrored else others
    assert windows_on(found, latents, expected)[1].all()


def test_what_is_sampled_bears_changes_of_either_sign(parts, monkeypatch):
    monkeypatch.setattr(round_trips, "OWN_SAMPLED_SHARE", 1.0)
    _, own, others = parts
    found = some_windows(own, others, np.random.default_rng(5))
    times, whole = windows_on(found.expand(-1, -1, 3, -1, -1), 0, own)
    assert whole.all()
    assert -FARTHEST_SAMPLED <= times.min() < -1
    assert 1 < times.max() <= FARTHEST_SAMPLED


@pytest.mark.parametrize("share", [1.0, 0.4, 0.0])
def test_what_is_passed_on_is_measured_in_the_last_frames_alone(share):
    seeds = torch.Generator().manual_seed(4)
    change = torch.randn((2, 16, 1, 4, 6), generator=seeds)
    right = torch.randn((2, 16, 9, 4, 6), generator=seeds)
    wrong = right.clone()
    wrong[:, :, -3:] += share * change
    wrong[:, :, 3:6] += 9.0  # what happens on the way does not count
    assert passed_on(right, wrong, change) == pytest.approx(share, abs=1e-5)
