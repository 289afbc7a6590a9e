"""Scripts in JSON: turns as programs hand them over.

    [{"speaker": "Anna", "text": "Hello"}, {"speaker": "Ben", "text": "Hi", "speed": 1.2}]
    [{"speaker": "Anna", "text": "Hello", "direction": "laughing"}]

or one such object per line, or pairs ["Anna", "Hello"], or an object that holds the list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .notation import OPTION_NAMES

_SPEAKER_KEYS = ("speaker", "name", "character", "role", "speaker_id", "from")
_TEXT_KEYS = ("text", "content", "line", "message", "dialogue", "value", "words")
_REMARK_KEYS = ("direction", "directions", "action", "emotion", "remark", "scene")
_LIST_KEYS = ("turns", "dialogue", "script", "messages", "segments", "lines", "conversation")
_FORM = '[{"speaker": "Anna", "text": "Hello"}, {"speaker": "Ben", "text": "Hi"}].'

_MOST_SPEAKERS = 10**9  # a number below names one


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonTurn:
    """A turn of a script in JSON."""

    speaker: str
    text: str
    options: str  # as in a bracket: voice=af_bella, speed=1.2
    remark: str = ""  # what is seen meanwhile, never spoken


def is_json(text: str) -> bool:
    """Whether a text is meant as JSON: it begins with an object, or a list of these or of lists."""
    begin = "".join(_without_fence(text[:200]).split())
    return begin.startswith(('{"', '[{"', '[["', "[{}", "{}", "{'", "[{'"))


def _without_fence(text: str) -> str:
    """A text without the marks of code in markdown around it."""
    return re.sub(r"^\s*```(?:json)?\s*\n|\n```\s*$", "", text)


def read_json_turns(text: str) -> list[JsonTurn]:
    """Turns of a script in JSON.

    Raises:
        ValueError: If it is no JSON, or has no turns with a speaker and a text.
    """
    value = _load(text)
    if isinstance(value, Mapping):
        lists = [value[key] for key in _LIST_KEYS if isinstance(value.get(key), list)]
        value = lists[0] if lists else [value]
    if not isinstance(value, list):
        raise ValueError(f"The script is JSON without turns. Write {_FORM}")
    return [_turn(item, number) for number, item in enumerate(value, start=1)]


def _load(text: str) -> object:
    text = _without_fence(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            try:
                return [json.loads(line) for line in lines]
            except (ValueError, RecursionError):
                pass
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(
            f"The script begins like JSON and is none: {reason[:100]}. Write lines such as "
            f"Anna: Hello, or {_FORM}"
        ) from error


def _turn(item: Any, number: int) -> JsonTurn:
    if isinstance(item, list) and len(item) == 2:
        item = {"speaker": item[0], "text": item[1]}
    if not isinstance(item, Mapping):
        raise ValueError(f"Turn {number} of the script is no turn. Write {_FORM}")
    speaker = _speaker(next((item[key] for key in _SPEAKER_KEYS if key in item), None))
    text = next((item[key] for key in _TEXT_KEYS if key in item), None)
    if not speaker.strip() or not isinstance(text, str):
        raise ValueError(f"Turn {number} of the script has no speaker or no text. Write {_FORM}")
    return JsonTurn(
        speaker=speaker, text=text, options=_options(item, number), remark=_remark(item)
    )


def _speaker(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_SPEAKERS:
        return f"Speaker {value}"
    return value if isinstance(value, str) else ""


def _remark(item: Mapping) -> str:
    found = (item[key] for key in _REMARK_KEYS if isinstance(item.get(key), str))
    return " ".join(next(found, "").split())


def _options(item: Mapping, number: int) -> str:
    options = {key: item[key] for key in OPTION_NAMES if item.get(key) not in (None, "")}
    for key, value in options.items():
        if not isinstance(value, str | int | float) or set(str(value)) & set("[]="):
            raise ValueError(
                f"Turn {number} of the script: {key} is no name or number. Write for example "
                '"voice": "af_bella" or "speed": 1.2.'
            )
    return ", ".join(f"{key}={value}" for key, value in options.items())
