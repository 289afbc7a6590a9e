"""Drift correction: what windows change little by little, where the picture stands still.

What a network adds to a still place in every window is nearly the same each time, so it adds up:
colors shift, walls get blotches, eyes fade. The mean frame of a window shows it, because movement
that comes and goes is the same in every mean. Whatever the mean frame of a window differs by from
that of the first one is taken from all its frames, and so from those that the next window begins
with. Places that differ much have changed on purpose; they and all that lies on or beside what
moves are left alone.

Source: decisions.md 50.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .frames import least_around

CHANGED = 0.4
"""Difference of two mean frames, over the three channels in 0..1, that counts as wanted."""
MOVING = 0.22
"""Deviation of a place within a window, likewise, that counts as movement."""
_BLUR_SHARE = 200  # of the shorter side: standard deviation of the blur
_AROUND_SHARE = 24  # of the shorter side: as far around what moves nothing is held


def measure_look(frames: Tensor) -> Tensor:
    """Mean and deviation over time of frames [F, H, W, 3] in 0..1: [H, W, 4] float32."""
    mean = frames.mean(0, dtype=torch.float32)
    squares = torch.zeros_like(mean[..., 0])
    for frame in frames:  # one by one: a window of a large video takes a gigabyte
        squares += (frame - mean).square().sum(-1)
    return torch.cat([mean, (squares / len(frames)).sqrt()[..., None]], -1)


def correct_drift_(frames: Tensor, first: Tensor, *, strength: float) -> None:
    """Take from a window what still places of it have drifted by, in place.

    Args:
        frames: [F, H, W, 3] in 0..1, float; a second copy would take a gigabyte.
        first: `measure_look` of the first window, [H, W, 4].
        strength: 0 to 1; how much of it is taken back.
    """
    look, first = measure_look(frames), first.to(frames.device)
    off = (first - look)[..., :3]
    moves = torch.maximum(first[..., 3], look[..., 3])
    side = min(off.shape[:2])
    still = torch.exp(-((moves / MOVING) ** 4))[None]
    still = least_around(still, round(side / _AROUND_SHARE))[0]
    weight = still * torch.exp(-((off.norm(dim=-1) / CHANGED) ** 4))
    wrong = (strength * weight[..., None] * off).movedim(-1, 0)
    back = _blur(wrong, side / _BLUR_SHARE).movedim(0, -1)
    for frame in frames:
        frame.add_(back).clamp_(0, 1)


def _blur(planes: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of planes [C, H, W], edges repeated; `deviation` in pixels."""
    reach = round(3 * deviation)
    steps = torch.arange(-reach, reach + 1, device=planes.device) / max(deviation, 1e-6)
    bell = torch.exp(-steps.square() / 2)
    bell = (bell / bell.sum()).to(planes)
    found = planes[:, None]
    for kernel, pad in ((bell.view(1, 1, 1, -1), (reach, reach, 0, 0)),
                        (bell.view(1, 1, -1, 1), (0, 0, reach, reach))):  # fmt: skip
        padded = torch.nn.functional.pad(found, pad, mode="replicate")
        found = torch.nn.functional.conv2d(padded, kernel)
    return found[:, 0]
