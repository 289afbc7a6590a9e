"""Nodes and links as the editor saves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pack.tools.host.process import PACK_NAME

from .graph_forms import Link, Node, Schemas, Widget, read_inputs, read_outputs

SLOT_PX = 20
WIDGET_PX = 24
FOOT_PX = 14
VUE_WIDGET_PX, VUE_FOOT_PX, VUE_BADGE_PX, VUE_BUTTON_PX = 3, 4, 24, 30
"""How much higher Nodes 2.0 draws a row, a node, one of a pack, and one with a button below."""
SHAPE_OPTIONAL = 7
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


def height_in_both_modes(
    num_inputs: int, num_outputs: int, num_widgets: int, *, own: bool, button: bool
) -> int:
    """Compute the height that a node needs in the classic editor and in Nodes 2.0.

    Args:
        num_inputs: Sockets on the left.
        num_outputs: Sockets on the right.
        num_widgets: Rows below them.
        own: Whether Nodes 2.0 writes the name of the pack into it.
        button: Whether Nodes 2.0 hangs a button below it.

    Returns:
        Pixels, without the title.
    """
    more = VUE_FOOT_PX + num_widgets * VUE_WIDGET_PX
    more += (VUE_BADGE_PX if own else 0) + (VUE_BUTTON_PX if button else 0)
    return node_height(num_inputs, num_outputs, num_widgets) + more


def _properties(schemas: Schemas, node: Node) -> Json:
    own = schemas[node.kind].get("python_module", "").startswith("custom_nodes.")
    properties: Json = {"Node name for S&R": node.kind}
    properties |= {"cnr_id": PACK_NAME} if own else CORE
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


def node_json(
    schemas: Schemas,
    number: int,
    node: Node,
    sources: Mapping[Link, tuple[int, int, str]],
    wires: Wires,
) -> Json:
    """One node; adds the links that enter it."""
    sockets, widgets = read_inputs(schemas, node)
    inputs: list[Json] = []
    for socket in sockets:
        entry: Json = {"name": socket.name, "type": socket.type, "link": None}
        if socket.label:
            entry["label"] = socket.label
        if socket.optional:
            entry["shape"] = SHAPE_OPTIONAL
        inputs.append(entry)
    num_sockets = len(inputs)
    for widget in widgets:
        inputs.extend(_widget_json(widget))
    for slot, entry in enumerate(inputs):  # a link may take the place of a typed value too
        if entry["name"] in node.links:
            origin, origin_slot, kind = sources[node.links[entry["name"]]]
            entry["link"] = wires.add((origin, origin_slot, number, slot, kind))
    outputs = [{"name": name, "type": kind} for name, kind in read_outputs(schemas, node.kind)]
    values = [value for w in widgets for value in (w.value, *(extra[2] for extra in w.extra))]
    own = schemas[node.kind].get("python_module", "").startswith("custom_nodes.")
    height = height_in_both_modes(num_sockets, len(outputs), len(values), own=own, button=False)
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


def bend_links(bends: Mapping[Link, Sequence[tuple[int, int]]], nodes: Mapping[str, Json]) -> Json:
    """Lead links around nodes: the editor's reroutes, as it saves them.

    Args:
        bends: Places by key of the node that a link enters and its socket.
        nodes: Nodes by key.

    Returns:
        What goes into `extra`.
    """
    reroutes: list[Json] = []
    extensions: list[Json] = []
    for (key, socket), places in bends.items():
        (link,) = [entry["link"] for entry in nodes[key]["inputs"] if entry["name"] == socket]
        for index, place in enumerate(places):
            number = len(reroutes) + 1
            before = {"parentId": number - 1} if index else {}
            reroutes.append({"id": number, **before, "pos": list(place), "linkIds": [link]})
        extensions.append({"id": link, "parentId": len(reroutes)})
    return {"reroutes": reroutes, "linkExtensions": extensions} if reroutes else {}


def fill_links(nodes: Iterable[Json], wires: Wires) -> None:
    """Write into every output which links leave it."""
    for node in nodes:
        for slot, output in enumerate(node["outputs"]):
            output["links"] = wires.leaving(node["id"], slot) or None
