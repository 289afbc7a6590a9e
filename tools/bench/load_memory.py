"""What loading a model takes in memory: `python tools/bench/load_memory.py [--dim 5120]`.

Writes a synthetic sharded base model (14B width, 3 blocks: 3 GB in bf16; random) and loads it in a
fresh process for each case, beside the host's own loader where that reads the file. Growth over the
idle host: the peak of anonymous and shared memory (sampled every millisecond from /proc), plus the
model's mapped files counted once; divided by the bytes of the loaded dtype.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

LIMIT = 1.15  # issue: peak over bytes of the loaded dtype
PARTS = 4
# case -> file written as, weight_dtype, bytes per parameter once loaded, host's own loader or ours
CASES = {
    "bf16 parts, as they are": ("bf16", "default", 2, "pack"),
    "bf16 in one file, as it is": ("bf16 single", "default", 2, "pack"),
    "bf16 in one file, the host's own loader": ("bf16 single", "default", 2, "host"),
    "GGUF Q8_0": ("gguf", "default", 34 / 32, "pack"),
    "bf16 parts to fp8_e4m3fn": ("bf16", "fp8_e4m3fn", 1, "pack"),
    "bf16 parts to int8": ("bf16", "int8", 1, "pack"),
    "bf16 parts to quanto_int8": ("bf16", "quanto_int8", 1, "pack"),
    "float32 parts to bf16": ("f32", "default", 2, "pack"),
}


def shapes(dim, layers):
    from pack.multitalk.model.architecture import BaseSizes, base_parameters

    return base_parameters(
        BaseSizes(
            dim=dim, num_layers=layers, ffn=dim * 27 // 10 // 32 * 32, text_width=4096,
            time_width=256, in_channels=36, out_channels=16, image_width=1280,
        )
    )  # fmt: skip


def write_models(folder, dim, layers):
    """The same random model in every layout of CASES, a part at a time."""
    from gguf_writer import write_gguf
    from safetensors.torch import save_file

    names = list(shapes(dim, layers).items())
    size = -(-len(names) // PARTS)
    whole = {}
    for kind, dtype in (("bf16", torch.bfloat16), ("f32", torch.float32)):
        (folder / kind).mkdir()
        torch.manual_seed(0)
        for part in range(PARTS):
            chosen = names[part * size : (part + 1) * size]
            tensors = {n: (torch.randn(s) * 0.02).to(dtype) for n, s in chosen}
            name = f"diffusion_pytorch_model-{part + 1:05}-of-{PARTS:05}.safetensors"
            save_file(tensors, folder / kind / name)
            if kind == "bf16":
                whole.update(tensors)
    (folder / "bf16 single").mkdir()
    save_file(whole, folder / "bf16 single" / "model.safetensors")
    (folder / "gguf").mkdir()

    def kind_of(_name, tensor):
        return "Q8_0" if tensor.ndim == 2 and tensor.shape[1] % 32 == 0 else "F32"

    write_gguf(folder / "gguf" / "model.gguf", whole, kind_of)


def first_file(folder):
    return sorted(folder.iterdir())[0]


def read_memory():
    """Anonymous and shared memory of this process, bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = {line.split(":")[0]: line for line in lines}
    return sum(int(fields[name].split()[1]) * 1024 for name in ("RssAnon", "RssShmem"))


class Peak(threading.Thread):
    """Samples memory until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.start_bytes = self.peak_bytes = read_memory()
        self.stop = threading.Event()

    def run(self):
        while not self.stop.wait(0.001):
            self.peak_bytes = max(self.peak_bytes, read_memory())


def measure(path, weight_dtype, loader):
    """Load in this process; growth, seconds."""
    sys.path.insert(0, os.environ["COMFYUI_DIR"])
    from pack.tools.host.launch import stand_ins

    stand_ins()
    from pack.tools.host.inprocess import start_host

    start_host(ROOT)
    import comfy.cli_args
    import comfy.sd

    from pack.multitalk.config import AudioPartConfig
    from pack.multitalk.model.architecture import base_sizes
    from pack.multitalk.model.model_files import AudioFile, ModelFiles
    from pack.multitalk.model.naming import read_model_header
    from pack.nodes.loading.base_model import load_base

    comfy.cli_args.args.bf16_unet = True  # a CPU alone would keep float32
    if weight_dtype.startswith("quanto"):
        import optimum.quanto  # noqa: F401 - its import is no part of the model
    watch = Peak()
    watch.start()
    begin = time.perf_counter()
    with torch.inference_mode():
        if loader == "host":
            model = comfy.sd.load_diffusion_model(str(path))
        else:
            header = read_model_header(path)
            sizes = base_sizes(header.parameters)
            audio = AudioPartConfig(dim=sizes.dim, num_heads=1, num_layers=sizes.num_layers)
            files = ModelFiles(
                base=header,
                audio=AudioFile(header=header, config=audio),  # in the base, which has none
                sizes=sizes,
                network={},
            )
            model = load_base(files, weight_dtype)
    seconds = time.perf_counter() - begin
    watch.stop.set()
    watch.join()
    dtype = next(model.model.diffusion_model.parameters()).dtype
    print(
        json.dumps(
            {"growth": watch.peak_bytes - watch.start_bytes, "s": seconds, "dtype": str(dtype)}
        )
    )


def run_case(folder, written, weight_dtype, loader):
    path = first_file(folder / written)
    command = [sys.executable, __file__, "--measure", str(path), weight_dtype, loader]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result["mapped"] = sum(file.stat().st_size for file in (folder / written).iterdir())
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, default=5120)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("COMFYUI_DIR", str(ROOT / ".host"))
    if args.measure:
        path, weight_dtype, loader = args.measure
        measure(Path(path), weight_dtype, loader)
        return
    sys.path.insert(0, str(ROOT / "tools" / "make"))
    sizes = shapes(args.dim, args.layers)
    count = sum(torch.Size(shape).numel() for shape in sizes.values())
    print(f"{platform.machine()}, torch {torch.__version__}: {count / 1e9:.2f} G parameters")
    print("| case | anonymous + shared GB | files GB | sum / loaded bytes | s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder, args.dim, args.layers)
        for case, (written, weight_dtype, width, loader) in CASES.items():
            found = run_case(folder, written, weight_dtype, loader)
            ratio = (found["growth"] + found["mapped"]) / (count * width)
            print(
                f"| {case} | {found['growth'] / 1e9:.2f} | {found['mapped'] / 1e9:.2f} | "
                f"{ratio:.2f} | {found['s']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
