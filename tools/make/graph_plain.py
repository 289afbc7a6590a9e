"""Graphs of WAN alone, where nobody talks: the same loaders, and the host's own sampler."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import Graph, Link, Node, Note, Use
from .graph_host_nodes import Column, decode, host_sampler, look, silent_video
from .graph_loaders import loaders
from .graph_parts import BETWEEN, Kit, files_note
from .graph_pieces import A, end_picture, picture, prompts
from .graph_words import PLAIN_CHANGE_NOTE, PLAIN_END_NOTE

PLAIN_PROMPT = (
    "A person looks into the camera and smiles, hair moving in a light wind. Still camera."
)
TEXTS, WINDOW, SAMPLER, VIDEO = (292, 280), (614, 260), (916, 250), (1208, 300)
"""Columns behind `A`, left edge and width: narrower, because a window takes more of them."""
TOP = 140
"""Links of model and VAE run above."""
FIRST: Link = ("image", "IMAGE")
LAST: Link = ("end image", "IMAGE")


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
        decode(VIDEO, 0, "sampler"),
        silent_video(VIDEO, 190),
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
            *prompts(BETWEEN, TOP, negative=True, column=TEXTS),
            look("look first", TEXTS, 520, FIRST, title="First frame for CLIP vision"),
            look("look last", TEXTS, 660, LAST, title="Last frame for CLIP vision"),
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
            ("sampler", "model"): ((884, 22), (894, 120)),
            ("video", "images"): ((1520, 110), (1194, 110)),
            ("start", "vae"): ((586, 42), (592, 150)),
            ("look first", "clip_vision"): ((274, 130), (275, 480)),
            ("look last", "clip_vision"): ((270, 140), (271, 600)),
            ("start", "start_image"): ((271, 409), (590, 409)),
            ("start", "end_image"): ((269, 740), (266, 470), (268, 432), (300, 421), (594, 421)),
        },
    )  # fmt: skip


def _first_frame(seen: Column, start: Column) -> tuple[Node, ...]:
    """The picture as CLIP sees it, and as the window begins with it."""
    return (
        look("seen", seen, 470, FIRST),
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
                "start_image": FIRST,
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
            *prompts(PLAIN_PROMPT, 150, negative=True, column=text),
            *_first_frame(text, start),
            host_sampler(
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
            decode(end, 0, "host sampler"),
            silent_video(end, 190),
        ),
        notes=(
            Note(at=(load[0], 690), size=(605, 250), title="Files", text=files_note(kit)),
            Note(
                at=(start[0], 700), size=(600, 240), title="What to change", text=PLAIN_CHANGE_NOTE
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
