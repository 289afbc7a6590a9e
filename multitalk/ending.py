"""The end image: what of the last window it fills, and colors on the way to it.

The plan of such a video is one of `windows.end_with_video`. Source: decisions.md 38.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .color import color_statistics, match_statistics
from .frames import pad_with_grey
from .windows import WindowPlan


def known_end_frames(plan: WindowPlan) -> int:
    """Frames at the end of the last window that show the end image.

    The first of them is the last frame of the video; those behind it are not shown.
    """
    return plan.last_window - plan.end


def end_condition(condition: Tensor, end: Tensor, plan: WindowPlan) -> Tensor:
    """Frames of the last window that its network knows: [n, H, W, 3], grey, and the end image."""
    held = known_end_frames(plan)
    begin = pad_with_grey(condition, plan.last_window - held)
    return torch.cat([begin, end.to(begin).expand(held, -1, -1, -1)])


def match_towards(
    frames: Tensor, target: Tensor, end: Tensor, plan: WindowPlan, *, skipped: int, strength: float
) -> Tensor:
    """Frames [F, H, W, 3] of the last window, brought from the colors of a target to an end's own.

    Each is matched to colors on the line between both: the frame that the window's new ones go on
    from to those of the target, the last frame of the video to those of the end image.

    Args:
        frames: Of the last window, in 0..1, without its first `skipped` ones.
        target: Statistics [2, 3] that the window before it was matched to.
        end: The end image, [1, H, W, 3] in 0..1.
        plan: Of the video.
        skipped: Frames of the window before these.
        strength: As in `match_statistics`.
    """
    if strength == 0:
        return frames
    last = plan.num_windows - 1
    begin = plan.kept(last).start - (last > 0)  # a first window begins at the picture itself
    way = (torch.arange(skipped, skipped + len(frames)) - begin) / (plan.end - begin)
    colors = color_statistics(end, target.device)
    matched = [
        match_statistics(frame[None], torch.lerp(target, colors, part), strength=strength)
        for frame, part in zip(frames, way.clamp(0, 1).tolist(), strict=True)
    ]
    return torch.cat(matched)
