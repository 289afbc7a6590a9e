"""What other nodes left on a MODEL around the host's own guidance, called for two scales.

The host knows one scale: prompt against negative prompt. Here that is text guidance, so such a
function sees the pass `full` as the host's cond and `negative` as its uncond, in the host's order:
what predicts both, what changes predictions, what combines them, what changes the combination.
Audio guidance is added after them. Where it is 1, every function gives what it gives in the host's
own sampler.

Source: decisions.md 32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import comfy.patcher_extension
import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.guidance import NO_AUDIO, PASSES, Guidance, GuidancePlan, Pass, plan_guidance

CALC = "sampler_calc_cond_batch_function"
PRE = "sampler_pre_cfg_function"
COMBINE = "sampler_cfg_function"
POST = "sampler_post_cfg_function"
ALWAYS = "disable_cfg1_optimization"
PREDICT = comfy.patcher_extension.WrappersMP.PREDICT_NOISE
OWN_PASSES: tuple[Pass, ...] = ("full", "negative")


def hooks_of(options: Mapping[str, Any]) -> dict[str, list[Callable[..., Any]]]:
    """Functions around guidance in the model options of a MODEL, by the host's names for them."""
    found: dict[str, list[Callable[..., Any]]] = {}
    for key in (CALC, PRE, COMBINE, POST):
        given = options.get(key) or []
        if functions := list(given) if isinstance(given, (list, tuple)) else [given]:
            found[key] = functions
    return found


def step_wrappers(model: ModelPatcher) -> list[Callable[..., Any]]:
    """What wraps every step and may change text guidance from step to step."""
    inside = comfy.patcher_extension.get_all_wrappers(
        PREDICT, model.model_options, is_model_options=True
    )
    return [*model.get_all_wrappers(PREDICT), *inside]


def passes_of(plan: GuidancePlan, options: Mapping[str, Any]) -> tuple[Pass, ...]:
    """Passes that run in a step: those of the plan, and what other nodes need besides."""
    wanted: set[Pass] = set(plan.passes)
    if hooks_of(options):
        wanted |= {*plan.parts_passes, *(("negative",) if options.get(ALWAYS) else ())}
    return tuple(name for name in PASSES if name in wanted)


def possible_passes(plan: GuidancePlan, model: ModelPatcher) -> tuple[Pass, ...]:
    """Passes that may run in some step: those of any text guidance, if steps are wrapped."""
    wanted: set[Pass] = set(passes_of(plan, model.model_options))
    if step_wrappers(model):
        for text in (1.0, 2.0 + plan.audio):
            other = plan_guidance(text, plan.audio, apg=plan.apg)
            wanted |= {*other.passes, *other.parts_passes}
    return tuple(name for name in PASSES if name in wanted)


def needs_negative(sampler: comfy.samplers.Sampler) -> bool:
    """Whether a sampler looks at the prediction for the negative prompt itself (CFG++)."""
    function = getattr(sampler, "sampler_function", None)
    return "cfg_pp" in getattr(function, "__name__", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step as the host's functions see it."""

    model: Any
    x: Tensor  # [B, 16, T, h, w], with motion latents
    sigma: Tensor  # [B]
    options: dict[str, Any]
    conds: Mapping[Pass, Any]  # of the passes that run

    def pair(self) -> list[Any]:
        """The host's conds: prompt, and negative prompt or None."""
        return [self.conds.get(name) for name in OWN_PASSES]

    def arguments(self) -> dict[str, Any]:
        """What all of the host's functions are told."""
        return {
            "input": self.x,
            "sigma": self.sigma,
            "model": self.model,
            "model_options": self.options,
        }

    def predict(self) -> list[Tensor]:
        """Clean latents of `pair` by the function that another node put in the host's place."""
        function = hooks_of(self.options)[CALC][0]
        return function({"conds": self.pair(), **self.arguments()})

    def combine(
        self, predictions: Mapping[Pass, Tensor], plan: GuidancePlan, guidance: Guidance
    ) -> Tensor:
        """Guided clean latent [B, 16, T, h, w], of the clean latents of every pass that ran."""
        seen = dict(predictions)
        out = [seen["full"], seen.get("negative", torch.zeros_like(seen["full"]))]
        for function in hooks_of(self.options).get(PRE, ()):
            told = {**self.arguments(), "conds": self.pair(), "timestep": self.sigma}
            out = function({**told, "conds_out": out, "cond_scale": plan.text})
        seen["full"], seen["negative"] = out[:2]
        audio = next((term for term in plan.parts if term[2] in NO_AUDIO), None)
        guided = self._by_text(seen, plan, guidance)
        if audio is not None:
            guided = guided - self._broad * guidance.part(audio, self._velocities(seen), plan.apg)
        return guided

    @property
    def _broad(self) -> Tensor:
        """Noise level, to be multiplied with latents."""
        return self.sigma.view(-1, *[1] * (self.x.ndim - 1))

    def _velocities(self, clean: Mapping[Pass, Tensor]) -> dict[Pass, Tensor]:
        return {name: (self.x - latent) / self._broad for name, latent in clean.items()}

    def _by_text(
        self, seen: Mapping[Pass, Tensor], plan: GuidancePlan, guidance: Guidance
    ) -> Tensor:
        """Both predictions combined and what comes after, as the host does it; APG is ours."""
        cond, uncond = self.pair()
        options, seen_pair = self.options, (seen["full"], seen["negative"])
        text = next((term for term in plan.parts if term[2] == "negative"), None)
        if plan.apg is not None and text is not None:
            change = guidance.part(text, self._velocities(seen), plan.apg)
            guided = seen["full"] - self._broad * change
            # The host's way to the functions that come after leads through what combines.
            options = {**options, COMBINE: lambda _: self.x - guided}
        return comfy.samplers.cfg_function(
            self.model, *seen_pair, plan.text, self.x, self.sigma, options, cond, uncond
        )
