"""Training of the denoiser on windows that begin with its own: what it hands on, it must repair.

Source: Bengio et al. 2015, "Scheduled sampling for sequence prediction with recurrent neural
networks"; Huang et al. 2025, "Self forcing".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.config import LATENT_CHANNELS
from pack.tools.toy.clips import open_clips
from pack.tools.toy.continued import Pool
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.denoiser_train import BATCH, Batch, Batches, to_device, velocity_loss
from pack.tools.toy.disturbed import disturb
from pack.tools.toy.frozen_vae import FOLDED, POLISHED, load_folded
from pack.tools.toy.latents import KINDS, OVERLAP_LATENTS, mouth_cells
from pack.tools.toy.training import falling, note, start_run, train

RATE = 4e-4
EMA = 0.995
POOL = 64
"""Clips that are continued."""
OWN = 6
"""Clips of a batch that are from the pool; the others are those of the training before."""
EVERY = 12
"""Steps of training between two steps of the pool."""
SHOWN_SHARE = 0.2
"""Steps of the pool that take the way through frames."""
TWO_FACES, DEEP = 1, 8
"""Group of clips, and windows, that are looked at in the end."""
SILENT, SILENT_WEIGHT = 0.02, 3.0
"""Widest opening of a mouth that stays shut, and how much more it counts."""


def run_file(folder: Path, seed: int) -> Path:
    """File of the run."""
    return folder / f"continued_{seed}.pt"


class Mixed:
    """Batches of which a part begins with what the network itself made."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._batches = Batches(folder)
        self._clips, _ = open_clips(folder)
        polished = (folder / POLISHED).is_file()
        self._folder, self._vae = folder, load_folded(folder, POLISHED if polished else FOLDED)
        random = np.random.default_rng([seed, 2])
        chosen = np.sort(random.permutation(np.concatenate(self._batches.groups))[:POOL])
        self._pool = Pool(folder, self._vae, self._batches.bank, chosen)
        self._file = run_file(folder, seed).with_suffix(".pool")
        if self._file.is_file():
            self._pool.load_state(torch.load(self._file, weights_only=True))
        self._own = Denoiser(seed=seed).requires_grad_(requires_grad=False)
        """The network that makes the windows of the pool."""

    def save(self) -> None:
        """Keep the pool beside the run."""
        new = self._file.with_suffix(".new_pool")
        torch.save(self._pool.state(), new)
        new.replace(self._file)

    def go_on(self, weights: dict[str, Tensor], random: np.random.Generator) -> None:
        """Make the next window of those clips of a group that are behind."""
        self._own.load_state_dict(weights)
        rows = self._rows(self._batches.choose(random))
        behind = rows[np.argsort(self._pool.made[rows].numpy(), kind="stable")]
        if len(behind):
            self._pool.begin_missing(behind[:BATCH])
            shown = random.random() < SHOWN_SHARE
            self._pool.go_on(self._own, behind[:BATCH], random, shown=shown)

    def facts(self) -> dict[str, float]:
        """How deep the clips of the pool are, and how far off their motion frames."""
        begun = np.flatnonzero(self._pool.depths.numpy() >= 0)
        depths, errors = self._pool.depths[begun].float(), self._pool.errors(begun)
        return {"depth": round(float(depths.mean()), 2), "error": round(float(errors.mean()), 4)}

    def batch(self, random: np.random.Generator) -> Batch:
        """A batch of one group; its first clips go on from what the network made."""
        group = self._batches.choose(random)
        rows = self._rows(group)
        rows = rows[self._pool.depths[rows].numpy() >= 0]
        own = random.choice(rows, OWN) if len(rows) else rows
        others = random.choice(self._batches.groups[group], BATCH - len(own))
        batch = self._batches.of(np.concatenate((self._pool.numbers[own], others)), group)
        return self._continued(replace(batch, mouths=self._louder(batch)), own, random)

    def deep_errors(self, weights: dict[str, Tensor], random: np.random.Generator) -> list[float]:
        """How far off motion frames of some clips are after 1, 2, ... windows of a network.

        The windows are made in latents alone, from the films' own first frames on.
        """
        numbers = np.sort(random.choice(self._batches.groups[TWO_FACES], BATCH))
        pool = Pool(self._folder, self._vae, self._batches.bank, numbers)
        rows = np.arange(BATCH)
        pool.begin_missing(rows)
        self._own.load_state_dict(weights)
        errors = []
        for _ in range(DEEP):
            pool.go_on(self._own, rows, random, shown=False, anew=0.0)
            errors.append(round(float(pool.errors(rows).mean()), 4))
        return errors

    def _rows(self, group: int) -> np.ndarray:
        """Rows of the pool that belong to a group."""
        return np.flatnonzero(np.isin(self._pool.numbers, self._batches.groups[group]))

    def _louder(self, batch: Batch) -> Tensor:
        """Weights in which the mouths of those who are silent count more."""
        mouths = batch.mouths.clone()
        for row, number in enumerate(batch.numbers):
            areas, openings = self._clips.areas[number], self._clips.openings[number]
            for area, opening in zip(areas, openings, strict=True):
                if opening.max() < SILENT:
                    mouths[row, 0, 0][mouth_cells(area)] *= SILENT_WEIGHT
        return mouths

    def _continued(self, batch: Batch, own: np.ndarray, random: np.random.Generator) -> Batch:
        """Let the first clips of a batch begin with the motion frames of their rows.

        Those of every second row are disturbed further: a pool of few clips has not seen all.
        """
        count = len(own)
        condition, motion = batch.condition.clone(), batch.motion.clone()
        latents = self._pool.conditions[own].float().unflatten(-1, condition.shape[-2:])
        for row in range(0, count, 2):
            motion_frames = latents[row, :, :OVERLAP_LATENTS]
            latents[row, :, :OVERLAP_LATENTS] = disturb(motion_frames, random)
        condition[:count, :-LATENT_CHANNELS, :OVERLAP_LATENTS] = 1
        condition[:count, -LATENT_CHANNELS:] = latents
        motion[:count] = latents[:, :, :OVERLAP_LATENTS]
        kinds = (KINDS.index("multitalk"),) * count + batch.kinds[count:]
        return replace(batch, condition=condition, motion=motion, kinds=kinds)


def train_continuation(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train, or go on training, for `minutes` of CPU time altogether.

    Args:
        folder: Work folder with a trained denoiser.
        seed: Seed of the denoiser, and of noise and order.
        minutes: Length of this training, windows of the pool included.
        device: Where to train.
    """
    trained = folder / f"denoiser_{seed}.pt"
    before = torch.load(trained, map_location="cpu", weights_only=True)["average"]
    model = Denoiser(seed=seed)
    model.load_state_dict(before)
    run = start_run(model.to(device), model.parameters(), run_file(folder, seed), decay=0.01)
    mixed = Mixed(folder, seed=seed)

    def loss_of(random: np.random.Generator) -> Tensor:
        if run.step % EVERY == 0:
            mixed.go_on({name: value.cpu() for name, value in run.average.items()}, random)
        return velocity_loss(model, to_device(mixed.batch(random), device), random)

    def rate(spent: float) -> float:
        return RATE * falling(spent)

    def saved() -> None:
        mixed.save()
        note(run, **mixed.facts())

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA, saved=saved)
    for name, weights in (("before", before), ("after", run.average)):
        found = mixed.deep_errors(
            {key: value.cpu() for key, value in weights.items()}, np.random.default_rng([seed, 3])
        )
        for window, error in enumerate(found, start=1):
            note(run, window=window, **{f"error_{name}": error})
