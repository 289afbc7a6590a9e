"""Rooms behind the heads: window, plant, pictures, lamp, shelf; lengths in finished pixels."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from shapes import Color, Pen, Point, curve, ellipse, mixed, ribbon

FRAME: Color = (250, 246, 238)
LEAVES: tuple[Color, Color, Color] = ((74, 138, 96), (54, 116, 84), (104, 164, 112))


def wall(width: int, height: int, top: Color, bottom: Color) -> Image.Image:
    """Wall lit from the upper left, RGB."""
    rows = np.linspace(0.0, 1.0, height)[:, None]
    columns = np.linspace(-0.5, 0.5, width)[None, :]
    share = np.clip(0.85 * rows + 0.25 * columns, 0.0, 1.0)[..., None]
    pixels = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.round(pixels).astype(np.uint8), "RGB")


def pixel_pen(picture: Image.Image, *, scale: float) -> Pen:
    """Pen whose unit is one pixel of the finished picture."""
    return Pen(picture=picture, origin=(0.0, 0.0), unit=(scale, scale))


def rectangle(x: float, y: float, width: float, height: float) -> list[Point]:
    """Outline of an upright rectangle."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def draw_window(pen: Pen, x: float, y: float, width: float, height: float, shade: Color) -> None:
    """Window with sky, two hills and four panes.

    Args:
        pen: Pen of finished pixels.
        x: Left edge of the frame.
        y: Upper edge of the frame.
        width: Outer width.
        height: Outer height.
        shade: Color of the shadow on the wall.
    """
    around = rectangle(x - 40, y - 40, width + 80, height + 90)
    pen.glow(around, rectangle(x + 4, y + 8, width + 6, height + 12), shade, 0.8, 9)
    pen.fill(rectangle(x, y, width, height), FRAME)
    left, top, wide, high = x + 10, y + 10, width - 20, height - 20
    pane = rectangle(left, top, wide, high)
    for band in range(24):
        share = band / 23
        color = mixed((150, 203, 236), (226, 241, 244), share)
        pen.fill(rectangle(left, top + high * band / 24, wide, high / 24 + 1), color)
    pen.glow(
        pane,
        ellipse((left + 0.30 * wide, top + 0.26 * high), 0.20 * wide, 0.05 * high),
        FRAME,
        0.9,
        6,
    )
    pen.glow(
        pane,
        ellipse((left + 0.42 * wide, top + 0.22 * high), 0.12 * wide, 0.06 * high),
        FRAME,
        0.9,
        6,
    )
    for base, rise, phase, color in (
        (0.66, 0.07, 0.6, (168, 205, 178)),
        (0.80, 0.06, 2.6, (124, 178, 138)),
    ):
        hill = [
            (left + wide * i / 20, top + high * (base - rise * math.sin(phase + i * 0.26)))
            for i in range(21)
        ]
        pen.fill_inside(pane, [*hill, (left + wide, top + high), (left, top + high)], color)
    pen.fill(rectangle(left + wide / 2 - 4, top, 8, high), FRAME)
    pen.fill(rectangle(left, top + 0.42 * high, wide, 8), FRAME)
    pen.fill(rectangle(x - 12, y + height - 4, width + 24, 14), mixed(FRAME, shade, 0.18))


def draw_plant(pen: Pen, x: float, y: float, size: float, pot: Color) -> None:
    """Plant with broad leaves in a pot.

    Args:
        pen: Pen of finished pixels.
        x: Middle of the pot.
        y: Bottom of the pot.
        size: Height of the whole plant.
        pot: Color of the pot.
    """
    top = y - 0.32 * size
    for i, (angle, reach) in enumerate(
        ((-78, 0.52), (70, 0.54), (-50, 0.62), (46, 0.60), (-24, 0.70), (22, 0.66), (0, 0.74))
    ):
        sin, cos = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        tip = (x + reach * size * sin, top - reach * size * cos + 0.16 * size * abs(sin))
        middle = (x + 0.5 * reach * size * sin - 4, top - 0.62 * reach * size * cos - 0.02 * size)
        leaf = [(x, top + 4), middle, tip]
        pen.fill(ribbon(leaf, 0.19 * size), LEAVES[i % 3])
        pen.fill(ribbon(leaf, 0.018 * size), mixed(LEAVES[i % 3], (235, 245, 215), 0.45))
    half_top, half_bottom = 0.19 * size, 0.14 * size
    body = [(x - half_top, top), (x + half_top, top), (x + half_bottom, y), (x - half_bottom, y)]
    pen.fill(body, pot)
    pen.glow(
        body,
        rectangle(x + 0.05 * size, top, 0.2 * size, 0.4 * size),
        mixed(pot, (40, 20, 30), 0.5),
        0.6,
        8,
    )
    pen.fill(
        rectangle(x - half_top - 4, top - 6, 2 * half_top + 8, 0.07 * size),
        mixed(pot, (255, 255, 255), 0.15),
    )


def draw_frame(
    pen: Pen, x: float, y: float, width: float, height: float, *, wood: Color, hue: Color
) -> None:
    """Framed abstract picture: a sun over waves.

    Args:
        pen: Pen of finished pixels.
        x: Left edge.
        y: Upper edge.
        width: Outer width.
        height: Outer height.
        wood: Color of the frame.
        hue: Main color of the picture.
    """
    around = rectangle(x - 30, y - 30, width + 60, height + 70)
    pen.glow(
        around,
        rectangle(x + 4, y + 7, width + 2, height + 4),
        mixed(wood, (60, 40, 40), 0.4),
        0.4,
        7,
    )
    pen.fill(rectangle(x, y, width, height), wood)
    pen.fill(rectangle(x + 6, y + 6, width - 12, height - 12), FRAME)
    inner = rectangle(x + 16, y + 16, width - 32, height - 32)
    pen.fill(inner, mixed(hue, (255, 255, 255), 0.62))
    pen.fill_inside(
        inner,
        ellipse((x + 0.62 * width, y + 0.42 * height), 0.16 * width, 0.16 * width),
        (244, 178, 108),
    )
    for i, level in enumerate((0.56, 0.68, 0.80)):
        wave = [
            (x + width * k / 24, y + height * (level + 0.035 * math.sin(0.55 * k + 1.9 * i)))
            for k in range(25)
        ]
        shade = mixed(hue, (40, 50, 80), 0.22 * i)
        pen.fill_inside(inner, [*wave, (x + width, y + height), (x, y + height)], shade)


def draw_lamp(pen: Pen, x: float, y: float, size: float, color: Color) -> None:
    """Hanging lamp with a warm glow.

    Args:
        pen: Pen of finished pixels.
        x: Middle of the lamp.
        y: Lower edge of its shade.
        size: Width of the shade.
        color: Color of the shade.
    """
    halo = ellipse((x, y + 0.35 * size), 1.1 * size, 0.95 * size)
    pen.glow(
        halo,
        ellipse((x, y + 0.10 * size), 0.45 * size, 0.38 * size),
        (255, 240, 196),
        0.75,
        0.26 * size,
    )
    pen.fill(rectangle(x - 1.5, -10, 3, y), mixed(color, (40, 30, 40), 0.5))
    pen.fill(ellipse((x, y), 0.5 * size, 0.06 * size), (255, 246, 214))
    half = [
        (x + 0.5 * size, y),
        (x + 0.42 * size, y - 0.24 * size),
        (x + 0.12 * size, y - 0.42 * size),
    ]
    shade = [*curve([*((2 * x - u, v) for u, v in half), *half[::-1]], closed=False)]
    pen.fill(shade, color)
    light = mixed(color, (255, 255, 255), 0.4)
    pen.glow(
        shade,
        ellipse((x - 0.18 * size, y - 0.20 * size), 0.10 * size, 0.14 * size),
        light,
        0.8,
        0.06 * size,
    )


def draw_shelf(
    pen: Pen, x: float, y: float, width: float, *, wood: Color, books: tuple[Color, ...]
) -> None:
    """Shelf with a row of books.

    Args:
        pen: Pen of finished pixels.
        x: Left edge.
        y: Upper edge of the board.
        width: Length of the board.
        wood: Color of the board.
        books: Colors of the books from left to right.
    """
    around = rectangle(x - 20, y - 10, width + 40, 70)
    pen.glow(around, rectangle(x + 4, y + 10, width, 16), mixed(wood, (50, 40, 50), 0.5), 0.4, 7)
    left = x + 14.0
    for i, color in enumerate(books):
        thick, high = 17 + (i * 7) % 11, 74 + (i * 29) % 34
        pen.fill(rectangle(left, y - high, thick, high), color)
        pen.fill(rectangle(left, y - high + 12, thick, 4), mixed(color, (255, 255, 255), 0.5))
        left += thick + 2
    pen.fill(rectangle(x, y, width, 12), wood)
