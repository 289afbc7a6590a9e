"""Training of the toy's VAE: single frames first, then short clips, on crops around the faces.

Source: toy.md section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.model.cpu_kernels import quick_kernels
from pack.tools.toy.clips import ClipBank, open_clips
from pack.tools.toy.curves import draw_sheet
from pack.tools.toy.precision import mixed
from pack.tools.toy.reading import MIN_DEVIATION, pearson, psnr_db, read_opening
from pack.tools.toy.training import SAVE_EVERY_S, Run, falling, note, start_run, train
from pack.tools.toy.vae import VideoVae, start_as_identity

DIM = 16
IMAGE_SHARE = 0.08
"""Part of the time that is spent on single frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Crops of one training step."""

    frames: int
    batch: int
    side: int
    """Pixels, a multiple of 8."""


IMAGES = Shape(frames=1, batch=24, side=64)
# Trained on 9 frames alone, colors drift off after the tenth: 27 dB fall to 20 dB.
FILMS = (
    Shape(frames=9, batch=3, side=64),
    Shape(frames=17, batch=3, side=48),
    Shape(frames=33, batch=2, side=48),
)
FILM_SHARES = (0.15, 0.25, 0.6)
RATE, IMAGE_RATE = 1.2e-3, 2e-3
MOUTH_WEIGHT = 4.0
KL_WEIGHT = 2e-4
EMA = 0.998
EVALUATE_EVERY = 5
"""Saves between two evaluations."""


def to_network(frames: np.ndarray) -> Tensor:
    """[B, T, H, W, 3] uint8 to [B, 3, T, H, W] in -1..1."""
    return torch.from_numpy(frames.astype(np.float32)).permute(0, 4, 1, 2, 3) / 127.5 - 1


def random_crops(
    clips: ClipBank, usable: np.ndarray, random: np.random.Generator, shape: Shape
) -> tuple[Tensor, Tensor]:
    """Crops of random clips, most of them around a face.

    Args:
        clips: Drawn clips.
        usable: Numbers of the clips to choose from.
        random: Source of numbers.
        shape: How many of what size.

    Returns:
        Frames [B, 3, T, side, side] in -1..1 and weights [B, 1, 1, side, side], larger at the
        mouth.
    """
    batch, frames, side = shape.batch, shape.frames, shape.side
    crops, weights = [], np.ones((batch, side, side), np.float32)
    for i in range(batch):
        number = int(random.choice(usable))
        film = clips.film(number)
        height, width = film.shape[1:3]
        people = int(clips.areas[number, :, 1].astype(bool).sum())
        top, bottom, left, right = clips.areas[number, random.integers(people)]
        y, x = (top + bottom) / 2, (left + right) / 2
        if random.random() < 0.8:
            y, x = y + random.normal(-6, 12), x + random.normal(0, 14)
        else:
            y, x = random.uniform(0, height), random.uniform(0, width)
        row = int(np.clip(y - side / 2, 0, height - side))
        column = int(np.clip(x - side / 2, 0, width - side))
        begin = int(random.integers(0, len(film) - frames + 1))
        crop = film[begin : begin + frames, row : row + side, column : column + side]
        for area_top, area_bottom, area_left, area_right in clips.areas[number, :people]:
            rows = slice(max(area_top - row, 0), max(area_bottom - row, 0))
            columns = slice(max(area_left - column, 0), max(area_right - column, 0))
            weights[i, rows, columns] = MOUTH_WEIGHT
        if random.random() < 0.5:
            crop, weights[i] = crop[:, :, ::-1], weights[i, :, ::-1].copy()
        crops.append(crop)
    tint = random.uniform(0.9, 1.05, (batch, 1, 1, 1, 3))
    pixels = np.clip(np.stack(crops) * tint, 0, 255).astype(np.uint8)
    return to_network(pixels), torch.from_numpy(weights)[:, None, None]


def reconstruction_loss(vae: VideoVae, x: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 and squared error, and a little of the distance to a standard normal."""
    with mixed(x.device.type):
        mean, log_variance = vae.posterior(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = vae.decode(z).float() - x
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).float().mean()
    return ((error.abs() + error.square()) * weight).mean() + KL_WEIGHT * divergence


def learning_rate(spent: float) -> float:
    """Constant for single frames, then falling, by the share of the time that was spent."""
    if spent < IMAGE_SHARE:
        return IMAGE_RATE
    return RATE * falling((spent - IMAGE_SHARE) / (1 - IMAGE_SHARE))


@torch.no_grad()
def rebuild(vae: VideoVae, film: np.ndarray) -> np.ndarray:
    """Encode and decode frames [F, H, W, 3] in 0..255."""
    device = next(vae.parameters()).device
    with mixed(device.type), quick_kernels():
        mean, _ = vae.posterior(to_network(film[None]).to(device))
        out = vae.decode(mean)
    return ((out.float().clamp(-1, 1) + 1) * 127.5)[0].permute(1, 2, 3, 0).cpu().numpy()


def evaluate_vae(vae: VideoVae, clips: ClipBank, sheet: Path) -> tuple[float, float] | None:
    """Mean PSNR in dB and mean mouth correlation of clips that were not trained on.

    Args:
        vae: The VAE.
        clips: Clips; those that are not drawn yet are left out.
        sheet: Contact sheet to write.

    Returns:
        None if no such clip is drawn.
    """
    quality, mouths, shown = [], [], []
    for number in range(clips.num_trained, len(clips)):
        film = clips.film(number)
        if not film.any():
            continue
        decoded = rebuild(vae, film)
        if not clips.tall[number]:
            shown.append((film, decoded))
        quality.append(psnr_db(film, decoded))
        for area, truth in zip(clips.areas[number], clips.openings[number], strict=True):
            if area[1] and truth.std() > MIN_DEVIATION:
                rows, columns = slice(area[0], area[1]), slice(area[2], area[3])
                mouths.append(pearson(read_opening(decoded, rows, columns), truth))
    if not quality:
        return None
    draw_sheet(shown[:4], sheet)
    return float(np.mean(quality)), float(np.mean(mouths)) if mouths else 0.0


def train_vae(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train, or go on training, for `minutes` of CPU time altogether.

    Args:
        folder: Work folder with drawn clips.
        seed: Seed of the weights and of the order of crops.
        minutes: Length of the whole training.
        device: Where to train.
    """
    vae = VideoVae(DIM)
    start_as_identity(vae, seed=seed)
    run = start_run(vae.to(device), vae.parameters(), folder / "vae.pt")
    clips, done = open_clips(folder)
    usable = np.flatnonzero(done[: clips.num_trained])

    def loss_of(random: np.random.Generator) -> Tensor:
        images = run.seconds < 60 * minutes * IMAGE_SHARE
        shape = IMAGES if images else FILMS[random.choice(len(FILMS), p=FILM_SHARES)]
        x, weight = random_crops(clips, usable, random, shape)
        x = x.to(device, memory_format=torch.channels_last_3d)
        return reconstruction_loss(vae, x, weight.to(device))

    def evaluate_sometimes() -> None:
        if round(run.seconds / SAVE_EVERY_S) % EVALUATE_EVERY == 0:
            note_quality(run, clips)

    train(
        run,
        loss_of,
        rate=learning_rate,
        minutes=minutes,
        seed=seed,
        ema=EMA,
        saved=evaluate_sometimes,
    )
    note_quality(run, clips)


def note_quality(run: Run, clips: ClipBank) -> None:
    """Evaluate the averaged weights and write the figures into the run's log."""
    vae = VideoVae(DIM)
    vae.load_state_dict(run.average)
    sheet = run.path.parent / "sheets" / f"{run.path.stem}_{run.seconds:05.0f}.png"
    found = evaluate_vae(vae.to(run.device), clips, sheet)
    if found is not None:
        note(run, psnr_db=round(found[0], 2), mouth_r=round(found[1], 4))
