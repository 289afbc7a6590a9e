"""8 bit matrices with scales beside them and nothing that names their format.

`<module>.scale_weight` (the older scaled fp8 of ComfyUI), `<module>.weight_scale` (distilled models
of lightx2v and others, fp8 and int8) or `<module>.weight_scale_inv` (fp8 in blocks): one number,
one per row, or one per block of the matrix. Value = stored number * scale in each of them. A
tensor `scaled_fp8` may be there: with two elements the host multiplies in full precision always.
Source: checkpoints.md section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .contents import Shape
from .dtypes import FLOATS, FP8, FP8_DTYPES
from .header import Header
from .host_format import HostQuantized, has_rows, is_simple
from .quanto import RowScaled

MARKER = "scaled_fp8"
WEIGHT_SCALES = (".scale_weight", ".weight_scale", ".weight_scale_inv")
_INPUT_SCALES = (".scale_input", ".input_scale")  # of what is multiplied; not needed for the weight
_SCALES = (*WEIGHT_SCALES, *_INPUT_SCALES)
_EIGHT_BITS = FP8 | {"I8"}
_EIGHT_BIT_DTYPES = (*FP8_DTYPES, torch.int8)


@dataclass(frozen=True, kw_only=True, slots=True)
class GridScaled:
    """A matrix of 8 bit values with a scale for each block of a grid."""

    data: Tensor  # [out, in] int8, float8_e4m3fn or float8_e5m2
    scale: Tensor  # [n, m] float; n divides out, m divides in


def dequantize_grid(data: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Values [out, in] in a dtype: data [out, in] times scale [n, m] of each block."""
    (rows, columns), (high, wide) = data.shape, scale.shape
    out = data.to(dtype, copy=True)
    out.view(high, rows // high, wide, columns // wide).mul_(scale[:, None, :, None])
    return out


def scaled_shapes(header: Header) -> dict[str, Shape]:
    """Parameters of a file with scales.

    Raises:
        ValueError: If a scale has no matrix, a matrix no scale, or a scale does not fit.
    """
    out = {name: shape for name, shape in header.shapes.items() if not _is_scale(name)}
    for name in header.shapes:
        if name.endswith(_SCALES):
            _check_scale(header, name)
    for name, shape in out.items():
        if header.dtypes[name] in _EIGHT_BITS and len(shape) == 2 and not _scale_of(name, header):
            raise ValueError(
                f"{header.name}: {name} is quantised but its scale "
                f"{name.removesuffix('.weight')}{WEIGHT_SCALES[0]} is missing, so its values are "
                "unknown. Download the file again, or choose another."
            )
    return out


def _is_scale(name: str) -> bool:
    return name == MARKER or name.endswith(_SCALES)


def _matrix_of(name: str) -> str:
    suffix = next(suffix for suffix in _SCALES if name.endswith(suffix))
    return name.removesuffix(suffix) + ".weight"


def _scale_of(matrix: str, header: Header) -> str | None:
    module = matrix.removesuffix(".weight")
    return next((f"{module}{s}" for s in WEIGHT_SCALES if f"{module}{s}" in header.shapes), None)


def _check_scale(header: Header, name: str) -> None:
    matrix, shape = _matrix_of(name), header.shapes[name]
    weight = header.shapes.get(matrix, ())
    if len(weight) != 2:
        raise ValueError(
            f"{header.name}: {name} has no matrix {matrix} beside it. The file is damaged, or of "
            "a layout that this pack does not read; download it again, or choose another."
        )
    fits = _grid(shape, weight) if name.endswith(WEIGHT_SCALES) else math.prod(shape) == 1
    if not fits or header.dtypes[name] not in FLOATS:
        raise ValueError(
            f"{header.name}: {name} is {list(shape)} of {header.dtypes[name]}; a scale is one "
            f"float, or one per row or block of a matrix of {list(weight)}. This is a layout that "
            "this pack does not read: choose a 16 bit, fp8 or GGUF file. If it should be one of "
            "these, download it again."
        )


def _grid(scale: Shape, weight: Shape) -> tuple[int, int] | None:
    """Blocks of a matrix [out, in] along both axes, by the shape of their scales; None if none."""
    rows, columns = weight
    if math.prod(scale) == 1:
        return 1, 1
    while len(scale) > 2 and scale[-1] == 1:
        scale = scale[:-1]
    high, wide = (*scale, 1) if len(scale) == 1 else (scale if len(scale) == 2 else (0, 0))
    if min(high, wide) < 1 or rows % high or columns % wide:
        return None
    return None if len(scale) == 1 and high != rows else (high, wide)


def collect_scaled(
    tensors: Mapping[str, Tensor],
) -> dict[str, Tensor | HostQuantized | RowScaled | GridScaled]:
    """Put matrices together with their scales; scaled ones of 16 bit or more are multiplied.

    If all are fp8 with one scale, they become matrices of the host.
    """
    scales = {_matrix_of(name): t for name, t in tensors.items() if name.endswith(WEIGHT_SCALES)}
    heard = {_matrix_of(name): t for name, t in tensors.items() if name.endswith(_INPUT_SCALES)}
    for_host = all(_suits_host(tensors[name], scale) for name, scale in scales.items())
    out: dict[str, Tensor | HostQuantized | RowScaled | GridScaled] = {}
    for name, tensor in tensors.items():
        scale = scales.get(name)
        if scale is None:
            out[name] = tensor
        elif tensor.dtype not in _EIGHT_BIT_DTYPES:
            out[name] = _multiplied(tensor, scale)
        elif for_host:
            out[name] = _for_host(tensor, scale, heard.get(name), tensors.get(MARKER))
        else:
            out[name] = _in_blocks(tensor, scale)
    return {name: stored for name, stored in out.items() if not _is_scale(name)}


def _suits_host(matrix: Tensor, scale: Tensor) -> bool:
    """Whether the host's own fp8 can hold a matrix, or needs not, since it is none of 8 bit."""
    one = matrix.dtype in FP8_DTYPES and scale.numel() == 1
    return one or matrix.dtype not in _EIGHT_BIT_DTYPES


def take_rows(
    parameters: Mapping[str, Tensor | HostQuantized],
) -> dict[str, Tensor | HostQuantized | RowScaled | GridScaled]:
    """Read matrices of the host's formats here where fp8 has a scale per row.

    The host multiplies by the wrong ones of them (5.7 off in a product of about 16). One of such a
    file makes all of it ours, since no module holds both. Scales of rows become columns for int8.
    """
    layers = {name: v for name, v in parameters.items() if isinstance(v, HostQuantized)}
    scales = {name: v.tensors.get("weight_scale") for name, v in layers.items()}
    ours = any(
        scale is not None and has_rows(layers[name].settings, tuple(scale.shape))
        for name, scale in scales.items()
    )
    out: dict[str, Tensor | HostQuantized | RowScaled | GridScaled] = dict(parameters)
    for name, layer in layers.items():
        scale = scales[name]
        if scale is None or not is_simple(layer.settings):
            continue
        if ours:
            out[name] = _in_blocks(layer.tensors["weight"], scale)
        elif scale.ndim == 1 and scale.numel() > 1:
            parts = {**layer.tensors, "weight_scale": scale[:, None]}
            out[name] = HostQuantized(settings=layer.settings, tensors=parts)
    return out


def _for_host(
    matrix: Tensor, scale: Tensor, heard: Tensor | None, marker: Tensor | None
) -> HostQuantized:
    full = {"full_precision_matrix_mult": True} if marker is None or marker.numel() == 2 else {}
    parts = {"weight": matrix, "weight_scale": scale.float().reshape(())}
    if heard is not None and heard.item() != 1:
        parts["input_scale"] = heard.float().reshape(())
    settings = {"format": str(matrix.dtype).removeprefix("torch."), **full}
    return HostQuantized(settings=settings, tensors=parts)


def _in_blocks(matrix: Tensor, scale: Tensor) -> RowScaled | GridScaled:
    grid = _grid(tuple(scale.shape), tuple(matrix.shape))
    assert grid is not None, (matrix.shape, scale.shape)
    values = scale.float().reshape(grid)
    if grid == (matrix.shape[0], 1):
        return RowScaled(data=matrix, scale=values)
    return GridScaled(data=matrix, scale=values)


def _multiplied(matrix: Tensor, scale: Tensor) -> Tensor:
    grid = _grid(tuple(scale.shape), tuple(matrix.shape))
    assert grid is not None, (matrix.shape, scale.shape)
    if bool((scale == 1).all()):
        return matrix
    return dequantize_grid(matrix, scale.reshape(grid).to(matrix.dtype), matrix.dtype)
