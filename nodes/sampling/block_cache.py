"""Step cache on the host's transformer: block replacements, installed only while it is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_base
import comfy.ops
import torch
from comfy_api.torch_helpers.torch_compile import TORCH_COMPILE_KWARGS
from torch import Tensor

from ...multitalk.stepcache import StepCache, StepCachePlan, StepCacheSettings, plan_steps

Replacement = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


class RunCache:
    """Settings of the step cache for one run, and its plan once the model is loaded."""

    def __init__(self, settings: StepCacheSettings) -> None:
        self.settings = settings
        self.plan: StepCachePlan | None = None

    def plan_for(self, model: comfy.model_base.WAN21, sigmas: Tensor) -> StepCachePlan:
        """One decision per step, made in the first window; sigmas [steps + 1]."""
        if self.plan is None:
            self.plan = plan_steps(modulation_signals(model, sigmas[:-1]), self.settings)
        return self.plan


def modulation_signals(model: comfy.model_base.WAN21, sigmas: Tensor) -> Tensor:
    """Modulation input of the blocks at noise levels [steps], with LoRAs.

    [steps, 6 * dim] float32 on the CPU. Source: denoiser.md section 3.
    """
    network = model.diffusion_model
    half = network.freq_dim // 2
    timesteps = model.model_sampling.timestep(sigmas).cpu().double()
    powers = torch.arange(half, dtype=torch.float64) / half
    angles = timesteps[:, None] * 10_000**-powers
    wave = torch.cat([angles.cos(), angles.sin()], dim=1).float().to(sigmas.device)
    hidden = torch.nn.functional.silu(_linear(network.time_embedding[0], wave))
    hidden = torch.nn.functional.silu(_linear(network.time_embedding[2], hidden))
    return _linear(network.time_projection[1], hidden).cpu()


def _linear(layer: Any, x: Tensor) -> Tensor:
    """A host linear layer in the dtype of x, with whatever patches its weights have."""
    weight, bias, stream = comfy.ops.cast_bias_weight(layer, x, offloadable=True)
    out = torch.nn.functional.linear(x, weight, bias)
    comfy.ops.uncast_bias_weight(layer, weight, bias, stream)
    return out


def install_cache(
    model_options: dict[str, Any],
    model: comfy.model_base.WAN21,
    cache: StepCache,
    passes: Sequence[str],
) -> None:
    """Replace every block of this run's transformer by one that asks the cache first.

    Args:
        model_options: Options of this run, changed in place.
        model: The loaded host model.
        cache: Plan and residuals of this window.
        passes: In the order of the host's condition indices.

    Raises:
        ValueError: If the MODEL is compiled.
    """
    options = model_options["transformer_options"]
    if TORCH_COMPILE_KWARGS in model_options:
        raise ValueError(
            "step_cache is on and this MODEL is compiled (TorchCompileModel); a compiled network "
            "asks no cache. Set step_cache to 0, or remove that node."
        )
    replace = options.setdefault("patches_replace", {}).setdefault("dit", {})
    last = len(model.diffusion_model.blocks) - 1
    for index in range(last + 1):
        key = ("double_block", index)
        replace[key] = _cached_block(cache, passes, index == 0, index == last, replace.get(key))


def replacements(model_options: dict[str, Any]) -> dict[str, dict[Any, Replacement]]:
    """What is put in the place of blocks; before `install_cache`: by other nodes."""
    found = model_options["transformer_options"].get("patches_replace", {})
    return {kind: dict(rows) for kind, rows in found.items()}


def _cached_block(
    cache: StepCache,
    passes: Sequence[str],
    first: bool,
    last: bool,
    inner: Replacement | None,
) -> Replacement:
    """One replacement; `inner` is a replacement that somebody else had put there."""

    def run(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        options, tokens = args["transformer_options"], args["img"]
        rows = len(tokens) // len(options["cond_or_uncond"])
        names = [f"{passes[i]}.{row}" for i in options["cond_or_uncond"] for row in range(rows)]
        if not cache.computes:
            return {"img": cache.reuse(names, tokens) if first else tokens}
        if first:
            options["multitalk_block_input"] = tokens
        out = extra["original_block"](args) if inner is None else inner(args, extra)
        if last:
            cache.store(names, options.pop("multitalk_block_input"), out["img"])
        return out

    return run
