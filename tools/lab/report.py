"""Results of the laboratory for people: a table, curves and contact sheets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pack.multitalk.config import FRAME_RATE
from pack.tools.lab.measures import Take, bind, mouth_scales

EVERY = 4
"""Frames from one column of the contact sheet to the next."""
LONG_EVERY = 3 * FRAME_RATE
LONG_COLUMNS = 7
SCALE = 2
CAPTION_PX = 16
MARGIN_PX = 6
COLORS = ("tab:blue", "tab:orange")
PLOT_COLUMNS = 4


def table(numbers: Mapping[str, float]) -> str:
    """Markdown table of the numbers."""
    rows = [f"| {name} | {value:.4g} |" for name, value in numbers.items()]
    return "\n".join(["| what | value |", "|---|---|", *rows])


def caption(take: Take) -> str:
    """Name of a clip and r of its faces; `-` where nothing is said."""
    rs = np.diag(bind(take.mouths, take.clip.openings))
    return f"{take.clip.name}: r " + " ".join("-" if np.isnan(r) else f"{r:.2f}" for r in rs)


def draw_curves(takes: Sequence[Take], path: Path) -> None:
    """Plot read against true openings, a panel per clip.

    Args:
        takes: The videos.
        path: PNG to write.
    """
    from matplotlib.figure import Figure

    rows = math.ceil(len(takes) / PLOT_COLUMNS)
    figure = Figure(figsize=(4 * PLOT_COLUMNS, 2.2 * rows), layout="constrained")
    panels = list(figure.subplots(rows, PLOT_COLUMNS, squeeze=False).flat)
    for panel, take in zip(panels, takes, strict=False):
        seconds = np.arange(take.clip.num_frames) / FRAME_RATE
        read = take.mouths / mouth_scales(take.clip)[:, -1:]
        for i, (truth, mouth) in enumerate(zip(take.clip.openings, read, strict=True)):
            floor = -1.2 * i  # the right face below the left one
            panel.fill_between(seconds, floor, floor + truth, color="0.85")
            panel.plot(seconds, floor + mouth, color=COLORS[i], linewidth=1)
        panel.set_title(caption(take), fontsize=9)
        panel.set_yticks([])
    for panel in panels[len(takes) :]:
        panel.set_axis_off()
    figure.supxlabel("seconds; grey: true opening, lines: read from the video (left face above)")
    figure.savefig(path, dpi=100)


def draw_sheet(films: Sequence[Take], takes: Sequence[Take], path: Path) -> None:
    """Draw a contact sheet: a row per clip, the drawn film above the video.

    Args:
        films: The drawn films.
        takes: The videos of the same clips.
        path: PNG to write.
    """
    rows = []
    for film, take in zip(films, takes, strict=True):
        strips = [np.hstack(list(each.frames[::EVERY])) for each in (film, take)]
        rows.append(_captioned(np.vstack(strips), caption(take)))
    _stack(rows).save(path, optimize=True)


def draw_long_sheet(take: Take, path: Path) -> None:
    """Draw a contact sheet of a long video: the picture, then a frame every three seconds.

    Args:
        take: The video.
        path: PNG to write.
    """
    numbers = range(LONG_EVERY - 1, len(take.frames), LONG_EVERY)
    cells = [_captioned(take.clip.picture, "picture")]
    cells += [_captioned(take.frames[n], f"{(n + 1) / FRAME_RATE:g} s") for n in numbers]
    width, height = cells[0].size
    rows = math.ceil(len(cells) / LONG_COLUMNS)
    sheet = Image.new("RGB", (width * LONG_COLUMNS, height * rows), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % LONG_COLUMNS * width, i // LONG_COLUMNS * height))
    sheet.save(path, optimize=True)


def _captioned(frame: np.ndarray, text: str) -> Image.Image:
    """A frame or strip [H, W, 3], enlarged, with a line of text above it."""
    height, width = SCALE * frame.shape[0], SCALE * frame.shape[1]
    picture = Image.new("RGB", (width + MARGIN_PX, height + CAPTION_PX + MARGIN_PX), "white")
    enlarged = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
    picture.paste(enlarged, (0, CAPTION_PX))
    font = ImageFont.load_default(CAPTION_PX - 4)
    ImageDraw.Draw(picture).text((2, 0), text, fill="black", font=font)
    return picture


def _stack(rows: Sequence[Image.Image]) -> Image.Image:
    """Pictures below one another."""
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
