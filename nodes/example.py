"""The project's own picture and voices, so that toy graphs run anywhere, or files of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.v0_0_2 import io, ui
from PIL import Image, ImageOps

from ..multitalk.sound.audio import Sound
from .host import ASSETS
from .own_files import OF_SCENE, chooser, find_own_file, own_file_stamps, read_own_sound
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
                ),
                chooser("picture", "image", "Your own picture instead of the drawn one."),
                chooser("voice_1", "audio", "Your own sound instead of audio 1."),
                chooser("voice_2", "audio", "Your own sound instead of audio 2."),
            ],
            outputs=[
                (io.Image, "image", "The picture; the drawn ones are 960 x 640."),
                (io.Audio, "audio 1", "Voice of the left speaker."),
                (
                    io.Audio,
                    "audio 2",
                    "Voice of the right speaker; with one speaker a silence as long.",
                ),
                (
                    io.BoundingBox,
                    "boxes",
                    "The heads, for MultiTalk Speakers; equal parts of your own picture.",
                ),
            ],
            has_intermediate_output=True,  # the picture stays when nothing is made again
        )

    @classmethod
    def validate_inputs(
        cls, picture: str = OF_SCENE, voice_1: str = OF_SCENE, voice_2: str = OF_SCENE
    ) -> bool | str:
        """Whether the chosen files are there, before anything runs."""
        names = {"picture": picture, "voice_1": voice_1, "voice_2": voice_2}
        try:
            for name, file in names.items():
                find_own_file(file, name)
        except (FileNotFoundError, ValueError) as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(
        cls, picture: str = OF_SCENE, voice_1: str = OF_SCENE, voice_2: str = OF_SCENE, **_: Any
    ) -> tuple[object, ...]:
        """Changes with the chosen files."""
        return own_file_stamps((picture, voice_1, voice_2))

    @classmethod
    def execute(
        cls,
        scene: str,
        picture: str = OF_SCENE,
        voice_1: str = OF_SCENE,
        voice_2: str = OF_SCENE,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Read picture and sounds of the scene, or those that were chosen."""
        check_names(unknown)
        scenes = json.loads((EXAMPLES / "scenes.json").read_text("utf-8"))
        check_choice("scene", scene, scenes)
        entry = scenes[scene]
        own = find_own_file(picture, "picture")
        image = _read_picture(own or EXAMPLES / entry["picture"])
        voices = [_read_voice(EXAMPLES / name) for name in entry["voices"]]
        if voice_1 != OF_SCENE:
            voices[0] = read_own_sound(voice_1, "voice_1")
        if len(voices) == 1:
            silence = torch.zeros_like(voices[0].waveform)
            voices.append(Sound(waveform=silence, sample_rate=voices[0].sample_rate))
        if voice_2 != OF_SCENE:
            voices[1] = read_own_sound(voice_2, "voice_2")
        places = _equal_parts(image, len(entry["boxes"])) if own else entry["boxes"]
        boxes: list[dict[str, Any]] = [
            dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in places
        ]
        first, second = (from_sound(voice) for voice in voices)
        return io.NodeOutput(image, first, second, boxes, ui=ui.PreviewImage(image, cls=cls))


def _read_picture(path: Path) -> torch.Tensor:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return torch.from_numpy(np.array(upright))[None].float() / 255  # [1, H, W, 3]


def _equal_parts(image: torch.Tensor, count: int) -> list[tuple[int, int, int, int]]:
    """Boxes side by side, from left to right."""
    height, width = image.shape[1:3]
    return [(width * n // count, 0, width // count, height) for n in range(count)]


def _read_voice(path: Path) -> Sound:
    import soundfile

    samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    return Sound(waveform=torch.from_numpy(samples.T.copy()), sample_rate=rate)
