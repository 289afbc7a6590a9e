"""One recording of several people to a track per speaker."""

from __future__ import annotations

import logging
from typing import Any

from comfy_api.v0_0_2 import io, ui

from ..multitalk.sound.recording import cut_turns, split_channels
from ..multitalk.words import count
from .host import check_memory
from .sockets import Tracks
from .sounds import read_sound
from .values import check_inputs, check_names
from .widgets import Widget, schema

logger = logging.getLogger("multitalk.nodes")

_TIMES = Widget(
    "times",
    "Who speaks when, in seconds or minutes:seconds: name, start and end, with a comma or a new "
    "line between. A start without an end reaches to the end of the recording.",
    default="Anna 0-3.2, Ben 3.2-",
    more={"multiline": True, "placeholder": "Anna 0-3.2, Ben 3.2-7, Anna 7-"},
)
SPLIT = Widget(
    "split",
    "left and right: a stereo recording of two, speaker 1 left. times: one recording of up to six, "
    "cut where you write; speakers are in the order in which they first speak.",
    default="left and right",
    parts={"left and right": (), "times": (_TIMES,)},
)


class MultiTalkSplitRecording(io.ComfyNode):
    """Take a recording of several people apart."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Split Recording",
            "audio",
            "One recording of several people to a track for each, by left and right or by times. "
            "The sound of the video stays the whole recording.",
            search_aliases=["dialogue", "stereo", "podcast", "diarization", "two speakers"],
            inputs=[io.Audio.Input("audio", tooltip="The recording, with everybody in it."), SPLIT],
            outputs=[
                (Tracks, "tracks", "For MultiTalk Speech Embedding."),
                (io.Image, "picture", "Who speaks when, and how loud. Connect Preview Image."),
                (io.String, "report", "Who is who, and what lies in nobody's time."),
            ],
        )

    @classmethod
    def execute(
        cls, audio: dict[str, Any], split: dict[str, Any] | None = None, **unknown: Any
    ) -> io.NodeOutput:
        """Split, draw, report."""
        from ..multitalk.sound.timeline import draw_tracks  # here, so that the host starts fast

        check_names(unknown)
        check_inputs({"split": split})
        sound, choice = read_sound(audio, "audio"), SPLIT.read({"split": split})
        check_memory(16 * sound.waveform.shape[-1], "audio", sound.duration_s, "splitting")
        if choice["split"] == "times":
            tracks, names, notes = cut_turns(sound, choice["times"])
        else:
            (tracks, notes), names = split_channels(sound), ["left", "right"]
        who = ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
        lines = [f"{count(len(names), 'speaker')}: {who}", *notes]
        logger.info("[MultiTalk] recording: %s", "; ".join(lines))
        report = "\n".join(lines)
        return io.NodeOutput(tracks, draw_tracks(tracks)[None], report, ui=ui.PreviewText(report))
