"""Cuts to other pictures while the sound runs through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.v0_0_2 import io, ui
from torch import Tensor

from ..multitalk.shots import (
    MAX_SHOTS,
    Shot,
    Shots,
    check_cuts,
    parse_times,
    parse_voices,
)
from ..multitalk.words import count
from .pictures import read_pictures
from .sockets import ShotList, to_masks
from .values import check_inputs, check_names
from .widgets import Widget, schema

IMAGE_NAMES = [f"image_{number}" for number in range(2, MAX_SHOTS + 1)]
MASKS_NAMES = [f"masks_{number}" for number in range(2, MAX_SHOTS + 1)]


class MultiTalkShots(io.ComfyNode):
    """Say which picture comes when."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Shots",
            "sampling",
            "Cuts: other pictures from given times on, while the sound runs through. The picture "
            "of the sampler is the first shot; up to seven more follow.",
            search_aliases=["cut", "scene", "camera", "storyboard", "second picture", "edit"],
            inputs=[
                io.Autogrow.Input(
                    "images",
                    template=io.Autogrow.TemplateNames(
                        input=io.Image.Input("image", tooltip="What the video shows from then on."),
                        names=IMAGE_NAMES,
                        min=1,
                    ),
                    tooltip="A picture for each shot after the first, in order of time. It may "
                    "have any size: it is fitted as the first one is.",
                ),
                Widget(
                    "seconds",
                    "When each of these pictures comes, in seconds of the sound: one number per "
                    "picture, separated by commas. A cut is made at frame round(seconds * 25); "
                    "shots last at least 0.4 s.",
                    default="2",
                ),
                io.Autogrow.Input(
                    "masks",
                    template=io.Autogrow.TemplateNames(
                        input=io.Mask.Input(
                            "mask", tooltip="From MultiTalk Speakers for this picture."
                        ),
                        names=MASKS_NAMES,
                        min=0,
                    ),
                    optional=True,
                    tooltip="Who is who in the picture of the same number. Free: one voice needs "
                    "none, two get the left and the right half.",
                ),
                Widget(
                    "voices",
                    "Whose face each shot shows, the first included, separated by semicolons: "
                    "1, 2; 1; 2 is both, then each alone. 0: nobody who speaks. The others are "
                    "heard, and nobody's lips follow them. Empty: everybody in every shot.",
                    default="",
                    optional=True,
                    more={"placeholder": "1, 2; 1; 2"},
                ),
            ],
            outputs=[
                (ShotList, "shots", "For MultiTalk Sampler or MultiTalk Sample To Video."),
                (io.Image, "picture", "The shots in order, with their times."),
            ],
            has_intermediate_output=True,  # the picture stays when nothing is made again
        )

    @classmethod
    def execute(
        cls,
        images: dict[str, Any],
        seconds: str,
        masks: dict[str, Any] | None = None,
        voices: str = "",
        **unknown: Any,
    ) -> io.NodeOutput:
        """Read, check and show."""
        from ..multitalk.storyboard import draw_storyboard  # here, so that the host starts fast

        check_names(unknown)
        given = [name for name in IMAGE_NAMES if images.get(name) is not None]
        if given != IMAGE_NAMES[: len(given)] or not given:
            raise ValueError(
                f"Connected are {', '.join(given) or 'no pictures'}; pictures must follow one "
                "another without a gap. Connect them from image_2 on; the first is that of the "
                "sampler."
            )
        begins = parse_times(seconds, len(given))
        check_cuts(begins, None)
        placed = _read_masks(masks or {}, given)
        shots = Shots(
            later=tuple(
                Shot(begin=begin, picture=_read_picture(images[name], name), masks=mask)
                for name, begin, mask in zip(given, begins, placed, strict=True)
            ),
            seen=parse_voices(voices, len(given) + 1),
        )
        picture = draw_storyboard(shots.later)[None]
        return io.NodeOutput(shots, picture, ui=ui.PreviewImage(picture, cls=cls))


def _read_picture(value: Any, name: str) -> Tensor:
    """One picture [1, H, W, 3]."""
    pictures = read_pictures(value, name)
    if len(pictures) > 1:
        raise ValueError(
            f"{name} holds {count(len(pictures), 'picture')}; a shot begins at one. Connect one "
            "picture, for example the first of these with Image From Batch."
        )
    return pictures


def _read_masks(masks: Mapping[str, Any], images: list[str]) -> list[Tensor | None]:
    """Masks [S, H, W] for each of these pictures; None where none are connected."""
    found: list[Tensor | None] = []
    for name in MASKS_NAMES:
        value = masks.get(name)
        if value is None:
            found.append(None)
            continue
        check_inputs({name: value})
        if name.replace("masks", "image") not in images:
            raise ValueError(
                f"{name} is connected, and {name.replace('masks', 'image')} is free; masks belong "
                "to the picture of the same number. Connect it, or remove these masks."
            )
        found.append(to_masks(value))
    return found[: len(images)]
