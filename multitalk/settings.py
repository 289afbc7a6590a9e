"""Settings of a run: presets and widgets to numbers that cannot contradict each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .config import (
    PRESETS,
    WINDOW_SIZES,
    ApgConfig,
    ColorReference,
    Family,
    ImageTokens,
    Schedule,
    SizeClass,
    WindowSize,
    default_shift,
    size_class,
)
from .frames import bucket_size, check_shape, check_size
from .stepcache import COEFFICIENTS, StepCacheSettings
from .windows import (
    MAX_REFERENCE_FRAMES,
    WindowPlan,
    check_window_size,
    end_with_video,
    plan_exact,
    plan_reference,
)

RECORD_VERSION = 1  # of `to_record`
# A record of version 1 is digested in the notation that runs were named by before there were
# records, so that those go on.
_KINDS_OF_VERSION_1 = {
    "guidance": "GuidanceSettings",
    "size": "WindowSize",
    "step_cache": "StepCacheSettings",
    "apg": "ApgConfig",
    "drift": "DriftControl",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GuidanceSettings:
    """Schedule and scales."""

    steps: int
    shift: float
    text_guidance: float
    audio_guidance: float


def resolve_video_size(choice: Mapping[str, Any], height: int, width: int) -> tuple[int, int]:
    """Height and width of the video for a picture of `height` and `width`.

    The choice is {"size": "480" | "720"} or {"size": "custom", "width": int, "height": int}.

    Raises:
        ValueError: If a custom side is no multiple of 16, or the picture of quite another shape.
    """
    size = choice.get("size")
    classes: tuple[SizeClass, ...] = ("480", "720")
    if size == "custom":
        found = int(choice["height"]), int(choice["width"])
        check_size(*found)
    elif size in classes:
        found = bucket_size(height, width, size=size)
    else:
        raise ValueError(f"size is {size!r}; use 480, 720 or custom.")
    check_shape((height, width), found)
    return found


def resolve_guidance(
    choice: Mapping[str, Any], height: int, width: int, *, step_cache: float
) -> GuidanceSettings:
    """Steps, shift and scales of a preset for a video of `height` and `width`.

    The choice is {"preset": name}, for custom with steps, shift, text_guidance, audio_guidance.
    A threshold `step_cache` of 0 is off.

    Raises:
        ValueError: If the preset is unknown or has too few steps for the step cache.
    """
    name = str(choice.get("preset"))
    if name == "custom":
        return GuidanceSettings(
            steps=int(choice["steps"]),
            shift=float(choice["shift"]),
            text_guidance=float(choice["text_guidance"]),
            audio_guidance=float(choice["audio_guidance"]),
        )
    preset = PRESETS.get(name)
    if preset is None:
        raise ValueError(f"preset is {name!r}; use {', '.join(PRESETS)} or custom.")
    if step_cache > 0 and not preset.step_cache:
        or_full = ", or choose full" if preset.families == PRESETS["full"].families else ""
        raise ValueError(
            f"preset {name} has {preset.steps} steps and step_cache is {step_cache:g}; the step "
            f"cache needs the many steps of preset full. Set step_cache to 0{or_full}."
        )
    return GuidanceSettings(
        steps=preset.steps,
        shift=default_shift(height, width) if preset.shift is None else preset.shift,
        text_guidance=preset.text_guidance,
        audio_guidance=preset.audio_guidance,
    )


def resolve_windows(family: Family, *, window: int, overlap: int) -> WindowSize:
    """Window and overlap; 0 means the numbers the weights were trained with.

    Raises:
        ValueError: If one is not 4n+1, or the overlap is not smaller.
    """
    trained = WINDOW_SIZES[family]
    size = WindowSize(window=window or trained.window, overlap=overlap or trained.overlap)
    check_window_size(size)
    return size


def resolve_step_cache(threshold: float, height: int, width: int) -> StepCacheSettings | None:
    """Step cache for a size of the video; a threshold of 0 means none."""
    if threshold <= 0:
        return None
    coefficients = COEFFICIENTS[size_class(height, width)]
    return StepCacheSettings(threshold=threshold, coefficients=coefficients)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftControl:
    """What holds colors and faces over many windows."""

    color_strength: float = 1.0  # 0 to 1, matching of every window; 0 is off
    # What colors are matched to: the picture (frame 0 of a source video), the source frame that
    # the window begins at, or the mean of the picture and of all windows before as they came.
    color_reference: ColorReference = "picture"
    # Which picture CLIP vision sees: the one that the window continues from, or the first.
    image_tokens: ImageTokens = "window"
    # 0 to 1: what still places differ by from the first window is taken back; 0 is off.
    correction: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """Everything about a run that is a number or a choice."""

    height: int
    width: int
    guidance: GuidanceSettings
    size: WindowSize
    family: Family
    seed: int
    sampler: str  # name of the host's sampler
    audio_strength: float = 1.0
    step_cache: StepCacheSettings | None = None
    apg: ApgConfig | None = None
    drift: DriftControl = field(default_factory=DriftControl)
    reference_length: bool = False
    short_last_window: bool = False
    schedule: Schedule = "as trained"  # how noise levels are spaced
    sigmas: tuple[float, ...] | None = None  # noise levels that were given; None: by the schedule
    start_strength: float = 1.0  # share of noise that a window of a source video begins with


def plan_video(
    settings: RunSettings,
    num_frames: int,
    num_speakers: int,
    *,
    has_end: bool = False,
    continues: bool = False,
) -> WindowPlan:
    """Windows of a run whose speech covers `num_frames` frames.

    `has_end`: up to an end image; `continues`: from the last frames of another video.

    Raises:
        ValueError: If the speech is too short for reference mode, or for two pictures, or for an
            end image or another video in reference mode.
    """
    if settings.reference_length and has_end:
        raise ValueError(
            "length is reference, and end_image is connected; the published programs have no end "
            "image. Set length to exact, or leave end_image free."
        )
    if settings.reference_length and continues:
        raise ValueError(
            "length is reference, and continue_from is connected; the published programs begin at "
            "a picture. Set length to exact, or leave continue_from free."
        )
    if settings.reference_length:
        return plan_reference(
            [num_frames] * num_speakers,
            settings.size,
            family=settings.family,
            max_frames=MAX_REFERENCE_FRAMES,
        )
    plan = plan_exact(
        num_frames,
        settings.size,
        short_last_window=settings.short_last_window,
        # FlashTalk shows no window's first frames, so the first one begins before the sound, as
        # that of a video does which goes on from another.
        lead=settings.size.overlap if continues or settings.family == "flashtalk" else 0,
    )
    return end_with_video(plan) if has_end else plan


def to_record(settings: RunSettings) -> dict[str, Any]:
    """Settings under names that outlive those of the code; runs on disk are told apart by them.

    Names, their order and the kinds of numbers are a promise. A setting that is new is added at the
    end of its part, and only where it differs from what runs did before there was such a setting.
    """
    guided, cache, apg, drift = settings.guidance, settings.step_cache, settings.apg, settings.drift
    newer: dict[str, Any] = {}
    if settings.schedule != "as trained":
        newer["schedule"] = settings.schedule
    if settings.sigmas is not None:
        newer["sigmas"] = settings.sigmas
    if settings.start_strength != 1:
        newer["start_strength"] = settings.start_strength
    return {
        "version": RECORD_VERSION,
        "height": settings.height,
        "width": settings.width,
        "guidance": {
            "steps": guided.steps,
            "shift": guided.shift,
            "text_guidance": guided.text_guidance,
            "audio_guidance": guided.audio_guidance,
        },
        "size": {"window": settings.size.window, "overlap": settings.size.overlap},
        "family": settings.family,
        "seed": settings.seed,
        "sampler": settings.sampler,
        "audio_strength": settings.audio_strength,
        "step_cache": None
        if cache is None
        else {
            "threshold": cache.threshold,
            "coefficients": cache.coefficients,
            "always_computed": cache.always_computed,
        },
        "apg": None
        if apg is None
        else {
            "momentum": apg.momentum,
            "norm_threshold": apg.norm_threshold,
            "eta": apg.eta,
        },
        "drift": {
            "color_strength": drift.color_strength,
            "color_reference": drift.color_reference,
            "image_tokens": drift.image_tokens,
            **({"correction": drift.correction} if drift.correction else {}),
        },
        "reference_length": settings.reference_length,
        "short_last_window": settings.short_last_window,
        **newer,
    }


def digest_settings(settings: RunSettings) -> str:
    """Hex digest of everything but the seed, which is told apart by itself."""
    record = to_record(settings) | {"seed": 0}
    del record["version"]
    return hashlib.sha256(_notation("RunSettings", record).encode()).hexdigest()


def _notation(kind: str, record: Mapping[str, Any]) -> str:
    """A record of version 1 as text."""
    fields = (
        f"{name}={_notation(_KINDS_OF_VERSION_1[name], v) if isinstance(v, dict) else repr(v)}"
        for name, v in record.items()
    )
    return f"{kind}({', '.join(fields)})"
