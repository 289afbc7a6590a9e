"""How loud a track is, video frame by video frame, and where speech is in it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..config import FRAME_RATE, MIN_LOUDNESS_S
from .audio import MAX_LOUDNESS_CHANNELS, UNMEASURABLE_LUFS, Sound, Track

FLOOR_DB = -60.0  # of full scale; quieter is silence
SPEECH_DB = 18.0  # speech reaches from a track's own loudness down to this much below
GATE_DB = 10.0  # frames this far below the mean do not count for a track's own loudness
MAX_GAP_S = 0.3  # shorter pauses lie within speech

_CHUNK = 100  # frames or hops worked on at once: fast, and an hour needs little memory
_CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
_HOP_S = 0.1  # loudness blocks begin this far apart
_BLOCK_HOPS = round(MIN_LOUDNESS_S / _HOP_S)


def frame_levels(track: Track, num_frames: int) -> Tensor:
    """Root mean square of the samples in every video frame, over all channels.

    Args:
        track: A recording and its place.
        num_frames: Video frames of the time line.

    Returns:
        [num_frames] float32 in dB of full scale, FLOOR_DB and up; FLOOR_DB outside the recording.
    """
    waveform, rate = track.sound.waveform, track.sound.sample_rate
    num_samples = waveform.shape[-1]
    first = math.floor(track.start_s * FRAME_RATE)
    count = math.ceil(track.end_s * FRAME_RATE) - first
    edges = (np.arange(first, first + count + 1) / FRAME_RATE - float(track.start_s)) * rate
    # Halves go up, also those that came out a little less.
    bounds = np.clip(np.floor(edges + 0.5 + 1e-6).astype(np.int64), 0, num_samples)
    powers = np.zeros(num_frames)
    for begin in range(0, count, _CHUNK):
        part = bounds[begin : begin + _CHUNK + 1]
        sums = _sums(waveform[:, part[0] : part[-1]].double().square().mean(0), part - part[0])
        place = powers[first + begin : first + begin + len(sums)]
        place[:] = (sums / np.maximum(1, np.diff(part)))[: len(place)]
    levels = 10 * np.log10(np.maximum(powers, 10 ** (FLOOR_DB / 10)))
    return torch.from_numpy(levels).float()


def find_speech(levels: Tensor) -> Tensor:
    """Frames in which somebody speaks, measured against the track's own loudness.

    Args:
        levels: [F] as `frame_levels`.

    Returns:
        [F] bool.
    """
    powers = 10 ** (levels.double() / 10)
    heard = powers[levels > FLOOR_DB]
    if not len(heard):
        return torch.zeros(len(levels), dtype=torch.bool)
    loud = heard[heard >= heard.mean() * 10 ** (-GATE_DB / 10)]
    active = (powers >= loud.mean() * 10 ** (-SPEECH_DB / 10)) & (levels > FLOOR_DB)
    times = torch.nonzero(active)[:, 0]
    gaps = times.diff()
    short = (gaps > 1) & (gaps - 1 <= MAX_GAP_S * FRAME_RATE)
    steps = torch.zeros(len(levels) + 1, dtype=torch.long)
    steps[times[:-1][short]] += 1
    steps[times[1:][short]] -= 1
    return active | (steps.cumsum(0)[:-1] > 0)


def track_loudness(sound: Sound) -> float | None:
    """Integrated loudness as `audio.measure_loudness`, but five times as fast.

    That one decides what the speech encoder hears and stays with the bits of its library, which
    holds a sound several times in float64: 1 GB for ten minutes of 48 kHz stereo. This one is for
    people, who look at long tracks. More than five channels count as their mean.

    Args:
        sound: Any length and number of channels.

    Returns:
        LUFS, or None for silence and for sounds shorter than one block of 0.4 s.

    Source: ITU-R BS.1770-4, annex 1.
    """
    waveform, rate = sound.waveform, sound.sample_rate
    if waveform.shape[-1] < math.ceil(MIN_LOUDNESS_S * rate):
        return None
    if len(waveform) > MAX_LOUDNESS_CHANNELS:
        waveform = waveform.mean(0, keepdim=True)
    channels = [np.concatenate([*_weighted_hops(channel, rate)]) for channel in waveform]
    hops = np.array(_CHANNEL_WEIGHTS[: len(channels)]) @ np.stack(channels)
    num_blocks = round((waveform.shape[-1] / rate - MIN_LOUDNESS_S) / _HOP_S) + 1
    hops = np.pad(hops, (0, max(0, num_blocks + _BLOCK_HOPS - 1 - len(hops))))
    blocks = np.lib.stride_tricks.sliding_window_view(hops, _BLOCK_HOPS).sum(-1)[:num_blocks]
    powers = blocks / (MIN_LOUDNESS_S * rate)
    heard = powers[powers >= _power(-70.0)]  # the absolute gate
    if not len(heard):
        return None
    gated = heard[heard > heard.mean() * 10 ** (-GATE_DB / 10)]
    loudness = -0.691 + 10 * math.log10(gated.mean())
    return loudness if abs(loudness) <= UNMEASURABLE_LUFS else None


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _weighted_hops(channel: Tensor, rate: int) -> Iterator[npt.NDArray[np.float64]]:
    """Energy in every 0.1 s of a channel [A], heard as BS.1770 weighs frequencies."""
    import pyloudnorm
    from scipy import signal

    shelf = pyloudnorm.IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf")
    high = pyloudnorm.IIRfilter(0.0, 0.5, 38.0, rate, "high_pass")
    sections = np.array([[*stage.b, *stage.a] for stage in (shelf, high)])
    state = np.zeros((2, 2))
    num_hops = math.ceil(len(channel) / (_HOP_S * rate))
    bounds = np.minimum((np.arange(num_hops + 1) * _HOP_S * rate).astype(np.int64), len(channel))
    bounds[-1] = len(channel)
    for begin in range(0, num_hops, _CHUNK):
        part = bounds[begin : begin + _CHUNK + 1]
        samples = channel[part[0] : part[-1]].double().numpy()
        weighted, state = signal.sosfilt(sections, samples, zi=state)
        yield _sums(torch.from_numpy(weighted).square(), part - part[0])


def _sums(values: Tensor, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Sums of [A] between neighbouring bounds; where nothing lies between, the next value."""
    starts = np.minimum(bounds[:-1], len(values) - 1)
    sums: npt.NDArray[np.float64] = np.add.reduceat(values.numpy(), starts)
    return sums
