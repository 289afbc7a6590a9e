"""What every voice gives: sound with the times of its words."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word and when it is heard, in seconds from the start of the sound."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """A spoken text."""

    waveform: Tensor  # [A] float32 in [-1, 1]
    sample_rate: int  # Hz
    words: tuple[Word, ...]  # in order of time
