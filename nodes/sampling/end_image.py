"""The end image on host models: its checks, what a network is told of it, and what is said of it.

Source: decisions.md 38.
"""

from __future__ import annotations

from typing import Any

import comfy.clip_vision
import comfy.model_patcher
import torch
from torch import Tensor

from ...multitalk.config import VAE_TIME
from ...multitalk.frames import check_shape
from ...multitalk.generate import WindowRequest
from ...multitalk.words import count

_ADVICE = "Use an I2V base, or a first-and-last-frame one such as Wan 2.1 FLF2V 14B."


def check_end_image(end: Tensor | None, video: tuple[int, int]) -> None:
    """Refuse an end image [F, H, W, 3] that is several, or of quite another shape than the video.

    `video` is its height and width.

    Raises:
        ValueError: With what to do.
    """
    if end is None:
        return
    if len(end) > 1:
        raise ValueError(
            f"end_image holds {count(len(end), 'picture')}; a video ends on one. Connect one "
            "picture, for example the last of these with Image From Batch."
        )
    try:
        check_shape((end.shape[1], end.shape[2]), video)
    except ValueError as error:
        raise ValueError(f"end_image: {error}") from error


def joins_pictures(model: comfy.model_patcher.ModelPatcher) -> bool:
    """Whether this base was trained with a first and a last frame (FLF2V)."""
    embedding = model.model.diffusion_model.img_emb
    return getattr(embedding, "emb_pos", None) is not None


def describe_end(model: comfy.model_patcher.ModelPatcher, *, has_end: bool) -> list[str]:
    """Sentences about the end image for the report.

    Raises:
        ValueError: If this base cannot be told how a video ends.
    """
    trained = joins_pictures(model)
    if not has_end:
        free = (
            "end_image is not connected: this base was trained with a first and a last frame, and "
            "runs from the first alone"
        )
        return [free] if trained else []
    inner = model.model.diffusion_model
    if inner.in_dim == inner.out_dim:
        raise ValueError(f"end_image is connected, and this base takes no known frames. {_ADVICE}")
    if trained:
        return ["end_image: the last frame of the video shows it, as this base was trained"]
    return [
        "end_image: the last frame is given to this base as known, for which it was not trained: "
        "experimental, look at the end of the video"
    ]


def join_embeddings(first: Any, last: Any) -> Any:
    """CLIP tokens of two pictures as the host's FLF2V network takes them: one behind the other."""
    output = comfy.clip_vision.Output()
    tokens = [first.penultimate_hidden_states, last.penultimate_hidden_states]
    output.penultimate_hidden_states = torch.cat(tokens, dim=-2)
    return output


def unknown_mask(request: WindowRequest) -> Tensor:
    """The host's `concat_mask`, 0 where frames are known.

    Without an end image [1, 1, T, h, w]; with one [1, 4, T, h, w], a channel for each frame of a
    latent frame. The first latent frame stands for one frame, which all of its channels mean.
    """
    num_latent_frames, height, width = request.condition.shape[2:]
    if not request.known_end_frames:
        unknown = torch.ones(1, 1, num_latent_frames, height, width)
        unknown[:, :, : request.known_latent_frames] = 0
        return unknown
    frames = torch.ones(num_latent_frames * VAE_TIME)
    frames[: request.known_latent_frames * VAE_TIME] = 0
    frames[-request.known_end_frames :] = 0
    by_channel = frames.view(num_latent_frames, VAE_TIME).T  # [4, T]
    return by_channel[None, :, :, None, None].repeat(1, 1, 1, height, width)
