// Files of one's own on MultiTalk Example: drop a picture, a sound, or both at once onto the node.
// The classic editor has upload buttons only for nodes with one file; a drop works in both modes.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const NODE = "MultiTalkExample";
const OF_SCENE = "of the scene"; // nodes/own_files.py
const VOICES = ["voice_1", "voice_2"];

const isPicture = (file) => file.type.startsWith("image/");
const isSound = (file) => /^(audio|video)\//.test(file.type);
const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name);

/** Put a file into the host's input folder; gives the name by which the host knows it. */
async function upload(file) {
  const body = new FormData();
  body.append("image", file); // the host takes every kind of file under this name
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const { name, subfolder } = await answer.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

function choose(node, name, file) {
  const widget = widgetOf(node, name);
  const { values } = widget.options;
  if (Array.isArray(values) && !values.includes(file)) values.push(file);
  widget.value = file;
  widget.callback?.(file);
  node.setDirtyCanvas(true, true);
}

/** The fields for so many sounds: those still free first. */
function voicesFor(node, count) {
  if (count > 1 || widgetOf(node, "scene")?.value !== "two_speakers") return VOICES;
  const free = VOICES.filter((name) => widgetOf(node, name)?.value === OF_SCENE);
  return free.length > 0 ? free : VOICES;
}

async function takeFiles(node, files) {
  const sounds = files.filter(isSound);
  const voices = voicesFor(node, sounds.length);
  const places = [
    ...files.filter(isPicture).slice(0, 1).map((file) => ["picture", file]),
    ...sounds.slice(0, VOICES.length).map((file, index) => [voices[index], file]),
  ];
  for (const [name, file] of places) {
    try {
      choose(node, name, await upload(file));
    } catch (error) {
      const detail = `${file.name}: ${error.message}`;
      app.extensionManager.toast.add({ severity: "error", summary: "MultiTalk Example", detail });
    }
  }
}

app.registerExtension({
  name: "MultiTalk.OwnFiles",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    node.onDragOver = ({ dataTransfer }) =>
      [...(dataTransfer?.items ?? [])].some((item) => item.kind === "file");
    node.onDragDrop = async ({ dataTransfer }) => {
      const all = [...(dataTransfer?.files ?? [])];
      const files = all.filter((file) => isPicture(file) || isSound(file));
      if (files.length === 0) return false; // a graph, for example: the editor opens it
      await takeFiles(node, files);
      return true;
    };
  },
});
