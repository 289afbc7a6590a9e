"""What the speech nodes do: voice models in the host, sayings, dialogues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import comfy.model_management
import comfy.model_patcher

from ..kokoro.dialogue import (
    Progress,
    check_length,
    check_voices,
    choose_voices,
    read_cast,
    say_turns,
)
from ..kokoro.network.files import find_files
from ..kokoro.network.model import load_files
from ..kokoro.script.reader import parse_script
from ..kokoro.script.remarks import scene_lines
from ..kokoro.script.turns import schedule_turns
from ..kokoro.synthesis import (
    AUTO,
    EspeakSynthesizer,
    KokoroSynthesizer,
    Manner,
    Synthesizer,
)
from ..multitalk.sound.audio import Sound
from ..multitalk.sound.dialogue import Dialogue, SpokenTurn, make_dialogue
from ..multitalk.sound.loudness import normalize_loudness
from .host import find_file
from .sockets import LoadedVoices
from .values import naming

_OTHERS = ("voices", "voice", "language", "speed")  # fields that a refusal may be about instead

logger = logging.getLogger("multitalk.nodes")


def espeak_voices() -> LoadedVoices:
    """The machine voice; nothing is loaded."""
    return LoadedVoices(synthesizer=EspeakSynthesizer(), patcher=None, name="espeak-ng")


def load_voices(name: str) -> LoadedVoices:
    """Load a speech model of models/kokoro, with the voices beside it.

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
    synthesizer = KokoroSynthesizer(model=model, voices=files.voices)
    return LoadedVoices(synthesizer=synthesizer, patcher=patcher, name=files.weights.name)


def _ready(voices: LoadedVoices) -> Synthesizer:
    if voices.patcher is not None:
        comfy.model_management.load_models_gpu([voices.patcher])
    return voices.synthesizer


def speak(
    voices: LoadedVoices, text: str, manner: Manner, level: bool, progress: Progress
) -> tuple[Sound, str]:
    """One speaker says a text, brought to -23 LUFS if `level`.

    Returns:
        The sound, and a line per word: start and end in seconds, word.

    Raises:
        ValueError: If the text is too long, or cannot be said like this.
    """
    check_length(text, "text")
    synthesizer = _ready(voices)
    with naming("voice"):
        synthesizer.check_voice(manner.voice)
    with naming("text", "text_is", "language", "speed", "voice"):
        spoken = synthesizer.say(text, manner, partial(progress, 0))
    sound = Sound(waveform=spoken.waveform[None], sample_rate=spoken.sample_rate)
    logger.info("[MultiTalk] %s: %.2f s of speech", voices.name, sound.duration_s)
    if level:
        waveform, _ = normalize_loudness(sound.waveform, sound.sample_rate)
        sound = Sound(waveform=waveform, sample_rate=sound.sample_rate)
    return sound, "\n".join(f"{w.start_s:.3f} {w.end_s:.3f} {w.text}" for w in spoken.words)


def speak_dialogue(
    voices: LoadedVoices,
    text: str,
    cast: str,
    manner: Manner,
    level: bool,
    make_progress: Callable[[int], Progress],
) -> Dialogue:
    """Say a script: tracks, picture and timings.

    Args:
        voices: The voice model.
        text: The script.
        cast: A line per speaker, "Name = voice" or a name alone; only these speak then. Or "auto",
            the best voices in order; empty: the order of version 0.1.
        manner: How, where a turn does not say otherwise; its voice is not used.
        level: Bring each speaker to -23 LUFS.
        make_progress: Number of turns -> progress.

    Raises:
        ValueError: If the script or the cast cannot be understood, with line and column, or turns
            cannot lie where the script wants them.
    """
    check_length(text, "script")
    auto = cast.strip().lower() == AUTO
    wanted = {} if auto else read_cast(cast)
    with naming("script", *_OTHERS):
        script = parse_script(text, tuple(wanted))
    synthesizer = _ready(voices)
    with naming("script", *_OTHERS):
        check_voices(synthesizer, script.turns, wanted)
    defaults = synthesizer.cast_voices() if auto else synthesizer.default_voices()
    chosen = choose_voices(script.speakers, wanted, defaults)
    progress = make_progress(len(script.turns))
    with naming("script", *_OTHERS):
        spoken = say_turns(synthesizer, script.turns, chosen, manner, progress)
    rate = spoken[0].sample_rate
    lengths = [len(said.waveform) for said in spoken]
    silences = [(said.lead, said.tail) for said in spoken]
    with naming("script", *_OTHERS):
        starts = schedule_turns(script.turns, lengths, rate, silences)
    turns = [
        SpokenTurn(
            speaker=turn.speaker,
            start=start,
            waveform=said.waveform,
            text=turn.text,
            words=[(word.start_s, word.end_s, word.text) for word in said.words],
        )
        for turn, start, said in zip(script.turns, starts, spoken, strict=True)
    ]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    quiet_end = max(end + tail for end, (_, tail) in zip(ends, silences, strict=True))
    end_pause_s = script.end_pause_s if script.end_exact else (quiet_end - max(ends)) / rate
    scene = scene_lines(script.turns, starts, lengths, rate)
    return make_dialogue(
        turns, script.speakers, rate, end_pause_s=end_pause_s, level=level, scene_text=scene
    )
