"""Graphs of WAN alone, through the same loaders and the host's own sampler."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import Graph, Link, Node, Note, Use
from .graph_loaders import loaders
from .graph_parts import BETWEEN, NEGATIVE, Kit, files_note
from .graph_pieces import PLAYER_PX, PROMPT_PX, A, end_picture, picture
from .graph_words import PLAIN_END_NOTE

PLAIN_FPS = 16
"""What WAN 2.1 was trained with."""
TEXTS, WINDOW, SAMPLER, VIDEO = (292, 280), (614, 260), (916, 250), (1208, 300)
"""Columns behind `A`, left edge and width: narrower, because a window takes more of them."""
TOP = 140
"""Links of model and VAE run above."""
FIRST: Link = ("image", "IMAGE")
LAST: Link = ("end image", "IMAGE")


def _text(key: str, title: str, y: int, text: str) -> Node:
    return Node(
        key=key,
        kind="CLIPTextEncode",
        at=(TEXTS[0], y),
        width=TEXTS[1],
        height=PROMPT_PX,
        title=title,
        values={"text": text},
        links={"clip": ("loaders", "CLIP")},
    )


def _look(key: str, title: str, y: int, image: Link) -> Node:
    """What CLIP vision sees in a picture."""
    return Node(
        key=key,
        kind="CLIPVisionEncode",
        at=(TEXTS[0], y),
        width=TEXTS[1],
        title=title,
        values={"crop": "none"},
        links={"clip_vision": ("loaders", "CLIP_VISION"), "image": image},
    )


def _window() -> Node:
    """Both pictures as a condition."""
    return Node(
        key="start",
        kind="WanFirstLastFrameToVideo",
        at=(WINDOW[0], TOP),
        width=WINDOW[1],
        values={"width": 1280, "height": 720, "length": 81},
        links={
            "positive": ("positive", "CONDITIONING"),
            "negative": ("negative", "CONDITIONING"),
            "vae": ("loaders", "VAE"),
            "clip_vision_start_image": ("look first", "CLIP_VISION_OUTPUT"),
            "clip_vision_end_image": ("look last", "CLIP_VISION_OUTPUT"),
            "start_image": FIRST,
            "end_image": LAST,
        },
    )


def _making() -> tuple[Node, ...]:
    """From the condition to the mp4."""
    return (
        Node(
            key="sampler",
            kind="KSampler",
            at=(SAMPLER[0], TOP),
            width=SAMPLER[1],
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
            at=(VIDEO[0], 0),
            width=VIDEO[1],
            links={"samples": ("sampler", "LATENT"), "vae": ("loaders", "VAE")},
        ),
        Node(
            key="video",
            kind="MultiTalkVideoCombine",
            at=(VIDEO[0], 190),
            width=VIDEO[1],
            height=PLAYER_PX,
            values={"fps": PLAIN_FPS},
            links={"images": ("decode", "IMAGE")},
        ),
    )


def wan_first_last_frame(kit: Kit) -> Graph:
    """From one picture to another, without a voice.

    Args:
        kit: Its loaders' files, the audio part too: it stays idle.

    Returns:
        The graph.
    """
    return Graph(
        name="wan_first_last_frame",
        nodes=(
            replace(picture(403), title="First frame"),
            end_picture((A[0], 789), A[1]),
            Use(key="loaders", subgraph=loaders(kit), at=(A[0], 0), width=A[1]),
            _text("positive", "Positive prompt", TOP, BETWEEN),
            _text("negative", "Negative prompt", TOP + PROMPT_PX + 36, NEGATIVE),
            _look("look first", "First frame for CLIP vision", 520, FIRST),
            _look("look last", "Last frame for CLIP vision", 660, LAST),
            _window(),
            *_making(),
        ),
        notes=(
            Note(
                at=(VIDEO[0], 660), size=(VIDEO[1], 260), title="What to change",
                text=PLAIN_END_NOTE,
            ),
            Note(at=(WINDOW[0], 530), size=(552, 300), title="Files", text=files_note(kit)),
        ),
        groups={
            "Models": ("loaders",),
            "First and last frame": ("image", "end image"),
            "Prompt": ("positive", "negative"),
            "CLIP vision": ("look first", "look last"),
            "Window": ("start",),
            "Sampling": ("sampler",),
            "Video": ("decode", "video"),
        },
        bends={
            ("sampler", "model"): ((894, 22),),
            ("video", "images"): ((1520, 110), (1194, 110)),
            ("start", "vae"): ((592, 42),),
            ("look last", "clip_vision"): ((271, 140), (271, 610)),
            ("start", "start_image"): ((276, 414), (590, 414)),
            ("start", "end_image"): ((280, 426), (594, 426)),
        },
    )  # fmt: skip
