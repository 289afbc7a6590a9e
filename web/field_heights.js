// A run adds a picture to some nodes, and the editor takes its room from the node's texts: of a
// script two lines were left. Here they keep as many lines as one needs to read them; a node that
// is too small for both grows. The classic editor asks for the least height, Nodes 2.0 for rows.
import { app } from "../../scripts/app.js";

const LINES = {
  MultiTalkDialogue: { script: 5 },
  MultiTalkScene: { scene_text: 4, throughout: 3 },
};
const LINE_PX = 13;
const PADDING_PX = 8;

app.registerExtension({
  name: "MultiTalk.FieldHeights",
  nodeCreated(node) {
    const lines = LINES[node.comfyClass] ?? {};
    for (const { name, options } of node.widgets ?? []) {
      if (!lines[name] || !options) continue;
      options.getMinHeight = () => lines[name] * LINE_PX + PADDING_PX;
      options.rows = lines[name];
    }
  },
});
