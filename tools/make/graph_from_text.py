"""The graph in which a text-to-video model makes the first picture, and then it talks."""

from __future__ import annotations

from .graph_forms import Graph, Node, Note, Use
from .graph_host_nodes import Column, decode, host_sampler
from .graph_loaders import loaders
from .graph_parts import POSITIVE, T2V_SMALL, Kit, files_note
from .graph_pieces import PLAYER_PX, REAL_LINKS, SAMPLER_PX, SAMPLER_ROOM_PX, prompts
from .graph_words import TEXT_TO_TALKING_CHANGE_NOTE


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
    shown, talk, end = (838, 225), (1100, 262), (1400, 275)
    return Graph(
        name="wan_text_to_talking",
        nodes=(
            Use(key="loaders", subgraph=loaders(kit), at=(load[0], 0), width=load[1]),
            *prompts(POSITIVE, 172, negative=True, column=text),
            *_picture_model(text),
            host_sampler(
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
            decode(shown, 257, "host sampler"),
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
