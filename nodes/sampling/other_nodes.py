"""What other nodes left on the MODEL of a run: it acts, or it is named before anything is sampled.

Source: decisions.md 32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import comfy.model_patcher
import comfy.model_sampling

from ...multitalk.settings import RunSettings
from .guidance_hooks import CALC, COMBINE, hooks_of, step_wrappers

_SKIPS = {"easycache": "EasyCache", "lazycache": "LazyCache"}  # wrappers of the host's caches
# Entries of a MODEL's options that the host's own sampling reads, and ours with it.
_ACTING = frozenset(
    {
        "transformer_options", "context_handler", "to_load_options", "registered_hooks",
        "multigpu_clones", "multigpu_options", "multigpu_thread_pool", "model_function_wrapper",
        "disable_cfg1_optimization", "sampler_calc_cond_batch_function", "sampler_cfg_function",
        "sampler_pre_cfg_function", "sampler_post_cfg_function", "torch_compile_kwargs",
    }
)  # fmt: skip
_IDLE = {
    "denoise_mask_function": "Differential Diffusion changes nothing here: it needs a noise mask, "
    "and a whole video is sampled from noise",
}


def follow_sampling(
    model: comfy.model_patcher.ModelPatcher, settings: RunSettings
) -> tuple[RunSettings, list[str]]:
    """Settings with the shift of a node such as ModelSamplingSD3 before the sampler, and a note.

    Connected sigmas stay as they are: the node that made them has seen the shift.

    Raises:
        ValueError: If such a node makes something else of the MODEL than WAN's flow.
    """
    check_sampling(model)
    patched = model.object_patches.get("model_sampling")
    if patched is None or settings.sigmas is not None:
        return settings, []
    shift, before = float(patched.shift), settings.guidance.shift
    note = f"shift {shift:g} comes from the model sampling node before this one" + (
        "" if shift == before else f", instead of {before:g}"
    )
    return replace(settings, guidance=replace(settings.guidance, shift=shift)), [note]


def check_sampling(model: comfy.model_patcher.ModelPatcher) -> None:
    """Refuse a MODEL whose kind of sampling another node changed.

    Raises:
        ValueError: If it is not WAN's flow with timesteps of 0 to 1000.
    """
    kind = model.object_patches.get("model_sampling")
    flow = comfy.model_sampling.ModelSamplingDiscreteFlow
    fits = kind is None or (
        isinstance(kind, comfy.model_sampling.CONST)
        and isinstance(kind, flow)
        and kind.multiplier == model.model.model_sampling.multiplier
    )
    if not fits:
        raise ValueError(
            f"A node before this one gave the MODEL another kind of sampling "
            f"({', '.join(_bases(kind))}); WAN was trained for flow sampling with timesteps up to "
            "1000. Remove that node, or use ModelSamplingSD3, which changes only the shift."
        )


def _bases(kind: object) -> list[str]:
    """The host's classes that such a node puts together."""
    return [base.__name__ for base in type(kind).__bases__]


def check_other_nodes(
    model: comfy.model_patcher.ModelPatcher, *, apg: bool, step_cache: bool
) -> list[str]:
    """What other nodes on the MODEL do in this run, for the report.

    Raises:
        ValueError: If one of them and a setting of this node exclude each other.
    """
    options = model.model_options
    hooks, wrappers = hooks_of(options), step_wrappers(model)
    if apg and COMBINE in hooks:
        raise ValueError(
            f"apg is on, and {_listed(hooks[COMBINE])} on the MODEL combines the passes too; only "
            "one of both can. Switch apg off, or remove that node."
        )
    if step_cache:
        _check_cache(model)
    notes = []
    acting = [function for rows in hooks.values() for function in rows]
    if acting:
        notes.append(f"text guidance passes through {_listed(acting)}")
    overrides = [function for function in wrappers if _name(function) == "CFG Override"]
    if overrides:
        notes.append("CFG Override sets text guidance in the steps that it was given")
    return [*notes, *_not_applied(options)]


def _check_cache(model: comfy.model_patcher.ModelPatcher) -> None:
    """Refuse what cannot work together with the step cache."""
    options = model.model_options
    inside = options.get("transformer_options", {}).get("wrappers", {})
    rows = [*inside.values(), *model.wrappers.values()]
    keys = {str(key).lower() for row in rows for key, functions in row.items() if functions}
    caches = [name for key, name in _SKIPS.items() if key in keys]
    if caches:
        raise ValueError(
            f"step_cache is on, and this MODEL already has the host's {' and '.join(caches)}; only "
            "one cache can work. Set step_cache to 0, or remove that node."
        )
    changing = [*hooks_of(options).get(CALC, ()), *step_wrappers(model)]
    if changing:
        raise ValueError(
            f"step_cache is on, and {_listed(changing)} on the MODEL changes which passes run from "
            "step to step; the step cache needs the same ones in every step. Set step_cache to 0, "
            "or remove that node."
        )


def _not_applied(options: Mapping[str, Any]) -> Iterator[str]:
    for name in options:
        if name in _IDLE:
            yield _IDLE[name]
        elif name not in _ACTING:
            yield f"not applied: {name!r}, which another node left on the MODEL"


def _listed(functions: list[Any]) -> str:
    """Names of nodes, each once, in order."""
    return " and ".join(dict.fromkeys(_name(function) for function in functions))


def _name(function: object) -> str:
    """The node that a function comes from, as far as Python tells."""
    name = getattr(function, "__qualname__", type(function).__name__).partition(".")[0]
    return {"CFGOverride": "CFG Override", "ModelPatcher": "a custom guidance node"}.get(name, name)
