// What was wrong leaves the nodes when the next run begins. The host can write a line of text
// under a node, and has no word for taking it away again; a node that is not run anew would keep
// the sentence of an error for good.

import { app } from "../../scripts/app.js";

const EVENT = "multitalk_error_text"; // nodes/origins.py sends it before it shows a sentence
const WIDGET = "$$node-text-preview"; // what the editor shows a line of text in

const JOINER = "\u2060"; // nodes/progress.py holds words together with it

const said = new Set(); // sentences
const sizes = new Map(); // of nodes before a sentence stood under them

function* nodesOf(graph) {
  for (const node of graph?.nodes ?? []) {
    yield node;
    yield* nodesOf(node.subgraph);
  }
}

function textOf(node) {
  return node.widgets?.find((widget) => widget.name === WIDGET);
}

function remember(sentence) {
  said.add(sentence);
  for (const node of nodesOf(app.rootGraph ?? app.graph)) {
    if (!textOf(node)) sizes.set(node, [...node.size]);
  }
}

function takeAway() {
  if (!said.size) return;
  for (const node of nodesOf(app.rootGraph ?? app.graph)) {
    const text = textOf(node);
    if (!text || !said.has(text.value.replaceAll(JOINER, ""))) continue;
    node.removeWidget(text);
    if (sizes.has(node)) node.setSize(sizes.get(node));
  }
  said.clear();
  sizes.clear();
}

app.registerExtension({
  name: "MultiTalk.ErrorTexts",
  setup() {
    app.api.addEventListener(EVENT, ({ detail }) => remember(detail.sentence));
    app.api.addEventListener("execution_start", takeAway);
  },
});
