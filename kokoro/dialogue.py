"""A script said aloud: which speaker has which voice, and every turn in its voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from .script.names import name_key
from .script.notation import describe, drop_unseen
from .script.turns import Turn
from .spoken import Spoken, trim
from .synthesis import Manner, Synthesizer

MAX_CHARACTERS = 60_000  # of a text or script: about an hour, and espeak-ng cannot be interrupted

Progress = Callable[[int, int, int], None]  # turn from 0, pieces done, pieces in all


def check_length(text: str, name: str) -> None:
    """Refuse a text that takes hours to say: ValueError if it exceeds `MAX_CHARACTERS`."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"{name} has {len(text)} characters; up to {MAX_CHARACTERS} are possible, about an "
            "hour of speech. Cut it into several parts."
        )


def read_cast(text: str) -> dict[str, str]:
    """Names and voices of a cast list; a name alone gets a voice by itself.

    Raises:
        ValueError: If it is too long, a line is no "Name = voice" or "Name: voice", or a name comes
            twice.
    """
    check_length(text, "voices")
    cast: dict[str, str] = {}
    # Halves of pairs would be quoted in refusals, and the host cannot write them into its log.
    for number, line in enumerate(drop_unseen(text).split("\n"), start=1):
        if not line.strip():
            continue
        sign = "=" if "=" in line else ":"  # as in scripts; mixes of voices have colons too
        name, given, voice = (part.strip() for part in line.partition(sign))
        if not name or (given and not voice):
            raise ValueError(
                f"voices, line {number}: {line.strip()[:40]!r} gives no speaker a voice. "
                "Write Name = voice, or the name alone; for example Anna = af_bella."
            )
        if name in cast:
            raise ValueError(f"voices, line {number}: {name[:40]} is there twice. Remove one.")
        cast[name] = voice
    return cast


def choose_voices(
    speakers: Sequence[str], cast: Mapping[str, str], defaults: Sequence[str]
) -> list[str]:
    """A voice for every speaker; empty if there is no voice at all.

    Those whom the cast of `read_cast` gives none get a default that it does not use, in order.
    """
    known = {name_key(name): voice for name, voice in cast.items()}
    free = [voice for voice in defaults if voice not in cast.values()] or list(defaults)
    chosen: list[str] = []
    for name in speakers:
        voice = known.get(name_key(name), "")
        if not voice and free:
            voice = free[sum(other in free for other in chosen) % len(free)]
        chosen.append(voice)
    return chosen


def check_voices(synthesizer: Synthesizer, turns: Sequence[Turn], cast: Mapping[str, str]) -> None:
    """Refuse voices that are not there, before anything is said.

    Raises:
        ValueError: Says who has the voice in the cast of `read_cast`, or where the script asks.
    """
    asked = [(f"voices, {name[:40]}", voice) for name, voice in cast.items()]
    asked += [(describe(turn.line, turn.column), turn.voice) for turn in turns if turn.voice]
    for where, voice in asked:
        try:
            synthesizer.check_voice(voice)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def say_turns(
    synthesizer: Synthesizer,
    turns: Sequence[Turn],
    voices: Sequence[str],
    manner: Manner,
    progress: Progress,
) -> list[Spoken]:
    """Say every turn of a script, all at one rate, without the voice's silence around it.

    A turn that names no voice has that of its speaker. The manner counts where a turn does not say
    otherwise; its voice is not used, and its seed is that of the first turn.

    Raises:
        ValueError: If a turn cannot be said like this; says where it stands.
    """
    spoken = []
    for number, turn in enumerate(turns):
        own = replace(
            manner,
            voice=turn.voice or voices[turn.speaker],
            language=turn.language or manner.language,
            speed=manner.speed if turn.speed is None else turn.speed,
            seed=manner.seed + number,
        )
        try:
            spoken.append(trim(synthesizer.say(turn.text, own, partial(progress, number))))
        except ValueError as error:
            raise ValueError(f"{describe(turn.line, turn.column)}: {error}") from error
    return spoken
