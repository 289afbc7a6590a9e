"""What the remarks of a script say of the scene: lines with times, as MultiTalk Scene takes them.

    Anna (laughing): Hello!     said from 0.5 to 1.75 s becomes     0.5-1.75: Anna, laughing

Where two such turns overlap, both texts count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .turns import Turn


def scene_lines(
    turns: Sequence[Turn], starts: Sequence[int], lengths: Sequence[int], sample_rate: int
) -> str:
    """A line for every time in which a turn with a remark is spoken; empty if none has one.

    Pieces of one turn between pauses are one time, pauses included. `starts` and `lengths` are
    samples of each turn.
    """
    spans: list[tuple[int, int, str]] = []
    before: Turn | None = None
    for turn, start, length in zip(turns, starts, lengths, strict=True):
        if turn.remark:
            text, end = f"{turn.name}, {turn.remark}", start + length
            said = turn.name, turn.remark
            goes_on = before is not None and (before.name, before.remark) == said
            spans.append((spans.pop()[0] if goes_on else start, end, text))
        before = turn
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    pieces: list[tuple[str, str, str]] = []
    for first, last in pairwise(edges):
        texts = dict.fromkeys(text for start, end, text in spans if start <= first and last <= end)
        begin, end = _seconds(first, sample_rate), _seconds(last, sample_rate)
        if texts and begin != end:
            pieces.append((begin, end, "; ".join(texts)))
    return "\n".join(f"{begin}-{end}: {text}" for begin, end, text in pieces)


def _seconds(samples: int, sample_rate: int) -> str:
    """A time as it is written, to a thousandth of a second."""
    return f"{round(1000 * samples / sample_rate) / 1000:.3f}".rstrip("0").rstrip(".")
