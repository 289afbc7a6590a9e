"""Speech to train the toy on, and the mouth that belongs to it.

The tracks are spoken by espeak-ng, which only `make_bank` needs; `opening_curve` is plain numpy.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pack.multitalk.config import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

MIN_TRACK_S, MAX_TRACK_S = 6.0, 8.0
PAUSE_S = (0.15, 1.2)
SPEED_WPM = (120, 190)
PITCH = (25, 75)
MAX_WORDS = 5
PEAK = 0.7
FADE_SAMPLES = 320
"""Where a track is cut within a word."""

WINDOW_SAMPLES = 960  # 60 ms
SILENT_RMS = 1e-4
"""A track that never gets louder has no sound at all."""
SOUND_SHARE = 0.01
"""Frames below this part of the loudest are pauses."""
MIN_LOUD_SHARE = 0.35
POWER = 0.6
MIN_OPENING = 0.08
# 1-2-1, then 1-2-3-2-1: the VAE packs four frames, and faster changes are lost in it.
SMOOTHING = np.convolve((0.25, 0.5, 0.25), np.array((1, 2, 3, 2, 1)) / 9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """What one set of tracks is made of."""

    file: str
    num_tracks: int
    voices: str
    """Voices of espeak-ng, separated by spaces."""
    words: str


TRAINING = Bank(
    file="train.npz",
    num_tracks=260,
    voices=(
        "en-us en-us+m1 en-us+m3 en-us+m7 en-us+f1 en-us+f2 en-us+f4 en-us+klatt en-us-nyc "
        "en-us-nyc+f3 en-gb en-gb+m2 en-gb+m3 en-gb+m6 en-gb+f1 en-gb+f2 en-gb+linda "
        "en-gb-scotland en-gb-scotland+m4 en-gb-scotland+f4"
    ),
    words=(
        "about above afternoon again air almost always animal answer apple arm autumn away baby "
        "back bakery ball banana beautiful because before behind believe better between bicycle "
        "bird blue board boat bottle boy bread bridge bring brother building butter button buy "
        "camera candle car carry cat chair change cheese child city clean clock cloud coffee cold "
        "colour come computer cook corner could country cousin cup dance dark daughter day deep "
        "different dinner doctor dog door down dream drink early earth easy eat elephant enough "
        "evening every eye face family famous far farm father feather few finger fire first fish "
        "five flower follow food foot forest forget forty friend garden gentle girl give glass go "
        "good grandmother grass great green ground group guitar hair half hand happy have head "
        "hear heart heavy hello help high history holiday home hope horse hospital hour house "
        "hundred idea important island journey jump kitchen know ladder language large laugh "
        "learn leave letter library life light listen little long look lovely machine make many "
        "market meadow mean milk minute money month moon morning mother mountain mouse move music "
        "name nature never night north nothing number ocean office often old open orange other"
    ),
)
HELD_OUT = Bank(
    file="held_out.npz",
    num_tracks=40,
    voices=(
        "en-gb-x-rp en-gb-x-rp+f5 en-gb-x-gbclan en-gb-x-gbclan+m5 en-gb-x-gbcwmd "
        "en-gb-x-gbcwmd+f5 en-029 en-029+m8 en-us+m8 en-us+f5 en-gb+steph en-gb+michael"
    ),
    words=(
        "paper parent party people perhaps picture pillow planet please pocket potato promise "
        "purple question quiet rabbit rain ready remember river road round sandwich school seven "
        "shadow silver sister sleep slowly smile snow soft someone spring station stone story "
        "street strong summer sweet table teacher thank thirty thousand today together tomorrow "
        "travel tree under uncle village visit voice walk warm water weather welcome whisper "
        "wide window winter wonderful world yellow yesterday young"
    ),
)


def speak_words(voice: str, words: list[str], *, speed: int, pitch: int) -> np.ndarray:
    """Let espeak-ng say words.

    Args:
        voice: Name of the voice, with a variant.
        words: What to say in one breath.
        speed: Words per minute.
        pitch: Pitch of espeak-ng, 0 to 99.

    Returns:
        [A] float32 at 16 kHz, without silence at its ends.
    """
    import soundfile
    import torch

    from pack.multitalk.sound.audio import resample

    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout"]
    spoken = subprocess.run([*command, " ".join(words)], check=True, capture_output=True).stdout
    waveform, sample_rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    loud = np.flatnonzero(np.abs(waveform) > 0.01)
    waveform = waveform[loud[0] : loud[-1] + 1]
    return resample(torch.from_numpy(waveform), sample_rate, SAMPLE_RATE_HZ).numpy()


def make_track(bank: Bank, random: np.random.Generator) -> np.ndarray:
    """Speak one track: bursts of words by one voice, with pauses of digital silence.

    Args:
        bank: Its voices and words are used.
        random: Source of all choices.

    Returns:
        [A] float32 at 16 kHz, 6 to 8 s.
    """
    voice = str(random.choice(bank.voices.split()))
    speed, pitch = int(random.integers(*SPEED_WPM)), int(random.integers(*PITCH))
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < MIN_TRACK_S * SAMPLE_RATE_HZ:
        pause = round(random.uniform(*PAUSE_S) * SAMPLE_RATE_HZ)
        words = random.choice(bank.words.split(), random.integers(1, MAX_WORDS + 1)).tolist()
        burst = speak_words(voice, words, speed=speed, pitch=pitch)
        parts += [np.zeros(pause, np.float32), burst]
    track = np.concatenate(parts)[: round(MAX_TRACK_S * SAMPLE_RATE_HZ)]
    track[-FADE_SAMPLES:] *= np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
    return track * np.float32(PEAK / np.abs(track).max())


def make_bank(folder: Path, *, seed: int) -> None:
    """Speak all tracks for training and the held-out ones; files that exist are kept.

    Args:
        folder: Work folder; the files are speech/train.npz and speech/held_out.npz in it.
        seed: Seed of voices, words and pauses.
    """
    from tqdm import tqdm

    for bank in (TRAINING, HELD_OUT):
        path = folder / "speech" / bank.file
        if path.exists():
            print(f"{path} exists")
            continue
        random = np.random.default_rng([seed, bank.num_tracks])
        count = range(bank.num_tracks)
        tracks = [make_track(bank, random) for _ in tqdm(count, desc=f"speech {bank.file}")]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        lengths = np.array([len(track) for track in tracks])
        np.savez(partial, samples=np.concatenate(tracks), lengths=lengths)
        partial.replace(path)


def load_bank(folder: Path, *, held_out: bool = False) -> list[np.ndarray]:
    """Read what `make_bank` wrote.

    Args:
        folder: Work folder.
        held_out: The held-out tracks instead of those for training.

    Returns:
        Tracks, each [A] float32 at 16 kHz.
    """
    with np.load(folder / "speech" / (HELD_OUT if held_out else TRAINING).file) as file:
        return np.split(file["samples"], np.cumsum(file["lengths"])[:-1])


def opening_curve(waveform: np.ndarray, num_frames: int) -> np.ndarray:
    """How far the mouth is open while this is said.

    Loudness relative to the track's own loud frames, so neither gain nor silence around the speech
    changes it.

    Args:
        waveform: [A] at 16 kHz; silence follows its end.
        num_frames: Frames wanted, at 25 per second.

    Returns:
        [num_frames] float32 from 0 (closed) to 1; exactly 0 in silence.
    """
    half = WINDOW_SAMPLES // 2
    total = num_frames * SAMPLES_PER_FRAME
    heard = np.zeros(total + 2 * half)
    part = waveform[: total + half]
    heard[half : half + len(part)] = part
    power = np.concatenate(([0.0], np.cumsum(heard**2)))
    starts = np.arange(num_frames) * SAMPLES_PER_FRAME + SAMPLES_PER_FRAME // 2
    rms = np.sqrt((power[starts + WINDOW_SAMPLES] - power[starts]) / WINDOW_SAMPLES)
    loudest = rms.max(initial=0.0)
    if loudest < SILENT_RMS:
        return np.zeros(num_frames, np.float32)
    loud = np.percentile(rms[rms > SOUND_SHARE * loudest], 95)
    opening = np.clip((rms / max(loud, MIN_LOUD_SHARE * loudest)) ** POWER, 0, 1)
    opening[opening < MIN_OPENING] = 0
    smooth = np.convolve(np.pad(opening, len(SMOOTHING) // 2), SMOOTHING, "valid")
    return smooth.astype(np.float32)
