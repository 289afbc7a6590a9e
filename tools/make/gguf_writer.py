"""GGUF files as users have them, from tensors: quantized matrices, float32 vectors, five axes.

The package gguf quantizes the plain kinds; Q4_K and Q6_K, which most files are made of, are rounded
here to the nearest value with one scale per run, without the search that llama.cpp does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

MAX_AXES = 4
SUPER_BLOCK = 256


def write_gguf(
    path: Path,
    tensors: Mapping[str, Tensor],
    kinds: Mapping[str, str] | Callable[[str, Tensor], str],
    architecture: str = "wan",
    metadata: Mapping[str, str] | None = None,
) -> dict[str, Tensor]:
    """Write a file.

    Args:
        path: The file.
        tensors: Float tensors by name.
        kinds: Kind of each tensor, by name or asked for; not of those with one axis, which stay
            F32. The last axis must hold whole blocks of its kind.
        architecture: As the metadata say.
        metadata: More of them, strings.

    Returns:
        Float32 tensors that a right reader finds.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.GUESSED)
    for key, value in (metadata or {}).items():
        writer.add_string(key, value)
    expected: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        values = tensor.detach().float().cpu().numpy()
        if values.ndim == 1:
            kind = "F32"
        else:
            kind = kinds(name, tensor) if callable(kinds) else kinds[name]
        if values.ndim > MAX_AXES:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(values.shape))
            values = values.reshape(len(values), -1)
        data = quantize(values, kind)
        number = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, data, raw_dtype=number)
        dequantized = gguf.quants.dequantize(data, number).astype(np.float32, copy=False)
        expected[name] = torch.from_numpy(dequantized.copy()).reshape(tensor.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def quantize(values: np.ndarray, kind: str) -> np.ndarray:
    """Data of one kind.

    Args:
        values: [..., L] float32, L a multiple of the values of a block.
        kind: As in gguf.GGMLQuantizationType.

    Returns:
        Floats [..., L] of F32 and F16, else bytes [..., bytes of a row] uint8.
    """
    own = {"Q4_K": quantize_q4_k, "Q6_K": quantize_q6_k}.get(kind)
    if own is None:
        return gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
    if values.shape[-1] % SUPER_BLOCK:
        raise ValueError(f"{values.shape[-1]} values are no whole blocks of {SUPER_BLOCK}")
    blocks = own(values.reshape(-1, SUPER_BLOCK))
    return blocks.reshape(*values.shape[:-1], -1)


def quantize_q4_k(values: np.ndarray) -> np.ndarray:
    """Blocks [B, 144] of values [B, 256]: 8 runs of 32 with a scale and a minimum each."""
    runs = values.astype(np.float32).reshape(-1, 8, 32)
    minimum = np.maximum(-runs.min(-1), 0)
    spread = (np.maximum(runs.max(-1), 0) + minimum) / 15
    scale_unit, scales = to_units(spread, 63)
    minimum_unit, minima = to_units(minimum, 63)
    step = (scale_unit * scales)[..., None]
    fields = nearest(runs + (minimum_unit * minima)[..., None], step).clip(0, 15).astype(np.uint8)
    scales, minima = scales.astype(np.uint8), minima.astype(np.uint8)
    low, high = slice(None, 4), slice(4, None)
    packed = [
        scales[:, low] | scales[:, high] >> 4 << 6,
        minima[:, low] | minima[:, high] >> 4 << 6,
        scales[:, high] & 15 | (minima[:, high] & 15) << 4,
    ]
    pairs = fields.reshape(-1, 4, 2, 32)
    nibbles = (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)
    units = [as_half(scale_unit), as_half(minimum_unit)]
    return np.concatenate([*units, *packed, nibbles], axis=1)


def quantize_q6_k(values: np.ndarray) -> np.ndarray:
    """Blocks [B, 210] of values [B, 256]: 16 runs of 16 with a scale each."""
    runs = values.astype(np.float32).reshape(-1, 16, 16)
    unit, scales = to_units(np.abs(runs).max(-1) / 31, 127)
    fields = nearest(runs, (unit * scales)[..., None]).clip(-32, 31).astype(np.int8) + 32
    groups = fields.astype(np.uint8).reshape(-1, 2, 4, 32)  # [B, half, quarter, 32]
    low = groups & 15
    nibbles = (low[:, :, :2] | low[:, :, 2:] << 4).reshape(-1, 128)
    high = groups >> 4 << np.array([0, 2, 4, 6], np.uint8)[:, None]
    pairs = np.bitwise_or.reduce(high, axis=2).reshape(-1, 64)
    signed = scales.astype(np.int8).view(np.uint8)
    return np.concatenate([nibbles, pairs, signed, as_half(unit)], axis=1)


def to_units(values: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """A float16 unit [B, 1] for each row of values [B, n], and the values in such units."""
    unit = (values.max(-1, keepdims=True) / largest).astype(np.float16).astype(np.float32)
    return unit, nearest(values, unit).clip(0, largest)


def nearest(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Values in steps, whole; 0 where the step is 0."""
    return np.rint(np.divide(values, step, out=np.zeros_like(values), where=step != 0))


def as_half(values: np.ndarray) -> np.ndarray:
    """Bytes [B, 2] of numbers [B, 1] as float16."""
    return values.astype(np.float16).view(np.uint8)
