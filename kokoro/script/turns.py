"""What a dialogue script says: turns of speakers, and when each of them begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .notation import Options, describe


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn(Options):
    """What one speaker says without a pause; options are None where they are the speaker's own."""

    speaker: int  # from 0: order of first appearance, of the list of names, or N-1 for (sN)
    name: str
    text: str
    pause_s: float = 0.0  # after everything before has ended; `together`: after the last start
    together: bool = False  # begins with the turn before it
    exact: bool = False  # a pause or [together] is written before it
    remark: str = ""  # in brackets after the name: what is seen meanwhile, never spoken
    line: int  # where it begins, from 1
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """A dialogue."""

    speakers: tuple[str, ...]  # names; some may never speak
    turns: tuple[Turn, ...]
    end_pause_s: float = 0.0  # silence after the last turn
    end_exact: bool = False  # it is written


def schedule_turns(
    turns: Sequence[Turn],
    lengths: Sequence[int],
    sample_rate: int,
    silences: Sequence[tuple[int, int]] | None = None,
) -> list[int]:
    """First sample of each turn, for the samples of each turn's speech and their rate in Hz.

    A pause counts from the end of everything said before, so that a short word thrown in does not
    pull the next turn into a longer one. What is written counts between sounds; where nothing is
    written, turns keep the silences (samples before and after, cut off) of their voices.

    Raises:
        ValueError: If an overlap is longer than the turn before, or a speaker would overlap
            themselves.
    """
    starts: list[int] = []
    own_ends: dict[int, int] = {}
    end = quiet_end = 0  # of sounds, and of the silences after them
    around = silences or [(0, 0)] * len(turns)
    for turn, length, (lead, tail) in zip(turns, lengths, around, strict=True):
        previous = starts[-1] if starts else 0
        shift = round(Fraction(str(turn.pause_s)) * sample_rate)  # 0.2 s as written
        if turn.together:
            start = shift + previous
        else:
            start = shift + (end if turn.exact else quiet_end + lead)
        where = describe(turn.line, turn.column)
        if start < previous:
            raise ValueError(
                f"{where}: the overlap of {-turn.pause_s:g} s is longer than the "
                f"{(end - previous) / sample_rate:.2f} s that it can overlap. Make it shorter."
            )
        if start < own_ends.get(turn.speaker, 0):
            raise ValueError(
                f"{where}: {turn.name} would begin while still speaking: nobody says two turns at "
                "once. Make the overlap shorter or the pause longer."
            )
        starts.append(start)
        own_ends[turn.speaker] = start + length
        end = max(end, start + length)
        quiet_end = max(quiet_end, start + length + tail)
    return starts
