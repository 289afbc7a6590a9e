"""The video that another one goes on from: its last frames, 25 per second, whatever its own rate.

Source: decisions.md 43.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.v0_0_2 import InputImpl
from torch import Tensor

from ..multitalk.config import FRAME_RATE
from .pictures import read_pictures
from .values import naming

if TYPE_CHECKING:
    from ..multitalk.dubbing.source import Cut, SourceFrames

LEAST_FRAMES = 25  # the longest overlap of those that nobody types
SPARE_S = Fraction(1)  # read before them, as lengths that files tell are not exact


def read_continuation(value: Any, inputs: Mapping[str, Any]) -> Tensor:
    """Frames [F, H, W, 3] in 0..1 to go on from, 25 per second.

    Of a VIDEO the last ones that the sampling node of these `inputs` may need, by their time
    stamps: one each 1/25 s, counted back from the end of the video. An IMAGE is as it is.

    Raises:
        ValueError: If it is neither, or cannot be read.
    """
    if not hasattr(value, "get_components"):
        return read_pictures(value, "continue_from")
    from ..multitalk.dubbing.times import ending_frames

    overlap = inputs.get("overlap")
    wanted = max(LEAST_FRAMES, overlap if isinstance(overlap, int) else 0)
    with naming("continue_from"):
        source = _read_end(value, Fraction(wanted, FRAME_RATE) + SPARE_S)
    numbers = ending_frames(source.times, wanted)
    frames = torch.stack([source.kept[number] for number in numbers])
    if frames.dtype == torch.uint8:
        return frames.float().div_(255)
    return read_pictures(frames, "continue_from")


def _read_end(video: Any, seconds: Fraction) -> SourceFrames:
    """About the last seconds of a VIDEO, and all of it where that shows nothing."""
    from ..multitalk.dubbing import source

    if not isinstance(video, InputImpl.VideoFromFile):
        parts = video.get_components()
        images = read_pictures(parts.images, "continue_from")
        return source.frames_in_memory(images, Fraction(parts.frame_rate))
    cut, file = cut_of(video), video.get_stream_source()
    earlier = Fraction(video.get_duration()) - seconds
    if earlier > 0 and cut.duration_s is None:
        with contextlib.suppress(ValueError):  # a file may tell a wrong length
            end = source.Cut(start_s=cut.start_s + earlier)
            return source.read_frames(file, end, loops=True)
    return source.read_frames(file, cut, loops=True)


def cut_of(video: Any) -> Cut:
    """The part of a file that the host's Video Slice chose."""
    from ..multitalk.dubbing.source import Cut

    window = getattr(video, "get_active_trim_window", None)  # of newer hosts
    start, duration = (0.0, 0.0) if window is None else window()
    return Cut(start_s=Fraction(start), duration_s=Fraction(duration) if duration else None)
