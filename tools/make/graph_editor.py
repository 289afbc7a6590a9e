"""The editor's form of a graph: places, slots, links, groups and subgraphs, as the editor saves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from pack.tools.host.process import PACK_NAME

from .graph_forms import (
    ENTRY,
    Graph,
    Link,
    Note,
    Schemas,
    Subgraph,
    Use,
    Widget,
    inner_start,
    read_inputs,
    read_outputs,
)
from .graph_nodes import (
    SLOT_PX,
    Json,
    Wires,
    bend_links,
    fill_links,
    height_in_both_modes,
    node_json,
)
from .note_size import note_height

GROUP_PADDING_PX = 12
GROUP_HEAD_PX = 80
"""Above the first node of a group: its title, the badge of the pack, the title of the node."""
BORDER_SIZE_PX = 120
BORDER_GAP_PX = 100
INPUT_NODE, OUTPUT_NODE = -10, -20
"""Ids that the editor gives to the borders of a subgraph."""
LINK_KEYS = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
NAMESPACE = uuid.UUID("5f0b6f0e-6a6f-4c0e-9b7e-6d756c746974")

Port = tuple[str, str, list[int]]
"""Name, type and links of an input or output of a subgraph."""


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
            for slot, entry in enumerate(nodes[-1]["inputs"]):
                if entry["name"] in node.links:
                    origin, origin_slot, kind = outputs[node.links[entry["name"]]]
                    entry["link"] = wires.add((origin, origin_slot, number, slot, kind))
        else:
            nodes.append(node_json(schemas, number, node, outputs, wires))
        nodes[-1]["order"] = number - 1
        for slot, output in enumerate(nodes[-1]["outputs"]):
            outputs[node.key, output["name"]] = (number, slot, output["type"])
    fill_links(nodes, wires)
    for number, note in enumerate(graph.notes, start=len(nodes) + 1):
        nodes.append(_note_json(number, note))
    start = inner_start(graph)
    uses = [node for node in graph.nodes if isinstance(node, Use)]
    subgraphs, last = [], start
    for use in uses:
        subgraphs.append(subgraph_json(schemas, use.subgraph, last))
        last += len(use.subgraph.nodes)
    workflow: Json = {
        "id": graph_id(graph.name),
        "revision": 0,
        "last_node_id": last - 1 if uses else len(nodes),
        "last_link_id": len(wires.ends),
        "nodes": nodes,
        "links": [[number, *ends] for number, ends in wires.ends.items()],
        "groups": _groups_json(graph, nodes),
        "config": {},
        "extra": _extra_json(graph, nodes),
        "version": 0.4,
    }
    if subgraphs:
        workflow["definitions"] = {"subgraphs": subgraphs}
    return workflow


def graph_id(name: str) -> str:
    """Id of a graph in the editor.

    Args:
        name: Of the graph.

    Returns:
        The same for the same name.
    """
    return str(uuid.uuid5(NAMESPACE, name))


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


def _use_json(schemas: Schemas, number: int, use: Use) -> Json:
    """A subgraph as a node."""
    sockets = _sockets(schemas, use.subgraph)
    exposed = exposed_widgets(schemas, use.subgraph)
    outputs = _exits(schemas, use.subgraph)
    height = height_in_both_modes(len(sockets), len(outputs), len(exposed), own=False, button=True)
    return {
        "id": number,
        "type": subgraph_id(use.subgraph),
        "pos": list(use.at),
        "size": [use.width, height],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [
            *({"name": name, "type": kind, "link": None} for name, kind in sockets.items()),
            *(
                {"name": name, "type": widget.type, "widget": {"name": name}, "link": None}
                for name, widget in exposed.items()
            ),
        ],
        "outputs": [{"name": name, "type": kind} for name, (_, _, kind) in outputs.items()],
        "properties": {"cnr_id": PACK_NAME},
        "widgets_values": [widget.value for widget in exposed.values()],
        "title": use.subgraph.name,
    }


def _note_json(number: int, note: Note) -> Json:
    width, height = note.size
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": list(note.at),
        "size": [width, max(height, note_height(note.text, width))],
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


def _extra_json(graph: Graph, nodes: Sequence[Json]) -> Json:
    """Bends of links, and what App mode shows."""
    by_key = dict(zip((node.key for node in graph.nodes), nodes, strict=False))
    extra = bend_links(graph.bends, by_key)
    if graph.app is not None:
        extra["linearMode"] = False  # opens as a graph: the editor greets apps with a tour
        extra["linearData"] = {
            "inputs": [[by_key[key]["id"], widget] for key, widget in graph.app.inputs],
            "outputs": [by_key[key]["id"] for key in graph.app.outputs],
        }
    return extra


def _groups_json(graph: Graph, nodes: Sequence[Json]) -> list[Json]:
    """Frames around their members."""
    names = [*(node.key for node in graph.nodes), *(note.title for note in graph.notes)]
    places = dict(zip(names, nodes, strict=True))
    rooms = {node.key: node.room for node in graph.nodes}
    groups = []
    for number, (title, members) in enumerate(graph.groups.items(), start=1):
        boxes = []
        for key in members:
            (x, y), (width, height) = places[key]["pos"], places[key]["size"]
            boxes.append((x, y, width, height + rooms.get(key, 0)))
        left = min(x for x, _, _, _ in boxes) - GROUP_PADDING_PX
        top = min(y for _, y, _, _ in boxes) - GROUP_HEAD_PX
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


def _sockets(schemas: Schemas, subgraph: Subgraph) -> dict[str, str]:
    """Type of every input of a subgraph: that of the first socket that it leads to."""
    kinds: dict[str, str] = {}
    for node in subgraph.nodes:
        types = {socket.name: socket.type for socket in read_inputs(schemas, node)[0]}
        for socket, (key, name) in node.links.items():
            if key == ENTRY:
                kinds.setdefault(name, types[socket])
    return {name: kinds[name] for name in subgraph.inputs}


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
        subgraph: The subgraph; a node comes after those it is linked to.
        start: Id of its first node.

    Returns:
        The definition.
    """
    wires = Wires()
    sources: dict[Link, tuple[int, int, str]] = {
        (ENTRY, name): (INPUT_NODE, slot, kind)
        for slot, (name, kind) in enumerate(_sockets(schemas, subgraph).items())
    }
    nodes: list[Json] = []
    for number, node in enumerate(subgraph.nodes, start=start):
        nodes.append(node_json(schemas, number, node, sources, wires))
        for slot, output in enumerate(nodes[-1]["outputs"]):
            sources[node.key, output["name"]] = (number, slot, output["type"])
    by_key = {node.key: entry for node, entry in zip(subgraph.nodes, nodes, strict=True)}
    middle = max(entry["pos"][1] + entry["size"][1] for entry in nodes) // 2
    right = max(entry["pos"][0] + entry["size"][0] for entry in nodes)
    left = min(entry["pos"][0] for entry in nodes)
    entries, exits = _connect(schemas, subgraph, by_key, wires)
    fill_links(nodes, wires)
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
            dict(zip(LINK_KEYS, (number, *ends), strict=True))
            for number, ends in wires.ends.items()
        ],
        "extra": {},
    }


def _connect(
    schemas: Schemas, subgraph: Subgraph, by_key: dict[str, Json], wires: Wires
) -> tuple[list[Port], list[Port]]:
    """Link the nodes of a subgraph with its borders; returns what is at the left and the right."""
    entries: list[Port] = [
        (name, kind, wires.leaving(INPUT_NODE, slot))
        for slot, (name, kind) in enumerate(_sockets(schemas, subgraph).items())
    ]
    exits: list[Port] = []
    exposed = exposed_widgets(schemas, subgraph)
    for slot, (name, widget) in enumerate(exposed.items(), start=len(entries)):
        node = by_key[subgraph.exposed[name][0]]
        names = [entry["name"] for entry in node["inputs"]]
        target = names.index(widget.name)
        link = wires.add((INPUT_NODE, slot, node["id"], target, widget.type))
        node["inputs"][target]["link"] = link
        entries.append((name, widget.type, [link]))
    for slot, (name, (key, origin, kind)) in enumerate(_exits(schemas, subgraph).items()):
        link = wires.add((by_key[key]["id"], origin, OUTPUT_NODE, slot, kind))
        exits.append((name, kind, [link]))
    return entries, exits


def _border(number: int, x: int, middle: int, ports: Sequence[Port]) -> Json:
    height = (len(ports) + 2) * SLOT_PX
    return {"id": number, "bounding": [x, middle - height // 2, BORDER_SIZE_PX, height]}


def _ports(identity: str, side: str, ports: Sequence[Port], x: int, middle: int) -> list[Json]:
    """Inputs or outputs of a subgraph's definition."""
    top = middle - len(ports) * SLOT_PX // 2
    return [
        {
            "id": str(uuid.uuid5(uuid.UUID(identity), f"{side} {name}")),
            "name": name,
            "type": kind,
            "linkIds": links,
            "pos": [x, top + slot * SLOT_PX],
        }
        for slot, (name, kind, links) in enumerate(ports)
    ]
