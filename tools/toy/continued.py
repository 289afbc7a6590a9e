"""Windows that go on from what the network itself made, some of them many windows deep.

A pool of training clips, each with the motion frames that its next window begins with. From time
to time windows of the pool are made with the network as it is now, and what their last frames
differ by from the film is handed on: the film's first frames with that difference begin the next
window of the same clip. So every window of any depth has a true film to learn from, and the pool
holds the errors that the network really hands on, however it changes in training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.tools.toy.clips import open_clips
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.frozen_vae import normalize
from pack.tools.toy.latents import (
    LATENT_FRAMES,
    OVERLAP_LATENTS,
    LatentBank,
    encode_quickly,
    spoil,
)
from pack.tools.toy.rollout import OVERLAP, Beginning, sample_window, show_end
from pack.tools.toy.vae import VideoVae
from pack.tools.toy.vae_train import to_network

ANEW_SHARE = 0.06
"""Windows after which a clip begins anew with its own film."""
SPOILED_SHARE = 0.25
"""Motion frames that are spoiled a little more."""


class Pool:
    """Clips and the motion frames of their next windows."""

    def __init__(self, folder: Path, vae: VideoVae, bank: LatentBank, numbers: np.ndarray) -> None:
        """A pool in which no clip has begun.

        Args:
            folder: Work folder.
            vae: The VAE that all latents are from.
            bank: Encoded clips.
            numbers: Clips of the pool.
        """
        self._clips, _ = open_clips(folder)
        self._vae, self._bank = vae, bank
        self.numbers = numbers
        cells = bank.target.shape[-1]
        shape = len(numbers), bank.target.shape[1], LATENT_FRAMES, cells
        self.conditions = torch.zeros(shape, dtype=torch.float16)
        """Of the next window of each clip."""
        self.depths = torch.full((len(numbers),), -1)
        """Windows between a clip's own film and its next window; -1: it has not begun."""
        self.made = torch.zeros(len(numbers), dtype=torch.int64)
        """Windows that were made of each clip altogether."""

    def state(self) -> dict[str, Tensor]:
        """What has to be kept to go on."""
        return {
            "numbers": torch.from_numpy(self.numbers),
            "conditions": self.conditions,
            "depths": self.depths,
            "made": self.made,
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.numbers, self.conditions = state["numbers"].numpy(), state["conditions"]
        self.depths, self.made = state["depths"], state["made"]

    def shape(self, row: int) -> tuple[int, int]:
        """Height and width of a clip's latents."""
        return (18, 12) if self._clips.tall[self.numbers[row]] else (12, 18)

    def target(self, row: int) -> Tensor:
        """Film of a clip, normalized latents [16, 9, h*w]."""
        return torch.from_numpy(self._bank.target[self.numbers[row]].astype(np.float32))

    def errors(self, rows: np.ndarray) -> Tensor:
        """Deviation of the motion frames of some clips from their films, [rows]."""
        begins = self.conditions[rows, :, :OVERLAP_LATENTS].float()
        films = torch.stack([self.target(row)[:, :OVERLAP_LATENTS] for row in rows.tolist()])
        return (begins - films).square().mean((1, 2, 3)).sqrt()

    def begin(self, row: int) -> None:
        """Let a clip begin with its own film."""
        self.depths[row] = 0
        self._keep(row, self._film(row)[:, :, :OVERLAP])

    def begin_missing(self, rows: np.ndarray) -> None:
        """Let those of some clips begin that have not yet."""
        for row in rows.tolist():
            if self.depths[row] < 0:
                self.begin(row)

    def go_on(
        self,
        model: Denoiser,
        rows: np.ndarray,
        random: np.random.Generator,
        *,
        shown: bool,
        anew: float = ANEW_SHARE,
    ) -> None:
        """Make the next window of some clips of the same shape and number of people.

        Args:
            model: The network as it is now.
            rows: Which clips.
            random: Source of numbers.
            shown: Whether windows are decoded, their colors matched, and what is handed on encoded
                again, as in a run; else latents are handed on as they are, in a quarter of the
                time.
            anew: Share of clips that begin anew instead.
        """
        numbers, shape = self.numbers[rows], self.shape(int(rows[0]))
        speech = torch.from_numpy(self._bank.speech[numbers].astype(np.float32))
        two = bool(self._clips.boxes[numbers[0], 1].any())
        beginning = Beginning(
            condition=self.conditions[rows].float().unflatten(-1, shape),
            speech=speech if two else speech[:, :1],
            masks=torch.from_numpy(self._bank.masks[numbers]).float() if two else None,
        )
        films = torch.stack([self.target(row) for row in rows.tolist()]).unflatten(-1, shape)
        latents = sample_window(model, beginning, films)
        for row, film, window in zip(rows.tolist(), films, latents, strict=True):
            self.made[row] += 1
            if random.random() < anew:
                self.begin(row)
                continue
            self.depths[row] += 1
            if shown:
                self._hand_on_shown(row, window, random)
            else:
                error = (window - film)[:, -OVERLAP_LATENTS:].mean(1, keepdim=True)
                tail = film[:, :OVERLAP_LATENTS] + error
                self.conditions[row, :, :OVERLAP_LATENTS] = tail.flatten(-2).half()

    def _hand_on_shown(self, row: int, window: Tensor, random: np.random.Generator) -> None:
        """Let the next window of a clip begin as the shown frames of this one end."""
        film = self._film(row)
        picture = torch.from_numpy(self._clips.picture(int(self.numbers[row])) / 255).float()
        error = show_end(self._vae, window, picture) - film[0, :, -OVERLAP:]
        tail = (film[:, :, :OVERLAP] + error).clamp(-1, 1)
        self._keep(row, spoil(tail, random) if random.random() < SPOILED_SHARE else tail)

    def _film(self, row: int) -> Tensor:
        """Drawn frames [1, 3, 33, H, W] of a clip in -1..1."""
        return to_network(self._clips.film(int(self.numbers[row]))[None])

    def _keep(self, row: int, tail: Tensor) -> None:
        """Keep motion frames [1, 3, 9, H, W] as the condition of the next window."""
        latents = normalize(encode_quickly(self._vae, tail))
        self.conditions[row] = latents[0].flatten(-2).half()
