"""Text to speech: a voice model, one speaker, and dialogues on a time line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import comfy.utils
from comfy_api.v0_0_2 import io

from .host import file_stamps, list_voice_models, preview_picture
from .progress import Waiting
from .sockets import Tracks, VoiceModel
from .sounds import from_sound
from .values import check_inputs, check_names
from .widgets import FIXED, Widget, schema

ESPEAK = "espeak-ng (plain machine voice, no download)"
MAX_SEED = 2**63 - 1
_LINES = {"multiline": True}
_VOICE_MODEL = VoiceModel.Input("voice_model", tooltip="From MultiTalk Load Kokoro.")
_TEXT = Widget(
    "text",
    "What is said. [word](/phonemes/) forces how a word is spoken.",
    default="Hello! This picture can talk now.",
    more=_LINES,
)
_VOICE = Widget(
    "voice",
    "Name of a voice, for example af_heart, or a mix: af_heart:0.7, am_adam:0.3. For espeak-ng f1 "
    "to f5 and m1 to m7. Empty: the first good one.",
    default="",
    optional=True,
)
_SCRIPT = Widget(
    "script",
    "A line per turn: Name: text. Pauses: [1.5s]; overlap: [-0.5s]; at once: [together]. Also "
    "(s1) text (s2) text. Up to six speakers. Anna (laughing): text says what is seen meanwhile.",
    default="Anna: Hello! What a nice day.\nBen: Indeed. [0.5s] Shall we begin?",
    more=_LINES,
)
_VOICES = Widget(
    "voices",
    "auto: good voices in order. Or a line for every speaker: Name = voice, for example "
    "Anna = af_bella. The first one is the first mask. Empty: the order of version 0.1.",
    default="auto",
    optional=True,
    more=_LINES,
)
_LEVEL = Widget(
    "normalise_loudness",
    "Level each voice to -23 LUFS. Off: as the voice model speaks.",
    default=False,
    optional=True,
)
_LEVEL_ALL = replace(
    _LEVEL,
    words="Level each voice to -23 LUFS; voices differ by up to 12 dB. Off, and in a prompt that "
    "leaves it out: as the voice model speaks.",
    default=True,
)
_MANNER = (
    Widget(
        "language",
        "auto: the first letter of the voice's name tells it (a American, b British English, "
        "e Spanish, f French, h Hindi, i Italian, j Japanese, p Portuguese, z Mandarin). Or a "
        "letter or code such as en-gb. espeak-ng takes any of its languages, for example de.",
        default="auto",
        advanced=True,
    ),
    Widget(
        "speed",
        "Factor: 1 is as the voice was made, 2 twice as fast.",
        default=1.0,
        limits=(0.5, 2.0, 0.05),
        optional=True,
    ),
    Widget(
        "seed",
        "The voice model adds a little noise; the same seed gives the same speech.",
        default=42,
        limits=(0, MAX_SEED),
        optional=True,
        more=FIXED,
    ),
)
_TEXT_IS = Widget(
    "text_is",
    "text: ordinary words. phonemes: sounds, in the voice model's symbols.",
    default="text",
    choices=("text", "phonemes"),
    advanced=True,
)


class MultiTalkLoadKokoro(io.ComfyNode):
    """Load a voice model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Load Kokoro",
            "loaders",
            "The Kokoro-82M speech model with its voices, or the plain machine voice "
            "of espeak-ng, which needs no files.",
            search_aliases=["tts", "text to speech", "voice", "espeak", "kokoro"],
            inputs=[
                Widget(
                    "model",
                    "kokoro-v1_0.pth in a folder under models/kokoro, with config.json and "
                    "a folder voices beside it.",
                    choices=[*list_voice_models(), ESPEAK],
                )
            ],
            outputs=[(VoiceModel, "voice model", "For MultiTalk Speak or Dialogue.")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str) -> object:
        """Changes with the file."""
        return "" if model == ESPEAK else file_stamps([model], ["kokoro"])

    @classmethod
    def execute(cls, model: str, **unknown: Any) -> io.NodeOutput:
        """Read the weights, or nothing."""
        check_names(unknown)
        from .voices import espeak_voices, load_voices

        with Waiting(f"loading {model}", f"loaded {model}"):
            return io.NodeOutput(espeak_voices() if model == ESPEAK else load_voices(model))


class MultiTalkSpeak(io.ComfyNode):
    """Say a text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Speak",
            "audio",
            "One speaker says a text. For several on one time line use MultiTalk Dialogue.",
            search_aliases=["tts", "text to speech", "kokoro", "say"],
            inputs=[_VOICE_MODEL, _TEXT, _VOICE, *_MANNER, _LEVEL, _TEXT_IS],
            outputs=[
                (io.Audio, "audio", "The speech, mono."),
                (io.String, "timings", "A line per word: start and end in seconds, word."),
            ],
        )

    @classmethod
    def execute(
        cls,
        voice_model: Any,
        text: str,
        voice: str = "",
        language: str = "auto",
        speed: float = 1.0,
        seed: int = 42,
        normalise_loudness: bool = False,
        text_is: str = "text",
        **unknown: Any,
    ) -> io.NodeOutput:
        """Say it."""
        check_names(unknown)
        check_inputs({"voice_model": voice_model, "speed": speed}, "voice_model")
        from ..kokoro.synthesis import AUTO, Manner
        from .voices import speak

        manner = Manner(
            voice=voice,
            language=language.strip() or AUTO,
            speed=speed,
            seed=seed,
            typed_phonemes=text_is != "text",
        )
        with Waiting("speaking", "spoken") as waiting:
            progress = _progress(waiting)(1)
            sound, timings = speak(voice_model, text, manner, normalise_loudness, progress)
        return io.NodeOutput(from_sound(sound), timings)


class MultiTalkDialogue(io.ComfyNode):
    """Say a script with several speakers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Dialogue",
            "audio",
            "A script becomes a conversation: a track per speaker on one time line, "
            "the mix, and a picture of who speaks when.",
            search_aliases=["dialogue", "conversation", "script", "tts", "kokoro"],
            inputs=[_VOICE_MODEL, _SCRIPT, _VOICES, *_MANNER, _LEVEL_ALL],
            outputs=[
                (Tracks, "tracks", "For MultiTalk Speech Embedding."),
                (io.Audio, "mix", "All speakers together, as heard."),
                (io.Image, "time line", "Who speaks when."),
                (io.String, "timings", "A line per word: start and end in seconds, speaker, word."),
                (
                    io.String,
                    "scene_text",
                    "What brackets after names say, with the times of their turns. For MultiTalk "
                    "Scene.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        voice_model: Any,
        script: str,
        voices: str = "",
        language: str = "auto",
        speed: float = 1.0,
        seed: int = 42,
        normalise_loudness: bool = False,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Say every turn, place them, draw the time line."""
        check_names(unknown)
        check_inputs({"voice_model": voice_model, "speed": speed}, "voice_model")
        from ..kokoro.synthesis import AUTO, Manner
        from .voices import speak_dialogue

        manner = Manner(language=language.strip() or AUTO, speed=speed, seed=seed)
        with Waiting("speaking", "spoken") as waiting:
            dialogue = speak_dialogue(
                voice_model, script, voices, manner, normalise_loudness, _progress(waiting)
            )
        picture = dialogue.picture[None]
        return io.NodeOutput(
            dialogue.tracks,
            from_sound(dialogue.tracks.mix),
            picture,
            dialogue.timings,
            dialogue.scene_text,
            ui=preview_picture(picture, cls.hidden),
        )


def _progress(waiting: Waiting) -> Callable[[int], Callable[[int, int, int], None]]:
    """Progress over turns and their pieces: turn from 0, pieces done, pieces in all."""

    def begin(turns: int) -> Callable[[int, int, int], None]:
        bar = comfy.utils.ProgressBar(turns)

        def update(turn: int, done: int, total: int) -> None:
            bar.update_absolute(turn * total + done, turns * total)
            if turns > 1:
                waiting.say(f"speaking turn {min(turn + done // total, turns - 1) + 1} of {turns}")
            elif total > 1:
                waiting.say(f"speaking part {min(done + 1, total)} of {total}")

        return update

    return begin
