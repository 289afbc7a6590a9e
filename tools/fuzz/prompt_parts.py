"""Prompts in API form: their nodes, inputs and links, and how to name them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Prompt = dict[str, Any]


def is_link(value: object) -> bool:
    """Tell whether an input's value is a link: [node, output].

    Args:
        value: The value.

    Returns:
        True for a list of a text and a whole number.
    """
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def short(value: object) -> str:
    """Show a value in a few characters.

    Args:
        value: Anything.

    Returns:
        ASCII, at most 60 characters.
    """
    if isinstance(value, int) and abs(value) >= 10**30:
        return f"a whole number of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:45]}... ({len(text)} characters)"


def places_of(prompt: Prompt, wanted: Callable[[object], bool]) -> list[tuple[str, str]]:
    return [
        (key, name)
        for key, node in prompt.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
        for name, value in node["inputs"].items()
        if wanted(value)
    ]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_literal(value: object) -> bool:
    return not is_link(value)


def anything(_value: object) -> bool:
    return True


def some_node(prompt: Prompt, chance: random.Random) -> str | None:
    """The id of some node that is one."""
    keys = [key for key, node in prompt.items() if isinstance(node, dict)]
    return chance.choice(keys) if keys else None


def where(prompt: Prompt, key: str) -> str:
    return f"{short(key)[1:-1]} {short(prompt[key].get('class_type', '?'))[1:-1]}"


def links_of(prompt: Prompt) -> list[tuple[str, str]]:
    return places_of(prompt, is_link)
