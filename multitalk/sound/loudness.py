"""Integrated loudness after ITU-R BS.1770-4, measured in two ways that agree within 0.001 LU.

`measure_loudness` is pyloudnorm itself: it decides what the speech encoder hears and stays with the
bits of that library, which holds a sound several times in float64: 1 GB for ten minutes of 48 kHz
stereo. `track_loudness` is for people, who look at long tracks: the library's filters and its
gates, piece by piece, five times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..config import LOUDNESS_LUFS, MIN_LOUDNESS_S
from ..words import count

MAX_LOUDNESS_CHANNELS = 5
GATE_DB = 10.0  # what is this far below the mean does not count
PIECE = 100  # hops or frames worked on at once: fast, and an hour needs little memory

_UNMEASURABLE_LUFS = 100.0  # |loudness| beyond this is silence (minus infinity)
_SILENCE_LUFS = -70.0  # the absolute gate
_FULL_SCALE_LUFS = -0.691  # of a mean square of 1
_CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
_HOP_S = 0.1  # blocks begin this far apart
_BLOCK_HOPS = round(MIN_LOUDNESS_S / _HOP_S)
_Numbers: TypeAlias = npt.NDArray[np.float64]


def measure_loudness(waveform: Tensor, sample_rate: int) -> float | None:
    """Integrated loudness of [C, A] float32 in LUFS, with the bits of pyloudnorm.

    None for silence and for sounds shorter than one block of 0.4 s.

    Raises:
        ValueError: If there are more channels than BS.1770 weighs.
    """
    if len(waveform) > MAX_LOUDNESS_CHANNELS:
        raise ValueError(
            f"The sound has {count(len(waveform), 'channel')}; loudness is defined for up to "
            f"{MAX_LOUDNESS_CHANNELS}. Mix it down to stereo first."
        )
    if _is_short(waveform, sample_rate):
        return None
    import pyloudnorm

    samples = waveform.T.double().cpu().numpy()
    # pyloudnorm takes the logarithm of zero for silence and says so; None is our answer to that.
    with np.errstate(divide="ignore", invalid="ignore"):
        return _measurable(float(pyloudnorm.Meter(sample_rate).integrated_loudness(samples)))


def track_loudness(waveform: Tensor, sample_rate: int) -> float | None:
    """As `measure_loudness` in little memory; more than five channels count as their mean.

    Source: ITU-R BS.1770-4, annex 1.
    """
    if _is_short(waveform, sample_rate):
        return None
    if len(waveform) > MAX_LOUDNESS_CHANNELS:
        waveform = waveform.mean(0, keepdim=True)
    channels = [np.concatenate([*_weighted_hops(channel, sample_rate)]) for channel in waveform]
    hops = np.array(_CHANNEL_WEIGHTS[: len(channels)]) @ np.stack(channels)
    num_blocks = round((waveform.shape[-1] / sample_rate - MIN_LOUDNESS_S) / _HOP_S) + 1
    hops = np.pad(hops, (0, max(0, num_blocks + _BLOCK_HOPS - 1 - len(hops))))
    blocks = np.lib.stride_tricks.sliding_window_view(hops, _BLOCK_HOPS).sum(-1)[:num_blocks]
    powers = blocks / (MIN_LOUDNESS_S * sample_rate)
    heard = powers[powers >= 10 ** ((_SILENCE_LUFS - _FULL_SCALE_LUFS) / 10)]
    if not len(heard):
        return None
    gated = heard[heard > heard.mean() * 10 ** (-GATE_DB / 10)]
    return _measurable(_FULL_SCALE_LUFS + 10 * math.log10(gated.mean()))


def loudness_bytes(waveform: Tensor) -> int:
    """About how much memory `normalize_loudness` needs beside its input [C, A]."""
    return 32 * waveform.numel()


def normalize_loudness(
    waveform: Tensor, sample_rate: int, *, target_lufs: float = LOUDNESS_LUFS
) -> tuple[Tensor, float | None]:
    """The waveform [C, A] times one gain, not limited, and its loudness before.

    Silence and sounds shorter than 0.4 s come back untouched, with None.
    """
    loudness = measure_loudness(waveform, sample_rate)
    if loudness is None:
        return waveform, None
    return waveform * loudness_gain(loudness, target_lufs=target_lufs), loudness


def loudness_gain(loudness: float | None, *, target_lufs: float = LOUDNESS_LUFS) -> float:
    """The factor from a loudness in LUFS to another; 1 where it could not be measured."""
    return 1.0 if loudness is None else 10 ** ((target_lufs - loudness) / 20)


def sum_between(values: Tensor, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Sums of [A] between neighbouring bounds; where nothing lies between, the next value."""
    starts = np.minimum(bounds[:-1], len(values) - 1)
    sums: npt.NDArray[np.float64] = np.add.reduceat(values.numpy(), starts)
    return sums


def _is_short(waveform: Tensor, sample_rate: int) -> bool:
    return waveform.shape[-1] < math.ceil(MIN_LOUDNESS_S * sample_rate)


def _measurable(loudness: float) -> float | None:
    return loudness if abs(loudness) <= _UNMEASURABLE_LUFS else None


def _weighted_hops(channel: Tensor, rate: int) -> Iterator[npt.NDArray[np.float64]]:
    """Energy in every 0.1 s of a channel [A], heard as BS.1770 weighs frequencies."""
    import pyloudnorm
    from scipy import signal

    # Its type is said here: a checker that works it out reads scipy for five seconds.
    sosfilt = cast("Callable[..., tuple[_Numbers, _Numbers]]", signal.sosfilt)
    shelf = pyloudnorm.IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf")
    high = pyloudnorm.IIRfilter(0.0, 0.5, 38.0, rate, "high_pass")
    sections = np.array([[*stage.b, *stage.a] for stage in (shelf, high)])
    state = np.zeros((2, 2))
    num_hops = math.ceil(len(channel) / (_HOP_S * rate))
    bounds = np.minimum((np.arange(num_hops + 1) * _HOP_S * rate).astype(np.int64), len(channel))
    bounds[-1] = len(channel)
    for begin in range(0, num_hops, PIECE):
        part = bounds[begin : begin + PIECE + 1]
        samples = channel[part[0] : part[-1]].double().numpy()
        weighted, state = sosfilt(sections, samples, zi=state)
        yield sum_between(torch.from_numpy(weighted).square(), part - part[0])
