"""Noise levels of one window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .config import STEP_TABLES, Family


def shifted_sigmas(steps: int, shift: float) -> Tensor:
    """Noise levels from 1, pure noise, to 0, [steps + 1] float32; timesteps are 1000 times these.

    A larger shift spends more steps at high noise.

    Source: sampling.md section 4, step 6: linspace(1000, 1, steps), then 0, each u = t / 1000 put
        through shift u / (1 + (shift - 1) u).
    """
    return _shifted(np.linspace(1000, 1, steps, dtype=np.float32), shift)


def trained_sigmas(family: Family, steps: int, shift: float) -> Tensor:
    """As `shifted_sigmas`, at the timesteps that the weights of a family were distilled for.

    Source: flashtalk.md section 3. Numbers of steps without a table are spaced evenly.
    """
    table = STEP_TABLES.get(family, {}).get(steps)
    if table is None:
        return shifted_sigmas(steps, shift)
    return _shifted(np.array(table, dtype=np.float32), shift)


def _shifted(timesteps: np.ndarray, shift: float) -> Tensor:
    """Timesteps, 1000 to 1, as noise levels with a 0 at the end."""
    spacing = torch.from_numpy(timesteps) / 1000
    levels = torch.cat([spacing, spacing.new_zeros(1)])
    return shift * levels / (1 + (shift - 1) * levels)
