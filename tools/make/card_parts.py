"""Parts of the templates' pictures: sound, scripts, boxes, badges; lengths in canvas pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from shapes import Color, mixed

SIDE = 768
"""Width and height of the canvas, twice those of a finished picture."""
SCENE = 576
"""Height of the scene; the strip with the sound lies below."""
STRIP: Color = (24, 26, 31)
DIM: Color = (74, 79, 90)
INK: Color = (236, 238, 242)
SOFT_INK: Color = (160, 167, 178)
FIRST: Color = (242, 105, 84)
SECOND: Color = (74, 148, 240)
COLORS = (FIRST, SECOND)
MARGIN = 28
BAR, GAP = 8, 5


@dataclass(frozen=True, kw_only=True)
class Track:
    """How loud a speaker is, and where in the picture's time we are."""

    levels: np.ndarray
    """One value in 0..1 per frame of the picture."""
    color: Color


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font (Aileron, in the public domain): the same on every machine."""
    return ImageFont.load_default(size)


def new_canvas(scene: Image.Image) -> Image.Image:
    """A canvas with the scene at the top and an empty strip below."""
    canvas = Image.new("RGB", (SIDE, SIDE), STRIP)
    canvas.paste(scene, (0, 0))
    return canvas


def draw_tracks(canvas: Image.Image, tracks: Sequence[Track], frame: int) -> None:
    """Bars of sound in the strip; what was heard already is in the speaker's color."""
    pen = ImageDraw.Draw(canvas)
    top, height = SCENE + 18, SIDE - SCENE - 36
    row = height / len(tracks)
    count = (SIDE - 2 * MARGIN) // (BAR + GAP)
    for number, track in enumerate(tracks):
        middle = top + row * (number + 0.5)
        places = np.linspace(0, len(track.levels) - 1, count)
        loud = np.interp(places, np.arange(len(track.levels)), track.levels)
        for i, level in enumerate(loud):
            half = max(3.0, level * (row / 2 - 6))
            x = MARGIN + i * (BAR + GAP)
            color = track.color if places[i] <= frame else mixed(track.color, STRIP, 0.72)
            pen.rounded_rectangle((x, middle - half, x + BAR, middle + half), 4, fill=color)


def draw_script(
    canvas: Image.Image, lines: Sequence[tuple[str, str]], active: int, share: float
) -> None:
    """Lines of a script; the active one is bright, as far as it is spoken."""
    pen = ImageDraw.Draw(canvas)
    size = 40
    row = (SIDE - SCENE) / len(lines)
    for number, (name, text) in enumerate(lines):
        color, y = COLORS[number % 2], SCENE + row * (number + 0.5)
        if number == active:
            box = (12, y - row / 2 + 10, SIDE - 12, y + row / 2 - 10)
            pen.rounded_rectangle(box, 16, fill=(44, 48, 57))
        pen.text((MARGIN, y), name, fill=color, font=font(size), anchor="lm", stroke_width=1)
        x = MARGIN + 130
        pen.text((x, y), text, fill=SOFT_INK, font=font(size), anchor="lm")
        spoken = text[: round(share * len(text))] if number == active else ""
        spoken = text if number < active else spoken
        pen.text((x, y), spoken, fill=INK, font=font(size), anchor="lm")


def draw_windows(canvas: Image.Image, share: float, *, count: int, words: str) -> None:
    """Windows of a long video, done from left to right, with a clock."""
    pen = ImageDraw.Draw(canvas)
    gap = 8
    wide = (SIDE - 2 * MARGIN + gap) / count - gap
    top, bottom = SCENE + 34, SCENE + 104
    for i in range(count):
        x = MARGIN + i * (wide + gap)
        done = min(1.0, max(0.0, share * count - i))
        pen.rounded_rectangle((x, top, x + wide, bottom), 8, fill=DIM)
        if done > 0:
            pen.rounded_rectangle((x, top, x + max(8, wide * done), bottom), 8, fill=FIRST)
    pen.text((MARGIN, SIDE - 44), words, fill=INK, font=font(38), anchor="lm")


def draw_number(canvas: Image.Image, at: tuple[float, float], number: int) -> None:
    """A round badge with the number of a speaker."""
    pen = ImageDraw.Draw(canvas)
    x, y = at
    pen.ellipse((x - 36, y - 36, x + 36, y + 36), fill=COLORS[number - 1])
    pen.text((x, y), str(number), fill=INK, font=font(48), anchor="mm", stroke_width=1)


def draw_box(canvas: Image.Image, box: Sequence[float], number: int, *, corners: bool) -> None:
    """A box around a person, whole or as corners only, with a number."""
    pen = ImageDraw.Draw(canvas)
    x, y, width, height = box
    color, thick = COLORS[number - 1], 8
    if corners:
        arm = 0.22 * width
        for left, down in ((True, False), (False, False), (True, True), (False, True)):
            cx, cy = (x if left else x + width), (y + height if down else y)
            ends = (cx + (arm if left else -arm), cy + (-arm if down else arm))
            pen.line([(ends[0], cy), (cx, cy), (cx, ends[1])], fill=color, width=thick)
    else:
        pen.rounded_rectangle((x, y, x + width, y + height), 14, outline=color, width=thick)
    draw_number(canvas, (x + width, y), number)


def draw_halves(canvas: Image.Image) -> None:
    """The left and the right half, each with its number."""
    pen = ImageDraw.Draw(canvas)
    for y in range(0, SCENE, 40):
        pen.rounded_rectangle((SIDE / 2 - 3, y, SIDE / 2 + 3, y + 22), 3, fill=INK)
    for number, x in ((1, SIDE / 2 - 64), (2, SIDE / 2 + 64)):
        draw_number(canvas, (x, SCENE - 60), number)


def draw_badge(canvas: Image.Image, words: str) -> None:
    """Words on a dark plate at the lower right of the scene."""
    pen = ImageDraw.Draw(canvas, "RGBA")
    width = pen.textlength(words, font=font(46)) + 52
    box = (SIDE - 24 - width, SCENE - 100, SIDE - 24, SCENE - 24)
    pen.rounded_rectangle(box, 20, fill=(*STRIP, 225))
    middle = (box[0] + width / 2, (box[1] + box[3]) / 2)
    pen.text(middle, words, fill=INK, font=font(46), anchor="mm", stroke_width=1)


def draw_gauge(canvas: Image.Image, words: str, share: float) -> None:
    """Used memory as a bar, in the strip."""
    pen = ImageDraw.Draw(canvas)
    top, bottom = SCENE + 38, SCENE + 98
    pen.rounded_rectangle((MARGIN, top, SIDE - MARGIN, bottom), 14, fill=DIM)
    right = MARGIN + (SIDE - 2 * MARGIN) * share
    pen.rounded_rectangle((MARGIN, top, right, bottom), 14, fill=(96, 190, 130))
    pen.text((MARGIN, SIDE - 48), words, fill=INK, font=font(38), anchor="lm")


def draw_film(canvas: Image.Image) -> None:
    """Perforated edges of a film, above and below the scene."""
    pen = ImageDraw.Draw(canvas)
    for top in (0, SCENE - 56):
        pen.rectangle((0, top, SIDE, top + 56), fill=STRIP)
        for x in range(20, SIDE, 64):
            pen.rounded_rectangle((x, top + 14, x + 36, top + 42), 8, fill=INK)


def draw_steps(canvas: Image.Image, done: int, *, count: int, words: str) -> None:
    """Steps of a run as dots, in the strip."""
    pen = ImageDraw.Draw(canvas)
    room = SIDE - 2 * MARGIN
    radius = min(30.0, room / count / 2 - 4)
    middle = SCENE + 68
    for i in range(count):
        x = MARGIN + room * (i + 0.5) / count
        color = FIRST if i < done else DIM
        pen.ellipse((x - radius, middle - radius, x + radius, middle + radius), fill=color)
    pen.text((MARGIN, SIDE - 44), words, fill=INK, font=font(38), anchor="lm")


def draw_coarse_half(canvas: Image.Image, *, cells: int) -> None:
    """The left half of the scene in coarse cells, for a comparison with the right half."""
    half = canvas.crop((0, 0, SIDE // 2, SCENE))
    small = half.resize((cells, cells * SCENE * 2 // SIDE), Image.Resampling.BOX)
    canvas.paste(small.resize(half.size, Image.Resampling.NEAREST), (0, 0))
    ImageDraw.Draw(canvas).rectangle((SIDE // 2 - 3, 0, SIDE // 2 + 3, SCENE), fill=INK)
