"""Check prompts against prompts.schema.json, the JSON Schema of this folder.

Any validator of JSON Schema (draft 2020-12) can be used instead. This one knows the words that the
file uses, and says what is wrong in sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from .texts import brief

SCHEMA_FILE = Path(__file__).with_name("prompts.schema.json")
# Types of Python, and what a value is called.
TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "array": ((list,), 'a link such as ["1", 0]'),
    "object": ((dict,), "an object"),
}


class Fault(NamedTuple):
    """Something that the schema does not allow."""

    path: tuple[str, ...]  # node id, `inputs`, name of the input
    message: str  # what is allowed


def read_schema() -> dict:
    """The JSON Schema of all prompts; `$defs` holds one for the inputs of every class."""
    return json.loads(SCHEMA_FILE.read_text(encoding="ascii"))


def describe(schema: Mapping) -> str:
    """Say what a value may be, for example `a whole number from 1 to 200`."""
    if "anyOf" in schema:  # a value or a link: people write values
        return describe(schema["anyOf"][0])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = "array" if "$ref" in schema else schema.get("type")
    text = TYPES[kind][1] if kind else "another value"
    limits = {"from": schema.get("minimum"), "to": schema.get("maximum")}
    return " ".join([text, *(f"{word} {n}" for word, n in limits.items() if n is not None)])


def faults(schema: object, value: object, root: Mapping, path: tuple[str, ...] = ()) -> list[Fault]:
    """Find all that a schema does not allow in a value, which is at a path.

    The schema may be true or false: anything, or nothing; `root` is the whole one, for `$ref`.
    """
    if not isinstance(schema, Mapping):
        return [] if schema else [Fault(path, "is not used with the other inputs as they are")]
    if "$ref" in schema:
        parts = schema["$ref"].removeprefix("#/").split("/")
        return faults(reduce(lambda part, name: part[name], parts, root), value, root, path)
    wrong = Fault(path, f"is {brief(json.dumps(value), 200)}; it takes {describe(schema)}")
    if not _fits(schema, value):
        return [wrong]
    found = []
    if "anyOf" in schema and all(faults(part, value, root, path) for part in schema["anyOf"]):
        found.append(wrong)
    for part in schema.get("allOf", ()):
        found += faults(part, value, root, path)
    if "if" in schema and not faults(schema["if"], value, root, path):
        found += faults(schema.get("then", True), value, root, path)
    found += _inner_faults(schema, value, root, path)
    return list(dict.fromkeys(found))


def _fits(schema: Mapping, value: object) -> bool:
    """The words that need no look inside the value."""
    kind, is_bool = schema.get("type"), isinstance(value, bool)
    if kind and (not isinstance(value, TYPES[kind][0]) or (is_bool and kind != "boolean")):
        return False
    if value != schema.get("const", value) or value not in schema.get("enum", [value]):
        return False
    if isinstance(value, (int, float)) and not is_bool:
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
        extra = known.get(name, schema.get("additionalProperties", True))
        if name not in known and extra is False:
            yield Fault((*path, name), "is not an input of this node")
        else:
            yield from faults(extra, item, root, (*path, name))
