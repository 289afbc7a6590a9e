"""A reader of Chinese sees Chinese: a graph, its choices, the help page, the search; and back."""

from __future__ import annotations

import json
import re

import pytest

from pack.tools.make.graph_index import ROOT, graph_path

from .conftest import MODES
from .editor import LOAD

HAN = re.compile("[\u4e00-\u9fff]")
WORDS = json.loads((ROOT / "locales" / "zh" / "main.json").read_text(encoding="utf-8"))
NODES = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
SAMPLER = NODES["MultiTalkSampler"]
SEEN = r"""() => ({
  titles: [...app.graph._groups, ...app.graph._nodes].map((item) => item.title),
  notes: app.graph._nodes.filter((node) => node.type == 'MarkdownNote')
    .map((node) => node.widgets[0].value),
  choices: Object.fromEntries(app.graph._nodes.filter((node) => node.type == 'MultiTalkSampler')
    .flatMap((node) => node.widgets)
    .filter((widget) => widget.type == 'combo')
    .map((widget) => [widget.name, widget._displayValue])),
  grown: app.graph._nodes.filter((node) => node.type.startsWith('MultiTalk'))
    .flatMap((node) => node.inputs)
    .filter((slot) => /^(speakers|single_masks)\./.test(slot.name)).map((slot) => slot.label),
  slots: app.graph._nodes.filter((node) => node.isSubgraphNode?.())
    .flatMap((node) => [...node.inputs, ...node.outputs].map((slot) => slot.label ?? slot.name)),
})"""
SELECT = """() => {
  const node = app.graph._nodes.find((node) => node.type == 'MultiTalkSampler');
  app.canvas.selectNode(node);
}"""
SEARCH = "async () => { await app.extensionManager.command.execute('Workspace.SearchBox.Toggle') }"


@pytest.fixture
def speak(running, mode):
    """Open the editor in a language; gives what opens one."""
    import screenshots

    def open_in(language):
        shown = {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": MODES[mode]}
        screenshots.write_settings(running.base, {**shown, "Comfy.Locale": language})
        report = screenshots.Report(name=f"{mode} {language}")
        return screenshots.open_editor(running.address, report, focus=False)

    return open_in


def graph_of(name):
    return json.loads(graph_path(name).read_text(encoding="ascii"))


def test_a_graph_is_chinese_for_a_chinese_reader_and_english_again(speak):
    graph = graph_of("multitalk_one_speaker")
    with speak("zh") as page:
        page.evaluate(LOAD, [graph, "one"])
        page.wait_for_timeout(1500)
        seen = page.evaluate(SEEN)
        saved = page.evaluate("() => app.graph.serialize()")
    assert [text for text in [*seen["titles"], *seen["notes"]] if not HAN.search(text)] == []
    inputs = SAMPLER["inputs"]
    for name in ("preset", "size", "rule", "length"):
        assert seen["choices"][name] in inputs[name]["options"].values(), name
    assert seen["choices"]["sampler"] == "euler"
    assert set(seen["slots"]) <= set(WORDS["MultiTalkSlots"].values())
    with speak("en") as page:
        page.evaluate(LOAD, [saved, "one"])
        page.wait_for_timeout(1500)
        again = page.evaluate(SEEN)
    assert HAN.search(json.dumps(again, ensure_ascii=False)) is None
    notes = [n["widgets_values"][0] for n in graph["nodes"] if n["type"] == "MarkdownNote"]
    assert again["notes"] == notes


def test_growing_sockets_have_names(speak):
    graph = graph_of("toy_two_speakers")
    with speak("zh") as page:
        page.evaluate(LOAD, [graph, "two"])
        page.wait_for_timeout(1000)
        loaded = page.evaluate(SEEN)["grown"]
        page.evaluate("() => { app.graph.clear(); }")
        page.evaluate(
            "() => { const make = (kind) => app.graph.add(LiteGraph.createNode(kind));"
            " const voices = make('MultiTalkExample'); const tracks = make('MultiTalkTracks');"
            " for (const at of [0, 1]) voices.connect(1 + at, tracks, at); }"
        )
        page.wait_for_timeout(500)
        grown = page.evaluate(SEEN)["grown"]
    names = [NODES["MultiTalkTracks"]["inputs"][f"speakers_speaker_{n}"]["name"] for n in (1, 2, 3)]
    assert loaded[:3] == names
    assert grown == names


def test_the_graph_of_somebody_else_stays_as_it_is(speak):
    note = {"type": "MarkdownNote", "widgets_values": ["Files of mine"], "title": "Files"}
    place = {"id": 1, "pos": [0, 0], "size": [200, 100], "flags": {}, "order": 0, "mode": 0}
    group = {"title": "Video", "bounding": [0, 0, 400, 300], "color": "#3f789e"}
    nodes = [{**place, **note, "inputs": [], "outputs": [], "properties": {}}]
    graph = {"nodes": nodes, "links": [], "groups": [group], "version": 0.4}
    with speak("zh") as page:
        page.evaluate(LOAD, [graph, "mine"])
        page.wait_for_timeout(1000)
        assert page.evaluate(SEEN)["titles"] == ["Video", "Files"]


def test_help_and_search_are_chinese(speak):
    with speak("zh") as page:
        page.evaluate(LOAD, [graph_of("toy_one_speaker"), "toy"])
        page.wait_for_timeout(1000)
        page.evaluate(SELECT)
        page.locator("[data-testid='info-button']").click(timeout=10_000)
        page.locator(".node-help-content h1").wait_for(timeout=10_000)
        assert page.locator(".node-help-content h1").inner_text() == SAMPLER["display_name"]
        picture = "() => document.querySelector('.node-help-content img').naturalWidth"
        page.wait_for_function(f"() => ({picture})() > 200", timeout=10_000)
        page.evaluate(SEARCH)
        page.keyboard.type(WORDS["MultiTalkSearch"]["MultiTalkSampler"].split("\u3001")[1])
        page.get_by_text(SAMPLER["display_name"]).last.wait_for(timeout=10_000)
        page.wait_for_timeout(800)
        dialog = page.get_by_role("dialog").last.inner_text()
    assert SAMPLER["display_name"] in dialog
