// Runs web/words.js beside a stand-in for the editor: node words_editor.mjs ROOT < graphs > answers
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = process.argv[2];
const here = process.cwd(); // an empty folder
const read = (...names) => JSON.parse(fs.readFileSync(path.join(root, "locales", ...names), "utf8"));
const words = Object.fromEntries(
  ["en", "zh"].map((l) => [l, { ...read(l, "main.json"), nodeDefs: read(l, "nodeDefs.json") }]),
);
globalThis.editor = { language: "zh", words };
globalThis.LiteGraph = { vueNodesMode: false };
const files = {
  "scripts/app.js": `export const app = {
    registerExtension(extension) { globalThis.extension = extension; },
    extensionManager: { setting: { get: () => globalThis.editor.language } } };`,
  "scripts/api.js": `export const api = {
    fetchApi: async () => ({ ok: true, json: async () => globalThis.editor.words }) };`,
  "extensions/pack/words.js": fs.readFileSync(path.join(root, "web", "words.js"), "utf8"),
  "package.json": '{"type": "module"}',
};
for (const [name, text] of Object.entries(files)) {
  fs.mkdirSync(path.dirname(path.join(here, name)), { recursive: true });
  fs.writeFileSync(path.join(here, name), text);
}
await import(pathToFileURL(path.join(here, "extensions", "pack", "words.js")).href);
const extension = globalThis.extension;
await extension.init();

const open = (graph, language) => {
  globalThis.editor.language = language;
  extension.beforeConfigureGraph(graph);
  return structuredClone(graph);
};
const graphs = JSON.parse(fs.readFileSync(0, "utf8"));
const opened = graphs.map((graph) => [open(graph, "zh"), open(graph, "en")]);

globalThis.editor.language = "zh";
const values = ["together", "in turn", "offsets"];
const node = {
  comfyClass: "MultiTalkTracks",
  inputs: [{ name: "speakers.speaker_1", label: "speaker_1" }],
  widgets: [{ name: "placement", type: "combo", options: { values } }],
};
extension.nodeCreated(node);
const grown = { name: "speakers.speaker_2" };
node.onInputAdded(grown);
const found = [{ name: "MultiTalkSampler", search_aliases: ["lip sync"] }, { name: "KSampler" }];
extension.beforeRegisterVueAppNodeDefs(found);
const labels = values.map(node.widgets[0].options.getOptionLabel);
const slots = [...node.inputs, grown].map((slot) => slot.label);
console.log(JSON.stringify({ opened, labels, slots, found }));
