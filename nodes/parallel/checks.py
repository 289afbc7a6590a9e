"""Which MODEL can be split over cards, and whether it is still the one that was."""

from __future__ import annotations

from typing import Any

import torch
from comfy.ldm.wan import model as wan
from comfy.model_patcher import ModelPatcher

from ..loading.audio_hooks import KEY, add_audio, place_tokens
from ..loading.experts import low_noise_of
from ..sampling.lean_block import PARALLEL, changed_blocks

_OWN_PATCHES = (place_tokens, add_audio)
_INSIDE = ("attn1_patch", "attn2_patch", "double_block")  # patches that see tokens of the blocks


def check_model(model: ModelPatcher, count: int) -> None:
    """Refuse a MODEL whose forward cannot be split.

    Raises:
        ValueError: If it is no WAN model, its heads do not divide, or other nodes look inside.
    """
    network: Any = getattr(model.model, "diffusion_model", None)
    if type(network) is not wan.WanModel:
        raise ValueError(
            f"The model is of another kind ({type(network).__name__}); MultiTalk Parallel splits "
            "WAN 2.1 models, I2V and T2V, not VACE. Connect such a model, or leave the node out."
        )
    if network.num_heads % count:
        heads = network.num_heads
        fitting = [str(n) for n in range(1, heads + 1) if heads % n == 0]
        raise ValueError(
            f"cards is {count}; each card takes the same number of the model's {heads} attention "
            f"heads. Use {_listed(fitting[:6])}."
        )
    if low_noise_of(model) is not None:
        raise ValueError(
            "The model holds both experts of WAN 2.2; MultiTalk Parallel splits one. Use a WAN 2.1 "
            "model, or leave the node out."
        )
    if PARALLEL in model.attachments or model.get_additional_models_with_key("multigpu"):
        raise ValueError(
            "The model is split over several cards already. Remove one of the nodes that do it."
        )
    if _looked_into(model):
        raise ValueError(
            "Another node before MultiTalk Parallel changes the inside of the model's blocks (it "
            "compiles, replaces or patches them) and would see a part of the video only. Take that "
            "node out; loaders, LoRAs and MultiTalk Attach may stand before this one."
        )


def _looked_into(model: ModelPatcher) -> bool:
    """Whether another node has to do with the inside of the blocks."""
    patches = model.model_options.get("transformer_options", {}).get("patches", {})
    others = [p for kind in _INSIDE for p in patches.get(kind, ()) if p not in _OWN_PATCHES]
    return bool(others) or changed_blocks(model.model_options, model.model.diffusion_model.blocks)


def changes_of(model: ModelPatcher) -> tuple[Any, ...]:
    """What tells whether weights were changed, or an audio part attached, since."""
    parts = model.get_additional_models_with_key(KEY)
    return tuple((id(p.model), p.patches_uuid, _replaced(p)) for p in (model, *parts))


def check_changes(model: ModelPatcher, before: tuple[Any, ...]) -> None:
    """Refuse a MODEL that later nodes changed: the other cards know nothing of it.

    Raises:
        ValueError: If `changes_of` it is another than before.
    """
    if changes_of(model) != before:
        raise ValueError(
            "A node after MultiTalk Parallel changes the model's weights (a LoRA, or MultiTalk "
            "Attach), which the other cards would not have. Put MultiTalk Parallel last, right "
            "before the sampler."
        )


def _replaced(patcher: ModelPatcher) -> int:
    """Parameters that are replaced as objects; see `add_changes`."""
    values = patcher.object_patches.values()
    return sum(isinstance(value, torch.nn.Parameter) for value in values)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
