"""Training of the VAE on the way back: its frames should encode to the latents they came from.

By MultiTalk's rule the last frames of a window are encoded again for the next one. Whatever that
way changes is changed in every window at the same places (round_trips.py), and the network passes
it on. Encoder and decoder learn together, on latents that are some windows on as well; the encoder
is held to what it made of drawn frames before, so the denoiser fits as it is.

Crops lie anywhere, unlike those of the trainings before: walls and clothes drift most. What is
written lies halfway from the VAE that it was: most of what is gained, and about half of what mouths
lose (tools/bench/toy_continuation_cpu_20261130.md).

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", for the mean of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pack.tools.toy.clips import open_clips
from pack.tools.toy.decoder_train import latent_crop
from pack.tools.toy.frozen_vae import FOLDED, POLISHED, denormalize, encode, load_folded, normalize
from pack.tools.toy.latents import open_latents
from pack.tools.toy.precision import mixed
from pack.tools.toy.training import falling, start_run, train
from pack.tools.toy.vae import VideoVae
from pack.tools.toy.vae_train import note_quality

RATE, WARM_UP, UNMOVED = 1e-4, 30, 15
"""Twice as much, and colors are unsettled more than they are taught; see continue_train.py."""
EMA = 0.98
OVERLAP = 9
"""Frames at the end of a window that are encoded again."""
LENGTHS, WHOLE, WHOLE_SHARE = (3, 4, 5), 9, 0.1
"""Latent frames of most crops, and of the others."""
FAR_SHARE, FARTHEST = 0.5, (0.5, 4.0)
"""Crops whose latents are some windows on, and how many."""
NOISE, ROUNDING = 0.1, 0.004
"""Largest deviation of noise on latents; that of what 8 bit would change in frames."""
FILM_WEIGHT, COARSE_WEIGHT, COARSE_PX = 0.5, 6.0, 8
"""Of pixels, and of mean colors of squares over time, which is what is seen to drift."""
RETURN_WEIGHT, LASTING_WEIGHT, KEPT_WEIGHT = 4.0, 12.0, 4.0
"""Of latents that come back, of their mean over time, and of what the encoder made before."""
WAY = 0.5
"""How far from the VAE before what is written lies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WayBack:
    """Through a VAE in training and back, beside the VAE that it was."""

    vae: VideoVae
    before: VideoVae

    def back(self, shown: Tensor) -> Tensor:
        """Normalized latents [1, 16, 3, h, w] of the last decoded frames."""
        return normalize(self.vae.posterior(shown[:, :, -OVERLAP:].clamp(-1, 1))[0].float())

    @torch.no_grad()
    def change(self, latents: Tensor, right: Tensor) -> Tensor:
        """What one way changes in normalized latents, the same in every frame: [1, 16, 1, h, w]."""
        with mixed(latents.device.type):
            again = self.back(self.vae.decode(denormalize(latents)).float())
        return (again - right).mean(2, keepdim=True)

    def loss(self, frames: Tensor, weight: Tensor, windows: float) -> Tensor:
        """Error of frames, of the latents they encode to, and of those of drawn frames.

        Args:
            frames: Of a film from its first one on, [1, 3, 4 * T - 3, H, W] in -1..1.
            weight: Where they count, [1, 1, 1, H, W].
            windows: How many windows on the latents are.
        """
        end = frames[:, :, -OVERLAP:]
        latents, right = (normalize(encode(self.before, part)) for part in (frames, end))
        if windows:
            latents = latents + windows * self.change(latents, right)
        latents = latents + torch.rand(1).item() * NOISE * torch.randn_like(latents)
        with mixed(frames.device.type):
            shown = self.vae.decode(denormalize(latents)).float()
            wrong = self.back(shown + ROUNDING * torch.randn_like(shown)) - right
            kept = normalize(self.vae.posterior(end)[0].float()) - right
        error = shown - frames
        film = ((error.abs() + error.square()) * weight).mean() / weight.mean()
        coarse = functional.avg_pool2d(error[:, :, -OVERLAP:].mean(2), COARSE_PX).abs().mean()
        back = RETURN_WEIGHT * wrong.square().mean()
        lasting = LASTING_WEIGHT * wrong.mean(2).square().mean()
        return (
            (FILM_WEIGHT * film + COARSE_WEIGHT * coarse) / (1 + windows / 2)
            + (back + lasting) / (1 + windows)
            + KEPT_WEIGHT * kept.square().mean()
        )


def train_returning(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train the VAE for `minutes` of CPU time altogether and write it.

    Args:
        folder: Work folder with encoded clips; its polished VAE is what this begins with, and it
            is kept beside as returning_before.safetensors.
        seed: Seed of the order of clips.
        minutes: Length of the whole training.
        device: Where to train.
    """
    from safetensors.torch import save_file

    way = WayBack(vae=_first(folder).to(device), before=_first(folder).to(device))
    vae = way.vae.requires_grad_(requires_grad=True)
    run = start_run(vae, vae.parameters(), folder / "returning.pt")
    clips, _ = open_clips(folder)
    bank, done = open_latents(folder)
    usable = np.flatnonzero(done[: clips.num_trained])

    def loss_of(random: np.random.Generator) -> Tensor:
        length = WHOLE if random.random() < WHOLE_SHARE else int(random.choice(LENGTHS))
        windows = float(random.uniform(*FARTHEST)) if random.random() < FAR_SHARE else 0.0
        _, frames, weight = latent_crop(clips, bank, int(random.choice(usable)), random)
        frames = frames[:, :, : 4 * length - 3].to(device)
        return way.loss(frames, weight.clamp(min=1).to(device), windows)

    def rate(spent: float) -> float:
        if run.step < UNMOVED:
            return 0.0
        return RATE * falling(spent) * min(1.0, (run.step - UNMOVED + 1) / WARM_UP)

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA)
    note_quality(run, clips)
    save_file(partway(way.before.state_dict(), run.average), folder / POLISHED)


def partway(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights on the way from a VAE to what it became."""
    return {name: tensor.lerp(after[name], WAY) for name, tensor in before.items()}


def _first(folder: Path) -> VideoVae:
    """The VAE that this training begins with, also where it goes on."""
    first = folder / "returning_before.safetensors"
    if not first.is_file():
        name = POLISHED if (folder / POLISHED).is_file() else FOLDED
        first.write_bytes((folder / name).read_bytes())
    return load_folded(folder, first.name)
