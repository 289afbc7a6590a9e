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
    "What the voices do to the picture outside masks. no audio: nothing, with a soft edge, so that "
    "no other face moves its lips. as trained: the network decides.",
    default=OUTSIDE_SPEAKERS[0],
    choices=OUTSIDE_SPEAKERS,
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
