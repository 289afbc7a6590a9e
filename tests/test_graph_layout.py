"""The shipped graphs as one sees them when they open: wide as a screen, readable, nothing hidden.

The numbers come from the JSON: that both modes of the editor draw what stands there is held by
tests/browser.
"""

from __future__ import annotations

import pytest

from .graph_geometry import (
    BADGE_PX,
    NAMES,
    TEXT_SCALE,
    around,
    group_box,
    inside,
    links,
    node_box,
    opening_scale,
    overlap,
    read_graph,
)

MAX_WIDTH_PX = 1700
SCREENS = ((1440, 900), (1600, 1000))
EDGE_PX = 12  # a link may bow this far behind the nodes it connects


def with_badge(node):
    """A node, and above it the name of the pack, which the classic editor writes there."""
    left, top, right, bottom = node_box(node)
    own = node["type"].startswith("MultiTalk")
    return (left, top - BADGE_PX if own else top, right, bottom)


def title(graph, number):
    (node,) = [node for node in graph["nodes"] if node["id"] == number]
    return node.get("title", node["type"])


@pytest.mark.parametrize("name", NAMES)
def test_graph_is_as_wide_as_a_screen(name):
    graph = read_graph(name)
    boxes = [node_box(n) for n in graph["nodes"]] + [group_box(g) for g in graph["groups"]]
    left, _, right, _ = around(boxes)
    assert right - left <= MAX_WIDTH_PX


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", NAMES)
def test_graph_opens_with_a_scale_that_shows_text(name, screen):
    assert opening_scale(read_graph(name), *screen) > TEXT_SCALE


@pytest.mark.parametrize("name", NAMES)
def test_titles_and_badges_cover_no_other_node(name):
    nodes = read_graph(name)["nodes"]
    for index, node in enumerate(nodes):
        for other in nodes[index + 1 :]:
            assert not overlap(with_badge(node), with_badge(other)), (node["type"], other["type"])


@pytest.mark.parametrize("name", NAMES)
def test_no_link_runs_behind_a_node(name):
    graph = read_graph(name)
    boxes = {node["id"]: node_box(node) for node in graph["nodes"]}
    for origin, target, points in links(graph):
        for number, (left, top, right, bottom) in boxes.items():
            edge = EDGE_PX if number in (origin, target) else 0
            hidden = [
                (x, y) for x, y in points if left + edge < x < right - edge and top < y < bottom
            ]
            names = [title(graph, key) for key in (origin, target, number)]
            assert hidden == [], "{} to {} behind {}".format(*names)


@pytest.mark.parametrize("name", NAMES)
def test_groups_hold_whole_nodes_and_no_others(name):
    graph = read_graph(name)
    for group in graph["groups"]:
        box = group_box(group)
        held = 0
        for node in graph["nodes"]:
            if overlap(node_box(node), box):
                assert inside(with_badge(node), box), (group["title"], node["type"])
                held += 1
        assert held, group["title"]


@pytest.mark.parametrize("name", NAMES)
def test_groups_lie_apart(name):
    groups = read_graph(name)["groups"]
    for index, group in enumerate(groups):
        for other in groups[index + 1 :]:
            assert not overlap(group_box(group), group_box(other)), (
                f"{group['title']} and {other['title']}"
            )
