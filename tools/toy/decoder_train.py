"""Polishing the decoder after the encoder was frozen, beside the training of the denoiser.

The latents are the cached ones, so the encoder costs nothing, and a little noise on them prepares
the decoder for what a denoiser really makes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.tools.toy.clips import ClipBank, open_clips
from pack.tools.toy.frozen_vae import POLISHED, denormalize, load_folded
from pack.tools.toy.latents import LatentBank, open_latents
from pack.tools.toy.precision import mixed
from pack.tools.toy.training import falling, start_run, train
from pack.tools.toy.vae import VideoVae
from pack.tools.toy.vae_train import EMA, MOUTH_WEIGHT, note_quality, to_network

RATE = 6e-4
CELLS = 8
"""Side of a crop in latent cells."""
EDGE_WEIGHT = 0.1
"""Weight of the outer 8 pixels of a crop, whose surroundings the decoder cannot see."""
EYE_WEIGHT = 3.0
NOISE = 0.1
"""Largest deviation of the noise on normalised latents."""


def latent_crop(
    clips: ClipBank, bank: LatentBank, number: int, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Part of a clip.

    Args:
        clips: Drawn clips.
        bank: Their latents.
        number: Which clip.
        random: Source of numbers.

    Returns:
        Normalized latents [1, 16, 9, 8, 8], frames [1, 3, 33, 64, 64] and weights [1, 1, 1, 64,
        64].
    """
    film = clips.film(number)
    rows, columns = film.shape[1] // 8, film.shape[2] // 8
    row, column = (int(random.integers(0, n - CELLS + 1)) for n in (rows, columns))
    whole = torch.from_numpy(bank.target[number].astype(np.float32))
    whole = whole.unflatten(-1, (rows, columns))
    latents = whole[None, :, :, row : row + CELLS, column : column + CELLS]
    side = 8 * CELLS
    frames = film[None, :, 8 * row : 8 * row + side, 8 * column : 8 * column + side]
    weight = np.full((side, side), EDGE_WEIGHT, np.float32)
    weight[8:-8, 8:-8] = 1
    for area in clips.areas[number]:
        if area[1]:
            for part, worth in ((eye_area(area), EYE_WEIGHT), (area, MOUTH_WEIGHT)):
                corner = (8 * row, 8 * row, 8 * column, 8 * column)
                top, bottom, left, right = np.clip(part - corner, 8, side - 8)
                weight[top:bottom, left:right] = worth
    return latents, to_network(frames), torch.from_numpy(weight)[None, None, None]


def eye_area(mouth: np.ndarray) -> np.ndarray:
    """Top, bottom, left and right of the eyes above a mouth; see `mouth_area` in world.py."""
    top, bottom, left, right = mouth
    high, wide = (bottom - top) / 0.74, (right - left) / 1.04
    middle = (left + right) / 2
    eyes = (top - 0.76 * high, top - 0.12 * high, middle - 0.7 * wide, middle + 0.7 * wide)
    return np.round(eyes).astype(int)


def decoder_loss(vae: VideoVae, latents: Tensor, frames: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 and squared error of decoded frames."""
    noisy = latents + torch.rand(1).item() * NOISE * torch.randn_like(latents)
    with mixed(latents.device.type):
        z = denormalize(noisy).to(memory_format=torch.channels_last_3d)
        error = vae.decode(z).float() - frames
    return ((error.abs() + error.square()) * weight).mean() / weight.mean()


def polish_decoder(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train the decoder for `minutes` of CPU time altogether and write the VAE.

    Args:
        folder: Work folder with encoded clips.
        seed: Seed of the order of crops and of the noise.
        minutes: Length of the whole training.
        device: Where to train.
    """
    from safetensors.torch import save_file

    vae = load_folded(folder).to(device)
    trained = [*vae.decoder.parameters(), *vae.conv2.parameters()]
    for parameter in trained:
        parameter.requires_grad_(requires_grad=True)
    run = start_run(vae, trained, folder / "decoder.pt")
    clips, _ = open_clips(folder)
    bank, done = open_latents(folder)
    usable = np.flatnonzero(done[: clips.num_trained])

    def loss_of(random: np.random.Generator) -> Tensor:
        crop = latent_crop(clips, bank, int(random.choice(usable)), random)
        return decoder_loss(vae, *(part.to(device) for part in crop))

    def rate(spent: float) -> float:
        return RATE * falling(spent)

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA)
    note_quality(run, clips)
    save_file(run.average, folder / POLISHED)
