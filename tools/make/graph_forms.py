"""From a graph as data to its two JSON forms: the editor's and the API's.

A graph names its nodes, what differs from the defaults, and the links. Everything else (order of
sockets and widgets, defaults, outputs) comes from the schemas of a running host, its /object_info.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Value = str | int | float | bool
Schemas = Mapping[str, Mapping[str, Any]]
Link = tuple[str, str]
"""Key of a node and name of its output."""
Extra = tuple[str, str, Any]
"""A widget that the editor adds: name, type or "" for one without socket, value."""

ENTRY = ""
"""Key of what a subgraph is given: a link from it comes through the left border."""
LINE_CHARACTERS = 120
"""Of what is written on one line."""
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A file to download."""

    name: str
    """File name, as the widget shows it."""
    url: str
    """Where it comes from."""
    directory: str
    """Folder below models/."""
    gb: float
    """Size of the download, 1e9 bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node."""

    key: str
    """Name inside the graph."""
    kind: str
    """Class of the node."""
    at: tuple[int, int]
    """Upper left corner in pixels, below the title."""
    width: int = 320
    """Pixels."""
    height: int = 0
    """Pixels; 0: as little as the node needs in both modes of the editor."""
    room: int = 0
    """Pixels below it that its group keeps free: a run lets it grow."""
    title: str = ""
    """Empty: the display name of the class."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Widgets that differ from their defaults; files always."""
    links: Mapping[str, Link] = field(default_factory=dict)
    """Sockets that are connected."""
    models: tuple[Model, ...] = ()
    """Files that the widgets name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subgraph:
    """Nodes that the editor shows as one."""

    name: str
    """Title."""
    description: str
    """What it is for."""
    nodes: tuple[Node, ...]
    """Its nodes."""
    exposed: Mapping[str, Link]
    """Widgets to be seen from outside: name -> key of a node and widget."""
    outputs: Mapping[str, Link]
    """Outputs: name -> source."""
    inputs: tuple[str, ...] = ()
    """Sockets; the nodes are linked to them as `(ENTRY, name)`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A subgraph as a node of a graph."""

    key: str
    """Name inside the graph."""
    subgraph: Subgraph
    """What it is made of."""
    at: tuple[int, int]
    """Upper left corner in pixels, below the title."""
    width: int = 360
    """Pixels."""
    room: int = 0
    """Pixels below it that its group keeps free."""
    links: Mapping[str, Link] = field(default_factory=dict)
    """What its sockets are linked to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Words for the user, in Markdown."""

    at: tuple[int, int]
    """Upper left corner in pixels, below the title."""
    size: tuple[int, int]
    """Width and height in pixels."""
    title: str
    """Title."""
    text: str
    """Markdown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """What the editor's App mode shows of a graph."""

    inputs: tuple[Link, ...]
    """Widgets in their order: key of a node and widget."""
    outputs: tuple[str, ...]
    """Keys of the nodes whose results are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A whole graph. A node comes after those it is linked to."""

    name: str
    """Stem of the files."""
    nodes: tuple[Node | Use, ...]
    """What runs."""
    notes: tuple[Note, ...]
    """What explains."""
    groups: Mapping[str, tuple[str, ...]]
    """Frames: title -> keys of nodes, or titles of notes."""
    bends: Mapping[tuple[str, str], tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Points that lead a link around nodes: key of the node it enters and socket -> places."""
    app: App | None = None
    """None: the graph is no app."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Socket:
    """An input that takes links only."""

    name: str
    type: str
    label: str = ""
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Widget:
    """An input with a value."""

    name: str
    type: str
    value: Value
    extra: tuple[Extra, ...] = ()
    """Widgets that the editor adds."""


def read_inputs(schemas: Schemas, node: Node) -> tuple[list[Socket], list[Widget]]:
    """Work out the inputs of a node as the editor would.

    Args:
        schemas: The host's schemas.
        node: The node.

    Returns:
        Sockets and widgets in the editor's order.

    Raises:
        ValueError: If the class is unknown, or the graph names an input that it does not have, or
            leaves out one that has no default.
    """
    if node.kind not in schemas:
        raise ValueError(f"{node.key}: the host has no node {node.kind}.")
    schema = schemas[node.kind]
    sockets: list[Socket] = []
    widgets: list[Widget] = []
    for part in ("required", "optional"):
        for name in schema["input_order"].get(part, []):
            spec = schema["input"][part][name]
            for item in _expand(node, name, spec, optional=part == "optional"):
                (sockets if isinstance(item, Socket) else widgets).append(item)
    known = {item.name for item in (*sockets, *widgets)}
    unknown = (set(node.values) | set(node.links)) - known
    if unknown:
        raise ValueError(f"{node.key}: {node.kind} has no input {', '.join(sorted(unknown))}.")
    unlinked = [s.name for s in sockets if not s.optional and s.name not in node.links]
    if unlinked:
        raise ValueError(f"{node.key}: {node.kind} needs a link to {', '.join(unlinked)}.")
    return sockets, widgets


def _expand(
    node: Node, name: str, spec: Sequence[Any], *, optional: bool
) -> Iterator[Socket | Widget]:
    """One input of a schema to sockets and widgets; dynamic ones become several."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if kind == "COMFY_AUTOGROW_V3":
        yield from _grow(node, name, options["template"])
    elif kind == "COMFY_DYNAMICCOMBO_V3":
        choices = {choice["key"]: choice["inputs"] for choice in options["options"]}
        value = node.values.get(name, next(iter(choices)))
        yield Widget(name=name, type=kind, value=value)
        for part in ("required", "optional"):
            for inner, inner_spec in choices[str(value)].get(part, {}).items():
                yield from _expand(node, f"{name}.{inner}", inner_spec, optional=part == "optional")
    elif isinstance(kind, list) or (kind in WIDGET_TYPES and not options.get("forceInput")):
        yield _widget(node, name, kind, options, _extra_widgets(options, optional=optional))
    else:
        yield Socket(name=name, type=kind, optional=optional)


def _grow(node: Node, name: str, template: Mapping[str, Any]) -> Iterator[Socket]:
    """Sockets of a growing input: all that are linked, and a free one."""
    kind = next(spec[0] for part in template["input"].values() for spec in part.values())
    names = growing_names(template)
    linked = [inner for inner in names if f"{name}.{inner}" in node.links]
    for index, inner in enumerate(names[: len(linked) + 1]):
        yield Socket(
            name=f"{name}.{inner}", label=inner, type=kind, optional=index >= template["min"]
        )


def growing_names(template: Mapping[str, Any]) -> list[str]:
    """Names of all sockets of a growing input, given one by one or by a prefix."""
    if "names" in template:
        return list(template["names"])
    return [f"{template['prefix']}{number}" for number in range(template["max"])]


def _extra_widgets(options: Mapping[str, Any], *, optional: bool) -> tuple[Extra, ...]:
    """Widgets that the editor adds; buttons for files only to lists that must be there."""
    if options.get("control_after_generate"):
        return (("control_after_generate", "", "fixed"),)
    if optional:
        return ()
    if options.get("image_upload") or options.get("video_upload"):
        return (("upload", "IMAGEUPLOAD", "image"),)
    if options.get("audio_upload"):
        return (("audioUI", "AUDIO_UI", None), ("upload", "AUDIOUPLOAD", None))
    return ()


def _widget(
    node: Node,
    name: str,
    kind: str | list[str],
    options: Mapping[str, Any],
    extra: tuple[Extra, ...],
) -> Widget:
    choices = kind if isinstance(kind, list) else options.get("options", [])
    if name in node.values:
        value = node.values[name]
    elif "default" in options:
        value = options["default"]
    elif choices and not any("." in str(choice) for choice in choices):
        value = choices[0]
    else:
        raise ValueError(f"{node.key}: {node.kind} needs a value for {name}.")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as JavaScript writes it
    type_name = "COMBO" if isinstance(kind, list) else kind
    return Widget(name=name, type=type_name, value=value, extra=extra)


OUTPUTS = {"GetVideoComponents": 4}
"""Outputs of host nodes that have got more since: hosts.md section 2."""


def read_outputs(schemas: Schemas, kind: str) -> list[tuple[str, str]]:
    """Look up the outputs of a class.

    Args:
        schemas: The host's schemas.
        kind: Class.

    Returns:
        Name and type of each.
    """
    schema = schemas[kind]
    outputs = list(zip(schema["output_name"], schema["output"], strict=True))
    return outputs[: OUTPUTS.get(kind)]


def api_form(schemas: Schemas, graph: Graph) -> dict[str, Any]:
    """Write the prompt as the editor's "Export (API)" does.

    Args:
        schemas: The host's schemas.
        graph: The graph.

    Returns:
        Nodes by id; a node of a subgraph has the id `outer:inner`.
    """
    flat: dict[str, Node] = {}  # id -> node
    ids: dict[str, str] = {}  # key -> id
    exits: dict[Link, Link] = {}  # output of a subgraph -> output of one of its nodes
    inner_number = inner_start(graph)
    for number, node in enumerate(graph.nodes, start=1):
        ids[node.key] = str(number)
        if isinstance(node, Node):
            flat[str(number)] = node
            continue
        for inner in node.subgraph.nodes:
            ids[inner.key] = f"{number}:{inner_number}"
            flat[ids[inner.key]] = replace(inner, links=_entered(inner.links, node.links))
            inner_number += 1
        exits |= {(node.key, name): link for name, link in node.subgraph.outputs.items()}
    prompt: dict[str, Any] = {}
    for node_id, node in flat.items():
        _, widgets = read_inputs(schemas, node)
        inputs: dict[str, Any] = {widget.name: widget.value for widget in widgets}
        for name, link in node.links.items():
            key, output = exits.get(link, link)
            names = [n for n, _ in read_outputs(schemas, flat[ids[key]].kind)]
            inputs[name] = [ids[key], names.index(output)]
        title = node.title or schemas[node.kind]["display_name"]
        prompt[node_id] = {"class_type": node.kind, "inputs": inputs, "_meta": {"title": title}}
    return prompt


def _entered(links: Mapping[str, Link], entries: Mapping[str, Link]) -> dict[str, Link]:
    """Links of a node inside of a subgraph, those through its left border to what is outside."""
    return {name: entries[link[1]] if link[0] == ENTRY else link for name, link in links.items()}


def inner_start(graph: Graph) -> int:
    """Choose ids for the nodes inside of a subgraph: behind all others, rounded up.

    Args:
        graph: The graph.

    Returns:
        The first id.
    """
    return (len(graph.nodes) + len(graph.notes)) // 10 * 10 + 11


def to_json(value: object) -> str:
    """Write JSON as it is committed, indented.

    Args:
        value: Any.

    Returns:
        The text, with a new line at its end.
    """
    return json.dumps(value, indent=2) + "\n"


def to_lines(value: object) -> str:
    """Write JSON as it is committed, what is short on one line: graphs have many small parts.

    Args:
        value: Any.

    Returns:
        The text, with a new line at its end.
    """
    return _lines(value, "") + "\n"


def _lines(value: object, indent: str) -> str:
    short = json.dumps(value)
    if len(indent) + len(short) <= LINE_CHARACTERS or not isinstance(value, dict | list):
        return short
    deeper = f"{indent} "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_lines(part, deeper)}" for key, part in value.items()]
    else:
        parts = [_lines(part, deeper) for part in value]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{closed}"
