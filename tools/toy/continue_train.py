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

from pack.tools.toy.clips import open_clips
from pack.tools.toy.continued import Pool
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.denoiser_train import BATCH, Batch, Batches, to_device, velocity_loss
from pack.tools.toy.frozen_vae import FOLDED, POLISHED, load_folded
from pack.tools.toy.latents import KINDS, OVERLAP_LATENTS, mouth_cells
from pack.tools.toy.training import falling, start_run, train

RATE = 4e-4
EMA = 0.995
POOL = 96
"""Clips that are continued."""
OWN = 4
"""Clips of a batch that are from the pool; the others are those of the training before."""
EVERY = 6
"""Steps of training between two steps of the pool."""
SHOWN_SHARE = 0.25
"""Steps of the pool that take the way through frames."""
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
        vae = load_folded(folder, POLISHED if polished else FOLDED)
        random = np.random.default_rng([seed, 2])
        chosen = np.sort(random.permutation(np.concatenate(self._batches.groups))[:POOL])
        self._pool = Pool(folder, vae, self._batches.bank, chosen)
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

    def batch(self, random: np.random.Generator) -> Batch:
        """A batch of one group."""
        group = self._batches.choose(random)
        batch = self._batches.batch(random, group)
        rows = self._begun(group)
        if len(rows):
            batch = self._with_own(batch, random.choice(rows, OWN))
        return replace(batch, mouths=self._louder(batch))

    def _rows(self, group: int) -> np.ndarray:
        """Rows of the pool that belong to a group."""
        return np.flatnonzero(np.isin(self._pool.numbers, self._batches.groups[group]))

    def _begun(self, group: int) -> np.ndarray:
        """Those of them that have motion frames."""
        rows = self._rows(group)
        return rows[self._pool.depths[rows].numpy() >= 0]

    def _louder(self, batch: Batch) -> Tensor:
        """Weights in which the mouths of those who are silent count more."""
        mouths = batch.mouths.clone()
        for row, number in enumerate(batch.numbers):
            areas, openings = self._clips.areas[number], self._clips.openings[number]
            for area, opening in zip(areas, openings, strict=True):
                if opening.max() < SILENT:
                    mouths[row, 0, 0][mouth_cells(area)] *= SILENT_WEIGHT
        return mouths

    def _with_own(self, batch: Batch, rows: np.ndarray) -> Batch:
        """Put clips of the pool in place of the first ones."""
        pool, shape = self._pool, batch.target.shape[-2:]
        people = batch.speech.shape[1]
        count = len(rows)
        target, condition, speech = batch.target.clone(), batch.condition.clone(), batch.speech
        motion, mouths, speech = batch.motion.clone(), batch.mouths.clone(), speech.clone()
        masks = None if batch.masks is None else batch.masks.clone()
        condition[:count, :4] = 0
        condition[:count, :4, :OVERLAP_LATENTS] = 1
        for i, row in enumerate(rows.tolist()):
            number = int(pool.numbers[row])
            target[i] = pool.target(row).unflatten(-1, shape)
            condition[i, 4:] = pool.conditions[row].float().unflatten(-1, shape)
            heard = self._batches.bank.speech[number, :people].astype(np.float32)
            speech[i] = torch.from_numpy(heard)
            if masks is not None:
                masks[i] = torch.from_numpy(self._batches.bank.masks[number]).float()
            mouths[i, 0, 0] = torch.from_numpy(self._batches.bank.mouths[number]).unflatten(
                0, shape
            )
        motion[:count] = condition[:count, 4:, :OVERLAP_LATENTS]
        kinds = (KINDS.index("multitalk"),) * count + batch.kinds[count:]
        return replace(
            batch,
            target=target,
            condition=condition,
            motion=motion,
            speech=speech,
            masks=masks,
            mouths=mouths,
            kinds=kinds,
            numbers=(*(int(pool.numbers[row]) for row in rows), *batch.numbers[count:]),
        )


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

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA, saved=mixed.save)
