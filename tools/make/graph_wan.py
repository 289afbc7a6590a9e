"""Graphs in which the host's own sampler does some or all of the work, through our loaders."""

from __future__ import annotations

from .graph_forms import Graph, Link, Node, Note, Use
from .graph_loaders import loaders
from .graph_parts import NEGATIVE, POSITIVE, T2V_SMALL, Kit, files_note
from .graph_pieces import (
    PLAYER_PX,
    PROMPT_PX,
    REAL_LINKS,
    SAMPLER_PX,
    SAMPLER_ROOM_PX,
    picture,
)
from .graph_words import PLAIN_CHANGE_NOTE, TEXT_TO_TALKING_CHANGE_NOTE

KSAMPLER_PX, PREVIEW_PX = 300, 240
"""Of the host's KSampler: its own height, and the preview that a run adds."""
WAN_SETTINGS = {"seed": 42, "cfg": 6.0, "sampler_name": "uni_pc", "scheduler": "simple"}
"""Those of the host's own templates for Wan 2.1."""

Column = tuple[int, int]
"""Left edge and width in pixels."""


def _prompts(column: Column, y: int, text: str) -> tuple[Node, ...]:
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
        for index, (key, title, words) in enumerate(rows)
    )


def _sampler(column: Column, y: int, steps: int, links: dict[str, Link]) -> Node:
    return Node(
        key="host sampler",
        kind="KSampler",
        at=(column[0], y),
        width=column[1],
        height=KSAMPLER_PX,
        room=PREVIEW_PX,
        values={**WAN_SETTINGS, "steps": steps},
        links=links,
    )


def _decode(column: Column, y: int) -> Node:
    return Node(
        key="decode",
        kind="VAEDecode",
        at=(column[0], y),
        width=column[1],
        links={"samples": ("host sampler", "LATENT"), "vae": ("loaders", "VAE")},
    )


def _first_frame(seen: Column, start: Column) -> tuple[Node, ...]:
    """The picture as CLIP sees it, and as the window begins with it."""
    return (
        Node(
            key="seen",
            kind="CLIPVisionEncode",
            at=(seen[0], 470),
            width=seen[1],
            values={"crop": "none"},
            links={"clip_vision": ("loaders", "CLIP_VISION"), "image": ("image", "IMAGE")},
        ),
        Node(
            key="start",
            kind="WanImageToVideo",
            at=(start[0], 170),
            width=start[1],
            values={"width": 832, "height": 480, "length": 81},
            links={
                "positive": ("positive", "CONDITIONING"),
                "negative": ("negative", "CONDITIONING"),
                "vae": ("loaders", "VAE"),
                "clip_vision_output": ("seen", "CLIP_VISION_OUTPUT"),
                "start_image": ("image", "IMAGE"),
            },
        ),
    )


def image_to_video(kit: Kit) -> Graph:
    """Plain WAN: a picture moves, and nobody talks."""
    columns = ((0, 230), (275, 290), (610, 270), (925, 225), (1188, 225), (1450, 225))
    _, load, text, start, sample, end = columns
    return Graph(
        name="wan_image_to_video",
        nodes=(
            picture(430),
            Use(key="loaders", subgraph=loaders(kit), at=(load[0], 0), width=load[1]),
            *_prompts(text, 150, PLAIN_PROMPT),
            *_first_frame(text, start),
            _sampler(
                sample,
                0,
                20,
                {
                    "model": ("loaders", "model"),
                    "positive": ("start", "positive"),
                    "negative": ("start", "negative"),
                    "latent_image": ("start", "latent"),
                },
            ),
            _decode(end, 0),
            Node(
                key="video",
                kind="MultiTalkVideoCombine",
                at=(end[0], 190),
                width=end[1],
                height=PLAYER_PX,
                values={"fps": 16.0},
                links={"images": ("decode", "IMAGE")},
            ),
        ),
        notes=(
            Note(at=(load[0], 690), size=(605, 250), title="Files", text=files_note(kit)),
            Note(
                at=(start[0], 700), size=(750, 240), title="What to change", text=PLAIN_CHANGE_NOTE
            ),
        ),
        groups={
            "Picture": ("image",),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Video": ("start", "host sampler", "decode", "video"),
        },
        bends={
            ("start", "vae"): ((590, 57), (905, 57)),
            ("start", "start_image"): ((590, 600), (905, 600)),
            ("decode", "vae"): ((590, -96), (1430, -96)),
            ("video", "images"): ((1685, 110), (1435, 110)),
        },
    )


def _picture_model(column: Column) -> tuple[Node, ...]:
    """A small text-to-video model, and an empty picture for it."""
    return (
        Node(
            key="painter",
            kind="UNETLoader",
            at=(column[0], 532),
            width=column[1],
            title="Text-to-video model",
            values={"unet_name": T2V_SMALL.name},
            models=(T2V_SMALL,),
        ),
        Node(
            key="canvas",
            kind="EmptyHunyuanLatentVideo",
            at=(column[0], 682),
            width=column[1],
            title="Empty picture",
            values={"width": 640, "height": 640, "length": 1},
        ),
    )


def _talking(load: Column, heard: Column, talk: Column, end: Column) -> tuple[Node, ...]:
    """From a voice and the picture that was made to the mp4."""
    return (
        Node(
            key="voice 1",
            kind="LoadAudio",
            at=(load[0], 445),
            width=load[1],
            height=140,
            title="Voice",
            values={"audio": ""},
        ),
        Node(
            key="speech",
            kind="MultiTalkSpeechEmbedding",
            at=(heard[0], 930),
            width=300,
            links={
                "audio": ("voice 1", "AUDIO"),
                "speech_encoder": ("loaders", "speech encoder"),
            },
        ),
        Node(
            key="sampler",
            kind="MultiTalkSampler",
            at=(talk[0], 0),
            width=talk[1],
            height=SAMPLER_PX,
            room=SAMPLER_ROOM_PX,
            links={
                "speech": ("speech", "speech"),
                **REAL_LINKS,
                "image": ("decode", "IMAGE"),
            },
        ),
        Node(
            key="video",
            kind="MultiTalkVideoCombine",
            at=(end[0], 0),
            width=end[1],
            height=PLAYER_PX,
            links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
        ),
    )


def text_to_talking(kit: Kit) -> Graph:
    """A small text-to-video model makes the first picture; then it talks."""
    load, text, paint = (0, 250), (295, 235), (575, 225)
    decode, talk, end = (838, 225), (1100, 262), (1400, 275)
    return Graph(
        name="wan_text_to_talking",
        nodes=(
            Use(key="loaders", subgraph=loaders(kit), at=(load[0], 0), width=load[1]),
            *_prompts(text, 172, POSITIVE),
            *_picture_model(text),
            _sampler(
                paint,
                257,
                30,
                {
                    "model": ("painter", "MODEL"),
                    "positive": ("positive", "CONDITIONING"),
                    "negative": ("negative", "CONDITIONING"),
                    "latent_image": ("canvas", "LATENT"),
                },
            ),
            _decode(decode, 257),
            *_talking(load, paint, talk, end),
        ),
        notes=(
            Note(
                at=(end[0], 470),
                size=(end[1], 300),
                title="What to change",
                text=TEXT_TO_TALKING_CHANGE_NOTE,
            ),
            Note(
                at=(load[0], 645),
                size=(load[1], 330),
                title="Files",
                text=files_note(kit, T2V_SMALL),
            ),
        ),
        groups={
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Picture model": ("painter", "canvas"),
            "First picture": ("host sampler", "decode"),
            "Voice": ("voice 1",),
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
        bends={
            ("sampler", "positive"): ((546, 140), (822, 112)),
            ("sampler", "negative"): ((554, 160), (822, 132)),
            ("decode", "vae"): ((818, 60),),
            ("sampler", "speech"): ((1081, 820), (1081, 180)),
            ("speech", "audio"): ((270, 470), (272, 600), (272, 876), (545, 916)),
            ("speech", "speech_encoder"): ((281, 128), (283, 862), (545, 902)),
        },
    )


PLAIN_PROMPT = (
    "A person looks into the camera and smiles, hair moving in a light wind. Still camera."
)
