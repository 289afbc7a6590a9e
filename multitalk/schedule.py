"""Noise levels of one window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def shifted_sigmas(steps: int, shift: float) -> Tensor:
    """Noise levels from 1, pure noise, to 0, [steps + 1] float32; timesteps are 1000 times these.

    A larger shift spends more steps at high noise.

    Source: sampling.md section 4, step 6: linspace(1000, 1, steps), then 0, each u = t / 1000 put
        through shift u / (1 + (shift - 1) u).
    """
    spacing = torch.from_numpy(np.linspace(1000, 1, steps, dtype=np.float32)) / 1000
    levels = torch.cat([spacing, spacing.new_zeros(1)])
    return shift * levels / (1 + (shift - 1) * levels)
