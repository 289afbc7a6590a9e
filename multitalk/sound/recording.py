"""One recording of several people, taken apart: a track per speaker, the mix stays as it is.

By channels (left and right of a recording of two), or by the times that a user wrote down. A track
is as long as the recording and exactly zero where its speaker is silent, as those of a dialogue
are; cuts lie on the nearest sample.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from ..config import MAX_SPEAKERS
from ..words import count
from .audio import Sound, Track, Tracks, check_sound
from .channels import to_mono

ALIKE = 0.98  # correlation from which two channels are one sound
LEAKING = 0.5  # correlation from which each channel holds much of the other
MAX_TIMES_CHARACTERS = 20_000
_LATE_S = Fraction(1, 20)  # so far behind the end a time is taken for the end
_EXAMPLE = "Anna 0-3.2, Ben 3.2-7"

_TIME = r"(?:\d{1,4}:)?(?:\d{1,4}:)?\d{1,9}(?:\.\d{1,9})?"
_GAP = r"\s{0,3}"
_RANGE = re.compile(
    rf"({_TIME}){_GAP}s?{_GAP}(?:-|\u2013|to){_GAP}({_TIME})?{_GAP}s?(?!\w)", re.ASCII
)
_ENTRY = re.compile(r"[,;\n]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """When somebody speaks."""

    speaker: str
    start_s: Fraction
    end_s: Fraction | None  # None: to the end of the recording
    written: str  # as the user wrote it


def split_channels(sound: Sound) -> tuple[Tracks, list[str]]:
    """Speaker 1 from the left channel, speaker 2 from the right one, and what is to be said.

    Raises:
        ValueError: If there are not two channels, or both hold one sound.
    """
    check_sound(sound, "audio")
    channels = len(sound.waveform)
    if channels != 2:
        raise ValueError(
            f"audio has {count(channels, 'channel')}; left and right need two. Set split to times "
            "and write who speaks when, or connect the stereo recording."
        )
    shared, notes = _correlation(sound.waveform), []
    if shared > ALIKE:
        raise ValueError(
            "audio has the same sound left and right, so that both faces would say everything. Set "
            "split to times and write who speaks when."
        )
    if shared > LEAKING:
        notes.append(
            f"left and right have much in common (correlation {shared:.2f}): each face also moves "
            "with the other voice; a separation of the voices before this node helps"
        )
    return _tracks(sound, sound.waveform[:, None]), notes


def cut_turns(sound: Sound, text: str) -> tuple[Tracks, list[str], list[str]]:
    """Tracks of the turns that a user wrote down, names in order, and what is to be said.

    Speakers are in the order in which they first speak. Where two speak at once both hear all.

    Raises:
        ValueError: If the times cannot be read, lie behind the end, or one speaker's overlap.
    """
    check_sound(sound, "audio")
    turns = parse_turns(text)
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    if len(names) > MAX_SPEAKERS:
        raise ValueError(
            f"times names {count(len(names), 'speaker')}; up to {MAX_SPEAKERS} are possible. Give "
            "the turns of those who are not seen to nobody."
        )
    rate, length = sound.sample_rate, sound.waveform.shape[-1]
    mono = to_mono(sound.waveform, rate)
    cut = torch.zeros(len(names), 1, length)
    taken = torch.zeros(length, dtype=torch.uint8)  # how many speak
    for turn in turns:
        start, end = _samples(turn, sound)
        cut[names.index(turn.speaker), 0, start:end] = mono[start:end]
        taken[start:end] += 1
    return _tracks(sound, cut), names, _describe(mono, taken, rate)


def parse_turns(text: str) -> list[Turn]:
    """Read "Anna 0-3.2, Ben 3.2-7, Anna 7-": seconds or minutes:seconds, comma or line between.

    An entry without a name belongs to the speaker before it.

    Raises:
        ValueError: If an entry cannot be read, runs backwards, or a speaker's turns overlap.
    """
    if len(text) > MAX_TIMES_CHARACTERS:
        raise ValueError(
            f"times has {len(text)} characters; up to {MAX_TIMES_CHARACTERS} are possible. Cut "
            "the recording into shorter ones."
        )
    turns: list[Turn] = []
    for entry in filter(None, (part.strip() for part in _ENTRY.split(text))):
        turns += _read_entry(entry, turns[-1].speaker if turns else "")
    if not turns:
        raise ValueError(f"times is empty. Write who speaks when, for example: {_EXAMPLE}.")
    for name in dict.fromkeys(turn.speaker for turn in turns):
        _check_apart(name, [turn for turn in turns if turn.speaker == name])
    return turns


def _check_apart(name: str, turns: Sequence[Turn]) -> None:
    """Refuse turns of one speaker that overlap."""
    for one, after in pairwise(sorted(turns, key=lambda turn: turn.start_s)):
        if one.end_s is None or after.start_s < one.end_s:
            raise ValueError(
                f"times has {one.written} and {after.written} for {name}, which overlap. Let the "
                "second one begin where the first one ends, or join them."
            )


def _read_entry(entry: str, before: str) -> list[Turn]:
    """Turns of one entry, "Anna 0-3.2 8-9"; `before` speaks where it has no name."""
    first = _RANGE.search(entry)
    name = entry[: first.start()].strip(" :=\t") if first else ""
    rest = entry[first.start() :] if first else entry
    found = list(_RANGE.finditer(rest))
    name = name or before
    if not found or not name or _RANGE.sub("", rest).strip():
        raise ValueError(
            f"times contains {entry[:60]!r}, which is not read as a name and times. Write "
            f"name, start and end in seconds, for example: {_EXAMPLE}."
        )
    return [_turn(name, match) for match in found]


def _turn(name: str, match: re.Match[str]) -> Turn:
    written = match[0].strip()
    start_s, end_s = _seconds(match[1]), None if match[2] is None else _seconds(match[2])
    if end_s is not None and end_s <= start_s:
        raise ValueError(
            f"times: {name} {written} ends before it begins. Write the earlier time first, for "
            f"example: {_EXAMPLE}."
        )
    return Turn(speaker=name, start_s=start_s, end_s=end_s, written=written)


def _seconds(text: str) -> Fraction:
    """Seconds of "4.5", "1:04.5" or "1:00:04.5"."""
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Fraction(part)
    return seconds


def _samples(turn: Turn, sound: Sound) -> tuple[int, int]:
    """First sample of a turn, and the first behind it."""
    whole, rate = sound.duration_s, sound.sample_rate
    end_s = whole if turn.end_s is None else turn.end_s
    if turn.start_s >= whole or end_s > whole + _LATE_S:
        raise ValueError(
            f"times: {turn.speaker} {turn.written} lies behind the end of audio, which is "
            f"{float(whole):.2f} s long. Use times up to there."
        )
    return round(turn.start_s * rate), min(sound.waveform.shape[-1], round(end_s * rate))


def _tracks(sound: Sound, waveforms: Tensor | Sequence[Tensor]) -> Tracks:
    """Waveforms [1, A] of speakers as tracks; what is heard is the recording."""
    tracks = tuple(
        Track(sound=Sound(waveform=wave, sample_rate=sound.sample_rate), start_s=Fraction(0))
        for wave in waveforms
    )
    return Tracks(tracks=tracks, mix=sound)


def _correlation(waveform: Tensor) -> float:
    """How much two channels [2, A] have in common, 0 to 1; inverted ones have all."""
    left, right = waveform.double()
    size = float(left.norm() * right.norm())
    return abs(float(left @ right)) / size if size else 0.0


def _describe(mono: Tensor, taken: Tensor, rate: int) -> list[str]:
    """Sentences about sound that nobody or several get; `taken` counts who speaks per sample."""
    notes = []
    nobody = mono * (taken == 0)
    share = float(nobody.double().square().sum()) / max(float(mono.double().square().sum()), 1e-30)
    if share > 0.01:
        notes.append(
            f"{share:.0%} of the sound's energy belongs to nobody; it is heard, and no lips move"
        )
    together_s = int((taken > 1).sum()) / rate
    if together_s > 0:
        notes.append(
            f"for {together_s:.2f} s several speak at once: all their faces move with the same "
            "sound"
        )
    return notes
