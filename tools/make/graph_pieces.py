"""Nodes that several shipped graphs have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .graph_forms import Link, Model, Node, Use, Value
from .graph_loaders import loaders
from .graph_parts import ESPEAK, FACE_DETECTOR, NEGATIVE, SCRIPT, Kit

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
PLAYER_PX = 400
"""Height of the last node with its player."""


def sampler(
    at: tuple[int, int], height: int, links: dict[str, Link], values: Mapping[str, Value]
) -> Node:
    """The sampler, with room for its line of progress."""
    return Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=at,
        height=height,
        values=values,
        links={"speech": ("speech", "speech"), **links},
    )


def file_sampler(
    at: tuple[int, int], height: int, links: dict[str, Link], values: Mapping[str, Value]
) -> Node:
    """The sampler that writes the mp4, with room for its line of progress and its player."""
    return Node(
        key="sampler",
        kind="MultiTalkSampleToVideo",
        at=at,
        width=400,
        height=height,
        values={"keep_progress": True, **values},
        links={"speech": ("speech", "speech"), **links},
    )


def combine(at: tuple[int, int]) -> Node:
    """The last node, with room for its player."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=at,
        width=400,
        height=PLAYER_PX,
        links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
    )


def speech(at: tuple[int, int], audio: Link, encoder: Link) -> Node:
    """The speech embedding."""
    return Node(
        key="speech",
        kind="MultiTalkSpeechEmbedding",
        at=at,
        links={"audio": audio, "speech_encoder": encoder},
    )


def tracks(at: tuple[int, int], first: Link, second: Link) -> Node:
    """Two voices in turn."""
    return Node(
        key="tracks",
        kind="MultiTalkTracks",
        at=at,
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
            values={
                "base": "multitalk_toy_base.safetensors",
                "audio_part": "multitalk_toy_audio.safetensors",
            },
        ),
        Node(
            key="vae",
            kind="VAELoader",
            at=vae,
            values={"vae_name": "multitalk_toy_vae.safetensors"},
        ),
        Node(
            key="encoder",
            kind="MultiTalkLoadSpeechEncoder",
            at=encoder,
            values={"encoder": "multitalk_toy_encoder.safetensors"},
        ),
    ]


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


def picture() -> tuple[Node, ...]:
    """A picture file."""
    return (
        Node(key="image", kind="LoadImage", at=(0, 0), height=314, values={"image": "example.png"}),
    )


def source_video() -> tuple[Node, ...]:
    """A video file as frames."""
    return (
        Node(
            key="file",
            kind="LoadVideo",
            at=(0, 0),
            height=314,
            title="Video to dub",
            values={"file": "example.mp4"},
        ),
        Node(
            key="image",
            kind="GetVideoComponents",
            at=(0, 374),
            links={"video": ("file", "VIDEO")},
        ),
    )


def typed_boxes() -> str:
    """The two heads of the example picture as lines of text."""
    scenes = json.loads((EXAMPLES / "scenes.json").read_text(encoding="ascii"))
    return "\n".join(", ".join(map(str, box)) for box in scenes["two_speakers"]["boxes"])


def speakers(
    at: tuple[int, int], image: Link, *, boxes: str = "", detections: Link | None = None
) -> Node:
    """Who is who, with room for the preview."""
    found = {} if detections is None else {"detections": detections}
    return Node(
        key="speakers",
        kind="MultiTalkSpeakers",
        at=at,
        height=370,
        values={"boxes": boxes},
        links={"image": image, **found},
    )


def face_detector(model: tuple[int, int], at: tuple[int, int]) -> tuple[Node, ...]:
    """The host's face detector for two people."""
    return (
        Node(
            key="detector model",
            kind="LoadMediaPipeFaceLandmarker",
            at=model,
            values={"model_name": FACE_DETECTOR.name},
            models=(FACE_DETECTOR,),
        ),
        Node(
            key="detector",
            kind="MediaPipeFaceLandmarker",
            at=at,
            values={"detector_variant": "both", "num_faces": 2},
            links={
                "face_detection_model": ("detector model", "FACE_DETECTION_MODEL"),
                "image": ("image", "IMAGE"),
            },
        ),
    )


def prompts(text: str, *, negative: bool) -> tuple[Node, ...]:
    """What is seen and what is not; the second counts only with text guidance."""
    clip: Link = ("loaders", "CLIP")
    both = (
        Node(
            key="positive",
            kind="CLIPTextEncode",
            at=(830, 310),
            width=400,
            height=120,
            title="Positive prompt",
            values={"text": text},
            links={"clip": clip},
        ),
        Node(
            key="negative",
            kind="CLIPTextEncode",
            at=(830, 490),
            width=400,
            height=170,
            title="Negative prompt",
            values={"text": NEGATIVE},
            links={"clip": clip},
        ),
    )
    return both if negative else both[:1]


def real_start(kit: Kit, text: str, source: tuple[Node, ...] | None = None) -> list[Node | Use]:
    """Picture, loaders and prompts, as in all graphs for released models."""
    return [
        *(picture() if source is None else source),
        Use(key="loaders", subgraph=loaders(kit), at=(400, 140), width=350),
        *prompts(text, negative=kit.lora is None),
    ]


def voice(number: int, title: str, at: tuple[int, int]) -> Node:
    """A sound file."""
    return Node(
        key=f"voice {number}",
        kind="LoadAudio",
        at=at,
        height=136,
        title=title,
        values={"audio": f"voice_{number}.wav"},
    )


def dialogue(voices: tuple[int, int], at: tuple[int, int], model: Model | None) -> list[Node]:
    """A voice model and a script.

    Args:
        voices: Where the voice model is.
        at: Where the script is.
        model: File of the voice model; None: the machine voice.

    Returns:
        Both nodes.
    """
    return [
        Node(
            key="voices",
            kind="MultiTalkLoadKokoro",
            at=voices,
            values={"model": ESPEAK if model is None else model.name},
            models=() if model is None else (model,),
        ),
        Node(
            key="dialogue",
            kind="MultiTalkDialogue",
            at=at,
            height=560,
            values={"script": SCRIPT},
            links={"voice_model": ("voices", "voice model")},
        ),
    ]
