"""Who is who: boxes and masks to token masks, checks, and a picture of the assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .config import MAX_SPEAKERS, TOKEN_PX, VAE_SPACE
from .frames import fit_masks

HALF_MARGIN = 0.05  # share of a half that the default split leaves free on each side
SWALLOWED = 0.9  # a speaker may lie inside another up to this share of the own area
MAX_BOX_PX = 1e9  # larger numbers, and what is no number, are no places in a picture
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
    """Read boxes typed by a user.

    Args:
        text: One box per line or semicolon: x, y, width, height in pixels.

    Returns:
        The boxes in order.

    Raises:
        ValueError: If a line does not hold four numbers; names the line.
    """
    lines = [line.strip() for line in text.replace(";", "\n").splitlines()]
    boxes = []
    for number, line in enumerate((line for line in lines if line), start=1):
        parts = line.replace(",", " ").split()
        try:
            x, y, width, height = (_finite(part) for part in parts)
        except ValueError as error:
            raise ValueError(
                f"Box {number} is {line[:40]!r}; a box is four numbers: x, y, width, height in "
                "pixels. Write for example: 120, 80, 300, 360"
            ) from error
        boxes.append(Box(x=x, y=y, width=width, height=height))
    return boxes


def _finite(text: str) -> float:
    number = float(text)
    if not abs(number) <= MAX_BOX_PX:  # nor a number at all
        raise ValueError(text)
    return number


def masks_from_boxes(boxes: Sequence[Box], height: int, width: int) -> tuple[Tensor, list[str]]:
    """Draw one mask per box.

    Args:
        boxes: One per speaker.
        height: Rows of the picture.
        width: Columns of the picture.

    Returns:
        [S, height, width] zeros and ones, and a sentence for each box that was clipped.

    Raises:
        ValueError: If there are too many boxes, or one is empty or lies outside the picture.
    """
    if len(boxes) > MAX_SPEAKERS:
        raise ValueError(
            f"{len(boxes)} boxes are given; up to {MAX_SPEAKERS} are possible. Remove some."
        )
    masks, notes = torch.zeros(len(boxes), height, width), []
    for index, box in enumerate(boxes):
        left, top = max(0, round(box.x)), max(0, round(box.y))
        right, bottom = min(width, round(box.x + box.width)), min(height, round(box.y + box.height))
        if right <= left or bottom <= top:
            raise ValueError(
                f"The box of speaker {index + 1} ({box}) holds no pixel of the picture, which is "
                f"{width} wide and {height} high. Boxes are x, y, width, height in pixels of the "
                "picture, x counted from the left and y from the top; move it inside."
            )
        if (left, top) != (round(box.x), round(box.y)) or (right, bottom) != (
            round(box.x + box.width),
            round(box.y + box.height),
        ):
            notes.append(f"Speaker {index + 1}: the box ({box}) was clipped to the picture.")
        masks[index, top:bottom, left:right] = 1
    return masks, notes


def reference_box_masks(boxes: Sequence[Sequence[float]], height: int, width: int) -> Tensor:
    """Masks of the reference's own job files, with its reading of box numbers.

    Args:
        boxes: [row start, column start, row end, column end] per speaker. Values are truncated and
            used as slices: a negative start counts from the far edge.
        height: Rows of the picture.
        width: Columns of the picture.

    Returns:
        [S, height, width] zeros and ones.
    """
    masks = torch.zeros(len(boxes), height, width)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = 1
    return masks


def half_masks(height: int, width: int, *, margin: float = HALF_MARGIN) -> Tensor:
    """Split for two speakers without boxes: left half and right half, each with a margin.

    Args:
        height: Rows of the picture.
        width: Columns of the picture.
        margin: Share left free at each side of a half.

    Returns:
        [2, height, width] zeros and ones.
    """
    masks = torch.zeros(2, height, width)
    half = width // 2
    top, bottom = int(height * margin), int(height * (1 - margin))
    left, right = int(half * margin), int(half * (1 - margin))
    masks[0, top:bottom, left:right] = 1
    masks[1, top:bottom, half + left : half + right] = 1
    return masks


def check_masks(masks: Tensor) -> None:
    """Refuse masks that cannot tell speakers apart.

    Args:
        masks: [S, H, W]; anything above 0 belongs to the speaker.

    Raises:
        ValueError: If there are too many, one is empty, or one lies inside another.
    """
    if len(masks) > MAX_SPEAKERS:
        raise ValueError(
            f"{len(masks)} masks are given; up to {MAX_SPEAKERS} are possible. Remove some."
        )
    areas = (masks > 0).flatten(1).float()
    sizes = areas.sum(1)
    for index, size in enumerate(sizes.tolist()):
        if size == 0:
            raise ValueError(
                f"The mask of speaker {index + 1} is empty; it must cover that speaker's head. "
                "Paint it or draw a box."
            )
    shared = areas @ areas.T
    for index in range(len(masks)):
        for other in range(len(masks)):
            share = float(shared[index, other] / sizes[index])
            if index != other and share > SWALLOWED:
                raise ValueError(
                    f"Speaker {index + 1} lies to {share:.0%} inside speaker {other + 1}; at most "
                    f"{SWALLOWED:.0%} may overlap, or sound cannot be told apart. "
                    "Make the masks or boxes smaller, or swap them if they are wrong."
                )


def latent_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Speaker masks on the latent grid, background last.

    Args:
        masks: [S, H, W] on the source picture.
        height: Rows of the video.
        width: Columns of the video.

    Returns:
        [S+1, h, w] zeros and ones.
    """
    fitted = fit_masks(masks, height, width)
    grid = (height // VAE_SPACE, width // VAE_SPACE)
    cells = torch.nn.functional.interpolate(fitted[None], grid, mode="nearest")[0] > 0
    background = ~cells.any(0, keepdim=True)
    return torch.cat([cells, background]).float()


def token_masks(cells: Tensor) -> Tensor:
    """Masks on the token grid, flattened.

    Args:
        cells: [S+1, h, w] on the latent grid.

    Returns:
        [S+1, n] zeros and ones, row by row.
    """
    grid = (cells.shape[1] // 2, cells.shape[2] // 2)
    tokens = torch.nn.functional.interpolate(cells[None].float(), grid, mode="nearest")[0]
    return (tokens > 0).float().flatten(1)


def check_token_masks(tokens: Tensor, height: int, width: int) -> None:
    """Refuse speakers who vanish on the token grid of the video.

    Args:
        tokens: [S+1, n], background last; an empty background is fine.
        height: Rows of the video.
        width: Columns of the video.

    Raises:
        ValueError: If a speaker has no token left after resize and crop.
    """
    for index, count in enumerate(tokens[:-1].sum(1).tolist()):
        if count == 0:
            raise ValueError(
                f"The mask of speaker {index + 1} vanishes in a video of {width} x {height}: it is "
                f"smaller than {TOKEN_PX} pixels there, or was cropped away. Make the box larger, "
                "move it towards the middle, or choose a size of the picture's shape."
            )


def draw_speakers(picture: Tensor, masks: Tensor) -> Tensor:
    """Picture of who is who: every mask in its color, with its number.

    Args:
        picture: [H, W, 3] in 0..1.
        masks: [S, H, W] of the same size.

    Returns:
        [1, H, W, 3] in 0..1.
    """
    canvas = picture.clamp(0, 1).clone()
    for index, mask in enumerate(masks > 0):
        color = torch.tensor(COLORS[index % len(COLORS)]) / 255
        canvas[mask] = 0.6 * canvas[mask] + 0.4 * color
    image = Image.fromarray((canvas * 255).round().to(torch.uint8).cpu().numpy())
    draw = ImageDraw.Draw(image)
    size = max(12, min(image.size) // 8)
    font = ImageFont.load_default(size)
    for index, mask in enumerate(masks > 0):
        rows, columns = torch.nonzero(mask, as_tuple=True)
        centre = (int(columns.float().mean()), int(rows.float().mean()))
        draw.text(
            centre,
            str(index + 1),
            font=font,
            anchor="mm",
            fill="white",
            stroke_width=max(1, size // 12),
            stroke_fill=COLORS[index % len(COLORS)],
        )
    return torch.from_numpy(np.asarray(image).copy())[None].float() / 255


def describe_masks(masks: Tensor, notes: Sequence[str]) -> str:
    """Report for people: where each speaker is, overlaps, and what was changed."""
    height, width = masks.shape[1:]
    lines = []
    for index, mask in enumerate(masks > 0):
        rows, columns = torch.nonzero(mask, as_tuple=True)
        lines.append(
            f"Speaker {index + 1}: {mask.float().mean():.0%} of the picture, centre at "
            f"{columns.float().mean() / width:.0%} from the left, "
            f"{rows.float().mean() / height:.0%} from the top."
        )
    flat = (masks > 0).flatten(1).float()
    for index in range(len(masks)):
        for other in range(index + 1, len(masks)):
            share = float((flat[index] * flat[other]).sum() / flat[index].sum())
            if share > 0:
                lines.append(
                    f"Speakers {index + 1} and {other + 1} overlap in {share:.0%} of speaker "
                    f"{index + 1}."
                )
    return "\n".join([*lines, *notes])
