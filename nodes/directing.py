"""Inputs of the samplers that direct a video: what is seen when, who is still, how much is made."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.v0_0_2 import io

from ..multitalk.still import OUTSIDE_SPEAKERS
from .sockets import Scene, ShotList
from .widgets import Widget

FIRST_SECONDS = Widget(
    "first_seconds",
    "For trying settings: only the windows that show the first so many seconds of the video are "
    "made, exactly as the whole has them. 0: all. With keep_progress the whole goes on from them.",
    default=0.0,
    limits=(0.0, 3600.0, 0.1),
    optional=True,
)
_Advanced = partial(Widget, advanced=True)
OUTSIDE = _Advanced(
    "outside_speakers",
    "What sound does to the picture outside of masks and still. no audio: nothing, with a soft "
    "edge; connect other faces to still, as silence shuts their mouths. as trained: the network "
    "decides.",
    default=OUTSIDE_SPEAKERS[0],
    choices=OUTSIDE_SPEAKERS,
)
START_STRENGTH = _Advanced(
    "start_strength",
    "With a source video: the share of noise that sampling begins with. 1: pure noise, as trained. "
    "0.5 to 0.9 keeps more of the source's movement and look; 0 gives the source back.",
    default=1.0,
    limits=(0.0, 1.0, 0.05),
)
DRIFT_CORRECTION = _Advanced(
    "drift_correction",
    "Factor, for long videos of a still camera: takes back what places that stand still differ by "
    "from the first window, so that colours and walls stay. 1 wholly, 0 is off, as trained.",
    default=0.0,
    limits=(0.0, 1.0, 0.05),
    becomes="drift.correction",
)


def _scene_inputs() -> list[Any]:
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


def _film_inputs() -> list[Any]:
    """Cuts, and a video to go on from."""
    return [
        ShotList.Input(
            "shots",
            optional=True,
            tooltip="From MultiTalk Shots: cuts to other pictures. image is the first shot. Not "
            "connected: one picture for the whole video.",
        ),
        io.MultiType.Input(
            "continue_from",
            types=[io.Image, io.Video],
            optional=True,
            tooltip="A video that this one goes on from, or its last frames at 25 per second: it "
            "begins after the last of them, and holds the new frames alone. As many are used as "
            "windows overlap. image still gives look and colours.",
        ),
    ]


def _still_inputs() -> list[Any]:
    """Those who do not speak."""
    return [
        io.Mask.Input(
            "still",
            optional=True,
            tooltip="People or places that must not move their lips, white on each: from a second "
            "MultiTalk Speakers, or any masks. They hear silence. Not connected: nobody.",
        ),
        OUTSIDE.input(),
    ]


def _start_inputs() -> list[Any]:
    """How much of a source video is there when sampling begins."""
    return [START_STRENGTH.input()]


def _look_inputs() -> list[Any]:
    """How much of the video is made."""
    return [FIRST_SECONDS.input()]


def _long_inputs() -> list[Any]:
    """What holds a long video together."""
    return [DRIFT_CORRECTION.input()]


def directing_inputs() -> list[Any]:
    """All of them, in the order that saved graphs know."""
    parts = (
        _scene_inputs, _film_inputs, _still_inputs, _start_inputs, _look_inputs, _long_inputs,
    )  # fmt: skip
    return [one for part in parts for one in part()]
