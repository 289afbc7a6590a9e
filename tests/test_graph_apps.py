"""Graphs that are also an app: a form with the few fields that one fills in, Run, the video.

They open as a graph, since the editor greets the first app with a tour, which is one more click.
"""

from __future__ import annotations

import json

import pytest

from .graph_geometry import NAMES, read_graph

APPS = {
    "toy_one_speaker": ["picture", "voice_1", "seed"],
    "toy_dialogue": ["script", "voices", "picture", "seed"],
}


@pytest.mark.parametrize("name", NAMES)
def test_two_graphs_are_also_apps(name):
    extra = read_graph(name)["extra"]
    assert ("linearData" in extra) == (name in APPS)
    assert not extra.get("linearMode")
    assert ("**App**" in json.dumps(read_graph(name))) == (name in APPS)


@pytest.mark.parametrize("name", APPS)
def test_app_shows_fields_that_are_there_and_the_video(name):
    graph = read_graph(name)
    nodes = {node["id"]: node for node in graph["nodes"]}
    app = graph["extra"]["linearData"]
    assert [widget for _, widget in app["inputs"]] == APPS[name]
    for number, widget in app["inputs"]:
        (slot,) = [slot for slot in nodes[number]["inputs"] if slot["name"] == widget]
        assert slot["widget"] == {"name": widget}
        assert slot["link"] is None
    (output,) = app["outputs"]
    assert nodes[output]["type"] == "MultiTalkVideoCombine"
