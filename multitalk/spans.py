"""The script of a scene: which text counts when, and which of them each window is made with.

    0-4: she smiles, static camera       from, to, a colon, what is seen
    4-9.5: she turns to the window
    9.5-: she waves                      no end: to the next line, or to the end of the sound

Times are seconds, or minutes and seconds (1:04.5). A frame belongs to the line in whose time it is
shown: number k at k/25 s, the end of a line not included. Lines may stand in any order; empty ones
and those that begin with # are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from .config import FRAME_RATE
from .windows import PlannedWindows
from .words import count

FORM = "Write for example 0-4: she smiles"
MAX_SHOWN = 60  # characters of a line in a message
_TIME = r"(?:\d{1,3}:){0,2}\d{1,6}(?:[.,]\d{0,6})?|[.,]\d{1,6}"
_UNIT = r"\s?(?:s|secs?|seconds?)?"
_LINE = re.compile(
    rf"(?:[*\u2022]\s)?\[?(?P<start>{_TIME}){_UNIT}\s?(?:-|\u2013|\u2014|\u2212|->|to\b)\s?"
    rf"(?:(?P<end>{_TIME}){_UNIT})?\]?\s?[:\uff1a](?P<text>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSpan:
    """A text, and the time that it is for."""

    line: int  # of what was written, from 1
    start_s: Fraction
    end_s: Fraction | None  # None: to the end of the sound
    text: str

    @property
    def times(self) -> str:
        """Its times in words."""
        if self.end_s is None:
            return f"from {seconds(self.start_s)} s on"
        return f"{seconds(self.start_s)} to {seconds(self.end_s)} s"

    def frames(self, num_frames: int) -> range:
        """Which of the frames of a video are shown in its time."""
        first = min(_first_frame(self.start_s), num_frames)
        stop = num_frames if self.end_s is None else _first_frame(self.end_s)
        return range(first, max(first, min(stop, num_frames)))


def seconds(time_s: Fraction | float) -> str:
    """A time as it is written: 4, 9.5."""
    return f"{float(time_s):.3f}".rstrip("0").rstrip(".")


def _first_frame(time_s: Fraction) -> int:
    return -(-time_s.numerator * FRAME_RATE // time_s.denominator)


def read_spans(text: str) -> tuple[PromptSpan, ...]:
    """Lines of a scene in the order of their times, none reaching into the next.

    Raises:
        ValueError: If a line has no times or no text, ends before it begins, or reaches into
            another; it is named.
    """
    spans = [
        _read_line(number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
    spans.sort(key=lambda span: (span.start_s, span.line))
    closed = [
        replace(span, end_s=after.start_s)
        if span.end_s is None and span.start_s < after.start_s
        else span
        for span, after in pairwise(spans)
    ]
    spans = [*closed, *spans[-1:]]
    for span, after in pairwise(spans):
        if span.start_s == after.start_s or (span.end_s or 0) > after.start_s:
            raise ValueError(_overlap(span, after))
    return tuple(spans)


def _overlap(span: PromptSpan, after: PromptSpan) -> str:
    """What is said of two spans of which one reaches into the other that begins later."""
    one, other = sorted((span, after), key=lambda s: s.line)
    advice = f"Let line {span.line} end at {seconds(after.start_s)} s"
    if span.start_s == after.start_s:
        advice = "Write them as one line, or give one of them another time"
    return (
        f"Line {one.line} ({one.times}) and line {other.line} ({other.times}) overlap; one line "
        f"counts at a time. {advice}."
    )


def _read_line(number: int, line: str) -> PromptSpan:
    found = _LINE.fullmatch(line)
    shown = line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}..."

    def refused(why: str, advice: str) -> ValueError:
        return ValueError(f"Line {number} {why}. {advice}. The line is: {shown}")

    if found is None:
        raise refused("does not begin with two times in seconds and a colon", FORM)
    if re.match(r"\d\d\b", found["text"]):
        raise refused(
            "has digits behind its colon, which could be a part of the time or of the text",
            "Put a blank after the colon, or write both times in seconds",
        )
    start_s = _seconds(found["start"])
    end_s = None if found["end"] is None else _seconds(found["end"])
    if start_s is None or (found["end"] is not None and end_s is None):
        raise refused(
            "has a time whose minutes or seconds are not two digits below 60",
            "Write for example 1:04",
        )
    if end_s is not None and end_s <= start_s:
        given = f"{found['start']} to {found['end']}"
        if end_s == start_s:
            raise refused(f"lasts no time, {given}", "Let it end later")
        swap = f"Write {found['end']}-{found['start']}, or let it end later"
        raise refused(f"ends before it begins, {given}", swap)
    if not found["text"].strip():
        raise refused(
            "has no text",
            "Write what is seen then, or remove the line: positive counts where no line does",
        )
    return PromptSpan(line=number, start_s=start_s, end_s=end_s, text=found["text"].strip())


def _seconds(text: str) -> Fraction | None:
    """Seconds of a time such as 9.5 or 1:04.5; None if a part after a colon is no such."""
    *larger, last = text.replace(",", ".").split(":")
    if larger and not all(re.fullmatch(r"[0-5]\d(\.\d*)?", part) for part in [*larger[1:], last]):
        return None
    whole, _, decimals = last.partition(".")
    total = Fraction(f"{whole or 0}.{decimals or 0}")
    for power, part in enumerate(reversed(larger), start=1):
        total += int(part) * 60**power
    return total


def choose_spans(spans: Sequence[PromptSpan], plan: PlannedWindows) -> list[int | None]:
    """For every window the span that covers most of its new frames, the earlier one of equals.

    None where no span covers any of them.
    """
    chosen: list[int | None] = []
    covered = [span.frames(plan.num_frames) for span in spans]
    for index, start in enumerate(plan.starts):
        kept = plan.kept(index)
        new = range(start + kept.start, start + kept.stop)
        shares = [len(_common(new, frames)) for frames in covered]
        most = max(shares, default=0)
        chosen.append(shares.index(most) if most else None)
    return chosen


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def describe_spans(
    spans: Sequence[PromptSpan], chosen: Sequence[int | None], num_frames: int
) -> list[str]:
    """Which window uses which line, and what is not as somebody may think; a fact each.

    `chosen` is of `choose_spans` for a video of `num_frames`.
    """
    if not spans:
        return ["scene: it has no line, so positive counts in all windows"]
    facts = [f"scene, {count(len(spans), 'line')}:"]
    for index, span in enumerate(spans):
        own = [window for window, used in enumerate(chosen, start=1) if used == index]
        facts.append(f"  line {span.line} ({span.times}), {_short(span.text)}: {_windows(own)}")
    rest = [window for window, used in enumerate(chosen, start=1) if used is None]
    if rest:
        facts.append(f"  positive: {_windows(rest)}")
    return [*facts, *describe_times(spans, num_frames)]


def describe_times(spans: Sequence[PromptSpan], num_frames: int) -> list[str]:
    """What lies beyond a video of `num_frames`, and the times without a line; a fact each."""
    length_s = Fraction(num_frames, FRAME_RATE)
    end = f"the end of the sound at {seconds(length_s)} s"
    facts = []
    for span in spans:
        if span.start_s >= length_s:
            facts.append(f"scene: line {span.line} ({span.times}) comes after {end}; not used")
        elif span.end_s is not None and _first_frame(span.end_s) > num_frames:
            facts.append(f"scene: line {span.line} ({span.times}) goes on after {end}")
    gaps = [f"{seconds(start)} to {seconds(stop)} s" for start, stop in _gaps(spans, length_s)]
    if gaps:
        facts.append(
            f"scene: no line for {', '.join(gaps)}; a window with no other time uses positive"
        )
    return facts


def _gaps(spans: Sequence[PromptSpan], length_s: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """Times without a span, up to the end of the sound."""
    before: Fraction = Fraction(0)
    for span in spans:
        if before < min(span.start_s, length_s):
            yield before, min(span.start_s, length_s)
        before = length_s if span.end_s is None else max(before, span.end_s)
    if before < length_s:
        yield before, length_s


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN].rstrip()}..."


def _windows(numbers: Sequence[int]) -> str:
    """Windows in words, neighbors together: windows 1 to 3, 5."""
    if not numbers:
        return "no window"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"{'window' if len(numbers) == 1 else 'windows'} {', '.join(parts)}"
