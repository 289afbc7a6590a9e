"""Writers of weight files: the same values in the layouts that users have.

Every writer gets a folder of its own, tensors by official name and their metadata, and tells what a
right reader must find. Nothing here uses the pack or the host: names, scales and packing are
written down again from what the real files hold (checkpoints.md sections 1 to 5). Scales and
rounding are the simplest that the layout allows, not the best.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from gguf_writer import SUPER_BLOCK, write_gguf
from safetensors.torch import save_file
from torch import Tensor
from toy_weights import Metadata, State

PART_COUNT = 3
ROW_OF_A_BLOCK = {"F16": 1, "BF16": 1, "Q8_0": 32, "Q4_K": SUPER_BLOCK, "Q6_K": SUPER_BLOCK}
QUANTO_NAMES = {torch.int8: "qint8", torch.float8_e4m3fn: "qfloat8_e4m3fn"}
HOST_LAYOUTS = {  # format -> class of comfy_kitchen, and how it is asked to quantize
    "int8_tensorwise": ("TensorWiseINT8Layout", {"per_channel": True}),
    "nvfp4": ("TensorCoreNVFP4Layout", {}),
    "mxfp8": ("TensorCoreMXFP8Layout", {}),
}

Which = Callable[[str, Tensor], bool]
Rename = Callable[[str], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a writer wrote."""

    file: str  # in its folder, to be chosen in a widget
    twin: State  # float32 tensors that a right reader finds

    def lossless(self, state: Mapping[str, Tensor]) -> bool:
        """Whether they are the values that were to be written."""
        return all(torch.equal(self.twin[name], tensor) for name, tensor in state.items())


def is_matrix(name: str, tensor: Tensor) -> bool:
    """Weight of a linear layer."""
    return tensor.ndim == 2


def is_block_matrix(name: str, tensor: Tensor) -> bool:
    """Weight of a linear layer inside a block."""
    return tensor.ndim == 2 and name.startswith("blocks.")


def is_norm(name: str, tensor: Tensor) -> bool:
    """Weight or bias of a norm."""
    return ".norm" in name or name.startswith(("img_emb.proj.0.", "img_emb.proj.4."))


def save(path: Path, tensors: State, metadata: Metadata | None) -> None:
    """A safetensors file."""
    save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata)


def write_float(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype = torch.float32,
    other: tuple[Which, torch.dtype] | None = None,
    prefix: str = "",
    rename: Rename = str,
    beside: State | None = None,
    name: str = "model.safetensors",
) -> Written:
    """One file of floats.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        dtype: Of all tensors but those of `other`.
        other: Which tensors have another dtype, and this dtype.
        prefix: Before every name.
        rename: Gives the name in the file.
        beside: Tensors of other models under their names in the file.
        name: Of the file.
    """
    which, rest = other or ((lambda *_: False), dtype)
    stored = {n: t.to(rest if which(n, t) else dtype) for n, t in state.items()}
    named = {prefix + rename(n): t for n, t in stored.items()}
    save(folder / name, {**named, **(beside or {})}, metadata)
    return Written(file=name, twin={n: t.float() for n, t in stored.items()})


def write_mixed_audio(folder: Path, state: State, metadata: Metadata) -> Written:
    """InfiniteTalk as converted for ComfyUI: matrices F16, norm_x BF16, the rest F32."""
    dtypes = {
        n: torch.float16
        if is_block_matrix(n, t)
        else (torch.bfloat16 if ".norm_x." in n else torch.float32)
        for n, t in state.items()
    }
    stored = {n: t.to(dtypes[n]) for n, t in state.items()}
    save(folder / "infinitetalk_multi_fp16.safetensors", stored, metadata)
    twin = {n: t.float() for n, t in stored.items()}
    return Written(file="infinitetalk_multi_fp16.safetensors", twin=twin)


def write_parts(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    index: bool,
    rename: Rename = str,
    audio: Literal["", "in index", "beside"] = "",
) -> Written:
    """Several files, of which the first stands for all.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the first part.
        index: Write the list of tensors and their files.
        rename: Gives the name in the files.
        audio: The audio part lies in a file of its own, which the index names or does not.
    """
    names = [f"diffusion_pytorch_model-{n:05}-of-{PART_COUNT:05}.safetensors" for n in (1, 2, 3)]
    places = {n: names[i * PART_COUNT // len(state)] for i, n in enumerate(state)}
    if audio:
        places.update({n: "multitalk.safetensors" for n in state if "audio" in n or "norm_x" in n})
    for file in dict.fromkeys(places.values()):
        inside = {rename(n): t for n, t in state.items() if places[n] == file}
        save(folder / file, inside, metadata if file == names[0] else {"format": "pt"})
    if index:
        weights = {rename(n): file for n, file in places.items()}
        size = sum(t.nbytes for t in state.values())
        text = json.dumps({"metadata": {"total_size": size}, "weight_map": weights})
        (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(text)
    return Written(file=names[0], twin=dict(state))


def write_pickle(folder: Path, state: State, metadata: Metadata, *, nested: bool) -> Written:
    """A PyTorch file; it cannot carry metadata."""
    torch.save({"state_dict": state, "epoch": 3} if nested else state, folder / "model.pth")
    return Written(file="model.pth", twin=dict(state))


def write_fp8(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype,
    rest: torch.dtype = torch.float16,
) -> Written:
    """Block matrices in fp8 without scales."""
    stored = {n: t.to(dtype if is_block_matrix(n, t) else rest) for n, t in state.items()}
    save(folder / "model.safetensors", stored, metadata)
    return Written(file="model.safetensors", twin={n: t.float() for n, t in stored.items()})


def scaled(matrix: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """fp8 values of a matrix and their one scale []."""
    scale = matrix.abs().max() / torch.finfo(dtype).max
    return (matrix / scale).to(dtype), scale


def write_scaled_fp8(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype,
    marker: int,
    which: Which = is_matrix,
    rest: torch.dtype = torch.float32,
    inputs: bool = False,
) -> Written:
    """fp8 with a scale per matrix, in the older convention.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        dtype: fp8 of the matrices.
        marker: Elements of the tensor `scaled_fp8`.
        which: Which tensors are quantized.
        rest: Dtype of the others.
        inputs: Write a `scale_input` of 1 for every matrix.
    """
    stored: State = {"scaled_fp8": torch.zeros(marker, dtype=dtype)}
    twin: State = {}
    for name, tensor in state.items():
        if not which(name, tensor):
            stored[name] = tensor.to(rest)
            twin[name] = stored[name].float()
            continue
        module = name.removesuffix(".weight")
        stored[name], scale = scaled(tensor, dtype)
        stored[f"{module}.scale_weight"] = scale.reshape(1)
        if inputs:
            stored[f"{module}.scale_input"] = torch.ones(())
        twin[name] = stored[name].float() * scale
    save(folder / "model.safetensors", stored, metadata)
    return Written(file="model.safetensors", twin=twin)


def write_grid(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype,
    suffix: str,
    block: int | None,
    rest: torch.dtype = torch.bfloat16,
) -> Written:
    """Block matrices of 8 bit with several scales each, as distilled models have them.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        dtype: int8 or fp8.
        suffix: Of the scales' names.
        block: Side of the squares that share a scale; None: a row shares one.
        rest: Dtype of the other tensors.
    """
    largest = 127 if dtype == torch.int8 else torch.finfo(dtype).max
    stored: State = {}
    twin: State = {}
    for name, tensor in state.items():
        if not is_block_matrix(name, tensor):
            stored[name] = tensor.to(rest)
            twin[name] = stored[name].float()
            continue
        rows, columns = tensor.shape
        size = (1, columns) if block is None else (block, block)
        parts = tensor.view(rows // size[0], size[0], columns // size[1], size[1])
        scale = parts.abs().amax((1, 3), keepdim=True) / largest
        values = parts / scale
        values = (values.round() if dtype == torch.int8 else values).to(dtype)
        stored[name] = values.reshape(rows, columns)
        stored[name.removesuffix(".weight") + suffix] = scale[:, 0, :, 0]
        twin[name] = (values.float() * scale).reshape(rows, columns)
    save(folder / "model.safetensors", stored, metadata)
    return Written(file="model.safetensors", twin=twin)


def write_host_fp8(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype = torch.float8_e4m3fn,
    listed: bool,
    prefix: str = "",
    rest: torch.dtype = torch.bfloat16,
) -> Written:
    """Block matrices in fp8 in the host's convention.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        dtype: fp8 of the matrices.
        listed: The metadata list the layers; else each has a tensor `comfy_quant`.
        prefix: Before every name.
        rest: Dtype of the other tensors.
    """
    settings = {"format": str(dtype).removeprefix("torch.")}
    stored: State = {}
    twin: State = {}
    layers = {}
    for name, tensor in state.items():
        if not is_block_matrix(name, tensor):
            stored[prefix + name] = tensor.to(rest)
            twin[name] = tensor.to(rest).float()
            continue
        module = prefix + name.removesuffix(".weight")
        values, scale = scaled(tensor, dtype)
        stored |= {prefix + name: values, f"{module}.weight_scale": scale}
        twin[name] = values.float() * scale
        layers[module] = settings
    if listed:
        text = json.dumps({"format_version": "1.0", "layers": layers})
        metadata = {**metadata, "_quantization_metadata": text}
    else:
        stored |= {f"{m}.comfy_quant": as_bytes(s) for m, s in layers.items()}
    save(folder / "model.safetensors", stored, metadata)
    return Written(file="model.safetensors", twin=twin)


def as_bytes(settings: Mapping[str, object]) -> Tensor:
    """JSON as a tensor."""
    return torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)


def write_kitchen(
    folder: Path, state: State, metadata: Metadata, *, kind: str, rest: torch.dtype = torch.bfloat16
) -> Written:
    """Block matrices in a format of the host's package comfy_kitchen, quantized by it."""
    from comfy_kitchen import tensor as kitchen

    layout, options = HOST_LAYOUTS[kind]
    stored: State = {}
    twin: State = {}
    for name, tensor in state.items():
        if not is_block_matrix(name, tensor):
            stored[name] = tensor.to(rest)
            twin[name] = stored[name].float()
            continue
        made = kitchen.QuantizedTensor.from_float(tensor, layout, **options)
        for part, value in made.state_dict(name).items():
            powers = value.dtype == torch.float8_e8m0fnu  # safetensors has them as bytes
            stored[part] = value.view(torch.uint8) if powers else value
        stored[name.removesuffix("weight") + "comfy_quant"] = as_bytes({"format": kind})
        twin[name] = made.dequantize().float()
    save(folder / "model.safetensors", stored, metadata)
    return Written(file="model.safetensors", twin=twin)


def write_quanto(
    folder: Path,
    state: State,
    metadata: Metadata,
    *,
    dtype: torch.dtype,
    name: str = "model",
    map_name: str | None = None,
    which: Which = is_matrix,
    rest: torch.dtype = torch.float32,
) -> Written:
    """optimum-quanto: int8 or fp8 with a scale per row.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        dtype: Of the values.
        name: Of the file, without suffix.
        map_name: Of the JSON map, without suffix; None: there is none.
        which: Which tensors are quantized.
        rest: Dtype of scales and other tensors.
    """
    largest = 127 if dtype == torch.int8 else torch.finfo(dtype).max
    stored: State = {}
    twin: State = {}
    kinds = {}
    for key, tensor in state.items():
        if not which(key, tensor):
            stored[key] = tensor.to(rest)
            twin[key] = stored[key].float()
            continue
        module = key.removesuffix(".weight")
        scale = (tensor.abs().amax(1, keepdim=True) / largest).to(rest)
        values = (tensor / scale.float()).clamp(-largest, largest)
        stored[f"{key}._data"] = (values.round() if dtype == torch.int8 else values).to(dtype)
        stored[f"{key}._scale"] = scale
        stored |= {
            f"{module}.{x}": torch.ones((), dtype=rest) for x in ("input_scale", "output_scale")
        }
        twin[key] = stored[f"{key}._data"].float() * scale.float()
        kinds[module] = {"weights": QUANTO_NAMES[dtype], "activations": "none"}
    save(folder / f"{name}.safetensors", stored, metadata)
    if map_name is not None:
        (folder / f"{map_name}.json").write_text(json.dumps(kinds))
    return Written(file=f"{name}.safetensors", twin=twin)


def write_ggml(
    folder: Path, state: State, metadata: Metadata, *, kind: str, kept: Sequence[str] = ()
) -> Written:
    """GGUF: matrices of one kind, F16 where a row holds no whole blocks; vectors F32.

    Args:
        folder: Where to.
        state: Tensors.
        metadata: Of the file.
        kind: Of the matrices.
        kept: Beginnings of names that stay F16.
    """

    def kind_of(name: str, tensor: Tensor) -> str:
        whole = tensor.shape[-1] % ROW_OF_A_BLOCK[kind] == 0
        if tensor.ndim == 3:
            return "F32"  # modulation
        return kind if tensor.ndim == 2 and whole and not name.startswith(tuple(kept)) else "F16"

    path = folder / f"model-{kind}.gguf"
    return Written(file=path.name, twin=write_gguf(path, state, kind_of, metadata=metadata))
