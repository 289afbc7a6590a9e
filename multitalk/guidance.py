"""Text and audio guidance: which passes run, and how they are combined.

Predictions are velocities. Passes: full (prompt, audio), negative (negative prompt, audio), silent
(prompt, no audio), bare (negative prompt, no audio). "No audio" is one track of zero features, as
trained, not encoded silence.

Plain guidance is linear, bare + text (full - negative) + audio (negative - bare), or with text = 1
silent + audio (full - silent), so every pass has one weight and a pass of weight zero never runs.

Source: sampling.md section 5, decisions.md 20.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .config import ApgConfig

Pass = Literal["full", "negative", "silent", "bare"]
PASSES: tuple[Pass, ...] = ("full", "negative", "silent", "bare")
NO_AUDIO: tuple[Pass, ...] = ("silent", "bare")
NEGATIVE_PROMPT: tuple[Pass, ...] = ("negative", "bare")


@dataclass(frozen=True, kw_only=True, slots=True)
class GuidancePlan:
    """Which passes run in every step, and the terms they form."""

    passes: tuple[Pass, ...]
    weights: tuple[float, ...]  # of the passes, plain guidance
    terms: tuple[tuple[float, Pass, Pass], ...]  # (scale, from, minus), APG
    apg: ApgConfig | None


def plan_guidance(text: float, audio: float, *, apg: ApgConfig | None = None) -> GuidancePlan:
    """Find the passes that two scales need; a scale of 1 means none of that guidance."""
    no_text = math.isclose(text, 1.0)
    if apg is not None:
        terms: list[tuple[float, Pass, Pass]] = (
            [(audio - 1, "full", "silent")]
            if no_text
            else [(text - 1, "full", "negative"), (audio - 1, "negative", "bare")]
        )
        terms = [term for term in terms if not math.isclose(term[0], 0.0, abs_tol=1e-9)]
        used: set[Pass] = {"full"}
        for _, positive, negative in terms:
            used |= {positive, negative}
        passes: tuple[Pass, ...] = tuple(name for name in PASSES if name in used)
        return GuidancePlan(passes=passes, weights=(), terms=tuple(terms), apg=apg)
    weights: dict[Pass, float] = (
        {"full": audio, "silent": 1 - audio}
        if no_text
        else {"full": text, "negative": audio - text, "bare": 1 - audio}
    )
    kept: dict[Pass, float] = {
        name: weight
        for name, weight in weights.items()
        if not math.isclose(weight, 0.0, abs_tol=1e-9)
    }
    return GuidancePlan(passes=tuple(kept), weights=tuple(kept.values()), terms=(), apg=None)


class Guidance:
    """Combines the predictions of one window; owns the momentum of APG."""

    def __init__(self, plan: GuidancePlan) -> None:
        self.plan = plan
        self._running: dict[int, Tensor] = {}

    def combine(self, predictions: Mapping[Pass, Tensor]) -> Tensor:
        """Guided velocity, of the velocities [B, 16, T, h, w] float32 of every pass of the plan."""
        plan = self.plan
        if plan.apg is None:
            out = predictions[plan.passes[0]] * plan.weights[0]
            for name, weight in zip(plan.passes[1:], plan.weights[1:], strict=True):
                out = out + predictions[name] * weight
            return out
        full = predictions["full"]
        out = full
        for index, (scale, positive, negative) in enumerate(plan.terms):
            difference = predictions[positive] - predictions[negative]
            out = out + scale * self._project(index, difference, full, plan.apg)
        return out

    def _project(self, index: int, difference: Tensor, full: Tensor, apg: ApgConfig) -> Tensor:
        """Momentum, norm limit, and removal of the part parallel to the full prediction."""
        previous = self._running.get(index)
        running = difference if previous is None else difference + apg.momentum * previous
        self._running[index] = running
        axes = tuple(range(1, full.ndim))
        if apg.norm_threshold > 0:
            norm = torch.linalg.vector_norm(running, dim=axes, keepdim=True)
            running = running * (apg.norm_threshold / norm).clamp_max(1)
        # Apple's GPUs have no float64.
        precise = torch.float32 if full.device.type == "mps" else torch.float64
        wide, direction = running.to(precise), full.to(precise)
        length = torch.linalg.vector_norm(direction, dim=axes, keepdim=True).clamp_min(1e-12)
        direction = direction / length
        parallel = (wide * direction).sum(axes, keepdim=True) * direction
        return (wide - parallel + apg.eta * parallel).to(full.dtype)
