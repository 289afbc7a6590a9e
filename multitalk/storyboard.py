"""A picture of the shots of a video: what is seen from which time on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .frames import to_bytes
from .shots import Shot, time_of

WIDTH_PX, HEIGHT_PX = 960, 320  # as the pictures of the time line
MARGIN_PX, GAP_PX = 20, 12
WORDS_PX = 52  # below the pictures
LETTERS_PX, SMALL_PX = 28, 20
_SCALE = 2  # drawn larger and reduced, for smooth edges
_BACKGROUND, _EMPTY = (28, 30, 34), (62, 66, 74)
_INK, _DIM_INK = (228, 231, 235), (158, 164, 172)
_FIRST = "image"  # the socket of the samplers with the picture of the first shot


def draw_storyboard(shots: Sequence[Shot]) -> Tensor:
    """Draw the shots in order with their times, [HEIGHT_PX, WIDTH_PX, 3] float32 in 0..1.

    The first place is that of the picture a sampler begins with, which is not known here.
    """
    image = Image.new("RGB", (WIDTH_PX * _SCALE, HEIGHT_PX * _SCALE), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    places = len(shots) + 1
    width = (WIDTH_PX - 2 * MARGIN_PX - (places - 1) * GAP_PX) / places
    letters = ImageFont.load_default(round(min(LETTERS_PX, width / 4.5) * _SCALE))
    small = ImageFont.load_default(round(min(SMALL_PX, width / 4.5) * _SCALE))
    height = HEIGHT_PX - 2 * MARGIN_PX - WORDS_PX
    for number, shot in enumerate([None, *shots]):
        left = MARGIN_PX + number * (width + GAP_PX)
        box = [round(edge * _SCALE) for edge in (left, MARGIN_PX, width, height)]
        middle = box[0] + box[2] // 2, box[1] + box[3] // 2
        if shot is None:
            sides = box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1
            draw.rounded_rectangle(sides, 8 * _SCALE, fill=_EMPTY)
            draw.text(middle, _FIRST, font=small, fill=_INK, anchor="mm")
        else:
            picture = _fitted(shot.picture[0], box[2], box[3])
            image.paste(picture, (middle[0] - picture.width // 2, middle[1] - picture.height // 2))
        base = round((HEIGHT_PX - MARGIN_PX - WORDS_PX / 2) * _SCALE)
        begin = time_of(0 if shot is None else shot.begin)
        shown = f"{number + 1}  "
        words = letters.getlength(shown + begin)
        left_px = middle[0] - words / 2
        draw.text((left_px, base), shown, font=letters, fill=_INK, anchor="lm")
        after = left_px + letters.getlength(shown)
        draw.text((after, base), begin, font=letters, fill=_DIM_INK, anchor="lm")
    return torch.from_numpy(np.array(image.reduce(_SCALE))).float() / 255


def _fitted(picture: Tensor, width: int, height: int) -> Image.Image:
    """A picture [H, W, 3], the whole of it, as large as the place."""
    whole = Image.fromarray(to_bytes(picture).numpy())
    scale = min(width / whole.width, height / whole.height)
    sides = max(1, round(whole.width * scale)), max(1, round(whole.height * scale))
    return whole.resize(sides, Image.Resampling.LANCZOS)
