"""Which frame of a source video is seen at which time, and how long a dubbed video is.

A frame is seen from its own time stamp until that of the next one, as a player shows it; nothing
here counts frames. Times are exact fractions of seconds since the first frame.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from ..config import FRAME_RATE

MOST_ROUNDING = Fraction(1, 2000)  # s: what a time stamp may be off, half a tick of the file
Shorter = Literal["hold", "loop", "stop"]
SHORTER: tuple[Shorter, ...] = ("hold", "loop", "stop")
Longer = Literal["cut", "keep, silent", "keep as it is"]
LONGER: tuple[Longer, ...] = ("cut", "keep, silent", "keep as it is")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTimes:
    """When the frames of a source video are seen."""

    starts: tuple[Fraction, ...]  # seconds, rising, the first is 0
    end: Fraction  # seconds, of the last frame
    tick: Fraction = Fraction(
        0
    )  # seconds, what time stamps are rounded to, at most twice `MOST_ROUNDING`

    @property
    def num_frames(self) -> int:
        """Frames of 25 per second that show something of the video, at least one."""
        return max(1, math.ceil((self.end - self.tick / 2) * FRAME_RATE))

    def shown_at(self, time_s: Fraction) -> int:
        """Number of the source frame that is seen at a time; the last one stays after the end."""
        return max(0, bisect_right(self.starts, time_s + self.tick / 2) - 1)


def waiting_frames(first: int, start_s: Fraction, tick: Fraction, limit: int | None) -> range:
    """Frames of 25 per second from `first` on that are over before a source frame is seen.

    `start_s` is when it is seen; the frames before it show what was seen until then.
    """
    # Frame k lies at k / 25, and sees this source frame if start <= k / 25 + tick / 2.
    stop = max(first, math.ceil((start_s - tick / 2) * FRAME_RATE))
    return range(first, stop if limit is None else min(stop, limit))


@dataclass(frozen=True, kw_only=True, slots=True)
class DubPlan:
    """How long a dubbed video is, and what it shows."""

    num_frames: int  # 25 per second
    num_spoken: int  # of these, how many the voice lasts, with the silence that is asked for
    num_source: int  # frames of 25 per second that the source fills
    loops: bool  # whether the source begins again when it is over

    def frame(self, number: int, times: SourceTimes) -> int:
        """The source frame that frame `number` of the dubbed video shows."""
        now = Fraction(number, FRAME_RATE)
        return times.shown_at(now % times.end if self.loops else now)


def plan_dub(
    num_source: int, num_voice: int | None, *, shorter: Shorter, longer: Longer
) -> DubPlan:
    """Bring a source and a voice, both in frames of 25 per second, to one length.

    Args:
        num_source: Frames that the source fills.
        num_voice: Frames that the voice lasts; None: the source's own sound is the voice.
        shorter: What a source does that is over before the voice: its last frame stands, it begins
            again, or the voice stops with it.
        longer: What becomes of a source that goes on after the voice: cut, kept with silence, or
            kept and left as it is, so that nobody is sampled there.

    Returns:
        The plan.
    """
    voice = num_source if num_voice is None else num_voice
    if num_source < voice:
        num_frames = num_source if shorter == "stop" else voice
        spoken = num_frames
    else:
        num_frames = voice if longer == "cut" else num_source
        spoken = voice if longer == "keep as it is" else num_frames
    return DubPlan(
        num_frames=num_frames,
        num_spoken=spoken,
        num_source=num_source,
        loops=num_source < voice and shorter == "loop",
    )


def frames_wanted(num_voice: int | None, longer: Longer) -> int | None:
    """How many frames of 25 per second of a source are worth reading; None: all there are."""
    return num_voice if longer == "cut" else None


def ending_frames(times: SourceTimes, count: int) -> list[int]:
    """Source frames that are seen at the last `count` times, 1/25 s apart, counted from the end.

    The last of these times is 1/25 s before it, so what comes next goes on at the end. Fewer where
    the source is shorter, at least one.
    """
    back = (times.end - Fraction(number, FRAME_RATE) for number in range(count, 0, -1))
    seen = [times.shown_at(time_s) for time_s in back if time_s >= -times.tick / 2]
    return seen or [len(times.starts) - 1]


def even_times(count: int, rate: Fraction) -> SourceTimes:
    """Times of frames that lie evenly, at `rate` per second."""
    starts = tuple(Fraction(number) / rate for number in range(count))
    return SourceTimes(starts=starts, end=Fraction(count) / rate)


def describe_rate(times: SourceTimes) -> str:
    """The rate of a source, as people say it."""
    starts = times.starts
    if len(starts) < 2:
        return "one frame"
    gaps = [later - sooner for sooner, later in pairwise(starts)]
    varies = max(gaps) > Fraction(3, 2) * min(gaps)
    rate = (len(starts) - 1) / starts[-1]
    said = f"{float(rate):.5g} frames per second"
    return f"{said} on average, of varying length" if varies else said
