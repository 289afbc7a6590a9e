"""Shipped graphs on files as large as the released ones, which hold zeros and take no disk.

    python dev.py rehearse [GRAPH ...] [--limit 24] [--all-passes] [--folder DIR] [--json]

Names, shapes and kinds of the files are those that users have; a video of 32 x 32, a fifth of a
second of sound, one text for all and one step of one guidance pass keep the work small. So
everything runs as it will with the released models: files are looked at, names are mapped, weights
and LoRAs loaded, text, picture and sound encoded, a step sampled, frames decoded and written. For
each stage the table tells seconds, memory at its end, and the peaks. `own` memory is the host's;
pages of mapped files come on top and are given back when others need them. A graph that takes more
than `--limit` GB of its own, or the last memory of the machine, is stopped: the table then tells
how far it came. Linux only. The video is gray: nothing is learned here about pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
import types
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
if "pack" not in sys.modules:
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack

from pack.tools.rehearse.memory import GB, Stage, Watch, read_memory  # noqa: E402 - pack is made above

if TYPE_CHECKING:
    from pack.workflows.api.client import HostClient
    from pack.workflows.api.events import Event

GRAPHS = (
    "multitalk_one_speaker", "multitalk_two_speakers", "infinitetalk_low_memory", "multitalk_fast"
)  # fmt: skip
SIDE_PX, SECONDS = 32, 0.2
WINDOW, OVERLAP = 17, 1
TIMEOUT_SECONDS = 3600.0
TEXT = "a person talks"
# Weights stay as the file has them, instead of float32 as ComfyUI keeps them on a processor, which
# is 66 GB. Texts are encoded in float32, since many processors take ten times as long in 16 bit.
# What one graph made stays for the next, models only while the machine has 12 GB left.
ARGUMENTS = ("--fp16-unet", "--fp32-text-enc", "--cache-ram", "2", "12")


def make_small(
    prompt: dict[str, Any], presets: Mapping[str, Any], *, all_passes: bool
) -> dict[str, Any]:
    """The same graph for one step of a small video; `presets` are those of multitalk.config."""
    for node in prompt.values():
        inputs = node["inputs"]
        if node["class_type"] == "CLIPTextEncode":
            inputs["text"] = TEXT
        if node["class_type"] == "LoadAudio":
            inputs["audio"] = "voice.wav"
        if node["class_type"] == "LoadImage":
            inputs["image"] = "picture.png"
        if "preset" in inputs:
            preset = presets[inputs["preset"]]
            scales = (preset.text_guidance, preset.audio_guidance) if all_passes else (1.0, 1.0)
            inputs |= {
                "preset": "custom", "preset.steps": 1, "preset.shift": preset.shift or 7.0,
                "preset.text_guidance": scales[0], "preset.audio_guidance": scales[1],
                "size": "custom", "size.width": SIDE_PX, "size.height": SIDE_PX,
                "window": WINDOW, "overlap": OVERLAP,
            }  # fmt: skip
    return prompt


def write_inputs(folder: Path) -> None:
    """A picture and a voice."""
    import numpy as np
    from PIL import Image

    ramp = np.linspace(0, 255, SIDE_PX, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[None, ::-1]), -1)
    Image.fromarray(picture).save(folder / "picture.png")
    rate = 16_000
    tone = np.sin(np.arange(int(SECONDS * rate)) * 0.1) * 8000
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone.astype("<i2").tobytes())


def stage_names(prompt: Mapping[str, Any]) -> dict[str, str]:
    """Stages by node: titles, and those that share one together."""
    return {key: node["_meta"]["title"] for key, node in prompt.items()}


def follow(
    watch: Watch, names: Mapping[str, str], say: Callable[[str], None] = lambda _line: None
) -> Callable[[Event], None]:
    """What takes a host's events: each node is a stage; what follows a first step is its end."""

    last = ""

    def enter(name: str) -> None:
        nonlocal last
        watch.enter(name)
        if name and name != last:
            say(f"{time.strftime('%H:%M:%S')} {name}")
        last = name

    def see(event: Event) -> None:
        name = names.get(str(event.data.get("node")), "")
        if event.kind == "executing":
            enter(name)
        elif event.kind == "progress" and event.data["value"] >= 1 and name:
            enter(f"{name}, after its step")

    return see


def rehearse(host: Any, graph: str, limit_gb: float, *, all_passes: bool) -> dict[str, Any]:
    """Run a graph and give its stages, its files, and why it ended if it did not get to its end."""
    from pack.multitalk.config import PRESETS
    from pack.tools.host.client import HostClient, HostError, files_of
    from pack.workflows.api.edit import read_prompt

    prompt = make_small(read_prompt(graph), PRESETS, all_passes=all_passes)
    pid = host.pid

    def end() -> None:
        os.kill(pid, signal.SIGKILL)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    watch = Watch(read=lambda: read_memory(pid), give_up=end, limit_bytes=limit_gb * GB)
    failure, files = "", []
    with watch:
        try:
            client: HostClient
            with HostClient(host.address) as client:
                entry = client.run(
                    prompt, follow(watch, stage_names(prompt), say), timeout=TIMEOUT_SECONDS
                )
            files = [file["filename"] for file in files_of(entry)]
        except (HostError, TimeoutError, OSError) as error:
            failure = str(error)
    return {
        "graph": graph,
        "stages": list(watch.stages.values()),
        "files": files,
        "failure": watch.reason or failure,
    }


def as_json(found: Mapping[str, Any]) -> str:
    """One line of JSON for a graph; memory in bytes."""
    stages = [
        {
            "stage": stage.name, "seconds": round(stage.seconds, 2), "own": stage.end.own,
            "resident": stage.end.resident, "own_peak": stage.own_peak, "peak": stage.peak,
        }
        for stage in found["stages"]
    ]  # fmt: skip
    return json.dumps({**found, "stages": stages})


def table(found: Mapping[str, Any]) -> str:
    """The stages of a graph for people."""
    lines = [
        f"### {found['graph']}",
        "",
        "| stage | s | own GB at its end | own, peak | with files, peak |",
        "|---|---|---|---|---|",
    ]
    stages: list[Stage] = found["stages"]
    for stage in stages:
        numbers = (stage.end.own, stage.own_peak, stage.peak)
        memory = " | ".join(f"{number / GB:.2f}" for number in numbers)
        lines.append(f"| {stage.name} | {stage.seconds:.1f} | {memory} |")
    seconds = sum(stage.seconds for stage in stages)
    peaks = [max((getattr(s, name) for s in stages), default=0) for name in ("own_peak", "peak")]
    lines.append(f"| all | {seconds:.1f} | | {peaks[0] / GB:.2f} | {peaks[1] / GB:.2f} |")
    end = f"Stopped: {found['failure']}." if found["failure"] else "Made: "
    return "\n".join([*lines, "", end + ", ".join(found["files"])])


def main(arguments: list[str]) -> int:
    """Rehearse graphs; 1 if one did not get to its end."""
    parser = argparse.ArgumentParser(prog="rehearse", description=__doc__.split("\n", 1)[0])
    parser.add_argument("graphs", nargs="*", metavar="GRAPH", help=f"default: {', '.join(GRAPHS)}")
    parser.add_argument("--limit", type=float, default=24.0, help="GB of the host's own memory")
    parser.add_argument("--all-passes", action="store_true", help="those that the preset asks for")
    parser.add_argument("--folder", type=Path, help="keep files and the host's log there")
    parser.add_argument("--json", action="store_true", help="a line per graph")
    options = parser.parse_args(arguments)
    if unknown := set(options.graphs) - set(GRAPHS):
        parser.error(f"{', '.join(sorted(unknown))}: graphs are {', '.join(GRAPHS)}")
    if not Path("/proc/self/status").exists():
        print("rehearse reads memory from /proc, which only Linux has.", file=sys.stderr)
        return 1
    base = options.folder or Path(tempfile.mkdtemp(prefix="multitalk-rehearse-"))
    try:
        return run(base, options)
    finally:
        if options.folder is None:
            shutil.rmtree(base, ignore_errors=True)


def run(base: Path, options: argparse.Namespace) -> int:
    """Write the files and run the graphs, each on a host of its own."""
    from pack.tools.host.client import HostProcess, HostSettings
    from pack.tools.rehearse.released import write_released

    started = time.monotonic()
    lengths = write_released(base / "models")
    (base / "input").mkdir(exist_ok=True)
    write_inputs(base / "input")
    if not options.json:
        print(
            f"{len(lengths)} files of {sum(lengths.values()) / GB:.1f} GB, all zeros, made in "
            f"{time.monotonic() - started:.1f} s; {platform.machine()}, {os.cpu_count()} cores"
        )
    failed, waiting = 0, list(options.graphs or GRAPHS)
    while waiting:  # a host that was stopped is followed by another
        with HostProcess(HostSettings(base=base, arguments=ARGUMENTS)) as host:
            while waiting and host.is_running():
                found = rehearse(host, waiting.pop(0), options.limit, all_passes=options.all_passes)
                print(as_json(found) if options.json else f"\n{table(found)}", flush=True)
                failed += bool(found["failure"])
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
