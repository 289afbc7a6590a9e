"""Graphs of WAN alone, through the same loaders and the host's own sampler."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import Graph, Link, Node, Note
from .graph_parts import BETWEEN, Kit, files_note
from .graph_pieces import PLAYER_PX, A, B, C, D, E, end_picture, picture, prompts, real_loaders
from .graph_words import PLAIN_END_NOTE

PLAIN_FPS = 16
"""What WAN 2.1 was trained with."""


def _look(key: str, title: str, at: tuple[int, int], image: Link) -> Node:
    """What CLIP vision sees in a picture."""
    return Node(
        key=key,
        kind="CLIPVisionEncode",
        at=at,
        width=D[1],
        title=title,
        values={"crop": "none"},
        links={"clip_vision": ("loaders", "CLIP_VISION"), "image": image},
    )


def wan_first_last_frame(kit: Kit) -> Graph:
    """From one picture to another, without a voice.

    Args:
        kit: Its loaders' files, the audio part too: it stays idle.

    Returns:
        The graph.
    """
    first, last = ("image", "IMAGE"), ("end image", "IMAGE")
    return Graph(
        name="wan_first_last_frame",
        nodes=(
            replace(picture(0), title="First frame"),
            end_picture((A[0], 420), A[1]),
            real_loaders(kit, 0),
            *prompts(BETWEEN, 560, negative=True),
            _look("look first", "First frame for CLIP vision", (C[0], 0), first),
            _look("look last", "Last frame for CLIP vision", (C[0], 150), last),
            Node(
                key="start",
                kind="WanFirstLastFrameToVideo",
                at=(D[0], 0),
                width=D[1],
                values={"width": 1280, "height": 720, "length": 81},
                links={
                    "positive": ("positive", "CONDITIONING"),
                    "negative": ("negative", "CONDITIONING"),
                    "vae": ("loaders", "VAE"),
                    "clip_vision_start_image": ("look first", "CLIP_VISION_OUTPUT"),
                    "clip_vision_end_image": ("look last", "CLIP_VISION_OUTPUT"),
                    "start_image": first,
                    "end_image": last,
                },
            ),
            Node(
                key="sampler",
                kind="KSampler",
                at=(D[0], 380),
                width=D[1],
                values={
                    "seed": 42,
                    "steps": 20,
                    "cfg": 5,
                    "sampler_name": "euler",
                    "scheduler": "simple",
                },
                links={
                    "model": ("loaders", "model"),
                    "positive": ("start", "positive"),
                    "negative": ("start", "negative"),
                    "latent_image": ("start", "latent"),
                },
            ),
            Node(
                key="decode",
                kind="VAEDecode",
                at=(D[0], 740),
                width=D[1],
                links={"samples": ("sampler", "LATENT"), "vae": ("loaders", "VAE")},
            ),
            Node(
                key="video",
                kind="MultiTalkVideoCombine",
                at=(E[0], 0),
                width=E[1],
                height=PLAYER_PX,
                values={"fps": PLAIN_FPS},
                links={"images": ("decode", "IMAGE")},
            ),
        ),
        notes=(
            Note(at=(E[0], 470), size=(E[1], 270), title="What to change", text=PLAIN_END_NOTE),
            Note(
                at=(A[0], 830),
                size=(B[0] + B[1] - A[0], 250),
                title="Files",
                text=files_note(kit),
            ),
        ),
        groups={
            "First and last frame": ("image", "end image"),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "CLIP vision": ("look first", "look last"),
            "Window": ("start",),
            "Sampling": ("sampler", "decode"),
            "Video": ("video",),
        },
    )
