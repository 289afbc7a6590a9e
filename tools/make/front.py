"""Draws icon and banner for the registry's page: `python tools/make/front.py` -> assets/front.

The registry takes an icon of at most 400 x 400 pixels and a banner of 21 : 9, as PNG, JPG, GIF or
SVG behind an address (docs.comfy.org, registry, specifications).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from card_parts import COLORS, INK, STRIP, font
from card_people import ANNA_HERE, BOOKS, JON, LOUNGE, MIRA_HERE, STUDY, TOM_HERE
from examples import DEPTH_BLUR
from heads import Head, draw_head
from PIL import Image, ImageDraw, ImageFilter
from scenery import draw_frame, draw_lamp, draw_plant, draw_shelf, pixel_pen, wall
from shapes import Color, Pen, mixed

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "front"
ICON_SIDE = 400
BANNER = (1680, 720)
LARGER = 2
WAVE = (0.25, 0.5, 0.85, 0.6, 1.0, 0.7, 0.4, 0.8, 0.55, 0.3, 0.15)
TITLE = "MultiTalk"
WORDS = "Pictures that talk: one face or a conversation, as long as the sound"


def draw_wave(
    canvas: Image.Image, box: tuple[float, float, float, float], color: Color, *, repeats: int
) -> None:
    """Bars of sound in a box: left, top, right, bottom."""
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = box
    levels = WAVE * repeats
    step = (right - left) / len(levels)
    middle = (top + bottom) / 2
    for number, level in enumerate(levels):
        half = level * (bottom - top) / 2
        x = left + number * step
        pen.rounded_rectangle(
            (x, middle - half, x + 0.58 * step, middle + half), 0.29 * step, fill=color
        )


def draw_icon() -> Image.Image:
    """A talking head over its sound, with round corners."""
    side = ICON_SIDE * LARGER
    canvas = wall(side, side, *STUDY.wall)
    head = replace(ANNA_HERE, centre=(200.0, 158.0), radius=82.0, mouth=0.62, smile=0.7)
    draw_head(canvas, head, scale=LARGER)
    ImageDraw.Draw(canvas).rectangle((0, 0.8 * side, side, side), fill=STRIP)
    draw_wave(canvas, (0.11 * side, 0.83 * side, 0.925 * side, 0.97 * side), COLORS[0], repeats=1)
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side - 1, side - 1), side // 6, fill=255)
    canvas.putalpha(mask)
    return canvas.reduce(LARGER)


def place(head: Head, x: float, mouth: float) -> Head:
    """A head on the banner, looking to the middle."""
    look = 0.4 if x < BANNER[0] / 2 else -0.4
    return replace(head, centre=(x, 300.0), radius=120.0, mouth=max(0.03, mouth), gaze=(look, 0.0))


def furnish(pen: Pen) -> None:
    """A wide room: shelf, lamps, plants, picture."""
    draw_shelf(pen, 330, 190, 160, wood=(166, 118, 84), books=BOOKS)
    draw_lamp(pen, 840, 130, 150, (228, 106, 84))
    draw_plant(pen, 410, 560, 230, (236, 226, 210))
    draw_plant(pen, 1266, 560, 250, (208, 110, 80))
    draw_frame(pen, 1210, 80, 112, 140, wood=(240, 236, 228), hue=(96, 146, 138))


def draw_banner() -> Image.Image:
    """Four people in a room, two of them talking, over their sound."""
    width, height = (side * LARGER for side in BANNER)
    canvas = wall(width, height, *LOUNGE.wall)
    furnish(pixel_pen(canvas, scale=LARGER))
    canvas = canvas.filter(ImageFilter.GaussianBlur(DEPTH_BLUR * LARGER))
    people = ((MIRA_HERE, 200, 0.0), (JON, 620, 0.7), (ANNA_HERE, 1060, 0.4), (TOM_HERE, 1480, 0.0))
    for head, x, mouth in people:
        draw_head(canvas, place(head, float(x), mouth), scale=LARGER)
    pen = ImageDraw.Draw(canvas)
    top = 520 * LARGER
    pen.rectangle((0, top, width, height), fill=STRIP)
    pen.text((80 * LARGER, top + 74 * LARGER), TITLE, fill=INK, font=font(92 * LARGER), anchor="lm")
    words = (82 * LARGER, top + 148 * LARGER)
    pen.text(words, WORDS, fill=mixed(INK, STRIP, 0.3), font=font(34 * LARGER), anchor="lm")
    box = (1230 * LARGER, top + 24 * LARGER, 1600 * LARGER, top + 92 * LARGER)
    draw_wave(canvas, box, COLORS[0], repeats=2)
    box = (1230 * LARGER, top + 108 * LARGER, 1600 * LARGER, top + 176 * LARGER)
    draw_wave(canvas, box, COLORS[1], repeats=2)
    return canvas.reduce(LARGER)


def main() -> None:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    draw_icon().save(FOLDER / "icon.png", optimize=True)
    draw_banner().save(FOLDER / "banner.jpg", quality=86, optimize=True, progressive=True)
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
