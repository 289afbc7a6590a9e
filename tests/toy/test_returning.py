"""The loss of the VAE's way back, with VAEs that hold mean colors of squares, and are off."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pack.tools.toy import returning_train
from pack.tools.toy.frozen_vae import denormalize, normalize
from pack.tools.toy.returning_train import (
    COARSE_WEIGHT,
    FILM_WEIGHT,
    KEPT_WEIGHT,
    LASTING_WEIGHT,
    RETURN_WEIGHT,
    WayBack,
)

COLORS = torch.rand((1, 3, 1, 2, 3), generator=torch.Generator().manual_seed(1)) - 0.5
FILM = functional.interpolate(COLORS, scale_factor=(13, 8, 8))
WEIGHT = torch.ones(1, 1, 1, 16, 24)


class Squares:
    """Mean colors of squares are three of the latents' channels; frames or latents are off."""

    def __init__(self, *, frames_off=0.0, latents_off=0.0):
        self.frames_off, self.latents_off = frames_off, latents_off

    def posterior(self, frames):
        first = functional.avg_pool3d(frames[:, :, :1], (1, 8, 8))
        means = torch.cat((first, functional.avg_pool3d(frames[:, :, 1:], (4, 8, 8))), 2)
        return denormalize(functional.pad(means + self.latents_off, (0, 0) * 3 + (0, 13))), None

    def decode(self, z):
        first, later = normalize(z)[:, :3].split((1, z.shape[2] - 1), 2)
        halves = (functional.interpolate(first, scale_factor=(1, 8, 8)),)
        halves += (functional.interpolate(later, scale_factor=(4, 8, 8)),)
        return torch.cat(halves, 2) + self.frames_off


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(returning_train, "NOISE", 0.0)
    monkeypatch.setattr(returning_train, "ROUNDING", 0.0)


@pytest.mark.parametrize("windows", [0.0, 2.0])
@pytest.mark.parametrize("off", [0.0, 0.05])
def test_what_frames_are_off_by_counts_more_the_further_on_they_are(exact, windows, off):
    way = WayBack(vae=Squares(frames_off=off), before=Squares())  # pyright: ignore[reportArgumentType]
    found = float(way.loss(FILM, WEIGHT, windows))
    error = off * (1 + windows)  # each window adds what one way changes
    film = FILM_WEIGHT * (error + error**2) + COARSE_WEIGHT * error
    returned = (RETURN_WEIGHT + LASTING_WEIGHT) * error**2 * 3 / 16
    assert found == pytest.approx(film / (1 + windows / 2) + returned / (1 + windows), abs=2e-4)


def test_the_encoder_is_held_to_what_it_made_of_drawn_frames(exact):
    way = WayBack(vae=Squares(latents_off=0.1), before=Squares())  # pyright: ignore[reportArgumentType]
    weights = RETURN_WEIGHT + LASTING_WEIGHT + KEPT_WEIGHT
    assert float(way.loss(FILM, WEIGHT, 0.0)) == pytest.approx(weights * 0.01 * 3 / 16, abs=2e-4)
