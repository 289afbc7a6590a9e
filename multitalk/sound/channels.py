"""Channels of a recording: one of many for the speech encoder, and how loud all of them may be."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import SAMPLE_RATE_HZ

CEILING = 10 ** (-1 / 20)  # -1 dB of full scale, as EBU R 128 asks: above it AAC distorts
CANCELLED = 0.5  # of the energy that channels which have nothing in common leave in their mean
CANCELLED_SHARE = 0.1  # of all energy; so much may lie in seconds in which channels cancel
_PIECE = 1 << 20  # samples worked on at once: little memory, however long the sound


def to_mono(waveform: Tensor, sample_rate: int = SAMPLE_RATE_HZ) -> Tensor:
    """Mean over channels, [C, A] to [A]; the loudest channel where the mean would cancel them."""
    channel = kept_channel(waveform, sample_rate)
    return waveform.mean(0) if channel is None else waveform[channel]


def kept_channel(waveform: Tensor, sample_rate: int) -> int | None:
    """The loudest channel of [C, A], from 0, if the mean over channels loses the sound; else None.

    Inverted channels cancel in their mean. It is told second by second, by what the mean has left
    of the energy: a mean of equal channels all of it, a mean of N unlike ones an Nth.
    """
    count, length = waveform.shape
    if count < 2 or not length:
        return None
    energies, lost = torch.zeros(count, dtype=torch.float64), 0.0
    seconds = max(1, _PIECE // sample_rate)
    for part in waveform.split(seconds * sample_rate, dim=1):
        parts = part.double()
        own = _energies(parts, sample_rate)  # [C, seconds]
        left = _energies(parts.mean(0, keepdim=True), sample_rate)[0]
        energies += own.sum(1)
        whole = own.sum(0)
        lost += float(whole[count**2 * left < CANCELLED * whole].sum())
    if lost <= CANCELLED_SHARE * float(energies.sum()):
        return None
    return int(energies.argmax())


def _energies(waveform: Tensor, sample_rate: int) -> Tensor:
    """Energy of every second of [C, A], the last one shorter: [C, seconds]."""
    squares = waveform.square()
    return torch.stack([part.sum(1) for part in squares.split(sample_rate, dim=1)], 1)


def peak(waveform: Tensor) -> float:
    """The largest size of a sample; 1 is full scale, and 0 where there is none."""
    if not waveform.numel():
        return 0.0
    lowest, highest = waveform.aminmax()
    return max(-float(lowest), float(highest))


def within_full_scale(waveform: Tensor) -> Tensor:
    """The waveform, turned down as a whole to -1 dB of full scale if a sample lies beyond it.

    What lies within -1..1 comes back itself, with its bits.
    """
    highest = peak(waveform)
    return waveform * (CEILING / highest) if highest > 1 else waveform


def count_bad(waveform: Tensor) -> int:
    """How many samples of [C, A] are no finite numbers."""
    parts = waveform.split(_PIECE, dim=1)
    return sum(part.numel() - int(torch.isfinite(part).sum()) for part in parts)
