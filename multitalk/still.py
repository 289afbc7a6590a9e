"""Those who do not speak: silent places in the picture, and a gate around those who do.

A still place hears encoded silence, as the silent second speaker does that one voice with a mask
brings along. All still places are one speaker: they hear the same, and with one voice that makes
two, as the network was trained. The gate takes away what sound adds to tokens outside of all
speakers, the silent ones included. Source: decisions.md 46.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .config import MAX_SPEAKERS
from .finite import check_finite
from .speakers import half_masks, resize_masks
from .words import count

OutsideSpeakers = Literal["as trained", "no audio"]
OUTSIDE_SPEAKERS: tuple[OutsideSpeakers, ...] = ("as trained", "no audio")
_FEATHER_SHARE = 16  # of the shorter side: how far the gate fades out around a speaker


def place_voices(
    masks: Tensor | None, still: Tensor, voices: int, picture: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Masks of everybody who speaks, and of all still places as one.

    Voices that have masks keep them, and still places are what these leave. Voices without masks
    have the picture, or its halves, but for the still places.

    Args:
        masks: [S, H, W] of the voices on the picture; None: one or two without masks.
        still: [R, H', W'] of any size, above 0 where nobody speaks.
        voices: How many there are.
        picture: Its height and width.

    Returns:
        Zeros and ones, [S, H, W] and [1, H, W].

    Raises:
        ValueError: If there are too many speakers, nothing is still, or a voice has no place left.
    """
    check_finite(still, "still", "Look after the nodes that make it.")
    if voices >= MAX_SPEAKERS:
        raise ValueError(
            f"still is connected, and speech has {count(voices, 'voice')}; those who are still "
            f"count as one speaker more, and up to {MAX_SPEAKERS} are possible. Remove the link to "
            "still, and set outside_speakers to no audio instead."
        )
    quiet = (resize_masks(still, *picture) > 0).any(0, keepdim=True)
    if not quiet.any():
        raise ValueError(
            "still is empty; it must cover those who do not speak. Paint them, or draw a box "
            "around each in a second MultiTalk Speakers."
        )
    if masks is not None:
        quiet &= ~(masks > 0).any(0, keepdim=True)
        if not quiet.any():
            raise ValueError(
                "still lies wholly inside the masks of those who speak, who keep their places. "
                "Move it to those who do not speak, or make masks smaller."
            )
        return masks, quiet.float()
    whole = half_masks(*picture) if voices > 1 else torch.ones(1, *picture)
    free = (whole > 0) & ~quiet
    for index, area in enumerate(free):
        if not area.any():
            raise ValueError(
                f"still leaves speaker {index + 1} no place in the picture. Make still smaller, or "
                "give those who speak places of their own with MultiTalk Speakers."
            )
    return free.float(), quiet.float()


def speaker_gate(tokens: Tensor, speakers: int) -> Tensor:
    """What part of the audio residual each token of a latent frame keeps.

    Those who are still count as speakers: what silence adds is what shuts their mouths.

    Args:
        tokens: [S+1, rows, columns] of everybody on the token grid, background last.
        speakers: How many of them, the first, were given a place.

    Returns:
        [rows, columns] float32: 1 on these, and around them a fade over a sixteenth of the shorter
        side, one token or more, to 0.
    """
    heard = tokens[:speakers].amax(0)
    reach = max(1, min(heard.shape) // _FEATHER_SHARE)
    gate, grown = heard.clone(), heard
    for distance in range(1, reach + 1):
        grown = torch.nn.functional.max_pool2d(grown[None], 3, stride=1, padding=1)[0]
        gate = torch.maximum(gate, grown * (1 - distance / (reach + 1)))
    return gate


def describe_still(
    masks: Tensor | None, quiet: Tensor | None, gate: Tensor | None, *, asked: bool
) -> list[str]:
    """What is said of still places [1, H, W] and of the gate, which was asked for or not.

    `masks` are those that came over the socket.
    """
    notes = []
    if quiet is not None:
        shared = " but for the places of those who speak" if masks is not None else ""
        notes.append(f"still: {float(quiet.mean()):.0%} of the picture hears silence{shared}")
    if gate is not None:
        share = float((gate == 0).float().mean())
        notes.append(f"outside_speakers no audio: sound adds nothing to {share:.0%} of the picture")
    elif asked:
        notes.append(
            "outside_speakers no audio: one voice without masks has the whole picture, so nothing "
            "lies outside; connect masks or still"
        )
    return notes
