"""The sampler: a whole talking video in one node, at any length."""

from __future__ import annotations

from typing import Any, cast

from comfy_api.latest import io
from torch import Tensor

from ..multitalk.audio import fit_sound
from ..multitalk.config import FAMILIES, ApgConfig, Family, size_class
from ..multitalk.settings import (
    RunSettings,
    resolve_guidance,
    resolve_video_size,
    resolve_windows,
)
from ..multitalk.speakers import latent_masks
from ..multitalk.stepcache import COEFFICIENTS, StepCacheSettings
from .checks import (
    check_models,
    check_visible,
    check_voices,
    missing_lazy,
    plain,
)
from .input_checks import check_inputs
from .model_patch import attached_audio
from .sampler_inputs import advanced_inputs, media_inputs, model_inputs, setting_inputs
from .sockets import from_sound, resize_masks, to_frames, to_masks
from .video_run import (
    RunInputs,
    empty_conditioning,
    plan_video,
    sample_video,
    speakers_and_tracks,
)

LAZY = ("model", "vae", "positive", "negative", "clip_vision")


class MultiTalkSampler(io.ComfyNode):
    """Make the video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkSampler",
            display_name="MultiTalk Sampler",
            category="MultiTalk/sampling",
            description="Picture and speech to a talking video of exactly the length of the "
            "sound: window by window, any length, one to six speakers.",
            search_aliases=["lip sync", "talking head", "infinitetalk", "image to video"],
            inputs=[*model_inputs(), *media_inputs(), *setting_inputs(), *advanced_inputs()],
            outputs=[
                io.Image.Output(display_name="images", tooltip="All frames, 25 per second."),
                io.Audio.Output(
                    display_name="audio", tooltip="The sound, exactly as long as the frames."
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check everything that needs no model, then ask for the models."""
        inputs = plain(inputs)
        check_inputs(inputs, "image", "speech")
        check_voices(inputs["speech"], inputs.get("masks"))
        from .file_checks import check_files

        family = check_files(inputs["speech"], cls.hidden.dynprompt, cls.hidden.unique_id)
        # Unknown weights: InfiniteTalk's overlap is the smaller one, so nothing good is refused.
        plan_video(inputs["speech"], resolve_settings(inputs, family or "infinitetalk"))
        return missing_lazy(inputs, LAZY)

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        """Sample all windows."""
        check_inputs(inputs, "image", "speech", "model", "vae")
        model, speech = inputs["model"], inputs["speech"]
        image = to_frames(inputs["image"])
        attached = attached_audio(model)
        settings = resolve_settings(inputs, attached.family)
        check_models(model, inputs.get("clip_vision"), image, settings)
        run = RunInputs(
            model=model,
            vae=inputs["vae"],
            clip_vision=inputs.get("clip_vision"),
            positive=inputs.get("positive") or empty_conditioning(model),
            negative=inputs.get("negative") or empty_conditioning(model),
            image=image,
            speech=speech,
            masks=picture_masks(inputs),
        )
        frames = sample_video(run, settings, node_id=cls.hidden.unique_id)
        return io.NodeOutput(frames, from_sound(fit_sound(speech.sound, len(frames))))


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
        color_strength=float(inputs.get("colour_match", 1.0)),
        reference_length=inputs.get("length", "exact") == "reference",
        short_last_window=inputs.get("last_window", "full") == "short",
    )
