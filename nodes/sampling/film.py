"""Shots and continuations on host models: who is seen in each shot, and what a run makes of both.

Source: decisions.md 43.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...multitalk.cast import Cast
from ...multitalk.film import FilmPlan, plan_film
from ...multitalk.frames import check_shape, fit_frames, picture_source
from ...multitalk.generate import Scene, WindowRequest
from ...multitalk.settings import RunSettings
from ...multitalk.shots import check_cuts, time_of
from ...multitalk.words import count
from ..checked import once
from ..directing import OUTSIDE
from ..values import naming
from .contents import value_digest

Denoise = Callable[[WindowRequest], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShotInputs:
    """A shot after the first one, as a run needs it."""

    begin: int  # first frame
    image: Tensor  # [1, H, W, 3]
    cast: Cast


def read_film(
    settings: RunSettings, inputs: Mapping[str, Any], hidden: Any
) -> tuple[FilmPlan, tuple[ShotInputs, ...], Tensor | None]:
    """Windows of a sampling node's video, its shots after the first, and what it goes on from.

    The last are frames [O, H, W, 3] of another video, as many as windows overlap.

    Raises:
        ValueError: If sound, shots, continuation and end image do not fit each other.
    """
    video = settings.height, settings.width
    before = check_continuation(inputs.get("continue_from"), settings, video)
    return plan_of(settings, inputs), later_shots(inputs, hidden, video), before


def plan_of(settings: RunSettings, inputs: Mapping[str, Any]) -> FilmPlan:
    """Windows of a sampling node's video.

    Raises:
        ValueError: If sound, shots, continuation and end image do not fit each other.
    """
    speech, shots = inputs["speech"], inputs.get("shots")
    cuts = () if shots is None else shots.cuts
    with naming("shots"):
        check_cuts(cuts, speech.num_frames)
    return plan_film(
        settings,
        speech.num_frames,
        speech.num_speakers,
        cuts=cuts,
        has_end=inputs.get("end_image") is not None,
        continues=inputs.get("continue_from") is not None,
    )


def later_shots(
    inputs: Mapping[str, Any], hidden: Any, video: tuple[int, int]
) -> tuple[ShotInputs, ...]:
    """Shots after the first for a `video` of this height and width, made once per queue.

    Raises:
        ValueError: If a picture or its masks do not fit the video or the voices.
    """
    shots, speech = inputs.get("shots"), inputs["speech"]
    if shots is None:
        return ()

    def make() -> tuple[tuple[ShotInputs, ...], object]:
        found = []
        for number, shot in enumerate(shots.later, start=2):
            sides = shot.picture.shape[1], shot.picture.shape[2]
            with naming(f"image_{number}"):
                check_shape(sides, video)
            heard = shots.speech_of(number - 1, speech)
            with naming(f"Shot {number}"):
                cast = Cast(
                    heard, shot.masks, picture=sides, video=video, outside=OUTSIDE.read(inputs)
                )
            found.append(ShotInputs(begin=shot.begin, image=shot.picture, cast=cast))
        return tuple(found), (shots, speech)  # kept too: an id tells things apart while they live

    key = ("shots", hidden.unique_id, id(shots), id(speech), OUTSIDE.read(inputs), video)
    return once(hidden.dynprompt, key, make)[0]


def check_continuation(
    frames: Tensor | None, settings: RunSettings, video: tuple[int, int]
) -> Tensor | None:
    """Of the frames [F, H, W, 3] of a video to go on from those that the first window repeats.

    Raises:
        ValueError: If there are fewer, or they are of quite another shape than the `video`.
    """
    if frames is None:
        return None
    overlap = settings.size.overlap
    with naming("continue_from"):
        check_shape((frames.shape[1], frames.shape[2]), video)
    if len(frames) < overlap:
        fitting = (len(frames) - 1) // 4 * 4 + 1
        raise ValueError(
            f"continue_from holds {count(len(frames), 'frame')}; the first window goes on from "
            f"{overlap}, the overlap of windows. Connect a longer part of the video, or set "
            f"overlap to {fitting}."
        )
    return frames[-overlap:].clone()  # no view: the others may go


def film_scenes(
    first: Cast,
    image: Tensor,
    shots: Sequence[ShotInputs],
    video: tuple[int, int],
    *,
    end: Tensor | None,
    before: Tensor | None,
    begins_from_source: bool = False,
) -> list[Scene]:
    """What every shot of a `video` of this height and width shows and hears.

    Only the first shot may have a source video, whose noised frames its windows begin from.
    """
    parts = [(first, image), *((shot.cast, shot.image) for shot in shots)]
    last = len(parts) - 1
    return [
        Scene(
            source=picture_source(picture, *video),
            tracks=cast.tracks,
            silence=cast.speech.silence,
            end=None if end is None or number < last else fit_frames(end, *video),
            before=None if before is None or number else fit_frames(before, *video),
            begins_from_source=begins_from_source and not number,
        )
        for number, (cast, picture) in enumerate(parts)
    ]


def by_shot(plan: FilmPlan, of_shots: Sequence[Denoise]) -> Denoise:
    """What samples a window: of these the one of its shot."""

    def denoise(request: WindowRequest) -> Tensor:
        return of_shots[plan.place(request.index)[0]](request)

    return denoise


def film_identity(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What tells a run with shots or a continuation from others; nothing of a run without.

    `before` among the inputs are the frames [O, H, W, 3] that the first window repeats.
    """
    parts = {}
    if (shots := inputs.get("shots")) is not None:
        parts["shots"] = value_digest([shots, inputs["speech"].features])
    if (before := inputs.get("before")) is not None:
        parts["video before"] = value_digest(before)
    return parts


def describe_film(plan: FilmPlan, shots: Sequence[ShotInputs], before: Tensor | None) -> list[str]:
    """Sentences for the report."""
    notes = []
    if before is not None:
        notes.append(
            f"continue_from: the first window goes on from the last {count(len(before), 'frame')}; "
            "the video holds the new ones alone"
        )
    for number, shot in enumerate(shots, start=2):
        windows = count(plan.shots[number - 1].num_windows, "window")
        notes.append(f"shot {number}: from {time_of(shot.begin)}, frame {shot.begin}, in {windows}")
        notes += [f"shot {number}: {note}" for note in shot.cast.notes]
    return notes
