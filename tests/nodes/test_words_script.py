"""web/words.js beside a stand-in for the editor; tests/browser/test_chinese.py has the real one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pack.tests.layers import ROOT

NODE = shutil.which("node")
HAN = re.compile("[\u4e00-\u9fff]")
NODES = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
GRAPHS = sorted((ROOT / "workflows").glob("*.json"))
NOTE = {"type": "MarkdownNote", "title": "Files", "widgets_values": ["Files of mine"]}
FOREIGN = {"nodes": [NOTE], "groups": [{"title": "Video"}]}

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, a JavaScript without a browser")


def graphs():
    return [json.loads(path.read_text(encoding="utf-8")) for path in GRAPHS]


def words_of(graph):
    """What stands in a graph for a reader: titles, groups, notes, slots of subgraphs."""
    yield from (item["title"] for item in [*graph["groups"], *graph["nodes"]] if "title" in item)
    for node in graph["nodes"]:
        yield from node["widgets_values"][:1] if node["type"] == "MarkdownNote" else ()
    for subgraph in graph.get("definitions", {}).get("subgraphs", []):
        yield from words_of(subgraph)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    script = Path(__file__).with_name("words_editor.mjs")
    given = json.dumps([*graphs(), FOREIGN])
    done = subprocess.run(
        [str(NODE), str(script), str(ROOT)],
        cwd=folder,
        input=given.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_every_word_of_our_graphs_is_chinese_and_english_again(answers):
    *ours, _ = answers["opened"]
    for path, graph, (chinese, again) in zip(GRAPHS, graphs(), ours, strict=True):
        assert [text for text in words_of(chinese) if not HAN.search(text)] == [], path.name
        assert again == graph, path.name


def test_nothing_but_words_changes(answers):
    *ours, _ = answers["opened"]
    for graph, (chinese, _) in zip(graphs(), ours, strict=True):
        for one, other in zip(graph["nodes"], chinese["nodes"], strict=True):
            kept = one.keys() - {"title", "inputs", "outputs"}
            values = "widgets_values" if one["type"] == "MarkdownNote" else ""
            assert all(one[key] == other[key] for key in kept - {values})
        assert graph["links"] == chinese["links"]


def test_the_graph_of_somebody_else_stays_as_it_is(answers):
    assert answers["opened"][-1] == [FOREIGN, FOREIGN]


def test_choices_slots_and_search_speak_chinese(answers):
    inputs = NODES["MultiTalkTracks"]["inputs"]
    assert answers["labels"] == list(inputs["placement"]["options"].values())
    assert answers["slots"] == [inputs[f"speakers_speaker_{n}"]["name"] for n in (1, 2)]
    sampler, host = answers["found"]
    assert sampler["search_aliases"][0] == "lip sync"
    assert "\u53e3\u578b\u540c\u6b65" in sampler["search_aliases"]
    assert "search_aliases" not in host
