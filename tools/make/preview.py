"""A film as pictures for a page: `python tools/make/preview.py FILM.mp4 FOLDER [--name NAME]`.

Writes NAME.webp, an animation at half the frame rate, and NAME.jpg, a contact sheet. The demo does
this with `python dev.py demo --preview FOLDER`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

ENLARGED = 2
STEP = 2
"""Every second frame is in the animation."""
QUALITY = 72
SHEET = (6, 4)
"""Columns and rows of the contact sheet."""


def read_film(path: Path) -> tuple[list[Image.Image], float]:
    """All frames of a film and how many there are per second."""
    import av

    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        rate = stream.average_rate
        assert rate is not None
        return [frame.to_image() for frame in film.decode(stream)], float(rate)


def enlarge(frame: Image.Image, times: int) -> Image.Image:
    """The frame several times as large."""
    return frame.resize((frame.width * times, frame.height * times), Image.Resampling.LANCZOS)


def write_animation(frames: list[Image.Image], rate: float, path: Path) -> None:
    """Animated WebP without sound."""
    shown = [enlarge(frame, ENLARGED) for frame in frames[::STEP]]
    shown[0].save(
        path,
        save_all=True,
        append_images=shown[1:],
        duration=round(1000 * STEP / rate),
        loop=0,
        quality=QUALITY,
        method=6,
        kmin=0,  # only the first frame is whole
        kmax=0,
    )


def write_sheet(frames: list[Image.Image], path: Path) -> None:
    """Frames at equal distances, from left to right and down."""
    columns, rows = SHEET
    count = columns * rows
    picked = [frames[i * (len(frames) - 1) // (count - 1)] for i in range(count)]
    width, height = (side * ENLARGED for side in frames[0].size)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, frame in enumerate(picked):
        at = (i % columns * width, i // columns * height)
        sheet.paste(enlarge(frame, ENLARGED), at)
    sheet.save(path, quality=88)


def main() -> None:
    """Write both pictures and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="preview")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    frames, rate = read_film(options.film)
    animation, sheet = (options.folder / f"{options.name}.{kind}" for kind in ("webp", "jpg"))
    write_animation(frames, rate, animation)
    write_sheet(frames, sheet)
    print(animation)
    print(sheet)


if __name__ == "__main__":
    main()
