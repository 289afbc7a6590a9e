"""What the speech nodes do: voice models in the host, sayings, dialogues."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ..kokoro.network.files import find_files
from ..kokoro.network.model import load_files
from ..kokoro.notation import drop_unseen
from ..kokoro.roles import name_key
from ..kokoro.script import Script, Turn, parse_script, schedule_turns
from ..kokoro.spoken import Spoken
from ..kokoro.synthesis import EspeakSpeaker, KokoroSpeaker, Manner, Speaker
from ..multitalk.sound.audio import (
    Sound,
    Tracks,
    loudness_gain,
    measure_loudness,
    normalize_loudness,
)
from ..multitalk.sound.dialogue import dialogue_tracks, lay_turns
from ..multitalk.sound.timeline import Span, draw_timeline
from .host import find_file
from .sockets import LoadedVoices

logger = logging.getLogger("multitalk.nodes")

MAX_DIALOGUE_S = 3600.0
MAX_CHARACTERS = 60_000  # of a text or script: about an hour, and espeak-ng cannot be interrupted

Progress = Callable[[int, int, int], None]  # turn, pieces done, pieces in all


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialogue:
    """A spoken script."""

    tracks: Tracks
    picture: Tensor  # [H, W, 3]
    timings: str


def espeak_voices() -> LoadedVoices:
    """The machine voice; nothing is loaded."""
    return LoadedVoices(speaker=EspeakSpeaker(), patcher=None, name="espeak-ng")


def load_voices(name: str) -> LoadedVoices:
    """Load a speech model under the host's memory management.

    Args:
        name: File of its weights in models/kokoro.

    Returns:
        The model with the voices beside it.

    Raises:
        ValueError: If files are missing, damaged or of another model.
    """
    files = find_files(find_file(name, ["kokoro"]))
    model = load_files(files)
    patcher = comfy.model_patcher.ModelPatcher(
        model,
        load_device=comfy.model_management.text_encoder_device(),
        offload_device=comfy.model_management.text_encoder_offload_device(),
    )
    speaker = KokoroSpeaker(model=model, voices=files.voices)
    return LoadedVoices(speaker=speaker, patcher=patcher, name=files.weights.name)


def _ready(voices: LoadedVoices) -> Speaker:
    if voices.patcher is not None:
        comfy.model_management.load_models_gpu([voices.patcher])
    return voices.speaker


def speak(
    voices: LoadedVoices, text: str, manner: Manner, level: bool, progress: Progress
) -> tuple[Sound, str]:
    """One speaker says a text.

    Args:
        voices: The voice model.
        text: What is said.
        manner: How.
        level: Bring it to -23 LUFS.
        progress: Called after each piece.

    Returns:
        The sound, and a line per word: start and end in seconds, word.

    Raises:
        ValueError: If the text is too long, or cannot be said like this.
    """
    check_length(text, "text")
    spoken = _ready(voices).say(text, manner, lambda done, all_: progress(0, done, all_))
    waveform = spoken.waveform[None]
    if level:
        waveform, _ = normalize_loudness(waveform, spoken.sample_rate)
    lines = [f"{w.start_s:.3f} {w.end_s:.3f} {w.text}" for w in spoken.words]
    logger.info("[MultiTalk] %s: %.2f s of speech", voices.name, _seconds(spoken))
    return Sound(waveform=waveform, sample_rate=spoken.sample_rate), "\n".join(lines)


def check_length(text: str, name: str) -> None:
    """Refuse a text that takes hours to say.

    Args:
        text: What is to be said.
        name: What the user calls it.

    Raises:
        ValueError: If it is longer than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"{name} has {len(text)} characters; up to {MAX_CHARACTERS} are possible, about an "
            "hour of speech. Cut it into several parts."
        )


def _seconds(spoken: Spoken) -> float:
    return len(spoken.waveform) / spoken.sample_rate


def speak_dialogue(
    voices: LoadedVoices,
    text: str,
    cast: str,
    manner: Manner,
    level: bool,
    make_progress: Callable[[int], Progress],
) -> Dialogue:
    """Say a script.

    Args:
        voices: The voice model.
        text: The script.
        cast: A line per speaker, "Name = voice" or a name alone; only these speak then. May be
            empty.
        manner: How, where a turn does not say otherwise; its voice is not used.
        level: Bring each speaker to -23 LUFS.
        make_progress: Number of turns -> progress.

    Returns:
        Tracks, picture and timings.

    Raises:
        ValueError: If the script or the cast cannot be understood, with line and column.
    """
    check_length(text, "script")
    check_length(cast, "voices")
    wanted = read_cast(cast)
    script = parse_script(text, tuple(wanted))
    speaker = _ready(voices)
    chosen = _voices_of(script, wanted, speaker.default_voices())
    progress = make_progress(len(script.turns))
    spoken = [
        _say_turn(speaker, turn, chosen[turn.speaker], replace(manner, seed=manner.seed + number),
                  lambda done, all_, number=number: progress(number, done, all_))
        for number, turn in enumerate(script.turns)
    ]  # fmt: skip
    return place_dialogue(script, spoken, level=level)


def read_cast(text: str) -> dict[str, str]:
    """Names and voices of a cast list; a name alone gets a voice by itself.

    Raises:
        ValueError: If a line is no "Name = voice", or a name comes twice.
    """
    cast: dict[str, str] = {}
    # Halves of pairs would be quoted in refusals, and the host cannot write them into its log.
    for number, line in enumerate(drop_unseen(text).split("\n"), start=1):
        if not line.strip():
            continue
        name, equals, voice = (part.strip() for part in line.partition("="))
        if not name or (equals and not voice):
            raise ValueError(
                f"voices, line {number}: {line.strip()[:40]!r} gives no speaker a voice. "
                "Write Name = voice, for example Anna = af_bella."
            )
        if name in cast:
            raise ValueError(f"voices, line {number}: {name[:40]} is there twice. Remove one.")
        cast[name] = voice
    return cast


def _voices_of(script: Script, wanted: dict[str, str], defaults: Sequence[str]) -> list[str]:
    """A voice for every speaker; defaults that the cast does not use, in order."""
    known = {name_key(name): voice for name, voice in wanted.items()}
    free = [voice for voice in defaults if voice not in wanted.values()] or list(defaults)
    out = []
    for name in script.speakers:
        voice = known.get(name_key(name), "")
        if not voice:
            voice = free[len([v for v in out if v in free]) % len(free)] if free else ""
        out.append(voice)
    return out


def _say_turn(
    speaker: Speaker,
    turn: Turn,
    voice: str,
    manner: Manner,
    progress: Callable[[int, int], None],
) -> Spoken:
    own = replace(
        manner,
        voice=turn.voice or voice,
        language=turn.language or manner.language,
        speed=manner.speed if turn.speed is None else turn.speed,
    )
    try:
        return speaker.say(turn.text, own, progress)
    except ValueError as error:
        raise ValueError(f"Line {turn.line}, column {turn.column}: {error}") from error


def place_dialogue(script: Script, spoken: Sequence[Spoken], *, level: bool) -> Dialogue:
    """Lay spoken turns on one time line.

    Args:
        script: The script.
        spoken: Every turn, at one rate.
        level: Bring each speaker to -23 LUFS, measured over the own turns.

    Returns:
        Tracks, picture and timings.

    Raises:
        ValueError: If overlaps are impossible, or the whole is longer than an hour.
    """
    rate = spoken[0].sample_rate
    lengths = [len(said.waveform) for said in spoken]
    starts = schedule_turns(script.turns, lengths, rate)
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    end_pause = round(script.end_pause_s * rate)
    length_s = (max(ends) + end_pause) / rate
    if length_s > MAX_DIALOGUE_S:
        raise ValueError(
            f"The dialogue is {length_s:.0f} s long; up to {MAX_DIALOGUE_S:.0f} s are possible. "
            "Make pauses shorter, or write several dialogues."
        )
    speakers = [turn.speaker for turn in script.turns]
    waveforms = [said.waveform for said in spoken]
    if level:
        waveforms = _level(waveforms, speakers, rate)
    tracks = lay_turns(waveforms, starts, speakers, len(script.speakers), end_pause=end_pause)
    spans, lines = [], []
    for turn, start, end, said in zip(script.turns, starts, ends, spoken, strict=True):
        begin_s = start / rate
        spans.append(Span(speaker=turn.speaker, start_s=begin_s, end_s=end / rate, text=turn.text))
        lines += [
            (begin_s + w.start_s, f"{begin_s + w.start_s:.3f} {begin_s + w.end_s:.3f} "
             f"{script.speakers[turn.speaker]}: {w.text}")
            for w in said.words
        ]  # fmt: skip
    return Dialogue(
        tracks=dialogue_tracks(tracks, rate),
        picture=draw_timeline(script.speakers, spans, length_s),
        timings="\n".join(line for _, line in sorted(lines, key=lambda pair: pair[0])),
    )


def _level(waveforms: Sequence[Tensor], speakers: Sequence[int], rate: int) -> list[Tensor]:
    """Each speaker's turns times one gain, measured over these turns alone."""
    gains = {}
    for speaker in set(speakers):
        own = [w for w, s in zip(waveforms, speakers, strict=True) if s == speaker]
        joined = torch.cat(own)[None]
        gains[speaker] = loudness_gain(measure_loudness(joined, rate))
    return [w * gains[s] for w, s in zip(waveforms, speakers, strict=True)]
