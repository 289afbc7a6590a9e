"""Step cache (TeaCache): steps whose blocks are skipped, known before the run.

The signal, the modulation input of the blocks, depends on the timestep alone, so the decisions are
made once per run in float32, and every pass follows the same plan.

Source: Liu et al. 2024, "Timestep Embedding Tells: It's Time to Cache"; sampling.md section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import SizeClass

# Polynomials from relative change of the modulation to change of the output, highest power first.
COEFFICIENTS: dict[SizeClass, tuple[float, ...]] = {
    "480": (2.57151496e5, -3.54229917e4, 1.40286849e3, -1.35890334e1, 1.32517977e-1),
    "720": (8.10705460e3, 2.13393892e3, -3.72934672e2, 1.66203073e1, -4.17769401e-2),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCacheSettings:
    """How much change may accumulate, and how it is estimated."""

    threshold: float  # larger is faster and less exact
    coefficients: tuple[float, ...]  # highest power first
    always_computed: int = 5  # first steps that are never reused


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCachePlan:
    """Decision per step, and the numbers behind it."""

    compute: tuple[bool, ...]  # False: the stored residual is added instead of running the blocks
    distances: tuple[float, ...]  # relative change of the signal, 0 for steps always computed
    accumulated: tuple[float, ...]  # after the decision

    @property
    def num_reused(self) -> int:
        """Steps that run no block."""
        return self.compute.count(False)


def plan_steps(signals: Tensor, settings: StepCacheSettings) -> StepCachePlan:
    """Decide whether the blocks run, by the modulation input [steps, ...] float32 of each step."""
    compute, distances, accumulated = [], [], []
    total = 0.0
    for step in range(len(signals)):
        distance = 0.0
        if step >= settings.always_computed:
            previous = signals[step - 1]
            distance = float((signals[step] - previous).abs().mean() / previous.abs().mean())
            change = 0.0
            for coefficient in settings.coefficients:
                change = change * distance + coefficient
            total += change
        needed = step < settings.always_computed or total >= settings.threshold
        if needed:
            total = 0.0
        compute.append(needed)
        distances.append(distance)
        accumulated.append(total)
    return StepCachePlan(
        compute=tuple(compute), distances=tuple(distances), accumulated=tuple(accumulated)
    )


class StepCache:
    """Residuals of one window, one per pass."""

    def __init__(self, plan: StepCachePlan) -> None:
        self.plan = plan
        self.step = 0
        self._residuals: dict[str, Tensor] = {}

    @property
    def computes(self) -> bool:
        """Whether the blocks run in the current step; steps beyond the plan always run."""
        return self.step >= len(self.plan.compute) or self.plan.compute[self.step]

    def store(self, passes: Sequence[str], before: Tensor, after: Tensor) -> None:
        """Remember what the blocks added: one row [L, dim] of the batch per pass."""
        for name, residual in zip(passes, (after - before).unbind(0), strict=True):
            self._residuals[name] = residual

    def reuse(self, passes: Sequence[str], tokens: Tensor) -> Tensor:
        """Add the stored residuals to tokens [B, L, dim], one row per pass."""
        residuals = torch.stack([self._residuals[name].to(tokens.device) for name in passes])
        return tokens + residuals
