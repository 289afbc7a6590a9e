"""Two experts of WAN 2.2 in one run: two sampling runs of the host, one after the other.

As the host's own graphs do it with two advanced samplers: the high-noise expert runs the steps
above the boundary and hands its noisy latent over, the low-noise one runs the rest. The host loads
each of them when its turn comes and makes room for it. Whatever a window draws or remembers goes
on over the change: motion latents with their noise, noise between steps that is the window's own,
momentum of APG. A solver that looks back at earlier steps begins anew at the change, as it does in
the host, and a sampler's own noise comes from another seed there. Source: decisions.md 39.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.guidance import Guidance
from ...multitalk.model.experts import count_high_steps, describe_steps
from ...multitalk.schedule import noise_levels
from ...multitalk.settings import RunSettings
from ...multitalk.solvers import FEWEST_STEPS
from ...multitalk.words import count
from ..loading.experts import LowNoise, expert_boundary, low_noise_of, low_noise_on_cards
from .guidance_hooks import ALWAYS, CALC, COMBINE, POST, PRE, PREDICT
from .talk_guider import TalkGuider

OTHER_SEED = 1 << 32  # further than windows of a video lie apart
StepCallback = Callable[[int, Tensor, Tensor, int], None]


def talk_guider(model: ModelPatcher, *inputs: Any, **options: Any) -> TalkGuider:
    """The guider of a MODEL, with one expert or two; takes what `TalkGuider` takes."""
    held = low_noise_of(model)
    if held is None:
        return TalkGuider(model, *inputs, **options)
    return ExpertsGuider(model, held, *inputs, **options)


class ExpertsGuider(TalkGuider):
    """The high-noise expert, which hands over to the low-noise one at the boundary."""

    def __init__(self, model: ModelPatcher, held: LowNoise, *inputs: Any, **options: Any) -> None:
        super().__init__(model, *inputs, **options)
        self.low_noise = _LowNoiseGuider(_with_guidance(model, held), *inputs, **options)
        self._boundary = expert_boundary(model)

    def sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: StepCallback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """Sample a window with one expert after the other.

        Raises:
            ValueError: If a part of the latent is to stay, or as `TalkGuider.sample`.
        """
        if denoise_mask is not None:
            raise ValueError(
                "A noise mask is set, and the MODEL has two experts; the second one could not tell "
                "what is to stay. Take the mask off, or use one expert."
            )
        steps = len(sigmas) - 1
        high = count_high_steps(sigmas.tolist(), self._boundary)
        self.low_noise.goes_on_from = self.low_noise.window_noise = None
        if high:
            self.low_noise.window_noise = noise
            latent_image = super().sample(
                noise,
                latent_image,
                sampler,
                sigmas[: high + 1],
                callback=_counted(callback, 0, steps),
                disable_pbar=disable_pbar,
                seed=seed,
            )
            noise, self.low_noise.goes_on_from = torch.zeros_like(latent_image), self._guidance
            seed = None if seed is None else (seed + OTHER_SEED) % 2**64
        if high == steps:
            return latent_image
        latent_image = self.low_noise.sample(
            noise,
            latent_image,
            sampler,
            sigmas[high:],
            callback=_counted(callback, high, steps),
            disable_pbar=disable_pbar,
            seed=seed,
        )
        self.lean = self.lean and self.low_noise.lean
        return latent_image


class _LowNoiseGuider(TalkGuider):
    """The low-noise expert; its guidance goes on from that of the steps before."""

    goes_on_from: Guidance | None = None

    def new_guidance(self) -> Guidance:
        """That of the high-noise expert, if it ran before."""
        return self.goes_on_from or super().new_guidance()


def _counted(callback: StepCallback | None, before: int, steps: int) -> StepCallback | None:
    """The callback with steps of the whole window."""
    if callback is None:
        return None

    def tell(step: int, denoised: Tensor, x: Tensor, _total: int) -> None:
        callback(before + step, denoised, x, steps)

    return tell


def _with_guidance(model: ModelPatcher, held: LowNoise) -> ModelPatcher:
    """The low-noise expert with what nodes put around guidance after both were joined.

    Guidance belongs to the run, not to a network, so it holds for both.
    """
    low = low_noise_on_cards(model, held)
    now, then = model.model_options, held.joined.model_options
    for key in (CALC, PRE, COMBINE, POST, ALWAYS):
        if not isinstance(now.get(key), list):
            low.model_options |= {key: now[key]} if now.get(key) is not then.get(key) else {}
        elif added := _added(now[key], then.get(key)):
            low.model_options[key] = [*low.model_options.get(key, ()), *added]
    before = held.joined.wrappers.get(PREDICT, {})
    for key, functions in model.wrappers.get(PREDICT, {}).items():
        for function in _added(functions, before.get(key)):
            low.add_wrapper_with_key(PREDICT, key, function)
    return low


def _added(now: Sequence[Any], then: Sequence[Any] | None) -> list[Any]:
    """What is new in a list."""
    return [row for row in now if all(row is not old for old in then or ())]


def check_experts(model: ModelPatcher, settings: RunSettings) -> None:
    """Refuse what does not work with two experts, if a MODEL has two.

    Raises:
        ValueError: As `check_two`.
    """
    if low_noise_of(model) is not None:
        check_two(settings, expert_boundary(model))


def check_two(settings: RunSettings, boundary: float | None) -> None:
    """Refuse what does not work with two experts that change at a boundary; None: not known yet.

    Raises:
        ValueError: If the step cache is on, or one of them has too few steps for the sampler.
    """
    if settings.step_cache is not None:
        raise ValueError(
            "step_cache is on, and the MODEL has two experts; what the cache may skip was measured "
            "on the one network of WAN 2.1. Set step_cache to 0."
        )
    sampler, steps = settings.sampler, settings.guidance.steps
    fewest = FEWEST_STEPS.get(sampler, 1)
    if boundary is None or fewest == 1:
        return
    high = count_high_steps(noise_levels(settings).tolist(), boundary)
    for name, number in (("high", high), ("low", steps - high)):
        if 0 < number < fewest:
            raise ValueError(
                f"sampler {sampler} needs {fewest} or more steps on each of two experts, and the "
                f"{name}-noise one runs {number} of {steps}. Raise steps, choose another shift, or "
                "set sampler to euler."
            )


def describe_experts(model: ModelPatcher, settings: RunSettings) -> list[str]:
    """Which expert runs which steps, and what acts on one of them alone; for the report."""
    held = low_noise_of(model)
    if held is None:
        return []
    sigmas, boundary = noise_levels(settings).tolist(), expert_boundary(model)
    high = count_high_steps(sigmas, boundary)
    return [describe_steps(high, len(sigmas) - 1, boundary), *_one_sided(model, held.joined)]


def _one_sided(model: ModelPatcher, joined: ModelPatcher) -> Iterator[str]:
    """What nodes behind the joining changed of the high-noise expert alone."""
    found = [
        count(number, what)
        for number, what in (
            (_num_changed(model.patches, joined.patches), "changed weight"),
            (_num_changed(model.object_patches, joined.object_patches), "replaced part"),
            (len(_leaves(_inside(model)) - _leaves(_inside(joined))), "function"),
        )
        if number
    ]
    if found:
        yield (
            "nodes after both experts were joined act on the high-noise expert alone, and are not "
            f"applied to the low-noise one: {', '.join(found)}. Put such nodes before MultiTalk "
            "Attach, once for each of the two models"
        )


def _num_changed(now: Mapping[str, Any], then: Mapping[str, Any]) -> int:
    kept = {key: value for key, value in now.items() if key != "model_sampling"}  # for the levels
    return sum(bool(_leaves(value) - _leaves(then.get(key))) for key, value in kept.items())


def _inside(model: ModelPatcher) -> list[Any]:
    """What works inside the network: patches, replacements and wrappers of options."""
    wrappers = {kind: rows for kind, rows in model.wrappers.items() if kind != PREDICT}
    return [model.model_options.get("transformer_options", {}), wrappers]


def _leaves(value: Any) -> set[int]:
    """Identities of all that lies in mappings and lists; tuples are one thing each."""
    if isinstance(value, Mapping):
        return {leaf for entry in value.values() for leaf in _leaves(entry)}
    if isinstance(value, list):
        return {leaf for entry in value for leaf in _leaves(entry)}
    return set() if value is None or isinstance(value, (bool, int, float, str)) else {id(value)}
