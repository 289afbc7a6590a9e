"""Write the pictures of the templates page: `python tools/make/template_pictures.py [NAMES]`.

The cards of the released models are drawn here (tools/make/cards.py). Those of the toy are made
from its videos, one folder per graph with an mp4 in it, made before by

    python dev.py run toy_one_speaker --output FILMS/toy_one_speaker

and given as `--films FILMS`. The page asks for NAME.jpg and nothing else, and browsers look at what
is inside: so the files are moving WebP pictures with that ending.
"""

from __future__ import annotations

import argparse
import io
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack
sys.dont_write_bytecode = True

MOST_BYTES = 60_000
FEWER_BYTES = 22_000
FEW_FRAMES = 32
FEW = (
    *("toy_still", "toy_dub", "multitalk_still", "infinitetalk_dub_mouth"),
    *("toy_continue", "toy_first_look", "toy_smooth", "multitalk_first_look"),
)
"""Later ones, which the size of the pack leaves less room: fewer frames, and coarser."""
PIXELS = 320
"""Along an edge: as large as the page shows a picture."""
ALONE = (
    *("toy_one_speaker", "toy_long_video", "toy_scene", "toy_shots", "toy_still", "toy_dub"),
    *("toy_continue", "toy_first_look", "toy_smooth"),
)
STEP = 2  # every second frame of a film
RATE_HZ = 16_000


def opening(waveform: np.ndarray, rate: int) -> np.ndarray:
    """How far a mouth is open while this is said, [F] in 0..1 at 12.5 per second."""
    import librosa

    from pack.multitalk.config import FRAME_RATE
    from pack.tools.toy.speech import opening_curve

    heard = librosa.resample(waveform, orig_sr=rate, target_sr=RATE_HZ)
    return opening_curve(heard, int(len(heard) / RATE_HZ * FRAME_RATE))[::STEP]


def example_voices() -> list[np.ndarray]:
    """Mouth curves of the two example voices."""
    import soundfile

    files = (ROOT / "assets" / "examples" / f"voice_{number}.flac" for number in (1, 2))
    return [opening(*soundfile.read(file, dtype="float32")) for file in files]


def read_film(path: Path) -> tuple[list[Any], np.ndarray]:
    """Every second frame of a film, and how loud it is then, [F] in 0..1."""
    import av

    with av.open(str(path)) as film:
        pictures = [frame.to_image() for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        rate = film.streams.audio[0].rate
        sound = [frame.to_ndarray().mean(axis=0) for frame in film.decode(audio=0)]
    curve = opening(np.concatenate(sound), rate)
    count = min(len(pictures[::STEP]), len(curve))
    return pictures[::STEP][:count], curve[:count]


def second_begins(curve: np.ndarray) -> int:
    """Frame of the quietest place in the middle of a mix of two who talk in turn."""
    count = len(curve)
    quiet = [float(curve[max(0, i - 2) : i + 3].mean()) for i in range(count)]
    return min(range(count // 4, 3 * count // 4), key=lambda i: quiet[i])


def piece(
    film: list[Any], curve: np.ndarray, change: int | None, frames: int
) -> tuple[list[Any], list[np.ndarray]]:
    """A piece of a film, and how loud every speaker is in it.

    Args:
        film: All frames.
        curve: How loud all speakers together are in each.
        change: Frame in which the second one begins; None: there is only one.
        frames: Wanted, the change in the middle of them.
    """
    if change is None:
        return film[:frames], [curve[:frames]]
    start = max(0, change - frames // 2)
    part = curve[start : start + frames]
    first, second = part.copy(), part.copy()
    first[change - start :] = 0
    second[: change - start] = 0
    return film[start : start + frames], [first, second]


def encode(frames: list[Any], rate: float, most: int = MOST_BYTES) -> bytes:
    """A moving WebP picture of at most so many bytes, if that can be."""
    from PIL import Image

    frames = [frame.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS) for frame in frames]
    data = b""
    for quality in (74, 60, 50, 40, 30, 22, 16, 10, 5, 1):
        buffer = io.BytesIO()
        frames[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=round(1000 / rate),
            loop=0,
            quality=quality,
            method=6,
        )
        data = buffer.getvalue()
        if len(data) <= most:
            break
    return data


def main() -> None:
    """Draw and write."""
    from cards import CARDS, NUM_FRAMES, TOY_BEN_BEGINS, TOYS, draw_card, draw_result
    from graph_index import FILES, template_picture

    parser = argparse.ArgumentParser(description="Write the pictures of the templates page.")
    parser.add_argument("names", nargs="*", help="names of graphs, toy_one_speaker; default: all")
    parser.add_argument("--films", type=Path, help="folder with the toy's videos")
    options = parser.parse_args()
    voices = example_voices()
    for name in options.names or FILES:
        if name in CARDS:
            frames = draw_card(CARDS[name], voices)
        elif options.films is None:
            print(f"{name}: left as it is; it needs --films")
            continue
        else:
            (path,) = (options.films / name).glob("*.mp4")
            film, curve = read_film(path)
            change = TOY_BEN_BEGINS if name == "toy_dialogue" else second_begins(curve)
            alone = name in ALONE
            if name == "toy_end_image":
                film, levels = film[-NUM_FRAMES:], [curve[-NUM_FRAMES:]]
            else:
                film, levels = piece(film, curve, None if alone else change, NUM_FRAMES)
            if name == "toy_still":
                levels = [*levels, levels[0] * 0]
            if name == "toy_smooth":  # of 50 frames per second
                film = film[::2]
                levels = [level[: len(film)] for level in levels]
            if len(film) < FEW_FRAMES:  # of a first look
                film, levels = 3 * film, [np.tile(level, 3) for level in levels]
            if name in ("toy_dub", "toy_smooth"):  # the crop is that of the toy's other videos
                film = [frame.resize((144, 96)) for frame in film]
            frames = draw_result(film, TOYS[name], levels)
        few = name in FEW
        frames = frames[:FEW_FRAMES] if few else frames
        data = encode(frames, 25 / STEP, FEWER_BYTES if few else MOST_BYTES)
        template_picture(name).write_bytes(data)
        print(f"{name}: {len(frames)} frames, {len(data) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
