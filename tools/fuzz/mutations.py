"""Broken prompts: one or two changes of a working one, drawn from a seeded random source.

Pure: nothing here knows the host or the nodes. A change is of a kind that a careless editor, an
older graph, another program or an attacker makes.

    changed = mutate(prompt, random.Random("1:17"))
    changed.prompt, changed.kinds, changed.done
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .broken_links import (
    cycle,
    link_literal,
    missing_node,
    other_node,
    relink,
    swap_links,
    unlink,
    wrong_output,
)
from .broken_values import (
    FREE_TEXT,
    HUGE,
    MOSTLY_FREE,
    NOT_FINITE,
    NUMBERS,
    PATHS,
    PIECES,
    UNICODE,
    WRONG,
)
from .prompt_parts import (
    Prompt,
    anything,
    is_literal,
    is_number,
    is_text,
    links_of,
    places_of,
    short,
    some_node,
    where,
)

LONG = 100_000  # characters
TWO_AT_ONCE = 0.25  # share of the prompts that are changed twice


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutation:
    """A changed prompt."""

    prompt: Prompt
    """What to send; the original is untouched."""
    kinds: tuple[str, ...]
    """Names of `KINDS`, in the order they were applied."""
    done: tuple[str, ...]
    """In words, what each of them did."""


Change = Callable[[Prompt, random.Random], str | None]


def _set(
    wanted: Callable[[object], bool], make: Callable[[random.Random, Any], Any]
) -> Callable[[Prompt, random.Random], str | None]:
    """A change that replaces one input's value."""

    def change(prompt: Prompt, chance: random.Random) -> str | None:
        places = places_of(prompt, wanted)
        if not places:
            return None
        free = [place for place in places if place[1] in FREE_TEXT]
        if wanted is is_text and free and chance.random() < MOSTLY_FREE:
            places = free
        key, name = chance.choice(places)
        inputs = prompt[key]["inputs"]
        value = make(chance, inputs[name])
        inputs[name] = value
        return f"{where(prompt, key)}.{name} = {short(value)}"

    return change


def _nearby(chance: random.Random, value: Any) -> Any:
    near = (value + 1, value - 1, value * 2, -value, value / 2, value + 0.5, value * 16)
    return chance.choice([*near, *NUMBERS, *NUMBERS])


def _sentence(chance: random.Random, _value: Any) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 14)))


def _spliced(chance: random.Random, value: str) -> str:
    at = chance.randint(0, len(value))
    piece = chance.choice([*PIECES, *UNICODE])
    return value[:at] + piece + value[at + chance.choice((0, 0, 1, 5)) :]


def _long(chance: random.Random, value: str) -> str:
    unit = chance.choice(
        ("x", "ab ", "Anna: a\n", "1, ", "0 0 9 9\n", "(", "[1s]", "\u00e9", value or "-")
    )
    return (unit * (LONG // len(unit) + 1))[:LONG]


def _drop_input(prompt: Prompt, chance: random.Random) -> str | None:
    places = places_of(prompt, anything)
    if not places:
        return None
    key, name = chance.choice(places)
    del prompt[key]["inputs"][name]
    return f"{where(prompt, key)}.{name} removed"


def _extra_input(prompt: Prompt, chance: random.Random) -> str | None:
    key = some_node(prompt, chance)
    if key is None or not isinstance(prompt[key].get("inputs"), dict):
        return None
    name = chance.choice(
        ("extra", "", "self", "cls", "inputs", "masks", "image", "prompt", "unique_id", "\ud800",
         "speakers.speaker_7", "speakers.speaker_6", "single_masks.mask_1", "single_masks",
         "loras.lora_1",
         "a.b.c.d", ".", "preset.", "video_sound", "detections", "__class__", "hidden", "dynprompt")
    )  # fmt: skip
    value = chance.choice((*WRONG, None, [chance.choice(list(prompt)), 0], "x" * LONG))
    prompt[key]["inputs"][name] = value
    return f"{where(prompt, key)}.{short(name)} = {short(value)} added"


def _drop_node(prompt: Prompt, chance: random.Random) -> str | None:
    key = some_node(prompt, chance)
    if key is None:
        return None
    place = where(prompt, key)
    del prompt[key]
    return f"{place} removed"


def _break_node(prompt: Prompt, chance: random.Random) -> str | None:
    """The node itself is not what it should be."""
    key = some_node(prompt, chance)
    if key is None:
        return None
    place, node = where(prompt, key), prompt[key]
    way = chance.choice(("no inputs", "no class_type", "inputs", "class_type", "node", "meta"))
    if way == "no inputs":
        node.pop("inputs", None)
    elif way == "no class_type":
        node.pop("class_type", None)
    elif way == "node":
        prompt[key] = chance.choice((None, [], "x", 3, {}))
    else:
        name = {"meta": "_meta"}.get(way, way)
        node[name] = chance.choice((None, [], {}, "x", 3, [["a"]]))
    return f"{place}: {way} broken"


def _rename_class(prompt: Prompt, chance: random.Random) -> str | None:
    key = some_node(prompt, chance)
    if key is None:
        return None
    place = where(prompt, key)
    others = [n["class_type"] for n in prompt.values() if isinstance(n, dict) and "class_type" in n]
    name = chance.choice(
        [*others, *others, "MultiTalkReadFiles", "MultiTalkAddLoras", "MultiTalkGuider",
         "MultiTalkFileReport", "MultiTalkLoudness", "MultiTalkSpeak", "MultiTalkTracks",
         "PreviewAny",
         "multitalksampler", "", "\ud800", "__class__", "MultiTalkSampler "]
    )  # fmt: skip
    prompt[key]["class_type"] = name
    return f"{place} is now {short(name)}"


def _dotted(prompt: Prompt, chance: random.Random) -> str | None:
    """Keys of inputs that come and go with a choice: `preset.steps`, `speakers.speaker_1`."""
    keys = [(key, name) for key, name in places_of(prompt, anything) if "." in name]
    if not keys:
        return None
    key, name = chance.choice(keys)
    inputs = prompt[key]["inputs"]
    stem, _, leaf = name.partition(".")
    way = chance.choice(("removed", "mangled", "doubled", "choice changed", "choice removed"))
    if way == "removed":
        del inputs[name]
    elif way == "mangled":
        new = chance.choice(
            (f"{stem}..{leaf}", f"{stem}.{leaf}.x", leaf, f"{stem}.{leaf.upper()}",
            f"{stem}.{leaf}9",
             f".{name}", f"{stem}.", f"{leaf}.{stem}", f"{stem}.speaker_4", f"{stem}.speaker_0")
        )  # fmt: skip
        inputs[new] = inputs.pop(name)
        way = f"{way} to {short(new)}"
    elif way == "doubled":
        new = chance.choice(
            (leaf, f"{stem}.{leaf}.{leaf}", f"{stem}.{stem}.{leaf}", f"{stem}.speaker_2")
        )
        inputs[new] = inputs[name]
        way = f"{way} as {short(new)}"
    elif way == "choice changed":
        choices = (
            "480",
            "720",
            "custom",
            "full",
            "FusionX",
            "together",
            "in turn",
            "offsets",
            "none",
            "1",
        )
        value = chance.choice((*choices, *choices, "", None, 3, "Custom", {}))
        inputs[stem] = value
        way = f"{way} to {short(value)}"
    else:
        inputs.pop(stem, None)
    return f"{where(prompt, key)}.{name}: {way}"


def _rename_node(prompt: Prompt, chance: random.Random) -> str | None:
    """Another id for a node, the links with it."""
    old = chance.choice(list(prompt))
    new = chance.choice(("", "\ud800", "a.b", "1:2:3:4", "x" * 5000, "0", "-1", " 1", "\0", "nan"))
    prompt[new] = prompt.pop(old)
    for key, name in links_of(prompt):
        if prompt[key]["inputs"][name][0] == old:
            prompt[key]["inputs"][name][0] = new
    return f"id {old} is now {short(new)}"


def _grammar(chance: random.Random, value: str) -> str:
    return chance.choice((_sentence, _spliced))(chance, value)


def _any_of(*values: Any) -> Callable[[random.Random, Any], Any]:
    return lambda chance, _value: chance.choice(values)


def _in_list(chance: random.Random, value: Any) -> Any:
    return chance.choice(([value], [value, 0], [value] * 3))


def _in_dict(chance: random.Random, value: Any) -> Any:
    return {chance.choice(("a", "__value__", "content")): value}


def _with_unicode(chance: random.Random, value: str) -> str:
    return chance.choice(("", value)) + chance.choice(UNICODE)


KINDS: dict[str, Change] = {
    "wrong type": _set(is_literal, _any_of(*WRONG)),
    "null": _set(anything, _any_of(None)),
    "list": _set(is_literal, _in_list),
    "dict": _set(is_literal, _in_dict),
    "range": _set(is_number, _nearby),
    "huge": _set(is_number, _any_of(*HUGE)),
    "not finite": _set(is_number, _any_of(*NOT_FINITE)),
    "empty text": _set(is_text, _any_of("", " ", "\n", "\t \n")),
    "long text": _set(is_text, _long),
    "unicode": _set(is_text, _with_unicode),
    "path": _set(is_text, _any_of(*PATHS)),
    "grammar": _set(is_text, _grammar),
    "input removed": _drop_input,
    "input added": _extra_input,
    "dotted": _dotted,
    "links swapped": swap_links,
    "other link": relink(other_node),
    "missing node": relink(missing_node),
    "wrong output": relink(wrong_output),
    "cycle": relink(cycle),
    "value for link": unlink,
    "link for value": link_literal,
    "class": _rename_class,
    "node removed": _drop_node,
    "node broken": _break_node,
    "node renamed": _rename_node,
}


def mutate(prompt: Prompt, chance: random.Random) -> Mutation:
    """Change a prompt once or twice.

    Args:
        prompt: A graph in API form; left as it is.
        chance: Where all choices come from.

    Returns:
        The changed prompt and what was done.
    """
    changed = copy.deepcopy(prompt)
    kinds: list[str] = []
    done: list[str] = []
    wanted = 2 if chance.random() < TWO_AT_ONCE else 1
    while len(kinds) < wanted and changed:
        kind = chance.choice(list(KINDS))
        words = KINDS[kind](changed, chance)
        if words is not None:
            kinds.append(kind)
            done.append(f"{kind}: {words}")
    return Mutation(prompt=changed, kinds=tuple(kinds), done=tuple(done))
