"""The loss of the decoder's way back, with a VAE that adds and takes known numbers."""

from __future__ import annotations

import pytest
import torch

from pack.tools.toy.frozen_vae import denormalize
from pack.tools.toy.returning_train import RETURN_WEIGHT, returning_loss


class Known:
    """A VAE whose frames are off by one number, and whose latents come back off by another."""

    def __init__(self, latents, *, frames_off, latents_off):
        self.latents, self.frames_off, self.latents_off = latents, frames_off, latents_off

    def decode(self, z):
        torch.testing.assert_close(z, denormalize(self.latents))
        return torch.full((1, 3, 5, 16, 16), 0.25 + self.frames_off)

    def posterior(self, frames):
        assert frames.shape == (1, 3, 5, 16, 16)
        return denormalize(self.latents + self.latents_off), None


@pytest.mark.parametrize(("frames_off", "latents_off"), [(0, 0), (0.1, 0), (0, 0.2), (0.1, 0.2)])
def test_frames_and_returned_latents_count(frames_off, latents_off):
    latents = torch.randn((1, 16, 2, 2, 2), generator=torch.Generator().manual_seed(1))
    vae = Known(latents, frames_off=frames_off, latents_off=latents_off)
    found = returning_loss(vae, latents, torch.full((1, 3, 5, 16, 16), 0.25))
    assert float(found) == pytest.approx(frames_off + RETURN_WEIGHT * latents_off**2, abs=1e-5)
