"""Nodes that several shipped graphs have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .graph_forms import Link, Model, Node, Note, Use, Value
from .graph_loaders import loaders
from .graph_parts import (
    ASK_FOR_PROMPT,
    ESPEAK,
    FACE_DETECTOR,
    NEGATIVE,
    SCRIPT,
    TEXT_MODEL,
    Kit,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"

TOY_SETTINGS = {
    "preset": "custom",
    "preset.steps": 8,
    "preset.shift": 3,
    "preset.text_guidance": 1,
    "preset.audio_guidance": 2,
    "size": "custom",
    "size.width": 144,
    "size.height": 96,
    "window": 33,
    "overlap": 9,
}
TRACKS = {"placement": "in turn", "placement.gap": 0.2}
A, B, C, D, E = (0, 250), (295, 290), (635, 290), (995, 310), (1350, 325)
"""Columns: left edge and width in pixels. Together, with the frames of the outer groups, they are
1,699 wide: what fits on a screen with text that can be read. The gaps leave room for the links."""
PROMPT_PX, PICTURE_PX = 106, 330
"""The least that the editor gives a text, and a little more than it gives a picture."""
WRITER_PX, WRITTEN_PX = 340, 137
"""The node that writes a prompt, and the one that shows it."""
PLAYER_PX = 404
"""Height of the last node with its player."""
SAMPLER_PX, TOY_SAMPLER_PX = 866, 1010
"""Heights of the sampler: with a preset, and the toy's with custom settings."""
CUSTOM_PX = 96
"""The four rows that preset custom shows."""
SAMPLER_ROOM_PX, FILE_ROOM_PX = 280, 340
"""What a run adds: pictures, lines of progress, a player."""
DIALOGUE_PX, SPEAKERS_PX = 421, 186
"""Script and voices; who is who: what Nodes 2.0 needs for the lines of web/field_heights.js."""
PICTURE_ROOM_PX = 232
"""What the picture adds that a run shows on a node."""


def sampler(height: int, links: dict[str, Link], values: Mapping[str, Value]) -> Node:
    """The sampler, with room for its lines of progress."""
    return Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=(D[0], 0),
        width=D[1],
        height=height,
        room=SAMPLER_ROOM_PX,
        values=values,
        links={"speech": ("speech", "speech"), **links},
    )


def file_sampler(height: int, links: dict[str, Link], values: Mapping[str, Value]) -> Node:
    """The sampler that writes the mp4, with room for its lines of progress and its player."""
    return Node(
        key="sampler",
        kind="MultiTalkSampleToVideo",
        at=(D[0], 0),
        width=D[1] + 20,
        height=height + 25,
        room=FILE_ROOM_PX,
        values={"keep_progress": True, **values},
        links={"speech": ("speech", "speech"), **links},
    )


def note_below(text: str) -> Note:
    """What one sees, below the first column: the graph opens small enough to show the player."""
    return Note(at=(A[0], 795), size=(A[1], 312), title="What you see", text=text)


def combine() -> Node:
    """The last node, with room for its player."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=(E[0], 0),
        width=E[1],
        height=PLAYER_PX,
        links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
    )


def speech(at: tuple[int, int], audio: Link, encoder: Link) -> Node:
    """The speech embedding."""
    return Node(
        key="speech",
        kind="MultiTalkSpeechEmbedding",
        at=at,
        width=C[1],
        links={"audio": audio, "speech_encoder": encoder},
    )


def tracks(y: int, first: Link, second: Link) -> Node:
    """Two voices in turn."""
    return Node(
        key="tracks",
        kind="MultiTalkTracks",
        at=(B[0], y),
        width=B[1],
        values=TRACKS,
        links={"speakers.speaker_1": first, "speakers.speaker_2": second},
    )


def toy_loaders(
    model: tuple[int, int], vae: tuple[int, int], encoder: tuple[int, int]
) -> list[Node]:
    """The toy's loaders at three places."""
    return [
        Node(
            key="model",
            kind="MultiTalkLoadModel",
            at=model,
            width=B[1],
            values={
                "base": "multitalk_toy_base.safetensors",
                "audio_part": "multitalk_toy_audio.safetensors",
            },
        ),
        Node(
            key="vae",
            kind="VAELoader",
            at=vae,
            width=_loader_width(vae),
            values={"vae_name": "multitalk_toy_vae.safetensors"},
        ),
        Node(
            key="encoder",
            kind="MultiTalkLoadSpeechEncoder",
            at=encoder,
            width=_loader_width(encoder),
            values={"encoder": "multitalk_toy_encoder.safetensors"},
        ),
    ]


def _loader_width(at: tuple[int, int]) -> int:
    return A[1] if at[0] == A[0] else B[1]


TOY_LINKS: dict[str, Link] = {
    "model": ("model", "model"),
    "vae": ("vae", "VAE"),
    "image": ("example", "image"),
}
REAL_LINKS: dict[str, Link] = {
    "model": ("loaders", "model"),
    "vae": ("loaders", "VAE"),
    "positive": ("positive", "CONDITIONING"),
    "negative": ("negative", "CONDITIONING"),
    "clip_vision": ("loaders", "CLIP_VISION"),
}
MASKS: dict[str, Link] = {"masks": ("speakers", "masks")}


def picture(y: int) -> Node:
    """A picture file; example.png comes with ComfyUI."""
    return Node(
        key="image",
        kind="LoadImage",
        at=(A[0], y),
        width=A[1],
        height=PICTURE_PX,
        values={"image": "example.png"},
    )


def end_picture(at: tuple[int, int], width: int) -> Node:
    """The picture that a video ends on."""
    return more_picture(at, width, "end image", "Last frame")


def more_picture(at: tuple[int, int], width: int, key: str, title: str) -> Node:
    """Another picture file."""
    return Node(
        key=key,
        kind="LoadImage",
        at=at,
        width=width,
        height=PICTURE_PX,
        title=title,
        values={"image": "example.png"},
    )


def source_video(title: str = "Video to dub", frames: str = "image") -> tuple[Node, Node]:
    """A video file as frames, by this key; none is chosen yet."""
    return (
        Node(
            key="file",
            kind="LoadVideo",
            at=(A[0], 0),
            width=A[1],
            height=PICTURE_PX,
            title=title,
            values={"file": ""},
        ),
        Node(
            key=frames,
            kind="GetVideoComponents",
            at=(B[0], 0),
            width=B[1],
            links={"video": ("file", "VIDEO")},
        ),
    )


def typed_boxes() -> str:
    """The two heads of the example picture as lines of text."""
    scenes = json.loads((EXAMPLES / "scenes.json").read_text(encoding="ascii"))
    return "\n".join(", ".join(map(str, box)) for box in scenes["two_speakers"]["boxes"])


def speakers(
    at: tuple[int, int],
    image: Link,
    *,
    boxes: str = "",
    detections: Link | None = None,
    width: int = C[1],
) -> Node:
    """Who is who, with room for the preview."""
    found = {} if detections is None else {"detections": detections}
    return Node(
        key="speakers",
        kind="MultiTalkSpeakers",
        at=at,
        width=width,
        height=SPEAKERS_PX,
        room=PICTURE_ROOM_PX,
        values={"boxes": boxes},
        links={"image": image, **found},
    )


def face_detector(model_y: int, y: int) -> tuple[Node, ...]:
    """The host's face detector for two people."""
    return (
        Node(
            key="detector model",
            kind="LoadMediaPipeFaceLandmarker",
            at=(A[0], model_y),
            width=A[1],
            title="Load face detector",
            values={"model_name": FACE_DETECTOR.name},
            models=(FACE_DETECTOR,),
        ),
        Node(
            key="detector",
            kind="MediaPipeFaceLandmarker",
            at=(B[0], y),
            width=B[1],
            title="Detect faces",
            values={"detector_variant": "both", "num_faces": 2},
            links={
                "face_detection_model": ("detector model", "FACE_DETECTION_MODEL"),
                "image": ("image", "IMAGE"),
            },
        ),
    )


def prompts(text: str, y: int, *, negative: bool, column: tuple[int, int] = C) -> tuple[Node, ...]:
    """What is seen and what is not; the second counts only with text guidance."""
    rows = (("positive", "Positive prompt", text), ("negative", "Negative prompt", NEGATIVE))
    return tuple(
        Node(
            key=key,
            kind="CLIPTextEncode",
            at=(column[0], y + index * (PROMPT_PX + 36)),
            width=column[1],
            height=PROMPT_PX,
            title=title,
            values={"text": words},
            links={"clip": ("loaders", "CLIP")},
        )
        for index, (key, title, words) in enumerate(rows[: 1 + negative])
    )


def prompt_helper(loader_y: int, writer_y: int, y: int) -> tuple[Node, ...]:
    """A text model that looks at the picture and writes the prompt, and what it wrote."""
    return (
        Node(
            key="text model",
            kind="CLIPLoader",
            at=(A[0], loader_y),
            width=A[1],
            title="Load text model",
            values={"clip_name": TEXT_MODEL.name, "type": "stable_diffusion"},
            models=(TEXT_MODEL,),
        ),
        Node(
            key="writer",
            kind="TextGenerate",
            at=(B[0], writer_y),
            width=B[1],
            height=WRITER_PX,
            title="Write the prompt",
            values={"prompt": ASK_FOR_PROMPT, "max_length": 256, "sampling_mode": "off"},
            links={"clip": ("text model", "CLIP"), "image": ("image", "IMAGE")},
        ),
        Node(
            key="positive",
            kind="CLIPTextEncode",
            at=(C[0], y),
            width=C[1],
            height=PROMPT_PX,
            title="Positive prompt",
            values={"text": ""},
            links={"clip": ("loaders", "CLIP"), "text": ("writer", "generated_text")},
        ),
        Node(
            key="written",
            kind="PreviewAny",
            at=(C[0], y + PROMPT_PX + 36),
            width=C[1],
            height=WRITTEN_PX,
            title="What it wrote",
            links={"source": ("writer", "generated_text")},
        ),
    )


def real_loaders(kit: Kit, y: int) -> Use:
    """The loaders, in one node."""
    return Use(key="loaders", subgraph=loaders(kit), at=(B[0], y), width=B[1])


def voice(number: int, title: str, y: int, column: tuple[int, int] = A) -> Node:
    """A sound file; none is chosen yet: a fresh ComfyUI has none."""
    return Node(
        key=f"voice {number}",
        kind="LoadAudio",
        at=(column[0], y),
        width=column[1],
        height=140,
        title=title,
        values={"audio": ""},
    )


def dialogue(voices_y: int, y: int, model: Model | None) -> list[Node]:
    """A voice model and a script.

    Args:
        voices_y: Where the voice model is.
        y: Where the script is.
        model: File of the voice model; None: the machine voice.

    Returns:
        Both nodes.
    """
    return [
        Node(
            key="voices",
            kind="MultiTalkLoadKokoro",
            at=(A[0], voices_y),
            width=A[1],
            values={"model": ESPEAK if model is None else model.name},
            models=() if model is None else (model,),
        ),
        Node(
            key="dialogue",
            kind="MultiTalkDialogue",
            at=(B[0], y),
            width=B[1],
            height=DIALOGUE_PX,
            room=PICTURE_ROOM_PX,
            values={"script": SCRIPT},
            links={"voice_model": ("voices", "voice model")},
        ),
    ]
