"""Checks of the sampling nodes: everything that can be refused before a model is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...multitalk.config import VAE_SPACE
from ...multitalk.settings import RunSettings
from ...multitalk.sound.wav2vec2 import Speech
from ...multitalk.speakers import check_masks, check_token_masks, token_masks
from ..sockets import to_masks


def missing_lazy(inputs: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Which of the lazy sockets are connected and not made yet."""
    return [name for name in names if name in inputs and inputs[name] is None]


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of check_lazy_status without the keys that the host pairs dynamic values with."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict) and value and all(isinstance(v, tuple) for v in value.values()):
            return {name: pair[0] for name, pair in value.items()}
        return value

    return {name: strip(value) for name, value in inputs.items()}


def check_voices(speech: Speech, masks: Tensor | None) -> None:
    """Refuse masks that do not fit the voices.

    Raises:
        ValueError: If there are more voices than masks or the reverse, or a mask is unusable.
    """
    voices = speech.num_speakers
    if masks is None:
        if voices > 2:
            raise ValueError(
                f"{voices} voices but no masks; with three or more speakers everyone needs a mask. "
                "Connect MultiTalk Speakers."
            )
        return
    given = to_masks(masks)
    if len(given) != voices:
        raise ValueError(
            f"{voices} voices but {len(given)} masks; every speaker needs one of each. "
            "Add the missing one in MultiTalk Tracks or MultiTalk Speakers."
        )
    check_masks(given)


def check_visible(speech: Speech, cells: Tensor) -> None:
    """Refuse a speaker who vanishes on the token grid; the silent rest of the picture may.

    Args:
        speech: One row of features per voice.
        cells: [S+1, h, w] masks on the latent grid of the video, background last.

    Raises:
        ValueError: If a voice has no token.
    """
    tokens = token_masks(cells)
    voices = torch.cat([tokens[: speech.num_speakers], tokens[-1:]])
    check_token_masks(voices, VAE_SPACE * cells.shape[1], VAE_SPACE * cells.shape[2])


def check_models(model: Any, clip_vision: Any, image: Tensor, settings: RunSettings) -> None:
    """Refuse a missing CLIP vision, and a video for MultiTalk weights.

    Raises:
        ValueError: With what to connect or choose.
    """
    if model.model.diffusion_model.img_emb is not None and clip_vision is None:
        raise ValueError(
            "This base expects CLIP vision, and nothing is connected to clip_vision; "
            "connect clip_vision_h with the host's Load CLIP Vision."
        )
    if len(image) > 1 and settings.family == "multitalk":
        raise ValueError(
            f"image holds {len(image)} pictures; MultiTalk takes one, only InfiniteTalk follows a "
            "video. Connect one picture, or load an InfiniteTalk audio part."
        )
