"""What a run did, as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..config import FRAME_RATE
from ..film import FilmPlan
from ..generate import VideoWindow
from ..schedule import noise_levels
from ..settings import RunSettings
from ..words import count

NUMBERS_PER_LINE = 10  # windows of a line; beyond, a summary comes first
NUM_WORST = 3  # windows named in the summary
MOST_LEVELS, LEVELS_AT_ENDS = 13, 5  # noise levels of a line; of more, how many at either end


@dataclass(kw_only=True, slots=True)
class RunReport:
    """Collects what a run did; `text` tells it."""

    plan: FilmPlan
    settings: RunSettings
    num_speakers: int
    num_passes: int
    lora_keys: int = 0  # weights that LoRAs change, in base and audio part
    reused_steps: int = 0  # per window, by the step cache
    memory: str | None = None  # what was expected, in a line
    peak_bytes: int | None = None  # of graphics memory; None: not measured
    notes: list[str] = field(default_factory=list)  # resume, lack of memory
    windows: list[VideoWindow] = field(default_factory=list)  # without their frames

    def add(self, window: VideoWindow) -> None:
        """Remember what is said of a window."""
        self.windows.append(replace(window, frames=window.frames.new_empty(0)))

    def headline(self) -> str:
        """The plan in one line."""
        return "; ".join(self._plan_lines())

    def short_plan(self) -> str:
        """The plan for somebody who waits: what video, in how many windows."""
        plan, settings = self.plan, self.settings
        return (
            f"{count(plan.num_frames, 'frame')} of {settings.width} x {settings.height} "
            f"({plan.num_frames / FRAME_RATE:.1f} s) in {count(plan.num_windows, 'window')}"
            f"{self._shots()}"
        )

    def done(self, seconds: float) -> str:
        """What is said at the end, after so many seconds."""
        there = sum(not window.made for window in self.windows)
        of_all = f"{there} of {count(self.plan.num_windows, 'window')}"
        before = f"; {of_all} were there already" if there else ""
        length = self.plan.num_frames / FRAME_RATE
        return f"done: {length:.1f} s of video in {duration(seconds)}{before}"

    def stopped(self, *, kept: bool, in_file: bool) -> str:
        """What is said when somebody stopped the run; whether windows are kept, or in a file."""
        ready, all_ = len(self.windows), count(self.plan.num_windows, "window")
        if not ready:
            return "stopped before the first window was done; press Run to begin again"
        if kept:
            return f"stopped; {ready} of {all_} kept, press Run to go on"
        if in_file:
            return f"stopped; {ready} of {all_} are in the video, Run begins a new one"
        return (
            f"stopped; keep_progress is off, so the {count(ready, 'finished window')} of "
            f"{self.plan.num_windows} cannot be used, and Run begins again"
        )

    def text(self) -> str:
        """The whole report, a fact per line: what, how, memory, what happened, colors."""
        steps, made = self.settings.guidance.steps, sum(window.made for window in self.windows)
        calls = (steps - self.reused_steps) * self.num_passes * made
        lines = [
            *self._plan_lines(),
            f"made now: {made} of {count(self.plan.num_windows, 'window')}, "
            f"{count(calls, 'network pass', 'network passes')}",
        ]
        if self.settings.step_cache is not None:
            lines.append(
                f"step cache: {self.reused_steps} of {count(steps, 'step')} reused in each window"
            )
        levels = [f"{level:.4g}" for level in noise_levels(self.settings).tolist()]
        if len(levels) > MOST_LEVELS:
            levels[LEVELS_AT_ENDS:-LEVELS_AT_ENDS] = ["..."]
        lines.append(f"sigmas: {' '.join(levels)}")
        lines.append(f"LoRA: {count(self.lora_keys, 'weight')} changed")
        if self.memory is not None:
            lines.append(self.memory)
        if self.peak_bytes is not None:
            lines.append(f"graphics memory at most: {self.peak_bytes / (1 << 30):.2f} GiB")
        lines += self.notes
        return "\n".join(lines + self._drift_lines())

    def _plan_lines(self) -> list[str]:
        """Frames, windows and steps of the run."""
        plan, settings, guided = self.plan, self.settings, self.settings.guidance
        return [
            f"video: {count(plan.num_frames, 'frame')} of {settings.width} x {settings.height} "
            f"({plan.num_frames / FRAME_RATE:.2f} s), {count(self.num_speakers, 'speaker')}",
            f"windows: {plan.num_windows} of {count(plan.size.window, 'frame')} "
            f"(overlap {plan.size.overlap}){self._shots()}",
            f"sampling: {count(guided.steps, 'step')} of "
            f"{count(self.num_passes, 'pass', 'passes')}, {settings.sampler}, "
            f"{_spacing(settings)}, text {guided.text_guidance:g}, "
            f"audio {guided.audio_guidance:g}, seed {settings.seed}",
        ]

    def _shots(self) -> str:
        """How many shots there are, if there are cuts."""
        shots = len(self.plan.shots)
        return f", {count(shots, 'shot')}" if shots > 1 else ""

    def _drift_lines(self) -> list[str]:
        """Color distance to the picture window by window; a summary of many comes first."""
        windows, drift = self.windows, self.settings.drift
        if not windows:
            return []
        held = ["matching"] if drift.color_strength > 0 else []
        held += ["drift_correction"] if drift.correction > 0 else []
        shown = [
            f"{w.drift:.1f} -> {w.left_drift:.1f}" if held else f"{w.drift:.1f}" for w in windows
        ]
        how = f"before -> after {' and '.join(held)}" if held else "matching is off"
        if self.plan.cuts:
            lines = [f"colour distance to the picture of each shot, {how} (2 is just visible):"]
            return [*lines, *self._shot_lines(shown)]
        lines = [f"colour distance to the picture, {how} (2 is just visible):"]
        if len(windows) <= NUMBERS_PER_LINE:
            return [*lines, f"  {', '.join(shown)}"]
        order = sorted(range(len(windows)), key=lambda index: windows[index].drift)
        least, worst = order[0], order[: -1 - NUM_WORST : -1]
        lines.append(f"  least: {shown[least]} in window {least + 1}")
        lines.append("  most: " + ", ".join(f"{shown[i]} in window {i + 1}" for i in worst))
        lines.append(f"  last: {shown[-1]}")
        for begin in range(0, len(windows), NUMBERS_PER_LINE):
            part = shown[begin : begin + NUMBERS_PER_LINE]
            lines.append(f"  from window {begin + 1}: {', '.join(part)}")
        return lines

    def _shot_lines(self, shown: Sequence[str]) -> list[str]:
        """What is shown of every window, a line per shot, of long ones several."""
        lines, of_shot = [], [self.plan.place(window.index)[0] for window in self.windows]
        for shot in range(len(self.plan.shots)):
            own = [text for number, text in zip(of_shot, shown, strict=True) if number == shot]
            for begin in range(0, len(own), NUMBERS_PER_LINE):
                head = f"shot {shot + 1}:" if begin == 0 else f"  from window {begin + 1}:"
                lines.append(f"  {head} {', '.join(own[begin : begin + NUMBERS_PER_LINE])}")
        return lines


def _spacing(settings: RunSettings) -> str:
    """How the noise levels are spaced."""
    if settings.sigmas is not None:
        return "sigmas as connected"
    even = ", even" if settings.schedule == "even" else ""
    return f"shift {settings.guidance.shift:g}{even}"


def describe_look(plan: FilmPlan, whole: FilmPlan, pace: tuple[int, float] | None) -> str:
    """What is said of the first look `plan` at a `whole` video.

    `pace` is the number of the first window that was made, and its seconds; None: none was.
    """
    parts = [
        f"first look: {plan.num_frames / FRAME_RATE:.2f} of {whole.num_frames / FRAME_RATE:.2f} s, "
        f"{plan.num_windows} of {count(whole.num_windows, 'window')}"
    ]
    if pace is not None:
        number, seconds = pace
        parts.append(
            f"by the pace of window {number} ({duration(seconds)}, with loading) the whole takes "
            f"about {clock(seconds * whole.num_windows)}"
        )
    return "; ".join(parts)


def clock(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def duration(seconds: float) -> str:
    """How long something took: as `clock`, finer."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
