"""How loud a track is, video frame by video frame, and where speech is in it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..config import FRAME_RATE
from .audio import Track
from .loudness import GATE_DB, PIECE, sum_between

FLOOR_DB = -60.0  # of full scale; quieter is silence
SPEECH_DB = 18.0  # speech reaches from a track's own loudness down to this much below
MAX_GAP_S = 0.3  # shorter pauses lie within speech


def frame_levels(track: Track, num_frames: int) -> Tensor:
    """Root mean square of the samples in every video frame of the time line, over all channels.

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
    for begin in range(0, count, PIECE):
        part = bounds[begin : begin + PIECE + 1]
        energies = waveform[:, part[0] : part[-1]].double().square().mean(0)
        sums = sum_between(energies, part - part[0])
        place = powers[first + begin : first + begin + len(sums)]
        place[:] = (sums / np.maximum(1, np.diff(part)))[: len(place)]
    levels = 10 * np.log10(np.maximum(powers, 10 ** (FLOOR_DB / 10)))
    return torch.from_numpy(levels).float()


def find_speech(levels: Tensor) -> Tensor:
    """Frames in which somebody speaks, [F] bool, by `frame_levels` and the track's own loudness."""
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
