"""Training of the denoiser to go on with a video for long: to take back what is wrong.

By MultiTalk's rule a window knows nothing of the picture but the last frames of the one before.
The trained denoiser hands all that is wrong with them on to the next window, and the VAE adds its
change at the same places every time (round_trips.py), so the errors of a long video grow in
proportion to its windows. Here motion frames bear several times that change, what is sampled bears
some of it too, and the film to learn is clean. What stays wrong for a whole window counts more than
what comes and goes. Windows have 33 frames, the toy's own, and 81, MultiTalk's (long_windows.py).

The network's own windows are not used: where heads bob otherwise than in the film, the two differ
by much more than what has to be repaired.

Source: Bengio et al. 2015, "Scheduled sampling for sequence prediction with recurrent neural
networks", for the idea that training must show what a run hands on; Ning et al. 2023, "Input
perturbation reduces exposure bias in diffusion models", for errors in what is sampled.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.config import LATENT_CHANNELS
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.denoiser_train import BATCH, Batch, Batches, to_device, velocity_error
from pack.tools.toy.frozen_vae import normalize
from pack.tools.toy.latents import KINDS, OVERLAP_LATENTS, PINNED, grey_film
from pack.tools.toy.long_batches import Changed, LongBatches
from pack.tools.toy.long_windows import until_the_end
from pack.tools.toy.rollout import Beginning, passed_on, sample_window
from pack.tools.toy.round_trips import further_on, load_last_vae, measure_clips, some_windows
from pack.tools.toy.training import falling, note, start_run, train

RATE = 9e-4
WARM_UP, UNMOVED = 80, 20
"""Steps in which the rate rises, and steps at their beginning that only fill the moments."""
EMA = 0.995
LONG_SHARE, LONG_BATCH = 0.55, 4
"""Batches with windows of 81 frames, and clips in them."""
FURTHER_SHARE = 0.65
"""Clips of a batch that go on from wrong frames; the others are those of the training before."""
BLOTTED_SHARE = 0.6
"""Clips with errors in what is sampled."""
LASTING_WEIGHT = 6.0
"""How much more an error counts that stays for a whole window."""
LOOKED_AT, WINDOWS = 4, 3.0
"""Clips with two faces whose repair is measured, and how many windows on they are."""
TWO_FACES = 1


def run_file(folder: Path, seed: int) -> Path:
    """File of the run."""
    return folder / f"continued_{seed}.pt"


class Mixed:
    """Batches of which a part begins with motion frames that are many windows on."""

    def __init__(self, folder: Path) -> None:
        self._batches = Batches(folder)
        self._long = LongBatches(folder)
        self._changes = measure_clips(folder, processes=1)
        vae = load_last_vae(folder)
        self._grey = {
            shape: normalize(grey_film(vae, *shape))[:, :, OVERLAP_LATENTS:]
            for shape in ((96, 144), (144, 96))
        }
        looked_at = np.sort(self._batches.groups[TWO_FACES])[:LOOKED_AT]
        self._looked_at = self._batches.of(looked_at, TWO_FACES)
        self._batches.groups[TWO_FACES] = np.setdiff1d(self._batches.groups[TWO_FACES], looked_at)

    def batch(self, random: np.random.Generator) -> tuple[Batch, Tensor]:
        """A batch of one group, and the errors of what is sampled, [B, 16, 1, h, w]."""
        long = random.random() < LONG_SHARE
        changed = self._long.draw(random, LONG_BATCH) if long else self._short(random)
        target = changed.batch.target
        count = max(1, round(FURTHER_SHARE * len(target)))
        begin = target[:count, :, :OVERLAP_LATENTS]
        motion = further_on(begin, changed.own[:count], changed.others[:count], random)
        return self._going_on(changed.batch, motion), self._wrong(changed, random)

    def repaired(self, model: Denoiser, weights: dict[str, Tensor]) -> float:
        """How much of a change some clips, never trained on here, pass on (rollout.passed_on)."""
        model.load_state_dict(weights)
        batch = self._looked_at
        begin = batch.target[:, :, :OVERLAP_LATENTS]
        change = WINDOWS * self._change(np.array(batch.numbers), batch.target)
        windows = []
        for motion in (begin, begin + change):
            torch.manual_seed(0)
            going_on = self._going_on(batch, motion).condition[:, -LATENT_CHANNELS:]
            windows.append(
                sample_window(
                    model, Beginning(condition=going_on, speech=batch.speech, masks=batch.masks)
                )
            )
        return round(passed_on(*windows, change), 4)

    def _short(self, random: np.random.Generator) -> Changed:
        """Clips of the training before."""
        group = self._batches.choose(random)
        rows = self._batches.groups[group]
        batch = self._batches.of(random.choice(rows, BATCH), group)
        own = self._change(np.array(batch.numbers), batch.target)
        others = self._change(random.choice(rows, BATCH), batch.target)
        return Changed(batch=batch, own=own, others=others)

    def _change(self, numbers: np.ndarray, like: Tensor) -> Tensor:
        """What the VAE changes in some clips, [B, 16, 1, h, w]."""
        changes = torch.from_numpy(self._changes[numbers].astype(np.float32))
        return changes.unflatten(-1, like.shape[-2:])

    def _wrong(self, changed: Changed, random: np.random.Generator) -> Tensor:
        """Errors of what is sampled; motion frames, which are written over, lose them again."""
        count = len(changed.own)
        blotted = torch.from_numpy(random.random(count) < BLOTTED_SHARE).view(-1, 1, 1, 1, 1)
        return blotted * some_windows(changed.own, changed.others, random)

    def _going_on(self, batch: Batch, motion: Tensor) -> Batch:
        """Let the first clips of a batch begin with motion frames."""
        count, (height, width) = len(motion), motion.shape[-2:]
        condition, begins = batch.condition.clone(), batch.motion.clone()
        num_later = condition.shape[2] - OVERLAP_LATENTS
        condition[:count, :-LATENT_CHANNELS] = 0
        condition[:count, :-LATENT_CHANNELS, :OVERLAP_LATENTS] = 1
        condition[:count, -LATENT_CHANNELS:, :OVERLAP_LATENTS] = motion
        condition[:count, -LATENT_CHANNELS:, OVERLAP_LATENTS:] = until_the_end(
            self._grey[8 * height, 8 * width], num_later
        )
        begins[:count] = motion
        kinds = (KINDS.index("multitalk"),) * count + batch.kinds[count:]
        return replace(batch, condition=condition, motion=begins, kinds=kinds)


def repair_loss(
    model: Denoiser, batch: Batch, wrong: Tensor, random: np.random.Generator
) -> Tensor:
    """Weighted squared error of the velocity, and of its mean over the frames that are new."""
    error, weight = velocity_error(model, batch, random, wrong)
    plain = (error.square() * weight).mean() / weight.mean()
    lasting = [
        row[:, PINNED[KINDS[kind]] :].mean(1).square().mean()
        for row, kind in zip(error, batch.kinds, strict=True)
    ]
    return plain + LASTING_WEIGHT * torch.stack(lasting).mean()


def train_continuation(folder: Path, *, seed: int, minutes: float, device: torch.device) -> None:
    """Train, or go on training, for `minutes` of CPU time altogether.

    Args:
        folder: Work folder with a trained denoiser and clips of both lengths.
        seed: Seed of the denoiser, and of noise and order.
        minutes: Length of this training.
        device: Where to train.
    """
    trained = folder / f"denoiser_{seed}.pt"
    before = torch.load(trained, map_location="cpu", weights_only=True)["average"]
    model = Denoiser(seed=seed)
    model.load_state_dict(before)
    run = start_run(model.to(device), model.parameters(), run_file(folder, seed), decay=0.01)
    mixed = Mixed(folder)

    def loss_of(random: np.random.Generator) -> Tensor:
        batch, wrong = mixed.batch(random)
        return repair_loss(model, to_device(batch, device), wrong.to(device), random)

    def rate(spent: float) -> float:
        if run.step < UNMOVED:
            return 0.0
        return RATE * falling(spent) * min(1.0, run.step / WARM_UP)

    train(run, loss_of, rate=rate, minutes=minutes, seed=seed, ema=EMA)
    own = Denoiser(seed=seed).requires_grad_(requires_grad=False)
    weights = {name: value.cpu() for name, value in run.average.items()}
    note(
        run,
        passed_on_before=mixed.repaired(own, before),
        passed_on_after=mixed.repaired(own, weights),
    )
