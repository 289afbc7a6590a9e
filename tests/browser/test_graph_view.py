"""What one sees when a graph opens: text, whole nodes in their groups, links beside the nodes.

tests/test_graph_layout.py holds the same for the numbers in the JSON, in a second and without a
browser; here the editor itself says that it draws what stands there.
"""

from __future__ import annotations

import pytest

from ..graph_geometry import NAMES, TEXT_SCALE, read_graph

SCREENS = ((1440, 900), (1600, 1000))
LOAD = """async ([graph, name]) => {
  await app.loadGraphData(graph, true, true, name, {openSource: 'template'});
}"""
SCALE = "() => ({scale: app.canvas.ds.scale, boxes: app.canvas.low_quality})"
SIZES = """() => Object.fromEntries(app.graph._nodes.map(node => {
  const element = document.querySelector(`[data-node-id="${node.id}"]`);
  const height = element
    ? element.getBoundingClientRect().height / app.canvas.ds.scale - LiteGraph.NODE_TITLE_HEIGHT
    : node.size[1];
  return [node.id, [node.size[0], height]];
}))"""
COVERED = """() => {
  const map = document.querySelector('.minimap-main-container').getBoundingClientRect();
  const { ds, canvas } = app.canvas, box = canvas.getBoundingClientRect();
  return app.graph._nodes.filter(({ pos, size }) =>
    box.x + (pos[0] + size[0] + ds.offset[0]) * ds.scale > map.left
    && box.y + (pos[1] + size[1] + ds.offset[1]) * ds.scale > map.top).map(node => node.title);
}"""
VALUES = "() => Object.fromEntries(app.graph.serialize().nodes.map(n => [n.id, n.widgets_values]))"
# Each link's own path is drawn alone, and must leave the nodes free that it does not connect, and
# the titles of groups; the nodes that it connects it may touch at their edge.
HIDDEN = """() => {
  const edge = 12, title = LiteGraph.NODE_TITLE_HEIGHT, found = [];
  const boxes = app.graph._nodes.map(n => [n, n.pos[0], n.pos[1] - title, n.size[0],
                                           n.size[1] + title]);
  const words = new OffscreenCanvas(1, 1).getContext('2d');
  const titles = app.graph._groups.map(({ title, pos, font_size }) => {
    words.font = `${font_size}px Arial`;
    return [title, ...pos, 8 + words.measureText(title).width, 1.25 * font_size];
  });
  const left = Math.min(...boxes.map(b => b[1])) - 20;  // a group is larger than its nodes
  const top = Math.min(...boxes.map(b => b[2])) - 100;
  const canvas = new OffscreenCanvas(1800, 1400);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  for (const link of app.graph._links.values()) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, 1800, 1400);
    context.setTransform(1, 0, 0, 1, -left, -top);
    const bends = [];
    for (let id = link.parentId; id !== undefined;) {
      const bend = app.graph.reroutes.get(id);
      bends.push(bend);
      id = bend.parentId;
    }
    const paths = [link.path, ...bends.map(bend => bend.path)];
    if (paths.some(path => !path)) { found.push(`link ${link.id} is not drawn`); continue; }
    for (const path of paths) context.stroke(path);
    for (const [node, x, y, width, height] of boxes) {
      const inset = [link.origin_id, link.target_id].includes(node.id) ? edge : 2;
      const pixels = context.getImageData(Math.round(x - left + inset), Math.round(y - top),
                                          Math.round(width - 2 * inset), Math.round(height)).data;
      if (pixels.some((value, index) => index % 4 == 3 && value > 60))
        found.push(`link ${link.origin_id} to ${link.target_id} behind ${node.title}`);
    }
    for (const [title, x, y, width, height] of titles) {
      const pixels = context.getImageData(Math.round(x - left), Math.round(y - top),
                                          Math.round(width), Math.round(height)).data;
      if (pixels.some((value, index) => index % 4 == 3 && value > 60))
        found.push(`link ${link.origin_id} to ${link.target_id} over ${title}`);
    }
  }
  return found;
}"""


def test_nodes_have_the_values_that_were_saved(editor):
    for name in NAMES:
        graph = read_graph(name)
        editor.page.evaluate(LOAD, [graph, name])
        values = editor.page.evaluate(VALUES)
        saved = {str(node["id"]): node["widgets_values"] for node in graph["nodes"]}
        assert {key: values[key] for key in saved} == saved, name


@pytest.mark.parametrize("screen", SCREENS)
def test_every_graph_opens_with_text_to_read(editor, screen):
    editor.page.set_viewport_size(dict(zip(("width", "height"), screen, strict=True)))
    for name in NAMES:
        editor.page.evaluate(LOAD, [read_graph(name), name])
        view = editor.page.evaluate(SCALE)
        assert not view["boxes"], (name, view)
        assert view["scale"] > TEXT_SCALE, (name, view)
        assert editor.page.evaluate(COVERED) == [], name


def test_nodes_are_no_larger_than_saved_and_links_run_beside_them(editor):
    larger, hidden = [], []
    for name in NAMES:
        graph = read_graph(name)
        editor.page.evaluate(LOAD, [graph, name])
        editor.page.wait_for_timeout(700)
        sizes = editor.page.evaluate(SIZES)
        for node in graph["nodes"]:
            drawn, saved = sizes[str(node["id"])], node["size"]
            if any(now > then + 1 for now, then in zip(drawn, saved, strict=True)):
                larger.append((name, node["type"], drawn, saved))
        hidden += [(name, link) for link in editor.page.evaluate(HIDDEN)]
    assert larger == []
    assert hidden == []
