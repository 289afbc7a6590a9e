"""The new voice of a dubbed video, and the sound of its source under it."""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from ..config import FRAME_RATE
from ..sound.audio import Sound, Track, Tracks, fit_sound, place_tracks
from .times import DubPlan, SourceTimes


def dub_tracks(
    voice: Tracks, source: Sound | None, plan: DubPlan, times: SourceTimes, level_db: float | None
) -> Tracks:
    """The voice as long as it is spoken, with a mix as long as the dubbed video.

    Args:
        voice: Who speaks.
        source: The sound of the source, from its first frame on; None: it has none.
        plan: How long the video is, and whether the source begins again.
        times: When the source is over.
        level_db: How loud the source is under the voice, 0 as it is; None: it is not heard.

    Returns:
        Tracks of exactly `plan.num_spoken` frames, and a mix of `plan.num_frames`.
    """
    end_s = Fraction(plan.num_spoken, FRAME_RATE)
    tracks = [_cut(track, end_s) for track in voice.tracks]
    latest = max(range(len(tracks)), key=lambda index: tracks[index].end_s)
    tracks[latest] = _lengthen(tracks[latest], end_s)
    heard = [voice.mix]
    if source is not None and level_db is not None:
        under = _again(source, plan, times) if plan.loops else source
        gain = 10 ** (level_db / 20)
        heard.append(Sound(waveform=under.waveform * gain, sample_rate=under.sample_rate))
    mix = heard[0]
    if len(heard) > 1:
        mix = place_tracks(heard, [Fraction(0)] * len(heard)).mix
    return Tracks(tracks=tuple(tracks), mix=fit_sound(mix, plan.num_frames))


def _cut(track: Track, end_s: Fraction) -> Track:
    """A track up to a time; one that begins after it is a moment of silence at the beginning."""
    sound = track.sound
    length = math.floor((end_s - track.start_s) * sound.sample_rate)
    if length < 1:
        moment = Sound(waveform=sound.waveform[:, :1] * 0, sample_rate=sound.sample_rate)
        return Track(sound=moment, start_s=Fraction(0))
    if length >= sound.waveform.shape[1]:
        return track
    cut = Sound(waveform=sound.waveform[:, :length].clone(), sample_rate=sound.sample_rate)
    return Track(sound=cut, start_s=track.start_s)


def _lengthen(track: Track, end_s: Fraction) -> Track:
    """A track with silence up to a time, so that the video lasts until then."""
    sound = track.sound
    length = math.floor((end_s - track.start_s) * sound.sample_rate)
    missing = length - sound.waveform.shape[1]
    if missing <= 0:
        return track
    padded = torch.nn.functional.pad(sound.waveform, (0, missing))
    return Track(sound=Sound(waveform=padded, sample_rate=sound.sample_rate), start_s=track.start_s)


def _again(source: Sound, plan: DubPlan, times: SourceTimes) -> Sound:
    """A sound that begins again with its pictures, as long as the dubbed video."""
    rate = source.sample_rate
    length = round(Fraction(plan.num_frames * rate, FRAME_RATE))
    waveform = source.waveform.new_zeros(len(source.waveform), length)
    begin, rounds = 0, 0
    while begin < length:
        rounds += 1
        stop = min(round(rounds * times.end * rate), length)
        part = source.waveform[:, : stop - begin]
        waveform[:, begin : begin + part.shape[1]] = part
        begin = stop
    return Sound(waveform=waveform, sample_rate=rate)
