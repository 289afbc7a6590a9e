"""Two experts of WAN 2.2 in one MODEL: the high-noise one carries the low-noise one along.

It is an attachment, no additional model: those the host loads together with their MODEL, and of
two experts only one is at work at a time. Source: decisions.md 39.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP

from ...multitalk.config import BASE_IN_CHANNELS, EXPERT_BOUNDARIES
from .audio_hooks import CLONE_KEY, KEY, attach_audio, attached_audio, base_kind

LOW_NOISE = "multitalk_low_noise"  # attachment
_ALIKE = {
    "in_dim": "input channels", "out_dim": "output channels", "dim": "width",
    "num_layers": "blocks", "text_dim": "width of the text",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class LowNoise:
    """What a MODEL with two experts knows of the second."""

    model: ModelPatcher  # the low-noise expert, with the audio part
    joined: ModelPatcher  # the high-noise expert as it was when both were joined
    # The low-noise expert on other cards, by the host's copy of the high-noise network there; it
    # lives as long as that copy does.
    copies: WeakKeyDictionary[Any, ModelPatcher] = field(default_factory=WeakKeyDictionary)


def low_noise_of(model: ModelPatcher) -> LowNoise | None:
    """The second expert of a MODEL, if it has one."""
    return model.attachments.get(LOW_NOISE)


def share_audio(model: ModelPatcher, other: ModelPatcher) -> ModelPatcher:
    """A clone of a MODEL with the audio part of another one, whose weights both then use."""
    part = other.get_additional_models_with_key(KEY)[0]
    return attach_audio(model, part.clone(), attached_audio(other))


def join_experts(model: ModelPatcher, low_noise: ModelPatcher) -> ModelPatcher:
    """A clone of the high-noise expert that carries the low-noise one; both have the audio part.

    Raises:
        ValueError: If they are one model, of different sizes, or one carries another one already.
    """
    if LOW_NOISE in model.attachments or LOW_NOISE in low_noise.attachments:
        raise ValueError(
            "One of these models already holds two experts. Connect two models from a loader each, "
            "the high-noise expert to model and the low-noise one to low_noise_model."
        )
    if model.model is low_noise.model and model.patches_uuid == low_noise.patches_uuid:
        raise ValueError(
            "The same model is connected to model and to low_noise_model. Connect the high-noise "
            "expert to model and the low-noise one to low_noise_model, or leave the latter free."
        )
    _check_alike(model.model.diffusion_model, low_noise.model.diffusion_model)
    if base_kind(model) != base_kind(low_noise):
        raise ValueError(
            "Of model and low_noise_model one is a VACE base and the other a text-to-video one; "
            "the two experts of WAN 2.2 are alike. Connect the high-noise and the low-noise file "
            "of one model."
        )
    clone: ModelPatcher = model.clone()
    clone.attachments[LOW_NOISE] = LowNoise(model=low_noise, joined=model)
    clone.add_callback_with_key(CallbacksMP.ON_MATCH_MULTIGPU_CLONES, LOW_NOISE, _copy_low_noise)
    clone.match_multigpu_clones()  # of a MODEL that is on several cards already
    return clone


def _copy_low_noise(model: ModelPatcher, copy: ModelPatcher) -> None:
    """Let the low-noise expert be on the card of a copy, too; both use the audio part there.

    The host copies a MODEL and what is loaded with it, and this expert is loaded alone.
    """
    held = low_noise_of(model)
    if held is None or held.model.get_additional_models_with_key(CLONE_KEY):
        return
    if copy.model in held.copies:
        return
    low = _loaded_copy(held.model, copy.load_device)
    if low is None:
        part = copy.get_additional_models_with_key(KEY)[0]
        known = {part.clone_base_uuid: part}
        low = held.model.deepclone_multigpu(new_load_device=copy.load_device, models_cache=known)
        low.is_multigpu_base_clone = True
    held.copies[copy.model] = low


def _loaded_copy(model: ModelPatcher, device: torch.device) -> ModelPatcher | None:
    """A copy on a card that is loaded still; the host's node looks for its own in this way."""
    for found in comfy.model_management.loaded_models():
        if (
            found is not None
            and found.is_multigpu_base_clone
            and found.load_device == device
            and found.clone_base_uuid == model.clone_base_uuid
        ):
            return found.clone()
    return None


def low_noise_on_cards(model: ModelPatcher, held: LowNoise) -> ModelPatcher:
    """A clone of the low-noise expert that runs its passes on the cards of its MODEL."""
    low: ModelPatcher = held.model.clone()
    if not low.get_additional_models_with_key(CLONE_KEY):
        copies = model.get_additional_models_with_key(CLONE_KEY)
        found = [held.copies[copy.model] for copy in copies if copy.model in held.copies]
        if found:
            low.set_additional_models(CLONE_KEY, found)
    return low


def _check_alike(high: Any, low: Any) -> None:
    differ = [
        f"{words} {getattr(high, name)} and {getattr(low, name)}"
        for name, words in _ALIKE.items()
        if getattr(high, name) != getattr(low, name)
    ]
    if differ:
        raise ValueError(
            f"model and low_noise_model are of different sizes ({', '.join(differ)}); the two "
            "experts of WAN 2.2 are alike. Connect the high-noise and the low-noise file of one "
            "model."
        )


def expert_boundary(model: ModelPatcher) -> float:
    """The noise level from which on down the low-noise expert is at work."""
    return boundary_of(model.model.diffusion_model.in_dim)


def boundary_of(channels: int) -> float:
    """As `expert_boundary`, for a network of so many input channels."""
    return EXPERT_BOUNDARIES.get(channels, EXPERT_BOUNDARIES[BASE_IN_CHANNELS])


def wants_clip(model: ModelPatcher) -> bool:
    """Whether a network of a MODEL has an image embedding, which CLIP vision fills."""
    held = low_noise_of(model)
    owners = [model] if held is None else [model, held.model]
    return any(owner.model.diffusion_model.img_emb is not None for owner in owners)
