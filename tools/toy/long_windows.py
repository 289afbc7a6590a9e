"""Clips as long as MultiTalk's own windows: scenes of their own, drawn and encoded in one go.

A network that has seen nothing but windows of 33 frames for a while draws stripes in longer ones,
so the training that goes on with it (continue_train.py) sees both.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.config import LATENT_CHANNELS
from pack.multitalk.windows import audio_windows
from pack.tools.toy.clips import SHUT, Clip, make_clip
from pack.tools.toy.encoder import features, load_encoder
from pack.tools.toy.frozen_vae import encode, load_folded, normalize
from pack.tools.toy.latents import (
    CELLS,
    ENCODER_SHAPE,
    TOKENS,
    mouth_weights,
    speaker_masks,
    with_grey,
)
from pack.tools.toy.round_trips import SEEN_LATENTS, load_last_vae, measure_change
from pack.tools.toy.speech import load_bank, opening_curve
from pack.tools.toy.stored import Task, missing_rows, open_rows, run_tasks
from pack.tools.toy.vae_train import to_network
from pack.tools.toy.world import TALL, mouth_area

WINDOW, LATENT_FRAMES = 81, 21
OTHER_SEED = 7
"""Added to the seed of the short clips, so that these show other scenes."""
ARRAYS = {
    "target": ((LATENT_CHANNELS, LATENT_FRAMES, CELLS), np.float16),
    "begin": ((LATENT_CHANNELS, LATENT_FRAMES, CELLS), np.float16),
    "change": ((LATENT_CHANNELS, 1, CELLS), np.float16),
    "speech": ((2, WINDOW, 5, *ENCODER_SHAPE), np.float16),
    "masks": ((3, TOKENS), np.bool_),
    "mouths": ((CELLS,), np.float32),
    "two": ((), np.bool_),
    "tall": ((), np.bool_),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LongBank:
    """Encoded clips of 81 frames on disk, memory-mapped."""

    target: np.ndarray
    """[N, 16, 21, h*w], normalized."""
    begin: np.ndarray
    """[N, 16, 21, h*w]: the condition of a first window, its first frame, then grey."""
    change: np.ndarray
    """[N, 16, 1, h*w]: what one way through the VAE changes (round_trips.py)."""
    speech: np.ndarray
    """[N, 2, 81, 5, M, E]."""
    masks: np.ndarray
    """[N, 3, tokens]: both speakers, background."""
    mouths: np.ndarray
    """[N, h*w]: weight of the loss, larger under a mouth."""
    two: np.ndarray
    """[N] bool: two people."""
    tall: np.ndarray
    """[N] bool."""


def open_long(folder: Path, *, mode: str = "r") -> tuple[LongBank, np.ndarray]:
    """Encoded clips and which of them are done."""
    arrays = open_rows(folder / "long", ARRAYS, mode=mode)
    done = arrays.pop("done")
    return LongBank(**arrays), done


def until_the_end(latents: Tensor, count: int) -> Tensor:
    """Make [B, 16, T, h, w] as long as `count` latents with the last one, as grey goes on."""
    last = latents[:, :, -1:].expand(-1, -1, count, -1, -1)
    return torch.cat((latents, last), 2)[:, :, :count]


@functools.cache
def _bank(folder: Path) -> list[np.ndarray]:
    return load_bank(folder)


@functools.cache
def _networks(folder: Path):
    torch.set_num_threads(1)
    return load_encoder(folder), load_folded(folder)


def _draw(clip: Clip, start: int) -> np.ndarray:
    """Frames [81, H, W, 3] of a clip from one of its frames on."""
    curves = np.stack([opening_curve(track, clip.num_frames) for track in clip.waveforms])
    return clip.scene.film(curves[:, start : start + WINDOW], start=start)


def _mouths(clip: Clip) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right of each mouth in pixels."""
    areas = [mouth_area(actor.head) for actor in clip.scene.actors]
    return [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in areas]


def _encode_one(task: Task) -> None:
    folder, seed, number = task
    bank, done = open_long(folder, mode="r+")
    clip = make_clip(_bank(folder), seed=seed, number=number)
    if clip.num_frames > WINDOW:
        start = int(np.random.default_rng([seed, number, 1]).integers(clip.num_frames - WINDOW))
        _store(folder, bank, number, clip, start)
        done[number] = True


def _store(folder: Path, bank: LongBank, number: int, clip: Clip, start: int) -> None:
    """Draw and encode one clip."""
    hearing, vae = _networks(folder)
    film = to_network(_draw(clip, start)[None])
    target = normalize(encode(vae, film))
    picture = clip.scene.frame(clip.picture_frame, [SHUT] * len(clip.scene.actors))
    seen = torch.from_numpy(picture / 255).float()
    change = measure_change(load_last_vae(folder), target[0, :, :SEEN_LATENTS], seen)
    begin = until_the_end(normalize(encode(vae, with_grey(film[:, :, :1]))), LATENT_FRAMES)
    tracks = [
        features(hearing, torch.from_numpy(np.trim_zeros(track, "b")), clip.num_frames)
        for track in clip.waveforms
    ]
    speech = audio_windows(tracks, start, WINDOW).numpy()
    bank.target[number] = target[0].flatten(2).numpy()
    bank.begin[number] = begin[0].flatten(2).numpy()
    bank.change[number] = change.flatten(2).numpy()
    bank.speech[number, : len(speech)] = speech
    bank.masks[number] = speaker_masks(clip.scene.boxes, *clip.scene.size)
    bank.mouths[number] = mouth_weights(_mouths(clip), *clip.scene.size)
    bank.two[number] = len(clip.scene.actors) == 2
    bank.tall[number] = clip.scene.size == TALL


def encode_long(folder: Path, *, seed: int, count: int, processes: int) -> None:
    """Draw and encode clips of 81 frames; goes on where it was stopped.

    Args:
        folder: Work folder with the speech bank, its encoder and the trained VAE.
        seed: Seed of the short clips.
        count: Number of clips; those whose sound is too short are left out.
        processes: Processes, one thread each.
    """
    missing = missing_rows(folder / "long", ARRAYS, count)
    tasks = [(folder, seed + OTHER_SEED, int(number)) for number in missing]
    run_tasks(_encode_one, tasks, processes=processes, name="long")
