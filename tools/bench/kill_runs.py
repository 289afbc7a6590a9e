"""Runs killed at random moments and queued again: `python tools/bench/kill_runs.py [--count 50]`.

Each run of the toy (two speakers, 6 windows, MultiTalk Sample To Video with keep_progress) is
killed with SIGKILL at a random moment, the host is started anew and the same prompt queued again.
Compared with a run without a stop: checksums of every window's frames and state, and the bytes of
the video. `--directed` adds three prompts in time, a cut and a video to go on from;
`--directed frames` makes that with MultiTalk Sampler. Prints a line per run and a summary;
`--json FILE` keeps them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack


def main() -> int:
    """Run the command line; 1 if any run differs or repeats more than one window."""
    from pack.tools.bench.kills import Studio, directed_prompt, one_kill

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--directed", nargs="?", const="file", choices=("file", "frames"))
    options = parser.parse_args()
    random_numbers = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        if options.directed:
            studio.prompt = directed_prompt(to_file=options.directed == "file")
        expected = studio.finish()
        print(f"without a stop: {expected.made} windows", flush=True)
        runs = []
        for number in range(options.count):
            runs.append(one_kill(studio, expected, random_numbers))
            print(number + 1, runs[-1], flush=True)
        studio.stop()
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1))
    equal = sum(run["equal"] for run in runs)
    running = sum(run["running"] for run in runs)
    kept = [run["kept"] for run in runs]
    print(
        f"{len(runs)} runs killed, {running} of them while running; equal to the unbroken run: "
        f"{equal}; windows kept: {min(kept)} to {max(kept)}; most windows done twice: "
        f"{max(run['twice'] for run in runs)}"
    )
    return 0 if equal == len(runs) and all(run["twice"] <= 1 for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
