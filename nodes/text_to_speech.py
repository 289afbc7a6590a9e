"""Text to speech: a voice model, one speaker, and dialogues on a time line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.utils
from comfy_api.latest import io, ui

from .host import file_stamps, list_voice_models
from .sockets import Tracks, VoiceModel, from_sound
from .values import check_inputs, check_names

logger = logging.getLogger("multitalk.nodes")

ESPEAK = "espeak-ng (plain machine voice, no download)"
MAX_SEED = 2**63 - 1
_LANGUAGE_TOOLTIP = (
    "auto: the first letter of the voice's name tells it (a American, b British English, "
    "e Spanish, f French, h Hindi, i Italian, j Japanese, p Portuguese, z Mandarin). Or a letter "
    "or code such as en-gb. espeak-ng takes any of its languages, for example de."
)
_VOICE_TOOLTIP = (
    "Name of a voice, for example af_heart, or a mix: af_heart:0.7, am_adam:0.3. For espeak-ng f1 "
    "to f5 and m1 to m7. Empty: the first good one."
)
_SCRIPT = "Anna: Hello! What a nice day.\nBen: Indeed. [0.5s] Shall we begin?"


def _manner_inputs() -> list[Any]:
    """Inputs that one speaker and a dialogue share."""
    return [
        io.String.Input(
            "language", default="auto", optional=True, advanced=True, tooltip=_LANGUAGE_TOOLTIP
        ),
        io.Float.Input(
            "speed",
            default=1.0,
            min=0.5,
            max=2.0,
            step=0.05,
            optional=True,
            tooltip="Factor: 1 is as the voice was made, 2 twice as fast.",
        ),
        io.Int.Input(
            "seed",
            default=42,
            min=0,
            max=MAX_SEED,
            control_after_generate=io.ControlAfterGenerate.fixed,
            optional=True,
            tooltip="The voice model adds a little noise; the same seed gives the same speech.",
        ),
        io.Boolean.Input(
            "normalise_loudness",
            default=False,
            optional=True,
            tooltip="Level each voice to -23 LUFS. Off: as the voice model speaks.",
        ),
    ]


class MultiTalkLoadKokoro(io.ComfyNode):
    """Load a voice model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkLoadKokoro",
            display_name="MultiTalk Load Kokoro",
            category="MultiTalk/loaders",
            description="The Kokoro-82M speech model with its voices, or the plain machine voice "
            "of espeak-ng, which needs no files.",
            search_aliases=["tts", "text to speech", "voice", "espeak"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[*list_voice_models(), ESPEAK],
                    tooltip="kokoro-v1_0.pth in a folder under models/kokoro, with config.json and "
                    "a folder voices beside it.",
                )
            ],
            outputs=[
                VoiceModel.Output(
                    display_name="voice model", tooltip="For MultiTalk Speak or Dialogue."
                )
            ],
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

        return io.NodeOutput(espeak_voices() if model == ESPEAK else load_voices(model))


class MultiTalkSpeak(io.ComfyNode):
    """Say a text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkSpeak",
            display_name="MultiTalk Speak",
            category="MultiTalk/audio",
            description="One speaker says a text. For several on one time line use MultiTalk "
            "Dialogue.",
            search_aliases=["tts", "text to speech", "kokoro", "say"],
            inputs=[
                VoiceModel.Input("voice_model", tooltip="From MultiTalk Load Kokoro."),
                io.String.Input(
                    "text",
                    multiline=True,
                    default="Hello! This picture can talk now.",
                    tooltip="What is said. [word](/phonemes/) forces how a word is spoken.",
                ),
                io.String.Input("voice", default="", optional=True, tooltip=_VOICE_TOOLTIP),
                *_manner_inputs(),
                io.Combo.Input(
                    "text_is",
                    options=["text", "phonemes"],
                    default="text",
                    optional=True,
                    advanced=True,
                    tooltip="text: ordinary words. phonemes: sounds, in the voice model's symbols.",
                ),
            ],
            outputs=[
                io.Audio.Output(display_name="audio", tooltip="The speech, mono."),
                io.String.Output(
                    display_name="timings",
                    tooltip="A line per word: start and end in seconds, word.",
                ),
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
        sound, timings = speak(voice_model, text, manner, normalise_loudness, _progress(1))
        return io.NodeOutput(from_sound(sound), timings)


class MultiTalkDialogue(io.ComfyNode):
    """Say a script with several speakers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkDialogue",
            display_name="MultiTalk Dialogue",
            category="MultiTalk/audio",
            description="A script becomes a conversation: a track per speaker on one time line, "
            "the mix, and a picture of who speaks when.",
            search_aliases=["tts", "conversation", "script", "two speakers", "kokoro"],
            inputs=[
                VoiceModel.Input("voice_model", tooltip="From MultiTalk Load Kokoro."),
                io.String.Input(
                    "script",
                    multiline=True,
                    default=_SCRIPT,
                    tooltip="A line per turn: Name: text. Pauses: [1.5s]; overlap: [-0.5s]; at "
                    "once: [together]. Also (s1) text (s2) text. Up to six speakers.",
                ),
                io.String.Input(
                    "voices",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="Empty: good voices in order. Or a line for every speaker: Name = "
                    "voice, for example Anna = af_bella. The first one is the first mask.",
                ),
                *_manner_inputs(),
            ],
            outputs=[
                Tracks.Output(display_name="tracks", tooltip="For MultiTalk Speech Embedding."),
                io.Audio.Output(display_name="mix", tooltip="All speakers together, as heard."),
                io.Image.Output(display_name="time line", tooltip="Who speaks when."),
                io.String.Output(
                    display_name="timings",
                    tooltip="A line per word: start and end in seconds, speaker, word.",
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
        dialogue = speak_dialogue(
            voice_model, script, voices, manner, normalise_loudness, _progress
        )
        picture = dialogue.picture[None]
        return io.NodeOutput(
            dialogue.tracks,
            from_sound(dialogue.tracks.mix),
            picture,
            dialogue.timings,
            ui=ui.PreviewImage(picture, cls=cls),
        )


def _progress(turns: int) -> Callable[[int, int, int], None]:
    """Progress over turns and their pieces: turn from 0, pieces done, pieces in all."""
    bar = comfy.utils.ProgressBar(turns)

    def update(turn: int, done: int, total: int) -> None:
        bar.update_absolute(turn * total + done, turns * total)

    return update
