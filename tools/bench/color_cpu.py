"""The color match of a window on a processor beside the reference's way, in turns.

`python tools/bench/color_cpu.py [--frames N] [--size N] [--threads N] [--repeats N]` needs
scikit-image, which the pack itself does not. The reference matches frame after frame in its Lab
(sampling.md section 7). Printed are processor time per frame, ratios and how far both are apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from pathlib import Path

import numpy
import torch
from skimage.color import lab2rgb, rgb2lab
from torch.nn.functional import interpolate

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

from pack.multitalk.color import color_statistics, match_statistics  # noqa: E402


def reference_match(frames, picture, *, strength):
    """Frames [F, H, W, 3] in 0..1 matched to a picture [H, W, 3] by scikit-image."""
    wanted = rgb2lab(picture)
    target = wanted.mean((0, 1)), wanted.std((0, 1))
    out = numpy.empty_like(frames)
    for index, frame in enumerate(frames):
        lab = rgb2lab(frame)
        mean, deviation = lab.mean((0, 1)), lab.std((0, 1))
        moved = (lab - mean) * (target[1] / deviation) + target[0]
        matched = numpy.clip(lab2rgb(moved), 0, 1)
        out[index] = (1 - strength) * frame + strength * matched
    return out


def make_frames(count, size):
    """Smooth pictures with some grain, [F, size, size, 3] in 0..1."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=random)
    frames = interpolate(coarse, size=(size, size), mode="bicubic").movedim(1, -1)
    grain = 0.02 * torch.randn(count, size, size, 3, generator=random)
    return (frames * 0.7 + 0.1 + grain).clamp_(0, 1).contiguous()


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    frames, picture = make_frames(options.frames, options.size), make_frames(3, options.size)[2]

    def ours():
        return match_statistics(frames, color_statistics(picture[None]), strength=1.0)

    def reference():
        return reference_match(frames.numpy(), picture.numpy(), strength=1.0)

    seconds = {"ours": [], "reference": []}
    out = {}
    for _ in range(options.repeats):
        for name, way in (("ours", ours), ("reference", reference)):
            out.pop(name, None)
            started = time.process_time()
            out[name] = way()
            seconds[name].append((time.process_time() - started) / len(frames))
    for name, values in seconds.items():
        print(f"{name}: {1000 * min(values):.1f} ms per frame at best, all {values}")
    best, middle = (
        how(seconds["reference"]) / how(seconds["ours"]) for how in (min, statistics.median)
    )
    apart = (out["ours"] - torch.from_numpy(out["reference"])).abs()
    print(f"{best:.2f} times as fast by the best, {middle:.2f} by the medians")
    print(f"apart: {float(apart.max()):.1e} at most, {float(apart.mean()):.1e} in the mean")


if __name__ == "__main__":
    main()
