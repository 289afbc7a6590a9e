"""Turns of a dialogue on one time line: a full-length track per speaker, and their sum.

A track holds digital silence wherever its speaker is silent, and the speech encoder hears it: that
is what the reference does (audio.md sections 5 and 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from ..config import MAX_SPEAKERS
from .audio import Sound, Track, Tracks


def lay_turns(
    waveforms: Sequence[Tensor],
    starts: Sequence[int],
    speakers: Sequence[int],
    num_speakers: int,
    *,
    end_pause: int = 0,
) -> Tensor:
    """Lay turns on the tracks of their speakers.

    Args:
        waveforms: One [A] float32 per turn, all at the same rate.
        starts: First sample of each turn on the time line.
        speakers: Who speaks each turn, from 0.
        num_speakers: Number of tracks; some may stay silent.
        end_pause: Samples of silence after the last turn.

    Returns:
        [S, A] float32, exactly zero where a speaker is silent; A reaches to the end of the turn
        that ends last, and `end_pause` further.

    Raises:
        ValueError: If there is no turn, a speaker or start is impossible, or two turns of one
            speaker overlap.
    """
    if not waveforms:
        raise ValueError("The dialogue has no turn. Write at least one.")
    if not 1 <= num_speakers <= MAX_SPEAKERS:
        raise ValueError(
            f"The dialogue has {num_speakers} speakers; 1 to {MAX_SPEAKERS} are possible. "
            "Give the words to fewer."
        )
    ends = [start + len(wave) for start, wave in zip(starts, waveforms, strict=True)]
    _check_places(starts, ends, speakers, num_speakers)
    tracks = torch.zeros(num_speakers, max(ends) + end_pause)
    for waveform, start, end, speaker in zip(waveforms, starts, ends, speakers, strict=True):
        tracks[speaker, start:end] = waveform
    return tracks


def _check_places(
    starts: Sequence[int], ends: Sequence[int], speakers: Sequence[int], num_speakers: int
) -> None:
    busy_until = [0] * num_speakers
    order = sorted(range(len(starts)), key=lambda index: (starts[index], ends[index]))
    for index in order:
        speaker = speakers[index]
        if not 0 <= speaker < num_speakers:
            raise ValueError(
                f"Turn {index + 1} belongs to speaker {speaker + 1}, but there are {num_speakers}. "
                "Give it to one of them."
            )
        if starts[index] < 0:
            raise ValueError(
                f"Turn {index + 1} begins {-starts[index]} samples before the time line. "
                "Make its overlap shorter."
            )
        if starts[index] < busy_until[speaker]:
            raise ValueError(
                f"Turn {index + 1} begins before speaker {speaker + 1} has ended the own turn "
                "before. Make the overlap shorter."
            )
        busy_until[speaker] = ends[index]


def dialogue_tracks(tracks: Tensor, sample_rate: int) -> Tracks:
    """Wrap full-length tracks for the speech encoder, with their sum as what is heard.

    Args:
        tracks: [S, A] float32.
        sample_rate: Hz.

    Returns:
        One mono sound per speaker, all beginning at 0 and equally long; the mix is exactly their
        sum and nothing is limited.
    """
    placed = tuple(
        Track(sound=Sound(waveform=track[None], sample_rate=sample_rate), start_s=Fraction(0))
        for track in tracks
    )
    mix = Sound(waveform=tracks.sum(0, keepdim=True), sample_rate=sample_rate)
    return Tracks(tracks=placed, mix=mix)
