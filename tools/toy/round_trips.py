"""What one way through the VAE changes in a clip, and motion frames many windows further on.

By MultiTalk's rule each window decodes frames, matches their colors and encodes them again for the
next. That way changes a picture in the same places in the same direction every time, so what it
changes adds up over windows. It is measured once per clip, and motion frames that are some windows
further on are the clip's own with some times the change.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.color import color_statistics, match_statistics
from pack.multitalk.config import LATENT_CHANNELS
from pack.tools.toy.clips import ClipBank, open_clips
from pack.tools.toy.frozen_vae import (
    FOLDED,
    POLISHED,
    decode,
    denormalize,
    encode,
    load_folded,
    normalize,
)
from pack.tools.toy.latents import CELLS, LatentBank, open_latents
from pack.tools.toy.stored import Task, missing_rows, open_rows, run_tasks
from pack.tools.toy.vae import VideoVae

SEEN_LATENTS = 2
"""Latent frames at the beginning of a clip that go through the VAE."""
ARRAYS = {"change": ((LATENT_CHANNELS, 1, CELLS), np.float16)}
NEAR_SHARE, NEAR = 0.3, (0.5, 1.5)
"""Motion frames that are about one window on, and how many windows that is."""
FARTHEST = 6.0
"""Windows that all others are on at most."""
OWN_SHARE = 0.65
"""Motion frames with their own clip's change; the others take that of another clip."""
MIRRORED_SHARE = 0.5
"""Batches in which the changes of other clips are mirrored."""
FARTHEST_SAMPLED, OWN_SAMPLED_SHARE = 2.5, 0.4
"""The same of what is sampled; there changes may have either sign."""


def measure_change(vae: VideoVae, latents: Tensor, picture: Tensor) -> Tensor:
    """What one way through the VAE changes in latents, the same in every frame.

    Args:
        vae: The VAE.
        latents: Normalized, [16, T, h, w], from the first frame of a film on.
        picture: Whose colors the frames are matched to, [H, W, 3] in 0..1.

    Returns:
        [16, 1, h, w], the mean over frames.
    """
    frames = decode(vae, denormalize(latents[None]))[0].permute(1, 2, 3, 0) / 2 + 0.5
    matched = match_statistics(frames, color_statistics(picture[None]), strength=1.0)
    again = normalize(encode(vae, matched.permute(3, 0, 1, 2)[None] * 2 - 1))[0]
    return (again - latents).mean(1, keepdim=True)


@functools.cache
def changes_folder(folder: Path) -> Path:
    """Where the changes of the present VAE are; those of an earlier one stay apart."""
    return folder / f"round_trips_{hashlib.sha256(_last_file(folder).read_bytes()).hexdigest()[:8]}"


def _last_file(folder: Path) -> Path:
    return folder / (POLISHED if (folder / POLISHED).is_file() else FOLDED)


def measure_clips(folder: Path, *, processes: int) -> np.ndarray:
    """Measure all encoded clips; goes on where it was stopped.

    Args:
        folder: Work folder with encoded clips.
        processes: Measuring processes, one thread each.

    Returns:
        [N, 16, 1, h*w] float16; zeros of clips that are not encoded.
    """
    _, encoded = open_latents(folder)
    missing = missing_rows(changes_folder(folder), ARRAYS, len(encoded))
    tasks = [(folder, 0, int(number)) for number in missing if encoded[number]]
    run_tasks(_measure_one, tasks, processes=processes, name="round trips")
    return open_rows(changes_folder(folder), ARRAYS)["change"]


def _measure_one(task: Task) -> None:
    folder, _, number = task
    clips, bank = _opened(folder)
    shape = (18, 12) if clips.tall[number] else (12, 18)
    latents = torch.from_numpy(bank.target[number][:, :SEEN_LATENTS].astype(np.float32))
    picture = torch.from_numpy(clips.picture(number) / 255).float()
    change = measure_change(load_last_vae(folder), latents.unflatten(-1, shape), picture)
    arrays = open_rows(changes_folder(folder), ARRAYS, mode="r+")
    arrays["change"][number] = change.flatten(-2).half().numpy()
    arrays["done"][number] = True


@functools.cache
def load_last_vae(folder: Path) -> VideoVae:
    """The VAE that is shipped: with the polished decoder, if there is one."""
    return load_folded(folder, _last_file(folder).name)


@functools.cache
def _opened(folder: Path) -> tuple[ClipBank, LatentBank]:
    return open_clips(folder)[0], open_latents(folder)[0]


def further_on(
    latents: Tensor, change: Tensor, others: Tensor, random: np.random.Generator
) -> Tensor:
    """Motion frames as they are some windows further on.

    Args:
        latents: Of the films, normalized, [B, 16, T, h, w].
        change: Of the same clips by one window, [B, 16, 1, h, w].
        others: Of other clips of the same shape, [B, 16, 1, h, w].
        random: Source of numbers.
    """
    count = len(latents)
    near = random.random(count) < NEAR_SHARE
    windows = np.where(near, random.uniform(*NEAR, count), random.uniform(0, FARTHEST, count))
    own = random.random(count) < OWN_SHARE
    return latents + _of_either(change, others, own, windows, random)


def some_windows(change: Tensor, others: Tensor, random: np.random.Generator) -> Tensor:
    """Errors like those of some windows, of either sign, for what is sampled.

    Args:
        change: Of clips by one window, [B, 16, 1, h, w].
        others: Of other clips of the same shape, [B, 16, 1, h, w].
        random: Source of numbers.
    """
    count = len(change)
    windows = random.uniform(-FARTHEST_SAMPLED, FARTHEST_SAMPLED, count)
    own = random.random(count) < OWN_SAMPLED_SHARE
    return _of_either(change, others, own, windows, random)


def _of_either(
    change: Tensor,
    others: Tensor,
    own: np.ndarray,
    windows: np.ndarray,
    random: np.random.Generator,
) -> Tensor:
    """Some times the clips' own changes or those of others, which are mirrored now and then."""
    if random.random() < MIRRORED_SHARE:
        others = others.flip(-1)
    places = (-1, 1, 1, 1, 1)
    taken = torch.where(torch.from_numpy(own).view(places), change, others)
    return torch.from_numpy(windows).float().view(places) * taken
