"""Two experts of WAN 2.2 in one MODEL: the high-noise one carries the low-noise one along.

It is an attachment, no additional model: those the host loads together with their MODEL, and of
two experts only one is at work at a time. Source: decisions.md 39.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...multitalk.config import BASE_IN_CHANNELS, EXPERT_BOUNDARIES
from .audio_hooks import KEY, attach_audio, attached_audio, base_kind

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
    return clone


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
