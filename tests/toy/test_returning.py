"""The loss of the decoder's way back, with a VAE that adds and takes known numbers."""

from __future__ import annotations

import pytest
import torch

from pack.tools.toy.frozen_vae import denormalize
from pack.tools.toy.returning_train import OVERLAP, RETURN_WEIGHT, returning_loss

FILM = torch.full((1, 3, 13, 16, 16), 0.25)


class Known:
    """Its frames are off in the left half, and their latents off for each time they are."""

    def __init__(self, latents, *, frames_off, latents_off):
        self.latents, self.latents_off = latents, latents_off
        self.shown = FILM.clone()
        self.shown[..., :8] += frames_off

    def decode(self, z):
        torch.testing.assert_close(z, denormalize(self.latents))
        return self.shown

    def posterior(self, frames):
        assert frames.shape[2] == OVERLAP
        off = 0.0 if torch.equal(frames, FILM[:, :, -OVERLAP:]) else self.latents_off
        return denormalize(self.latents[:, :, -3:] + off), None


@pytest.mark.parametrize(("frames_off", "latents_off"), [(0, 0.2), (0.1, 0), (0.1, 0.2)])
def test_frames_count_by_weight_and_returned_latents_by_the_films(frames_off, latents_off):
    latents = torch.randn((1, 16, 4, 2, 2), generator=torch.Generator().manual_seed(1))
    vae = Known(latents, frames_off=frames_off, latents_off=latents_off)
    weight = torch.ones(1, 1, 1, 16, 16)
    weight[..., 8:] = 3
    found = returning_loss(vae, latents, FILM, weight)
    returned = RETURN_WEIGHT * latents_off**2 if frames_off else 0.0
    assert float(found) == pytest.approx(frames_off / 4 + returned, abs=1e-5)
