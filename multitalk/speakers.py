"""Who is who: boxes and masks to token masks, checks, and a picture of the assignment."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .config import MAX_SPEAKERS, TOKEN_PX
from .frames import fit_masks, latent_size, to_bytes
from .words import count

HALF_MARGIN = 0.05  # share of a half that the default split leaves free on each side
SWALLOWED = 0.9  # a speaker may lie inside another up to this share of the own area
SAME_SHAPE = 0.02  # sides that were rounded are no other shape
MAX_BOX_PX = 1e9  # larger numbers, and what is no number, are no places in a picture
BOX_SIDES = ("x", "y", "width", "height")
COLORS = (
    (230, 75, 60),
    (50, 120, 220),
    (60, 170, 90),
    (235, 170, 40),
    (150, 90, 200),
    (40, 180, 190),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle in pixels of the source picture."""

    x: float  # left edge
    y: float  # upper edge
    width: float
    height: float

    def __str__(self) -> str:
        return f"x {self.x:g}, y {self.y:g}, width {self.width:g}, height {self.height:g}"


def parse_boxes(text: str) -> list[Box]:
    """Read boxes typed by a user, one per line or semicolon: x, y, width, height in pixels.

    Raises:
        ValueError: If a line does not hold four numbers; names the line.
    """
    boxes = []
    lines = [line.strip() for line in text.replace(";", "\n").splitlines()]
    for number, line in enumerate(filter(None, lines), start=1):
        try:
            x, y, width, height = (float(part) for part in line.replace(",", " ").split())
        except ValueError:
            x = y = width = height = math.nan
        if not all(_is_place(value) for value in (x, y, width, height)):
            raise ValueError(
                f"Box {number} in boxes is {line[:40]!r}; a box is four numbers: x, y, width, "
                "height in pixels. Write for example: 120, 80, 300, 360"
            )
        boxes.append(Box(x=x, y=y, width=width, height=height))
    return boxes


def boxes_from_items(items: Sequence[Mapping[str, Any]]) -> list[Box]:
    """Boxes of a program in the order given; those with a score or label from left to right.

    Raises:
        ValueError: If a box lacks one of x, y, width, height.
    """
    boxes = []
    for number, item in enumerate(items, start=1):
        missing = [key for key in BOX_SIDES if not _is_place(item.get(key))]
        if missing:
            raise ValueError(
                f"Box {number} in detections has no {', '.join(missing)}; a box needs x, y, width "
                "and height in pixels. Connect a node that gives BOUNDING_BOX."
            )
        boxes.append(Box(**{key: item[key] for key in BOX_SIDES}))
    if any("score" in item or "label" in item for item in items):
        boxes.sort(key=lambda box: box.x + box.width / 2)
    return boxes


def _is_place(value: object) -> bool:
    """Whether a value is a number, and one that a picture may have; nan is neither."""
    return isinstance(value, int | float) and abs(value) <= MAX_BOX_PX


def masks_from_boxes(boxes: Sequence[Box], height: int, width: int) -> tuple[Tensor, list[str]]:
    """One mask per box, [S, height, width] zeros and ones, and a sentence for each box clipped.

    Raises:
        ValueError: If there are too many boxes, or one is empty or lies outside the picture.
    """
    if len(boxes) > MAX_SPEAKERS:
        raise ValueError(
            f"{count(len(boxes), 'box', 'boxes')} are given; up to {MAX_SPEAKERS} are possible, "
            "one for each speaker. Remove some."
        )
    masks, notes = torch.zeros(len(boxes), height, width), []
    for index, box in enumerate(boxes):
        left, right = round(box.x), round(box.x + box.width)
        top, bottom = round(box.y), round(box.y + box.height)
        rows = slice(max(0, top), min(height, bottom))
        columns = slice(max(0, left), min(width, right))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            raise ValueError(
                f"The box of speaker {index + 1} ({box}) holds no pixel of the picture, which is "
                f"{width} pixels wide and {height} high. Boxes are x, y, width, height in pixels "
                "of the picture, x counted from the left and y from the top; move it inside."
            )
        if (rows, columns) != (slice(top, bottom), slice(left, right)):
            notes.append(f"Speaker {index + 1}: the box ({box}) was clipped to the picture.")
        masks[index, rows, columns] = 1
    return masks, notes


def reference_box_masks(boxes: Sequence[Sequence[float]], height: int, width: int) -> Tensor:
    """Masks of the reference's own job files, [S, height, width] zeros and ones.

    Boxes are [row start, column start, row end, column end], read as the reference does: truncated
    and used as slices, so a negative start counts from the far edge.
    """
    masks = torch.zeros(len(boxes), height, width)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = 1
    return masks


def half_masks(height: int, width: int, *, margin: float = HALF_MARGIN) -> Tensor:
    """Left and right half, each with a margin, as masks [2, height, width] of zeros and ones."""
    masks = torch.zeros(2, height, width)
    half = width // 2
    top, bottom = int(height * margin), int(height * (1 - margin))
    left, right = int(half * margin), int(half * (1 - margin))
    masks[0, top:bottom, left:right] = 1
    masks[1, top:bottom, half + left : half + right] = 1
    return masks


def check_masks(masks: Tensor) -> None:
    """Refuse masks [S, H, W] that cannot tell speakers apart; above 0 is the speaker's.

    Raises:
        ValueError: If there are too many, one is empty, or one lies inside another.
    """
    if len(masks) > MAX_SPEAKERS:
        raise ValueError(
            f"{count(len(masks), 'mask')} are given; up to {MAX_SPEAKERS} are possible, one for "
            "each speaker. Remove some masks."
        )
    shared = _shared_pixels(masks)
    for index, size in enumerate(shared.diagonal().tolist()):
        if size == 0:
            raise ValueError(
                f"The mask of speaker {index + 1} is empty; it must cover that speaker's head. "
                "Paint it or draw a box."
            )
    for index, other in itertools.permutations(range(len(masks)), 2):
        share = float(shared[index, other] / shared[index, index])
        if share > SWALLOWED:
            raise ValueError(
                f"{share:.0%} of speaker {index + 1} lies inside speaker {other + 1}; at most "
                f"{SWALLOWED:.0%} may, or their voices cannot be told apart. "
                "Make the masks or boxes smaller, or swap them if they are wrong."
            )


def _shared_pixels(masks: Tensor) -> Tensor:
    """How many pixels two speakers share, [S, S]; how many one has, on the diagonal."""
    areas = rearrange(masks > 0, "speaker row column -> speaker (row column)").float()
    return areas @ areas.T


def resize_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """[S, H, W] to [S, height, width] by nearest neighbour, without crop."""
    if masks.shape[1:] == (height, width):
        return masks
    return torch.nn.functional.interpolate(masks[None], (height, width), mode="nearest")[0]


def describe_stretch(masks: Tensor, height: int, width: int) -> list[str]:
    """A sentence if masks [S, H, W] have another shape than a picture that they are brought to."""
    own_height, own_width = masks.shape[1:]
    ratio = Fraction(own_height * width, own_width * height)
    if max(ratio, 1 / ratio) <= 1 + SAME_SHAPE:
        return []
    return [
        f"masks: {own_width} x {own_height} were stretched to the picture's {width} x {height}, "
        "another shape: see in the preview of MultiTalk Speakers whether they lie on the heads"
    ]


def latent_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Masks [S, H, W] of the picture on the video's latent grid, [S+1, h, w], background last."""
    fitted = fit_masks(masks, height, width)
    cells = resize_masks(fitted, *latent_size(height, width)) > 0
    background = ~cells.any(0, keepdim=True)
    return torch.cat([cells, background]).float()


def token_masks(cells: Tensor) -> Tensor:
    """Masks [S+1, h, w] of the latent grid on the token grid, [S+1, n], row by row."""
    tokens = resize_masks(cells.float(), cells.shape[1] // 2, cells.shape[2] // 2) > 0
    return rearrange(tokens, "speaker row column -> speaker (row column)").float()


def check_token_masks(tokens: Tensor, height: int, width: int) -> None:
    """Refuse speakers without a token [S+1, n] in a video; the background, the last, may have none.

    Raises:
        ValueError: If a speaker has no token left after resize and crop.
    """
    for index, size in enumerate(tokens[:-1].sum(1).tolist()):
        if size == 0:
            raise ValueError(
                f"The mask of speaker {index + 1} vanishes in a video of {width} x {height} "
                f"pixels: it is smaller than {TOKEN_PX} pixels there, or was cropped away. Make "
                "the box larger, move it towards the middle, or choose a size of the picture's "
                "shape."
            )


def draw_speakers(picture: Tensor, masks: Tensor) -> Tensor:
    """Picture of who is who: every mask [S, H, W] in its color, with its number.

    The picture is [H, W, 3] in 0..1, the result [1, H, W, 3].
    """
    canvas = picture.clamp(0, 1).clone()
    for index, mask in enumerate(masks > 0):
        color = torch.tensor(COLORS[index % len(COLORS)]) / 255
        canvas[mask] = 0.6 * canvas[mask] + 0.4 * color
    image = Image.fromarray(to_bytes(canvas).numpy())
    draw = ImageDraw.Draw(image)
    size = max(12, min(image.size) // 8)
    font = ImageFont.load_default(size)
    for index, mask in enumerate(masks > 0):
        row, column = _centre(mask)
        draw.text(
            (int(column), int(row)),
            str(index + 1),
            font=font,
            anchor="mm",
            fill="white",
            stroke_width=max(1, size // 12),
            stroke_fill=COLORS[index % len(COLORS)],
        )
    return torch.from_numpy(np.array(image))[None].float() / 255


def describe_masks(masks: Tensor, notes: Sequence[str]) -> str:
    """Report for people: where each speaker is, overlaps, and what was changed."""
    height, width = masks.shape[1:]
    lines = []
    for index, mask in enumerate(masks > 0):
        row, column = _centre(mask)
        lines.append(
            f"Speaker {index + 1}: {mask.float().mean():.0%} of the picture, centre at "
            f"{column / width:.0%} from the left, {row / height:.0%} from the top."
        )
    shared = _shared_pixels(masks)
    for index, other in itertools.combinations(range(len(masks)), 2):
        share = float(shared[index, other] / shared[index, index])
        if share > 0:
            lines.append(
                f"Speakers {index + 1} and {other + 1} overlap in {share:.0%} of speaker "
                f"{index + 1}."
            )
    return "\n".join([*lines, *notes])


def _centre(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean row and column of what a mask [H, W] covers."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return rows.float().mean(), columns.float().mean()
