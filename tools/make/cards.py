"""Pictures of the templates page: results of the toy, and drawn cards for the released models.

No released model has run here, so their cards are drawings that show what the graph does; those of
the toy are its own videos, enlarged. Every picture is a list of frames of 384 x 384 pixels, 12.5
per second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from card_parts import (
    COLORS,
    SCENE,
    SIDE,
    Track,
    draw_badge,
    draw_box,
    draw_coarse_half,
    draw_film,
    draw_gauge,
    draw_halves,
    draw_script,
    draw_steps,
    draw_tracks,
    draw_windows,
    new_canvas,
)
from card_people import (
    ANNA_HERE,
    JON,
    LEFT,
    LENA,
    LOFT,
    LOUNGE,
    MIRA_HERE,
    OFFICE,
    RIGHT,
    RUBY,
    SCALE,
    STUDY,
    TOM_HERE,
    Room,
    Stage,
    pair,
)
from heads import Head
from PIL import Image, ImageFilter

NUM_FRAMES = 40
BLINK_AT = (11, 33)
TOY_CROP = (8, 0, 136, 96)
"""Of 144 x 96 pixels; both heads of the example are in it."""
TOY_BOXES = ((13, 15, 52, 56), (81, 12, 48, 61))
"""Heads of the example picture in pixels of the toy's video: x, y, width, height."""
TOY_SCRIPT = (("Anna", "Hello! Can you hear me?"), ("Ben", "Loud and clear."))
TOY_BEN_BEGINS = 21
"""Frame of toy_dialogue in which the second line begins, 12.5 per second."""
PROMPT = (("Text", "A woman in a lounge."), ("Voice", "And now I talk."))
SCRIPT = (("Lena", "Did you write this?"), ("Jon", "Every word of it."))
SPANS = (("0-4 s", "She smiles."), ("4- s", "She looks up."))
WRITTEN = (("You", "She talks, calmly."), ("AI", "A woman in a yellow shirt ..."))

Overlay = Callable[[Image.Image, int, Sequence[np.ndarray]], None]
"""Draws on the canvas of a frame: canvas, number of the frame, levels of all speakers."""


def tracks_below(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """The sound of every speaker."""
    pairs = zip(levels, COLORS, strict=False)
    draw_tracks(canvas, [Track(levels=part, color=color) for part, color in pairs], frame)


def script_below(lines: Sequence[tuple[str, str]]) -> Overlay:
    """The lines that are spoken, half of the time each."""

    def draw(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
        half = len(levels[0]) / 2
        active = int(frame >= half)
        draw_script(canvas, lines, active, (frame - active * half + 1) / half)

    return draw


def windows_below(count: int, seconds: float) -> Overlay:
    """Windows of a video that grows, with the time reached."""

    def draw(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
        share = (frame + 1) / len(levels[0])
        now, whole = round(share * seconds), round(seconds)
        clock = f"{now // 60}:{now % 60:02d} of {whole // 60}:{whole % 60:02d}, saved as it grows"
        draw_windows(canvas, share, count=count, words=clock)

    return draw


def look_below(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """The first windows of a video, and no more."""
    share = 0.25 * (frame + 1) / len(levels[0])
    draw_windows(canvas, share, count=8, words="first look: 2 of 8 windows")


def boxes_over(boxes: Sequence[Sequence[float]], *, corners: bool = False) -> Overlay:
    """A numbered box around everybody, and the sound below."""

    def draw(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
        for number, box in enumerate(boxes, start=1):
            draw_box(canvas, box, number, corners=corners)
        tracks_below(canvas, frame, levels)

    return draw


def halves_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Left and right half, and the sound below."""
    draw_halves(canvas)
    tracks_below(canvas, frame, levels)


def dub_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """A film with a new voice."""
    draw_film(canvas)
    tracks_below(canvas, frame, levels)


def mouth_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """A film with a new voice, of which only the mouth is new."""
    dub_over(canvas, frame, levels)
    draw_badge(canvas, "only the mouth")


def quality_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Coarse beside fine."""
    draw_coarse_half(canvas, cells=22)
    draw_badge(canvas, "720p")
    done = round(40 * (frame + 1) / len(levels[0]))
    draw_steps(canvas, done, count=40, words="40 steps, no LoRA")


def smooth_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Coarse beside fine, and twice the frames."""
    draw_coarse_half(canvas, cells=30)
    draw_badge(canvas, "2 x")
    done = round(50 * (frame + 1) / len(levels[0]))
    draw_steps(canvas, done, count=50, words="50 frames per second")


def fast_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Four steps."""
    done = 1 + min(3, 4 * frame // len(levels[0]))
    draw_steps(canvas, done, count=4, words="4 steps instead of 40")


def fastest_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Four steps of one pass."""
    done = 1 + min(3, 4 * frame // len(levels[0]))
    draw_steps(canvas, done, count=4, words="4 steps of one pass, FlashTalk")


def experts_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """Four steps of two models."""
    done = 1 + min(3, 4 * frame // len(levels[0]))
    draw_badge(canvas, "WAN 2.2")
    draw_steps(canvas, done, count=4, words="4 steps of two models")


def cards_over(words: str, count: int) -> Overlay:
    """That two cards work, and how they share the steps."""

    def draw(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
        draw_badge(canvas, "2 cards")
        done = 1 + min(count - 1, count * frame // len(levels[0]))
        draw_steps(canvas, done, count=count, words=words)

    return draw


def end_over(words: str) -> Overlay:
    """That the end is known, and below the sound, or without one how far it is to there."""

    def draw(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
        draw_badge(canvas, words)
        if max(map(np.max, levels)) > 0:
            tracks_below(canvas, frame, levels)
        else:
            share = (frame + 1) / NUM_FRAMES
            draw_windows(canvas, share, count=1, words="from frame 1 to frame 81")

    return draw


def memory_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """A small part of a card's memory."""
    draw_gauge(canvas, "8 GB card, 4 bit files (GGUF)", 0.33)


def plain_over(canvas: Image.Image, frame: int, levels: Sequence[np.ndarray]) -> None:
    """One window of the host's sampler, in which nobody talks."""
    draw_badge(canvas, "no speech")
    draw_windows(canvas, (frame + 1) / len(levels[0]), count=1, words="Wan alone, 81 frames")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is drawn for a graph."""

    room: Room
    people: tuple[Head, ...]
    over: Overlay
    voices: tuple[int, ...] = (0,)
    """Which of the example voices is heard from each person."""
    silent: bool = False
    """Whether nobody talks."""
    then: tuple[Head, ...] = ()
    """Who is seen after a cut in the middle: the last of the voices."""
    listens: bool = False
    """Whether the last person only listens."""


def around(head_at: tuple[float, float], *, face: bool) -> tuple[float, float, float, float]:
    """Box around a head of a pair, or its face, in canvas pixels."""
    x, y = (SCALE * value for value in head_at)
    half, up, down = (112, 118, 140) if face else (150, 205, 160)
    return x - half, y - up, 2 * half, up + down


BOXES = [around(at, face=False) for at in (LEFT, RIGHT)]
FACES = [around(at, face=True) for at in (LEFT, RIGHT)]
CARDS = {
    "multitalk_one_speaker": Card(room=STUDY, people=(ANNA_HERE,), over=tracks_below),
    "infinitetalk_one_speaker": Card(room=OFFICE, people=(JON,), over=tracks_below, voices=(1,)),
    "multitalk_two_speakers": Card(
        room=LOUNGE, people=pair(MIRA_HERE, TOM_HERE), over=halves_over, voices=(0, 1)
    ),
    "multitalk_two_speakers_boxes": Card(
        room=OFFICE, people=pair(RUBY, JON), over=boxes_over(BOXES), voices=(0, 1)
    ),
    "multitalk_two_speakers_detector": Card(
        room=LOFT,
        people=pair(LENA, TOM_HERE),
        over=boxes_over(FACES, corners=True),
        voices=(0, 1),
    ),
    "multitalk_still": Card(
        room=STUDY, people=pair(ANNA_HERE, TOM_HERE), over=boxes_over(BOXES), listens=True
    ),
    "multitalk_dialogue": Card(
        room=STUDY, people=pair(LENA, JON), over=script_below(SCRIPT), voices=(0, 1)
    ),
    "multitalk_scene": Card(room=STUDY, people=(RUBY,), over=script_below(SPANS)),
    "multitalk_smooth": Card(room=LOUNGE, people=(MIRA_HERE,), over=smooth_over),
    "multitalk_recording": Card(
        room=LOUNGE, people=pair(RUBY, JON), over=tracks_below, voices=(0, 1)
    ),
    "infinitetalk_dub_video": Card(room=LOFT, people=(RUBY,), over=dub_over),
    "infinitetalk_dub_mouth": Card(room=OFFICE, people=(MIRA_HERE,), over=mouth_over),
    "infinitetalk_long_video": Card(
        room=LOUNGE, people=(TOM_HERE,), over=windows_below(12, 3600.0), voices=(1,)
    ),
    "infinitetalk_continue": Card(
        room=STUDY, people=(LENA,), over=end_over("goes on with a video")
    ),
    "multitalk_shots": Card(
        room=LOUNGE,
        people=pair(MIRA_HERE, TOM_HERE),
        over=end_over("cuts"),
        voices=(0, 1),
        then=(TOM_HERE,),
    ),
    "multitalk_first_look": Card(room=LOFT, people=(ANNA_HERE,), over=look_below),
    "multitalk_fast": Card(room=STUDY, people=(MIRA_HERE,), over=fast_over),
    "multitalk_prompt_helper": Card(
        room=STUDY, people=(RUBY,), over=script_below(WRITTEN), voices=(0,)
    ),
    "multitalk_quality": Card(room=LOFT, people=(LENA,), over=quality_over),
    "infinitetalk_low_memory": Card(room=OFFICE, people=(ANNA_HERE,), over=memory_over),
    "flashtalk_one_speaker": Card(room=LOFT, people=(JON,), over=fastest_over, voices=(1,)),
    "infinitetalk_wan22": Card(room=STUDY, people=(RUBY,), over=experts_over),
    "multitalk_first_last_frame": Card(
        room=LOUNGE, people=(RUBY,), over=end_over("first + last frame")
    ),
    "wan_first_last_frame": Card(
        room=OFFICE, people=(LENA,), over=end_over("first + last frame"), silent=True
    ),
    "wan_text_to_talking": Card(room=LOUNGE, people=(RUBY,), over=script_below(PROMPT)),
    "multitalk_two_gpus": Card(
        room=STUDY,
        people=(JON,),
        over=cards_over("three passes of a step, two cards", 3),
        voices=(1,),
    ),
    "multitalk_parallel": Card(
        room=OFFICE, people=(RUBY,), over=cards_over("one pass on both cards", 4)
    ),
    "wan_image_to_video": Card(room=LOFT, people=(MIRA_HERE,), over=plain_over, silent=True),
}
_TOY_HEADS = [[SIDE / 128 * v for v in (x - TOY_CROP[0], y, w, h)] for x, y, w, h in TOY_BOXES]
TOYS: dict[str, Overlay] = {
    "toy_one_speaker": tracks_below,
    "toy_two_speakers": tracks_below,
    "toy_two_speakers_boxes": boxes_over(_TOY_HEADS),
    "toy_dialogue": script_below(TOY_SCRIPT),
    "toy_recording": tracks_below,
    "toy_scene": script_below(SPANS),
    "toy_long_video": windows_below(6, 9.0),
    "toy_end_image": end_over("ends on a picture"),
    "toy_shots": end_over("cut to another picture"),
    "toy_continue": end_over("goes on with a video"),
    "toy_still": boxes_over(_TOY_HEADS),
    "toy_dub": mouth_over,
    "toy_first_look": look_below,
    "toy_smooth": smooth_over,
}


def turns(voices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Openings of the mouths over the whole picture: one voice, or two in turn.

    Args:
        voices: One curve [F] in 0..1 per person, at 12.5 per second.
    """
    each = NUM_FRAMES // len(voices)
    levels = []
    for number, voice in enumerate(voices):
        level = np.zeros(NUM_FRAMES)
        part = voice[: each - 1]
        level[number * each : number * each + len(part)] = part
        levels.append(level)
    return levels


def draw_card(card: Card, voices: Sequence[np.ndarray]) -> list[Image.Image]:
    """All frames of a drawn card.

    Args:
        card: What is drawn.
        voices: Curves [F] in 0..1 of the example voices, at 12.5 per second.
    """
    stages = [Stage(card.room, people) for people in (card.people, card.then or card.people)]
    levels = turns([voices[number] * (not card.silent) for number in card.voices])
    if card.listens:
        levels.append(np.zeros(NUM_FRAMES))
    frames = []
    for number in range(NUM_FRAMES):
        openings = [float(level[number]) for level in levels]
        after = number >= NUM_FRAMES // 2
        if after and card.then:
            openings = openings[-len(card.then) :]
        canvas = new_canvas(stages[after].frame(openings, blink=number in BLINK_AT))
        card.over(canvas, number, levels)
        frames.append(canvas.reduce(2))
    return frames


def draw_result(
    film: Sequence[Image.Image], over: Overlay, levels: Sequence[np.ndarray]
) -> list[Image.Image]:
    """All frames of a result: the toy's own pixels, enlarged.

    Args:
        film: Frames of 144 x 96 pixels, 12.5 per second.
        over: What is drawn over and below them.
        levels: How loud every speaker is in each of the frames.
    """
    frames = []
    for number, picture in enumerate(film):
        part = picture.crop(TOY_CROP).resize((SIDE, SCENE), Image.Resampling.LANCZOS)
        canvas = new_canvas(part.filter(ImageFilter.UnsharpMask(6, 60, 2)))
        over(canvas, number, levels)
        frames.append(canvas.reduce(2))
    return frames
