"""One run of the sampler node: the engine's window loop on host models."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.utils
import torch
from torch import Tensor

from ..multitalk.frames import fit_frames
from ..multitalk.generate import Models, NoiseSource, Scene, SeededNoise, WindowRequest, generate
from ..multitalk.guidance import plan_guidance
from ..multitalk.schedule import shifted_sigmas
from ..multitalk.settings import RunSettings
from ..multitalk.speakers import half_masks, latent_masks
from ..multitalk.wav2vec2 import Speech
from ..multitalk.windows import MAX_REFERENCE_FRAMES, WindowPlan, plan_exact, plan_reference
from .block_cache import RunCache
from .guider import AudioInputs, TalkGuider, with_values
from .host import StepProgress

logger = logging.getLogger("multitalk.nodes")

CLIP_PX = 224


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInputs:
    """Host objects and engine values of one run."""

    model: comfy.model_patcher.ModelPatcher
    vae: Any
    clip_vision: Any | None
    positive: list[Any]
    negative: list[Any]
    image: Tensor  # [F, H, W, 3]; one picture, or the source video of InfiniteTalk
    speech: Speech
    masks: Tensor | None  # [S, H, W] on the picture


def empty_conditioning(model: comfy.model_patcher.ModelPatcher) -> list[Any]:
    """No text: one zero row, which attends like any number of zero rows."""
    return [[torch.zeros(1, 1, model.model.diffusion_model.text_dim), {}]]


def cut_text(conditioning: list[Any], model: comfy.model_patcher.ModelPatcher) -> list[Any]:
    """Leave out text rows beyond those the model was trained with (512 tokens)."""
    rows = model.model.diffusion_model.text_len
    return [[text[:, :rows], entry] for text, entry in conditioning]


def speakers_and_tracks(
    speech: Speech, masks: Tensor | None, image: Tensor
) -> tuple[list[Tensor], Tensor | None]:
    """Tracks and masks that the network gets.

    Args:
        speech: Features per speaker.
        masks: [S, H, W] or None.
        image: [F, H, W, 3].

    Returns:
        Tracks [F, M, E] and masks [S, H, W]: without masks two speakers get the two halves; one
        speaker with a mask gets a silent second one, who has the rest of the picture.
    """
    tracks = list(speech.features)
    if masks is None:
        return tracks, half_masks(*image.shape[1:3]) if len(tracks) > 1 else None
    if len(tracks) == 1:
        tracks.append(speech.silence.expand_as(tracks[0]))
        masks = torch.cat([masks, (masks[:1] <= 0).float()])
    return tracks, masks


def plan_video(speech: Speech, settings: RunSettings) -> WindowPlan:
    """Windows of the run."""
    if settings.reference_length:
        return plan_reference(
            [speech.num_frames] * speech.num_speakers,
            settings.size,
            family=settings.family,
            max_frames=MAX_REFERENCE_FRAMES,
        )
    return plan_exact(
        speech.num_frames, settings.size, short_last_window=settings.short_last_window
    )


def picture_source(image: Tensor, height: int, width: int) -> Callable[[int], Tensor]:
    """Frames of a picture or source video at the size of the video, resized when asked for."""
    first = fit_frames(image[:1], height, width)

    def frame(number: int) -> Tensor:
        index = min(number, len(image) - 1)
        return fit_frames(image[index : index + 1], height, width) if index else first

    return frame


def _log_plan(plan: WindowPlan, settings: RunSettings, num_speakers: int) -> None:
    logger.info(
        "[MultiTalk] %s frames of %s x %s in %s windows of %s (overlap %s), %s steps, %s speakers",
        plan.num_frames,
        settings.width,
        settings.height,
        plan.num_windows,
        settings.size.window,
        settings.size.overlap,
        settings.guidance.steps,
        num_speakers,
    )


def sample_video(
    inputs: RunInputs,
    settings: RunSettings,
    *,
    node_id: str | None = None,
    noise: NoiseSource | None = None,
) -> Tensor:
    """Make all frames of a video.

    Args:
        inputs: Models and media.
        settings: Numbers and choices.
        node_id: Node that shows progress.
        noise: Random numbers; by default from the seed.

    Returns:
        [num_frames, H, W, 3] in 0..1, of the host's intermediate device and dtype.
    """
    tracks, masks = speakers_and_tracks(inputs.speech, inputs.masks, inputs.image)
    cells = None if masks is None else latent_masks(masks, settings.height, settings.width)
    plan = plan_video(inputs.speech, settings)
    _log_plan(plan, settings, len(tracks))
    progress = StepProgress(inputs.model, settings.guidance.steps, plan.num_windows, node_id)
    models = Models(
        encode=inputs.vae.encode,
        decode=lambda latents: inputs.vae.decode(latents)[0],
        embed_picture=lambda frame: embed_picture(inputs.clip_vision, frame),
        denoise=window_denoiser(inputs, settings, cells, progress),
        device=inputs.model.load_device,
    )
    frames = torch.empty(
        plan.num_frames,
        settings.height,
        settings.width,
        3,
        device=comfy.model_management.intermediate_device(),
        dtype=comfy.model_management.intermediate_dtype(),
    )
    for window in generate(
        plan,
        Scene(
            source=picture_source(inputs.image, settings.height, settings.width),
            tracks=tracks,
            silence=inputs.speech.silence,
        ),
        models,
        noise if noise is not None else SeededNoise(settings.seed),
        family=settings.family,
        drift=settings.drift,
    ):
        frames[window.start : window.start + len(window.frames)] = window.frames
    return frames


def embed_picture(clip_vision: Any | None, frame: Tensor) -> object:
    """CLIP tokens of a frame [1, H, W, 3]: squashed to a square without crop or antialias."""
    if clip_vision is None:
        return None
    square = torch.nn.functional.interpolate(
        frame.movedim(-1, 1), (CLIP_PX, CLIP_PX), mode="bicubic", align_corners=False
    )
    return clip_vision.encode_image(square.clamp(0, 1).movedim(1, -1), crop=False)


def window_denoiser(
    inputs: RunInputs, settings: RunSettings, cells: Tensor | None, progress: StepProgress
) -> Callable[[WindowRequest], Tensor]:
    """The engine's `denoise`: one host sampling run per window.

    Args:
        inputs: Models and media.
        settings: Numbers and choices.
        cells: [S+1, h, w] speaker masks on the latent grid, or None.
        progress: Where steps are counted.

    Returns:
        A callable from window request to raw latents [1, 16, T, h, w].
    """
    guided = settings.guidance
    sigmas = shifted_sigmas(guided.steps, guided.shift)
    guidance = plan_guidance(guided.text_guidance, guided.audio_guidance, apg=settings.apg)
    sampler = comfy.samplers.sampler_object(settings.sampler)
    positive = cut_text(inputs.positive, inputs.model)
    negative = cut_text(inputs.negative, inputs.model)
    cache = None if settings.step_cache is None else RunCache(settings.step_cache)

    def denoise(request: WindowRequest) -> Tensor:
        values = condition_values(request)
        guider = TalkGuider(
            inputs.model,
            with_values(positive, values),
            with_values(negative, values),
            AudioInputs(speech=request.speech, cells=cells, strength=settings.audio_strength),
            guidance,
            motion=request.motion,
            cache=cache,
        )
        return guider.sample(
            request.noise,
            torch.zeros_like(request.noise),
            sampler,
            sigmas,
            callback=progress.callback(request.index),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=settings.seed,
        )

    return denoise


def condition_values(request: WindowRequest) -> dict[str, Any]:
    """Entries of the host's CONDITIONING that differ between windows."""
    shape = request.condition.shape
    unknown = torch.ones(1, 1, *shape[2:])
    unknown[:, :, : request.known_latent_frames] = 0
    values: dict[str, Any] = {
        "concat_latent_image": request.condition,
        "concat_mask": unknown,
    }
    if request.picture_embedding is not None:
        values["clip_vision_output"] = request.picture_embedding
    return values
