"""The editor's form of a graph: places, slots, links, groups and subgraphs, as the editor saves."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .graph_forms import (
    Graph,
    Link,
    Node,
    Note,
    Schemas,
    Subgraph,
    Use,
    Widget,
    inner_start,
    read_inputs,
    read_outputs,
)

TITLE_PX = 30
SLOT_PX = 20
WIDGET_PX = 24
FOOT_PX = 14
GROUP_PADDING_PX = 20
BORDER_SIZE_PX = 120
BORDER_GAP_PX = 100
INPUT_NODE, OUTPUT_NODE = -10, -20
"""Ids that the editor gives to the borders of a subgraph."""
SHAPE_OPTIONAL = 7
NAMESPACE = uuid.UUID("5f0b6f0e-6a6f-4c0e-9b7e-6d756c746974")
PACK = "multitalk-nodes"
CORE = {"cnr_id": "comfy-core"}

Json = dict[str, Any]
Ends = tuple[int, int, int, int, str]
"""From node, from slot, to node, to slot, type."""


class Wires:
    """The links of one graph or subgraph, numbered as they are made."""

    def __init__(self) -> None:
        self.ends: dict[int, Ends] = {}

    def add(self, ends: Ends) -> int:
        """Add a link; returns its id."""
        self.ends[len(self.ends) + 1] = ends
        return len(self.ends)

    def leaving(self, node: int, slot: int) -> list[int]:
        """Ids of the links that leave an output."""
        return [i for i, ends in self.ends.items() if ends[:2] == (node, slot)]


def node_height(num_inputs: int, num_outputs: int, num_widgets: int) -> int:
    """Compute the height that a node needs, as the editor does.

    Args:
        num_inputs: Sockets on the left.
        num_outputs: Sockets on the right.
        num_widgets: Rows below them.

    Returns:
        Pixels, without the title.
    """
    return max(num_inputs, num_outputs) * SLOT_PX + num_widgets * WIDGET_PX + FOOT_PX


def editor_form(schemas: Schemas, graph: Graph) -> Json:
    """Write a graph as the editor saves it.

    Args:
        schemas: The host's schemas.
        graph: The graph.

    Returns:
        The workflow.
    """
    wires = Wires()
    outputs: dict[Link, tuple[int, int, str]] = {}
    nodes: list[Json] = []
    for number, node in enumerate(graph.nodes, start=1):
        if isinstance(node, Use):
            nodes.append(_use_json(schemas, number, node))
        else:
            nodes.append(_node_json(schemas, number, node, outputs, wires))
        nodes[-1]["order"] = number - 1
        for slot, output in enumerate(nodes[-1]["outputs"]):
            outputs[node.key, output["name"]] = (number, slot, output["type"])
    _fill_links(nodes, wires)
    for number, note in enumerate(graph.notes, start=len(nodes) + 1):
        nodes.append(_note_json(number, note))
    start = inner_start(graph)
    uses = [node for node in graph.nodes if isinstance(node, Use)]
    subgraphs = [subgraph_json(schemas, use.subgraph, start) for use in uses]
    workflow: Json = {
        "id": str(uuid.uuid5(NAMESPACE, graph.name)),
        "revision": 0,
        "last_node_id": start + len(uses[0].subgraph.nodes) - 1 if uses else len(nodes),
        "last_link_id": len(wires.ends),
        "nodes": nodes,
        "links": [[number, *ends] for number, ends in wires.ends.items()],
        "groups": _groups_json(graph, nodes),
        "config": {},
        "extra": {},
        "version": 0.4,
    }
    if subgraphs:
        workflow["definitions"] = {"subgraphs": subgraphs}
    return workflow


def blueprint_form(schemas: Schemas, subgraph: Subgraph) -> Json:
    """Write a subgraph as a blueprint: a workflow with one node.

    Args:
        schemas: The host's schemas.
        subgraph: The subgraph.

    Returns:
        The workflow.
    """
    use = Use(key="only", subgraph=subgraph, at=(0, 0))
    graph = Graph(name=subgraph.name, nodes=(use,), notes=(), groups={})
    return editor_form(schemas, graph)


def _properties(schemas: Schemas, node: Node) -> Json:
    own = schemas[node.kind].get("python_module", "").startswith("custom_nodes.")
    properties: Json = {"Node name for S&R": node.kind}
    properties |= {"cnr_id": PACK} if own else CORE
    if node.models:
        properties["models"] = [
            {"name": model.name, "url": model.url, "directory": model.directory}
            for model in node.models
        ]
    return properties


def _widget_json(widget: Widget) -> list[Json]:
    """Input entries of a widget and of those that the editor adds to it."""
    rows = [(widget.name, widget.type), *((name, kind) for name, kind, _ in widget.extra if kind)]
    return [
        {"name": name, "type": kind, "widget": {"name": name}, "link": None} for name, kind in rows
    ]


def _node_json(
    schemas: Schemas,
    number: int,
    node: Node,
    sources: Mapping[Link, tuple[int, int, str]],
    wires: Wires,
) -> Json:
    """One node; adds the links that enter it."""
    sockets, widgets = read_inputs(schemas, node)
    inputs: list[Json] = []
    for slot, socket in enumerate(sockets):
        entry: Json = {"name": socket.name, "type": socket.type, "link": None}
        if socket.label:
            entry["label"] = socket.label
        if socket.optional:
            entry["shape"] = SHAPE_OPTIONAL
        if socket.name in node.links:
            origin, origin_slot, kind = sources[node.links[socket.name]]
            entry["link"] = wires.add((origin, origin_slot, number, slot, kind))
        inputs.append(entry)
    num_sockets = len(inputs)
    for widget in widgets:
        inputs.extend(_widget_json(widget))
    outputs = [{"name": name, "type": kind} for name, kind in read_outputs(schemas, node.kind)]
    values = [value for w in widgets for value in (w.value, *(extra[2] for extra in w.extra))]
    height = node_height(num_sockets, len(outputs), len(values))
    entry = {
        "id": number,
        "type": node.kind,
        "pos": list(node.at),
        "size": [node.width, node.height or height],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": inputs,
        "outputs": outputs,
        "properties": _properties(schemas, node),
        "widgets_values": values,
    }
    if node.title:
        entry["title"] = node.title
    return entry


def _use_json(schemas: Schemas, number: int, use: Use) -> Json:
    """A subgraph as a node."""
    exposed = exposed_widgets(schemas, use.subgraph)
    outputs = _exits(schemas, use.subgraph)
    return {
        "id": number,
        "type": subgraph_id(use.subgraph),
        "pos": list(use.at),
        "size": [use.width, node_height(0, len(outputs), len(exposed))],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [
            {"name": name, "type": widget.type, "widget": {"name": name}, "link": None}
            for name, widget in exposed.items()
        ],
        "outputs": [{"name": name, "type": kind} for name, (_, _, kind) in outputs.items()],
        "properties": {"cnr_id": PACK},
        "widgets_values": [widget.value for widget in exposed.values()],
        "title": use.subgraph.name,
    }


def _note_json(number: int, note: Note) -> Json:
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": list(note.at),
        "size": list(note.size),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [note.text],
        "title": note.title,
        "color": "#432",
        "bgcolor": "#000",
    }


def _fill_links(nodes: Iterable[Json], wires: Wires) -> None:
    """Write into every output which links leave it."""
    for node in nodes:
        for slot, output in enumerate(node["outputs"]):
            output["links"] = wires.leaving(node["id"], slot) or None


def _groups_json(graph: Graph, nodes: Sequence[Json]) -> list[Json]:
    """Frames around their members."""
    names = [*(node.key for node in graph.nodes), *(note.title for note in graph.notes)]
    places = dict(zip(names, nodes, strict=True))
    groups = []
    for number, (title, members) in enumerate(graph.groups.items(), start=1):
        boxes = [(*places[key]["pos"], *places[key]["size"]) for key in members]
        left = min(x for x, _, _, _ in boxes) - GROUP_PADDING_PX
        top = min(y for _, y, _, _ in boxes) - GROUP_PADDING_PX - 2 * TITLE_PX
        right = max(x + width for x, _, width, _ in boxes) + GROUP_PADDING_PX
        bottom = max(y + height for _, y, _, height in boxes) + GROUP_PADDING_PX
        groups.append(
            {
                "id": number,
                "title": title,
                "bounding": [left, top, right - left, bottom - top],
                "color": "#3f789e",
                "font_size": 24,
                "flags": {},
            }
        )
    return groups


def subgraph_id(subgraph: Subgraph) -> str:
    """Name a subgraph's definition.

    Args:
        subgraph: The subgraph.

    Returns:
        An id that is the same for the same contents.
    """
    return str(uuid.uuid5(NAMESPACE, repr(subgraph)))


def exposed_widgets(schemas: Schemas, subgraph: Subgraph) -> dict[str, Widget]:
    """Find the widgets that a subgraph shows.

    Args:
        schemas: The host's schemas.
        subgraph: The subgraph.

    Returns:
        Widgets by the name that they have outside.
    """
    by_key = {node.key: read_inputs(schemas, node)[1] for node in subgraph.nodes}
    return {
        name: next(widget for widget in by_key[key] if widget.name == inner)
        for name, (key, inner) in subgraph.exposed.items()
    }


def _exits(schemas: Schemas, subgraph: Subgraph) -> dict[str, tuple[str, int, str]]:
    """Outputs of a subgraph: key of the inner node, its slot, type."""
    kinds = {node.key: node.kind for node in subgraph.nodes}
    exits = {}
    for name, (key, output) in subgraph.outputs.items():
        outputs = read_outputs(schemas, kinds[key])
        slot = [n for n, _ in outputs].index(output)
        exits[name] = (key, slot, outputs[slot][1])
    return exits


def subgraph_json(schemas: Schemas, subgraph: Subgraph, start: int) -> Json:
    """Write the definition of a subgraph.

    Args:
        schemas: The host's schemas.
        subgraph: The subgraph; its nodes are not linked to one another.
        start: Id of its first node.

    Returns:
        The definition.
    """
    wires = Wires()
    nodes = [
        _node_json(schemas, number, node, {}, wires)
        for number, node in enumerate(subgraph.nodes, start=start)
    ]
    by_key = {node.key: entry for node, entry in zip(subgraph.nodes, nodes, strict=True)}
    middle = max(entry["pos"][1] + entry["size"][1] for entry in nodes) // 2
    right = max(entry["pos"][0] + entry["size"][0] for entry in nodes)
    left = min(entry["pos"][0] for entry in nodes)
    entries, exits = [], []
    for slot, (name, widget) in enumerate(exposed_widgets(schemas, subgraph).items()):
        node = by_key[subgraph.exposed[name][0]]
        names = [entry["name"] for entry in node["inputs"]]
        target = names.index(widget.name)
        link = wires.add((INPUT_NODE, slot, node["id"], target, widget.type))
        node["inputs"][target]["link"] = link
        entries.append((name, widget.type, link))
    for slot, (name, (key, origin, kind)) in enumerate(_exits(schemas, subgraph).items()):
        link = wires.add((by_key[key]["id"], origin, OUTPUT_NODE, slot, kind))
        exits.append((name, kind, link))
    _fill_links(nodes, wires)
    for order, node in enumerate(nodes):
        node["order"] = order
    identity = subgraph_id(subgraph)
    return {
        "id": identity,
        "version": 1,
        "state": {
            "lastGroupId": 0,
            "lastNodeId": start + len(nodes) - 1,
            "lastLinkId": len(wires.ends),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": subgraph.name,
        "description": subgraph.description,
        "inputNode": _border(INPUT_NODE, left - BORDER_GAP_PX - BORDER_SIZE_PX, middle, entries),
        "outputNode": _border(OUTPUT_NODE, right + BORDER_GAP_PX, middle, exits),
        "inputs": _ports(identity, "input", entries, left - BORDER_GAP_PX, middle),
        "outputs": _ports(identity, "output", exits, right + BORDER_GAP_PX, middle),
        "widgets": [],
        "nodes": nodes,
        "groups": [],
        "links": [
            {
                "id": number,
                "origin_id": origin,
                "origin_slot": origin_slot,
                "target_id": target,
                "target_slot": target_slot,
                "type": kind,
            }
            for number, (origin, origin_slot, target, target_slot, kind) in wires.ends.items()
        ],
        "extra": {},
    }


def _border(number: int, x: int, middle: int, ports: Sequence[tuple[str, str, int]]) -> Json:
    height = (len(ports) + 2) * SLOT_PX
    return {"id": number, "bounding": [x, middle - height // 2, BORDER_SIZE_PX, height]}


def _ports(
    identity: str, side: str, ports: Sequence[tuple[str, str, int]], x: int, middle: int
) -> list[Json]:
    """Inputs or outputs of a subgraph's definition."""
    top = middle - len(ports) * SLOT_PX // 2
    return [
        {
            "id": str(uuid.uuid5(uuid.UUID(identity), f"{side} {name}")),
            "name": name,
            "type": kind,
            "linkIds": [link],
            "pos": [x, top + slot * SLOT_PX],
        }
        for slot, (name, kind, link) in enumerate(ports)
    ]
