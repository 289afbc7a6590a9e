"""A tiny model, base and audio part, in the file layouts that users have; and its bits."""

from __future__ import annotations

from functools import partial

import torch
from layout_writers import (
    is_block_matrix,
    write_float,
    write_ggml,
    write_host_fp8,
    write_parts,
    write_pickle,
    write_quanto,
    write_scaled_fp8,
)
from safetensors import safe_open
from toy import build_audio, build_base

from pack.weights.gguf_file import GgufTensor
from pack.weights.host_format import HostQuantized

DIM, BLOCKS, IMAGE_WIDTH, TEXT_WIDTH = 128, 2, 32, 64
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
METADATA = {"format": "pt"}


def base_state():
    """Float32 tensors of a base that needs no metadata: with a small image embedding."""
    sizes = {"dim": DIM, "layers": BLOCKS, "heads": 1, "text_dim": TEXT_WIDTH}
    state = build_base(**sizes, clip=True, dtype=torch.float32)[0]
    for name in [name for name in state if name.startswith("img_emb.")]:
        state[name] = state[name][tuple(slice(min(n, IMAGE_WIDTH)) for n in state[name].shape)]
    for name in ("proj.3.weight", "proj.3.bias", "proj.4.weight", "proj.4.bias"):
        columns = [IMAGE_WIDTH] * name.endswith("3.weight")
        state[f"img_emb.{name}"] = torch.linspace(-1, 1, DIM).reshape(DIM, *[1] * len(columns))
        state[f"img_emb.{name}"] = state[f"img_emb.{name}"].expand(DIM, *columns)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def audio_state():
    """Float32 tensors of an audio part for this base; 12 encoder layers, as without metadata."""
    sizes = {"dim": DIM, "layers": BLOCKS, "heads": 1, "encoder_layers": 12, "encoder_channels": 8}
    return build_audio(**sizes, hidden=64, dtype=torch.float32)[0]


def as_released(name, tensor):
    return ".norm_x." in name


bfloat16 = partial(write_float, dtype=torch.bfloat16)
# MultiTalk's own file: float32, norm_x in bfloat16.
released = partial(write_float, other=(as_released, torch.bfloat16), name="multitalk.safetensors")
scaled = partial(write_scaled_fp8, dtype=E4M3, marker=2, which=is_block_matrix)
quanto = partial(write_quanto, dtype=torch.int8, rest=torch.bfloat16, map_name="model")
# Layout -> writers of base and audio part.
LAYOUTS = {
    "float32": (write_float, write_float),
    "bfloat16": (bfloat16, bfloat16),
    "scaled fp8": (scaled, scaled),
    "host": (partial(write_host_fp8, listed=False), partial(write_host_fp8, listed=False)),
    "quanto": (quanto, quanto),
    "GGUF": (partial(write_ggml, kind="Q8_0"), partial(write_ggml, kind="Q8_0")),
    "parts": (partial(write_parts, index=True), released),
    "PyTorch": (partial(write_pickle, nested=False), partial(write_pickle, nested=False)),
}


def write_model(folder, layout):
    """Paths of base and audio part, each in a folder of its own."""
    paths = []
    for half, write, state in zip(
        ("base", "audio"), LAYOUTS[layout], (base_state(), audio_state()), strict=True
    ):
        (folder / half).mkdir()
        state = state if layout != "PyTorch" else {n: t.bfloat16() for n, t in state.items()}
        paths.append(folder / half / write(folder / half, state, METADATA).file)
    return paths


def read_safetensors(path):
    """As the host reads a file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)


def pieces(name, stored):
    """Every bit of a parameter: name -> dtype, shape, bytes; or what tells how to read them."""
    if isinstance(stored, torch.Tensor):
        flat = stored.detach().contiguous().reshape(-1)
        return {name: (stored.dtype, tuple(stored.shape), flat.view(torch.uint8).numpy().tobytes())}
    out = {}
    if isinstance(stored, HostQuantized):
        parts, out[f"{name} settings"] = stored.tensors, str(stored.settings)
    elif isinstance(stored, GgufTensor):
        parts, out[f"{name} kind"] = {"data": stored.data}, (stored.kind, stored.shape)
    else:
        parts = {"data": stored.data, "scale": stored.scale}
    for part, tensor in parts.items():
        out |= pieces(f"{name} {part}", tensor)
    return out
