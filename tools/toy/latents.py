"""Everything the denoiser trains on, encoded once: latents, conditions, speech, speakers.

Each clip plays one part of a long video (`KINDS`): its beginning or the continuation of a window,
under the rules of MultiTalk or of InfiniteTalk. Frames that a later window starts from went through
the VAE once and are spoiled a little, while the target is clean: so the model learns to repair what
would otherwise add up from window to window.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.config import LATENT_CHANNELS
from pack.multitalk.speakers import Box, latent_masks, masks_from_boxes, token_masks
from pack.multitalk.windows import audio_windows
from pack.tools.toy.clips import WINDOW, ClipBank, make_clip, open_clips
from pack.tools.toy.encoder import features, load_encoder
from pack.tools.toy.frozen_vae import decode, encode, load_folded, normalize
from pack.tools.toy.speech import load_bank
from pack.tools.toy.stored import Task, missing_rows, open_rows, run_tasks
from pack.tools.toy.vae import VideoVae
from pack.tools.toy.vae_train import to_network
from pack.tools.toy.world import TALL, WIDE

LATENT_FRAMES = 9
CELLS = WIDE[0] * WIDE[1] // 64
TOKENS = CELLS // 4
OVERLAP_LATENTS = 3
MOUTH_WEIGHT = 5.0
ENCODER_SHAPE = (4, 64)

Kind = Literal["begin", "multitalk", "infinitetalk", "infinite_begin"]
KINDS: tuple[Kind, ...] = ("begin", "multitalk", "infinitetalk", "infinite_begin")
SHARES = (0.42, 0.34, 0.16, 0.08)
KNOWN = {"begin": 1, "multitalk": OVERLAP_LATENTS, "infinitetalk": 1, "infinite_begin": 1}
"""Latent frames of the condition that are no grey."""
PINNED = {
    "begin": 0,
    "multitalk": OVERLAP_LATENTS,
    "infinitetalk": OVERLAP_LATENTS,
    "infinite_begin": 1,
}
"""Latent frames that the sampler writes over before every call."""

ARRAYS = {
    "target": ((LATENT_CHANNELS, LATENT_FRAMES, CELLS), np.float16),
    "condition": ((LATENT_CHANNELS, LATENT_FRAMES, CELLS), np.float16),
    "motion": ((LATENT_CHANNELS, OVERLAP_LATENTS, CELLS), np.float16),
    "speech": ((2, WINDOW, 5, *ENCODER_SHAPE), np.float16),
    "masks": ((3, TOKENS), np.bool_),
    "mouths": ((CELLS,), np.float32),
    "kind": ((), np.int8),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentBank:
    """Encoded clips on disk, memory-mapped; tall clips have the same number of cells as wide."""

    target: np.ndarray
    """[N, 16, 9, h*w], normalised as the host does."""
    condition: np.ndarray
    """[N, 16, 9, h*w]: known frames, then grey."""
    motion: np.ndarray
    """[N, 16, 3, h*w]: what a later window starts from."""
    speech: np.ndarray
    """[N, 2, 33, 5, M, E]."""
    masks: np.ndarray
    """[N, 3, tokens]: both speakers, background."""
    mouths: np.ndarray
    """[N, h*w]: weight of the loss, larger under a mouth."""
    kind: np.ndarray
    """[N] index into KINDS."""


def open_latents(folder: Path, *, mode: str = "r") -> tuple[LatentBank, np.ndarray]:
    """Encoded clips and which of them are done."""
    arrays = open_rows(folder / "latents", ARRAYS, mode=mode)
    done = arrays.pop("done")
    return LatentBank(**arrays), done


def spoil(frames: Tensor, random: np.random.Generator) -> Tensor:
    """Colors a little off, softer, noisier: what one window hands to the next, and worse.

    Args:
        frames: [1, 3, F, H, W] in -1..1.
        random: Source of numbers.
    """
    gain = torch.tensor(random.uniform(0.95, 1.06, (1, 3, 1, 1, 1)), dtype=torch.float32)
    shift = torch.tensor(random.normal(0, 0.025, (1, 3, 1, 1, 1)), dtype=torch.float32)
    frames = frames * gain + shift
    if random.random() < 0.5:
        share = random.uniform(0, 0.5)
        soft = torch.nn.functional.avg_pool3d(
            frames, (1, 3, 3), stride=1, padding=(0, 1, 1), count_include_pad=False
        )
        frames = frames + share * (soft - frames)
    noise = torch.from_numpy(random.standard_normal(frames.shape, np.float32))
    return (frames + random.uniform(0, 0.02) * noise).clamp(-1, 1)


def with_grey(frames: Tensor) -> Tensor:
    """Pad [1, 3, F, H, W] with mid grey to a whole window."""
    return torch.nn.functional.pad(frames, (0, 0, 0, 0, 0, WINDOW - frames.shape[2]))


def grey_film(vae: VideoVae, height: int, width: int) -> Tensor:
    """Raw latents [1, 16, 9, h, w] of mid grey."""
    return encode(vae, torch.zeros(1, 3, WINDOW, height, width))


def encode_clip(
    vae: VideoVae, clips: ClipBank, number: int, kind: Kind, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Target [16, 9, h, w], condition [16, 9, h, w] and motion [16, 3, h, w] of one clip."""
    film = to_network(clips.film(number)[None])
    target = encode(vae, film)
    picture = to_network(clips.picture(number)[None, None])
    if kind in ("begin", "infinite_begin"):
        condition = encode(vae, with_grey(film[:, :, :1]))
        motion = condition[:, :, :OVERLAP_LATENTS].clone()
    else:
        tail = spoil(decode(vae, target[:, :, :OVERLAP_LATENTS]), random)
        if kind == "multitalk":
            condition = encode(vae, with_grey(tail))
            motion = condition[:, :, :OVERLAP_LATENTS]
        else:
            condition = encode(vae, with_grey(picture))
            motion = encode(vae, tail)
    motion = normalize(motion)
    motion[:, :, PINNED[kind] :] = 0
    return normalize(target)[0], normalize(condition)[0], motion[0]


def speaker_tokens(clips: ClipBank, number: int) -> np.ndarray:
    """Token masks [3, tokens] of a clip; without a second speaker all ones."""
    boxes = [box for box in clips.boxes[number] if box.any()]
    return speaker_masks(boxes, *(TALL if clips.tall[number] else WIDE))


def speaker_masks(boxes: Sequence[Sequence[float]], width: int, height: int) -> np.ndarray:
    """Token masks [3, tokens] of both speakers and the rest; of a single speaker all ones.

    Args:
        boxes: x, y, width, height in pixels of each head.
        width: Pixels of the frame.
        height: Pixels of the frame.
    """
    if len(boxes) == 1:
        return np.ones((3, TOKENS), np.bool_)
    drawn = [Box(x=float(x), y=float(y), width=float(w), height=float(h)) for x, y, w, h in boxes]
    masks, _ = masks_from_boxes(drawn, height, width)
    return token_masks(latent_masks(masks, height, width)).numpy() > 0


def mouth_weights(areas: Iterable[Sequence[int]], width: int, height: int) -> np.ndarray:
    """1, and more on latent cells under a mouth, [h*w].

    Args:
        areas: Top, bottom, left and right of each mouth in pixels; zeros: there is none.
        width: Pixels of the frame.
        height: Pixels of the frame.
    """
    weights = np.ones((height // 8, width // 8), np.float32)
    for area in areas:
        weights[mouth_cells(area)] = MOUTH_WEIGHT
    return weights.reshape(-1)


def mouth_cells(area: Sequence[int]) -> tuple[slice, slice]:
    """Latent cells under a mouth's area, none if it is all zeros."""
    top, bottom, left, right = map(int, area)
    return slice(top // 8, -(-bottom // 8)), slice(left // 8, -(-right // 8))


def clip_speech(folder: Path, *, seed: int, number: int) -> Tensor:
    """Speech windows [S, 33, 5, M, E] of a clip, from its whole tracks."""
    clip = make_clip(_bank(folder), seed=seed, number=number)
    tracks = []
    for waveform in clip.waveforms:
        ended = np.trim_zeros(waveform, "b")
        tracks.append(features(_encoder(folder), torch.from_numpy(ended), clip.num_frames))
    return audio_windows(tracks, clip.start, WINDOW)


@functools.cache
def _bank(folder: Path) -> list[np.ndarray]:
    return load_bank(folder)


@functools.cache
def _encoder(folder: Path):
    torch.set_num_threads(1)
    return load_encoder(folder)


@functools.cache
def _vae(folder: Path) -> VideoVae:
    return load_folded(folder)


def _encode_one(task: Task) -> None:
    folder, seed, number = task
    bank, done = open_latents(folder, mode="r+")
    clips, _ = open_clips(folder)
    random = np.random.default_rng([seed, number, 1])
    kind = int(random.choice(len(KINDS), p=SHARES))
    arrays = encode_clip(_vae(folder), clips, number, KINDS[kind], random)
    for name, latents in zip(("target", "condition", "motion"), arrays, strict=True):
        getattr(bank, name)[number] = latents.flatten(2).numpy()
    speech = clip_speech(folder, seed=seed, number=number).numpy()
    bank.speech[number, : len(speech)] = speech
    bank.masks[number] = speaker_tokens(clips, number)
    size = TALL if clips.tall[number] else WIDE
    bank.mouths[number] = mouth_weights(clips.areas[number], *size)
    bank.kind[number] = kind
    done[number] = True


def encode_clips(folder: Path, *, seed: int, processes: int) -> None:
    """Encode all drawn clips; goes on where it was stopped.

    Args:
        folder: Work folder.
        seed: Seed the clips were drawn with.
        processes: Encoding processes, one thread each.
    """
    _, drawn = open_clips(folder)
    missing = missing_rows(folder / "latents", ARRAYS, len(drawn))
    tasks = [(folder, seed, int(number)) for number in missing if drawn[number]]
    run_tasks(_encode_one, tasks, processes=processes, name="latents")
