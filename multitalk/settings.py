"""Settings of a run: presets and widgets to numbers that cannot contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .config import (
    PRESETS,
    WINDOW_SIZES,
    ApgConfig,
    ColorReference,
    Family,
    ImageTokens,
    SizeClass,
    WindowSize,
    default_shift,
)
from .frames import bucket_size, check_shape, check_size
from .stepcache import StepCacheSettings
from .windows import check_window_size


@dataclass(frozen=True, kw_only=True, slots=True)
class GuidanceSettings:
    """Schedule and scales."""

    steps: int
    shift: float
    text_guidance: float
    audio_guidance: float


def resolve_video_size(choice: Mapping[str, object], height: int, width: int) -> tuple[int, int]:
    """Height and width of the video.

    Args:
        choice: {"size": "480" | "720"} or {"size": "custom", "width": int, "height": int}.
        height: Rows of the picture.
        width: Columns of the picture.

    Returns:
        Height, width.

    Raises:
        ValueError: If a custom side is no multiple of 16, or the picture of quite another shape.
    """
    size = choice.get("size")
    if size == "custom":
        wanted = int(str(choice["height"])), int(str(choice["width"]))
        check_size(*wanted)
        check_shape((height, width), wanted)
        return wanted
    classes: tuple[SizeClass, ...] = ("480", "720")
    for known in classes:
        if size == known:
            found = bucket_size(height, width, size=known)
            check_shape((height, width), found)
            return found
    raise ValueError(f"size is {size!r}; use 480, 720 or custom.")


def resolve_guidance(
    choice: Mapping[str, object], height: int, width: int, *, step_cache: float
) -> GuidanceSettings:
    """Steps, shift and scales of a preset.

    Args:
        choice: {"preset": name}, for custom with steps, shift, text_guidance, audio_guidance.
        height: Rows of the video.
        width: Columns of the video.
        step_cache: Threshold of the step cache, 0 is off.

    Returns:
        The numbers.

    Raises:
        ValueError: If the preset is unknown or has too few steps for the step cache.
    """
    name = str(choice.get("preset"))
    if name == "custom":
        return GuidanceSettings(
            steps=int(str(choice["steps"])),
            shift=float(str(choice["shift"])),
            text_guidance=float(str(choice["text_guidance"])),
            audio_guidance=float(str(choice["audio_guidance"])),
        )
    preset = PRESETS.get(name)
    if preset is None:
        raise ValueError(f"preset is {name!r}; use {', '.join(PRESETS)} or custom.")
    if step_cache > 0 and not preset.step_cache:
        raise ValueError(
            f"preset {name} has {preset.steps} steps and step_cache is {step_cache:g}; the step "
            "cache needs the many steps of preset full. Set step_cache to 0, or choose full."
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


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftControl:
    """What holds colors and faces over many windows."""

    color_strength: float = 1.0  # 0 to 1, matching of every window; 0 is off
    # What colors are matched to: the picture (frame 0 of a source video), the source frame that
    # the window begins at, or the mean of the picture and of all windows before as they came.
    color_reference: ColorReference = "picture"
    # Which picture CLIP vision sees: the one that the window continues from, or the first.
    image_tokens: ImageTokens = "window"


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
