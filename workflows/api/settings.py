"""Set inputs of a prompt, `node.input=value`, and check them against the schema."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from .check import faults, read_schema
from .edit import Prompt, find_node, is_link, similar
from .failures import UsageError
from .json_text import parse


def parse_setting(text: str) -> tuple[str, str, str]:
    """Split `node.input=value` into its three parts; UsageError if one is missing."""
    place, equals, value = text.partition("=")
    node, dot, field = place.partition(".")
    if not (equals and dot and node and field):
        raise UsageError(
            f"--set {text} is not understood.",
            field="--set",
            hint="Write --set NODE.INPUT=VALUE, for example --set sampler.seed=7.",
        )
    return node, field, value


def read_value(text: str, schema: Mapping, root: Mapping) -> object:
    """Read a value of an input: JSON, or else the text, such as the choice `480`, as it is."""
    try:
        value = parse(text, finite=True)
    except ValueError:
        return text
    return text if faults(schema, value, root) and not faults(schema, text, root) else value


def apply_settings(prompt: Prompt, settings: Sequence[str]) -> Prompt:
    """Set inputs of a copy and check their nodes; UsageError if one is unknown or wrong."""
    prompt = copy.deepcopy(prompt)
    given: dict[str, set[str]] = {}
    schema = read_schema()
    for text in settings:
        name, field, words = parse_setting(text)
        key = find_node(prompt, name)
        known = schema["$defs"].get(prompt[key]["class_type"], {}).get("properties", {})
        value = read_value(words, known.get(field, {}), schema)
        prompt[key]["inputs"][field] = value
        given.setdefault(key, set()).add(field)
        if is_link(value) and value[0] not in prompt:
            raise UsageError(f"--set {text}: there is no node {value[0]}.", node=key, field=field)
    for key, fields in given.items():
        node = prompt[key]
        definition = schema["$defs"].get(node["class_type"])
        if definition is not None:
            _settle(definition, node["inputs"], fields)
            _check(key, node, schema)
    return prompt


def _settle(definition: Mapping, inputs: dict, given: set[str]) -> None:
    """Drop and add what hangs on a choice that was set: the inputs of the old and the new one."""
    for part in definition.get("allOf", ()):
        ((choice, condition),) = part["if"]["properties"].items()
        if choice not in given or inputs[choice] != condition["const"]:
            continue
        for name, allowed in part["then"].get("properties", {}).items():
            if allowed is False and name not in given:
                inputs.pop(name, None)
        for name in part["then"].get("required", ()):
            default = definition["properties"][name].get("default")
            if default is not None:
                inputs.setdefault(name, default)


def _check(key: str, node: Mapping, schema: Mapping) -> None:
    kind = node["class_type"]
    known = schema["$defs"][kind]["properties"]
    for fault in faults({"$ref": f"#/$defs/{kind}"}, node["inputs"], schema):
        field = fault.path[0] if fault.path else ""
        hint = "" if field in known else f"Inputs: {', '.join(known)}.{similar(field, known)}"
        text = f"Node {key} {kind}: {field} {fault.message}."
        raise UsageError(text, node=key, field=field, hint=hint)
