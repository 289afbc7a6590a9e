"""Check prompts against prompts.schema.json, the JSON Schema of this folder.

Any validator of JSON Schema (draft 2020-12) can be used instead. This one knows the words that the
file uses, and says what is wrong in sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

SCHEMA_FILE = Path(__file__).with_name("prompts.schema.json")
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": 'a link such as ["1", 0]',
    "object": "an object",
}


class Fault(NamedTuple):
    """Something that the schema does not allow."""

    path: tuple[str, ...]
    """Where: node id, `inputs`, name of the input."""
    message: str
    """What is allowed."""


def read_schema() -> dict:
    """Read the schema.

    Returns:
        The JSON Schema of all prompts; `$defs` holds one for the inputs of every class.
    """
    return json.loads(SCHEMA_FILE.read_text(encoding="ascii"))


def describe(schema: Mapping) -> str:
    """Say what a value may be.

    Args:
        schema: Of the value.

    Returns:
        For example `a whole number from 1 to 200`.
    """
    if "anyOf" in schema:  # a value or a link: people write values
        return describe(schema["anyOf"][0])
    if "$ref" in schema:
        return WORDS["array"]
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    text = WORDS.get(schema.get("type", ""), "another value")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{text} from {low} to {high}"
    if low is not None:
        return f"{text} from {low}"
    return text


def faults(schema: object, value: object, root: Mapping, path: tuple[str, ...] = ()) -> list[Fault]:
    """Find what a schema does not allow.

    Args:
        schema: The schema of the value.
        value: The value.
        root: The whole schema, for `$ref`.
        path: Where the value is.

    Returns:
        All faults; none if the value is fine.
    """
    if not isinstance(schema, Mapping):  # true or false: anything, or nothing
        return [] if schema else [Fault(path, "is not used with the other inputs as they are")]
    if "$ref" in schema:
        return faults(_follow(schema["$ref"], root), value, root, path)
    if not _fits(schema, value):
        return [Fault(path, f"is {json.dumps(value)}; it takes {describe(schema)}")]
    found = []
    if "anyOf" in schema and all(faults(s, value, root, path) for s in schema["anyOf"]):
        found.append(Fault(path, f"is {json.dumps(value)}; it takes {describe(schema)}"))
    for part in schema.get("allOf", ()):
        found += faults(part, value, root, path)
    if "if" in schema:
        holds = not faults(schema["if"], value, root, path)
        found += faults(schema.get("then" if holds else "else", True), value, root, path)
    found += _inner_faults(schema, value, root, path)
    return list(dict.fromkeys(found))


def _follow(reference: str, root: Mapping) -> object:
    target: object = root
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(target, Mapping), reference
        target = target[part]
    return target


def _fits(schema: Mapping, value: object) -> bool:
    """The words that need no look inside the value."""
    kind = schema.get("type")
    if kind is not None:
        if not isinstance(value, TYPES[kind]):
            return False
        if isinstance(value, bool) and kind != "boolean":
            return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
    return True


def _inner_faults(
    schema: Mapping, value: object, root: Mapping, path: tuple[str, ...]
) -> Iterator[Fault]:
    """Of what is inside of an object or a list."""
    if isinstance(value, list):
        for part, item in zip(schema.get("prefixItems", ()), value, strict=False):
            yield from faults(part, item, root, path)
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Fault((*path, name), "is missing")
    for name, item in value.items():
        if name in known:
            yield from faults(known[name], item, root, (*path, name))
        elif "additionalProperties" in schema:
            extra = schema["additionalProperties"]
            if extra is False:
                yield Fault((*path, name), "is not an input of this node")
            else:
                yield from faults(extra, item, root, (*path, name))
