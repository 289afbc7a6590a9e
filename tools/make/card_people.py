"""People and rooms of the drawn cards on the templates page, in the units of the examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from examples import ANNA, DEPTH_BLUR, MIRA, TOM, draw_lounge, draw_study
from heads import Head, draw_head
from PIL import Image, ImageFilter
from scenery import draw_frame, draw_plant, draw_shelf, draw_window, pixel_pen, wall
from shapes import Color, Pen

UNITS = (960, 720)
"""Width and height of a card's scene."""
SCALE = 0.8
"""Canvas pixels per unit; a card's canvas is twice as large as the finished card."""
LEVELS = 8
"""Openings of a mouth that are drawn."""
WIDEST = 0.8

MIDDLE = (480.0, 330.0)
LEFT, RIGHT = (250.0, 350.0), (706.0, 346.0)
BOOKS: tuple[Color, ...] = ((82, 128, 138), (238, 196, 110), (206, 96, 84), (226, 220, 204))

JON = Head(
    centre=MIDDLE,
    radius=158.0,
    aspect=1.25,
    skin=(188, 128, 90),
    hair=(44, 32, 34),
    iris=(84, 58, 42),
    lips=(186, 96, 90),
    shirt=(66, 132, 118),
    hair_style="crop",
    neckline="collar",
    smile=0.7,
    lashes=0.1,
    teeth=True,
)
LENA = Head(
    centre=MIDDLE,
    radius=150.0,
    aspect=1.22,
    skin=(250, 219, 196),
    hair=(206, 164, 98),
    iris=(76, 118, 156),
    lips=(204, 92, 98),
    shirt=(112, 96, 150),
    hair_style="bun",
    neckline="scoop",
    smile=0.75,
    lashes=0.8,
    teeth=True,
)
RUBY = Head(
    centre=MIDDLE,
    radius=150.0,
    aspect=1.2,
    skin=(176, 116, 82),
    hair=(58, 38, 36),
    iris=(70, 50, 40),
    lips=(178, 74, 84),
    shirt=(232, 160, 70),
    hair_style="curls",
    neckline="crew",
    smile=0.8,
    lashes=0.8,
    teeth=True,
)
ANNA_HERE = replace(ANNA, centre=MIDDLE, radius=152.0, teeth=True)
TOM_HERE = replace(TOM, centre=MIDDLE, radius=156.0, tilt=0.0, gaze=(0.0, 0.0), teeth=True)
MIRA_HERE = replace(MIRA, centre=MIDDLE, radius=150.0, tilt=0.0, gaze=(0.0, 0.0), teeth=True)


def pair(left: Head, right: Head) -> tuple[Head, Head]:
    """Two heads side by side, turned a little to each other."""
    return (
        replace(left, centre=LEFT, radius=132.0, tilt=2.0, gaze=(0.35, 0.0), teeth=True),
        replace(right, centre=RIGHT, radius=134.0, tilt=-2.0, gaze=(-0.35, 0.0), teeth=True),
    )


def draw_office(pen: Pen) -> None:
    """Furnish a room with a shelf and a picture."""
    draw_shelf(pen, 40, 220, 170, wood=(166, 118, 84), books=BOOKS)
    draw_frame(pen, 752, 90, 140, 176, wood=(240, 236, 228), hue=(150, 120, 160))
    draw_plant(pen, 100, 740, 300, (226, 170, 120))


def draw_loft(pen: Pen) -> None:
    """Furnish a room with a wide window."""
    draw_window(pen, 610, 60, 290, 300, (170, 170, 190))
    draw_plant(pen, 130, 740, 330, (120, 140, 170))


@dataclass(frozen=True, kw_only=True)
class Room:
    """A wall and what stands before it."""

    wall: tuple[Color, Color]
    furnish: Callable[[Pen], None]


STUDY = Room(wall=((253, 240, 220), (236, 202, 170)), furnish=draw_study)
LOUNGE = Room(wall=((206, 226, 222), (150, 188, 190)), furnish=draw_lounge)
OFFICE = Room(wall=((232, 226, 240), (190, 180, 208)), furnish=draw_office)
LOFT = Room(wall=((220, 230, 240), (172, 188, 208)), furnish=draw_loft)


class Stage:
    """A room with people whose mouths can be set; equal pictures are drawn once."""

    def __init__(self, room: Room, people: Sequence[Head]) -> None:
        """Draw the room.

        Args:
            room: What is behind the people.
            people: From left to right, at most two.
        """
        size = (round(UNITS[0] * SCALE), round(UNITS[1] * SCALE))
        picture = wall(*size, *room.wall)
        room.furnish(pixel_pen(picture, scale=SCALE))
        self._room = picture.filter(ImageFilter.GaussianBlur(DEPTH_BLUR * SCALE))
        self._people = tuple(people)
        self._draw = lru_cache(maxsize=None)(self._draw_now)

    def frame(self, openings: Sequence[float], *, blink: bool = False) -> Image.Image:
        """RGB picture of 768 x 576 pixels.

        Args:
            openings: Mouth of each person, 0 to 1.
            blink: All eyes are shut.
        """
        return self._draw(tuple(round(opening * LEVELS) for opening in openings), blink).copy()

    def _draw_now(self, levels: tuple[int, ...], blink: bool) -> Image.Image:  # noqa: FBT001 - a key
        larger = 2
        picture = self._room.resize(
            (self._room.width * larger, self._room.height * larger), Image.Resampling.BICUBIC
        )
        for head, level in zip(self._people, levels, strict=True):
            mouth = max(0.04, WIDEST * level / LEVELS)
            shown = replace(head, mouth=mouth, blink=1.0 if blink else 0.0)
            draw_head(picture, shown, scale=SCALE * larger)
        return picture.reduce(larger)
