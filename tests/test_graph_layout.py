"""The shipped graphs as one sees them when they open: wide as a screen, readable, nothing hidden.

The numbers come from the JSON: that both modes of the editor draw what stands there is held by
tests/browser.
"""

from __future__ import annotations

import json

import pytest

from pack.tools.make.note_size import note_height

from .graph_geometry import (
    BADGE_PX,
    NAMES,
    ROOT,
    TEXT_SCALE,
    around,
    group_box,
    group_title_box,
    inside,
    links,
    map_corner,
    node_box,
    opening_scale,
    overlap,
    points_inside,
    read_graph,
    window_corner,
)

MAX_WIDTH_PX = 1700
SCREENS = ((1440, 900), (1600, 1000))
# Heights after a run, measured in both modes of the editor: pictures, a time line, a player.
AFTER_RUN_PX = {
    "MultiTalkExample": 486,
    "MultiTalkSpeakers": 400,
    "MultiTalkDialogue": 614,
    "MultiTalkScene": 470,
    "MultiTalkSampler": 880,
    "MultiTalkVideoCombine": 402,
}
# What a run adds below the sampler that makes a file, in the classic editor: a line of progress,
# and a player whose 3:2 picture is as wide as the node.
LINE_PX, PLAYER_EDGES_PX = 58, 20
# Heights of notes as Nodes 2.0 draws them, measured.
NOTES_PX = {
    ("multitalk_two_speakers_detector", "Files"): 323,
    ("infinitetalk_dub_video", "What to change"): 212,
    ("toy_dialogue", "Script"): 192,
}
# Nodes with texts are as high as these need (web/field_heights.js), so that a run has nothing to
# take from them; what the picture of a run adds in Nodes 2.0, measured.
TEXTS_PX = {"MultiTalkDialogue": 421, "MultiTalkScene": 267, "MultiTalkSpeakers": 186}
PICTURE_ROOM_PX = 232
EDGE_PX = 12  # a link may bow this far behind the nodes it connects
BESIDE_PX = 2  # and stays this far from others: both modes draw it a little differently

LEAST_WIDTH_PX = 225  # Nodes 2.0 draws no node narrower, over what stands beside it


def with_badge(node):
    """A node, and above it the name of the pack, which the classic editor writes there."""
    left, top, right, bottom = node_box(node)
    own = node["type"].startswith("MultiTalk")
    return (left, top - BADGE_PX if own else top, right, bottom)


def box_after_run(node):
    """A node with its title and what a run adds to it."""
    left, top, right, bottom = node_box(node)
    return (left, top, right, max(bottom, node["pos"][1] + AFTER_RUN_PX.get(node["type"], 0)))


def title(graph, number):
    (node,) = [node for node in graph["nodes"] if node["id"] == number]
    return node.get("title", node["type"])


@pytest.mark.parametrize("name", NAMES)
def test_graph_is_as_wide_as_a_screen(name):
    graph = read_graph(name)
    boxes = [node_box(n) for n in graph["nodes"]] + [group_box(g) for g in graph["groups"]]
    left, _, right, _ = around(boxes)
    assert right - left <= MAX_WIDTH_PX


@pytest.mark.parametrize("name", NAMES)
def test_nodes_are_as_wide_as_both_modes_draw_them(name):
    narrow = {n.get("title", n["type"]): n["size"][0] for n in read_graph(name)["nodes"]}
    assert {title: px for title, px in narrow.items() if px < LEAST_WIDTH_PX} == {}


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
    boxes = {node["id"]: box_after_run(node) for node in graph["nodes"]}
    for origin, target, points in links(graph):
        for number, (left, top, right, bottom) in boxes.items():
            ends = number in (origin, target)
            edge, beside = (EDGE_PX, 0) if ends else (-BESIDE_PX, BESIDE_PX)
            box = (left + edge, top - beside, right - edge, bottom + beside)
            hidden = points_inside(points, box)
            names = [title(graph, key) for key in (origin, target, number)]
            assert hidden == [], "{} to {} behind {}".format(*names)


@pytest.mark.parametrize("name", NAMES)
def test_no_link_crosses_the_title_of_a_group(name):
    graph = read_graph(name)
    titles = {group["title"]: group_title_box(group) for group in graph["groups"]}
    for origin, target, points in links(graph):
        for words, box in titles.items():
            crossing = points_inside(points, box)
            names = title(graph, origin), title(graph, target)
            assert crossing == [], "{} to {} over {}".format(*names, words)


@pytest.mark.parametrize("screen", [*SCREENS, (1920, 1080)])
@pytest.mark.parametrize("name", NAMES)
def test_the_map_of_the_editor_covers_no_node(name, screen):
    graph = read_graph(name)
    left, top = map_corner(graph, *screen)
    covered = [
        title(graph, node["id"])
        for node in graph["nodes"]
        if node_box(node)[2] > left and node_box(node)[3] > top
    ]
    assert covered == []


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


@pytest.mark.parametrize("name", NAMES)
def test_nodes_stay_in_their_groups_after_a_run(name):
    graph = read_graph(name)
    nodes = graph["nodes"]
    for node in [node for node in nodes if node["type"] in AFTER_RUN_PX]:
        left, top, right, bottom = box_after_run(node)
        title_bar = (left, top, right, top + 1)
        (box,) = [b for b in map(group_box, graph["groups"]) if overlap(title_bar, b)]
        assert inside((left, top, right, bottom), box), node["type"]
        for other in nodes:
            covered = other is not node and overlap((left, top, right, bottom), node_box(other))
            assert not covered, (node["type"], other["type"])


@pytest.mark.parametrize("name", NAMES)
def test_a_run_finds_room_for_its_picture_below_texts(name):
    graph = read_graph(name)
    for node in graph["nodes"]:
        if node["type"] not in TEXTS_PX:
            continue
        assert node["size"][1] == TEXTS_PX[node["type"]], node["type"]
        left, top, right, bottom = node_box(node)
        grown = (left, top, right, bottom + PICTURE_ROOM_PX)
        others = [other for other in graph["nodes"] if other is not node]
        assert [title(graph, o["id"]) for o in others if overlap(grown, node_box(o))] == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", NAMES)
def test_the_player_of_a_sampler_is_in_the_window_a_graph_opens_with(name, screen):
    graph = read_graph(name)
    _, bottom = window_corner(graph, *screen)
    for node in graph["nodes"]:
        if node["type"] == "MultiTalkSampleToVideo":
            added = LINE_PX + (node["size"][0] - PLAYER_EDGES_PX) * 2 / 3
            assert node_box(node)[3] + added <= bottom


@pytest.mark.parametrize("name", NAMES)
def test_notes_are_as_high_as_their_text_in_both_languages(name):
    path = ROOT / "locales" / "zh" / "main.json"
    chinese = json.loads(path.read_text(encoding="utf-8"))["MultiTalkGraphs"]
    for node in read_graph(name)["nodes"]:
        if node["type"] == "MarkdownNote":
            (text,), (width, height) = node["widgets_values"], node["size"]
            drawn = NOTES_PX.get((name, node["title"]), 0)
            assert height >= max(drawn, note_height(text, width)), node["title"]
            read = "\n".join(chinese.get(line, line) for line in text.split("\n"))
            assert height >= note_height(read, width), node["title"]
