"""The scene: what is seen when, as prompts on the time line of the voices."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io

from .host import preview_picture
from .progress import Waiting
from .sockets import Scene, SceneScript, ShotList, Tracks
from .sounds import read_tracks
from .values import check_inputs, check_names, missing_lazy, read_scene
from .widgets import Widget, schema

if TYPE_CHECKING:
    from torch import Tensor

    from ..multitalk.sound.audio import Tracks as SoundTracks
    from ..multitalk.spans import PromptSpan

logger = logging.getLogger("multitalk.nodes")

SCENE_TEXT = Widget(
    "scene_text",
    "A line per text: from, to, a colon, what is seen, for example 4-9.5: she turns to the window. "
    "Times in seconds or as 1:04. Without a to: until the next line, or the end of the sound.",
    default="0-4: she smiles, static camera\n4-: she turns to the window",
    more={"multiline": True},
)
THROUGHOUT = Widget(
    "throughout",
    "What is true all the time: place, people, light, camera. It is put before each line's text.",
    default="",
    optional=True,
    more={"multiline": True},
)


class MultiTalkScene(io.ComfyNode):
    """Prompts with times."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Scene",
            "sampling",
            "What happens when: a prompt for each part of the video. Every window is made with the "
            "line that covers most of its new frames; where no line does, with positive.",
            search_aliases=[
                *("prompt schedule", "prompt travel", "script", "storyboard", "directing"),
                *("timed prompts", "shot list"),
            ],
            inputs=[
                io.Clip.Input(
                    "clip",
                    optional=True,
                    lazy=True,
                    tooltip="The umt5-xxl text encoder, from the host's Load CLIP. Not connected: "
                    "times are planned, but no text is read, as by the toy.",
                ),
                SCENE_TEXT,
                THROUGHOUT,
                io.MultiType.Input(
                    "audio",
                    types=[io.Audio, Tracks],
                    optional=True,
                    tooltip="One speaker's voice (AUDIO), or several on a time line (tracks): the "
                    "picture shows them above the scene, and times beyond the sound are said.",
                ),
                ShotList.Input(
                    "shots",
                    optional=True,
                    tooltip="From MultiTalk Shots, for the picture alone: where cuts are. The "
                    "sampler takes its own link.",
                ),
            ],
            outputs=[
                (Scene, "scene", "For MultiTalk Sampler or MultiTalk Sample To Video."),
                (io.Image, "time line", "Which text counts when, below the voices."),
                (io.String, "report", "The texts with their times, and what has no text."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            has_intermediate_output=True,  # the picture stays when nothing is made again
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check the lines, then ask for the text encoder if there is one to be read."""
        check_inputs(inputs)
        spans = read_scene(inputs.get("scene_text"))
        if inputs.get("audio") is not None:
            read_tracks(inputs["audio"])
        return missing_lazy(inputs, "clip") if spans else []

    @classmethod
    def execute(
        cls,
        scene_text: str,
        clip: Any = None,
        throughout: str = "",
        audio: Any = None,
        shots: Any = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Encode every text once, and draw the time line."""
        check_names(unknown)
        check_inputs({"clip": clip, "shots": shots})
        tracks = None if audio is None else read_tracks(audio)
        spans = read_scene(scene_text)
        texts = [joined(throughout, span.text) for span in spans]
        encoded = dict.fromkeys(texts)
        if clip is not None:
            with Waiting("reading the scene", "read the scene") as waiting:
                for number, text in enumerate(encoded, start=1):
                    waiting.say(f"reading text {number} of {len(encoded)}")
                    encoded[text] = clip.encode_from_tokens_scheduled(clip.tokenize(text))
        scene = SceneScript(spans=spans, conditionings=tuple(encoded[text] for text in texts))
        report = _report(spans, len(encoded), tracks, read=clip is not None)
        logger.info("[MultiTalk] %s", "; ".join(report))
        picture = _draw(spans, tracks, () if shots is None else shots.cuts)[None]
        shown = preview_picture(picture, cls.hidden)
        return io.NodeOutput(scene, picture, "\n".join(report), ui=shown)


def joined(throughout: str, text: str) -> str:
    """The prompt of a line: what is true throughout, then its own text."""
    before = " ".join(throughout.split())
    if not before:
        return text
    return f"{before} {text}" if before[-1] in ".,;:!?" else f"{before}, {text}"


def _report(
    spans: tuple[PromptSpan, ...], num_texts: int, tracks: SoundTracks | None, *, read: bool
) -> list[str]:
    """What the node says, a fact per line."""
    from ..multitalk.spans import describe_times
    from ..multitalk.words import count

    if not spans:
        return ["the scene has no line: positive counts all the time"]
    how = "each read once" if read else "clip is not connected, so none is read"
    facts = [f"{count(len(spans), 'line')} with {count(num_texts, 'text')}, {how}"]
    facts += [f"line {span.line} ({span.times}): {span.text}" for span in spans]
    if tracks is not None:
        facts += describe_times(spans, tracks.num_frames)
    return facts


def _draw(
    spans: tuple[PromptSpan, ...], tracks: SoundTracks | None, cuts: tuple[int, ...]
) -> Tensor:
    """The picture [H, W, 3] of the voices, if they are known, the cuts and the scene."""
    from ..multitalk.config import FRAME_RATE
    from ..multitalk.sound.timeline import draw_scene, draw_tracks

    if tracks is not None:
        return draw_tracks(tracks, spans, cuts)
    ends = [float(span.start_s + 1 if span.end_s is None else span.end_s) for span in spans]
    ends += [cut / FRAME_RATE + 1 for cut in cuts[-1:]]
    return draw_scene(spans, max(ends, default=1.0), cuts)
