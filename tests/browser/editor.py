"""What the tests do in an opened editor: load a graph, press Run, look at players and texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pack.tools.host.browser import WAITING
from pack.tools.make.graph_index import graph_path

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from pack.tools.host.client import HostClient

RUN_SECONDS = 240
LOAD = "async ([graph, name]) => { await app.loadGraphData(graph, true, true, name) }"
QUEUE = """async () => {
  await app.queuePrompt(0, 1);
  return JSON.stringify(app.lastNodeErrors ?? {});
}"""
# A player counts only where a person sees it: of some size, in the window, nothing in front of it.
PLAYERS = """() => [...document.querySelectorAll('video')].filter(video => {
  const box = video.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const top = document.elementFromPoint(x, y);
  const style = getComputedStyle(video);
  return box.width > 40 && box.height > 40 && style.visibility == 'visible' && style.opacity > 0
    && top && (top == video || top.contains(video) || video.parentElement.contains(top));
})"""
STATE = f"""() => ({PLAYERS})().map(video => ({{
  source: new URL(video.currentSrc || video.src).search, width: video.videoWidth,
  seconds: video.duration, time: video.currentTime, paused: video.paused, error: video.error?.code,
}}))"""

# Words that stand on two lines: a line ends inside them. A joint holds a word together.
BROKEN = r"""() => {
  const found = [];
  for (const box of document.querySelectorAll('.break-all, .comfy-markdown-content')) {
    const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const match of texts.currentNode.data.matchAll(/[^\s/\\_.,;:-]+/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, match.index);
        range.setEnd(texts.currentNode, match.index + match[0].length);
        const lines = new Set([...range.getClientRects()].map(line => Math.round(line.top)));
        if (lines.size > 1) found.push(match[0]);
      }
    }
  }
  return found;
}"""
# Heights of the fields of nodes in pixels of the graph, by title and number; notes are none.
FIELDS = """() => {
  const found = {};
  for (const node of app.graph._nodes) {
    if (node.type == 'MarkdownNote') continue;
    const element = document.querySelector(`[data-node-id="${node.id}"]`);
    const own = element ? [...element.querySelectorAll('textarea')]
      : (node.widgets ?? []).map(widget => widget.element)
          .filter(field => field?.tagName == 'TEXTAREA');
    own.forEach((field, number) => { if (field.clientHeight > 0)
      found[`${node.title} ${number + 1}`] = field.offsetHeight; });
  }
  return found;
}"""
TEXTS = r"""() => [...document.querySelectorAll('.break-all, .comfy-markdown-content')]
  .filter(box => box.getBoundingClientRect().height > 0)
  .map(box => box.innerText.replaceAll('\u2060', '').trim())"""


@dataclass
class Editor:
    """An opened editor and the host behind it."""

    page: Page
    client: HostClient

    def load(self, name: str, changes: dict[str, dict[str, Any]] | None = None) -> None:
        """Open a shipped graph, with other values of widgets by node type and name."""
        graph = json.loads(graph_path(name).read_text(encoding="ascii"))
        self.page.evaluate(LOAD, [graph, name])
        self.page.wait_for_timeout(1000)
        for kind, values in (changes or {}).items():
            self.page.evaluate(
                "([kind, values]) => { for (const node of app.graph._nodes)"
                " if (node.type == kind) for (const widget of node.widgets)"
                " if (widget.name in values) widget.value = values[widget.name]; }",
                [kind, values],
            )

    def press_run(self) -> None:
        """Queue the open graph; the editor must not refuse it."""
        assert json.loads(self.page.evaluate(QUEUE)) == {}

    def wait_until_idle(self) -> None:
        """Wait until the host has done all that was queued, and the page has heard of it."""
        for _ in range(RUN_SECONDS * 2):
            self.page.wait_for_timeout(500)  # lets the page work, unlike a sleep
            if not self.is_busy():
                break
        else:
            raise AssertionError("the run did not end")
        self.page.wait_for_timeout(1000)

    def is_busy(self) -> bool:
        """Something runs or waits on the host."""
        return self.page.evaluate(WAITING) > 0

    def run(self) -> None:
        """Run the open graph to its end."""
        self.press_run()
        self.wait_until_idle()

    def players(self) -> list[dict[str, Any]]:
        """All players that a person sees: width of the video, length, where it stands."""
        return self.page.evaluate(STATE)

    def play(self, seconds: float = 1.0) -> list[dict[str, Any]]:
        """Start all players that stand still, and tell of them some time later."""
        self.page.evaluate(f"async () => {{ for (const v of ({PLAYERS})()) await v.play() }}")
        self.page.wait_for_timeout(1000 * seconds)
        return self.players()

    def wait_for_player(self, width: int = 0) -> None:
        """Wait until a person sees a player, of a video as wide as this if it is not 0."""
        seen = f"({PLAYERS})().some(v => v.readyState >= 2 && (!width || v.videoWidth == width))"
        self.page.wait_for_function(f"(width) => {seen}", arg=width)

    def fields(self) -> dict[str, int]:
        """Heights of all fields that are seen, in pixels of the graph."""
        return self.page.evaluate(FIELDS)

    def texts(self) -> list[str]:
        """What stands under nodes."""
        return self.page.evaluate(TEXTS)

    def broken_words(self) -> list[str]:
        """Words under nodes inside which a line ends."""
        return self.page.evaluate(BROKEN)
