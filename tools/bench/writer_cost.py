"""How long a card would wait for windows that are kept: none is there, making one is a pause.

`python tools/bench/writer_cost.py [--size N] [--seconds S] [--windows N]`: windows of 81 frames
with overlap 9, the example picture with grain of its own in every frame, are kept as
`keep_progress` does it. Printed: seconds that the next window begins later because of it, if
writing were done before it, and with the writer beside.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from pathlib import Path

import numpy
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

from pack.multitalk.generate import FinishedWindow, WindowState, as_video_window  # noqa: E402
from pack.multitalk.runs.folder import RunFolder, continue_windows  # noqa: E402
from pack.multitalk.runs.writer import Writer  # noqa: E402

NEW_FRAMES, OVERLAP = 72, 9
GRAIN = 4 / 255  # what a decoder leaves


def finished(size: int, index: int) -> FinishedWindow:
    """A window as it is when the network, the VAE and the color match are through."""
    path = ROOT / "assets" / "examples" / "one_speaker.png"
    picture = Image.open(path).convert("RGB").resize((size, size))
    still = torch.from_numpy(numpy.array(picture)).float() / 255
    random = torch.Generator().manual_seed(index)
    frames = torch.randn(NEW_FRAMES, size, size, 3, generator=random).mul_(GRAIN).add_(still)
    frames = frames.clamp_(0, 1)
    state = WindowState(
        index=index,
        tail=frames[-OVERLAP:].clone(),
        noise=torch.zeros(5056, dtype=torch.uint8),
        colors=torch.zeros(index + 1, 2, 3),
    )
    start = index * NEW_FRAMES
    return FinishedWindow(
        index=index, start=start, frames=frames, state=state, drift=0.0, left_drift=0.0
    )


def beside(folder: RunFolder, windows: list[FinishedWindow], seconds: float) -> list[float]:
    """Seconds between a window's end and the next one's beginning, for each."""
    waits: list[float] = []

    def make(_after: WindowState | None) -> Iterator[FinishedWindow]:
        for window in windows:
            time.sleep(seconds)
            before = time.perf_counter()
            yield window
            waits.append(time.perf_counter() - before)

    with Writer() as writer:
        for _ in continue_windows(folder, make, writer):
            pass
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How long a card waits for windows that are kept.")
    parser.add_argument("--size", type=int, default=640, help="pixels along an edge")
    parser.add_argument("--seconds", type=float, default=20.0, help="that a card makes one in")
    parser.add_argument("--windows", type=int, default=4)
    options = parser.parse_args()
    windows = [finished(options.size, index) for index in range(options.windows)]
    with tempfile.TemporaryDirectory() as root:
        alone = []
        with RunFolder(Path(root), {"prompt": "alone"}, options.windows) as folder:
            for window in windows:
                begun = time.perf_counter()
                folder.save(as_video_window(window), window.state)
                alone.append(time.perf_counter() - begun)
        with RunFolder(Path(root), {"prompt": "beside"}, options.windows) as folder:
            waits = beside(folder, windows, options.seconds)
    for name, values in (("without the writer", alone), ("with the writer beside", waits)):
        wait = statistics.median(values)
        share = wait / (wait + options.seconds)
        print(f"{name}: {wait:.2f} s of waiting per window, {share:.1%} of it")


if __name__ == "__main__":
    main()
