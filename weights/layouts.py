"""How files store parameters: plain, scaled fp8, the host's formats, optimum-quanto, GGUF.

A quantized parameter is several tensors in a file: the matrix and its scales. `collect` puts them
together under the parameter's name; `parameter_shapes` does the same with a header alone. Source:
checkpoints.md sections 3 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, cast

import torch
from torch import Tensor

from .contents import Shape
from .dtypes import FLOATS, FP8, PACKED, WHOLE
from .foreign import require_known_layout
from .gguf_file import GgufTensor
from .header import Header
from .host_format import (
    CONFIG_SUFFIX,
    METADATA_KEY,
    HostQuantized,
    collect_host,
    host_shapes,
)
from .quanto import GroupScaled, RowScaled
from .quanto_files import check_quanto, collect_quanto, find_map, group_shape, read_map
from .scaled import MARKER, WEIGHT_SCALES, GridScaled, collect_scaled, scaled_shapes, take_rows

LayoutName = Literal["float", "fp8", "scaled fp8", "scaled", "host", "quanto", "GGUF"]
Stored = Tensor | RowScaled | GridScaled | GroupScaled | GgufTensor | HostQuantized

_ROWS, _GROUPS = ".weight._data", ".weight._data._data"
_BESIDE = (".weight._scale", ".weight._shift", ".input_scale", ".output_scale")
MATRIX_SCALES = (*WEIGHT_SCALES, _BESIDE[0])  # how their names end


def layout_of(header: Header) -> LayoutName:
    """How a file stores its matrices."""
    if header.format == "GGUF":
        return "GGUF"
    names = header.shapes
    if any(name.endswith((_ROWS, _GROUPS, *_BESIDE[:2])) for name in names):
        return "quanto"
    if METADATA_KEY in header.metadata or any(name.endswith(CONFIG_SUFFIX) for name in names):
        return "host"
    if any(name.endswith(WEIGHT_SCALES) for name in names):
        return "scaled fp8" if _is_single(header) else "scaled"
    return "float" if FP8.isdisjoint(header.dtypes.values()) else "fp8"


def _is_single(header: Header) -> bool:
    """Whether all scaled matrices of a file are fp8 with one scale each."""
    shapes = (shape for name, shape in header.shapes.items() if name.endswith(WEIGHT_SCALES))
    return "I8" not in header.dtypes.values() and all(math.prod(shape) == 1 for shape in shapes)


def quanto_map(header: Header) -> dict[str, str] | None:
    """The JSON map beside an optimum-quanto file, module -> kind; None if there is none."""
    path = find_map(header.files[0]) if header.files else None
    return None if path is None else read_map(path)


def parameter_shapes(
    header: Header, needed: Callable[[str], bool] | None = None
) -> dict[str, Shape]:
    """The parameters of a file, whatever their layout; packed matrices have -1 columns.

    `needed` tells which must be numbers of their layout; None: all.

    Raises:
        ValueError: If a scale is missing or stands alone, or a dtype is none of the layout's.
    """
    layout, allowed = layout_of(header), FLOATS | FP8
    if layout in ("float", "fp8", "scaled fp8", "scaled"):
        require_known_layout(header.name, header.shapes)
    if layout == "GGUF":
        shapes, allowed = dict(header.shapes), frozenset(header.dtypes.values()) - WHOLE
    elif layout == "quanto":
        shapes = _quanto_shapes(header)
    elif layout == "host":
        shapes, allowed = host_shapes(header), allowed | PACKED
    elif layout in ("scaled fp8", "scaled"):
        shapes, allowed = scaled_shapes(header), allowed | {"I8"}
    else:
        shapes = {name: shape for name, shape in header.shapes.items() if name != MARKER}
    for name in filter(needed, shapes) if needed else shapes:
        # Without dtype it is several tensors; its layout's own check has seen them.
        if (dtype := header.dtypes.get(name)) is not None and dtype not in allowed:
            raise ValueError(
                f"{header.name}: {name} is stored as {dtype}; weights are floating-point numbers "
                "where no scale lies beside them. This is a layout that this pack does not read: "
                "choose a 16 bit, fp8, GGUF or optimum-quanto file. Download it again if it should "
                "be one of these."
            )
    return shapes


def _quanto_shapes(header: Header) -> dict[str, Shape]:
    check_quanto(header.shapes, header.dtypes, quanto_map(header), name=header.name)
    out: dict[str, Shape] = {}
    for name, shape in header.shapes.items():
        if name.endswith(_GROUPS):
            module = name.removesuffix(_GROUPS)
            out[f"{module}.weight"] = group_shape(module, header.shapes)
        elif not name.endswith(_BESIDE):
            out[name.removesuffix("._data")] = shape
    return out


def collect(header: Header, tensors: Mapping[str, Tensor | GgufTensor]) -> dict[str, Stored]:
    """The parameters of a file that `parameter_shapes` has checked; no data is copied.

    Raises:
        ValueError: If a quantized format is unknown.
    """
    layout = layout_of(header)
    if layout == "GGUF":
        return {name: _plain(tensor) for name, tensor in tensors.items()}
    plain = cast("Mapping[str, Tensor]", tensors)
    if layout == "quanto":
        return dict(collect_quanto(plain, quanto_map(header), name=header.name))
    if layout == "host":
        return dict(take_rows(collect_host(header, plain)))
    if layout in ("scaled fp8", "scaled"):
        return dict(collect_scaled(plain))
    return {name: tensor for name, tensor in plain.items() if name != MARKER}


def _plain(tensor: Tensor | GgufTensor) -> Stored:
    """GGUF tensors that are no blocks are plain tensors."""
    if isinstance(tensor, GgufTensor) and tensor.data.is_floating_point():
        return tensor.data
    if isinstance(tensor, GgufTensor) and tensor.kind == "BF16":  # bytes, as NumPy has no bfloat16
        return tensor.data.view(torch.bfloat16).reshape(tensor.shape)
    return tensor
