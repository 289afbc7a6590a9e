"""The toy's world: rooms with one or two cartoon heads that bob, blink and talk.

Everything is drawn by tools/make/heads.py from random but plausible parameters. A `Scene` holds all
of them, so the same seed gives the same film; a frame depends on its number and on how wide each
mouth is open, and on nothing else.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from hair import HAIR, HairStyle
from heads import CHIN_V, NECKLINES, Head, draw_head, head_box
from PIL import Image, ImageFilter
from scenery import draw_frame, draw_lamp, draw_plant, draw_shelf, draw_window, pixel_pen, wall
from shapes import Color, mixed

from pack.multitalk.config import FRAME_RATE

WIDE = (144, 96)
TALL = (96, 144)
SCALE = 3
ROOM_UNIT = 0.15
"""Pixels per unit of the furniture, which was measured out for pictures of 960 x 640."""
WIDEST = 0.8
"""Opening of the drawn mouth for a mouth curve of 1."""
BLINK = (0.5, 1.0, 1.0, 0.5)

SKINS: tuple[Color, ...] = (
    *((250, 219, 196), (247, 208, 180), (240, 194, 158), (232, 180, 140)),
    *((220, 164, 122), (205, 146, 106), (188, 128, 90), (176, 116, 82)),
)
HAIRS: tuple[Color, ...] = (
    *((50, 36, 44), (74, 48, 36), (116, 62, 40), (150, 92, 50), (178, 112, 58)),
    *((206, 164, 98), (226, 196, 140), (164, 66, 44), (120, 116, 122)),
)
EYES: tuple[Color, ...] = (
    *((78, 124, 108), (96, 66, 46), (76, 118, 156), (70, 110, 130), (112, 108, 70), (90, 96, 110)),
)
LIPS: tuple[Color, ...] = ((206, 92, 94), (200, 84, 92), (212, 134, 118), (196, 104, 96))
STYLES: tuple[HairStyle, ...] = get_args(HairStyle)


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """One person and how he or she moves; lengths in pixels, times in seconds."""

    head: Head
    bob: tuple[float, float]
    """Amplitude across and down."""
    period: tuple[float, float]
    phase: tuple[float, float]
    sway: float
    """Amplitude of the tilt in degrees."""
    blinks: tuple[float, float]
    """Time of a blink and the time between two."""

    def at(self, frame: int, opening: float) -> Head:
        """The head in a frame.

        Args:
            frame: Number of the frame, at 25 per second.
            opening: Mouth, 0 to 1.
        """
        time = frame / FRAME_RATE
        across, down = (
            amplitude * math.sin(2 * math.pi * time / period + phase)
            for amplitude, period, phase in zip(self.bob, self.period, self.phase, strict=True)
        )
        tilt = self.sway * math.sin(2 * math.pi * time / (1.7 * self.period[0]) + self.phase[1])
        first, every = (round(FRAME_RATE * t) for t in self.blinks)
        since = (frame - first) % every
        x, y = self.head.centre
        return replace(
            self.head,
            centre=(x + across, y + down),
            tilt=self.head.tilt + tilt,
            mouth=WIDEST * opening,
            blink=BLINK[since] if since < len(BLINK) else 0.0,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A room and its people, from left to right."""

    room: Image.Image
    """The room, SCALE times as large as a frame."""
    actors: tuple[Actor, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        return self.room.width // SCALE, self.room.height // SCALE

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Box of each head: x, y, width, height in pixels."""
        return [head_box(actor.head) for actor in self.actors]

    def frame(self, number: int, openings: Sequence[float]) -> np.ndarray:
        """Draw one frame.

        Args:
            number: Number of the frame.
            openings: Mouth of each actor, 0 to 1.

        Returns:
            [H, W, 3] uint8.
        """
        picture = self.room.copy()
        for actor, opening in zip(self.actors, openings, strict=True):
            draw_head(picture, actor.at(number, opening), scale=SCALE)
        return np.asarray(picture.reduce(SCALE))

    def film(self, openings: np.ndarray, *, start: int = 0) -> np.ndarray:
        """Draw consecutive frames.

        Args:
            openings: [S, F] in 0..1.
            start: Number of the first frame.

        Returns:
            [F, H, W, 3] uint8.
        """
        return np.stack([self.frame(start + i, row) for i, row in enumerate(openings.T)])


def mouth_area(head: Head) -> tuple[slice, slice]:
    """Rows and columns in which the mouth moves, bobbing included, and nothing else is dark."""
    unit_v = head.radius * head.aspect / CHIN_V
    x, y = head.centre
    top, bottom = y + 0.46 * unit_v, y + 1.2 * unit_v
    left, right = x - 0.52 * head.radius, x + 0.52 * head.radius
    return slice(round(top), round(bottom) + 1), slice(round(left), round(right) + 1)


def random_scene(random: np.random.Generator, *, people: int, size: tuple[int, int]) -> Scene:
    """Draw the parameters of a scene.

    Args:
        random: Source of all numbers.
        people: 1 or 2; two need a wide picture.
        size: Width and height of a frame.

    Returns:
        The scene.
    """
    width, height = size
    colors = random.permutation(len(HAIRS))[:people]
    actors = []
    for i in range(people):
        if people == 2:
            radius = random.uniform(17.5, 21.5)
            x = width * (0.27 + 0.46 * i) + random.uniform(-3.5, 3.5)
        else:
            radius = random.uniform(19.0, 26.0)
            x = width / 2 + random.uniform(-0.1, 0.1) * width
        style = STYLES[random.integers(len(STYLES))]
        aspect = random.uniform(1.15, 1.3)
        lowest = HAIR[style].top * radius * aspect / CHIN_V + 2
        middle = (0.5 if height < width else 0.44) * height
        y = max(lowest, middle + random.uniform(-0.07, 0.05) * height)
        head = _random_head(random, centre=(x, y), radius=radius, aspect=aspect, style=style)
        actors.append(_random_actor(random, replace(head, hair=HAIRS[colors[i]])))
    return Scene(room=_random_room(random, size), actors=tuple(actors))


def _random_head(
    random: np.random.Generator,
    *,
    centre: tuple[float, float],
    radius: float,
    aspect: float,
    style: HairStyle,
) -> Head:
    necklines = tuple(NECKLINES)
    return Head(
        centre=centre,
        radius=radius,
        aspect=aspect,
        hair_style=style,
        tilt=random.uniform(-3, 3),
        skin=_choose(random, SKINS),
        iris=_choose(random, EYES),
        lips=_choose(random, LIPS),
        shirt=_vivid(random, (0.25, 0.75), (0.45, 0.95)),
        neckline=necklines[random.integers(len(necklines))],
        smile=random.uniform(0.3, 0.9),
        gaze=(random.uniform(-0.5, 0.5), random.uniform(-0.2, 0.2)),
        lashes=random.uniform(0.0, 0.9),
    )


def _random_actor(random: np.random.Generator, head: Head) -> Actor:
    return Actor(
        head=head,
        bob=(random.uniform(0, 0.9), random.uniform(0.3, 1.5)),
        period=(random.uniform(2.5, 5.0), random.uniform(1.5, 4.0)),
        phase=(random.uniform(0, 2 * math.pi), random.uniform(0, 2 * math.pi)),
        sway=random.uniform(0, 1.5),
        blinks=(random.uniform(0, 3), random.uniform(1.4, 3.5)),
    )


def _choose(random: np.random.Generator, colors: Sequence[Color]) -> Color:
    """One of the colors, slightly changed."""
    red, green, blue = colors[random.integers(len(colors))]
    change = random.integers(-5, 6, 3)
    return (
        max(int(red + change[0]), 0),
        max(int(green + change[1]), 0),
        max(int(blue + change[2]), 0),
    )


def _vivid(
    random: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Color:
    rgb = colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))
    return round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])


def _random_room(random: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A wall and up to three things in front of it, slightly out of focus."""
    width, height = size
    top = _vivid(random, (0.05, 0.25), (0.82, 0.99))
    room = wall(width * SCALE, height * SCALE, top, mixed(top, (90, 80, 90), 0.22))
    pen = pixel_pen(room, scale=SCALE * ROOM_UNIT)
    wide, high = width / ROOM_UNIT, height / ROOM_UNIT
    for kind in random.permutation(5)[: random.integers(0, 4)]:
        _draw_thing(random, pen, int(kind), (wide, high))
    return room.filter(ImageFilter.GaussianBlur(2.2 * ROOM_UNIT * SCALE))


def _draw_thing(
    random: np.random.Generator, pen: Any, kind: int, room: tuple[float, float]
) -> None:
    """Draw one thing: window, framed picture, plant, lamp or shelf, at one of the two sides."""
    wide, high = room
    side = random.random() < 0.5
    near = random.uniform(0.02, 0.14) * wide

    def left(width: float) -> float:
        return near if side else wide - near - width

    hue = _vivid(random, (0.2, 0.6), (0.5, 0.9))
    wood = mixed((120, 76, 50), (240, 232, 220), random.random())
    if kind == 0:
        draw_window(
            pen, left(196), random.uniform(40, 110), 196, random.uniform(220, 290), (190, 168, 150)
        )
    elif kind == 1:
        draw_frame(pen, left(140), random.uniform(50, 130), 140, 180, wood=wood, hue=hue)
    elif kind == 2:
        draw_plant(pen, left(0), high + random.uniform(0, 30), random.uniform(230, 330), hue)
    elif kind == 3:
        draw_lamp(pen, random.uniform(0.4, 0.6) * wide, random.uniform(100, 170), 128, hue)
    else:
        books = tuple(_vivid(random, (0.2, 0.6), (0.5, 0.95)) for _ in range(6))
        draw_shelf(pen, left(158), random.uniform(150, 230), 158, wood=wood, books=books)
