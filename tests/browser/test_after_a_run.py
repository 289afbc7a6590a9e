"""What a run leaves on the nodes: texts to read, pictures that stay, nothing outside its group."""

from __future__ import annotations

import pytest

from .test_players import QUICK

# How much of the text of a field lies below its edge, in pixels, by the text's first letters.
HIDDEN = """() => Object.fromEntries([...document.querySelectorAll('textarea')]
  .filter(field => field.clientHeight > 0)
  .map(field => [field.value.slice(0, 4), field.scrollHeight - field.clientHeight]))"""
OUTSIDE = """() => {
  const found = [];
  for (const node of app.graph._nodes) {
    const element = document.querySelector(`[data-node-id="${node.id}"]`);
    const height = element
      ? element.getBoundingClientRect().height / app.canvas.ds.scale - LiteGraph.NODE_TITLE_HEIGHT
      : node.size[1];
    for (const { pos, size, title } of app.graph._groups) {
      const inside = (x, y) =>
        x >= pos[0] && x <= pos[0] + size[0] && y >= pos[1] && y <= pos[1] + size[1];
      if (inside(...node.pos) && !inside(node.pos[0] + node.size[0], node.pos[1] + height))
        found.push(`${node.title} in ${title}`);
    }
  }
  return found;
}"""
SHOWN = """() => app.graph._nodes.filter(node => node.imgs?.length
    || document.querySelector(`[data-node-id="${node.id}"] img`)?.naturalWidth > 50)
  .map(node => node.title).sort()"""
PICTURES = {
    "toy_dialogue": ["MultiTalk Dialogue", "MultiTalk Example", "MultiTalk Speakers"],
    "toy_scene": ["MultiTalk Example", "MultiTalk Scene"],
}
TEXTS_OF = {"toy_dialogue": {"Anna", "auto"}, "toy_scene": {"0-2:", "A wo"}}
SMALL = """() => { for (const node of app.graph._nodes)
  if (node.widgets?.some(widget => widget.element?.tagName == 'TEXTAREA'))
    node.setSize([node.size[0], node.computeSize()[1]]); }"""


@pytest.mark.parametrize("name", PICTURES)
def test_fields_show_their_text_and_pictures_stay(editor, name):
    editor.load(name, QUICK)
    heights = editor.fields()
    assert heights
    for _ in ("the first time", "from the cache"):
        editor.run()
        assert editor.fields() == heights
        assert hidden_texts(editor, name) == {}
        assert editor.page.evaluate(OUTSIDE) == []
        assert set(PICTURES[name]) <= set(editor.page.evaluate(SHOWN))
    assert editor.broken_words() == []
    editor.page.evaluate(SMALL)
    editor.page.wait_for_timeout(500)
    assert hidden_texts(editor, name) == {}
    assert set(PICTURES[name]) <= set(editor.page.evaluate(SHOWN))


LONG = "\n".join(f"Line {number} of a longer text." for number in range(1, 10))


def test_a_longer_text_is_whole_to_see(editor):
    editor.load("toy_scene")
    editor.page.evaluate(
        """(text) => { for (const node of app.graph._nodes) if (node.type == 'MultiTalkScene') {
             node.widgets.find(widget => widget.name == 'scene_text').value = text;
             app.graph.setDirtyCanvas(true, true); } }""",
        LONG,
    )
    editor.page.wait_for_timeout(1000)
    assert editor.page.evaluate(HIDDEN)["Line"] == 0


def hidden_texts(editor, name):
    """Fields of a graph whose text is not whole to see, and how many pixels of it are not."""
    hidden = editor.page.evaluate(HIDDEN)
    return {start: hidden[start] for start in TEXTS_OF[name] if hidden[start]}
