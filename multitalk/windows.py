"""The plan of a video: which frames each window makes, from which speech.

Exact mode (the default) returns exactly the number of frames that the sound covers, whatever its
length. Reference mode repeats what the published programs do, for comparison: tracks must be longer
than a window, the tail is mirrored speech, MultiTalk returns three frames less.

Source: decisions.md 2, 3, 30 and 40, sampling.md sections 4 and 11, flashtalk.md section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from einops import repeat
from torch import Tensor

from .config import AUDIO_RADIUS, FAMILY_NAMES, VAE_TIME, Family, WindowSize

MIRROR_EXTRA = 3  # frames that the reference mirrors beyond the need, and MultiTalk loses
MAX_REFERENCE_FRAMES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowPlan:
    """Windows of one video."""

    size: WindowSize
    starts: tuple[int, ...]  # first frame of each window
    num_frames: int  # frames returned
    last_window: int  # frames of the last window
    mirrored: tuple[int, ...]  # per speaker: mirrored frames appended in the last window
    lead: int = 0  # frames that the first window makes before the video begins
    # Of a shot of a film: its first frame, how many windows come before its own, and how many all
    # are (0: these alone).
    begin: int = 0
    earlier: int = 0
    in_all: int = 0

    @property
    def num_windows(self) -> int:
        """How many windows run."""
        return len(self.starts)

    def window_frames(self, index: int) -> int:
        """Frames that window `index` samples."""
        return self.last_window if index == self.num_windows - 1 else self.size.window

    def used(self, index: int) -> int:
        """Frames of window `index` up to where the next one goes on; those after are given up."""
        if index == self.num_windows - 1:
            return self.last_window
        return self.starts[index + 1] + self.size.overlap - self.starts[index]

    def kept(self, index: int) -> slice:
        """Which frames of window `index` go into the video."""
        first = self.size.overlap if index else self.lead
        return slice(first, max(first, min(self.used(index), self.num_frames - self.starts[index])))

    @property
    def end(self) -> int:
        """Place of the video's last frame in the last window."""
        return self.num_frames - 1 - self.starts[-1]


class PlannedWindows(Protocol):
    """What a plan of one shot and one of a whole film have in common."""

    @property
    def starts(self) -> tuple[int, ...]:
        """First frame of each window."""
        ...

    @property
    def num_frames(self) -> int:
        """Frames of the video."""
        ...

    def kept(self, index: int) -> slice:
        """Which frames of window `index` go into the video."""
        ...


def check_window_size(size: WindowSize) -> None:
    """Refuse windows that the network or the loop cannot use.

    Raises:
        ValueError: If window or overlap is not 4n+1, or the overlap is not smaller.
    """
    for name, value in (("window", size.window), ("overlap", size.overlap)):
        if value < 1 or value % VAE_TIME != 1:
            below = max(1, (value - 1) // VAE_TIME * VAE_TIME + 1)
            raise ValueError(
                f"{name} is {value}; it must be a multiple of {VAE_TIME}, plus 1. "
                f"Use {below} or {below + VAE_TIME}."
            )
    if size.overlap >= size.window:
        advice = f"Use an overlap of at most {size.window - VAE_TIME}."
        if size.window <= VAE_TIME:
            advice = f"Use a window of at least {size.overlap + VAE_TIME}."
        raise ValueError(
            f"overlap is {size.overlap} and window is {size.window}; the overlap must be smaller "
            f"than the window. {advice}"
        )


def plan_exact(
    num_frames: int, size: WindowSize, *, short_last_window: bool = False, lead: int = 0
) -> WindowPlan:
    """Windows at 0, W-O, 2(W-O) ... for exactly `num_frames`; the last is the first to reach them.

    A short last window samples only as many frames as are needed (4n+1): quicker, but a length the
    model was not trained on. With a `lead` all windows begin that many frames earlier, and the
    first ones of the first window are not shown.
    """
    stride = size.window - size.overlap
    starts = [-lead]
    while starts[-1] + size.window < num_frames:
        starts.append(starts[-1] + stride)
    needed = num_frames - starts[-1]
    short = -(-(needed - 1) // VAE_TIME) * VAE_TIME + 1
    return WindowPlan(
        size=size,
        starts=tuple(starts),
        num_frames=num_frames,
        last_window=short if short_last_window else size.window,
        mirrored=(),
        lead=lead,
    )


def end_with_video(plan: WindowPlan) -> WindowPlan:
    """The same number of windows of the same lengths, of which the last ends with the video.

    What the last window makes beyond the video in `plan_exact`, the one before makes beyond what
    the last goes on from. So the last one has as many new frames as any to come to an end in. A
    single window stays where it is.

    Raises:
        ValueError: If the video's only frame is its first.
    """
    if plan.num_windows == 1:
        if plan.num_frames == 1:
            raise ValueError(
                "The video has 1 frame, which cannot show both image and end_image. Use a longer "
                "sound, or leave end_image free."
            )
        return plan
    return replace(plan, starts=(*plan.starts[:-1], plan.num_frames - plan.last_window))


def plan_reference(
    lengths: Sequence[int], size: WindowSize, *, family: Family, max_frames: int
) -> WindowPlan:
    """Plan as the published programs do, without their defects.

    Of the lengths in feature frames, that of speaker 1 decides the number of windows. `max_frames`
    limits the video; up to the window it means one window.

    Raises:
        ValueError: If a track is not longer than a window, or for a family whose own program does
            not show all of the sound.
    """
    if family == "flashtalk":
        raise ValueError(
            f"length is reference, and {FAMILY_NAMES[family]}'s own program leaves out up to 1.1 s "
            "of the sound at the end. Set length to exact."
        )
    if min(lengths) <= size.window:
        raise ValueError(
            f"The shortest track has {min(lengths)} frames; reference mode needs more than one "
            f"window of {size.window}. Set length to exact, or use a longer sound."
        )
    starts, mirrored = [0], [0] * len(lengths)
    if max_frames > size.window:
        end = size.window
        while end < min(max_frames, lengths[0]) or len(starts) == 1:
            starts.append(starts[-1] + size.window - size.overlap)
            end = starts[-1] + size.window
        mirrored = [end - n + MIRROR_EXTRA if end >= n else 0 for n in lengths]
    joined = starts[-1] + size.window
    if max_frames <= size.window:
        num_frames = min(size.window, max_frames)
    elif family == "multitalk":
        num_frames = min(lengths[0] - MIRROR_EXTRA, max_frames)
    else:
        num_frames = min(joined, max_frames, lengths[-1] if any(mirrored) else joined)
    return WindowPlan(
        size=size,
        starts=tuple(starts),
        num_frames=num_frames,
        last_window=size.window,
        mirrored=tuple(mirrored),
    )


def audio_windows(tracks: Sequence[Tensor], start: int, num_frames: int) -> Tensor:
    """Neighbourhood of each frame of a window: tracks [F_s, M, E] to [S, F, 5, M, E].

    Indices past the ends of a track take its first or last frame.
    """
    offsets = torch.arange(-AUDIO_RADIUS, AUDIO_RADIUS + 1)
    index = torch.arange(start, start + num_frames)[:, None] + offsets
    return torch.stack([track[index.clamp(0, len(track) - 1)] for track in tracks])


def window_speech(
    plan: WindowPlan, index: int, tracks: Sequence[Tensor], silence: Tensor | None
) -> Tensor:
    """Speech that drives window `index`, [S, F, 5, M, E], of the tracks [F_s, M, E].

    In exact mode `silence` [M, E] follows their end, and comes before their beginning where the
    plan has a lead. Only what the window hears is copied.
    """
    start, frames = plan.begin + plan.starts[index], plan.window_frames(index)
    needed = range(start - AUDIO_RADIUS, start + frames + AUDIO_RADIUS)
    last = index == plan.num_windows - 1
    mirrored = plan.mirrored if plan.mirrored and last else [0] * len(tracks)
    silence = None if plan.mirrored else silence
    before = silence if plan.lead else None
    heard = [
        _take_frames(track, needed, tail, before, silence)
        for track, tail in zip(tracks, mirrored, strict=True)
    ]
    return audio_windows(heard, AUDIO_RADIUS, frames)


def _take_frames(
    track: Tensor, needed: range, mirrored: int, before: Tensor | None, after: Tensor | None
) -> Tensor:
    """Frames of a track, one per number needed: [len(needed), M, E].

    `before` [M, E] stands before its beginning; without it, its first frame. After its end stand
    its last `mirrored` frames backwards (all there are, if fewer), then `after` [M, E]; without it,
    what came last.
    """
    length = len(track)
    end = length + min(mirrored, length)
    early = 0 if before is None else sum(frame < 0 for frame in needed)
    late = 0 if after is None else sum(frame >= end for frame in needed)
    within = needed[early : len(needed) - late]
    places = [min(max(frame, 0), end - 1) for frame in within]
    places = [place if place < length else 2 * length - 1 - place for place in places]
    parts = [track[torch.tensor(places, dtype=torch.long)]]
    if before is not None and early:
        parts.insert(0, repeat(before, "m e -> f m e", f=early))
    if after is not None and late:
        parts.append(repeat(after, "m e -> f m e", f=late))
    return torch.cat(parts)


def plan_one(start: int, num_latent_frames: int) -> WindowPlan:
    """A single window out of a longer speech, which it hears around itself."""
    frames = (num_latent_frames - 1) * VAE_TIME + 1
    return WindowPlan(
        size=WindowSize(window=frames, overlap=1),
        starts=(start,),
        num_frames=frames,
        last_window=frames,
        mirrored=(),
    )
