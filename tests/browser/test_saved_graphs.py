"""Graphs that were saved by earlier versions, opened in the real editor."""

from __future__ import annotations

import json

import pytest

from ..layers import ROOT
from .editor import LOAD

SAVED = ROOT / "tests" / "saved"
GRAPHS = sorted(path.relative_to(SAVED).as_posix() for path in SAVED.glob("*/*.json"))
PROMPT = "async () => (await app.graphToPrompt()).output"
NEW = """(kind) => {
  const node = app.graph.add(LiteGraph.createNode(kind)) ?? app.graph._nodes.at(-1);
  return node.widgets.find(widget => widget.name == 'schedule').value;
}"""


def samplers(prompt):
    return [n["inputs"] for n in prompt.values() if n["class_type"].startswith("MultiTalkSample")]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_saved_graph_gives_the_prompt_that_it_gave(editor, name):
    path = SAVED / name
    graph = json.loads(path.read_text(encoding="ascii"))
    twin = json.loads((path.parent / "api" / path.name).read_text(encoding="ascii"))
    editor.page.evaluate(LOAD, [graph, "saved"])
    (now,), (then,) = samplers(editor.page.evaluate(PROMPT)), samplers(twin)
    assert now["schedule"] == "as trained"  # what it did before there was a schedule
    assert then.items() <= now.items()
    # And again, when it is saved today with another choice.
    editor.page.evaluate(
        "() => { for (const node of app.graph._nodes) for (const widget of node.widgets ?? [])"
        " if (widget.name == 'schedule') widget.value = 'auto'; }"
    )
    again = editor.page.evaluate("() => app.graph.serialize()")
    editor.page.evaluate(LOAD, [again, "again"])
    assert samplers(editor.page.evaluate(PROMPT))[0]["schedule"] == "auto"


@pytest.mark.parametrize("kind", ["MultiTalkSampler", "MultiTalkSampleToVideo"])
def test_a_new_node_chooses_by_the_sampler(editor, kind):
    assert editor.page.evaluate(NEW, kind) == "auto"
