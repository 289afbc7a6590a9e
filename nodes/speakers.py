"""Who is who in the picture."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.v0_0_2 import io, ui
from torch import Tensor

from ..multitalk.config import MAX_SPEAKERS
from ..multitalk.speakers import (
    check_masks,
    describe_masks,
    describe_stretch,
    draw_speakers,
    half_masks,
    masks_from_boxes,
    parse_boxes,
    resize_masks,
)
from .pictures import read_pictures
from .sockets import BoxSocket, to_boxes, to_masks
from .values import check_inputs, check_names
from .widgets import Widget, schema

MASK_NAMES = [f"mask_{number}" for number in range(1, MAX_SPEAKERS + 1)]


class MultiTalkSpeakers(io.ComfyNode):
    """Say which part of the picture belongs to which speaker."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Speakers",
            "speakers",
            "Which face belongs to which voice. Give boxes or masks in the order of "
            "the voices; with neither, two speakers get the left and the right half. "
            "The preview shows everyone's number.",
            search_aliases=["dialogue", "two people", "who is who", "mask", "bbox"],
            inputs=[
                io.Image.Input("image", tooltip="The picture of the video."),
                Widget(
                    "boxes",
                    "One box per line and speaker: x, y, width, height in pixels of the "
                    "picture, from its upper left corner. Empty: use the sockets below.",
                    default="",
                    optional=True,
                    more={"multiline": True, "placeholder": "120, 80, 300, 360\n560, 80, 300, 360"},
                ),
                BoxSocket(
                    "detections", "Boxes from a detector (ordered left to right) or from a list."
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="A batch of masks, one per speaker, white on the speaker.",
                ),
                io.Autogrow.Input(
                    "single_masks",
                    template=io.Autogrow.TemplateNames(
                        input=io.Mask.Input("mask", tooltip="White on this speaker."),
                        names=MASK_NAMES,
                        min=0,
                    ),
                    optional=True,
                    tooltip="One mask per speaker, for example from the mask editor.",
                ),
            ],
            outputs=[
                (io.Mask, "masks", "One mask per speaker, in order."),
                (io.Image, "preview", "Everyone in colour, with number."),
                (io.String, "report", "Places, overlaps, changes."),
            ],
            has_intermediate_output=True,  # the picture stays when nothing is made again
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        boxes: str = "",
        detections: Any = None,
        masks: Tensor | None = None,
        single_masks: dict[str, Tensor] | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Draw, check and show."""
        check_names(unknown)
        check_inputs({"image": image, "masks": masks}, "image")
        given = single_masks or {}
        singles = [given[name] for name in MASK_NAMES if given.get(name) is not None]
        for mask in singles:
            check_inputs({"masks": mask})
        picture = read_pictures(image, "image")[0]
        found, notes = _find_masks(picture, boxes, detections, masks, singles)
        check_masks(found)
        preview, report = draw_speakers(picture, found), describe_masks(found, notes)
        return io.NodeOutput(found, preview, report, ui=ui.PreviewImage(preview, cls=cls))


def _find_masks(
    picture: Tensor, boxes: str, detections: Any, masks: Tensor | None, singles: list[Tensor]
) -> tuple[Tensor, list[str]]:
    """Masks [S, H, W] from whichever of the four ways was used."""
    height, width = picture.shape[:2]
    ways = {
        "boxes": boxes.strip() or None,
        "detections": detections,
        "masks": masks,
        "single_masks": singles or None,
    }
    way = _only_way([name for name, value in ways.items() if value is not None])
    if way == "masks":
        return _bring_to([to_masks(ways[way])], height, width)
    if way == "single_masks":
        return _bring_to([to_masks(mask)[:1] for mask in singles], height, width)
    if way is None:
        return half_masks(height, width), ["No boxes or masks: left half and right half."]
    found = to_boxes(detections) if way == "detections" else parse_boxes(boxes)
    if not found:
        raise ValueError(
            "The detector found nobody; one box per speaker is needed. Lower its threshold, "
            "or write boxes by hand."
        )
    return masks_from_boxes(found, height, width)


def _bring_to(given: list[Tensor], height: int, width: int) -> tuple[Tensor, list[str]]:
    """Masks [S, H, W] of any sizes as one batch on the picture, and a sentence for each stretch."""
    notes = [note for masks in given for note in describe_stretch(masks, height, width)]
    resized = [resize_masks(masks, height, width) for masks in given]
    return torch.cat(resized), list(dict.fromkeys(notes))


def _only_way(used: list[str]) -> str | None:
    if len(used) > 1:
        raise ValueError(
            f"Speakers are given twice, by {' and '.join(used)}; one way is allowed. "
            "Disconnect or empty the other."
        )
    return used[0] if used else None
