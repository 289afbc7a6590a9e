"""Inputs of the samplers that direct a video: what is seen when, and how much of it is made."""

from __future__ import annotations

from typing import Any

from .sockets import Scene


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
