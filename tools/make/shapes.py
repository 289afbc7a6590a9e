"""Smooth polygons on a Pillow canvas: the little drawing kit of the project's own pictures."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

CURVE_STEPS = 10
CURVE_WEIGHTS = tuple(
    (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    for t in (step / CURVE_STEPS for step in range(CURVE_STEPS))
)
ELLIPSE_STEPS = 40


def mixed(color: Color, other: Color, share: float) -> Color:
    """Color moved towards another one; share 0 keeps it, 1 gives the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def mirrored(half: Sequence[Point]) -> list[Point]:
    """Closed outline from its right half, listed from top to bottom; points on the axis once."""
    return [*half, *((-u, v) for u, v in reversed(half) if u != 0.0)]


def flipped(points: Sequence[Point]) -> list[Point]:
    """The same points on the other side of the vertical axis."""
    return [(-u, v) for u, v in points]


def ellipse(centre: Point, half_width: float, half_height: float) -> list[Point]:
    """Outline of an ellipse."""
    angles = (2 * math.pi * step / ELLIPSE_STEPS for step in range(ELLIPSE_STEPS))
    return [
        (centre[0] + half_width * math.cos(a), centre[1] + half_height * math.sin(a))
        for a in angles
    ]


def curve(points: Sequence[Point], *, closed: bool) -> list[Point]:
    """Smooth curve through the points.

    Source: Catmull and Rom, "A class of local interpolating splines", 1974 (uniform, tension 0.5).
    """
    count = len(points)
    if closed:
        padded = [points[-1], *points, points[0], points[1]]
    else:
        padded = [points[0], *points, points[-1]]
    result: list[Point] = []
    for i in range(count if closed else count - 1):
        (u0, v0), (u1, v1), (u2, v2), (u3, v3) = padded[i : i + 4]
        result.extend(
            (a * u0 + b * u1 + c * u2 + d * u3, a * v0 + b * v1 + c * v2 + d * v3)
            for a, b, c, d in CURVE_WEIGHTS
        )
    return result if closed else [*result, points[-1]]


def ribbon(points: Sequence[Point], width: float, *, taper: float = 1.0) -> list[Point]:
    """Outline of a curved brush stroke, thick in the middle.

    Args:
        points: Points the stroke runs through.
        width: Largest width.
        taper: Share of the width that is lost at the ends, 0 to 1.
    """
    return list(_ribbon(tuple(points), width, taper))


@functools.lru_cache(maxsize=1024)  # most strokes of a head are the same in every frame
def _ribbon(points: tuple[Point, ...], width: float, taper: float) -> tuple[Point, ...]:
    line = curve(points, closed=False)
    left, right = [], []
    for i, (u, v) in enumerate(line):
        (u0, v0), (u1, v1) = line[max(i - 1, 0)], line[min(i + 1, len(line) - 1)]
        length = math.hypot(u1 - u0, v1 - v0) or 1.0
        half = width / 2 * (1 - taper + taper * math.sin(math.pi * i / (len(line) - 1)))
        du, dv = (v0 - v1) / length * half, (u1 - u0) / length * half
        left.append((u + du, v + dv))
        right.append((u - du, v - dv))
    return (*left, *right[::-1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pen:
    """Draws outlines given in units of its own onto a canvas."""

    picture: Image.Image
    """RGB canvas, drawn on in place."""
    origin: Point
    """Canvas pixel of the outlines' origin."""
    unit: Point
    """Canvas pixels of one unit, across and down."""
    angle: float = 0.0
    """Rotation in radians, clockwise."""
    soft: bool = True
    """Draw blurred light and shadow; without it `glow` does nothing."""

    def pixels(self, points: Sequence[Point]) -> list[Point]:
        """Canvas positions of the points."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        (x, y), (width, height) = self.origin, self.unit
        return [
            (x + u * width * cos - v * height * sin, y + u * width * sin + v * height * cos)
            for u, v in points
        ]

    def fill(self, points: Sequence[Point], color: Color) -> None:
        """Fill an outline."""
        ImageDraw.Draw(self.picture).polygon(self.pixels(points), fill=color)

    def fill_inside(self, frame: Sequence[Point], points: Sequence[Point], color: Color) -> None:
        """Fill the part of an outline that lies inside another one."""
        masks = self._masks(frame, points)
        if masks is not None:
            box, inside, shape = masks
            self.picture.paste(color, box, ImageChops.multiply(inside, shape))

    def glow(
        self,
        frame: Sequence[Point],
        points: Sequence[Point],
        color: Color,
        share: float,
        blur: float,
    ) -> None:
        """Lay a blurred outline over the inside of another one.

        Args:
            frame: Outline that nothing leaves.
            points: Outline of the light or shadow.
            color: Its color.
            share: Strength in the middle, 0 to 1.
            blur: Radius of the blur in units.
        """
        radius = blur * self.unit[0]
        reach = 3 * (math.ceil(radius) + 1)  # Pillow's blur is three means over such a radius
        masks = self._masks(frame, points, reach) if self.soft else None
        if masks is not None:
            box, inside, shape = masks
            blurred = shape.filter(ImageFilter.GaussianBlur(radius))
            strength = blurred.point([round(value * share) for value in range(256)])
            self.picture.paste(color, box, ImageChops.multiply(inside, strength))

    def _masks(
        self, frame: Sequence[Point], points: Sequence[Point], reach: int = 1
    ) -> tuple[Box, Image.Image, Image.Image] | None:
        """The two outlines as masks, and their box on the canvas.

        The box is that of the frame, without what is more than `reach` pixels away from the points;
        None if nothing is left.
        """
        edge, shape = self.pixels(frame), self.pixels(points)
        whole = _overlap(_box(edge), (0, 0, *self.picture.size))
        left, top, right, bottom = whole
        near = _box(shape)
        box = _overlap(whole, (near[0] - reach, near[1] - reach, near[2] + reach, near[3] + reach))
        if box[2] <= box[0] or box[3] <= box[1]:
            return None
        part = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        masks = []
        for outline in (edge, shape):
            mask = Image.new("L", (right - left, bottom - top))
            ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=255)
            masks.append(mask.crop(part))
        return box, masks[0], masks[1]


def _box(points: Iterable[Point]) -> Box:
    """Whole pixels around an outline."""
    xs, ys = zip(*points, strict=True)
    return (
        *(math.floor(min(xs)), math.floor(min(ys))),
        *(math.ceil(max(xs)) + 1, math.ceil(max(ys)) + 1),
    )


def _overlap(box: Box, other: Box) -> Box:
    """What is in both; right is not above left, or bottom not above top, if nothing is."""
    return (
        *(max(box[0], other[0]), max(box[1], other[1])),
        *(min(box[2], other[2]), min(box[3], other[3])),
    )
