"""A tiny model, base and audio part, written in every file layout that users have."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from gguf_writer import write_gguf
from safetensors import safe_open
from toy import build_audio, build_base, file_bytes

from pack.multitalk.architecture import is_block_linear
from pack.multitalk.layouts import HostQuantized
from pack.multitalk.quantize import GroupScaled, RowScaled, quantize_weight

DIM, LAYERS, IMAGE_WIDTH, TEXT_WIDTH = 128, 2, 32, 64
E4M3 = torch.float8_e4m3fn
LAYOUTS = ["float32", "bfloat16", "scaled fp8", "host", "quanto", "GGUF", "parts", "PyTorch"]


def base_state():
    """Float32 tensors of a base with image embedding, which needs no metadata."""
    state = build_base(dim=DIM, layers=LAYERS, heads=1, text_dim=TEXT_WIDTH, dtype=torch.float32)[0]
    noise = torch.Generator().manual_seed(7)

    def linear(name, rows, columns):
        state[f"{name}.weight"] = torch.randn(rows, columns, generator=noise) * columns**-0.5
        state[f"{name}.bias"] = torch.randn(rows, generator=noise)

    def norm(name, width):
        state[f"{name}.weight"] = torch.rand(width, generator=noise)
        state[f"{name}.bias"] = torch.rand(width, generator=noise)

    norm("img_emb.proj.0", IMAGE_WIDTH)
    linear("img_emb.proj.1", IMAGE_WIDTH, IMAGE_WIDTH)
    linear("img_emb.proj.3", DIM, IMAGE_WIDTH)
    norm("img_emb.proj.4", DIM)
    for block in range(LAYERS):
        for part in ("k_img", "v_img"):
            linear(f"blocks.{block}.cross_attn.{part}", DIM, DIM)
        state[f"blocks.{block}.cross_attn.norm_k_img.weight"] = torch.rand(DIM, generator=noise)
    return state


def audio_state():
    """Float32 tensors of an audio part for this base; 12 encoder layers, as without metadata."""
    sizes = {"dim": DIM, "layers": LAYERS, "heads": 1, "encoder_layers": 12, "encoder_channels": 8}
    return build_audio(**sizes, hidden=64, dtype=torch.float32)[0]


def read_safetensors(path):
    """As the host reads a file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)


def cast(state, dtype):
    return {name: tensor.to(dtype) for name, tensor in state.items()}


def is_linear(name, tensor):
    return name.endswith(".weight") and tensor.ndim == 2


def scaled_fp8(state, dtype=E4M3, marker=2):
    """Old convention: fp8 block matrices, their scales, and a marker."""
    out = {"scaled_fp8": torch.zeros(marker, dtype=dtype)}
    for name, tensor in state.items():
        if not is_block_linear(name):
            out[name] = tensor
            continue
        scale = tensor.abs().max() / torch.finfo(dtype).max
        out[name] = (tensor / scale).to(dtype)
        out[name.removesuffix("weight") + "scale_weight"] = scale.reshape(1)
    return out


def host_tensors(state):
    """The host's convention: fp8 block matrices, scales, and a note for each as JSON bytes."""
    note = torch.tensor(list(b'{"format": "float8_e4m3fn"}'), dtype=torch.uint8)
    out = {}
    for name, tensor in state.items():
        if not is_block_linear(name):
            out[name] = tensor.bfloat16()
            continue
        scale, module = tensor.abs().max() / 448, name.removesuffix("weight")
        out[name] = (tensor / scale).to(E4M3)
        out[f"{module}weight_scale"], out[f"{module}comfy_quant"] = scale, note.clone()
    return out


def quanto_tensors(state, kind="qint8"):
    """Every linear layer quantised by optimum-quanto, the rest in bfloat16; and their map."""
    out, kinds = {}, {}
    for name, tensor in cast(state, torch.bfloat16).items():
        if not is_linear(name, tensor):
            out[name] = tensor
            continue
        stored, module = quantize_weight(tensor, kind), name.removesuffix(".weight")
        out[f"{name}._data"], out[f"{name}._scale"] = stored.data, stored.scale
        for scale in ("input_scale", "output_scale"):
            out[f"{module}.{scale}"] = torch.ones((), dtype=torch.bfloat16)
        kinds[module] = {"weights": kind, "activations": "none"}
    return out, kinds


def write_parts(folder, stem, state, count):
    """Parts and their index; returns the first part."""
    names = [f"{stem}-{n + 1:05}-of-{count:05}.safetensors" for n in range(count)]
    places = {name: names[i * count // len(state)] for i, name in enumerate(state)}
    for file in names:
        part = {name: tensor for name, tensor in state.items() if places[name] == file}
        (folder / file).write_bytes(file_bytes(part, {"format": "pt"}))
    index = json.dumps({"metadata": {"total_size": 1}, "weight_map": places}, indent=1)
    (folder / f"{stem}.safetensors.index.json").write_text(index)
    return folder / names[0]


def released_dtypes(state):
    """Float32, norm_x in bfloat16: as multitalk.safetensors."""
    return {n: t.bfloat16() if ".norm_x." in n else t for n, t in state.items()}


def write_model(folder: Path, layout: str, state, stem: str) -> Path:
    """Write one half of the model; returns the file that a user chooses."""
    path = folder / f"{stem}.safetensors"
    if layout == "GGUF":
        path = path.with_suffix(".gguf")
        write_gguf(path, state, gguf_kind)
    elif layout == "PyTorch":
        path = path.with_suffix(".pth")
        torch.save(cast(state, torch.bfloat16), path)
    elif layout == "parts" and stem == "base":
        path = write_parts(folder, stem, cast(state, torch.bfloat16), 3)
    else:
        if layout == "quanto":
            tensors, kinds = quanto_tensors(state)
            path.with_suffix(".json").write_text(json.dumps(kinds))
        else:
            tensors = {
                "float32": lambda: state,
                "bfloat16": lambda: cast(state, torch.bfloat16),
                "scaled fp8": lambda: scaled_fp8(state),
                "host": lambda: host_tensors(state),
                "parts": lambda: released_dtypes(state),
            }[layout]()
        path.write_bytes(file_bytes(tensors, {"format": "pt"}))
    return path


def gguf_kind(name, tensor):
    if is_block_linear(name):
        return "Q8_0"
    return "F16" if tensor.ndim == 2 else "F32"


def pieces(name, stored):
    """Every bit of a parameter: name -> dtype or kind, shape, bytes."""
    if isinstance(stored, torch.Tensor):
        flat = stored.detach().contiguous().reshape(-1)
        return {name: (stored.dtype, tuple(stored.shape), flat.view(torch.uint8).numpy().tobytes())}
    if isinstance(stored, HostQuantized):
        parts = {f"{name} {part}": tensor for part, tensor in stored.tensors.items()}
        out = {f"{name} settings": str(stored.settings)}
    elif isinstance(stored, RowScaled):
        parts, out = {f"{name} data": stored.data, f"{name} scale": stored.scale}, {}
    elif isinstance(stored, GroupScaled):
        parts = {f"{name} data": stored.data, f"{name} scale": stored.scale}
        parts[f"{name} shift"], out = stored.shift, {f"{name} shape": stored.shape}
    else:
        parts, out = {f"{name} data": stored.data}, {f"{name} kind": (stored.kind, stored.shape)}
    for part, tensor in parts.items():
        out |= pieces(part, tensor)
    return out
