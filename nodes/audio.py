"""Sound nodes: loudness, and speakers on one time line."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io, ui

from ..multitalk.config import LOUDNESS_LUFS, MAX_SPEAKERS
from ..multitalk.sound.audio import (
    Sound,
    check_sound,
    parse_offsets,
    place_tracks,
    start_times,
)
from ..multitalk.sound.loudness import normalize_loudness
from .sockets import Tracks, from_sound, to_sound
from .values import check_inputs, check_names

logger = logging.getLogger("multitalk.nodes")
SPEAKER_NAMES = [f"speaker_{number}" for number in range(1, MAX_SPEAKERS + 1)]


class MultiTalkLoudness(io.ComfyNode):
    """Bring a sound to a loudness."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkLoudness",
            display_name="MultiTalk Loudness",
            category="MultiTalk/audio",
            description="Levels a sound to a loudness (ITU-R BS.1770), for people who hear it. "
            "The speech encoder levels its own copy; see MultiTalk Speech Embedding.",
            search_aliases=["normalize", "LUFS", "volume", "gain"],
            inputs=[
                io.Audio.Input("audio", tooltip="Sound to level; rate and channels are kept."),
                io.Float.Input(
                    "loudness_lufs",
                    default=LOUDNESS_LUFS,
                    min=-60.0,
                    max=-5.0,
                    step=0.5,
                    tooltip="Loudness wanted, in LUFS. -23 is broadcast level, -16 common online.",
                ),
            ],
            outputs=[io.Audio.Output(display_name="audio", tooltip="The levelled sound.")],
        )

    @classmethod
    def execute(cls, audio: dict[str, Any], loudness_lufs: float, **unknown: Any) -> io.NodeOutput:
        """Level every item of the batch."""
        check_names(unknown)
        check_inputs({"audio": audio, "loudness_lufs": loudness_lufs})
        rate, levelled, notes = to_sound(audio, "audio").sample_rate, [], []
        for waveform in audio["waveform"].to("cpu", torch.float32):
            check_sound(Sound(waveform=waveform, sample_rate=rate), "audio")
            out, before = normalize_loudness(waveform, rate, target_lufs=loudness_lufs)
            levelled.append(out)
            if before is None:
                notes.append(
                    "Silent, or shorter than 0.4 s: loudness cannot be measured, unchanged."
                )
            else:
                notes.append(f"{before:.1f} LUFS before, {loudness_lufs:.1f} LUFS now.")
        logger.info("[MultiTalk] loudness: %s", " ".join(notes))
        result = {"waveform": torch.stack(levelled), "sample_rate": rate}
        return io.NodeOutput(result, ui=ui.PreviewText("\n".join(notes)))


class MultiTalkTracks(io.ComfyNode):
    """Put several speakers on one time line."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkTracks",
            display_name="MultiTalk Tracks",
            category="MultiTalk/audio",
            description="Several speakers on one time line: together, in turn, or at given times.",
            search_aliases=["dialogue", "two speakers", "mix", "conversation"],
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
                io.DynamicCombo.Input(
                    "placement",
                    options=[
                        io.DynamicCombo.Option("together", []),
                        io.DynamicCombo.Option(
                            "in turn",
                            [
                                io.Float.Input(
                                    "gap",
                                    default=0.0,
                                    min=0.0,
                                    max=60.0,
                                    step=0.1,
                                    tooltip="Silence between two speakers, in seconds.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "offsets",
                            [
                                io.String.Input(
                                    "offsets",
                                    default="0, 2.5",
                                    tooltip="When each speaker begins, in seconds: one number per "
                                    "speaker, separated by commas.",
                                )
                            ],
                        ),
                    ],
                    tooltip="together: all begin at 0. in turn: one after another. "
                    "offsets: at the times you write.",
                ),
            ],
            outputs=[
                Tracks.Output(display_name="tracks", tooltip="For MultiTalk Speech Embedding."),
                io.Audio.Output(display_name="mix", tooltip="All speakers together, as heard."),
                io.Image.Output(
                    display_name="picture",
                    tooltip="Who speaks when, and how loud. Connect Preview Image.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        speakers: dict[str, Any],
        placement: dict[str, Any] | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Place and mix."""
        from ..multitalk.sound.timeline import draw_tracks  # here, so that the host starts fast

        check_names(unknown)
        check_inputs({"placement": placement})
        for sound in speakers.values():
            check_inputs({"audio": sound})
        given = [name for name in SPEAKER_NAMES if speakers.get(name) is not None]
        if given != SPEAKER_NAMES[: len(given)]:
            raise ValueError(
                f"Connected are {', '.join(given)}; speakers must follow one another without a "
                "gap. Connect them from speaker_1 on."
            )
        sounds = [to_sound(speakers[name], name) for name in given]
        choice = placement or {"placement": "together"}
        durations = [sound.duration_s for sound in sounds]
        if choice["placement"] == "offsets":
            starts = parse_offsets(choice["offsets"], len(sounds))
        else:
            in_turn = choice["placement"] == "in turn"
            starts = start_times(durations, in_turn=in_turn, gap_s=choice.get("gap", 0.0))
        tracks = place_tracks(sounds, starts)
        return io.NodeOutput(tracks, from_sound(tracks.mix), draw_tracks(tracks)[None])
