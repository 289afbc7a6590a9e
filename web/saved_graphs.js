// Graphs that were saved before an input was there keep what they did. The editor gives an input
// that a graph holds no value for the default of a new node, and that may be another one.
import { app } from "../../scripts/app.js";

// Node -> input -> what nodes did before they had it. Prompts of programs that leave such an input
// out mean the same: `absent` in nodes/widgets.py.
const BEFORE = {
  MultiTalkSampler: { schedule: "as trained" },
  MultiTalkSampleToVideo: { schedule: "as trained" },
};

/** Give inputs that a saved node holds no value for what they meant when it was saved. */
function keepMeaning(node, before, saved) {
  if (!Array.isArray(saved?.widgets_values)) return;
  const widgets = (node.widgets ?? []).filter((widget) => widget.serialize !== false);
  // The editor hands out saved values in the order of the widgets, until there are no more.
  for (const widget of widgets.slice(saved.widgets_values.length)) {
    if (widget.name in before) widget.value = before[widget.name];
  }
}

/**
 * Keep the editor from cutting saved values. It takes them for those of a time when a socket of
 * text was a widget, if there are as many as widgets and such sockets of a new node; a choice that
 * brings a widget makes them so many. One value more, which no widget takes, tells them apart.
 */
function keepValues(nodeType, definition) {
  const inputs = Object.entries({ ...definition.input?.required, ...definition.input?.optional });
  const sockets = inputs.filter(([, [, options]]) => options?.forceInput).map(([name]) => name);
  if (sockets.length === 0) return;
  const configure = nodeType.prototype.configure;
  nodeType.prototype.configure = function (saved) {
    const names = new Set([...(this.widgets ?? []).map((widget) => widget.name), ...sockets]);
    const counted = inputs.filter(([name]) => names.has(name)).length;
    const values = saved.widgets_values;
    const isCut = Array.isArray(values) && values.length === counted;
    if (isCut) saved.widgets_values = [...values, null];
    return configure.call(this, saved);
  };
}

app.registerExtension({
  name: "MultiTalk.SavedGraphs",
  beforeRegisterNodeDef(nodeType, definition) {
    if (definition.name.startsWith("MultiTalk")) keepValues(nodeType, definition);
    const before = BEFORE[definition.name];
    if (!before) return;
    const configured = nodeType.prototype.onConfigure;
    nodeType.prototype.onConfigure = function (saved) {
      configured?.call(this, saved);
      keepMeaning(this, before, saved);
    };
  },
});
