"""Inputs of the samplers for films: cuts, and a video to go on from."""

from __future__ import annotations

from typing import Any

from comfy_api.v0_0_2 import io

from .sockets import ShotList


def film_inputs() -> list[Any]:
    """What came to the samplers after `end_inputs`."""
    return [
        ShotList.Input(
            "shots",
            optional=True,
            tooltip="From MultiTalk Shots: cuts to other pictures. image is the first shot. Not "
            "connected: one picture for the whole video.",
        ),
        io.Image.Input(
            "continue_from",
            optional=True,
            tooltip="Frames of a video at 25 per second that this one goes on from: it begins "
            "after the last of them, and holds the new frames alone. As many are used as windows "
            "overlap. image still gives look and colours.",
        ),
    ]
