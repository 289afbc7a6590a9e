"""Nodes that several shipped graphs have in common."""

from __future__ import annotations

from .graph_forms import Link, Model, Node, Use
from .graph_parts import ESPEAK, NEGATIVE, SCRIPT, loaders

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


def sampler(at: tuple[int, int], height: int, links: dict[str, Link], *, toy: bool) -> Node:
    """The sampler, with room for its line of progress."""
    return Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=at,
        height=height,
        values=TOY_SETTINGS if toy else {},
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
    "image": ("image", "IMAGE"),
}
MASKS: dict[str, Link] = {"masks": ("speakers", "masks")}


def real_start(audio_part: Model, text: str) -> tuple[Node | Use, ...]:
    """Picture, loaders and prompts, as in all graphs for released models."""
    clip: Link = ("loaders", "CLIP")
    return (
        Node(key="image", kind="LoadImage", at=(0, 0), height=314, values={"image": "example.png"}),
        Use(key="loaders", subgraph=loaders(audio_part), at=(400, 140), width=350),
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
