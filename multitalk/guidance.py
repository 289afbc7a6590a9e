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
from collections.abc import Iterable, Mapping
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

    text: float
    audio: float
    passes: tuple[Pass, ...]
    weights: tuple[float, ...]  # of the passes, plain guidance
    terms: tuple[tuple[float, Pass, Pass], ...]  # (scale, from, minus), APG
    apg: ApgConfig | None

    @property
    def parts(self) -> tuple[tuple[float, Pass, Pass], ...]:
        """Text guidance and then audio guidance as (scale, from, minus), where they are not 1."""
        return guidance_parts(self.text, self.audio)

    @property
    def parts_passes(self) -> tuple[Pass, ...]:
        """Passes that `parts` need, which plain guidance may run fewer of."""
        return _passes_of(self.parts)


def guidance_parts(text: float, audio: float) -> tuple[tuple[float, Pass, Pass], ...]:
    """Differences of passes that two scales add to the pass full, as (scale, from, minus)."""
    no_text = math.isclose(text, 1.0)
    terms: list[tuple[float, Pass, Pass]] = (
        [(audio - 1, "full", "silent")]
        if no_text
        else [(text - 1, "full", "negative"), (audio - 1, "negative", "bare")]
    )
    return tuple(term for term in terms if not math.isclose(term[0], 0.0, abs_tol=1e-9))


def _passes_of(terms: Iterable[tuple[float, Pass, Pass]]) -> tuple[Pass, ...]:
    """The pass full, and those that terms name, in order."""
    used: set[Pass] = {"full"}
    for _, positive, negative in terms:
        used |= {positive, negative}
    return tuple(name for name in PASSES if name in used)


def plan_guidance(text: float, audio: float, *, apg: ApgConfig | None = None) -> GuidancePlan:
    """Find the passes that two scales need; a scale of 1 means none of that guidance."""
    if apg is not None:
        terms = guidance_parts(text, audio)
        passes = _passes_of(terms)
        return GuidancePlan(text=text, audio=audio, passes=passes, weights=(), terms=terms, apg=apg)
    weights: dict[Pass, float] = (
        {"full": audio, "silent": 1 - audio}
        if math.isclose(text, 1.0)
        else {"full": text, "negative": audio - text, "bare": 1 - audio}
    )
    kept: dict[Pass, float] = {
        name: weight
        for name, weight in weights.items()
        if not math.isclose(weight, 0.0, abs_tol=1e-9)
    }
    return GuidancePlan(
        text=text,
        audio=audio,
        passes=tuple(kept),
        weights=tuple(kept.values()),
        terms=(),
        apg=None,
    )


class Guidance:
    """Combines the predictions of one window; owns the momentum of APG."""

    def __init__(self, plan: GuidancePlan) -> None:
        self.plan = plan
        self._running: dict[tuple[Pass, Pass], Tensor] = {}

    def combine(
        self, predictions: Mapping[Pass, Tensor], plan: GuidancePlan | None = None
    ) -> Tensor:
        """Guided velocity, of the velocities [B, 16, T, h, w] float32 of every pass of the plan.

        A step whose scales are others than those of the window brings its own `plan`.
        """
        plan = plan or self.plan
        if plan.apg is None:
            out = predictions[plan.passes[0]] * plan.weights[0]
            for name, weight in zip(plan.passes[1:], plan.weights[1:], strict=True):
                out = out + predictions[name] * weight
            return out
        out = predictions["full"]
        for term in plan.terms:
            out = out + self.part(term, predictions, plan.apg)
        return out

    def part(
        self,
        term: tuple[float, Pass, Pass],
        predictions: Mapping[Pass, Tensor],
        apg: ApgConfig | None,
    ) -> Tensor:
        """What one of the guidances adds to the velocity, [B, 16, T, h, w]."""
        scale, positive, negative = term
        difference = predictions[positive] - predictions[negative]
        if apg is not None:
            key = (positive, negative)
            difference = self._project(key, difference, predictions["full"], apg)
        return scale * difference

    def _project(
        self, key: tuple[Pass, Pass], difference: Tensor, full: Tensor, apg: ApgConfig
    ) -> Tensor:
        """Momentum, norm limit, and removal of the part parallel to the full prediction."""
        previous = self._running.get(key)
        running = difference if previous is None else difference + apg.momentum * previous
        self._running[key] = running
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
