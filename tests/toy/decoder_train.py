"""Polishing the decoder after the encoder was frozen, beside the training of the denoiser.

The latents are the cached ones, so the encoder costs nothing, and a little noise on them prepares
the decoder for what a denoiser really makes.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pack.tests.toy.clips import ClipBank, open_clips
from pack.tests.toy.latents import LatentBank, open_latents
from pack.tests.toy.vae import VideoVae
from pack.tests.toy.vae_export import POLISHED, denormalise, load_folded
from pack.tests.toy.vae_train import (
    EMA,
    MOUTH_WEIGHT,
    SAVE_EVERY_S,
    Run,
    evaluate_vae,
    follow,
    save_run,
    to_network,
)

RATE = 6e-4
CELLS = 8
"""Side of a crop in latent cells."""
EDGE_WEIGHT = 0.1
"""Weight of the outer 8 pixels of a crop, whose surroundings the decoder cannot see."""
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
        Normalised latents [1, 16, 9, 8, 8], frames [1, 3, 33, 64, 64] and weights [1, 1, 1, 64,
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
    for top, bottom, left, right in clips.areas[number]:
        if bottom:
            inside = (
                slice(max(top - 8 * row, 8), max(min(bottom - 8 * row, side - 8), 8)),
                slice(max(left - 8 * column, 8), max(min(right - 8 * column, side - 8), 8)),
            )
            weight[inside] = MOUTH_WEIGHT
    return latents, to_network(frames), torch.from_numpy(weight)[None, None, None]


def decoder_loss(vae: VideoVae, latents: Tensor, frames: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 and squared error of decoded frames."""
    noisy = latents + torch.rand(1).item() * NOISE * torch.randn_like(latents)
    with torch.autocast(latents.device.type, torch.bfloat16):
        z = denormalise(noisy).to(memory_format=torch.channels_last_3d)
        error = vae.decode(z).float() - frames
    return ((error.abs() + error.square()) * weight).mean() / weight.mean()


def start_polish(folder: Path, saved: Path, device: torch.device) -> Run:
    """The frozen VAE with a decoder that learns, or the saved run."""
    vae = load_folded(folder).to(device)
    trained = [*vae.decoder.parameters(), *vae.conv2.parameters()]
    for parameter in trained:
        parameter.requires_grad_(requires_grad=True)
    optimiser = torch.optim.AdamW(trained, RATE, betas=(0.9, 0.99), weight_decay=0)
    average = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    run = Run(vae=vae, average=average, optimiser=optimiser)
    if saved.is_file():
        state = torch.load(saved, map_location=device, weights_only=True)
        vae.load_state_dict(state["vae"])
        optimiser.load_state_dict(state["optimiser"])
        run.average, run.seconds, run.step = state["average"], state["seconds"], state["step"]
    return run


def polish_decoder(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train the decoder for `minutes` of CPU time altogether and write the VAE.

    Args:
        folder: Work folder with encoded clips.
        seed: Seed of the order of crops and of the noise.
        minutes: Length of the whole training.
        device: Where to train.
    """
    from safetensors.torch import save_file

    saved, total_s = folder / "decoder.pt", 60 * minutes
    run = start_polish(folder, saved, device)
    clips, _ = open_clips(folder)
    next_save = run.seconds + SAVE_EVERY_S
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    bar = tqdm(total=round(total_s), initial=round(run.seconds), desc="decoder", unit="s")
    while run.seconds < total_s:
        begin = clock()
        random = np.random.default_rng([seed, run.step, 2])
        torch.manual_seed(seed + run.step)
        bank, done = open_latents(folder)
        number = int(random.choice(np.flatnonzero(done[: clips.num_trained])))
        decay = 0.5 * (1 + math.cos(math.pi * min(run.seconds / total_s, 1)))
        for group in run.optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (run.step + 1) / 50) * max(decay, 0.01)
        crop = (part.to(device) for part in latent_crop(clips, bank, number, random))
        loss = decoder_loss(run.vae, *crop)
        run.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.vae.parameters(), 1.0)
        run.optimiser.step()
        follow(run.average, run.vae.state_dict(), EMA)
        run.step += 1
        spent = clock() - begin
        run.seconds += spent
        bar.update(min(spent, bar.total - bar.n))
        bar.set_postfix(step=run.step, loss=f"{loss.item():.4f}")
        if run.seconds >= next_save:
            next_save += SAVE_EVERY_S
            save_run(run, saved)
    save_run(run, saved)
    run.vae.load_state_dict(run.average)
    save_file(run.vae.state_dict(), folder / POLISHED)
    quality, mouth = evaluate_vae(run.vae, clips, folder / "sheets" / "vae_polished.png")
    row = {"polished": run.step, "psnr_db": round(quality, 2), "mouth_r": round(mouth, 4)}
    with (folder / "vae.log").open("a", encoding="ascii") as log:
        log.write(json.dumps(row) + "\n")
