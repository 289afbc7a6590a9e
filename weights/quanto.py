"""optimum-quanto's quantized weights: as numbers without it, made with it.

Source: checkpoints.md section 3; measured with optimum-quanto 0.2.7 (0.2.6 writes the same).

Two things differ from what optimum-quanto does by itself:
- It would repack weights for the kernels of the device at hand. That compiles CUDA or C++ code,
  fails for some sizes and rounds the shift of qint4 in bf16. Here weights stay as files hold them.
- Its fp8 makes NaN of each 0 in a row whose scale is 0 (a row of zeros). Here the row stays zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

QuantoKind = Literal["qint8", "qfloat8_e4m3fn", "qfloat8_e5m2", "qint4"]

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowScaled:
    """A matrix of 8 bit values with one scale per row."""

    data: Tensor  # [out, in] int8, float8_e4m3fn or float8_e5m2
    scale: Tensor  # [out, 1] float


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupScaled:
    """A matrix of 4 bit values with one scale and shift per group of neighbours in a row.

    Of n groups, byte row r holds group r in its low and group r + ceil(n / 2) in its high halves.
    """

    data: Tensor  # [ceil(n / 2), group size] uint8
    scale: Tensor  # [n, 1] float; [1, in] for a single ungrouped row
    shift: Tensor  # like scale: float, taken off scaled values; integer, taken off the values
    shape: tuple[int, int]  # out, in

    @property
    def group_size(self) -> int:
        """Values that share a scale."""
        return self.data.shape[1]


def dequantize_rows(data: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Values [out, in] in a dtype: data [out, in] int8 or float8 times scale [out, 1] float.

    The scale's own dtype gives the numbers of optimum-quanto; a narrower one costs a wider copy on
    the CPU.
    """
    return data.to(dtype).mul_(scale)


def dequantize_groups(
    data: Tensor, scale: Tensor, shift: Tensor, shape: tuple[int, int], dtype: torch.dtype
) -> Tensor:
    """Values [out, in] of a matrix whose parts are as in `GroupScaled`.

    Each step rounds to the dtype; the scale's own gives the numbers of optimum-quanto.
    """
    half, group_size = data.shape
    num_groups = shape[0] * shape[1] // group_size
    out = torch.empty(num_groups, group_size, dtype=dtype, device=data.device)
    out[:half] = data & 15
    out[half:] = data[: num_groups - half] >> 4
    if shift.is_floating_point():
        out.mul_(scale).sub_(shift)
    else:
        out.sub_(shift).mul_(scale)
    return out.view(shape)


def quantize_weight(weight: Tensor, kind: QuantoKind) -> RowScaled | GroupScaled:
    """Quantize a weight [out, in] of float32, float16 or bfloat16 with optimum-quanto.

    The result lies on the same device, its scales have the dtype of the weight.

    Raises:
        ValueError: If the weight is no matrix or of another dtype.
        RuntimeError: If optimum-quanto is not installed.
    """
    if weight.ndim != 2 or weight.dtype not in _FLOATS:
        raise ValueError(
            f"This weight is {' x '.join(map(str, weight.shape))} of the kind "
            f"{str(weight.dtype).removeprefix('torch.')}; only matrices of float32, float16 or "
            "bfloat16 can be quantised. Load the model in one of these."
        )
    try:
        quanto: Any = import_module("optimum.quanto")
    except ImportError as error:
        raise RuntimeError(
            f"Quantising to {kind} needs the package optimum-quanto; install it with: "
            "pip install optimum-quanto"
        ) from error
    weight = weight.detach()
    rows, columns = weight.shape
    # Knows optimizer and group size of its kind; holds no memory. Its freeze() would repack.
    layer = quanto.QLinear(columns, rows, bias=False, device="meta", weights=quanto.qtypes[kind])
    qtype, group_size = layer.weight_qtype, layer.weight_group_size
    if kind == "qint4":
        scale, shift = layer.optimizer(weight, qtype, axis=0, group_size=group_size)
    else:
        scale, shift = layer.optimizer(weight, qtype, axis=0), None
    quantized = quanto.quantize_weight(
        weight, qtype, 0, scale, shift, group_size=group_size, optimized=False
    )
    parts: dict[str, Tensor] = {}
    quantized.save_to_state_dict(parts, "", keep_vars=False)
    if shift is not None:
        data = parts["_data._data"]
        return GroupScaled(data=data, scale=scale, shift=shift, shape=(rows, columns))
    data, scale = parts["_data"].contiguous(), column_of(scale, rows)
    data.view(torch.uint8).masked_fill_(scale == 0, 0)
    return RowScaled(data=data, scale=scale)


def column_of(scale: Tensor, rows: int) -> Tensor:
    """[out, 1] or one value, as optimum-quanto has it for a single row, to [out, 1]."""
    return scale.reshape(-1, 1).expand(rows, 1).contiguous()
