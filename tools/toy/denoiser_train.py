"""Training of the denoiser: flow matching on cached latents.

Source: toy.md section 3.4; Lipman et al. 2023, "Flow matching for generative modeling".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.tools.toy.clips import open_clips
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.latents import KINDS, KNOWN, LATENT_FRAMES, PINNED, LatentBank, open_latents
from pack.tools.toy.training import falling, start_run, train

BATCH = 8
RATE = 1.5e-3
SHIFT = 3.0
EMA = 0.998
DEAF_SHARE = 0.12
"""Clips whose audio is left out, for guidance."""
LOWEST_LEVEL = 0.25
"""Errors that lie deeper are taken back at the pace of this noise level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Clips with the same number of people, shape and length."""

    target: Tensor  # [B, 16, T, h, w]
    condition: Tensor  # [B, 20, T, h, w]: mask, then latents
    motion: Tensor  # [B, 16, 3, h, w]
    kinds: tuple[int, ...]
    speech: Tensor  # [B, S, F, 5, M, E]
    masks: Tensor | None  # [B, 3, n]
    mouths: Tensor  # [B, 1, 1, h, w]
    numbers: tuple[int, ...]


class Batches:
    """Draws batches from the latents on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.reopen()

    def reopen(self) -> None:
        """Take in the clips that were encoded since."""
        self.bank: LatentBank
        self.bank, done = open_latents(self._folder)
        drawn, _ = open_clips(self._folder)
        usable = np.flatnonzero(np.array(done))
        usable = usable[usable < drawn.num_trained]
        two = np.array(drawn.boxes[:, 1].any(1))
        tall = np.array(drawn.tall)
        self.groups = [
            usable[(two[usable] == people) & (tall[usable] == high)]
            for people, high in ((False, False), (True, False), (False, True))
        ]

    def choose(self, random: np.random.Generator) -> int:
        """A random group; half of all clips show one person."""
        sizes = np.array([len(group) for group in self.groups], float)
        return int(random.choice(3, p=sizes / sizes.sum()))

    def batch(self, random: np.random.Generator) -> Batch:
        """A random batch; half of them show one person."""
        group = self.choose(random)
        return self.of(np.sort(random.choice(self.groups[group], BATCH)), group)

    def of(self, numbers: np.ndarray, group: int) -> Batch:
        """The batch of some clips of a group."""
        shape = (18, 12) if group == 2 else (12, 18)
        people = 2 if group == 1 else 1
        bank = self.bank

        def latents(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array[numbers].astype(np.float32)).unflatten(-1, shape)

        kinds = tuple(int(k) for k in bank.kind[numbers])
        known = torch.zeros(len(numbers), 4, LATENT_FRAMES, *shape)
        for row, kind in enumerate(kinds):
            known[row, :, : KNOWN[KINDS[kind]]] = 1
        return Batch(
            target=latents(bank.target),
            condition=torch.cat((known, latents(bank.condition)), 1),
            motion=latents(bank.motion),
            kinds=kinds,
            speech=torch.from_numpy(bank.speech[numbers][:, :people].astype(np.float32)),
            masks=torch.from_numpy(bank.masks[numbers]).float() if people == 2 else None,
            mouths=torch.from_numpy(bank.mouths[numbers])[:, None, None].unflatten(-1, shape),
            numbers=tuple(numbers.tolist()),
        )


def noisy_latents(
    batch: Batch, sigma: Tensor, wrong: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What the sampler would hand to the network, the velocity, and where it counts.

    Args:
        batch: Clips.
        sigma: [B] noise levels.
        wrong: Errors of what was sampled so far, the same in all frames, [B, 16, 1, h, w]; the
            velocity takes them back.

    Returns:
        Noisy latents and velocity [B, 16, T, h, w], weights [B, 1, T, h, w].
    """
    noise = torch.randn_like(batch.target)
    level = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - level) * batch.target + level * noise
    velocity = noise - batch.target
    if wrong is not None:
        noisy = noisy + (1 - level) * wrong
        velocity = velocity + (1 - level) * wrong / level.clamp(min=LOWEST_LEVEL)
    weight = batch.mouths.repeat(1, 1, batch.target.shape[2], 1, 1)
    for row, number in enumerate(batch.kinds):
        kind = KINDS[number]
        pinned = PINNED[kind]
        begin = batch.motion[row, :, :pinned]
        if kind == "multitalk":
            begin = (1 - sigma[row]) * begin + sigma[row] * noise[row, :, :pinned]
        noisy[row, :, :pinned] = begin
        weight[row, :, :pinned] = 0
    return noisy, velocity, weight


def velocity_error(
    model: Denoiser, batch: Batch, random: np.random.Generator, wrong: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Error of the predicted velocity [B, 16, T, h, w] and where it counts [B, 1, T, h, w]."""
    device, count = batch.target.device, len(batch.target)
    u = torch.from_numpy(random.random(count).astype(np.float32)).to(device)
    sigma = SHIFT * u / (1 + (SHIFT - 1) * u)
    heard = torch.from_numpy(random.random(count) >= DEAF_SHARE).to(device)
    noisy, velocity, weight = noisy_latents(batch, sigma, wrong)
    x = torch.cat((noisy, batch.condition), 1)
    return model(x, sigma, batch.speech, batch.masks, heard) - velocity, weight


def velocity_loss(model: Denoiser, batch: Batch, random: np.random.Generator) -> Tensor:
    """Weighted squared error of the velocity."""
    error, weight = velocity_error(model, batch, random)
    return (error.square() * weight).mean() / weight.mean()


def train_denoiser(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train, or go on training, for `minutes` of CPU time altogether.

    Args:
        folder: Work folder with encoded clips; those that are added meanwhile are used too.
        seed: Seed of weights, noise and order.
        minutes: Length of the whole training.
        device: Where to train.
    """
    model = Denoiser(seed=seed).to(device)
    run = start_run(model, model.parameters(), folder / f"denoiser_{seed}.pt", decay=0.01)
    batches = Batches(folder)

    def loss_of(random: np.random.Generator) -> Tensor:
        return velocity_loss(model, to_device(batches.batch(random), device), random)

    def rate(spent: float) -> float:
        return RATE * falling(spent)

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA, saved=batches.reopen)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with all tensors on a device."""
    moved = {}
    for name in Batch.__slots__:
        value = getattr(batch, name)
        moved[name] = value.to(device) if isinstance(value, Tensor) else value
    return Batch(**moved)
