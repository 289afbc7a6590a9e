"""Dubbing measured: a drawn film in which something else is said gets new mouths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pack.tools.lab.cast import KINDS, SEED, Clip, Kind, load_voices, make_clip, speak
from pack.tools.lab.measures import Take, bind, own_r
from pack.tools.toy.speech import opening_curve

FEATHER_PX = 6
MARGIN_PX = 4
"""Around the place in which a mouth moves; the fade lies there, so that the mouth is new wholly."""
STRENGTHS = (1.0, 0.9, 0.8, 0.6)
CAST: tuple[tuple[Kind, int], ...] = (
    *(("one_face", 0), ("one_face", 2), ("turns", 0), ("together", 0)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dub:
    """A film, and what is to be said in it instead."""

    clip: Clip
    """The people, and the new voices."""
    old: np.ndarray
    """Mouths of the film, [S, F]."""

    @property
    def source(self) -> np.ndarray:
        """The film, [F, H, W, 3] uint8."""
        return self.clip.scene.film(self.old)

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Region of each mouth: x, y, width, height."""
        width, height = self.clip.scene.size
        boxes = []
        for rows, columns in self.clip.areas:
            top, bottom = max(0, rows.start - MARGIN_PX), min(height, rows.stop + MARGIN_PX)
            left, right = max(0, columns.start - MARGIN_PX), min(width, columns.stop + MARGIN_PX)
            boxes.append((left, top, right - left, bottom - top))
        return boxes

    @property
    def outside(self) -> np.ndarray:
        """Pixels that no region holds, [H, W] bool."""
        width, height = self.clip.scene.size
        free = np.ones((height, width), np.bool_)
        for x, y, wide, high in self.boxes:
            free[y : y + high, x : x + wide] = False
        return free


@dataclass(frozen=True, kw_only=True, slots=True)
class Dubbed:
    """What became of it."""

    dub: Dub
    talking: np.ndarray
    """Frames of the sampler, [F, H, W, 3] uint8."""
    source: np.ndarray
    """Frames of the film as Mouth Only took them, [F, H, W, 3] float32 in 0..1."""
    laid: np.ndarray
    """What it gave, likewise."""


def make_dub(kind: Kind, number: int) -> Dub:
    """A clip of the cast, in whose film everybody says something else.

    Args:
        kind: Who is seen and who talks.
        number: Which of its kind.
    """
    clip = make_clip(kind, number)
    random = np.random.default_rng([SEED, number, len(kind)])
    voices = load_voices()
    old = [
        opening_curve(speak(random, voices[i], clip.num_frames), clip.num_frames)
        for i in random.choice(len(voices), len(clip.lines), replace=False)
    ]
    return Dub(clip=clip, old=np.stack(old))


def summarise_dubs(takes: Sequence[Dubbed]) -> dict[str, float]:
    """How well new mouths follow the new voices, and what is left of the film.

    Args:
        takes: Dubbed films of the same settings.

    Returns:
        Means over faces of the correlation with the new voice, of the dubbed film and of the
        sampler's own frames, and with what was said in the film; share of pixels outside of all
        regions, and how many of those are the film's own, bit for bit: 1 is all of them.
    """
    laid = [Take(clip=take.dub.clip, frames=to_8_bit(take.laid)) for take in takes]
    talking = [Take(clip=take.dub.clip, frames=take.talking) for take in takes]
    old = [
        np.diag(bind(shown.mouths, take.dub.old)) for shown, take in zip(laid, takes, strict=True)
    ]
    kept = [same_pixels(take)[:, take.dub.outside] for take in takes]
    return {
        "dub_r": float(np.mean(own_r(laid, KINDS))),
        "dub_talking_r": float(np.mean(own_r(talking, KINDS))),
        "dub_old_voice_r": float(np.nanmean(np.concatenate(old))),
        "dub_outside": float(np.mean([take.dub.outside.mean() for take in takes])),
        "dub_identical": float(np.concatenate([each.ravel() for each in kept]).mean()),
    }


def to_8_bit(frames: np.ndarray) -> np.ndarray:
    """Frames in 0..1 as uint8."""
    return np.rint(frames * 255).clip(0, 255).astype(np.uint8)


def same_pixels(take: Dubbed) -> np.ndarray:
    """Which pixels are the film's own, bit for bit: [F, H, W]."""
    return (take.laid.view(np.uint32) == take.source.view(np.uint32)).all(-1)
