"""The first look: the beginning of a video alone, with the very frames that the whole would have.

The windows are those of the whole video, so nothing of them changes with what comes after, and the
whole goes on from them. Only what goes into the video is cut.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from .config import FRAME_RATE
from .film import FilmPlan
from .generate import VideoWindow
from .windows import WindowPlan


def shown_plan(plan: FilmPlan, first_seconds: float) -> FilmPlan:
    """The plan as it is seen with so many seconds of the whole; 0 is all of it.

    It holds the windows that make one of these frames. A frame that begins in the time counts.
    """
    num_frames = -(-Fraction(str(first_seconds)) * FRAME_RATE // 1)
    if not 0 < num_frames < plan.num_frames:
        return plan
    shots = [
        _shown_shot(shot, int(num_frames) - shot.begin)
        for shot in plan.shots
        if shot.begin < num_frames
    ]
    in_all = sum(shot.num_windows for shot in shots)
    return FilmPlan(shots=tuple(replace(shot, in_all=in_all) for shot in shots))


def _shown_shot(plan: WindowPlan, num_frames: int) -> WindowPlan:
    """The windows of a shot that make one of its first `num_frames`."""
    if num_frames >= plan.num_frames:
        return plan
    needed = [start + plan.kept(i).start < num_frames for i, start in enumerate(plan.starts)]
    return replace(
        plan,
        starts=plan.starts[: sum(needed)],
        num_frames=num_frames,
        last_window=plan.window_frames(sum(needed) - 1),
    )


def cut_window(window: VideoWindow, num_frames: int) -> VideoWindow:
    """A window without its frames beyond those of the video."""
    room = max(0, num_frames - window.start)
    return window if room >= len(window.frames) else replace(window, frames=window.frames[:room])
