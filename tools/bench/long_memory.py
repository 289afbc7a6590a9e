"""Memory of the samplers against length: `python tools/bench/long_memory.py [--frames 321 1001]`.

A host of its own for each case runs a toy graph with silent sound of a certain length, at 1 step,
128 x 64 pixels, windows of 33 frames. The resident memory of the host's process is read from the
operating system each time another window begins. Growth counts from window 3 to window 60 (or the
last), as bytes per value of the frames made in between.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

WIDTH, HEIGHT = 128, 64
WINDOW, OVERLAP = 33, 9
NODES = {"MultiTalkSampler": "images", "MultiTalkSampleToVideo": "video"}
LIMIT_MB, LIMIT_BYTES = 20, 1.3  # issue: of the file's node; per value of the frames' node


def prompt_of(kind, num_frames):
    """A toy graph of so many frames."""
    from pack.tools.host.prompts import TOY, node, sampler_inputs

    inputs = sampler_inputs(
        preset__steps=1, preset__audio_guidance=1.0, size__width=WIDTH, size__height=HEIGHT,
        window=WINDOW, overlap=OVERLAP, colour_match=1.0,
    )  # fmt: skip
    links = {"model": "model", "vae": "vae", "image": "example", "speech": "speech"}
    seconds = num_frames / 25
    prompt = {
        "example": node("MultiTalkExample", scene="one_speaker"),
        "silence": node("EmptyAudio", duration=seconds, sample_rate=16000, channels=1),
        "sound": node(
            "AudioConcat", audio1=["example", 1], audio2=["silence", 0], direction="after"
        ),
        "cut": node("TrimAudioDuration", audio=["sound", 0], start_index=0.0, duration=seconds),
        "model": node("MultiTalkLoadModel", base=TOY["base"], audio_part=TOY["audio_part"]),
        "vae": node("VAELoader", vae_name=TOY["vae"]),
        "encoder": node("MultiTalkLoadSpeechEncoder", encoder=TOY["encoder"]),
        "speech": node("MultiTalkSpeechEmbedding", audio=["cut", 0], speech_encoder=["encoder", 0]),
        "sampler": node(kind, **inputs, **{name: [to, 0] for name, to in links.items()}),
    }
    if kind == "MultiTalkSampler":
        prompt["report"] = node("PreviewAny", source=["sampler", 2])
    return prompt


def resident(pid):
    """Resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def measure(kind, num_frames, bf16):
    """Run one case; resident bytes by window, and after the end."""
    from pack.tools.host.client import HostClient, HostProcess, HostSettings

    by_window = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = HostSettings(base=Path(folder), arguments=("--cache-none",), bf16_vae=bf16)
        with HostProcess(settings) as host, HostClient(host.address) as client:

            def look(event):
                if event.kind == "progress" and event.data["max"] == windows:
                    # 1 step a window: this one ends now, so it is the window's peak-free moment.
                    by_window.setdefault(event.data["value"], resident(host._process.pid))

            windows = 1 + -(-(num_frames - WINDOW) // (WINDOW - OVERLAP))
            client.run(prompt_of(kind, num_frames), look, timeout=3600)
            end = resident(host._process.pid)
    return {"windows": windows, "by_window": by_window, "end": end}


def judge(kind, num_frames, facts):
    """One row of the table."""
    begin, stop = 3, min(60, max(facts["by_window"]))
    grown = facts["by_window"][stop] - facts["by_window"][begin]
    values = (stop - begin) * (WINDOW - OVERLAP) * WIDTH * HEIGHT * 3
    good = grown / values <= LIMIT_BYTES if kind == "MultiTalkSampler" else grown < LIMIT_MB * 1e6
    return {
        "node": kind,
        "frames": num_frames,
        "windows": facts["windows"],
        "from": begin,
        "to": stop,
        "grown_mb": round(grown / 1e6, 1),
        "bytes_per_value": round(grown / values, 2),
        "at_end_mb": round(facts["end"] / 1e6),
        "at_window_3_mb": round(facts["by_window"][begin] / 1e6),
        "by_window_mb": [round(value / 1e6) for value in facts["by_window"].values()],
        "good": good,
    }


def main() -> int:
    """Run the command line; 1 if a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[321, 1001, 5001])
    parser.add_argument("--nodes", nargs="+", choices=NODES, default=list(NODES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    from pack.tools.host.environment import has_bf16

    bf16, rows = has_bf16(Path(sys.executable)), []
    for kind in options.nodes:
        for num_frames in options.frames:
            rows.append(judge(kind, num_frames, measure(kind, num_frames, bf16)))
            print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(row["good"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
