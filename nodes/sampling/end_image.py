"""The end image on host models: its checks, what a network is told of it, and what is said of it.

Source: decisions.md 40.
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
from ...multitalk.settings import DriftControl
from ...multitalk.words import count
from ..loading.experts import low_noise_of
from ..values import naming


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
    with naming("end_image"):
        check_shape((end.shape[1], end.shape[2]), video)


def joins_pictures(model: comfy.model_patcher.ModelPatcher) -> bool:
    """Whether this base was trained with a first and a last frame (FLF2V); of two, both."""
    held = low_noise_of(model)
    networks = [owner.model.diffusion_model for owner in (model, *([held.model] if held else []))]
    return all(getattr(network.img_emb, "emb_pos", None) is not None for network in networks)


def describe_end(
    model: comfy.model_patcher.ModelPatcher, *, has_end: bool, drift: DriftControl
) -> list[str]:
    """Sentences about the end image for the report, on a base that `check_kind` lets through."""
    trained = joins_pictures(model)
    if not has_end:
        free = (
            "end_image is not connected: this base was trained with a first and a last frame, and "
            "runs from the first alone"
        )
        return [free] if trained else []
    colors = (
        "colours of the last window go over to those of end_image, so its distance to the picture "
        "is no drift"
    )
    more = [colors] if drift.color_strength > 0 else []
    if trained:
        return ["end_image: the last frame of the video shows it, as this base was trained", *more]
    return [
        "end_image: put in place in the last 4 frames, because this base was not trained to end on "
        "a picture: experimental, look at how the video comes to it",
        *more,
    ]


def join_embeddings(first: Any, last: Any) -> Any:
    """CLIP tokens of two pictures as the host's FLF2V network takes them: one behind the other."""
    output = comfy.clip_vision.Output()
    tokens = [first.penultimate_hidden_states, last.penultimate_hidden_states]
    output.penultimate_hidden_states = torch.cat(tokens, dim=-2)
    return output


class PinnedEnd:
    """Latents that a window must end with, for a network that was not trained to end on a picture.

    Before every model call they stand there with as much of the window's own noise as all has then,
    so that the network sees what it would see of a video with that end, and clean ones at last. No
    random number is drawn for it.
    """

    def __init__(self, latents: Tensor) -> None:
        """`latents` [1, 16, n, h, w] are raw ones of the VAE."""
        self._raw = self._clean = self._noise = latents

    def begin(self, model: Any, noise: Tensor, device: torch.device) -> None:
        """Begin a window on a host model with this noise [1, 16, T, h, w]."""
        self._raw = self._raw.to(device, torch.float32)
        self._clean = model.process_latent_in(self._raw)
        self._noise = noise[:, :, -self._raw.shape[2] :].to(self._clean)

    def noised(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The noisy latents x [B, 16, T, h, w] with the end at the noise level sigma."""
        return self._put(x, (1 - sigma) * self._clean + sigma * self._noise)

    def clean(self, x: Tensor) -> Tensor:
        """Clean latents of the network's space with the end."""
        return self._put(x, self._clean)

    def finish(self, samples: Tensor) -> Tensor:
        """Raw latents with the end."""
        return self._put(samples, self._raw)

    def _put(self, x: Tensor, end: Tensor) -> Tensor:
        free = x[:, :, : x.shape[2] - end.shape[2]]
        return torch.cat([free, end.expand(len(x), -1, -1, -1, -1).to(x)], dim=2)


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
