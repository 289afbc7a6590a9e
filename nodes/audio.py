"""Sound nodes: loudness, and speakers on one time line."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

import torch
from comfy_api.v0_0_2 import io, ui

from ..multitalk.config import LOUDNESS_LUFS, MAX_SPEAKERS
from ..multitalk.sound.audio import measure_mix, parse_offsets, place_tracks, start_times
from ..multitalk.sound.channels import peak
from ..multitalk.sound.loudness import loudness_bytes, normalize_loudness
from .host import check_memory
from .sockets import Tracks
from .sounds import from_sound, read_sound, read_sounds
from .values import check_inputs, check_names, read_scene
from .widgets import Widget, schema

logger = logging.getLogger("multitalk.nodes")
SPEAKER_NAMES = [f"speaker_{number}" for number in range(1, MAX_SPEAKERS + 1)]
_GAP = Widget(
    "gap", "Silence between two speakers, in seconds.", default=0.0, limits=(0.0, 60.0, 0.1)
)
_OFFSETS = Widget(
    "offsets",
    "When each speaker begins, in seconds: one number per speaker, separated by commas.",
    default="0, 2.5",
)
PLACEMENT = Widget(
    "placement",
    "together: all begin at 0. in turn: one after another. offsets: at the times you write.",
    default="together",
    parts={"together": (), "in turn": (_GAP,), "offsets": (_OFFSETS,)},
)
_SCENE_TEXT = io.String.Input(
    "scene_text",
    optional=True,
    force_input=True,
    tooltip="Lines of MultiTalk Scene, to be drawn below the voices. Only the picture shows them.",
)


class MultiTalkLoudness(io.ComfyNode):
    """Bring a sound to a loudness."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Loudness",
            "audio",
            "Levels a sound to a loudness (ITU-R BS.1770), for people who hear it. "
            "The speech encoder levels its own copy; see MultiTalk Speech Embedding.",
            search_aliases=["normalize", "LUFS", "volume", "gain"],
            inputs=[
                io.Audio.Input("audio", tooltip="Sound to level; rate and channels are kept."),
                Widget(
                    "loudness_lufs",
                    "Loudness wanted, in LUFS. -23 is broadcast level, -16 common online.",
                    default=LOUDNESS_LUFS,
                    limits=(-60.0, -5.0, 0.5),
                ),
            ],
            outputs=[(io.Audio, "audio", "The levelled sound.")],
        )

    @classmethod
    def execute(cls, audio: dict[str, Any], loudness_lufs: float, **unknown: Any) -> io.NodeOutput:
        """Level every item of the batch."""
        check_names(unknown)
        check_inputs({"loudness_lufs": loudness_lufs})
        sounds, levelled, notes = read_sounds(audio, "audio"), [], []
        rate = sounds[0].sample_rate
        for sound in sounds:
            needed = loudness_bytes(sound.waveform)
            check_memory(needed, "audio", sound.duration_s, "levelling")
            out, before = normalize_loudness(sound.waveform, rate, target_lufs=loudness_lufs)
            levelled.append(out)
            if before is None:
                notes.append(
                    "Silent, or shorter than 0.4 s: loudness cannot be measured, unchanged."
                )
            else:
                notes.append(f"{before:.1f} LUFS before, {loudness_lufs:.1f} LUFS now.")
            if (highest := peak(out)) > 1:
                notes.append(
                    f"Reaches {highest:.2f} times full scale: a file would cut it off. Choose a "
                    "lower loudness."
                )
        logger.info("[MultiTalk] loudness: %s", " ".join(notes))
        result = {"waveform": torch.stack(levelled), "sample_rate": rate}
        return io.NodeOutput(result, ui=ui.PreviewText("\n".join(notes)))


class MultiTalkTracks(io.ComfyNode):
    """Put several speakers on one time line."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Tracks",
            "audio",
            "Several speakers on one time line: together, in turn, or at given times.",
            search_aliases=["dialogue", "conversation", "two speakers", "mix"],
            inputs=[
                io.Autogrow.Input(
                    "speakers",
                    template=io.Autogrow.TemplateNames(
                        input=io.Audio.Input("audio", tooltip="One speaker's voice, alone."),
                        names=SPEAKER_NAMES,
                        min=1,
                    ),
                    tooltip="One sound per speaker, in the order of the masks or boxes.",
                ),
                PLACEMENT,
                _SCENE_TEXT,
            ],
            outputs=[
                (Tracks, "tracks", "For MultiTalk Speech Embedding."),
                (io.Audio, "mix", "All speakers together, as heard."),
                (io.Image, "picture", "Who speaks when, and how loud. Connect Preview Image."),
            ],
        )

    @classmethod
    def execute(
        cls,
        speakers: dict[str, Any],
        placement: dict[str, Any] | None = None,
        scene_text: str = "",
        **unknown: Any,
    ) -> io.NodeOutput:
        """Place and mix."""
        from ..multitalk.sound.timeline import draw_tracks  # here, so that the host starts fast

        check_names(unknown)
        scene = read_scene(scene_text)
        check_inputs({"placement": placement})
        given = [name for name in SPEAKER_NAMES if speakers.get(name) is not None]
        if given != SPEAKER_NAMES[: len(given)]:
            raise ValueError(
                f"Connected are {', '.join(given)}; speakers must follow one another without a "
                "gap. Connect them from speaker_1 on."
            )
        sounds = [read_sound(speakers[name], name) for name in given]
        choice = PLACEMENT.read({"placement": placement})
        if choice["placement"] == "offsets":
            starts = parse_offsets(choice["offsets"], len(sounds))
        else:
            starts = start_times(
                [sound.duration_s for sound in sounds],
                in_turn=choice["placement"] == "in turn",
                gap_s=choice.get("gap", 0.0),
            )
        channels, length, rate = measure_mix(sounds, starts)
        # The mix, and as many samples again while one of its voices is resampled.
        check_memory(8 * channels * length, "The mix", Fraction(length, rate), "making")
        tracks = place_tracks(sounds, starts)
        return io.NodeOutput(tracks, from_sound(tracks.mix), draw_tracks(tracks, scene)[None])
