/**
 * Shows this pack's words in the language of the editor where the editor does not do it by itself:
 * the choices of its nodes, other words to find them by, and the notes, groups, titles and slots in
 * the graphs that come with it.
 *
 * The words are those of locales/, which the host serves under /i18n. Nothing else is touched: a
 * choice keeps its value, and a line that is not one of ours stays as it is. The words of a graph
 * are changed both ways: one that was saved in Chinese opens in English for an English reader.
 */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

// Parts of locales/*/main.json.
const GRAPH_WORDS = "MultiTalkGraphs"; // English line of a note, group or title -> line
const SLOT_WORDS = "MultiTalkSlots"; // name of a subgraph's input or output -> label
const CHOICE_WORDS = "MultiTalkChoices"; // choice that stands among the names of files -> words
const SEARCH_WORDS = "MultiTalkSearch"; // node -> other words to find it by
const NOTES = new Set(["MarkdownNote", "Note"]);

let words = {}; // by language, as /i18n has them
let english = new Map(); // a line in any language -> the English one

const typeOf = (node) => node.comfyClass ?? node.type ?? ""; // a new node has no type yet
const isNodeOfOurs = (node) => typeOf(node).startsWith("MultiTalk");
const language = () => app.extensionManager.setting.get("Comfy.Locale");

const FEW = 4; // longer lists have a filter in the classic editor, but without words of ours

/** The words for an input in one language: name, tooltip, options. */
const inputWords = (language, node, input) =>
  words[language]?.nodeDefs?.[node]?.inputs?.[input.replaceAll(".", "_")];
const choices = (language, node, widget) => inputWords(language, node, widget)?.options;

/** Whether a choice is shown in words: all but long lists of files. */
function hasWords(node, widget) {
  const { values } = widget.options;
  const isShort = Array.isArray(values) && values.length <= FEW;
  return choices("en", node, widget.name) || isShort || LiteGraph.vueNodesMode;
}

/** The words for one choice in the language of the editor. */
function nameChoice(node, widget, value) {
  const among = words[language()]?.[CHOICE_WORDS];
  return choices(language(), node, widget)?.[value] ?? among?.[value] ?? value ?? "";
}

/** One line of ours in the language of the editor; any other line as it is. */
function translateLine(line) {
  const ours = english.get(line);
  return ours === undefined ? line : (words[language()]?.[GRAPH_WORDS]?.[ours] ?? ours);
}

/** Label a socket of a growing input, which the editor calls by its id, but for a name of the user's. */
function labelGrown(node, slot) {
  const own = slot.name.split(".").pop();
  if (own === slot.name || slot.widget) return;
  const names = Object.keys(words).map((language) => inputWords(language, node, slot.name)?.name);
  if (slot.label && slot.label !== own && !names.includes(slot.label)) return;
  slot.label = inputWords(language(), node, slot.name)?.name ?? own;
}

/** Label the sockets of growing inputs in a graph, and in the graphs in it. */
function labelGraph(graph) {
  for (const node of (graph.nodes ?? []).filter(isNodeOfOurs)) {
    for (const slot of node.inputs ?? []) labelGrown(node.type, slot);
  }
  for (const subgraph of graph.definitions?.subgraphs ?? []) labelGraph(subgraph);
}

/** Label inputs and outputs of a subgraph, but for those that were given other names. */
function labelSlots(slots) {
  for (const slot of slots ?? []) {
    const known = Object.values(words).map((parts) => parts[SLOT_WORDS]?.[slot.name]);
    if (slot.label && !known.includes(slot.label)) continue;
    const label = words[language()]?.[SLOT_WORDS]?.[slot.name];
    if (label) slot.label = label;
    else delete slot.label;
  }
}

/** The lines of a note; none for any other node. */
function noteLines(node) {
  const text = NOTES.has(node.type) ? node.widgets_values?.[0] : undefined;
  return typeof text === "string" ? text.split("\n") : [];
}

/** Put the words of a graph, and of the graphs in it, into the language of the editor. */
function translateGraph(graph) {
  const nodes = graph.nodes ?? [];
  const subgraphs = graph.definitions?.subgraphs ?? [];
  for (const inside of subgraphs) {
    const outside = nodes.filter((node) => node.type === inside.id);
    for (const item of [inside, ...outside]) {
      labelSlots(item.inputs);
      labelSlots(item.outputs);
    }
  }
  for (const item of [...nodes, ...(graph.groups ?? [])]) {
    if (typeof item.title === "string") item.title = translateLine(item.title);
  }
  for (const node of nodes) {
    const lines = noteLines(node);
    if (lines.length > 0) node.widgets_values[0] = lines.map(translateLine).join("\n");
  }
  for (const subgraph of subgraphs) {
    subgraph.name = translateLine(subgraph.name ?? "");
    translateGraph(subgraph);
  }
}

/** A graph of ours has notes of ours: "Video" above a group can be anybody's. */
const isOurs = (graph) =>
  (graph.nodes ?? []).some((node) => noteLines(node).some((line) => english.has(line)));

app.registerExtension({
  name: "MultiTalk.Words",

  async init() {
    const answer = await api.fetchApi("/i18n");
    if (!answer.ok) return;
    words = await answer.json();
    for (const parts of Object.values(words)) {
      for (const [line, other] of Object.entries(parts[GRAPH_WORDS] ?? {})) {
        english.set(other, line).set(line, line);
      }
    }
  },

  beforeRegisterVueAppNodeDefs(nodes) {
    const more = words[language()]?.[SEARCH_WORDS] ?? {};
    for (const node of nodes.filter((node) => node.name in more)) {
      node.search_aliases = [...(node.search_aliases ?? []), ...more[node.name].split("\u3001")];
    }
  },

  nodeCreated(node) {
    if (!isNodeOfOurs(node)) return;
    const type = typeOf(node);
    for (const slot of node.inputs ?? []) labelGrown(type, slot);
    const before = node.onInputAdded;
    node.onInputAdded = function (slot) {
      before?.call(this, slot);
      labelGrown(type, slot);
    };
    for (const widget of node.widgets ?? []) {
      if (widget.type !== "combo" || !widget.options || !hasWords(type, widget)) continue;
      widget.options.getOptionLabel ??= (value) => nameChoice(type, widget.name, value);
    }
  },

  beforeConfigureGraph(graph) {
    labelGraph(graph);
    if (isOurs(graph)) translateGraph(graph);
  },
});
