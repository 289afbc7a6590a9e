"""Noise levels of one window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def shifted_sigmas(steps: int, shift: float) -> Tensor:
    """Noise levels from pure noise to clean.

    Args:
        steps: Denoising steps, at least 1.
        shift: Timestep shift; larger spends more steps at high noise.

    Returns:
        [steps + 1] float32, first 1, last 0. Timesteps are 1000 times these.

    Source: sampling.md section 4, step 6: linspace(1000, 1, steps), then 0, each u = t / 1000 put
        through shift u / (1 + (shift - 1) u).
    """
    spacing = torch.from_numpy(np.linspace(1000, 1, steps, dtype=np.float32)) / 1000
    levels = torch.cat([spacing, spacing.new_zeros(1)])
    return shift * levels / (1 + (shift - 1) * levels)
