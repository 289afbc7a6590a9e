"""Guidance passes on several cards, which the host's MultiGPU CFG Split makes room for.

The host deals the passes of a step out to its clones of a MODEL, one thread per card, and moves to
each card whatever a pass is told. Latents, noise levels and results must go there and back; what is
the same in every step is laid on each card once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import comfy.conds
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.guidance import GuidancePlan, Pass, plan_guidance
from ...multitalk.settings import RunSettings
from ...multitalk.words import count
from ..loading.audio_hooks import CLONE_KEY
from .guidance_hooks import passes_of

CLONES = "multigpu_clones"  # model_options, while a MODEL samples: clones by their card


def num_cards(model: ModelPatcher) -> int:
    """On how many cards the passes of a MODEL run."""
    return 1 + len(model.get_additional_models_with_key(CLONE_KEY))


def describe_cards(model: ModelPatcher, plan: GuidancePlan) -> list[str]:
    """How the passes of a step are dealt out, for the report; nothing on one card."""
    cards, passes = num_cards(model), len(passes_of(plan, model.model_options))
    if cards == 1:
        return []
    if passes == 1:
        return [
            f"the MODEL is on {count(cards, 'card')}, and a step has one pass with these settings: "
            "nothing is gained. MultiGPU CFG Split can be left out; one ComfyUI on each card makes "
            "more videos"
        ]
    most, used = -(-passes // cards), count(min(cards, passes), "card")
    return [f"{count(passes, 'pass', 'passes')} of a step on {used}, at most {most} on each"]


def describe_cards_of_run(model: ModelPatcher, settings: RunSettings) -> list[str]:
    """As `describe_cards`, for the settings of a whole video."""
    text, audio = settings.guidance.text_guidance, settings.guidance.audio_guidance
    return describe_cards(model, plan_guidance(text, audio, apg=settings.apg))


def pass_groups(
    names: Sequence[Pass], options: Mapping[str, Any], *, singly: bool
) -> list[list[Pass]]:
    """Passes that the host is asked for at once: all, or as many as there are cards.

    Args:
        names: Passes of a step.
        options: Model options of the run.
        singly: No card may run two of them at a time.
    """
    size = len(options.get(CLONES, (0,))) if singly else len(names)
    return [list(names[i : i + size]) for i in range(0, len(names), size or 1)]


class SharedCondition(comfy.conds.CONDRegular):
    """A condition that is the same in every step, and goes to each card once."""

    def __init__(self, cond: Tensor) -> None:
        super().__init__(cond)
        self._places: dict[torch.device, Tensor] = {cond.device: cond}

    def process_cond(self, batch_size: int, **area: Any) -> comfy.conds.CONDRegular:
        """This one for as many latents as it has rows, else one of its own with more rows."""
        return self if batch_size == len(self.cond) else super().process_cond(batch_size, **area)

    def concat(self, others: Sequence[SharedCondition]) -> _OnAnyCard:
        """Rows of several passes, joined on the card that asks for them."""
        return _OnAnyCard([self, *others])

    def at(self, device: torch.device) -> Tensor:
        """The condition on a card; each has one thread, so no two ask for the same."""
        if device not in self._places:
            self._places[device] = self.cond.to(device)
        return self._places[device]


class _OnAnyCard:
    """What the host moves to the card of a pass."""

    def __init__(self, rows: Sequence[SharedCondition]) -> None:
        self._rows = rows

    def to(self, device: torch.device) -> Tensor:
        return torch.cat([row.at(device) for row in self._rows])


def share_conditions(cond: dict[str, Any]) -> None:
    """Let the constants of a condition of the host go to each card once; changed in place."""
    if cond.get("area") is not None:
        return
    for name, value in cond["model_conds"].items():
        if type(value) in (comfy.conds.CONDRegular, comfy.conds.CONDNoiseShape):
            cond["model_conds"][name] = SharedCondition(value.cond)
