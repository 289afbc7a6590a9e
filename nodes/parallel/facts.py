"""What two processes compare to know that they have the same model."""

from __future__ import annotations

from typing import Any

from comfy.model_patcher import ModelPatcher

from ..loading.audio_hooks import KEY


def facts_of(model: ModelPatcher) -> dict[str, Any]:
    """Size, numbers and changes of a MODEL and its audio part, as plain data."""
    network = model.model.diffusion_model
    parts = model.get_additional_models_with_key(KEY)
    return {
        "blocks": len(network.blocks),
        "width": network.dim,
        "heads": network.num_heads,
        "computes in": str(model.model.get_dtype_inference()).removeprefix("torch."),
        "changed weights": [len(patcher.patches) for patcher in (model, *parts)],
        "audio part": bool(parts),
    }
