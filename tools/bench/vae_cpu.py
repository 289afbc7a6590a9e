"""The toy's VAE on a processor by the quick kernels and by torch's own choice, side by side.

`python tools/bench/vae_cpu.py [--threads N] [--repeats N]`: frames of the toy's size are encoded
and decoded in turns by both ways in one process; ratios of the medians of processor time, and how
far the values are apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

FRAMES, HEIGHT, WIDTH = 33, 96, 144


def main():
    """Measure and print a line per direction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    from pack.tools.host.inprocess import find_checkout, import_host
    from pack.tools.host.launch import stand_ins

    stand_ins()
    import_host(find_checkout(ROOT))
    import comfy.sd
    import comfy.utils
    import torch

    from pack.multitalk.model.cpu_kernels import quick_kernels

    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(mode=False)
    file = ROOT / "assets" / "toy" / "vae" / "multitalk_toy_vae.safetensors"
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(file)))
    frames = torch.rand(FRAMES, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))
    latents = vae.encode(frames)
    for name, call in (
        ("encode", lambda: vae.encode(frames)),
        ("decode", lambda: vae.decode(latents)),
    ):
        seconds, values = {"own": [], "quick": []}, {}
        for _ in range(options.repeats):
            for way, context in (("own", nullcontext()), ("quick", quick_kernels())):
                with context:
                    started = time.process_time()
                    values[way] = call()
                    seconds[way].append(time.process_time() - started)
        own, quick = (statistics.median(seconds[way]) for way in ("own", "quick"))
        apart = float((values["own"] - values["quick"]).abs().max())
        largest = float(values["own"].abs().max())
        print(f"{name}: {own / quick:.2f} times as fast, {apart:.1e} apart of {largest:.1f}")


if __name__ == "__main__":
    main()
