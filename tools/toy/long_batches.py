"""Batches of clips of 81 frames: first windows, of which the training lets some go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.tools.toy.denoiser_train import Batch
from pack.tools.toy.latents import KINDS, KNOWN, OVERLAP_LATENTS
from pack.tools.toy.long_windows import open_long


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A batch, and what one way through the VAE changes in it (round_trips.py)."""

    batch: Batch
    own: Tensor
    """Of the same clips, [B, 16, 1, h, w]."""
    others: Tensor
    """Of other clips of the same shape, [B, 16, 1, h, w]."""


class LongBatches:
    """Draws batches from the long clips on disk."""

    def __init__(self, folder: Path) -> None:
        self._bank, done = open_long(folder)
        two, tall = np.array(self._bank.two), np.array(self._bank.tall)
        kinds = ((False, False), (True, False), (False, True))
        groups = [np.flatnonzero(done & (two == t) & (tall == high)) for t, high in kinds]
        self._groups = [group for group in groups if len(group)]

    def draw(self, random: np.random.Generator, count: int) -> Changed:
        """Some clips of one group, as first windows.

        Args:
            random: Source of numbers.
            count: How many clips.
        """
        sizes = np.array([len(group) for group in self._groups], float)
        rows = self._groups[random.choice(len(sizes), p=sizes / sizes.sum())]
        numbers, others = random.choice(rows, count), random.choice(rows, count)
        bank = self._bank
        shape = (18, 12) if bank.tall[numbers[0]] else (12, 18)
        people = 1 + int(bank.two[numbers[0]])

        def latents(array: np.ndarray, chosen: np.ndarray = numbers) -> Tensor:
            return torch.from_numpy(array[chosen].astype(np.float32)).unflatten(-1, shape)

        target = latents(bank.target)
        known = torch.zeros(count, 4, *target.shape[2:])
        known[:, :, : KNOWN["begin"]] = 1
        batch = Batch(
            target=target,
            condition=torch.cat((known, latents(bank.begin)), 1),
            motion=torch.zeros_like(target[:, :, :OVERLAP_LATENTS]),
            kinds=(KINDS.index("begin"),) * count,
            speech=torch.from_numpy(bank.speech[numbers][:, :people].astype(np.float32)),
            masks=torch.from_numpy(bank.masks[numbers]).float() if people == 2 else None,
            mouths=torch.from_numpy(bank.mouths[numbers])[:, None, None].unflatten(-1, shape),
            numbers=tuple(numbers.tolist()),
        )
        return Changed(batch=batch, own=latents(bank.change), others=latents(bank.change, others))
