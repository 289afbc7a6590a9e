"""Inputs of the samplers that direct a video: what is seen when, and how much of it is made."""

from __future__ import annotations

from typing import Any

from .sockets import Scene
from .widgets import Widget

FIRST_SECONDS = Widget(
    "first_seconds",
    "For trying settings: only the windows that show the first so many seconds of the video are "
    "made, exactly as the whole has them. 0: all. With keep_progress the whole goes on from them.",
    default=0.0,
    limits=(0.0, 3600.0, 0.1),
    optional=True,
)


def scene_inputs() -> list[Any]:
    """What is seen when."""
    return [
        Scene.Input(
            "scene",
            optional=True,
            lazy=True,
            tooltip="From MultiTalk Scene: prompts with times. Each window is made with the one "
            "that covers most of its new frames; where none does, with positive.",
        ),
    ]


def look_inputs() -> list[Any]:
    """How much of the video is made."""
    return [FIRST_SECONDS.input()]
