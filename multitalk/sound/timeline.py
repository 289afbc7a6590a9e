"""Pictures of the time line: who speaks when, in the colors of the who-is-who picture.

Below the voices stand the shots of a film, if there are cuts, and the scene, if there is one: which
picture is seen and which text counts when.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from einops import repeat
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..config import FRAME_RATE, MIN_LOUDNESS_S
from ..spans import PromptSpan
from ..speakers import COLORS
from .audio import Track, Tracks
from .levels import FLOOR_DB, find_speech, frame_levels
from .loudness import track_loudness

WIDTH_PX, HEIGHT_PX = 960, 320  # 3:1; the editor shows it 300 to 400 pixels wide under a node
NAMES_PX = 280  # column of names
MARGIN_PX = 20
AXIS_PX = 60
ROWS_PX = HEIGHT_PX - MARGIN_PX - AXIS_PX  # of all speakers together
BAR = 0.65  # height, share of a row
SOUND = 0.8  # height of a sound at full scale, share of a row
WORDS_PX = MARGIN_PX + 64  # where names begin
MIN_BAR_PX = 2
NAME_PX, SMALL_PX = 30, 23  # letters; names are smaller where rows are
STRIP_PX = 88  # of the scene, which makes the picture so much higher
SHOTS_PX = 52  # of the shots, likewise
MAX_STEPS = 6  # on the axis
SCALE = 2  # drawn larger and reduced, for smooth edges

BACKGROUND = (28, 30, 34)
ROW = (40, 43, 49)
GRID = (62, 66, 74)
INK = (228, 231, 235)
DIM_INK = (158, 164, 172)
DARK_INK = (20, 22, 26)
SCENE_COLORS = (112, 121, 134), (84, 92, 104)  # of texts in turn, and of shots
CUT_COLOR = (240, 242, 245)
BRIGHT = 135  # bars with a luma from here on carry dark words
QUIET = 0.4  # share of the speaker's color where nobody speaks

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Color = tuple[int, int, int]
Cuts = Sequence[int]  # first frames of the shots after the first

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_MAX_SHOWN = 200  # characters
_DRAWN = frozenset("\u2018\u2019\u201c\u201d\u2026")  # beyond ASCII, what Pillow's own font holds


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One turn on the time line."""

    speaker: int  # from 0
    start_s: float
    end_s: float
    text: str = ""  # the first words are written on the bar if there is room


def time_px(time_s: float, length_s: float) -> float:
    """Column of a time in the picture."""
    room = WIDTH_PX - NAMES_PX - MARGIN_PX
    return NAMES_PX + room * time_s / length_s if length_s > 0 else float(NAMES_PX)


def row_px(speaker: int, num_speakers: int) -> int:
    """Row of the middle of a speaker's bars, in pixels from the top."""
    return MARGIN_PX + ROWS_PX * (2 * speaker + 1) // (2 * num_speakers)


def axis_ticks(length_s: float) -> list[tuple[float, str]]:
    """Round times in seconds with their labels, at most 7 of them."""
    longest = _STEPS_S[-1] * (1 + int(length_s / (_STEPS_S[-1] * MAX_STEPS)))
    step = next((step for step in _STEPS_S if length_s <= step * MAX_STEPS), longest)
    times = [index * step for index in range(int(length_s / step + 1e-9) + 1)]
    return [(time_s, _clock(time_s, length_s)) for time_s in times]


def draw_timeline(
    names: Sequence[str], spans: Sequence[Span], length_s: float, scene: Sequence[PromptSpan] = ()
) -> Tensor:
    """Draw who speaks when, [HEIGHT_PX, WIDTH_PX, 3] float32 in 0..1; a scene adds `STRIP_PX`.

    A name that the font cannot write becomes "Speaker 1".
    """
    image, draw, font, small = _canvas(len(names), length_s, scene)
    for index, name in enumerate(names):
        room = NAMES_PX - WORDS_PX - 14
        shown = _shorten(_plain(name) or f"Speaker {index + 1}", font, room, whole_words=False)
        _write(draw, (WORDS_PX, row_px(index, len(names))), shown, font, INK, "lm")
    for span in spans:
        _draw_bar(draw, span, len(names), length_s, small)
    return _finish(image)


def draw_tracks(tracks: Tracks, scene: Sequence[PromptSpan] = (), cuts: Cuts = ()) -> Tensor:
    """Draw how loud every speaker is over time, bright where there is speech.

    A bar from the middle of the row up and down: nothing at -60 dB, the full height at 0 dB of
    full scale. Beside it the loudness and the time of speech. The shape is that of `draw_timeline`;
    `cuts`, the first frames of shots, add `SHOTS_PX`.
    """
    length_s = float(max(track.end_s for track in tracks.tracks))
    image, draw, _, _ = _canvas(len(tracks.tracks), length_s, scene, cuts)
    num_rows = len(tracks.tracks)
    for index, track in enumerate(tracks.tracks):
        levels = frame_levels(track, tracks.num_frames)
        speech = find_speech(levels)
        row = _Row(index, num_rows)
        _draw_sound(image, row, track, levels.numpy(), speech.numpy(), length_s)
        middle, apart = row_px(index, num_rows), row.height / 4
        speech_s = int(speech.sum()) / FRAME_RATE
        letters = _font(min(SMALL_PX, 0.45 * row.height))
        _write(draw, (WORDS_PX, middle - apart), _loudness_words(track), letters, INK, "lm")
        words = f"speech {_clock(speech_s, length_s)}"
        _write(draw, (WORDS_PX, middle + apart), words, letters, DIM_INK, "lm")
    _draw_cuts(draw, cuts, length_s, MARGIN_PX + ROWS_PX)
    return _finish(image)


def draw_scene(scene: Sequence[PromptSpan], length_s: float, cuts: Cuts = ()) -> Tensor:
    """Draw which text counts when, with no voices: [H, WIDTH_PX, 3] float32 in 0..1."""
    return _finish(_canvas(0, length_s, scene, cuts)[0])


def _canvas(
    num_rows: int, length_s: float, scene: Sequence[PromptSpan], cuts: Cuts = ()
) -> tuple[Image.Image, ImageDraw.ImageDraw, Font, Font]:
    """Rows, shots, scene and axis, and the fonts for names and for small words."""
    strip_px, rows_px = STRIP_PX if scene else 0, ROWS_PX if num_rows else 0
    top = MARGIN_PX + rows_px
    bottom = top + strip_px + (SHOTS_PX if cuts else 0)
    image = Image.new("RGB", (WIDTH_PX * SCALE, (bottom + AXIS_PX) * SCALE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    font, small = _font(min(NAME_PX, 0.7 * ROWS_PX / max(1, num_rows))), _font(SMALL_PX)
    for index in range(num_rows):
        _draw_row(draw, _Row(index, num_rows), font)
    if scene:
        _draw_band(draw, bottom - strip_px, bottom, "scene")
    _draw_axis(draw, length_s, small, bottom)
    if cuts:
        _draw_shots(draw, cuts, length_s, top)
    for index, line in enumerate(scene):
        _draw_line(draw, line, length_s, bottom, SCENE_COLORS[index % len(SCENE_COLORS)])
    return image, draw, font, small


def _draw_band(draw: ImageDraw.ImageDraw, top: int, bottom: int, name: str) -> None:
    """The room below the voices for what is seen or said, with its name."""
    _box(draw, (MARGIN_PX, top + 3, WIDTH_PX - MARGIN_PX, bottom - 3), ROW, 8)
    _write(draw, (MARGIN_PX + 14, (top + bottom) / 2), name, _font(NAME_PX), INK, "lm")


def _draw_shots(draw: ImageDraw.ImageDraw, cuts: Cuts, length_s: float, top: int) -> None:
    """Every shot with its number, from its cut to the next; none that begins after the sound."""
    _draw_band(draw, top, top + SHOTS_PX, "shots")
    begins = [0.0, *(cut / FRAME_RATE for cut in cuts if cut < length_s * FRAME_RATE)]
    for index, (start_s, end_s) in enumerate(zip(begins, [*begins[1:], length_s], strict=True)):
        left, right = time_px(start_s, length_s) + 1, time_px(end_s, length_s) - 1
        color, place = SCENE_COLORS[index % len(SCENE_COLORS)], (left + right) / 2
        if right > left:
            radius = min(8, (right - left) / 3)
            _box(draw, (left, top + 8, right, top + SHOTS_PX - 8), color, radius)
            shown = _shorten(str(index + 1), _font(SMALL_PX), right - left, whole_words=False)
            _write(draw, (place, top + SHOTS_PX / 2), shown, _font(SMALL_PX), _ink_on(color), "mm")


def _draw_cuts(draw: ImageDraw.ImageDraw, cuts: Cuts, length_s: float, bottom: int) -> None:
    """A line through the voices where the picture changes."""
    for cut in cuts:
        if cut < length_s * FRAME_RATE:
            x = time_px(cut / FRAME_RATE, length_s)
            _box(draw, (x - 1, MARGIN_PX + 3, x + 1, bottom), CUT_COLOR, 0)


def _font(height_px: float) -> Font:
    return ImageFont.load_default(round(height_px * SCALE))


@dataclass(frozen=True, slots=True)
class _Row:
    """One speaker's among so many."""

    index: int
    num_rows: int

    @property
    def height(self) -> float:
        return ROWS_PX / self.num_rows

    @property
    def middle(self) -> int:
        return row_px(self.index, self.num_rows)


def _finish(image: Image.Image) -> Tensor:
    """[H, W, 3] float32 in 0..1 of a canvas."""
    return torch.from_numpy(np.array(image.reduce(SCALE))).float() / 255


def _draw_row(draw: ImageDraw.ImageDraw, row: _Row, font: Font) -> None:
    """The band of a speaker, with the number."""
    middle, color = row.middle, COLORS[row.index % len(COLORS)]
    half, badge = row.height / 2 - 3, min(22, 0.42 * row.height)
    _box(draw, (MARGIN_PX, middle - half, WIDTH_PX - MARGIN_PX, middle + half), ROW, 8)
    center = MARGIN_PX + 32
    _box(draw, (center - badge, middle - badge, center + badge, middle + badge), color, 8)
    _write(draw, (center, middle), str(row.index + 1), font, _ink_on(color), "mm")


def _draw_axis(draw: ImageDraw.ImageDraw, length_s: float, font: Font, bottom: int) -> None:
    """Thin lines at round times, their labels below, and the length at the left."""
    label, free = bottom + AXIS_PX / 2 - 2, 0.0
    _write(draw, (MARGIN_PX + 10, label), f"length {_clock(length_s, length_s)}", font, INK, "lm")
    for time_s, shown in axis_ticks(length_s):
        x = time_px(time_s, length_s)
        draw.line(
            [round(p * SCALE) for p in (x, MARGIN_PX + 3, x, bottom - 3)], fill=GRID, width=SCALE
        )
        half = font.getlength(shown) / SCALE / 2
        middle = min(max(x, NAMES_PX + half - 4), WIDTH_PX - MARGIN_PX - half)
        if middle - half > free:  # the last one may be too near
            _write(draw, (middle, label), shown, font, DIM_INK, "mm")
            free = middle + half + 8


def _draw_bar(
    draw: ImageDraw.ImageDraw, span: Span, num_rows: int, length_s: float, font: Font
) -> None:
    """A turn, with its first words if they fit."""
    left, right = (time_px(time_s, length_s) for time_s in (span.start_s, span.end_s))
    right = max(right, left + MIN_BAR_PX)
    row, color = _Row(span.speaker, num_rows), COLORS[span.speaker % len(COLORS)]
    middle, half = row.middle, BAR * row.height / 2
    _box(draw, (left, middle - half, right, middle + half), color, min(8, (right - left) / 3))
    shown = _shorten(_plain(span.text), font, right - left - 20, whole_words=True)
    _write(draw, (left + 10, middle), shown, font, _ink_on(color), "lm")


def _draw_line(
    draw: ImageDraw.ImageDraw, line: PromptSpan, length_s: float, bottom: int, color: Color
) -> None:
    """A text of the scene, in two lines if it is long."""
    start_s, end_s = float(line.start_s), length_s
    if line.end_s is not None:
        end_s = min(float(line.end_s), length_s)
    if start_s >= end_s:
        return  # beyond the end
    left, right = time_px(start_s, length_s), time_px(end_s, length_s)
    half, middle, font = STRIP_PX / 2 - 9, bottom - STRIP_PX / 2, _font(SMALL_PX)
    _box(
        draw, (left + 1, middle - half, right - 1, middle + half), color, min(8, (right - left) / 3)
    )
    rows = _two_lines(_plain(line.text), font, right - left - 16)
    for index, shown in enumerate(rows):
        height = middle + (index - (len(rows) - 1) / 2) * 1.15 * SMALL_PX
        _write(draw, (left + 8, height), shown, font, _ink_on(color), "lm")


def _two_lines(text: str, font: Font, room_px: float) -> list[str]:
    """The beginning of a text in at most two lines of whole words."""
    words = text[:_MAX_SHOWN].split(" ")
    fitting = [
        num for num in range(1, len(words) + 1)
        if font.getlength(" ".join(words[:num])) <= room_px * SCALE
    ]  # fmt: skip
    if not fitting:
        return [_shorten(text, font, room_px, whole_words=False)]
    rest = " ".join(words[fitting[-1] :])
    more = _shorten(rest, font, room_px, whole_words=True) if rest else ""
    return [" ".join(words[: fitting[-1]]), *([more] if more else [])]


def _draw_sound(
    image: Image.Image,
    row: _Row,
    track: Track,
    levels: npt.NDArray[np.float32],
    speech: npt.NDArray[np.bool_],
    length_s: float,
) -> None:
    """A recording in its row; where it is silent, a thin line."""
    num_columns = (WIDTH_PX - NAMES_PX - MARGIN_PX) * SCALE
    heights, shares = _columns(levels, speech, num_columns, length_s)
    sound_px = round(SOUND * row.height)
    half = np.maximum((1 - heights / FLOOR_DB) * sound_px / 2, 0.5) * SCALE
    times = (np.arange(num_columns) + 0.5) * length_s / num_columns
    half[(times < float(track.start_s)) | (times > float(track.end_s))] = 0
    rows = np.abs(np.arange(sound_px * SCALE) + 0.5 - sound_px * SCALE / 2)
    mask = Image.fromarray((rows[:, None] < half).astype(np.uint8) * 255)
    bright, back = np.array(COLORS[row.index % len(COLORS)]), np.array(ROW)
    dim = back + (bright - back) * QUIET
    colors = np.round(dim + (bright - dim) * shares[:, None]).astype(np.uint8)
    bar = Image.fromarray(repeat(colors, "w rgb -> h w rgb", h=len(rows)))
    image.paste(bar, (NAMES_PX * SCALE, round((row.middle - sound_px / 2) * SCALE)), mask)


def _columns(
    levels: npt.NDArray[np.float32],
    speech: npt.NDArray[np.bool_],
    num_columns: int,
    length_s: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Level in dB and share of speech in every column, from those of every frame [F]."""
    per_column = length_s * FRAME_RATE / num_columns
    edges = np.arange(num_columns) * per_column
    first = np.minimum(edges.astype(np.int64), len(levels) - 1)
    if per_column <= 1:
        smooth = np.interp(edges + (per_column - 1) / 2, np.arange(len(levels)), levels)
        return smooth, speech[first].astype(np.float64)
    counts = np.diff(first, append=len(levels))
    # The loudest frame, so that short words are seen in an hour.
    return (
        np.maximum.reduceat(levels, first).astype(np.float64),
        np.add.reduceat(speech.astype(np.float64), first) / np.maximum(counts, 1),
    )


def _loudness_words(track: Track) -> str:
    """What is said of a recording's loudness."""
    waveform = track.sound.waveform
    loudness = track_loudness(waveform, track.sound.sample_rate)
    if loudness is None:
        return f"below {MIN_LOUDNESS_S:g} s" if waveform.any() else "silent"
    lowest, highest = waveform.aminmax()
    clips = max(-float(lowest), float(highest)) > 1  # is cut off when it is saved
    return f"{loudness:.1f} LUFS{', clips' if clips else ''}"


def _box(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], color: Color, radius: float
) -> None:
    left, top, right, bottom = (round(edge * SCALE) for edge in box)
    # Pillow draws the last row and column too.
    draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius * SCALE, fill=color)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: Font,
    color: Color,
    anchor: str,
) -> None:
    if text:
        x, y = (value * SCALE for value in place)
        draw.text((x, y), text, font=font, fill=color, anchor=anchor)


def _ink_on(color: Color) -> Color:
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return DARK_INK if luma >= BRIGHT else (255, 255, 255)


def _plain(text: str) -> str:
    """Text as the font can write it: accents off; empty if a letter or digit would be missing."""
    # No more than can be shown: to put many accents in order takes the square of their number.
    folded = unicodedata.normalize("NFKD", text[: 2 * _MAX_SHOWN])
    kept = [c for c in folded if not unicodedata.combining(c)]
    if any(c.isalnum() and not c.isascii() for c in kept):
        return ""
    shown = "".join(c for c in kept if c.isspace() or c in _DRAWN or (c.isascii() and c > " "))
    return " ".join(shown.split())


def _shorten(text: str, font: Font, room_px: float, *, whole_words: bool) -> str:
    """The beginning of a text that fits, with three dots if something is left out."""
    room, text = room_px * SCALE, text[:_MAX_SHOWN]
    if font.getlength(text) <= room:
        return text
    parts = text.split(" ") if whole_words else list(text)
    joint = " " if whole_words else ""
    for count in range(len(parts) - 1, 0, -1):
        shown = joint.join(parts[:count]).rstrip(" ,.;:") + "..."
        if font.getlength(shown) <= room:
            return shown
    return ""


def _clock(time_s: float, length_s: float) -> str:
    """A time as people read it; minutes if the whole has them."""
    if length_s < 60:
        return f"{round(time_s, 1):g} s"
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
