"""The end image: what of the last window it fills, and colors on the way to it.

The plan of such a video is one of `windows.end_with_video`. Source: decisions.md 40.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .color import color_statistics, match_statistics
from .config import VAE_TIME
from .frames import pad_with_grey
from .windows import WindowPlan


def known_end_frames(plan: WindowPlan, *, whole: bool) -> int:
    """Frames at the end of the last window that show the end image.

    Those behind the last frame of the video are not shown. `whole`: all frames of the latent frame
    in which that one lies, so up to three before it; else it is the first.
    """
    before = (plan.end - 1) % VAE_TIME if whole else 0
    return plan.last_window - plan.end + before


def end_condition(condition: Tensor, end: Tensor, plan: WindowPlan, held: int) -> Tensor:
    """Frames that the network of the last window knows: [n, H, W, 3], grey, `held` times an end."""
    begin = pad_with_grey(condition, plan.last_window - held)
    return torch.cat([begin, end.to(begin).expand(held, -1, -1, -1)])


def still_latents(end: Tensor, held: int, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Latents [1, 16, held / 4, h, w] of a video that stands still on the end image.

    Encoded behind one more frame of it: the first latent frame of a video stands for one frame.
    """
    return encode(end.expand(1 + held, -1, -1, -1))[:, :, 1:]


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
