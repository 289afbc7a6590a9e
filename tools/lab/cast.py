"""Held-out clips: faces and voices that the training never saw, and what is true about them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from pack.multitalk.config import SAMPLES_PER_FRAME
from pack.tools.toy.clips import SHUT, WINDOW
from pack.tools.toy.speech import FADE_SAMPLES, opening_curve
from pack.tools.toy.world import TALL, WIDE, Scene, mouth_area, random_scene

Kind = Literal["one_face", "turns", "listener", "together"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TWO_FACES = KINDS[1:]

VOICES = Path(__file__).with_name("voices")
SEED = 7_340_033
"""First number of every seed here; training draws its scenes from [0, number]."""
TALL_EVERY = 4
LIVELY = 0.12
"""Standard deviation of the opening that a piece of speech needs."""
SHORT_TURNS = (15, 16)
SHORT_GAP = (2, 3)
"""Frames, lowest and one above the highest: two turns fill a window of 33."""
LONG_TURNS = (60, 110)
LONG_GAP = (5, 13)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What one person says, and when it begins."""

    waveform: np.ndarray
    """[A] float32 at 16 kHz, whole frames."""
    start: int
    """Frame of its beginning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """What one clip shows and what is heard in it."""

    name: str
    kind: Kind
    scene: Scene
    lines: tuple[Line, ...]
    """One per person, from left to right."""
    num_frames: int

    @property
    def picture(self) -> np.ndarray:
        """The picture that begins to talk, [H, W, 3] uint8, mouths shut."""
        return self.scene.frame(0, [SHUT] * len(self.lines))

    @property
    def tracks(self) -> np.ndarray:
        """Everybody's sound over the whole clip, [S, A] at 16 kHz."""
        tracks = np.zeros((len(self.lines), self.num_frames * SAMPLES_PER_FRAME), np.float32)
        for track, line in zip(tracks, self.lines, strict=True):
            begin = line.start * SAMPLES_PER_FRAME
            track[begin : begin + len(line.waveform)] = line.waveform
        return tracks

    @property
    def openings(self) -> np.ndarray:
        """True mouths, [S, F] in 0..1."""
        return np.stack([opening_curve(track, self.num_frames) for track in self.tracks])

    @property
    def film(self) -> np.ndarray:
        """The film as it should be, drawn: [F, H, W, 3] uint8."""
        return self.scene.film(self.openings)

    @property
    def areas(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each mouth."""
        return [mouth_area(actor.head) for actor in self.scene.actors]


@functools.cache
def load_voices() -> tuple[np.ndarray, ...]:
    """Read the voices.

    Returns:
        16 tracks of speech with pauses, each [A] float32 at 16 kHz.
    """
    import soundfile

    paths = sorted(VOICES.glob("*.flac"))
    return tuple(soundfile.read(path, dtype="float32")[0] for path in paths)


def make_cast(num_clips: int) -> list[Clip]:
    """A third of one face; of the others half take turns, the rest listen or talk together.

    Args:
        num_clips: How many clips; the first of each kind are always the same.

    Returns:
        Clips of one window.
    """
    order: tuple[Kind, ...] = ("one_face", "turns", "listener", "one_face", "turns", "together")
    kinds = [order[number % len(order)] for number in range(num_clips)]
    return [make_clip(kind, kinds[:number].count(kind)) for number, kind in enumerate(kinds)]


def make_clip(kind: Kind, number: int) -> Clip:
    """One clip of one window.

    Args:
        kind: Who is seen and who talks.
        number: Which of its kind.

    Returns:
        The clip; the same arguments always give the same one.
    """
    random = np.random.default_rng([SEED, KINDS.index(kind), number])
    voices = load_voices()
    first, second = (voices[i] for i in random.choice(len(voices), 2, replace=False))
    if kind == "turns":
        lines = converse(
            random, (first, second), num_frames=WINDOW, turn=SHORT_TURNS, gap=SHORT_GAP
        )
    else:
        lines = [Line(waveform=speak(random, first, WINDOW), start=0)]
    if kind == "together":
        lines.append(Line(waveform=speak(random, second, WINDOW), start=0))
    elif kind == "listener":
        lines.append(Line(waveform=np.zeros_like(lines[0].waveform), start=0))
        lines = lines[:: 1 if number % 2 else -1]
    size = TALL if kind == "one_face" and number % TALL_EVERY == 1 else WIDE
    scene = random_scene(random, people=len(lines), size=size)
    return Clip(
        name=f"{kind}_{number}", kind=kind, scene=scene, lines=tuple(lines), num_frames=WINDOW
    )


def make_dialogue(num_frames: int, *, number: int = 0) -> Clip:
    """Two people in turn for a long time.

    Args:
        num_frames: Length; 80 or more, so that both get their turn.
        number: Which dialogue.

    Returns:
        The clip.
    """
    random = np.random.default_rng([SEED, len(KINDS), number])
    voices = load_voices()
    pair = [voices[i] for i in random.choice(len(voices), 2, replace=False)]
    scene = random_scene(random, people=2, size=WIDE)
    above = min(LONG_TURNS[1], num_frames // 2)
    turn = (min(LONG_TURNS[0], above - 8), above)
    lines = converse(random, pair, num_frames=num_frames, turn=turn, gap=LONG_GAP)
    name = f"dialogue_{number}"
    return Clip(name=name, kind="turns", scene=scene, lines=tuple(lines), num_frames=num_frames)


def speak(random: np.random.Generator, voice: np.ndarray, num_frames: int) -> np.ndarray:
    """A piece of a voice in which something is said.

    Args:
        random: Chooses the piece.
        voice: [A] at 16 kHz.
        num_frames: Length of the piece.

    Returns:
        [num_frames * 640] float32, faded at both ends.
    """
    length = num_frames * SAMPLES_PER_FRAME
    starts = random.permutation((len(voice) - length) // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME
    pieces = (voice[start : start + length] for start in starts)
    piece = next(p for p in pieces if opening_curve(p, num_frames).std() > LIVELY).copy()
    fade = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
    piece[:FADE_SAMPLES] *= fade
    piece[-FADE_SAMPLES:] *= fade[::-1]
    return piece


def converse(
    random: np.random.Generator,
    voices: Sequence[np.ndarray],
    *,
    num_frames: int,
    turn: tuple[int, int],
    gap: tuple[int, int],
) -> list[Line]:
    """Two people in turn until the end.

    Args:
        random: Chooses lengths and pieces.
        voices: Two voices [A] at 16 kHz.
        num_frames: Length of the whole.
        turn: Frames of a turn, lowest and one above the highest.
        gap: Frames between two turns, likewise.

    Returns:
        One line per person, from the first turn to the end of the last one.
    """
    said: list[list[tuple[int, np.ndarray]]] = [[], []]
    begin, person = 0, 0
    while begin < num_frames:
        length = min(int(random.integers(*turn)), num_frames - begin)
        if num_frames - begin - length < gap[1] + turn[0] // 2:  # too little is left for another
            length = num_frames - begin
        said[person].append((begin, speak(random, voices[person], length)))
        begin += length + int(random.integers(*gap))
        person = 1 - person
    return [_join(turns) for turns in said]


def _join(turns: list[tuple[int, np.ndarray]]) -> Line:
    """One line of several turns, each with its first frame."""
    start = turns[0][0]
    end = turns[-1][0] * SAMPLES_PER_FRAME + len(turns[-1][1])
    waveform = np.zeros(end - start * SAMPLES_PER_FRAME, np.float32)
    for begin, piece in turns:
        at = (begin - start) * SAMPLES_PER_FRAME
        waveform[at : at + len(piece)] = piece
    return Line(waveform=waveform, start=start)
