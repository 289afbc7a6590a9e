"""Draw every node in the real editor and save web/docs/NODE.webp for its help page.

Not part of the test suite. It needs what screenshots.py needs, and is run the same way:

    /tmp/pw/bin/python tools/make/node_pictures.py          # all nodes; or name some
    /tmp/pw/bin/python tools/make/node_pictures.py --check DIR

The nodes have values as in a graph in use; those that show something after a run are taken from a
toy graph that was run in the page.

`--check DIR` also opens a help page in the editor, in English and Chinese. It fails if the page's
picture is not shown or the node does not bear the words of locales/, and leaves pictures of the
editor in DIR (Chinese letters need a font, for example fonts-wqy-microhei).
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

from graph_index import graph_path
from PIL import Image
from playwright.sync_api import Page
from screenshots import (
    EXAMPLES,
    FOCUS,
    LOAD,
    ROOT,
    Report,
    open_editor,
    run_graph,
    running_host,
)

from locales import read_locale

PAGES = ROOT / "web" / "docs"
MAX_BYTES = 40_000
SCALE = 1.5  # screen pixels per unit of the graph
# Files that people have, not those that the list begins with, and what they write.
VALUES = {
    "base": "wan2.1_i2v_480p_14B_fp16.safetensors",
    "audio_part": "multitalk.safetensors",
    "encoder": "wav2vec2-chinese-base_fp16.safetensors",
    "file": "model_patches/multitalk.safetensors",
    "model": "kokoro-v1_0.pth",
    "loras": "1",
    "lora_1": "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors",
    "voice": "af_heart",
    "voices": "Anna: af_heart\nBen: am_michael",
    "control_after_generate": "fixed",
}
OF_ONE = {
    "MultiTalkAddLoras": {"loras": '{"FusionX.safetensors": 1.0}'},
    "MultiTalkShots": {"seconds": "4", "voices": "1, 2; 1"},
    "MultiTalkReadFiles": {"weight_dtype": "default", "family": "auto"},
}
# What a node shows after a run: node -> graph that is run for it.
RUN = {
    "MultiTalkExample": "toy_two_speakers_boxes",
    "MultiTalkSpeakers": "toy_two_speakers_boxes",
    "MultiTalkTracks": "toy_two_speakers_boxes",
    "MultiTalkVideoCombine": "toy_two_speakers_boxes",
    "MultiTalkDialogue": "toy_dialogue",
    "MultiTalkSampleToVideo": "toy_long_video",
}
CHECKED = "MultiTalkSampler"

DRAW = """async ([type, values, scale]) => {
  app.graph.clear();
  const node = LiteGraph.createNode(type);
  app.graph.add(node);
  node.showAdvanced = true;
  for (const round of [1, 2]) {  // a choice may bring further widgets
    for (const widget of node.widgets ?? []) {
      const names = widget.options?.values;
      const inner = widget.name.split('.').pop();
      if (inner in values && (!Array.isArray(names) || names.includes(values[inner])))
        widget.value = values[inner];
    }
    await new Promise((done) => setTimeout(done, 300));
  }
  const size = node.computeSize();
  node.setSize([Math.max(size[0], 380), size[1]]);
  node.pos = [60, 60];
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset[0] = 0;
  app.canvas.ds.offset[1] = 0;
  app.canvas.deselectAll?.();
  app.canvas.setDirty(true, true);
}"""
SHOW = """([type, scale]) => {
  const node = app.graph._nodes.find((one) => one.type == type);
  for (const other of app.graph._nodes) if (other != node) other.pos = [node.pos[0] + 9000, 0];
  app.graph._groups.length = 0;
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset[0] = 60 - node.pos[0];
  app.canvas.ds.offset[1] = 60 - node.pos[1];
  app.canvas.deselectAll?.();
  app.canvas.setDirty(true, true);
}"""
PLACE = """(type) => {
  const node = app.graph._nodes.find((one) => one.type == type);
  const box = node.getBounding();
  const canvas = app.canvas.canvas.getBoundingClientRect();
  const { scale, offset } = app.canvas.ds;
  return { x: canvas.left + (box[0] + offset[0]) * scale,
           y: canvas.top + (box[1] + offset[1]) * scale,
           width: box[2] * scale, height: box[3] * scale };
}"""
SHOW_NODE = """(type) => {
  app.graph.clear();
  const node = LiteGraph.createNode(type);
  app.graph.add(node);
  node.pos = [500, 120];
  const { left, top } = app.canvas.canvas.getBoundingClientRect();
  const { scale, offset } = app.canvas.ds;
  const words = [...node.inputs, ...(node.widgets ?? [])].map((i) => i.label ?? i.localized_name);
  return { x: left + (600 + offset[0]) * scale, y: top + (105 + offset[1]) * scale,
           title: node.title, words };
}"""
PICTURES = """() => [...document.querySelectorAll('.node-help-content img')]
  .map((image) => ({ source: image.src, width: image.naturalWidth }))"""


def read_graph(name: str) -> dict[str, Any]:
    """A shipped graph in the editor's form."""
    return json.loads(graph_path(name).read_text(encoding="ascii"))


def node_names() -> list[str]:
    """Ids of all nodes: those with a help page."""
    return sorted(path.stem for path in PAGES.glob("MultiTalk*.md"))


def encode(picture: Image.Image) -> bytes:
    """WebP of at most MAX_BYTES."""
    data = b""
    for quality in range(90, 10, -10):
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality, method=6)
        data = buffer.getvalue()
        if len(data) < MAX_BYTES:
            break
    return data


def draw_node(page: Page, name: str, report: Report) -> None:
    """Write the picture of one node: as set, or as it is after a run."""
    if name in RUN:
        page.evaluate(SHOW, [name, SCALE])
    else:
        page.evaluate(DRAW, [name, VALUES | OF_ONE.get(name, {}), SCALE])
    page.wait_for_timeout(900)
    place = page.evaluate(PLACE, name)
    margin = 6
    clip = {
        "x": place["x"] - margin,
        "y": place["y"] - margin,
        "width": place["width"] + 2 * margin,
        "height": place["height"] + 2 * margin,
    }
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    data = encode(picture)
    if len(data) >= MAX_BYTES:
        report.add(f"the picture has {len(data)} bytes")
    (PAGES / f"{name}.webp").write_bytes(data)
    print(f"  {picture.width} x {picture.height}, {len(data) / 1000:.0f} kB", flush=True)


def check_help(page: Page, language: str, report: Report, folder: Path) -> None:
    """Open a help page and look whether its picture is there and the node has its words."""
    report.name = f"help in {language}"
    node = page.evaluate(SHOW_NODE, CHECKED)
    words = read_locale(language)["nodeDefs.json"][CHECKED]
    missing = {entry["name"] for entry in words["inputs"].values()} - set(node["words"])
    nested = {"preset_", "size_"}  # shown when chosen
    hidden = {e["name"] for k, e in words["inputs"].items() if k.startswith(tuple(nested))}
    if node["title"] != words["display_name"] or missing - hidden:
        report.add(f"title {node['title']}, not shown: {missing - hidden}")
    page.mouse.click(node["x"], node["y"])
    page.locator("[data-testid=info-button]").click(timeout=20_000)
    page.wait_for_selector(".node-help-content img", timeout=20_000)
    page.wait_for_timeout(1500)
    pictures: list[dict[str, Any]] = page.evaluate(PICTURES)
    print(f"  {report.name}: {pictures}", flush=True)
    if not all(picture["width"] > 0 for picture in pictures):
        report.add(f"no picture: {pictures}")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"help_{language}.png"))


def main() -> int:
    """Draw the nodes.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Draw every node in the editor.")
    parser.add_argument("names", nargs="*", help="node ids; all by default")
    parser.add_argument("--check", type=Path, metavar="DIR", help="also open help pages")
    options = parser.parse_args()
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    report = Report()
    with running_host(with_models=True) as host:
        shutil.copy(EXAMPLES / "one_speaker.png", host.base / "input" / "example.png")
        with open_editor(host.address, report) as page:
            page.set_viewport_size({"width": 1600, "height": 2000})
            wanted = options.names or node_names()
            for graph in ("", *dict.fromkeys(RUN.values())):  # each is run once
                names = [name for name in wanted if RUN.get(name, "") == graph]
                if graph and names:
                    page.evaluate(LOAD, [read_graph(graph), graph])
                    run_graph(page, report)
                for name in names:
                    report.name = name
                    print(name, flush=True)
                    draw_node(page, name, report)
        if options.check:
            for language in ("en", "zh"):
                settings = host.base / "user" / "default" / "comfy.settings.json"
                stored = json.loads(settings.read_text(encoding="ascii"))
                settings.write_text(json.dumps({**stored, "Comfy.Locale": language}))
                with open_editor(host.address, report) as page:
                    page.evaluate(FOCUS)  # back to the editor with its panels
                    check_help(page, language, report, options.check)
    print("\n".join(report.problems) or "No problems.")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
