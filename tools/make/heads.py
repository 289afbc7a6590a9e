"""Cartoon heads that talk: one dataclass of parameters in, antialiased pixels out.

A head is drawn in face units: origin between the eyes, one unit = half the width of the face, v
downwards, made for a face 1.22 times as high as wide and stretched to the asked aspect. Everything
is a filled outline, so that a head can tilt, on a canvas several times too big that the caller
reduces. The inside of the mouth is the only thing near the mouth with red below 150 (unless teeth,
tongue or stubble are asked for), which is how the mouth of a toy's video is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hair import HAIR, HairStyle
from PIL import Image
from shapes import Color, Pen, Point, curve, ellipse, flipped, mirrored, mixed, ribbon

INSIDE: Color = (60, 8, 18)
TEETH: Color = (250, 246, 240)
TONGUE: Color = (205, 92, 96)
EYE_WHITE: Color = (252, 251, 248)
LINE: Color = (58, 36, 34)
EYE_U = 0.43
MOUTH_V = 0.67
CHIN_V = 1.22
MOUTH_POINTS = 33

Neckline = Literal["crew", "scoop", "collar"]
NECKLINES: dict[Neckline, list[Point]] = {
    "crew": [(0.0, 1.80), (0.30, 1.75), (0.54, 1.54)],
    "scoop": [(0.0, 2.05), (0.40, 1.98), (0.66, 1.74), (0.74, 1.58)],
    "collar": [(0.0, 2.12), (0.22, 1.86), (0.42, 1.58), (0.50, 1.45)],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """One head; lengths are pixels of the finished picture, colors RGB."""

    centre: Point
    """Point between the eyes, x and y."""
    radius: float
    """Half the width of the face."""
    aspect: float = 1.22
    """Height of the face without hair over its width, 1.15 to 1.3."""
    tilt: float = 0.0
    """Rotation of the head in degrees, clockwise."""
    skin: Color = (246, 205, 176)
    """Skin; red of at least 170 keeps the mouth measurable."""
    hair: Color = (96, 58, 38)
    """Hair and, darkened, the eyebrows."""
    iris: Color = (70, 110, 130)
    """Colour of the eyes."""
    lips: Color = (204, 94, 92)
    """Lips; red above 150."""
    shirt: Color = (44, 122, 123)
    """Clothes."""
    hair_style: HairStyle = "long"
    """Shape of the hair."""
    neckline: Neckline = "crew"
    """Neck of the clothes."""
    mouth: float = 0.0
    """Opening, 0 shut to 1 wide open."""
    blink: float = 0.0
    """Eyelids, 0 open to 1 shut."""
    smile: float = 0.5
    """How far the corners of the mouth are up, -1 to 1."""
    gaze: Point = (0.0, 0.0)
    """Where the eyes look, each -1 to 1."""
    lashes: float = 0.5
    """Length of the eyelashes, 0 to 1."""
    stubble: float = 0.0
    """Shadow of a beard, 0 to 1."""
    teeth: bool = False
    """Draw teeth and tongue in an open mouth."""


def draw_head(picture: Image.Image, head: Head, *, scale: float, soft: bool = True) -> None:
    """Draw one head with neck and shoulders.

    Args:
        picture: RGB canvas, `scale` times as large as the finished picture; changed in place.
        head: What to draw.
        scale: Canvas pixels per pixel of the finished picture.
        soft: Add blurred light and shadow; several times slower.
    """
    origin = (head.centre[0] * scale, head.centre[1] * scale)
    unit = (head.radius * scale, head.radius * scale * head.aspect / CHIN_V)
    body = Pen(picture=picture, origin=origin, unit=unit, soft=soft)
    face = Pen(picture=picture, origin=origin, unit=unit, soft=soft, angle=math.radians(head.tilt))
    outline = _face_outline(head)
    _draw_back_hair(face, head)
    _draw_neck(body, head)
    _draw_clothes(body, head)
    _draw_ears(face, head)
    face.fill(outline, head.skin)
    _shade_face(face, head, outline)
    _draw_nose(face, head, outline)
    _draw_mouth(face, head)
    for side in (-1, 1):
        _draw_eye(face, head, side=side)
    _draw_front_hair(face, head, outline)
    for side in (-1, 1):
        _draw_brow(face, head, side=side)


def head_box(head: Head) -> tuple[int, int, int, int]:
    """Box around hair, ears and face down to the chin: x, y, width, height in pixels."""
    hair = HAIR[head.hair_style]
    unit_v = head.radius * head.aspect / CHIN_V
    sides = hair.sides * head.radius
    x, y = head.centre
    height = (hair.top + CHIN_V + 0.03) * unit_v
    return round(x - sides), round(y - hair.top * unit_v), round(2 * sides), round(height)


def mouth_box(head: Head) -> tuple[int, int, int, int]:
    """Box around a wide open mouth, lips included: x, y, width, height in pixels."""
    unit_v = head.radius * head.aspect / CHIN_V
    x, y = head.centre
    top = y + (MOUTH_V - 0.22) * unit_v
    return round(x - 0.5 * head.radius), round(top), round(head.radius), round(0.75 * unit_v)


def _face_outline(head: Head) -> list[Point]:
    """Outline of the face; an open mouth lowers the chin."""
    drop = 0.10 * head.mouth
    half = [
        (0.0, -1.20),
        (0.55, -1.08),
        (0.91, -0.64),
        (1.0, -0.08),
        (0.965, 0.36),
        (0.81, 0.80 + 0.6 * drop),
        (0.49, 1.11 + drop),
        (0.17, 1.215 + drop),
    ]
    return curve(mirrored(half), closed=True)


def _shadow(head: Head) -> Color:
    """Shaded skin; its red stays above 150 for every skin above 170."""
    red, green, blue = mixed(head.skin, (150, 60, 50), 0.30)
    return max(red, 158), green, blue


def _draw_back_hair(pen: Pen, head: Head) -> None:
    for points in HAIR[head.hair_style].back:
        pen.fill(points, mixed(head.hair, (20, 10, 20), 0.24))


def _draw_neck(pen: Pen, head: Head) -> None:
    """Neck with the shadow of the chin."""
    base = NECKLINES[head.neckline][-1][0]
    half = [
        (0.0, 0.4),
        (0.38, 0.5),
        (0.41, 1.05),
        (0.44, 1.38),
        (base - 0.01, 1.60),
        (base, 2.0),
        (0.3, 2.3),
    ]
    neck = curve(mirrored(half), closed=True)
    pen.fill(neck, head.skin)
    chin = ellipse((0.06, 1.02 + 0.05 * head.mouth), 0.66, 0.40)
    pen.glow(neck, chin, _shadow(head), 0.95, 0.07)
    for side in (-1, 1):
        bone = ribbon([(0.10 * side, 1.78), (0.30 * side, 1.72), (0.58 * side, 1.74)], 0.05)
        pen.fill_inside(neck, bone, mixed(head.skin, _shadow(head), 0.5))


def _draw_clothes(pen: Pen, head: Head) -> None:
    """Shoulders, cut out at the neck."""
    neckline = NECKLINES[head.neckline]
    edge = curve([*flipped(neckline[:0:-1]), *neckline], closed=False)
    u, v = neckline[-1]
    outer = [
        (u, v),
        (1.02, 1.72),
        (1.55, 1.92),
        (1.92, 2.32),
        (2.08, 3.0),
        (2.12, 3.8),
        (2.14, 6.0),
    ]
    side = curve(outer, closed=False)
    shape = [*edge, *side, *flipped(side[::-1])]
    dark, light = mixed(head.shirt, (10, 10, 40), 0.30), mixed(head.shirt, (255, 255, 255), 0.22)
    pen.fill(shape, head.shirt)
    pen.glow(shape, ellipse((1.75, 3.0), 0.75, 1.3), dark, 0.75, 0.35)
    pen.glow(shape, ellipse((-1.25, 2.0), 0.65, 0.28), light, 0.8, 0.20)
    for sign in (-1, 1):
        fold = [(1.30 * sign, 2.45), (1.36 * sign, 2.8), (1.34 * sign, 3.3)]
        pen.fill_inside(shape, ribbon(fold, 0.05), dark)
    if head.neckline == "collar":
        for sign in (-1, 1):
            flap = [(0.47, 1.34), (0.70, 1.60), (0.54, 2.12), (0.0, 2.13), (0.24, 1.80)]
            points = [(sign * a, b) for a, b in flap]
            pen.fill(points, light)
            pen.fill(ribbon([points[1], points[2], points[3]], 0.03, taper=0.3), dark)
        pen.fill(ribbon([(0.0, 2.14), (0.01, 2.6), (0.0, 3.6)], 0.03, taper=0.0), dark)
    else:
        pen.fill(ribbon(edge[:: max(1, len(edge) // 12)], 0.09, taper=0.0), dark)


def _draw_ears(pen: Pen, head: Head) -> None:
    if not HAIR[head.hair_style].ears:
        return
    shade = _shadow(head)
    for side in (-1, 1):
        pen.fill(ellipse((side * 1.01, 0.12), 0.15, 0.25), head.skin)
        inner = [(side * 1.07, 0.0), (side * 1.10, 0.12), (side * 1.05, 0.24)]
        pen.fill(ribbon(inner, 0.06), shade)


def _shade_face(pen: Pen, head: Head, outline: list[Point]) -> None:
    """Light from the left, warm cheeks, and the shadow of a beard if asked for."""
    light, shade = mixed(head.skin, (255, 238, 214), 0.34), _shadow(head)
    rim = [(1.25, -1.3), (1.25, 1.4), (0.45, 1.30), (0.84, 0.6), (0.90, -0.2), (0.80, -0.9)]
    pen.glow(outline, rim, shade, 0.75, 0.10)
    pen.glow(outline, ellipse((-0.25, -0.52), 0.50, 0.24), light, 0.75, 0.16)
    pen.glow(outline, ellipse((0.0, 1.04), 0.20, 0.09), light, 0.55, 0.07)
    blush = mixed(head.skin, (236, 96, 96), 0.42)
    for side in (-1, 1):
        pen.glow(outline, ellipse((side * 0.60, 0.46), 0.20, 0.13), blush, 0.95, 0.11)
    if head.stubble > 0:
        half = [(0.0, 0.44), (0.42, 0.48), (0.62, 0.36), (0.98, 0.1), (1.05, 0.9), (0.5, 1.4)]
        beard = mirrored(half)
        pen.glow(outline, beard, mixed(head.skin, head.hair, 0.55), head.stubble, 0.09)


def _draw_nose(pen: Pen, head: Head, outline: list[Point]) -> None:
    shade, light = _shadow(head), mixed(head.skin, (255, 246, 232), 0.5)
    pen.glow(outline, [(0.05, -0.1), (0.15, 0.30), (0.02, 0.34)], shade, 0.55, 0.05)
    pen.fill(
        ribbon([(-0.12, 0.31), (-0.06, 0.36), (0.0, 0.37), (0.06, 0.36), (0.12, 0.31)], 0.045),
        shade,
    )
    pen.glow(outline, ellipse((-0.03, 0.25), 0.045, 0.055), light, 0.9, 0.03)


def _mouth_edges(head: Head) -> list[tuple[float, float, float, float, float]]:
    """Rows (u, top of lips, top of inside, bottom of inside, bottom of lips) from left to right."""
    half_width = 0.40 * (1 - 0.10 * head.mouth)
    half_height = 0.012 + 0.30 * head.mouth
    centre = MOUTH_V + 0.5 * half_height + 0.05 * head.smile
    rows = []
    for i in range(MOUTH_POINTS):
        x = 2 * i / (MOUTH_POINTS - 1) - 1
        u = x * half_width
        arch = math.sqrt(max(0.0, 1 - x * x))
        middle = centre - 0.16 * head.smile * x * x
        full = arch**1.3
        bow = 1 - 0.30 * math.exp(-((x / 0.16) ** 2))
        top, bottom = middle - half_height * arch, middle + half_height * arch
        rows.append((u, top - 0.085 * full * bow, top, bottom, bottom + 0.115 * full))
    return rows


def _draw_mouth(pen: Pen, head: Head) -> None:
    """Lips around a dark opening."""
    rows = _mouth_edges(head)

    def between(upper: int, lower: int) -> list[Point]:
        return [(row[0], row[upper]) for row in rows] + [
            (row[0], row[lower]) for row in reversed(rows)
        ]

    lips, inside = between(1, 4), between(2, 3)
    pen.fill(lips, head.lips)
    red, green, blue = mixed(head.lips, (150, 30, 50), 0.35)
    pen.fill(between(1, 2), (max(red, 158), green, blue))
    low = rows[MOUTH_POINTS // 2][4]
    pen.glow(
        lips,
        ellipse((-0.04, low - 0.055), 0.12, 0.022),
        mixed(head.lips, (255, 240, 235), 0.6),
        0.9,
        0.02,
    )
    pen.fill(inside, INSIDE)
    if head.teeth and head.mouth > 0:
        tongue_top = rows[MOUTH_POINTS // 2][3] - 0.05
        pen.fill_inside(inside, ellipse((0.0, tongue_top + 0.10), 0.22, 0.14), TONGUE)
        band = min(0.10, 0.3 * head.mouth)
        teeth = [(u, top - 0.02) for u, _, top, _, _ in rows[4:-4]]
        teeth += [(u, top + band) for u, _, top, _, _ in reversed(rows[4:-4])]
        pen.fill_inside(inside, teeth, TEETH)
    for side, row in ((-1, rows[0]), (1, rows[-1])):
        u, v = row[0], row[2]
        crease = [
            (u + side * 0.005, v + 0.035),
            (u + side * 0.03, v - 0.005),
            (u + side * 0.025, v - 0.05),
        ]
        pen.fill(ribbon(crease, 0.022), mixed(_shadow(head), (158, 90, 80), 0.25))


def _lid(head: Head, *, side: int, lift: float) -> list[Point]:
    """Edge of an eyelid from the nose outwards, `lift` above (+) or below (-) the eye's middle."""
    points = []
    for i in range(13):
        x = i / 6 - 1
        rise = lift * (1 - x * x) ** 0.62 * (1 + 0.16 * x)
        points.append((side * (EYE_U + 0.235 * x), -0.03 * x - rise))
    return points


def _draw_eye(pen: Pen, head: Head, *, side: int) -> None:
    """White, iris, pupil, highlights, lids and lashes."""
    upper = _lid(head, side=side, lift=0.212 * (1 - head.blink) - 0.05 * head.blink)
    lower = _lid(head, side=side, lift=-0.16 * (1 - 0.6 * head.blink))
    shade, line = _shadow(head), mixed(head.hair, LINE, 0.75)
    if head.blink < 0.95:
        white = upper + lower[::-1]
        pen.fill(white, EYE_WHITE)
        u, v = side * EYE_U + 0.06 * head.gaze[0] - side * 0.015, 0.06 * head.gaze[1] - 0.04
        for size, color in (
            (0.168, mixed(head.iris, (15, 15, 30), 0.55)),
            (0.146, head.iris),
            (0.076, (22, 16, 22)),
        ):
            pen.fill_inside(white, ellipse((u, v), size, size), color)
        pen.glow(
            white,
            ellipse((u, v + 0.09), 0.09, 0.045),
            mixed(head.iris, (255, 255, 255), 0.6),
            0.9,
            0.02,
        )
        lid_shadow = [
            (side * u, v) for u, v in ((0.1, -0.3), (0.8, -0.3), (0.8, -0.14), (0.1, -0.14))
        ]
        pen.glow(white, lid_shadow, (150, 140, 160), 0.45, 0.04)
        pen.fill_inside(white, ellipse((u - 0.055, v - 0.06), 0.045, 0.045), (255, 255, 255))
        pen.fill_inside(white, ellipse((u + 0.06, v + 0.06), 0.022, 0.022), (255, 255, 255))
        pen.fill(ribbon(lower, 0.022), mixed(shade, line, 0.25))
    pen.fill(ribbon(upper, 0.062, taper=0.75), line)
    crease = [(u, v - 0.085 + 0.03 * head.blink) for u, v in upper[2:-1]]
    pen.fill(ribbon(crease, 0.024), shade)
    for start, reach in ((10, 0.07), (11, 0.10), (12, 0.12)):
        u, v = upper[start]
        tip = (
            u + side * 0.6 * reach * head.lashes * 1.4,
            v - reach * head.lashes * (1 - 1.4 * head.blink),
        )
        pen.fill(
            ribbon([(u - side * 0.03, v + 0.005), (u, v - 0.005), tip], 0.035, taper=0.8), line
        )


def _draw_front_hair(pen: Pen, head: Head, outline: list[Point]) -> None:
    """Hair over the forehead with its shadow on the skin, strands and shine."""
    hair = HAIR[head.hair_style]
    for points in hair.front:
        pen.glow(outline, [(u, v + 0.07) for u, v in points], _shadow(head), 0.8, 0.05)
    for points in hair.front:
        pen.fill(points, head.hair)
    dark, light = mixed(head.hair, (20, 8, 16), 0.30), mixed(head.hair, (255, 232, 205), 0.30)
    for points in hair.strands:
        pen.fill(ribbon(points, 0.035), dark)
    for points in hair.shine:
        for lock in hair.front:
            pen.glow(lock, ribbon(points, 0.10), light, 0.9, 0.02)


def _draw_brow(pen: Pen, head: Head, *, side: int) -> None:
    raised = 0.03 * head.mouth
    points = [(0.19, -0.345), (0.36, -0.405), (0.55, -0.405), (0.73, -0.325)]
    brow = [(side * u, v - raised) for u, v in points]
    pen.fill(ribbon(brow, 0.085, taper=0.75), mixed(head.hair, LINE, 0.45))
