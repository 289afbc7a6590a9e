"""Draws and speaks the project's own examples: `python tools/make/examples.py` -> assets/examples.

The pictures need Pillow, the voices espeak-ng (only here: the results are committed). The same
versions give the same files. Everything made here is the project's own work, under its licence.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from heads import Head, draw_head, head_box
from PIL import Image, ImageFilter
from scenery import draw_frame, draw_lamp, draw_plant, draw_shelf, draw_window, pixel_pen, wall
from shapes import Pen

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
WIDTH, HEIGHT = 960, 640
SCALE = 4
DEPTH_BLUR = 2.2
"""Blur of the room in finished pixels, so that the heads stand out."""
PEAK = 0.7
EDGE_SILENCE_S = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """One spoken example."""

    file: str
    """File name."""
    voice: str
    """Voice of espeak-ng."""
    speed: int
    """Words per minute."""
    pitch: int
    """Pitch of espeak-ng, 0 to 99."""
    text: str
    """Words to say."""


SPEECHES = (
    Speech(
        file="voice_1.flac",
        voice="en-us+f2",
        speed=162,
        pitch=50,
        text="Hello! I was only a drawing. Now I talk, and my lips follow every word.",
    ),
    Speech(
        file="voice_2.flac",
        voice="en-gb+m3",
        speed=146,
        pitch=42,
        text="And I am the second voice. We share one picture.",
    ),
)

ANNA = Head(
    centre=(480.0, 298.0),
    radius=148.0,
    aspect=1.23,
    skin=(247, 208, 180),
    hair=(116, 62, 40),
    iris=(78, 124, 108),
    lips=(206, 92, 94),
    shirt=(226, 122, 92),
    hair_style="long",
    neckline="scoop",
    mouth=0.05,
    smile=0.75,
    lashes=0.8,
)
MIRA = Head(
    centre=(258.0, 306.0),
    radius=136.0,
    aspect=1.22,
    tilt=2.0,
    skin=(236, 184, 144),
    hair=(50, 36, 44),
    iris=(96, 66, 46),
    lips=(200, 84, 92),
    shirt=(238, 186, 84),
    hair_style="bob",
    neckline="crew",
    mouth=0.05,
    smile=0.75,
    gaze=(0.35, 0.0),
    lashes=0.8,
)
TOM = Head(
    centre=(702.0, 302.0),
    radius=140.0,
    aspect=1.25,
    tilt=-2.0,
    skin=(250, 214, 188),
    hair=(178, 112, 58),
    iris=(76, 118, 156),
    lips=(212, 134, 118),
    shirt=(62, 104, 150),
    hair_style="crop",
    neckline="collar",
    mouth=0.03,
    smile=0.8,
    gaze=(-0.35, 0.0),
    lashes=0.1,
)


def draw_study(pen: Pen) -> None:
    """Furnish the bright room of the single speaker."""
    draw_window(pen, 58, 70, 196, 270, (206, 172, 142))
    draw_frame(pen, 722, 84, 150, 186, wood=(176, 122, 84), hue=(110, 152, 168))
    draw_plant(pen, 838, 660, 300, (208, 110, 80))


def draw_lounge(pen: Pen) -> None:
    """Furnish the room of the two speakers."""
    draw_lamp(pen, 480, 138, 128, (228, 106, 84))
    books = (
        (206, 96, 84),
        (238, 196, 110),
        (82, 128, 138),
        (226, 220, 204),
        (120, 104, 140),
        (214, 140, 90),
    )
    draw_shelf(pen, 20, 156, 158, wood=(166, 118, 84), books=books)
    draw_frame(pen, 836, 60, 104, 134, wood=(240, 236, 228), hue=(96, 146, 138))
    draw_plant(pen, 484, 664, 250, (236, 226, 210))


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One example picture and what is said in it."""

    picture: str
    """File name."""
    wall: tuple[tuple[int, int, int], tuple[int, int, int]]
    """Colours of the wall, upper left and lower right."""
    furnish: Callable[[Pen], None]
    """Draws the room."""
    heads: Sequence[Head]
    """Speakers from left to right."""


SCENES = {
    "one_speaker": Scene(
        picture="one_speaker.png",
        wall=((253, 240, 220), (236, 202, 170)),
        furnish=draw_study,
        heads=(ANNA,),
    ),
    "two_speakers": Scene(
        picture="two_speakers.png",
        wall=((206, 226, 222), (150, 188, 190)),
        furnish=draw_lounge,
        heads=(MIRA, TOM),
    ),
}


def draw_scene(scene: Scene) -> Image.Image:
    """RGB picture of a scene in its finished size."""
    room = wall(WIDTH * SCALE, HEIGHT * SCALE, *scene.wall)
    scene.furnish(pixel_pen(room, scale=SCALE))
    picture = room.filter(ImageFilter.GaussianBlur(DEPTH_BLUR * SCALE))
    for head in scene.heads:
        draw_head(picture, head, scale=SCALE)
    return picture.reduce(SCALE)


def speak(speech: Speech) -> tuple[np.ndarray, int]:
    """Waveform [A] in [-1, 1] and its sample rate, trimmed, with a little silence at both ends."""
    import soundfile

    command = ["espeak-ng", "-v", speech.voice, "-s", str(speech.speed), "-p", str(speech.pitch)]
    spoken = subprocess.run(
        [*command, "--stdout", speech.text], check=True, capture_output=True
    ).stdout
    waveform, sample_rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    loud = np.flatnonzero(np.abs(waveform) > 0.01)
    margin = np.zeros(round(EDGE_SILENCE_S * sample_rate), np.float32)
    waveform = np.concatenate((margin, waveform[loud[0] : loud[-1] + 1], margin))
    return waveform * (PEAK / np.abs(waveform).max()), sample_rate


def main() -> None:
    """Write pictures, voices and their list."""
    import soundfile

    if shutil.which("espeak-ng") is None:
        raise SystemExit(
            "espeak-ng is not installed; it speaks the examples (apt install espeak-ng)."
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    scenes = {}
    for name, scene in SCENES.items():
        draw_scene(scene).save(FOLDER / scene.picture, optimize=True)
        voices = [speech.file for speech in SPEECHES[: len(scene.heads)]]
        boxes = [list(head_box(head)) for head in scene.heads]
        scenes[name] = {"picture": scene.picture, "voices": voices, "boxes": boxes}
    (FOLDER / "scenes.json").write_text(json.dumps(scenes, indent=2) + "\n", encoding="utf-8")
    for speech in SPEECHES:
        waveform, sample_rate = speak(speech)
        target = FOLDER / speech.file
        soundfile.write(target, waveform, sample_rate, subtype="PCM_16", compression_level=1.0)
        print(f"{speech.file}: {len(waveform) / sample_rate:.2f} s at {sample_rate} Hz")
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
