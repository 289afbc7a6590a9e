"""What the memory of a run depends on, asked of the host's models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

from ...multitalk.config import LATENT_CHANNELS
from ...multitalk.film import FilmPlan
from ...multitalk.frames import count_latent_frames, latent_size
from ...multitalk.guidance import NO_AUDIO, GuidancePlan, Pass
from ...multitalk.model.memory import RunSize
from ...multitalk.settings import RunSettings
from ..loading.audio_hooks import KEY
from .guidance_hooks import passes_of
from .lean_block import PARALLEL, changed_blocks
from .pass_cards import num_cards

if TYPE_CHECKING:
    from .denoiser import RunInputs

_ROOM = 1.5  # times what it expects: as much the host wants free before it joins passes
_VAE_WIDTH = 96  # of a VAE that does not tell its own


def run_size(
    inputs: RunInputs, settings: RunSettings, plan: FilmPlan, guidance: GuidancePlan
) -> RunSize:
    """Sizes of a run before it begins."""
    model, vae = inputs.model, inputs.vae
    parts = [model, *model.get_additional_models_with_key(KEY)]
    tensors = [tensor for part in parts for tensor in part.model.parameters()]
    values = max(1, sum(tensor.numel() for tensor in tensors))
    weights = sum(part.model_size() for part in parts)
    weights += getattr(model.attachments.get(PARALLEL), "share_bytes", 0)
    casts = inputs.cast, *(shot.cast for shot in inputs.shots)
    network, speakers = model.model.diffusion_model, max(len(cast.tracks) for cast in casts)
    passes = math.ceil(_largest_group(guidance, model, speakers) / num_cards(model))
    return RunSize(
        height=settings.height,
        width=settings.width,
        window=plan.size.window,
        num_frames=plan.num_frames,
        speakers=speakers,
        passes=_together(model, settings, plan, weights, passes),
        lean=PARALLEL in model.attachments
        or not changed_blocks(model.model_options, network.blocks),
        dim=network.dim,
        itemsize=model.model.get_dtype_inference().itemsize,
        # A VAE of another node need not have all that the host's has; this is only a plan.
        vae_dim=getattr(getattr(vae, "first_stage_model", None), "dim", _VAE_WIDTH),
        vae_itemsize=getattr(vae, "vae_dtype", torch.bfloat16).itemsize,
        weights=weights,
        weight_itemsize=sum(t.numel() * t.element_size() for t in tensors) / values,
        vae_weights=vae.patcher.model_size() if hasattr(vae, "patcher") else 0,
    )


def _largest_group(guidance: GuidancePlan, model: ModelPatcher, speakers: int) -> int:
    """Most passes that can run together: those without audio have tokens of one voice only."""
    names: Sequence[Pass] = passes_of(guidance, model.model_options)
    silent = sum(name in NO_AUDIO for name in names)
    return len(names) if speakers < 2 else max(silent, len(names) - silent)


def _together(
    model: ModelPatcher, settings: RunSettings, plan: FilmPlan, weights: int, passes: int
) -> int:
    """How many of these passes the host will run together, by its own rule."""
    place = model.load_device
    free = comfy.model_management.get_free_memory(place) - (weights - model.loaded_size())
    window = count_latent_frames(plan.size.window), *latent_size(settings.height, settings.width)
    for part in range(1, passes + 1):
        rows = passes // part
        needed = model.model.memory_required((rows, LATENT_CHANNELS, *window))
        if needed * _ROOM < free:
            return rows
    return 1
