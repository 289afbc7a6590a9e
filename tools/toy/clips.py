"""Training clips: who is seen, what is heard, and the drawn frames.

A clip is one window of 33 frames cut from a longer track, because the speech encoder looks at whole
tracks. Everything follows from the seed and the clip's number, so that later stages make the same
sound again instead of storing it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pack.multitalk.config import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from pack.tools.toy.speech import load_bank, opening_curve
from pack.tools.toy.stored import Task, missing_rows, open_rows, run_tasks
from pack.tools.toy.world import TALL, WIDE, Scene, mouth_area, random_scene

WINDOW = 33
PICTURE_BYTES = 3 * WIDE[0] * WIDE[1]
TALL_SHARE = 0.12
NUM_EVALUATED = 8
SHUT = 0.04
"""Mouth of the picture that a video starts from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """What one clip shows and what is heard."""

    scene: Scene
    waveforms: tuple[np.ndarray, ...]
    """One track [A] per person, all equally long, 16 kHz; silence is exact zeros."""
    start: int
    """First frame of the clip on the tracks and in the film."""
    picture_frame: int
    """Number of the frame that serves as the picture of a later window."""

    @property
    def num_frames(self) -> int:
        """Frames of the whole tracks."""
        return len(self.waveforms[0]) // SAMPLES_PER_FRAME

    def openings(self) -> np.ndarray:
        """Mouths [S, 33] of the clip, as the whole tracks open them."""
        curves = np.stack([opening_curve(w, self.num_frames) for w in self.waveforms])
        return curves[:, self.start : self.start + WINDOW]


def make_clip(bank: Sequence[np.ndarray], *, seed: int, number: int) -> Clip:
    """Choose everything about one clip.

    Half of the clips show one person. Of two people both talk in half of the clips; else one is
    silent, or they take turns, each with long digital silence on the track.

    Args:
        bank: Spoken waveforms [A] at 16 kHz.
        seed: Seed of the whole bank of clips.
        number: Number of the clip.
    """
    random = np.random.default_rng([seed, number])
    people = 1 + int(number % 2)
    tall = people == 1 and random.random() < 2 * TALL_SHARE
    scene = random_scene(random, people=people, size=TALL if tall else WIDE)
    chosen = [bank[i] for i in random.choice(len(bank), 2, replace=False)]
    first, second = _one_track(random, chosen) if people == 1 else _two_tracks(random, chosen)
    length = max(len(first), len(second)) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
    tracks = [np.pad(t, (0, max(0, length - len(t))))[:length] for t in (first, second)]
    start = int(random.integers(0, length // SAMPLES_PER_FRAME - WINDOW))
    return Clip(
        scene=scene,
        waveforms=tuple(tracks[:people]),
        start=start,
        picture_frame=start - int(random.integers(20, 200)),
    )


def _silence(random: np.random.Generator, low_s: float, high_s: float) -> np.ndarray:
    return np.zeros(int(random.uniform(low_s, high_s) * SAMPLE_RATE_HZ), np.float32)


def _one_track(
    random: np.random.Generator, speech: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Speech, often with silence around it; sometimes nothing at all."""
    kind = random.random()
    track = speech[0]
    if kind < 0.06:
        track = np.zeros_like(track)
    elif kind < 0.4:
        track = np.concatenate((_silence(random, 0, 2), track, _silence(random, 0, 3)))
    return track, track


def _two_tracks(
    random: np.random.Generator, speech: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Both talk, one listens, or they take turns."""
    first, second = speech
    kind = random.random()
    if kind < 0.45:
        return first, second
    if kind < 0.65:
        pair = (first, np.zeros_like(first))
    else:
        gap = _silence(random, 0, 0.8)
        pair = (
            np.concatenate((first, gap, np.zeros_like(second))),
            np.concatenate((np.zeros_like(first), gap, second)),
        )
    return pair if random.random() < 0.5 else (pair[1], pair[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipBank:
    """Drawn clips on disk, memory-mapped."""

    frames: np.ndarray
    """[N, 33 * H * W * 3] uint8; tall and wide clips have the same number of bytes."""
    pictures: np.ndarray
    """[N, H * W * 3] uint8, the same scenes at another time with the mouths shut."""
    tall: np.ndarray
    """[N] bool."""
    areas: np.ndarray
    """[N, 2, 4] top, bottom, left, right of each mouth; zeros if there is no second one."""
    openings: np.ndarray
    """[N, 2, 33]."""
    boxes: np.ndarray
    """[N, 2, 4] x, y, width, height of each head; zeros if there is no second one."""

    def __len__(self) -> int:
        return len(self.tall)

    @property
    def num_trained(self) -> int:
        """The clips after these are not trained on."""
        return len(self) - min(NUM_EVALUATED, len(self) // 4)

    def film(self, number: int) -> np.ndarray:
        """Frames [33, H, W, 3] of one clip."""
        width, height = TALL if self.tall[number] else WIDE
        return self.frames[number].reshape(WINDOW, height, width, 3)

    def picture(self, number: int) -> np.ndarray:
        """Picture [H, W, 3] of one clip."""
        width, height = TALL if self.tall[number] else WIDE
        return self.pictures[number].reshape(height, width, 3)


ARRAYS = {
    "frames": ((WINDOW * PICTURE_BYTES,), np.uint8),
    "pictures": ((PICTURE_BYTES,), np.uint8),
    "tall": ((), np.bool_),
    "areas": ((2, 4), np.int32),
    "openings": ((2, WINDOW), np.float32),
    "boxes": ((2, 4), np.int32),
}


def open_clips(folder: Path, *, mode: str = "r") -> tuple[ClipBank, np.ndarray]:
    """Drawn clips and which of them are done.

    Args:
        folder: Work folder.
        mode: As of numpy's memmap.
    """
    arrays = open_rows(folder / "clips", ARRAYS, mode=mode)
    done = arrays.pop("done")
    return ClipBank(**arrays), done


@functools.cache
def _bank(folder: Path) -> list[np.ndarray]:
    return load_bank(folder)


def _draw_one(task: Task) -> None:
    folder, seed, number = task
    clips, done = open_clips(folder, mode="r+")
    clip = make_clip(_bank(folder), seed=seed, number=number)
    openings = clip.openings()
    clips.frames[number] = clip.scene.film(openings, start=clip.start).reshape(-1)
    shut = [SHUT] * len(clip.scene.actors)
    clips.pictures[number] = clip.scene.frame(clip.picture_frame, shut).reshape(-1)
    clips.tall[number] = clip.scene.size == TALL
    clips.openings[number, : len(openings)] = openings
    for i, (actor, box) in enumerate(zip(clip.scene.actors, clip.scene.boxes, strict=True)):
        rows, columns = mouth_area(actor.head)
        clips.areas[number, i] = rows.start, rows.stop, columns.start, columns.stop
        clips.boxes[number, i] = box
    done[number] = True


def draw_clips(folder: Path, *, seed: int, count: int, processes: int) -> None:
    """Draw the bank of clips; goes on where it was stopped.

    Args:
        folder: Work folder with the speech bank.
        seed: Seed of the clips.
        count: Number of clips.
        processes: Drawing processes.
    """
    missing = missing_rows(folder / "clips", ARRAYS, count)
    tasks = [(folder, seed, int(number)) for number in missing]
    run_tasks(_draw_one, tasks, processes=processes, name="draw")
