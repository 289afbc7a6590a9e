"""Training of the toy's VAE: single frames first, then short clips, on crops around the faces.

Source: toy.md section 3.3. The learning rate follows the CPU time that was spent, so that a run of
any length ends with the rate at zero.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pack.tests.lab.reading import pearson, psnr_db, read_opening
from pack.tests.toy.clips import ClipBank, open_clips
from pack.tests.toy.curves import draw_sheet
from pack.tests.toy.vae import VideoVae, start_as_identity

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
# Trained on 9 frames alone, colours drift off after the tenth: 27 dB fall to 20 dB.
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
SAVE_EVERY_S = 60.0
EVALUATE_EVERY_S = 300.0


@dataclass(kw_only=True, slots=True)
class Run:
    """State of a training run."""

    vae: VideoVae
    average: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    seconds: float = 0.0
    step: int = 0


def start_run(*, seed: int, device: torch.device, saved: Path) -> Run:
    """A new run, or the saved one."""
    vae = VideoVae(DIM).to(device)
    start_as_identity(vae, seed=seed)
    optimiser = torch.optim.AdamW(vae.parameters(), IMAGE_RATE, betas=(0.9, 0.99), weight_decay=0)
    average = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    run = Run(vae=vae, average=average, optimiser=optimiser)
    if saved.is_file():
        state = torch.load(saved, map_location=device, weights_only=True)
        vae.load_state_dict(state["vae"])
        optimiser.load_state_dict(state["optimiser"])
        run.average, run.seconds, run.step = state["average"], state["seconds"], state["step"]
    return run


def save_run(run: Run, path: Path) -> None:
    """Write a run so that a stop at any moment leaves a whole file."""
    state = {
        "vae": run.vae.state_dict(),
        "average": run.average,
        "optimiser": run.optimiser.state_dict(),
        "seconds": run.seconds,
        "step": run.step,
    }
    new = path.with_suffix(".new")
    torch.save(state, new)
    new.replace(path)


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
    with torch.autocast(x.device.type, torch.bfloat16):
        mean, log_variance = vae.posterior(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = vae.decode(z).float() - x
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).float().mean()
    return ((error.abs() + error.square()) * weight).mean() + KL_WEIGHT * divergence


def set_rate(run: Run, total_s: float) -> bool:
    """Set the learning rate by the time spent.

    Returns:
        Whether this is still the stage of single frames.
    """
    spent, images = run.seconds / total_s, IMAGE_SHARE
    if spent < images:
        rate = IMAGE_RATE
    else:
        rate = RATE * 0.5 * (1 + math.cos(math.pi * min((spent - images) / (1 - images), 1.0)))
    warm = min(1.0, (run.step + 1) / 50)
    for group in run.optimiser.param_groups:
        group["lr"] = rate * warm
    return spent < images


@torch.no_grad()
def follow(average: dict[str, Tensor], state: dict[str, Tensor], share: float) -> None:
    """Move the running average of the weights."""
    for name, tensor in state.items():
        average[name].lerp_(tensor, 1 - share)


@torch.no_grad()
def rebuild(vae: VideoVae, film: np.ndarray) -> np.ndarray:
    """Encode and decode frames [F, H, W, 3] in 0..255."""
    device = next(vae.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        mean, _ = vae.posterior(to_network(film[None]).to(device))
        out = vae.decode(mean)
    return ((out.float().clamp(-1, 1) + 1) * 127.5)[0].permute(1, 2, 3, 0).cpu().numpy()


def evaluate_vae(vae: VideoVae, clips: ClipBank, sheet: Path) -> tuple[float, float]:
    """Mean PSNR in dB and mean mouth correlation of clips that were not trained on.

    Args:
        vae: The VAE.
        clips: Drawn clips.
        sheet: Contact sheet to write.
    """
    quality, mouths, shown = [], [], []
    for number in range(clips.num_trained, len(clips)):
        film = clips.film(number)
        decoded = rebuild(vae, film)
        if not clips.tall[number]:
            shown.append((film, decoded))
        quality.append(psnr_db(film, decoded))
        for area, truth in zip(clips.areas[number], clips.openings[number], strict=True):
            if area[1] and truth.std() > 0.05:
                rows, columns = slice(area[0], area[1]), slice(area[2], area[3])
                mouths.append(pearson(read_opening(decoded, rows, columns), truth))
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
    saved, total_s = folder / "vae.pt", 60 * minutes
    run = start_run(seed=seed, device=device, saved=saved)
    clips, _ = open_clips(folder)
    marks = {"save": run.seconds + SAVE_EVERY_S, "evaluate": run.seconds + EVALUATE_EVERY_S}
    bar = tqdm(total=round(total_s), initial=round(run.seconds), desc="vae", unit="s")
    while run.seconds < total_s:
        clock = time.process_time() if device.type == "cpu" else time.perf_counter()
        random = np.random.default_rng([seed, run.step])
        torch.manual_seed(seed + run.step)
        _, done = open_clips(folder)
        usable = np.flatnonzero(done[: clips.num_trained])
        images = set_rate(run, total_s)
        shape = IMAGES if images else FILMS[random.choice(len(FILMS), p=FILM_SHARES)]
        x, weight = random_crops(clips, usable, random, shape)
        layout = torch.channels_last_3d
        x = x.to(device, memory_format=layout)
        loss = reconstruction_loss(run.vae, x, weight.to(device))
        run.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.vae.parameters(), 1.0)
        run.optimiser.step()
        follow(run.average, run.vae.state_dict(), min(EMA, (1 + run.step) / (10 + run.step)))
        run.step += 1
        spent = (time.process_time() if device.type == "cpu" else time.perf_counter()) - clock
        run.seconds += spent
        bar.update(min(spent, bar.total - bar.n))
        bar.set_postfix(step=run.step, loss=f"{loss.item():.4f}")
        _keep_books(run, marks, folder, clips, loss=loss.item())
    save_run(run, saved)


def _keep_books(
    run: Run, marks: dict[str, float], folder: Path, clips: ClipBank, *, loss: float
) -> None:
    if run.seconds >= marks["save"]:
        marks["save"] += SAVE_EVERY_S
        save_run(run, folder / "vae.pt")
    if run.seconds >= marks["evaluate"]:
        marks["evaluate"] += EVALUATE_EVERY_S
        vae = VideoVae(DIM)
        vae.load_state_dict(run.average)
        vae.to(next(run.vae.parameters()).device)
        sheet = folder / "sheets" / f"vae_{run.seconds:05.0f}.png"
        quality, mouth = evaluate_vae(vae, clips, sheet)
        row = {"step": run.step, "cpu_s": round(run.seconds), "loss": loss}
        row |= {"psnr_db": round(quality, 2), "mouth_r": round(mouth, 4)}
        with (folder / "vae.log").open("a", encoding="ascii") as log:
            log.write(json.dumps(row) + "\n")
