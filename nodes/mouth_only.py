"""New mouths in the source's own frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..multitalk.finite import check_finite
from ..multitalk.speakers import boxes_from_items, masks_from_boxes, parse_boxes, resize_masks
from ..multitalk.words import count
from .host import GIB, free_memory
from .pictures import read_pictures
from .sockets import BoxSocket, to_masks
from .values import check_inputs, check_names
from .widgets import Widget, schema

logger = logging.getLogger("multitalk.nodes")

FEATHER = Widget(
    "feather",
    "Pixels of the source over which the edge of a region fades, inwards.",
    default=24,
    limits=(0, 512),
    optional=True,
)
MATCH_COLOURS = Widget(
    "match_colours",
    "Bring the new region to the colours that the source has along its edge.",
    default=True,
    optional=True,
)


class MultiTalkMouthOnly(io.ComfyNode):
    """Lay new mouths over a source video, and leave the rest as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Mouth Only",
            "video",
            "Takes only the mouth or face from the talking frames, with a soft edge and matched "
            "colours. All other pixels stay those of the source, bit for bit.",
            search_aliases=["dub video", "dubbing", "lip sync", "face region", "composite"],
            inputs=[
                io.Image.Input("source", tooltip="Frames of MultiTalk Dub Source."),
                io.Image.Input("talking", tooltip="Frames of MultiTalk Sampler."),
                Widget(
                    "boxes",
                    "Regions that stay in place. One box per line: x, y, width, height in pixels "
                    "of the source. Empty: use the sockets below.",
                    default="",
                    optional=True,
                    more={"multiline": True, "placeholder": "120, 240, 300, 200"},
                ),
                FEATHER,
                MATCH_COLOURS,
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Regions that stay in place, one mask per speaker, as MultiTalk "
                    "Speakers gives them.",
                ),
                io.Mask.Input(
                    "frame_masks",
                    optional=True,
                    tooltip="Regions that move: one mask per frame, for example from the host's "
                    "MediaPipe Face Mask.",
                ),
                BoxSocket(
                    "detections",
                    "Regions that move: boxes of every frame from a face detector.",
                ),
            ],
            outputs=[
                (io.Image, "images", "The source with new mouths."),
                (io.String, "report", "How many pixels are untouched. Connect Preview as Text."),
            ],
        )

    @classmethod
    def execute(
        cls,
        source: Tensor,
        talking: Tensor,
        boxes: str = "",
        feather: int = 24,
        match_colours: bool = True,
        masks: Tensor | None = None,
        frame_masks: Tensor | None = None,
        detections: Any = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Lay the regions over the source."""
        from ..multitalk.dubbing.mouth import describe_laid, lay_over

        check_names(unknown)
        given = {"source": source, "talking": talking, "masks": masks, "frame_masks": frame_masks}
        check_inputs(given, "source", "talking")
        old, new = read_pictures(source, "source"), read_pictures(talking, "talking")
        needed = old.numel() * old.element_size()
        if needed > free_memory():
            raise ValueError(
                f"source needs {needed / GIB:.1f} GiB of memory once more, and "
                f"{free_memory() / GIB:.1f} GiB are free. Make it smaller with longest_side of "
                "MultiTalk Dub Source, or dub in parts."
            )
        size = (old.shape[1], old.shape[2])
        regions = _read_regions(
            {
                "boxes": boxes.strip() or None,
                "masks": masks,
                "frame_masks": frame_masks,
                "detections": detections,
            },
            size,
            len(new),
        )
        widgets = {"feather": feather, "match_colours": match_colours}
        laid = lay_over(
            old,
            new,
            regions,
            feather=FEATHER.read(widgets),
            match=MATCH_COLOURS.read(widgets),
        )
        report = describe_laid(laid, len(new))
        logger.info("[MultiTalk] mouth only: %s", report.replace("\n", "; "))
        return io.NodeOutput(laid.frames, report)


def _read_regions(
    ways: Mapping[str, Any], size: tuple[int, int], num_frames: int
) -> Sequence[Tensor]:
    """Regions [1, H, W] of the source, one for all frames or one for each."""
    used = [name for name, value in ways.items() if value is not None]
    if len(used) != 1:
        what = "No face region is given" if not used else f"Given are {' and '.join(used)}"
        raise ValueError(
            f"{what}; exactly one of {', '.join(ways)} is needed. Write a box around each mouth "
            "that talks, or connect masks of MultiTalk Speakers."
        )
    way = used[0]
    if way == "detections":
        return _detected(ways[way], size, num_frames)
    if way == "boxes":
        found = masks_from_boxes(parse_boxes(ways[way]), *size)[0]
    else:
        check_finite(ways[way], way, "Look after the nodes that make it.")
        found = resize_masks(to_masks(ways[way]), *size) > 0
        if way == "frame_masks":
            _check_number(way, len(found), num_frames)
            return [mask[None].float() for mask in found]
    return [(found > 0).any(0, keepdim=True).float()]


def _check_number(way: str, given: int, num_frames: int) -> None:
    if 1 < given < num_frames:
        raise ValueError(
            f"{way} holds {count(given, 'frame')}, and talking {num_frames}; give one region per "
            "frame, or one for all. Make them from the same frames as source."
        )


def _detected(value: Any, size: tuple[int, int], num_frames: int) -> list[Tensor]:
    """A region for every frame, of all boxes in it; a frame without any has that before it."""
    frames = _boxes_of_frames(value)
    _check_number("detections", len(frames), num_frames)
    last = _region(next(frame for frame in frames if frame), size)
    regions: list[Tensor] = []
    for frame in frames:
        if frame:
            last = _region(frame, size)
        regions.append(last)
    return regions


def _boxes_of_frames(value: Any) -> list[Sequence[Mapping[str, Any]]]:
    """A host BOUNDING_BOX as boxes of each frame: one box, a list of them, or a list per frame."""
    items: Any = [value] if isinstance(value, Mapping) else value
    listed = isinstance(items, list | tuple)
    if listed and items and all(isinstance(item, Mapping) for item in items):
        items = [items]
    if not listed or not all(isinstance(item, list | tuple) for item in items) or not any(items):
        raise ValueError(
            "detections holds no face; one or more are needed. Lower the threshold of the "
            "detector, or write boxes by hand."
        )
    return [*items]


def _region(items: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Tensor:
    masks = masks_from_boxes(boxes_from_items(items), *size)[0]
    return torch.any(masks > 0, dim=0, keepdim=True).float()
