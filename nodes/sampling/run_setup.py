"""From the sockets and widgets of a sampling node to a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from torch import Tensor

from ...multitalk.config import (
    COLOR_REFERENCES,
    FAMILIES,
    IMAGE_TOKENS,
    ApgConfig,
    Family,
    size_class,
)
from ...multitalk.settings import (
    DriftControl,
    RunSettings,
    resolve_guidance,
    resolve_video_size,
    resolve_windows,
)
from ...multitalk.speakers import latent_masks
from ...multitalk.stepcache import COEFFICIENTS, StepCacheSettings
from ..loading.audio_hooks import attached_audio
from ..sockets import resize_masks, to_frames, to_masks
from ..values import check_inputs
from .denoiser import RunInputs, empty_conditioning
from .lazy import check_models, check_visible, check_voices, missing_lazy, plain
from .video_run import KeepOptions, VideoRun, plan_video, speakers_and_tracks

LAZY = ("model", "vae", "positive", "negative", "clip_vision")

Choice = TypeVar("Choice", bound=str)


def check_run(inputs: dict[str, Any], hidden: Any) -> list[str]:
    """Check everything that needs no model, then tell which models are to be made.

    Args:
        inputs: As the host gives them to check_lazy_status.
        hidden: The node's hidden values.

    Returns:
        Names of lazy inputs that are needed.

    Raises:
        ValueError: If something cannot work, with what to do.
    """
    inputs = plain(inputs)
    check_inputs(inputs, "image", "speech")
    check_voices(inputs["speech"], inputs.get("masks"))
    from ..loading.model_files import check_files

    family = check_files(inputs["speech"], hidden.dynprompt, hidden.unique_id)
    # Unknown weights: InfiniteTalk's overlap is the smaller one, so nothing good is refused.
    plan_video(inputs["speech"], resolve_settings(inputs, family or "infinitetalk"))
    return missing_lazy(inputs, LAZY)


def prepare_run(inputs: dict[str, Any], hidden: Any) -> VideoRun:
    """Make the run of a sampling node.

    Args:
        inputs: Models, media and widgets by name.
        hidden: The node's hidden values.

    Returns:
        The run, not open yet.

    Raises:
        ValueError: If models, media and settings do not fit each other.
    """
    check_inputs(inputs, "image", "speech", "model", "vae")
    model, speech = inputs["model"], inputs["speech"]
    image, masks = to_frames(inputs["image"]), picture_masks(inputs)
    settings = resolve_settings(inputs, attached_audio(model).family)
    check_models(model, inputs.get("clip_vision"), image, settings)
    keep = None
    if inputs.get("keep_progress", False):
        from .identity import run_identity  # reads files of weights: not when the host starts

        graph = (hidden.dynprompt, hidden.unique_id)
        keep = KeepOptions(
            identity=run_identity(settings, image, speech, masks, graph),
            finished=bool(inputs.get("keep_finished", False)),
        )
    run = RunInputs(
        model=model,
        vae=inputs["vae"],
        clip_vision=inputs.get("clip_vision"),
        positive=inputs.get("positive") or empty_conditioning(model),
        negative=inputs.get("negative") or empty_conditioning(model),
        image=image,
        speech=speech,
        masks=masks,
    )
    return VideoRun(run, settings, node_id=hidden.unique_id, keep=keep)


def _choice(inputs: dict[str, Any], name: str, choices: Sequence[Choice]) -> Choice:
    """A widget of fixed choices; the first is the default."""
    value = inputs.get(name, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(f"{name} is {value!r}; use {', '.join(choices)}.")


def picture_masks(inputs: dict[str, Any]) -> Tensor | None:
    """Masks [S, H, W] at the size of the picture: editors and detectors often give another."""
    if inputs.get("masks") is None:
        return None
    return resize_masks(to_masks(inputs["masks"]), *inputs["image"].shape[1:3])


def resolve_settings(inputs: dict[str, Any], family: Family) -> RunSettings:
    """Numbers and choices of the widgets.

    Args:
        inputs: Widgets by name, and image, speech, masks.
        family: Of the weights.

    Returns:
        The settings; checked against picture and masks.

    Raises:
        ValueError: If something is out of range, contradicts something else, or a speaker vanishes
            at the size of the video.
    """
    image = inputs["image"]
    height, width = resolve_video_size(
        inputs.get("size") or {"size": "480"}, image.shape[1], image.shape[2]
    )
    rule = inputs.get("rule", "auto")
    chosen = cast("Family", rule) if rule in FAMILIES else family
    threshold = float(inputs.get("step_cache", 0.0))
    _, used = speakers_and_tracks(inputs["speech"], picture_masks(inputs), image)
    if used is not None:
        check_visible(inputs["speech"], latent_masks(used, height, width))
    return RunSettings(
        height=height,
        width=width,
        guidance=resolve_guidance(
            inputs.get("preset") or {"preset": "full"}, height, width, step_cache=threshold
        ),
        size=resolve_windows(
            chosen, window=inputs.get("window", 0), overlap=inputs.get("overlap", 0)
        ),
        family=chosen,
        seed=int(inputs["seed"]),
        sampler=inputs.get("sampler", "euler"),
        audio_strength=float(inputs.get("audio_strength", 1.0)),
        step_cache=StepCacheSettings(
            threshold=threshold, coefficients=COEFFICIENTS[size_class(height, width)]
        )
        if threshold > 0
        else None,
        apg=ApgConfig() if inputs.get("apg", False) else None,
        drift=DriftControl(
            color_strength=float(inputs.get("colour_match", 1.0)),
            color_reference=_choice(inputs, "colour_reference", COLOR_REFERENCES),
            image_tokens=_choice(inputs, "image_tokens", IMAGE_TOKENS),
        ),
        reference_length=inputs.get("length", "exact") == "reference",
        short_last_window=inputs.get("last_window", "full") == "short",
    )
