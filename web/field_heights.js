// A run adds a picture to some nodes, and the editor takes its room from the node's texts. Here a
// text has the height of its lines, so that a run finds nothing to take; the node grows instead.
// The classic editor asks for the least and the greatest height, Nodes 2.0 for rows.
import { app } from "../../scripts/app.js";

const LINES = {
  MultiTalkDialogue: { script: 5, voices: 2 },
  MultiTalkScene: { scene_text: 4, throughout: 3 },
  MultiTalkSpeakers: { boxes: 2 },
};
const MOST_LINES = 14;
const LINE_PX = 13; // of the classic editor's fields, and what stands above and below the lines
const AROUND_PX = 28;
const BESIDE_PX = 50; // of a node, what its fields are narrower by
const LETTER_PX = 6.6; // on average, as Nodes 2.0 writes them, which is wider
const CHINESE_PX = 12;
const CHINESE = /[\u2e80-\uffef]/u; // and Japanese, Korean: as wide as high

function countLines(text, width) {
  const px = (line) =>
    [...line].reduce((sum, one) => sum + (CHINESE.test(one) ? CHINESE_PX : LETTER_PX), 0);
  return String(text ?? "")
    .split("\n")
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(px(line) / width)), 0);
}

app.registerExtension({
  name: "MultiTalk.FieldHeights",
  nodeCreated(node) {
    const lines = LINES[node.comfyClass] ?? {};
    for (const widget of node.widgets ?? []) {
      const least = lines[widget.name];
      if (!least || !widget.options) continue;
      const rows = () =>
        Math.min(MOST_LINES, Math.max(least, countLines(widget.value, node.size[0] - BESIDE_PX)));
      const height = () => rows() * LINE_PX + AROUND_PX;
      widget.options.getMinHeight = height;
      widget.options.getMaxHeight = height;
      Object.defineProperty(widget.options, "rows", {
        get: rows,
        enumerable: true,
        configurable: true,
      });
    }
  },
});
