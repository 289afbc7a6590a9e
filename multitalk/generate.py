"""The window loop: yields finished frames, window by window.

What touches a model comes in as callables, so the loop knows no host: `encode` and `decode` are the
VAE, `embed_picture` the CLIP vision encoder, `denoise` one whole sampling run.

Source: sampling.md sections 4 (MultiTalk) and 11 (InfiniteTalk), decisions.md 2, 3 and 9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .color import match_colors
from .config import Family
from .frames import count_latent_frames, latent_size, pad_with_grey
from .windows import WindowPlan, window_speech

LATENT_CHANNELS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Latents that a window must begin with."""

    latents: Tensor  # [1, 16, n, h, w], raw VAE latents
    noise: Callable[[], Tensor] | None  # fresh noise per model call (MultiTalk), None: clean


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRequest:
    """Everything one sampling run needs that differs between windows."""

    index: int
    noise: Tensor  # [1, 16, T, h, w] float32
    condition: Tensor  # [1, 16, T, h, w] raw VAE latents: known frames, then grey
    known_latent_frames: int  # leading latent frames of `condition` that are no grey
    picture_embedding: object  # what `embed_picture` gave
    speech: Tensor  # [S, F, 5, M, E]
    motion: Motion | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedWindow:
    """New frames of one window, in order."""

    index: int
    start: int  # number of the first of these frames in the video
    frames: Tensor  # [F, H, W, 3] in 0..1


class NoiseSource(Protocol):
    """Where random numbers come from."""

    def window(self, shape: Sequence[int]) -> Tensor:
        """Initial noise of the next window."""
        ...

    def motion(self, shape: Sequence[int]) -> Tensor:
        """Noise for motion latents, drawn before every model call and once after the last."""
        ...


class SeededNoise:
    """One stream of CPU random numbers, so a seed means the same on every machine."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def window(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, [shape] float32."""
        return torch.randn(*shape, generator=self._generator)

    motion = window


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """The callables that touch models."""

    encode: Callable[
        [Tensor], Tensor
    ]  # frames [F, H, W, 3] in 0..1 -> raw latents [1, 16, T, h, w]
    decode: Callable[[Tensor], Tensor]  # raw latents -> frames
    embed_picture: Callable[[Tensor], object]  # frame [1, H, W, 3] -> whatever `denoise` takes
    denoise: Callable[[WindowRequest], Tensor]  # -> raw latents [1, 16, T, h, w]
    device: torch.device | None = None  # where colours are matched; None: where frames are


def generate(
    plan: WindowPlan,
    *,
    family: Family,
    source: Callable[[int], Tensor],
    tracks: Sequence[Tensor],
    silence: Tensor | None,
    models: Models,
    noise: NoiseSource,
    color_strength: float = 1.0,
) -> Iterator[FinishedWindow]:
    """Make a video window by window.

    Args:
        plan: Which windows.
        family: Window rules: MultiTalk continues from the last frames of the previous window,
            InfiniteTalk conditions every window on a frame of the source.
        source: Number of a source frame -> frame [1, H, W, 3] in 0..1 at the video's size; a
            picture gives itself for every number.
        tracks: Features [F_s, M, E] per speaker.
        silence: [M, E] of encoded silence, or None in reference mode.
        models: VAE, CLIP vision and sampler.
        noise: Random numbers.
        color_strength: 0 to 1, matching of every window to source frame 0.

    Yields:
        New frames of each window; together exactly `plan.num_frames`.
    """
    overlap, follows = plan.size.overlap, family == "multitalk"
    first = tail = source(0)
    reference = first[0] if models.device is None else first[0].to(models.device)
    for index in range(plan.num_windows):
        window = plan.window_frames(index)
        condition = tail if follows else source(plan.starts[index])
        latents = models.encode(pad_with_grey(condition, window))
        motion = _motion(index, tail, condition, latents, follows, models, noise)
        shape = (1, LATENT_CHANNELS, count_latent_frames(window), *latent_size(*first.shape[1:3]))
        request = WindowRequest(
            index=index,
            noise=noise.window(shape),
            condition=latents,
            known_latent_frames=count_latent_frames(len(condition)),
            picture_embedding=models.embed_picture(condition[-1:]),
            speech=window_speech(plan, index, tracks, silence),
            motion=motion,
        )
        final = models.denoise(request)
        if motion is not None and motion.noise is not None:
            motion.noise()  # the reference draws once more after the last step
        frames = models.decode(final)[:window]
        # Frames that are neither new nor the beginning of the next window need no colour.
        skipped = min(overlap, window - overlap) if index else 0
        frames = match_colors(frames[skipped:], reference, strength=color_strength)
        tail = frames[-overlap:].clone()
        kept = plan.kept(index)
        yield FinishedWindow(
            index=index,
            start=plan.starts[index] + kept.start,
            frames=frames[kept.start - skipped : kept.stop - skipped],
        )


def _motion(
    index: int,
    tail: Tensor,
    condition: Tensor,
    latents: Tensor,
    follows: bool,  # noqa: FBT001 - private, one caller
    models: Models,
    noise: NoiseSource,
) -> Motion | None:
    """Latents that window `index` begins with; see the table in sampling.md section 11."""
    if follows:
        if index == 0:
            return None
        begin = latents[:, :, : count_latent_frames(len(condition))]
        return Motion(latents=begin, noise=lambda: noise.motion(begin.shape))
    if index == 0:
        # The VAE is causal: the first latent frame is the condition frame encoded alone.
        return Motion(latents=latents[:, :, :1], noise=None)
    return Motion(latents=models.encode(tail), noise=None)
