"""The rows of this pack's nodes keep their names where the classic editor draws them."""

from __future__ import annotations

import pytest

from .conftest import MODES

# Names of rows that were not among the texts that a node drew, by node; Nodes 2.0 wraps them.
CUT = """() => {
  const own = node => (node.subgraph?.nodes ?? [node]).some(n => n.type.startsWith('MultiTalk'));
  const found = [], { ctx } = app.canvas, { fillText } = ctx;
  const seen = node => node.widgets?.length && !node.flags.collapsed && own(node);
  for (const node of app.graph._nodes.filter(seen)) {
    const drawn = new Set();
    ctx.fillText = (text, ...rest) => { drawn.add(text); fillText.call(ctx, text, ...rest); };
    node.drawWidgets(ctx, {lowQuality: false, editorAlpha: 1});
    for (const row of node.widgets) {
      const name = row.label ?? row.name;
      if (['combo', 'number'].includes(row.type) && node.isWidgetVisible(row))
        found.push([node.title, name, drawn.has(name)]);
    }
  }
  delete ctx.fillText;
  return found;
}"""


@pytest.mark.parametrize("mode", [mode for mode, vue in MODES.items() if not vue])
@pytest.mark.parametrize("name", ["toy_one_speaker", "toy_dialogue", "multitalk_one_speaker"])
def test_rows_keep_their_names(editor, mode, name):
    editor.load(name)
    rows = editor.page.evaluate(CUT)
    assert len(rows) > 20
    assert [row for row in rows if not row[2]] == []
