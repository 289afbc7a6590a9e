// The classic editor cuts the name of a row before its value: of `audio_part` beside the name of a
// file only "au..." was left. On this pack's nodes, and on groups of nodes that hold one, it cuts
// the value, which a click shows whole. Nodes 2.0 wraps what is too long.
import { app } from "../../scripts/app.js";

/** Whether a node is this pack's, or a group of nodes with one of them. */
function isOurs(node) {
  const nodes = node.subgraph?.nodes ?? [node];
  return nodes.some(({ type }) => String(type).startsWith("MultiTalk"));
}

app.registerExtension({
  name: "MultiTalk.WholeLabels",
  setup() {
    const { LiteGraph } = window;
    const nodes = LiteGraph?.LGraphNode?.prototype;
    const drawWidgets = nodes?.drawWidgets;
    if (typeof drawWidgets !== "function") return;
    nodes.drawWidgets = function (...options) {
      if (!isOurs(this)) return drawWidgets.apply(this, options);
      const before = LiteGraph.truncateWidgetValuesFirst;
      LiteGraph.truncateWidgetValuesFirst = true;
      try {
        return drawWidgets.apply(this, options);
      } finally {
        LiteGraph.truncateWidgetValuesFirst = before;
      }
    };
  },
});
