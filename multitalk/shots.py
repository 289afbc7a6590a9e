"""Shots: what a video shows from which time on, and whose voice has a face there.

Times are in seconds on the time line of the sound; a shot begins at the frame nearest to its time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from .config import FRAME_RATE
from .sound.wav2vec2 import Speech
from .words import count

MAX_SHOTS = 8  # the first one is the picture that a video begins with
MIN_SHOT_FRAMES = 10  # 0.4 s: what is shorter is a flash, and costs a whole window all the same
MAX_TIME_S = 24 * 3600
_SECONDS = re.compile(r"[0-9]{1,9}([.][0-9]{0,9})?|[.][0-9]{1,9}")
_NOBODY = "0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A cut to another picture."""

    begin: int  # first frame, 25 per second
    picture: Tensor  # [1, H, W, 3] in 0..1
    masks: Tensor | None  # [S, H, W], one for each voice that has a face here; None: none given


@dataclass(frozen=True, kw_only=True, slots=True)
class Shots:
    """All shots after the first, and who is seen in which.

    `seen` has an entry for each shot, from the first on: numbers of voices, from 0; None for all.
    The others are heard while nobody's lips follow them. It may end early: all are seen then.
    """

    later: tuple[Shot, ...]
    seen: tuple[tuple[int, ...] | None, ...] = ()

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frames of the shots after the first."""
        return tuple(shot.begin for shot in self.later)

    def speech_of(self, number: int, speech: Speech) -> Speech:
        """Speech as shot `number`, from 0, sees it: of the voices that have a face there.

        Where nobody has one who speaks, it is silence.

        Raises:
            ValueError: If there are not as many voices.
        """
        seen = self.seen[number] if number < len(self.seen) else None
        if seen is None:
            return speech
        if not seen:
            silent = speech.silence.expand_as(speech.features[:1])
            return replace(speech, features=silent)
        if max(seen) >= speech.num_speakers:
            raise ValueError(
                f"voices has number {max(seen) + 1} for shot {number + 1}, and speech has "
                f"{count(speech.num_speakers, 'voice')}. Write numbers from 1 to "
                f"{speech.num_speakers}, or 0 where nobody is seen who speaks."
            )
        rows = list(seen)
        step = 1 if len(rows) < 2 else rows[1] - rows[0]
        part = slice(rows[0], rows[-1] + 1, step)
        if list(range(speech.num_speakers))[part] == rows:  # nothing is copied
            return replace(speech, features=speech.features[part])
        return replace(speech, features=speech.features[rows])


def cut_frame(seconds: float) -> int:
    """Number of the first frame of a shot that begins at so many seconds."""
    return round(seconds * FRAME_RATE)


def parse_times(text: str, num_pictures: int) -> list[int]:
    """Read when pictures begin, in seconds, one number each: "4, 9.5" to frame numbers.

    Raises:
        ValueError: If a part is no number of seconds, or there are more or fewer than pictures.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    example = ", ".join(["4", "9.5", "15", "20", "25", "30", "35"][:num_pictures])
    for part in parts:
        if not _SECONDS.fullmatch(part) or float(part) > MAX_TIME_S:
            raise ValueError(
                f"seconds contains {part[:40]!r}; only times in seconds are allowed, separated by "
                f"commas. Write for example: {example}"
            )
    if len(parts) != num_pictures:
        raise ValueError(
            f"seconds has {count(len(parts), 'number')} for {count(num_pictures, 'picture')}; each "
            "needs the time at which it comes. The picture of the sampler is the first "
            f"shot, from 0 on, and needs none. Write for example: {example}"
        )
    return [cut_frame(float(part)) for part in parts]


def parse_voices(text: str, num_shots: int) -> tuple[tuple[int, ...] | None, ...]:
    """Read who is seen in each shot: "1, 2; 1; 2" to numbers of voices from 0.

    An entry for each shot from the first on, separated by semicolons or lines. 0 is nobody who
    speaks; an empty entry, as an empty text, is everybody.

    Raises:
        ValueError: If a part is no number of a voice, or there are more entries than shots.
    """
    entries = [entry.strip() for entry in re.split(r"[;\n]", text.strip())] if text.strip() else []
    if entries and not entries[-1]:
        del entries[-1]
    if len(entries) > num_shots:
        raise ValueError(
            f"voices has entries for {count(len(entries), 'shot')}, and there are {num_shots}. "
            "Write one for each shot, the first included, separated by semicolons."
        )
    return tuple(_parse_seen(entry) for entry in entries)


def _parse_seen(entry: str) -> tuple[int, ...] | None:
    parts = entry.replace(",", " ").split()
    for part in parts:
        if not re.fullmatch("[0-9]{1,2}", part) or (part == _NOBODY and len(parts) > 1):
            raise ValueError(
                f"voices contains {entry[:40]!r}; it takes numbers of voices for each shot, or 0 "
                "for nobody who speaks. Write 1, 2; 1; 2 for both voices, then each alone."
            )
    if not parts:
        return None
    return tuple(sorted({int(part) - 1 for part in parts if int(part)}))


def check_cuts(cuts: Sequence[int], num_frames: int | None) -> None:
    """Refuse cuts at these frames of a video of `num_frames`; None: its length is not known yet.

    Raises:
        ValueError: If they are out of order or too near to each other, the beginning or the end.
    """
    least, before = MIN_SHOT_FRAMES, 0
    for number, cut in enumerate(cuts, start=2):
        if cut < before + least:
            where = "the beginning" if number == 2 else f"shot {number - 1}, at {time_of(before)}"
            raise ValueError(
                f"Shot {number} begins at {time_of(cut)}; shots follow one another, and it must "
                f"begin at least {time_of(least)} after {where}. Write {time_of(before + least)} "
                "or more, or put the pictures in the order of their times."
            )
        before = cut
    if not cuts or num_frames is None or cuts[-1] + least <= num_frames:
        return
    number = len(cuts) + 1
    what = "is beyond its end" if cuts[-1] >= num_frames else "leaves it next to no time"
    raise ValueError(
        f"Shot {number} begins at {time_of(cuts[-1])} and the sound is {time_of(num_frames)} long; "
        f"that {what}, and a shot lasts at least {time_of(least)}. Begin it earlier, use a longer "
        "sound, or remove it."
    )


def time_of(frames: int) -> str:
    """Where a frame is, in seconds."""
    return f"{frames / FRAME_RATE:g} s"
