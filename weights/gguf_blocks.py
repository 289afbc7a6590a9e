"""Quantized blocks of GGUF files back to numbers, on whatever device they lie.

A tensor is a row of blocks of equal size; a block holds 1, 32 or 256 values as small integers and
the scales to multiply them with. The package gguf computes with NumPy, on the CPU alone: right, but
too slow for weights that every pass needs anew. So the kinds that models come in are computed here,
in float32 and in the package's order of operations, cast once: float32 results equal the package's
to the bit. Other kinds are left to the package.

Source: block layouts as in the package gguf 0.19, gguf/constants.py (GGML_QUANT_SIZES) and
gguf/quants.py.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Values that are dequantized at once: 64 MiB in float32, however large the tensor is.
_CHUNK_VALUES = 2**24
_NIBBLE_VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockKind:
    """One way to pack values."""

    num_values: int  # of a block
    num_bytes: int  # of a block
    dequantize: Callable[[Tensor], Tensor]  # [L, num_bytes] uint8 -> [L, num_values] float32


def dequantize_blocks(
    data: Tensor, kind: str, shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """Values [*shape] of blocks one after another in uint8 data of any shape, which is only read.

    The kind is one of gguf.GGMLQuantizationType, for example "Q8_0"; the device stays.

    Raises:
        ValueError: If the kind is unknown, or the data has another size than the shape asks for.
        RuntimeError: If the kind needs the package gguf, which is not installed.
    """
    row = BLOCK_KINDS.get(kind)
    if row is None:
        return _dequantize_with_package(data, kind, shape).to(data.device, dtype)
    _check_size(data, kind, shape, (row.num_values, row.num_bytes))
    blocks = data.reshape(-1, row.num_bytes)
    values = torch.empty((len(blocks), row.num_values), dtype=dtype, device=data.device)
    step = _CHUNK_VALUES // row.num_values
    for part, target in zip(blocks.split(step), values.split(step), strict=True):
        target.copy_(row.dequantize(part))
    return values.reshape(shape)


def require_gguf() -> Any:
    """The package gguf; RuntimeError if it is not installed."""
    try:
        return importlib.import_module("gguf")
    except ImportError as error:
        raise RuntimeError(
            "Reading this GGUF file needs the package gguf; install it with: pip install gguf"
        ) from error


def _dequantize_with_package(data: Tensor, kind: str, shape: tuple[int, ...]) -> Tensor:
    """Values [*shape] float32 on the CPU of a kind that has no row in the table."""
    gguf = require_gguf()
    try:
        number = gguf.GGMLQuantizationType[kind]
        sizes = gguf.GGML_QUANT_SIZES[number]
        _check_size(data, kind, shape, sizes)
        blocks = data.reshape(-1, sizes[1]).contiguous().cpu()
        return torch.from_numpy(gguf.quants.dequantize(blocks.numpy(), number)).reshape(shape)
    except (KeyError, NotImplementedError) as error:
        raise ValueError(
            f"The GGUF kind {kind} cannot be read; {', '.join(BLOCK_KINDS)} can, and what the "
            "installed package gguf dequantises. Choose a file of such a kind, or update the "
            "package: pip install --upgrade gguf"
        ) from error


def _check_size(data: Tensor, kind: str, shape: tuple[int, ...], sizes: tuple[int, int]) -> None:
    num_values, num_bytes = sizes
    if data.numel() * num_values != math.prod(shape) * num_bytes:
        raise ValueError(
            f"{data.numel()} bytes of {kind} are not the values of {list(shape)}: {num_values} "
            f"values take {num_bytes} bytes. Download the file again."
        )


def _half(blocks: Tensor, start: int) -> Tensor:
    """The float16 at a byte [L, 1], as float32."""
    # A copy, since a view as another dtype needs an even address.
    field = blocks[:, start : start + 2].clone(memory_format=torch.contiguous_format)
    return field.view(torch.float16).float()


def _unpack(packed: Tensor, bits: int, group: int) -> Tensor:
    """Fields [L, n * 8 / bits] uint8 of 1, 2 or 4 bits from bytes [L, n].

    Of each group of bytes the lowest fields come first, then their next fields, and so on.
    """
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    fields = packed.reshape(len(packed), packed.shape[1] // group, 1, group) >> shifts[:, None]
    return fields.bitwise_and_(2**bits - 1).flatten(1)


def _scale(fields: Tensor, scales: Tensor) -> Tensor:
    """Float fields [L, values] times a scale for each of [L, n] runs of them, in place."""
    fields.unflatten(1, (scales.shape[1], -1)).mul_(scales[:, :, None])
    return fields


def _shift(fields: Tensor, offsets: Tensor) -> Tensor:
    """Float fields [L, values] less an offset for each of [L, n] runs of them, in place."""
    fields.unflatten(1, (offsets.shape[1], -1)).sub_(offsets[:, :, None])
    return fields


def _look_up(fields: Tensor) -> Tensor:
    """Values of the uneven 4-bit grid, float32."""
    grid = torch.tensor(_NIBBLE_VALUES, dtype=torch.float32, device=fields.device)
    return grid.index_select(0, fields.flatten().int()).reshape(fields.shape)


def _bf16(blocks: Tensor) -> Tensor:
    return blocks.clone(memory_format=torch.contiguous_format).view(torch.bfloat16).float()


def _q4_0(blocks: Tensor) -> Tensor:
    return _scale(_unpack(blocks[:, 2:], 4, 16).float().sub_(8), _half(blocks, 0))


def _q4_1(blocks: Tensor) -> Tensor:
    return _scale(_unpack(blocks[:, 4:], 4, 16).float(), _half(blocks, 0)).add_(_half(blocks, 2))


def _five_bits(high: Tensor, low: Tensor) -> Tensor:
    """Integers [L, 32] uint8 of [L, 4] bytes of fifth bits and [L, 16] bytes of the others."""
    return _unpack(high, 1, 1).bitwise_left_shift_(4).bitwise_or_(_unpack(low, 4, 16))


def _q5_0(blocks: Tensor) -> Tensor:
    fields = _five_bits(blocks[:, 2:6], blocks[:, 6:])
    return _scale(fields.float().sub_(16), _half(blocks, 0))


def _q5_1(blocks: Tensor) -> Tensor:
    fields = _five_bits(blocks[:, 4:8], blocks[:, 8:])
    return _scale(fields.float(), _half(blocks, 0)).add_(_half(blocks, 2))


def _q8_0(blocks: Tensor) -> Tensor:
    return _scale(blocks[:, 2:].view(torch.int8).float(), _half(blocks, 0))


def _q2_k(blocks: Tensor) -> Tensor:
    scales = _half(blocks, 80) * blocks[:, :16].bitwise_and(15).float()
    offsets = _half(blocks, 82) * (blocks[:, :16] >> 4).float()
    return _shift(_scale(_unpack(blocks[:, 16:80], 2, 32).float(), scales), offsets)


def _q3_k(blocks: Tensor) -> Tensor:
    packed = blocks[:, 96:108]
    scales = _unpack(packed[:, 8:], 2, 4) << 4 | _unpack(packed[:, :8], 4, 8)
    # The third bit is stored the other way round: it lowers the value by 4 where it is missing.
    fields = _unpack(blocks[:, :32], 1, 32).bitwise_left_shift_(2)
    fields.bitwise_or_(_unpack(blocks[:, 32:96], 2, 32))
    return _scale(fields.float().sub_(4), _half(blocks, 108) * scales.float().sub_(32))


def _six_bit_scales(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and minima [L, 8] float32 of [L, 12] bytes, which hold 6 bits of each."""
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = torch.cat([first & 63, third & 15 | first >> 6 << 4], 1)
    minima = torch.cat([second & 63, third >> 4 | second >> 6 << 4], 1)
    return scales.float(), minima.float()


def _q4_k(blocks: Tensor) -> Tensor:
    scales, minima = _six_bit_scales(blocks[:, 4:16])
    fields = _unpack(blocks[:, 16:], 4, 32).float()
    return _shift(_scale(fields, _half(blocks, 0) * scales), _half(blocks, 2) * minima)


def _q5_k(blocks: Tensor) -> Tensor:
    scales, minima = _six_bit_scales(blocks[:, 4:16])
    fields = _unpack(blocks[:, 16:48], 1, 32).bitwise_left_shift_(4)
    fields = fields.bitwise_or_(_unpack(blocks[:, 48:], 4, 32)).float()
    return _shift(_scale(fields, _half(blocks, 0) * scales), _half(blocks, 2) * minima)


def _q6_k(blocks: Tensor) -> Tensor:
    fields = _unpack(blocks[:, 128:192], 2, 32).bitwise_left_shift_(4)
    fields = fields.bitwise_or_(_unpack(blocks[:, :128], 4, 64)).float().sub_(32)
    return _scale(fields, _half(blocks, 208) * blocks[:, 192:208].view(torch.int8).float())


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _scale(_look_up(_unpack(blocks[:, 2:], 4, 16)), _half(blocks, 0))


def _iq4_xs(blocks: Tensor) -> Tensor:
    scales = _unpack(blocks[:, 2:4], 2, 1) << 4 | _unpack(blocks[:, 4:8], 4, 1)
    fields = _look_up(_unpack(blocks[:, 8:], 4, 16))
    return _scale(fields, _half(blocks, 0) * scales.float().sub_(32))


BLOCK_KINDS: Mapping[str, BlockKind] = {
    "BF16": BlockKind(num_values=1, num_bytes=2, dequantize=_bf16),
    "Q4_0": BlockKind(num_values=32, num_bytes=18, dequantize=_q4_0),
    "Q4_1": BlockKind(num_values=32, num_bytes=20, dequantize=_q4_1),
    "Q5_0": BlockKind(num_values=32, num_bytes=22, dequantize=_q5_0),
    "Q5_1": BlockKind(num_values=32, num_bytes=24, dequantize=_q5_1),
    "Q8_0": BlockKind(num_values=32, num_bytes=34, dequantize=_q8_0),
    "Q2_K": BlockKind(num_values=256, num_bytes=84, dequantize=_q2_k),
    "Q3_K": BlockKind(num_values=256, num_bytes=110, dequantize=_q3_k),
    "Q4_K": BlockKind(num_values=256, num_bytes=144, dequantize=_q4_k),
    "Q5_K": BlockKind(num_values=256, num_bytes=176, dequantize=_q5_k),
    "Q6_K": BlockKind(num_values=256, num_bytes=210, dequantize=_q6_k),
    "IQ4_NL": BlockKind(num_values=32, num_bytes=18, dequantize=_iq4_nl),
    "IQ4_XS": BlockKind(num_values=256, num_bytes=136, dequantize=_iq4_xs),
}
