"""All figures that a card can give, in one command and under ten minutes.

    python tools/bench/gpu.py [ROW ...] [--json FILE] [--smoke] [--seconds 585]

Each row runs in a process of its own with a budget of seconds: one that fails, hangs or runs out of
memory loses no other, and of what it had measured before nothing either. Rows come in the order of
their use; those that the time no longer allows are named. `--smoke` runs tiny networks on the
processor: it tells that the rows work, and its figures mean nothing. Source: performance.md
section 4. Needs the pinned host (`COMFYUI_DIR` or .host) and its requirements.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

# Row -> seconds that it may take, its start included (about 10). Their sum is under ten minutes.
BUDGETS = {
    "roofs": 40, "one_speaker": 65, "two_speakers": 45, "window": 50, "large": 45, "vae": 45,
    "compiled": 110, "fp8": 60, "swap": 95, "reference": 30,
}  # fmt: skip
TOTAL_SECONDS = 585.0
NO_CARD = "torch sees no CUDA card here. Run it where one is, or with --smoke on the processor."


def run_row(name, *, smoke, path):
    """Measure one row in this process; its figures are written after each part."""
    import torch

    from pack.tools.host.inprocess import find_checkout
    from pack.tools.host.launch import stand_ins

    stand_ins()
    sys.path.insert(0, str(find_checkout(ROOT)))
    import comfy.cli_args

    comfy.cli_args.args.use_pytorch_cross_attention = True
    comfy.cli_args.args.cpu = smoke
    from pack.tools.bench import gpu_rows, gpu_variants

    torch.manual_seed(0)
    bench = gpu_rows.Bench(device=torch.device("cpu" if smoke else "cuda:0"), smoke=smoke)
    note = bench.figures
    bench.figures = Written(path, note)
    row = getattr(gpu_rows, name, None) or getattr(gpu_variants, name)
    with torch.inference_mode():
        row(bench)


class Written(dict):
    """Figures that lie in a file as soon as they are there."""

    def __init__(self, path, figures):
        super().__init__(figures)
        self._path = Path(path)

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        self._path.write_text(json.dumps(self), encoding="utf-8")


def measure(name, *, smoke, seconds):
    """Figures of a row from a process of its own, how long it took, and why it failed if it did."""
    with tempfile.TemporaryDirectory() as folder:
        path, begin, failure = Path(folder) / "figures.json", time.monotonic(), ""
        command = [sys.executable, __file__, "--only", name, "--figures", str(path)]
        try:
            ran = subprocess.run(
                [*command, *(["--smoke"] if smoke else [])],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
            if ran.returncode:
                failure = (ran.stderr.strip().splitlines() or [f"code {ran.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            failure = f"stopped after its {seconds:.0f} s"
        figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        "row": name, "seconds": round(time.monotonic() - begin, 1), "figures": figures,
        "failure": failure,
    }  # fmt: skip


def machine(smoke):
    """What was measured: card, its clocks and memory, versions."""
    import torch

    found = {"platform": platform.machine(), "torch": torch.__version__, "smoke": smoke}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found |= {"card": card.name, "memory GB": card.total_memory / 1e9}
        asked = "clocks.sm,clocks.mem,power.limit,driver_version"
        command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            found[asked] = told.stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            found[asked] = f"not told: {error}"
    return found


def table(found):
    """All rows for people."""
    lines = [", ".join(f"{name} {value}" for name, value in found["machine"].items()), ""]
    lines += ["| row | figure | value |", "|---|---|---|"]
    for row in found["rows"]:
        for name, value in row["figures"].items():
            shown = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(f"| {row['row']} | {name} | {shown} |")
        end = f"failed: {row['failure']}" if row["failure"] else "done"
        lines.append(f"| {row['row']} | {end} | {row['seconds']} s |")
    return "\n".join(lines)


def main(arguments):
    """Measure rows and print; 1 if one failed, 2 where there is no card."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(BUDGETS)}")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the processor")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--seconds", type=float, default=TOTAL_SECONDS, help="for all rows")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--figures", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = set(options.rows) - BUDGETS.keys()
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is no row; rows are {', '.join(BUDGETS)}")
    if options.only:
        run_row(options.only, smoke=options.smoke, path=options.figures)
        return 0
    found = {"machine": machine(options.smoke), "rows": []}
    if not options.smoke and "card" not in found["machine"]:
        print(NO_CARD, file=sys.stderr)
        return 2
    begin = time.monotonic()
    for name in options.rows or BUDGETS:
        left = options.seconds - (time.monotonic() - begin)
        if left < 10:
            row = {"row": name, "seconds": 0.0, "figures": {}, "failure": "no time was left"}
        else:
            row = measure(name, smoke=options.smoke, seconds=min(left, BUDGETS[name]))
        found["rows"].append(row)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(table(found))
    return int(any(row["failure"] for row in found["rows"]))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1" if "--smoke" in sys.argv else "8")
    sys.exit(main(sys.argv[1:]))
