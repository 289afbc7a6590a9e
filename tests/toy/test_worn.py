"""Beginnings that a network draws again and again, and the motion frames made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pack.tools.toy import worn
from pack.tools.toy.denoiser_train import Batch
from pack.tools.toy.worn import LATENTS, MOST_WINDOWS, OTHER_ERRORS, Worn

CHANGE = torch.zeros(2, 16, 1, 4, 6)
GREY = torch.full((1, 16, 6, 4, 6), 5.0)


@pytest.fixture
def batch():
    seeds = torch.Generator().manual_seed(1)
    return Batch(
        target=torch.randn(2, 16, 9, 4, 6, generator=seeds),
        condition=torch.zeros(2, 20, 9, 4, 6),
        motion=torch.zeros(2, 16, 3, 4, 6),
        kinds=(0, 0),
        speech=torch.zeros(2, 1, 33, 5, 4, 64),
        masks=None,
        mouths=torch.ones(2, 1, 1, 4, 6),
        numbers=(3, 8),
    )


class Fading:
    """A network that draws everything a little darker than the picture it is given."""

    def __init__(self):
        self.pictures = []

    def __call__(self, given, sigma, speech, masks, heard):
        assert given.shape[2] == LATENTS
        assert speech.shape[2] == 4 * LATENTS - 3
        latents, known, condition = given.split((16, 4, 16), 1)
        assert known[:, :, 0].min() == 1
        assert known[:, :, 1:].max() == 0
        assert condition[:, :, 1:].min() == 5
        self.pictures.append(condition[:, :, :1])
        return (latents - (condition[:, :, :1] - 0.1)) / sigma.view(-1, 1, 1, 1, 1)


def always(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setattr(worn, name, value)


def test_every_time_goes_on_from_the_last_until_the_clip_begins_clean(batch, monkeypatch):
    always(monkeypatch, CHANGED_SHARE=0.0)
    network, beginnings = Fading(), Worn()
    first = batch.target[:, :, :1]
    for window in range(1, MOST_WINDOWS + 2):
        random = np.random.default_rng(window)
        beginnings.wear(network, batch, CHANGE, GREY, random)  # pyright: ignore[reportArgumentType]
        again = (window - 1) % MOST_WINDOWS
        assert torch.allclose(network.pictures[-1], first - 0.1 * again, atol=1e-4)


def test_motion_frames_are_worn_where_that_is_known_and_bear_some_of_other_errors(
    batch, monkeypatch
):
    always(monkeypatch, CHANGED_SHARE=0.0, WORN_SHARE=1.0)
    beginnings, random = Worn(), np.random.default_rng(1)
    begin = batch.target[:, :, :3]
    motion = begin + 1.0
    assert torch.equal(beginnings.lay(batch, motion, random), motion)
    away = beginnings.wear(Fading(), batch, CHANGE, GREY, random)  # pyright: ignore[reportArgumentType]
    drawn = batch.target[:, :, :1] - 0.1
    found = beginnings.lay(batch, motion[:1], random)
    assert torch.allclose(found, drawn[:1] + OTHER_ERRORS, atol=1e-4)
    assert away == pytest.approx((drawn - begin).square().mean().sqrt().item(), abs=1e-4)


def test_the_vaes_change_is_added_before_a_beginning_is_drawn(batch, monkeypatch):
    always(monkeypatch, CHANGED_SHARE=1.0, MOST_CHANGE=0.7)
    network, random = Fading(), np.random.default_rng(2)
    Worn().wear(network, batch, CHANGE + 1, GREY, random)  # pyright: ignore[reportArgumentType]
    added = network.pictures[-1] - batch.target[:, :, :1]
    assert 0 < added.min() <= added.max() < 0.7
    assert added.std() < 1e-5
