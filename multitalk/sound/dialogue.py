"""Turns of a dialogue on one time line: a full-length track per speaker, and their sum.

A track holds digital silence wherever its speaker is silent, and the speech encoder hears it: that
is what the reference does (audio.md sections 5 and 6). Who schedules the turns sees to it that
nobody speaks over the own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..config import MAX_SPEAKERS
from ..spans import read_spans
from .audio import Sound, Track, Tracks
from .loudness import loudness_gain, measure_loudness
from .timeline import Span, draw_timeline

MAX_DIALOGUE_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenTurn:
    """What one speaker says, and when."""

    speaker: int  # from 0
    start: int  # first sample on the time line
    waveform: Tensor  # [A] float32
    text: str
    words: Sequence[tuple[float, float, str]]  # start and end in seconds of the turn, and word


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialogue:
    """A spoken script."""

    tracks: Tracks
    picture: Tensor  # [H, W, 3] who speaks when
    timings: str  # a line per word: start and end in seconds, speaker, word
    scene_text: str = ""  # lines with times, as `read_spans` takes them


def make_dialogue(
    turns: Sequence[SpokenTurn],
    names: Sequence[str],
    sample_rate: int,
    *,
    end_pause_s: float,
    level: bool,
    scene_text: str = "",
) -> Dialogue:
    """Lay spoken turns on one time line; named speakers without a turn stay silent.

    `level` brings each speaker to -23 LUFS, measured over the own turns. The picture shows the
    lines of `scene_text` below them.

    Raises:
        ValueError: If the whole is longer than an hour.
    """
    ends = [turn.start + len(turn.waveform) for turn in turns]
    end_pause = round(end_pause_s * sample_rate)
    length_s = (max(ends) + end_pause) / sample_rate
    if length_s > MAX_DIALOGUE_S:
        raise ValueError(
            f"The dialogue is {length_s:.0f} s long; up to {MAX_DIALOGUE_S:.0f} s are possible. "
            "Make pauses shorter, or write several dialogues."
        )
    waveforms = [turn.waveform for turn in turns]
    speakers = [turn.speaker for turn in turns]
    if level:
        waveforms = _level(waveforms, speakers, sample_rate)
    starts = [turn.start for turn in turns]
    tracks = lay_turns(waveforms, starts, speakers, len(names), end_pause=end_pause)
    spans = [
        Span(
            speaker=turn.speaker,
            start_s=turn.start / sample_rate,
            end_s=end / sample_rate,
            text=turn.text,
        )
        for turn, end in zip(turns, ends, strict=True)
    ]
    words = [
        (span.start_s + start_s, span.start_s + end_s, f"{names[span.speaker]}: {word}")
        for turn, span in zip(turns, spans, strict=True)
        for start_s, end_s, word in turn.words
    ]
    words.sort(key=lambda word: word[0])
    return Dialogue(
        tracks=dialogue_tracks(tracks, sample_rate),
        picture=draw_timeline(names, spans, length_s, read_spans(scene_text)),
        timings="\n".join(f"{start_s:.3f} {end_s:.3f} {word}" for start_s, end_s, word in words),
        scene_text=scene_text,
    )


def _level(waveforms: Sequence[Tensor], speakers: Sequence[int], rate: int) -> list[Tensor]:
    """Each speaker's turns times one gain, measured over these turns alone."""
    gains = {}
    for speaker in set(speakers):
        own = [w for w, s in zip(waveforms, speakers, strict=True) if s == speaker]
        gains[speaker] = loudness_gain(measure_loudness(torch.cat(own)[None], rate))
    return [w * gains[s] for w, s in zip(waveforms, speakers, strict=True)]


def lay_turns(
    waveforms: Sequence[Tensor],
    starts: Sequence[int],
    speakers: Sequence[int],
    num_speakers: int,
    *,
    end_pause: int = 0,
) -> Tensor:
    """Lay turns [A] float32 on the tracks of their speakers, counted from 0: [S, A] float32.

    Starts are samples; turns of one speaker do not overlap. Tracks are exactly zero where a speaker
    is silent, and reach to the end of the turn that ends last and `end_pause` samples further.
    """
    assert num_speakers <= MAX_SPEAKERS, f"{num_speakers} speakers; {MAX_SPEAKERS} are possible"
    ends = [start + len(wave) for start, wave in zip(starts, waveforms, strict=True)]
    tracks = torch.zeros(num_speakers, max(ends) + end_pause)
    for waveform, start, end, speaker in zip(waveforms, starts, ends, speakers, strict=True):
        tracks[speaker, start:end] = waveform
    return tracks


def dialogue_tracks(tracks: Tensor, sample_rate: int) -> Tracks:
    """Full-length tracks [S, A] as mono sounds; the mix is exactly their sum, not limited."""
    placed = tuple(
        Track(sound=Sound(waveform=track[None], sample_rate=sample_rate), start_s=Fraction(0))
        for track in tracks
    )
    mix = Sound(waveform=tracks.sum(0, keepdim=True), sample_rate=sample_rate)
    return Tracks(tracks=placed, mix=mix)
