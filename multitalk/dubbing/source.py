"""Frames and sound of a source video file, by their time stamps, one after another.

No more is held than a dubbed video shows: of 60 frames per second 25, and nothing behind its end.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..sound.audio import Sound
from .times import MOST_ROUNDING, SourceTimes, even_times, waiting_frames

JITTER_S = Fraction(1, 50)  # time stamps of sound are rounded; what is more is a gap
QUARTER_TURN = 90

Check = Callable[[int, int, int], None]  # height, width, frames held so far; may raise
Source = str | io.BytesIO


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The part of a file that counts."""

    start_s: Fraction = Fraction(0)  # in the file's own time; before its first frame: all of it
    duration_s: Fraction | None = None  # None: to the end


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFrames:
    """Frames of a source that are seen at 25 per second."""

    times: SourceTimes  # of all frames that were read, whether seen or not
    kept: dict[int, Tensor]  # by number: [H, W, 3], uint8 or float32 in 0..1
    zero_s: Fraction = Fraction(0)  # where the first frame lies in the file's own time


@contextlib.contextmanager
def open_source(source: Source) -> Iterator[Any]:
    """The container of a video file, or of one in memory.

    Raises:
        ValueError: If it cannot be read.
    """
    import av
    from av.error import FFmpegError

    if isinstance(source, io.BytesIO):
        source.seek(0)
    try:
        with av.open(source, mode="r") as container:
            yield container
    except (FFmpegError, OSError) as error:
        raise ValueError(
            f"video cannot be read ({error}); it takes a video file that plays. "
            "Choose another file, or convert it to mp4 (H.264)."
        ) from error


def read_frames(
    source: Source,
    cut: Cut,
    *,
    limit: int | None = None,
    loops: bool = False,
    longest_side: int = 0,
    check: Check = lambda *_: None,
) -> SourceFrames:
    """Read the frames that are seen at the times of 25 per second.

    Args:
        source: File or bytes.
        cut: The part that counts.
        limit: Frames of 25 per second that are wanted; None: until the end.
        loops: Whether the source may be seen a second time, when times lie elsewhere on it: all
            frames are kept then.
        longest_side: Pixels that the longer side is brought down to; 0: as it is.
        check: Called after each frame that is kept.

    Returns:
        The kept frames, uint8, and all times.

    Raises:
        ValueError: If the file cannot be read, or shows no picture.
    """
    reader = _Reader(limit, loops=loops, longest_side=longest_side, check=check)
    with open_source(source) as container:
        if not container.streams.video:
            raise ValueError("video has no picture, only sound. Choose a video file.")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        tick = min(Fraction(stream.time_base), 2 * MOST_ROUNDING)
        for frame, begin_s, length_s in _timed_frames(container, stream, cut):
            if not reader.take(frame, begin_s, length_s, tick):
                break
    return reader.finish(cut, tick)


class _Reader:
    """Takes frames as they come, and keeps those that are seen."""

    def __init__(self, limit: int | None, *, loops: bool, longest_side: int, check: Check) -> None:
        self._limit, self._loops = limit, loops
        self._longest_side, self._check = longest_side, check
        self._starts: list[Fraction] = []
        self._kept: dict[int, Tensor] = {}
        self._zero = self._length = Fraction(0)
        self._waiting: Any = None  # the frame that is seen until the next one begins
        self._passed = 0  # frames of 25 per second that are known

    def take(self, frame: Any, begin_s: Fraction, length_s: Fraction, tick: Fraction) -> bool:
        """Take the next frame; whether more are wanted."""
        if not self._starts:
            self._zero = begin_s
        start = begin_s - self._zero
        if self._starts and start <= self._starts[-1]:
            return True  # two frames at one time: the first is seen
        shown = waiting_frames(self._passed, start, tick, self._limit)
        self._passed = max(self._passed, shown.stop)
        if self._waiting is not None and (len(shown) or self._loops):
            self._keep()
        if self._limit is not None and self._passed >= self._limit:
            # What lies behind the end counts as there, not as seen.
            self._waiting, self._length = None, start - self._starts[-1]
            return False
        self._starts.append(start)
        self._waiting, self._length = frame, length_s
        return True

    def finish(self, cut: Cut, tick: Fraction) -> SourceFrames:
        """What was kept, when no frame comes after the last."""
        if not self._starts:
            raise ValueError(
                "video shows no picture in the part that is used. Choose another part or file."
            )
        end = self._starts[-1] + self._length
        if cut.duration_s is not None:
            end = min(end, cut.duration_s)
        times = SourceTimes(starts=tuple(self._starts), end=end, tick=tick)
        if self._waiting is not None and (self._loops or self._passed < times.num_frames):
            self._keep()
        return SourceFrames(times=times, kept=self._kept, zero_s=self._zero)

    def _keep(self) -> None:
        picture = _upright(self._waiting, self._longest_side)
        self._kept[len(self._starts) - 1] = picture
        height, width = picture.shape[:2]
        self._check(height, width, len(self._kept))


def _timed_frames(
    container: Any, stream: Any, cut: Cut
) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """Frames inside the cut with their begin and length in seconds of the file's own time."""
    base = Fraction(stream.time_base)
    if cut.start_s > 0:
        container.seek(int(cut.start_s / base), stream=stream)
    usual = 1 / Fraction(stream.average_rate or 25)
    next_s, first_s = Fraction(0), None
    for frame in container.decode(stream):
        begin = next_s if frame.pts is None else frame.pts * base
        length = frame.duration * base if frame.duration else usual
        next_s = begin + length
        if begin < cut.start_s:
            continue
        first_s = begin if first_s is None else first_s
        if cut.duration_s is not None and begin >= first_s + cut.duration_s:
            return
        yield frame, begin, length


def _upright(frame: Any, longest_side: int) -> Tensor:
    """A frame as it is meant to be seen, [H, W, 3] uint8."""
    longer = max(frame.width, frame.height)
    if longest_side and longer > longest_side:
        width, height = (
            max(1, round(side * longest_side / longer)) for side in (frame.width, frame.height)
        )
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        array = small.to_ndarray()
    else:
        array = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / QUARTER_TURN)
    return torch.from_numpy(np.ascontiguousarray(np.rot90(array, k=turns)))


def frames_in_memory(images: Tensor, rate: Fraction, *, longest_side: int = 0) -> SourceFrames:
    """As `read_frames`, of frames [F, H, W, 3] in 0..1 that lie evenly at `rate` per second."""
    longer = max(images.shape[1:3])
    if longest_side and longer > longest_side:
        size = [max(1, round(side * longest_side / longer)) for side in images.shape[1:3]]
        rows = (
            torch.nn.functional.interpolate(image.movedim(-1, 0)[None], size, mode="area")
            for image in images
        )
        images = torch.cat([row.movedim(1, -1) for row in rows])
    return SourceFrames(times=even_times(len(images), rate), kept=dict(enumerate(images)))


def read_sound(source: Source, cut: Cut, zero_s: Fraction, length_s: Fraction) -> Sound | None:
    """The sound of a video file from a time on, exact to the sample; None: it has none.

    Args:
        source: File or bytes.
        cut: The part of it that counts.
        zero_s: Where the sound begins, in the file's own time: at its first frame.
        length_s: Seconds that are wanted.

    Returns:
        The sound, silent where the file has none at that time; shorter where it ends before.
    """
    import av

    if cut.duration_s is not None:
        length_s = min(length_s, cut.duration_s)
    with open_source(source) as container:
        # As the host does it: the last one that can be decoded.
        heard = [s for s in container.streams.audio if s.codec_context is not None]
        if not heard:
            return None
        if cut.start_s > 0:
            container.seek(int(zero_s * av.time_base))
        parts: list[tuple[int, np.ndarray]] = []
        rate = 0
        for begin_s, rate, part in _timed_sound(container, heard[-1], zero_s):
            parts.append((round(begin_s * rate), part))
            if begin_s > length_s:
                break
        return _join(parts, rate, length_s) if parts else None


def _timed_sound(
    container: Any, stream: Any, zero_s: Fraction
) -> Iterator[tuple[Fraction, int, np.ndarray]]:
    """Pieces of sound [C, A] float32 with the time they begin at, from a zero on, and their Hz."""
    import av

    resampler, next_s = av.AudioResampler(format="fltp"), None
    for frame in container.decode(stream):
        begin = next_s if frame.pts is None else frame.pts * Fraction(frame.time_base) - zero_s
        if begin is None or (next_s is not None and abs(begin - next_s) < JITTER_S):
            begin = next_s or Fraction(0)
        for piece in resampler.resample(frame):
            yield begin, frame.sample_rate, piece.to_ndarray()
        next_s = begin + Fraction(frame.samples, frame.sample_rate)


def _join(parts: list[tuple[int, np.ndarray]], rate: int, length_s: Fraction) -> Sound:
    """Pieces [C, A] at their places, from 0 to a time."""
    stop = min(max(place + part.shape[1] for place, part in parts), round(length_s * rate))
    waveform = np.zeros((len(parts[0][1]), max(1, stop)), np.float32)
    for place, part in parts:
        begin, end = max(place, 0), min(place + part.shape[1], stop)
        if end > begin:
            waveform[:, begin:end] = part[:, begin - place : end - place]
    return Sound(waveform=torch.from_numpy(waveform), sample_rate=rate)
