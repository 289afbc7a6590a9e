"""What every voice gives: sound with the times of its words, and where in it something is heard."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

HOP_S = 0.01
HEARD_DB = -45.0  # below the loudest hop; what the speech model adds to silence is below -55
FADE_S = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word and when it is heard, in seconds from the start of the sound."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """A spoken text."""

    waveform: Tensor  # [A] float32 in [-1, 1]
    sample_rate: int  # Hz
    words: tuple[Word, ...]  # in order of time
    lead: int = 0  # samples before something is heard
    tail: int = 0  # samples after everything was heard


def find_sound(
    waveform: Tensor, sample_rate: int, *, begins: tuple[int, int], earliest_end: int
) -> tuple[int, int]:
    """First sample of what is heard in [A], and the one after it, to 10 ms, with 10 ms around.

    The limits are samples between which it begins, and before which it does not end; all is sound
    where none stands out.
    """
    hop = round(HOP_S * sample_rate)
    num_hops = len(waveform) // hop
    if num_hops == 0:
        return 0, len(waveform)
    levels = waveform[: num_hops * hop].unflatten(0, (num_hops, hop)).square().mean(1).sqrt()
    heard = (levels > levels.max() * 10 ** (HEARD_DB / 20)).nonzero().flatten()
    if len(heard) == 0:
        return 0, len(waveform)
    begin = max(0, (int(heard[0]) - 1) * hop)
    end = min(len(waveform), (int(heard[-1]) + 2) * hop)
    return min(max(begin, begins[0]), begins[1]), max(end, earliest_end)


def trim(spoken: Spoken) -> Spoken:
    """Without the silence before and after, faded in and out where it was cut.

    `lead` and `tail` still tell how long it was.
    """
    begin, end = spoken.lead, len(spoken.waveform) - spoken.tail
    waveform = spoken.waveform[begin:end].clone()
    fade = min(round(FADE_S * spoken.sample_rate), len(waveform))
    ramp = torch.linspace(0, 1, fade + 2)[1:-1]
    if spoken.lead:
        waveform[:fade] *= ramp
    if spoken.tail:
        waveform[len(waveform) - fade :] *= ramp.flip(0)
    begin_s, length_s = begin / spoken.sample_rate, len(waveform) / spoken.sample_rate
    words = tuple(
        replace(
            word,
            start_s=min(max(word.start_s - begin_s, 0.0), length_s),
            end_s=min(max(word.end_s - begin_s, 0.0), length_s),
        )
        for word in spoken.words
    )
    return replace(spoken, waveform=waveform, words=words)
