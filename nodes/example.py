"""The project's own picture and voices, so that toy graphs run anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image

from ..multitalk.sound.audio import Sound
from .host import ASSETS
from .sounds import from_sound
from .values import check_choice, check_names
from .widgets import Widget, schema

EXAMPLES = ASSETS / "examples"


class MultiTalkExample(io.ComfyNode):
    """A picture with voices that come with the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Example",
            "examples",
            "A drawn picture and spoken voices that come with the pack.",
            search_aliases=["talking avatar", "demo", "sample picture", "sample voice"],
            inputs=[
                Widget(
                    "scene",
                    "one_speaker: one head and voice. two_speakers: two of each.",
                    default="one_speaker",
                    choices=("one_speaker", "two_speakers"),
                )
            ],
            outputs=[
                (io.Image, "image", "The picture, 960 x 640."),
                (io.Audio, "audio 1", "Voice of the left speaker."),
                (
                    io.Audio,
                    "audio 2",
                    "Voice of the right speaker; with one speaker a silence as long.",
                ),
                (io.BoundingBox, "boxes", "The heads, for MultiTalk Speakers."),
            ],
        )

    @classmethod
    def execute(cls, scene: str, **unknown: Any) -> io.NodeOutput:
        """Read picture and sounds of the scene."""
        check_names(unknown)
        scenes = json.loads((EXAMPLES / "scenes.json").read_text("utf-8"))
        check_choice("scene", scene, scenes)
        entry = scenes[scene]
        with Image.open(EXAMPLES / entry["picture"]) as picture:
            image = torch.from_numpy(np.array(picture.convert("RGB")))[None].float() / 255
        voices = [_read_voice(EXAMPLES / name) for name in entry["voices"]]
        if len(voices) == 1:
            silence = torch.zeros_like(voices[0].waveform)
            voices.append(Sound(waveform=silence, sample_rate=voices[0].sample_rate))
        boxes: list[dict[str, Any]] = [
            dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in entry["boxes"]
        ]
        return io.NodeOutput(image, from_sound(voices[0]), from_sound(voices[1]), boxes)


def _read_voice(path: Path) -> Sound:
    import soundfile

    samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    return Sound(waveform=torch.from_numpy(samples.T.copy()), sample_rate=rate)
