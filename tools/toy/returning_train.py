"""Training of the decoder on the way back: its frames should encode to the latents they came from.

By MultiTalk's rule the last frames of a window are encoded again for the next one. Whatever that
way changes is changed in every window at the same places (round_trips.py), and the network passes
it on. Encoder and latents stay as they are, so nothing else has to be trained anew.

Clips are whole windows: trained on the first 5 frames alone the later ones, which are those that
are handed on, took on a tint.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pack.tools.toy.decoder_train import DecoderTraining, train_decoder
from pack.tools.toy.frozen_vae import FOLDED, POLISHED, denormalize, encode, load_folded, normalize
from pack.tools.toy.precision import mixed
from pack.tools.toy.vae import VideoVae

RETURN_WEIGHT = 4.0
OVERLAP = 9
"""Frames at the end of a window that are encoded again."""


def returning_loss(vae: VideoVae, latents: Tensor, frames: Tensor, weight: Tensor) -> Tensor:
    """Error of decoded frames, and of the latents that the last ones encode to.

    Args:
        vae: Only the decoder learns.
        latents: Normalized, [1, 16, T, h, w].
        frames: The film, [1, 3, 4 * T - 3, H, W] in -1..1.
        weight: Where the frames count, [1, 1, 1, H, W].
    """
    with mixed(latents.device.type):
        shown = vae.decode(denormalize(latents)).float()
        again = vae.posterior(shown[:, :, -OVERLAP:].clamp(-1, 1))[0].float()
    right = encode(vae, frames[:, :, -OVERLAP:])
    error = ((shown - frames).abs() * weight).mean() / weight.mean()
    return error + RETURN_WEIGHT * (normalize(again) - normalize(right)).square().mean()


RETURNING = DecoderTraining(
    file="returning.pt", loss=returning_loss, rate=2e-4, ema=0.95, warm_up=15
)


def train_returning(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train the decoder for `minutes` of CPU time altogether and write the VAE.

    Args:
        folder: Work folder with encoded clips; its polished VAE is what this begins with.
        seed: Seed of the order of clips.
        minutes: Length of the whole training.
        device: Where to train.
    """
    name = POLISHED if (folder / POLISHED).is_file() else FOLDED
    vae = load_folded(folder, name).to(device)
    train_decoder(vae, RETURNING, folder, seed=seed, minutes=minutes)
