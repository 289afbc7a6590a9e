"""Weights to quantize, and what optimum-quanto itself makes of them."""

from __future__ import annotations

import torch

from pack.weights.quanto import RowScaled, dequantize_groups, dequantize_rows

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
ROW_KINDS = ["qint8", "qfloat8_e4m3fn", "qfloat8_e5m2"]
KINDS = [*ROW_KINDS, "qint4"]
# out, in: groups of 128, 96, 64, 32; an odd number of groups; none; a single row with and without.
SHAPES = [(64, 256), (6, 192), (6, 320), (7, 160), (3, 384), (6, 128), (5, 300), (7, 24)]
SHAPES += [(1, 64), (1, 256)]


def random_weight(shape, dtype=torch.float32):
    return (0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(0))).to(dtype)


def by_quanto(weight, kind):
    """A frozen layer of optimum-quanto with this weight."""
    from optimum import quanto

    layer = torch.nn.Linear(*weight.shape[::-1], bias=False, device="meta", dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    layer = quanto.QLinear.from_module(layer, weights=quanto.qtypes[kind])
    layer.freeze()
    return layer


def dequantized_by_quanto(weight, kind):
    """As optimum-quanto does it, without unpacking, for which it would compile C++ code."""
    from optimum import quanto

    layer = quanto.QLinear(*weight.shape[::-1], device="meta", weights=quanto.qtypes[kind])
    qtype, size = layer.weight_qtype, layer.weight_group_size
    if kind != "qint4":
        return by_quanto(weight, kind).weight.dequantize()
    scale, shift = layer.optimizer(weight, qtype, axis=0, group_size=size)
    values = torch.ops.quanto.quantize_affine(weight, 4, 0, size, scale, shift)
    quantized = quanto.quantize_weight(weight, qtype, 0, scale, shift, size, optimized=False)
    quantized._data = values
    return quantized.dequantize()


def dequantize(stored, dtype):
    if isinstance(stored, RowScaled):
        return dequantize_rows(stored.data, stored.scale, dtype)
    return dequantize_groups(stored.data, stored.scale, stored.shift, stored.shape, dtype)


def tensors_of(stored, module="a"):
    """A quantized weight under the names that files have."""
    if isinstance(stored, RowScaled):
        return {f"{module}.weight._data": stored.data, f"{module}.weight._scale": stored.scale}
    return {
        f"{module}.weight._data._data": stored.data,
        f"{module}.weight._scale": stored.scale,
        f"{module}.weight._shift": stored.shift,
    }


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and bool((a.float() == b.float()).all())
