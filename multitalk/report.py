"""What a run did, as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .config import FRAME_RATE
from .resume import VideoWindow
from .settings import RunSettings
from .windows import WindowPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowFacts:
    """What the report says of a window."""

    made: bool  # in this run
    drift: float  # colour distance to the picture as decoded, in Lab units
    left_drift: float  # the same after colours were matched


@dataclass(kw_only=True, slots=True)
class RunReport:
    """Collects what a run did; `text` tells it."""

    plan: WindowPlan
    settings: RunSettings
    num_speakers: int
    num_passes: int
    lora_keys: int = 0  # weights that LoRAs change
    reused_steps: int = 0  # per window, by the step cache
    peak_bytes: int | None = None  # of graphics memory; None: not measured
    notes: list[str] = field(default_factory=list)  # resume, lack of memory
    windows: list[WindowFacts] = field(default_factory=list)

    def add(self, window: VideoWindow) -> None:
        """Remember what is said of a window."""
        self.windows.append(
            WindowFacts(made=window.made, drift=window.drift, left_drift=window.left_drift)
        )

    @property
    def calls(self) -> int:
        """Passes of the network in the windows that were made in this run."""
        steps = self.settings.guidance.steps - self.reused_steps
        return steps * self.num_passes * sum(window.made for window in self.windows)

    def headline(self) -> str:
        """The plan in one line."""
        return plan_line(self.plan, self.settings, self.num_speakers, self.num_passes)

    def text(self) -> str:
        """The whole report, a fact per line."""
        steps, made = self.settings.guidance.steps, sum(window.made for window in self.windows)
        lines = [
            self.headline(),
            f"made now: {made} of {self.plan.num_windows} windows, {self.calls} network passes",
        ]
        if self.settings.step_cache is not None:
            lines.append(f"step cache: {self.reused_steps} of {steps} steps reused in each window")
        lines.append(f"LoRA: {self.lora_keys} weights changed")
        if self.peak_bytes is not None:
            lines.append(f"graphics memory at most: {self.peak_bytes / (1 << 30):.2f} GB")
        lines += self.notes
        lines.append(drift_line(self.windows))
        return "\n".join(lines)


def plan_line(plan: WindowPlan, settings: RunSettings, num_speakers: int, num_passes: int) -> str:
    """Frames, windows, steps and passes of a run in one line."""
    size, steps = plan.size, settings.guidance.steps
    people = "1 speaker" if num_speakers == 1 else f"{num_speakers} speakers"
    windows = "1 window" if plan.num_windows == 1 else f"{plan.num_windows} windows"
    passes = "1 pass" if num_passes == 1 else f"{num_passes} passes"
    return (
        f"{plan.num_frames} frames of {settings.width} x {settings.height} "
        f"({plan.num_frames / FRAME_RATE:.2f} s), {windows} of {size.window} frames "
        f"(overlap {size.overlap}), {steps} steps of {passes}, {people}"
    )


def drift_line(windows: Sequence[WindowFacts]) -> str:
    """Colour distance to the picture, as decoded and after matching, window by window."""
    shown = ", ".join(f"{window.drift:.1f} -> {window.left_drift:.1f}" for window in windows)
    return f"colour distance to the picture per window, before -> after matching: {shown}"


def clock(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
