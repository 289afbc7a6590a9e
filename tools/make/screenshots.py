"""Open every graph in the real editor, check it, and take its picture for workflows/pictures.

Not part of the test suite. It needs Chromium, and playwright and Pillow in the Python that runs it:

    apt-get install -y --no-install-recommends chromium fonts-dejavu-core
    python3 -m venv /tmp/pw && /tmp/pw/bin/pip install playwright==1.65.2 pillow
    /tmp/pw/bin/python tools/make/screenshots.py            # all graphs; or name some
    /tmp/pw/bin/python tools/make/screenshots.py --keep DIR # also full-size pictures
    /tmp/pw/bin/python tools/make/screenshots.py --quick    # without looking at downloads

The host runs with what dev.py sets up, or with COMFYUI_DIR and COMFYUI_PYTHON; the editor with the
settings that it has by itself, in both of its modes (the pictures show the last). Checked are: all
node types known, no errors of ours in the console, the editor's prompt equals
workflows/api/NAME.json, toy graphs run when they are queued from the page and show a player. The
models of the other graphs are empty files, so those are not run. A second host without these
files shows whether the editor offers to download them.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_index import FILES, graph_path, graph_picture
from PIL import Image
from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from pack.tools.host.client import HostProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "assets" / "examples"
VIEW = {"width": 1600, "height": 1000}
THUMBNAIL_PX = (1120, 630)
MIDDLE = (104, 109, 1496, 892)
"""What the editor fits a graph into, with a margin in the shape of the thumbnail."""
NO_MAP = ".minimap-main-container { visibility: hidden }"
THUMBNAIL_BYTES = 30_000
RUN_SECONDS = 1200
# What a user has who has seen the welcome; nothing that helps a graph to look better.
SETTINGS = {"Comfy.TutorialCompleted": True}
MODES = {"classic": False, "nodes2": True}
"""Of Comfy.VueNodes.Enabled."""
# The editor's own, with an empty user folder and without network.
ALLOWED = re.compile(
    r"status of 404|graph accessed before initialization|Content Security Policy|deprecated"
    r"|Error loading core workflow templates"  # another package of the host's
    r"|status of 400"  # the player of a Load Audio in which nothing is chosen yet
    r"|PromptExecutionError"  # a refused prompt; who queues it looks at lastNodeErrors
)
READY = (
    "() => window.app && app.extensionManager && app.graph"
    " && Object.keys(LiteGraph.registered_node_types).length > 100"
)
LOAD = """async ([graph, name]) => {
  await app.loadGraphData(graph, true, true, name, {openSource: 'template'});
}"""  # as the templates page does
PROMPT = "async () => (await app.graphToPrompt()).output"
FOCUS = "async () => { await app.extensionManager.command.execute('Workspace.ToggleFocusMode') }"
UNKNOWN = (
    "() => app.graph._nodes.filter(n => !(n.type in LiteGraph.registered_node_types))"
    ".map(n => n.type)"
)
SERIALIZE = "() => app.graph.serialize()"


@dataclass
class Report:
    """What was found wrong."""

    problems: list[str] = field(default_factory=list)
    name: str = ""

    def add(self, text: str) -> None:
        """Note a problem of the current graph."""
        self.problems.append(f"{self.name}: {text}")
        print(f"  PROBLEM: {text}", flush=True)


def write_settings(base: Path, settings: dict[str, Any]) -> None:
    """Set the editor's settings; a page that is opened later has them."""
    path = base / "user" / "default" / "comfy.settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings), encoding="ascii")


def make_base(base: Path, python: str, *, with_models: bool) -> None:
    """Fill the host's base folder: settings, example inputs, empty model files."""
    from pack.tools.make.graph_forms import Use
    from pack.tools.make.graph_list import GRAPHS

    write_settings(base, SETTINGS)
    inputs = base / "input"
    inputs.mkdir()
    for number in (1, 2):  # the host looks at the contents, not at the ending
        shutil.copy(EXAMPLES / f"voice_{number}.flac", inputs / f"voice_{number}.wav")
    shutil.copy(EXAMPLES / "one_speaker.png", inputs / "example.png")  # a new ComfyUI has one
    clip = [str(ROOT / "tools" / "make" / "clip.py"), str(EXAMPLES / "one_speaker.png")]
    subprocess.run([python, *clip, str(inputs / "example.mp4")], check=True)
    outer = [node for graph in GRAPHS for node in graph.nodes]
    inner = [n for node in outer if isinstance(node, Use) for n in node.subgraph.nodes]
    nodes = [node for node in [*outer, *inner] if not isinstance(node, Use)]
    for model in (m for node in nodes for m in node.models):
        path = base / "models" / model.directory / model.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if with_models:
            path.touch()


@contextmanager
def running_host(*, with_models: bool) -> Iterator[HostProcess]:
    """A host with this pack."""
    from pack.tools.host.client import HostProcess, HostSettings
    from pack.tools.host.environment import prepare

    with tempfile.TemporaryDirectory() as folder:
        python = prepare()[0]
        make_base(Path(folder) / "base", str(python), with_models=with_models)
        settings = HostSettings(base=Path(folder) / "base", python=python)
        with HostProcess(settings) as host:
            yield host


@contextmanager
def open_editor(address: str, report: Report, *, focus: bool = True) -> Iterator[Page]:
    """The graph editor in a browser, without its panels (focus); its errors go into the report."""
    from pack.tools.host.browser import find_chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), headless=True, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=VIEW)

        def hear(kind: str, text: str) -> None:
            if kind == "error" and not ALLOWED.search(text):
                report.add(f"console: {text[:300]}")

        page.on("console", lambda message: hear(message.type, message.text))
        page.on("pageerror", lambda error: hear("error", str(error)))
        page.goto(f"http://{address}")
        page.wait_for_function(READY, timeout=120_000)
        page.wait_for_timeout(2000)
        if focus:
            page.evaluate(FOCUS)
        yield page
        browser.close()


def strip(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt without the titles, and without the player that the editor adds to Load Video."""
    return {
        key: {
            "class_type": node["class_type"],
            "inputs": {k: v for k, v in node["inputs"].items() if k != "video-preview"},
        }
        for key, node in prompt.items()
    }


def check_saved(page: Page, graph: dict[str, Any], report: Report) -> None:
    """Compare slots and values with what the editor would save."""
    saved = {node["id"]: node for node in page.evaluate(SERIALIZE)["nodes"]}
    for node in graph["nodes"]:
        again = saved[node["id"]]
        for part in ("inputs", "outputs"):
            ours = [(slot["name"], slot["type"]) for slot in node[part]]
            theirs = [(slot["name"], slot["type"]) for slot in again[part] or []]
            if ours != theirs:
                report.add(f"{node['title' if 'title' in node else 'type']} {part}: {theirs}")
        if node["widgets_values"] != again["widgets_values"]:
            report.add(f"{node['type']} values: {again['widgets_values']}")


def check_graph(page: Page, name: str, report: Report) -> None:
    """Load a graph and compare it with its twin."""
    graph = json.loads(graph_path(name).read_text(encoding="ascii"))
    twin = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="ascii"))
    page.evaluate(LOAD, [graph, name])
    page.wait_for_timeout(1500)
    unknown = page.evaluate(UNKNOWN)
    if unknown:
        report.add(f"unknown node types {unknown}")
    prompt, expected = strip(page.evaluate(PROMPT)), strip(twin)
    if prompt != expected:
        for key in sorted(prompt.keys() | expected.keys()):
            if prompt.get(key) != expected.get(key):
                report.add(f"node {key}: editor {prompt.get(key)}, twin {expected.get(key)}")
    check_saved(page, graph, report)


def run_graph(page: Page, report: Report) -> None:
    """Queue the open graph and wait for its end and the player."""
    from pack.tools.host.browser import WAITING

    page.evaluate("async () => { await app.queuePrompt(0, 1) }")
    errors = page.evaluate("() => JSON.stringify(app.lastNodeErrors || {})")
    if errors != "{}":
        report.add(f"refused: {errors}")
        return
    # A promise counts as true for wait_for_function, and a player is there before the end.
    for _ in range(RUN_SECONDS):
        page.wait_for_timeout(1000)
        if page.evaluate(WAITING) == 0:
            break
    else:
        report.add("the run did not end")
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].some(v => v.readyState >= 2)",
        timeout=RUN_SECONDS * 1000,
    )
    page.wait_for_timeout(1500)


def check_missing(name: str, report: Report) -> None:
    """Open a graph without its model files and count what the editor offers to download."""
    graph = json.loads(graph_path(name).read_text(encoding="ascii"))
    definition = graph["definitions"]["subgraphs"][0]
    nodes = [*graph["nodes"], *definition["nodes"]]
    models = [m for node in nodes for m in node.get("properties", {}).get("models", [])]
    # The editor lists GGUF files without a button.
    expected = sum(not model["name"].endswith(".gguf") for model in models)
    report.name = f"{name} without models"
    print(report.name, flush=True)
    with (
        running_host(with_models=False) as host,
        open_editor(host.address, report, focus=False) as page,
    ):
        page.evaluate(LOAD, [graph, name])
        page.get_by_text("View details").click(timeout=20_000)
        page.wait_for_timeout(1500)
        offered = page.get_by_role("button", name=re.compile("^Download(?! all)")).count()
    if offered != expected:
        report.add(f"{offered} downloads offered, {expected} expected")


def choose_example(host: HostProcess, name: str) -> None:
    """Put the picture of as many people as a graph needs where its Load Image looks."""
    two = any(word in name for word in ("two_speakers", "dialogue", "recording", "still"))
    scene = "two_speakers.png" if two else "one_speaker.png"
    shutil.copy(EXAMPLES / scene, host.base / "input" / "example.png")


def open_graph(host: HostProcess, page: Page, name: str, report: Report, keep: Path | None) -> None:
    """Check a graph in one mode of the editor; the last mode gives the thumbnail."""
    choose_example(host, name)
    check_graph(page, name, report)
    if name.startswith("toy_"):
        run_graph(page, report)
    take_picture(page, name, keep)


def take_picture(page: Page, name: str, keep: Path | None) -> None:
    """Write the thumbnail."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        picture.save(keep / f"{name}.png")
    small = picture.crop(MIDDLE).resize(THUMBNAIL_PX, Image.Resampling.LANCZOS)
    for quality in range(90, 20, -5):
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=quality, method=5)
        if buffer.tell() < THUMBNAIL_BYTES:
            break
    graph_picture(name).write_bytes(buffer.getvalue())
    print(f"  {name}.webp: {buffer.tell() / 1000:.0f} kB, quality {quality}", flush=True)


def main() -> int:
    """Check and picture the graphs.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Check the graphs in the editor.")
    parser.add_argument("names", nargs="*", help="names of graphs, toy_one_speaker; all by default")
    parser.add_argument("--quick", action="store_true", help="leave out the downloads")
    parser.add_argument("--keep", type=Path, help="folder for full-size pictures")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=[*MODES], help="both")
    options = parser.parse_args()
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    names = options.names or list(FILES)
    report = Report()
    with running_host(with_models=True) as host:
        for mode in options.modes:
            write_settings(host.base, SETTINGS | {"Comfy.VueNodes.Enabled": MODES[mode]})
            with open_editor(host.address, report, focus=False) as page:
                page.add_style_tag(content=NO_MAP)
                for name in names:
                    report.name = f"{name}, {mode}"
                    print(report.name, flush=True)
                    open_graph(host, page, name, report, options.keep and options.keep / mode)
    for name in [n for n in names if not (n.startswith("toy_") or options.quick)]:
        check_missing(name, report)
    print("\n".join(report.problems) or "No problems.")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
