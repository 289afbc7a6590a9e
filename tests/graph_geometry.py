"""Where a saved graph draws its nodes, links and groups: the editor's own rules, from its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pack.tools.make.graph_index import FILES, graph_path

ROOT = Path(__file__).resolve().parents[1]
TITLE_PX, BADGE_PX, SLOT_PX = 30, 22, 20
FIT = 0.75  # of the window, when a template is opened
FIT_MARGIN_PX = 10
TEXT_SCALE = 8 / 14  # below it the classic editor draws no text
MAP_PX = (257, 258)  # the editor's map and tools, from the right and from the bottom of the window
GROUP_TITLE_PX, GROUP_LETTER_PX = 34, 11
MAX_SPLINE_PX = 80
STEPS = 40

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Point = tuple[float, float]


NAMES = sorted(FILES)


def read_graph(name: str) -> dict[str, Any]:
    """A shipped graph by its short name."""
    return json.loads(graph_path(name).read_text(encoding="ascii"))


def node_box(node: dict[str, Any]) -> Box:
    """A node with its title."""
    (x, y), (width, height) = node["pos"], node["size"]
    if node["flags"].get("collapsed"):
        return (x, y - TITLE_PX, x + width, y)
    return (x, y - TITLE_PX, x + width, y + height)


def group_box(group: dict[str, Any]) -> Box:
    x, y, width, height = group["bounding"]
    return (x, y, x + width, y + height)


def group_title_box(group: dict[str, Any]) -> Box:
    """The words above a group, and what must stay free around them."""
    left, top, *_ = group_box(group)
    return (left, top, left + 8 + GROUP_LETTER_PX * len(group["title"]), top + GROUP_TITLE_PX)


def around(boxes: list[Box]) -> Box:
    left, top, right, bottom = zip(*boxes, strict=True)
    return (min(left), min(top), max(right), max(bottom))


def overlap(one: Box, other: Box, margin: float = 0) -> bool:
    return (
        one[0] < other[2] + margin
        and other[0] < one[2] + margin
        and one[1] < other[3] + margin
        and other[1] < one[3] + margin
    )


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def points_inside(points: list[Point], box: Box) -> list[Point]:
    """Those of the points that lie in a box, not on its edge."""
    left, top, right, bottom = box
    return [(x, y) for x, y in points if left < x < right and top < y < bottom]


def opening_scale(graph: dict[str, Any], width: int, height: int) -> float:
    """Scale with which the editor opens a template in a window of this size, in pixels."""
    left, top, right, bottom = around([node_box(node) for node in graph["nodes"]])
    across, down = right - left + 2 * FIT_MARGIN_PX, bottom - top + 2 * FIT_MARGIN_PX
    return FIT * min(width / across, height / down)


def window_corner(graph: dict[str, Any], width: int, height: int) -> Point:
    """Lower right corner of the editor's window, in the graph, when a template is opened."""
    left, top, right, bottom = around([node_box(node) for node in graph["nodes"]])
    scale = opening_scale(graph, width, height)
    return ((left + right + width / scale) / 2, (top + bottom + height / scale) / 2)


def map_corner(graph: dict[str, Any], width: int, height: int) -> Point:
    """Upper left corner of the editor's map, in the graph, when a template is opened."""
    right, bottom = window_corner(graph, width, height)
    scale = opening_scale(graph, width, height)
    return (right - MAP_PX[0] / scale, bottom - MAP_PX[1] / scale)


def links(graph: dict[str, Any]) -> Iterator[tuple[int, int, list[Point]]]:
    """Every link: id of the node it leaves, of the node it enters, points along its curve."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    reroutes = {entry["id"]: entry for entry in graph["extra"].get("reroutes", [])}
    parents = {e["id"]: e["parentId"] for e in graph["extra"].get("linkExtensions", [])}
    for number, origin, slot, target, target_slot, _ in graph["links"]:
        (x, y), width = nodes[origin]["pos"], nodes[origin]["size"][0]
        start = (x + width, y + (slot + 0.7) * SLOT_PX)
        x, y = nodes[target]["pos"]
        end = (x, y + (target_slot + 0.7) * SLOT_PX)
        bends: list[Point] = []
        parent = parents.get(number)
        while parent is not None:
            bends.insert(0, tuple(reroutes[parent]["pos"]))
            parent = reroutes[parent].get("parentId")
        yield origin, target, _route(start, bends, end)


def _route(start: Point, bends: list[Point], end: Point) -> list[Point]:
    """Splines from bend to bend."""
    points, previous, control = [], start, None
    for index, bend in enumerate(bends):
        following = bends[index + 1] if index + 1 < len(bends) else end
        leaving = math.atan2(following[1] - bend[1], following[0] - bend[0])
        arriving = math.atan2(bend[1] - previous[1], bend[0] - previous[0])
        half = (arriving - leaving) / 2
        if abs(half) > math.pi / 2:
            half += math.pi
        angle = arriving - half
        reach = min(MAX_SPLINE_PX, math.dist(previous, bend) / 4)
        before = (-reach * math.cos(angle), -reach * math.sin(angle))
        points += _spline(previous, bend, control, before)
        reach = min(MAX_SPLINE_PX, math.dist(bend, following) / 4)
        control = (reach * math.cos(angle), reach * math.sin(angle))
        previous = bend
    return points + _spline(previous, end, control, None)


def _spline(start: Point, end: Point, leave: Point | None, arrive: Point | None) -> list[Point]:
    """A cubic; without controls it leaves to the right and arrives from the left."""
    reach = math.dist(start, end) / 4
    leave, arrive = leave or (reach, 0), arrive or (-reach, 0)
    corners = (
        start,
        (start[0] + leave[0], start[1] + leave[1]),
        (end[0] + arrive[0], end[1] + arrive[1]),
        end,
    )
    points = []
    for step in range(STEPS + 1):
        t = step / STEPS
        weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
        points.append(
            tuple(
                sum(w * c[axis] for w, c in zip(weights, corners, strict=True)) for axis in (0, 1)
            )
        )
    return points
