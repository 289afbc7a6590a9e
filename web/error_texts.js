// Sentences of errors under nodes: shown whole, and taken away when the next run begins. The host
// can write a line of text under a node, gives it room for two lines, and has no word for taking it
// away again; a node that is not run anew would keep the sentence for good.

import { app } from "../../scripts/app.js";

const EVENT = "multitalk_error_text"; // nodes/origins.py sends it before it shows a sentence
const WIDGET = "$$node-text-preview"; // what the editor shows a line of text in
const LETTER_PX = 6.2; // of its font, on average
const LINE_PX = 17;
const MARGIN_PX = 44; // left and right of the text; also above and below it
const JOINER = "\u2060"; // nodes/progress.py holds words together with it

const said = new Set(); // sentences
const sizes = new Map(); // of nodes before a sentence stood under them

function plain(text) {
  return String(text ?? "").replaceAll(JOINER, "");
}

function* nodesOf(graph) {
  for (const node of graph?.nodes ?? []) {
    yield node;
    yield* nodesOf(node.subgraph);
  }
}

function* textsSaid() {
  for (const node of nodesOf(app.rootGraph ?? app.graph)) {
    const text = node.widgets?.find((widget) => widget.name === WIDGET);
    if (text && said.has(plain(text.value))) yield [node, text];
  }
}

function remember(sentence) {
  said.add(sentence);
  for (const node of nodesOf(app.rootGraph ?? app.graph)) {
    if (!node.widgets?.some((widget) => widget.name === WIDGET)) sizes.set(node, [...node.size]);
  }
}

function makeRoom() {
  for (const [node, text] of textsSaid()) {
    if (window.LiteGraph?.vueNodesMode) continue; // nodes grow by themselves there
    const letters = (node.size[0] - MARGIN_PX) / LETTER_PX;
    const height = Math.ceil(plain(text.value).length / letters) * LINE_PX + MARGIN_PX / 2;
    text.options.getMinHeight = () => height;
    node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1])]);
    node.setDirtyCanvas(true, true);
  }
  for (const line of document.querySelectorAll(".break-all > span")) {
    if (said.has(plain(line.textContent))) line.parentElement.style.wordBreak = "normal"; // whole words
  }
}

function takeAway() {
  for (const [node, text] of [...textsSaid()]) {
    node.removeWidget(text);
    if (sizes.has(node)) node.setSize(sizes.get(node));
    node.setDirtyCanvas(true, true);
  }
  said.clear();
  sizes.clear();
}

app.registerExtension({
  name: "MultiTalk.ErrorTexts",
  setup() {
    app.api.addEventListener(EVENT, ({ detail }) => remember(detail.sentence));
    app.api.addEventListener("progress_text", ({ detail }) => {
      if (said.has(plain(detail.text))) setTimeout(makeRoom, 200); // when the editor has shown it
    });
    app.api.addEventListener("promptQueueing", takeAway); // the host may refuse the prompt
    app.api.addEventListener("execution_start", takeAway);
  },
});
