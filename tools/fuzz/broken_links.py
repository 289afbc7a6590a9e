"""Changes of a prompt's links, for tools/fuzz/mutations.py."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from .broken_values import WRONG
from .prompt_parts import Prompt, is_literal, links_of, places_of, short, where


def swap_links(prompt: Prompt, chance: random.Random) -> str | None:
    links = links_of(prompt)
    if len(links) < 2:
        return None
    (key, name), (other, other_name) = chance.sample(links, 2)
    left, right = prompt[key]["inputs"], prompt[other]["inputs"]
    left[name], right[other_name] = right[other_name], left[name]
    return f"{where(prompt, key)}.{name} and {where(prompt, other)}.{other_name} swapped"


def relink(
    source: Callable[[Prompt, random.Random, str, list[Any]], list[Any]],
) -> Callable[[Prompt, random.Random], str | None]:
    """A change that gives one link another origin."""

    def change(prompt: Prompt, chance: random.Random) -> str | None:
        links = links_of(prompt)
        if not links:
            return None
        key, name = chance.choice(links)
        link = source(prompt, chance, key, prompt[key]["inputs"][name])
        prompt[key]["inputs"][name] = link
        return f"{where(prompt, key)}.{name} <- {short(link)}"

    return change


def other_node(prompt: Prompt, chance: random.Random, _key: str, link: list[Any]) -> list[Any]:
    return [chance.choice(list(prompt)), chance.choice((link[1], 0, 1, 2, 3))]


def missing_node(_p: Prompt, chance: random.Random, _key: str, link: list[Any]) -> list[Any]:
    return [chance.choice(("999", "", "-1", "\ud800", "1:1:1", "__proto__", "x" * 1000)), link[1]]


def wrong_output(_p: Prompt, chance: random.Random, _key: str, link: list[Any]) -> list[Any]:
    return [
        link[0],
        chance.choice((-1, 99, 2**63, 1.5, 0.0, True, None, "0", "", float("nan"), -99)),
    ]


def cycle(prompt: Prompt, chance: random.Random, key: str, link: list[Any]) -> list[Any]:
    """To itself, or to a node that depends on this one."""
    after = [k for k, name in links_of(prompt) if prompt[k]["inputs"][name][0] == key]
    return [chance.choice([key, *after]), link[1]]


def unlink(prompt: Prompt, chance: random.Random) -> str | None:
    """A literal where a link belongs."""
    links = links_of(prompt)
    if not links:
        return None
    key, name = chance.choice(links)
    value = chance.choice((*WRONG, None, 1e308, "../../x"))
    prompt[key]["inputs"][name] = value
    return f"{where(prompt, key)}.{name} = {short(value)} instead of a link"


def link_literal(prompt: Prompt, chance: random.Random) -> str | None:
    """A link where a literal belongs."""
    places = places_of(prompt, is_literal)
    if not places:
        return None
    key, name = chance.choice(places)
    link = [chance.choice(list(prompt)), chance.choice((0, 0, 1, 2, 3))]
    prompt[key]["inputs"][name] = link
    return f"{where(prompt, key)}.{name} <- {short(link)} instead of a value"
