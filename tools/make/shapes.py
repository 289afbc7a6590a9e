"""Smooth polygons on a Pillow canvas: the little drawing kit of the project's own pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Point = tuple[float, float]

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
    line = curve(points, closed=False)
    left, right = [], []
    for i, (u, v) in enumerate(line):
        (u0, v0), (u1, v1) = line[max(i - 1, 0)], line[min(i + 1, len(line) - 1)]
        length = math.hypot(u1 - u0, v1 - v0) or 1.0
        half = width / 2 * (1 - taper + taper * math.sin(math.pi * i / (len(line) - 1)))
        du, dv = (v0 - v1) / length * half, (u1 - u0) / length * half
        left.append((u + du, v + dv))
        right.append((u - du, v - dv))
    return left + right[::-1]


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
        scaled = [(u * self.unit[0], v * self.unit[1]) for u, v in points]
        x, y = self.origin
        return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in scaled]

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
        masks = self._masks(frame, points) if self.soft else None
        if masks is not None:
            box, inside, shape = masks
            blurred = shape.filter(ImageFilter.GaussianBlur(blur * self.unit[0]))
            strength = blurred.point([round(value * share) for value in range(256)])
            self.picture.paste(color, box, ImageChops.multiply(inside, strength))

    def _masks(
        self, frame: Sequence[Point], points: Sequence[Point]
    ) -> tuple[tuple[int, int, int, int], Image.Image, Image.Image] | None:
        """Box of the frame on the canvas and the two outlines as masks in it; None if outside."""
        edge = self.pixels(frame)
        xs, ys = [x for x, _ in edge], [y for _, y in edge]
        left, top = max(math.floor(min(xs)), 0), max(math.floor(min(ys)), 0)
        right = min(math.ceil(max(xs)) + 1, self.picture.width)
        bottom = min(math.ceil(max(ys)) + 1, self.picture.height)
        if right <= left or bottom <= top:
            return None
        masks = []
        for outline in (edge, self.pixels(points)):
            mask = Image.new("L", (right - left, bottom - top))
            ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=255)
            masks.append(mask)
        return (left, top, right, bottom), masks[0], masks[1]
