"""What came to the samplers for scenes: who is still, and how a source video counts."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.v0_0_2 import io

from ..multitalk.still import OUTSIDE_SPEAKERS
from .widgets import Widget

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


def still_inputs() -> list[Any]:
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


def start_inputs() -> list[Any]:
    """How much of a source video is there when sampling begins."""
    return [START_STRENGTH.input()]
