"""Noise levels of one window: as weights were trained, spaced evenly, or given."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .config import STEP_TABLES, Family
from .settings import RunSettings
from .words import count

LEAST_FIRST = 0.9  # below, a window would begin between noise and grey
LEAST_CACHE_STEPS = 20
_ADVICE = "Connect the host's Basic Scheduler with the same MODEL and denoise 1."


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


def even_sigmas(steps: int, shift: float) -> Tensor:
    """As `shifted_sigmas`, with equal steps before the shift: 1, (steps - 1) / steps, ... 0."""
    levels = torch.from_numpy(np.linspace(1, 0, steps + 1, dtype=np.float32))
    return shift * levels / (1 + (shift - 1) * levels)


def noise_levels(settings: RunSettings) -> Tensor:
    """The noise levels of every window of a run, [steps + 1] float32.

    Where windows begin from a noised source video, all steps lie below its share of noise.
    """
    return _levels(settings) * settings.start_strength


def _levels(settings: RunSettings) -> Tensor:
    if settings.sigmas is not None:
        return torch.tensor(settings.sigmas)
    steps, shift = settings.guidance.steps, settings.guidance.shift
    if settings.schedule == "even":
        return even_sigmas(steps, shift)
    return trained_sigmas(settings.family, steps, shift)


def check_sigmas(sigmas: Tensor, *, step_cache: bool) -> tuple[float, ...]:
    """Noise levels that were given, if a whole video can be made with them.

    Raises:
        ValueError: If they do not fall from 1 to 0, or are too few for the step cache.
    """
    levels = tuple(sigmas.detach().float().flatten().tolist())
    if len(levels) < 2 or any(not high > low for high, low in pairwise(levels)):
        raise ValueError(
            f"sigmas holds {count(len(levels), 'number')}, and they must fall from each to the "
            f"next. {_ADVICE}"
        )
    if levels[-1] != 0 or not LEAST_FIRST <= levels[0] <= 1:
        raise ValueError(
            f"sigmas go from {levels[0]:.4g} to {levels[-1]:.4g}; a whole video is made from noise "
            f"at 1 to none at 0. {_ADVICE}"
        )
    if step_cache and len(levels) <= LEAST_CACHE_STEPS:
        raise ValueError(
            f"sigmas holds {count(len(levels) - 1, 'step')} and step_cache is on; the step cache "
            f"needs {LEAST_CACHE_STEPS} or more. Set step_cache to 0."
        )
    return levels


def _shifted(timesteps: np.ndarray, shift: float) -> Tensor:
    """Timesteps, 1000 to 1, as noise levels with a 0 at the end."""
    spacing = torch.from_numpy(timesteps) / 1000
    levels = torch.cat([spacing, spacing.new_zeros(1)])
    return shift * levels / (1 + (shift - 1) * levels)
