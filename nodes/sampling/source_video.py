"""What is said of a source video whose frames are not those of 25 per second."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import folder_paths

from ...multitalk.config import FRAME_RATE
from ...multitalk.words import count
from ..host import upstream

# Nodes that load a video: the input with its file, the rate that they bring it to (0: its own), and
# of how many frames they take one.
_LOADERS = {
    "LoadVideo": ("file", "", ""),
    "VHS_LoadVideo": ("video", "force_rate", "select_every_nth"),
    "VHS_LoadVideoPath": ("video", "force_rate", "select_every_nth"),
    "VHS_LoadVideoFFmpeg": ("video", "force_rate", ""),
    "VHS_LoadVideoFFmpegPath": ("video", "force_rate", ""),
}
_BY_TIME = "MultiTalkDubSource"  # brings frames to 25 per second itself


def describe_source(num_source: int, num_frames: int, hidden: Any) -> list[str]:
    """Sentences about a source video of `num_source` frames for a video of `num_frames`.

    One frame of the source stands for one of the video, so that another rate than 25 makes the
    picture run behind the sound or ahead of it. The rate is known where a node that leads to the
    image loads a file; `hidden` holds the running prompt and the sampling node's id.
    """
    if num_source < 2:
        return []
    notes = []
    rate = _loaded_rate(hidden)
    if rate is not None and abs(rate - FRAME_RATE) > 0.01:
        notes.append(
            f"source video: its file has {float(rate):.5g} frames per second and is shown at "
            f"{FRAME_RATE}, {float(rate) / FRAME_RATE:.2f} times as long, unless a node in between "
            f"changes that; bring it to {FRAME_RATE} first"
        )
    if num_source != num_frames:
        left = "the last one stands still" if num_source < num_frames else "the rest is not used"
        notes.append(
            f"source video: {count(num_source, 'frame')}, {num_source / FRAME_RATE:.2f} s at "
            f"{FRAME_RATE} per second, for {num_frames / FRAME_RATE:.2f} s of speech; {left}"
        )
    return notes


def _loaded_rate(hidden: Any) -> Fraction | None:
    """Frames per second of the nearest video file that leads to the image, if one can be read."""
    for kind, inputs in upstream(hidden.dynprompt, hidden.unique_id, "image"):
        if kind == _BY_TIME:
            return None
        if kind in _LOADERS:
            return _rate_of(inputs, *_LOADERS[kind])
    return None


def _rate_of(inputs: Mapping[str, Any], file: str, forced: str, nth: str) -> Fraction | None:
    rate, every = inputs.get(forced), inputs.get(nth)
    if isinstance(rate, int | float) and rate > 0:
        found = Fraction(rate).limit_denominator(1001)
    else:
        found = _file_rate(inputs.get(file))
    if found is None or not isinstance(every, int) or every < 1:
        return found
    return found / every


def _file_rate(name: object) -> Fraction | None:
    import av
    from av.error import FFmpegError

    if not isinstance(name, str):
        return None
    with suppress(OSError, ValueError, IndexError, FFmpegError):
        path = folder_paths.get_annotated_filepath(name)
        root = Path(folder_paths.get_input_directory()).resolve()
        if Path(path).resolve().is_relative_to(root):
            with av.open(path) as container:
                return container.streams.video[0].average_rate
    return None
