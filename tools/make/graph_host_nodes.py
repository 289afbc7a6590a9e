"""Nodes of the host that make a picture or a video without the pack's sampler."""

from __future__ import annotations

from .graph_forms import Link, Node
from .graph_pieces import PLAYER_PX

PLAIN_FPS = 16
"""What WAN 2.1 was trained with."""

KSAMPLER_PX, PREVIEW_PX = 300, 240
"""Of the host's KSampler: its own height, and the preview that a run adds."""
WAN_SETTINGS = {"seed": 42, "cfg": 6.0, "sampler_name": "uni_pc", "scheduler": "simple"}
"""Those of the host's own templates for Wan 2.1."""

Column = tuple[int, int]
"""Left edge and width in pixels."""


def look(key: str, column: Column, y: int, image: Link, *, title: str = "") -> Node:
    """What CLIP vision sees in a picture."""
    return Node(
        key=key,
        kind="CLIPVisionEncode",
        at=(column[0], y),
        width=column[1],
        title=title,
        values={"crop": "none"},
        links={"clip_vision": ("loaders", "CLIP_VISION"), "image": image},
    )


def host_sampler(column: Column, y: int, steps: int, links: dict[str, Link]) -> Node:
    """The host's KSampler with the settings of its own templates."""
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


def decode(column: Column, y: int, sampler: str) -> Node:
    """Latents of the node with the key `sampler` as pictures."""
    return Node(
        key="decode",
        kind="VAEDecode",
        at=(column[0], y),
        width=column[1],
        links={"samples": (sampler, "LATENT"), "vae": ("loaders", "VAE")},
    )


def silent_video(column: Column, y: int) -> Node:
    """The mp4 of what `decode` gave."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=(column[0], y),
        width=column[1],
        height=PLAYER_PX,
        values={"fps": PLAIN_FPS},
        links={"images": ("decode", "IMAGE")},
    )
