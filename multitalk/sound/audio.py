"""Sound: mono, resampling, and several speakers on one time line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from einops import repeat
from torch import Tensor

from ..config import FRAME_RATE, MAX_SPEAKERS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from ..frames import count_frames
from ..words import count
from .channels import CEILING, count_bad, kept_channel, peak, to_mono, within_full_scale
from .loudness import normalize_loudness

MAX_OFFSET_S = 3600
# Decimals with a small exponent, or a fraction: exact numbers of a huge exponent take for ever.
_SECONDS = re.compile(
    r"[-+]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})(e[-+]?\d{1,2})?|\d{1,20}/\d{1,20}", re.I
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """A recording: what is heard."""

    waveform: Tensor  # [C, A] float32
    sample_rate: int  # Hz

    @property
    def duration_s(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.waveform.shape[-1], self.sample_rate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One speaker's recording and when it begins."""

    sound: Sound
    start_s: Fraction

    @property
    def end_s(self) -> Fraction:
        """Exact end in seconds."""
        return self.start_s + self.sound.duration_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracks:
    """Speakers on one time line, and what the audience hears."""

    tracks: tuple[Track, ...]
    mix: Sound

    @property
    def num_frames(self) -> int:
        """Video frames that cover the longest placed track."""
        return count_frames(max(track.end_s for track in self.tracks))


def check_sound(sound: Sound, name: str) -> None:
    """Refuse a sound that nothing can be made from; the message calls it `name`.

    Raises:
        ValueError: If it has no samples, or samples that are not finite.
    """
    if sound.waveform.numel() == 0:
        raise ValueError(
            f"{name} is empty: it has no samples. Connect a sound of at least one sample, "
            "or leave the socket free."
        )
    if bad := count_bad(sound.waveform):
        says = "is not a finite number" if bad == 1 else "are not finite numbers"
        raise ValueError(
            f"{name} has {count(bad, 'sample')} that {says}; every sample must be one. Save the "
            "sound again from its source."
        )


def within_range(sound: Sound) -> tuple[Sound, list[str]]:
    """A sound within full scale, itself if it is, and a sentence if it was turned down."""
    highest = peak(sound.waveform)
    if highest <= 1:
        return sound, []
    quieter = Sound(waveform=within_full_scale(sound.waveform), sample_rate=sound.sample_rate)
    return quieter, [
        f"sound: turned down by {20 * math.log10(highest / CEILING):.1f} dB; it reached "
        f"{highest:.2f} times full scale, and would be distorted in a file"
    ]


def describe_mono(sound: Sound, speaker: int) -> list[str]:
    """A sentence if the encoder hears one channel of speaker `speaker`, from 1, not their mean."""
    channel = kept_channel(sound.waveform, sound.sample_rate)
    if channel is None:
        return []
    return [
        f"speaker {speaker}: the channels of the sound cancel each other in their mean; the lips "
        f"follow the loudest, channel {channel + 1} of {len(sound.waveform)}"
    ]


def resample(waveform: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Change the sample rate by soxr HQ: [..., A] float32 to [..., ceil(A * (to / from))].

    The quotient is a float, as in librosa.resample, whose bits these are.
    """
    if from_hz == to_hz:
        return waveform
    import soxr

    array = waveform.cpu().numpy()
    length = math.ceil(array.shape[-1] * (to_hz / from_hz))
    out = np.zeros((*array.shape[:-1], length), array.dtype)
    for place in np.ndindex(array.shape[:-1]):
        row = soxr.resample(array[place], from_hz, to_hz, quality="soxr_hq")[:length]
        out[place][: len(row)] = row
    return torch.from_numpy(out).float()


def start_times(
    durations_s: Sequence[Fraction], *, in_turn: bool, gap_s: float = 0.0
) -> list[Fraction]:
    """When each speaker begins, in seconds: all at once, or one after another with a gap."""
    if not in_turn:
        return [Fraction(0)] * len(durations_s)
    starts, now = [], Fraction(0)
    for duration in durations_s:
        starts.append(now)
        now += duration + Fraction(str(gap_s))  # 0.2 s as written, not as a binary number
    return starts


def parse_offsets(text: str, num_speakers: int) -> list[Fraction]:
    """Read start times typed by a user in seconds, one per speaker: "0, 2.5".

    Raises:
        ValueError: If a part is no number, is negative or beyond an hour, or the count differs.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    example = ", ".join(["0", "2.5", "5", "7.5", "10", "12.5"][:num_speakers])
    if len(parts) != num_speakers:
        raise ValueError(
            f"offsets has {count(len(parts), 'number')} for {count(num_speakers, 'speaker')}; one "
            f"per speaker is needed. Write for example: {example}"
        )
    offsets = []
    for part in parts:
        try:
            seconds = Fraction(part) if _SECONDS.fullmatch(part) else None
        except ZeroDivisionError:
            seconds = None
        if seconds is None:
            raise ValueError(
                f"offsets contains {part[:40]!r}; only numbers of seconds are allowed. "
                f"Write for example: {example}"
            )
        if seconds < 0:
            raise ValueError(f"offsets contains {part}; a start cannot be negative. Use 0 or more.")
        if seconds > MAX_OFFSET_S:
            raise ValueError(
                f"offsets contains {part}; a start is at most {MAX_OFFSET_S} s. Use less."
            )
        offsets.append(seconds)
    return offsets


def place_tracks(sounds: Sequence[Sound], starts_s: Sequence[Fraction]) -> Tracks:
    """Put 1 to 6 speakers on one time line.

    The mix is their sum at the highest rate with the most channels; nothing is limited.

    Raises:
        ValueError: If there is no speaker, too many, or a sound is unusable.
    """
    if not 1 <= len(sounds) <= MAX_SPEAKERS:
        raise ValueError(
            f"{count(len(sounds), 'speaker')} are connected; 1 to {MAX_SPEAKERS} are possible. "
            "Connect a sound to speaker_1."
        )
    for index, sound in enumerate(sounds, start=1):
        check_sound(sound, f"speaker_{index}")
    tracks = tuple(
        Track(sound=sound, start_s=start) for sound, start in zip(sounds, starts_s, strict=True)
    )
    channels, length, rate = measure_mix(sounds, starts_s)
    mix = torch.zeros(channels, length)
    for track in tracks:
        waveform = resample(track.sound.waveform, track.sound.sample_rate, rate)
        if len(waveform) < channels:
            waveform = repeat(to_mono(waveform, rate), "a -> c a", c=channels)
        _add_at(mix, waveform, round(track.start_s * rate))
    return Tracks(tracks=tracks, mix=Sound(waveform=mix, sample_rate=rate))


def measure_mix(sounds: Sequence[Sound], starts_s: Sequence[Fraction]) -> tuple[int, int, int]:
    """Channels, samples and Hz of the mix of sounds: the most channels, the highest rate."""
    rate = max(sound.sample_rate for sound in sounds)
    channels = max(len(sound.waveform) for sound in sounds)
    pairs = zip(sounds, starts_s, strict=True)
    return channels, max(math.ceil((start + s.duration_s) * rate) for s, start in pairs), rate


def _add_at(target: Tensor, waveform: Tensor, start: int) -> None:
    """Add `waveform` [C, A] into `target` [C, A'] from sample `start`, cut at the end."""
    end = min(target.shape[-1], start + waveform.shape[-1])
    if end > start:
        target[:, start:end] += waveform[:, : end - start]


def encoder_waveform(track: Track, num_frames: int, *, loudness_lufs: float | None) -> Tensor:
    """What the speech encoder hears of a speaker: [num_frames * 640] float32 mono at 16 kHz.

    It is silent outside the track. Speech is brought to `loudness_lufs` before; None leaves it.
    """
    sound = track.sound
    speech = to_mono(sound.waveform, sound.sample_rate)
    speech = resample(speech, sound.sample_rate, SAMPLE_RATE_HZ)[None]
    if loudness_lufs is not None:
        speech, _ = normalize_loudness(speech, SAMPLE_RATE_HZ, target_lufs=loudness_lufs)
    out = torch.zeros(1, num_frames * SAMPLES_PER_FRAME)
    _add_at(out, speech, round(track.start_s * SAMPLE_RATE_HZ))
    return out[0]


def fit_sound(sound: Sound, num_frames: int) -> Sound:
    """A copy, cut or padded with silence to exactly the num_frames / 25 seconds of the video."""
    length = round(Fraction(num_frames * sound.sample_rate, FRAME_RATE))
    waveform = sound.waveform[:, :length]
    padded = torch.nn.functional.pad(waveform, (0, length - waveform.shape[-1]))
    return Sound(waveform=padded.clone(), sample_rate=sound.sample_rate)
