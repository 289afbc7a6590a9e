"""Sounds for tests of sound."""

from __future__ import annotations

import math

import torch

RATE = 16000


def tone(seconds, rate=RATE, *, amplitude=0.1, hertz=440.0, channels=1):
    times = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return (amplitude * torch.sin(2 * math.pi * hertz * times)).float().expand(channels, -1)
