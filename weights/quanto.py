"""optimum-quanto: quantize weights with it, read its files without it.

A file has, for each quantized linear layer, `<module>.weight._data` and `._scale` (for qint4
`._data._data`, `._scale` and `._shift`), `<module>.bias` and two activation scales that are 1. A
JSON map beside it names layers and kinds.
Source: checkpoints.md section 3; measured with optimum-quanto 0.2.7 (0.2.6 writes the same).

Two things differ from what optimum-quanto does by itself:
- It would repack weights for the kernels of the device at hand. That compiles CUDA or C++ code,
  fails for some sizes and rounds the shift of qint4 in bf16. Here weights stay as files hold them.
- Its fp8 makes NaN of each 0 in a row whose scale is 0 (a row of zeros). Here the row stays zeros.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .dtypes import NAMES

QuantoKind = Literal["qint8", "qfloat8_e4m3fn", "qfloat8_e5m2", "qint4"]

_Shapes = Mapping[str, tuple[int, ...]]
_ALIASES = {"qfloat8": "qfloat8_e4m3fn"}
_DATA, _PACKED = "weight._data", "weight._data._data"
_SCALE, _SHIFT = "weight._scale", "weight._shift"
_KINDS: dict[tuple[str, str], QuantoKind] = {
    (_DATA, "I8"): "qint8",
    (_DATA, "F8_E4M3"): "qfloat8_e4m3fn",
    (_DATA, "F8_E5M2"): "qfloat8_e5m2",
    (_PACKED, "U8"): "qint4",
}
_FLOATS = ("F32", "F16", "BF16")
_GROUP_SIZES = (128, 96, 64, 32)  # qint4 takes the first that divides a row, else the row
# How the authors' files begin, and their maps.
_MAP_NAMES = {"dit_model_": "dit_model_map_", "quant_model_": "quantization_map_", "t5_": "t5_map_"}
_MAP_ADVICE = "Put the map that was published with the file beside it."
_ACTIVATION_SCALES = ("input_scale", "output_scale")
_ROW_PARTS = (_DATA, _SCALE)
_GROUP_PARTS = (_PACKED, _SCALE, _SHIFT)
_OF_A_LAYER = re.compile(r"\._(data|scale|shift)$|\.weight\._|\.(input|output)_scale$")


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
    """Values of a matrix with one scale per row.

    Args:
        data: [out, in] int8 or float8.
        scale: [out, 1] float.
        dtype: Of the result; the scale's own gives the numbers of optimum-quanto. A narrower one
            costs a wider copy on the CPU.

    Returns:
        data * scale, [out, in].
    """
    return data.to(dtype).mul_(scale)


def dequantize_groups(
    data: Tensor, scale: Tensor, shift: Tensor, shape: tuple[int, int], dtype: torch.dtype
) -> Tensor:
    """Values of a matrix with one scale and shift per group.

    Args:
        data: [ceil(n / 2), group size] uint8, packed as in `GroupScaled`.
        scale: [n, 1] float, or [1, in].
        shift: Like scale, float or integer.
        shape: out, in.
        dtype: Of the result, rounded to after each step; the scale's own gives the numbers of
            optimum-quanto.

    Returns:
        data * scale - shift, or (data - shift) * scale for an integer shift; [out, in].
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
    """Quantize the weight of a linear layer with optimum-quanto.

    Args:
        weight: [out, in] float32, float16 or bfloat16, on any device.
        kind: The layout.

    Returns:
        The layout's tensors on the same device, the scales in the dtype of the weight.

    Raises:
        ValueError: If the weight is no matrix or of another dtype.
        RuntimeError: If optimum-quanto is not installed.
    """
    if weight.ndim != 2 or NAMES.get(weight.dtype) not in _FLOATS:
        raise ValueError(
            f"This weight is {list(weight.shape)} of {weight.dtype}; only matrices of float32, "
            "float16 or bfloat16 can be quantised. Load the model in one of these."
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
    data, scale = parts["_data"].contiguous(), _column(scale, rows)
    data.view(torch.uint8).masked_fill_(scale == 0, 0)
    return RowScaled(data=data, scale=scale)


def _column(scale: Tensor, rows: int) -> Tensor:
    """[out, 1] or one value, as optimum-quanto has it for a single row, to [out, 1]."""
    return scale.reshape(-1, 1).expand(rows, 1).contiguous()


def find_map(path: Path) -> Path | None:
    """The JSON map that belongs to a file.

    Args:
        path: A quantized file, under the name it was published with.

    Returns:
        A file in the same folder: named as the authors do (`dit_model_map_<q>.json`,
        `quantization_map_<q>_FusionX.json`, `t5_map_<q>.json`), else as the file with .json;
        None if there is neither.
    """
    stem = path.stem
    names = [stem.replace(old, new, 1) for old, new in _MAP_NAMES.items() if stem.startswith(old)]
    candidates = (path.with_name(f"{name}.json") for name in (*names, stem))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_map(path: Path) -> dict[str, str]:
    """Read the JSON map of a quantized file.

    Args:
        path: The map.

    Returns:
        The kind of each quantized module, one of `QuantoKind`.

    Raises:
        ValueError: If it is no map, or has weights of another kind or quantized activations.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path.name} is no map of an optimum-quanto file: it is no JSON. {_MAP_ADVICE}"
        ) from error
    keys = {"weights", "activations"}
    is_map = isinstance(entries, dict) and all(
        isinstance(entry, dict) and keys <= set(entry) for entry in entries.values()
    )
    if not is_map:
        raise ValueError(
            f"{path.name} is no map of an optimum-quanto file: it begins with {str(entries)[:60]}, "
            'not with {"<module>": {"weights": "qint8", "activations": "none"}. ' + _MAP_ADVICE
        )
    kinds = {}
    for module, entry in entries.items():
        kind, activations = str(entry["weights"]), str(entry["activations"])
        kinds[module] = _ALIASES.get(kind, kind)
        if kinds[module] not in get_args(QuantoKind):
            raise ValueError(
                f"{path.name} says that the weights of {module} are {kind}; supported are "
                f"{', '.join(get_args(QuantoKind))}. Choose a model quantised to one of these."
            )
        if activations != "none":
            raise ValueError(
                f'{path.name} says that the activations of {module} are {activations}; only "none" '
                "is supported. Choose a model with quantised weights alone."
            )
    return kinds


def check_quanto(
    shapes: _Shapes, dtypes: Mapping[str, str], kinds: Mapping[str, str] | None, *, name: str
) -> dict[str, QuantoKind]:
    """Check the names, shapes and dtypes of a quantized file, as its header has them.

    Args:
        shapes: By tensor name, without prefix.
        dtypes: By tensor name, as safetensors has them ("I8", "F8_E4M3", "U8", "BF16" ...).
        kinds: Of `read_map`; None if the file has no map, then the dtypes tell the kinds.
        name: Of the file, for messages.

    Returns:
        The kind of each quantized module.

    Raises:
        ValueError: If parts of a layer are missing, left over or of a wrong shape or dtype, the
            map says otherwise, or a packed layer cannot be told.
    """
    layers = {  # module -> its parts
        tensor.removesuffix(f".{parts[0]}"): parts
        for tensor in shapes
        for parts in (_ROW_PARTS, _GROUP_PARTS)
        if tensor.endswith(f".{parts[0]}")
    }
    if kinds is not None:
        _check_listed(layers, kinds, name)
    known = {f"{m}.{p}" for m, parts in layers.items() for p in (*parts, *_ACTIVATION_SCALES)}
    plain = {f"{module}.weight" for module in layers}
    for tensor in shapes:
        if tensor in plain or (_OF_A_LAYER.search(tensor) and tensor not in known):
            raise ValueError(
                f"{name}: {tensor} is not part of a layer as optimum-quanto writes it "
                f"({_DATA}, {_SCALE}; for qint4 {_PACKED}, {_SCALE}, {_SHIFT}). The file is "
                "damaged or of another program; download it again."
            )
    found: dict[str, QuantoKind] = {}
    for module, parts in layers.items():
        try:
            found[module] = _check_layer(module, parts, shapes, dtypes)
            if kinds is not None and (listed := kinds[module]) != found[module]:
                raise ValueError(f"{module} is {found[module]}, in its map {listed}. {_MAP_ADVICE}")
            if parts == _GROUP_PARTS:
                group_shape(module, shapes)
                # As many bytes of qint2, which packs four values, hold 1 or 2 groups too.
                if kinds is None and shapes[f"{module}.{_SCALE}"][0] <= 2:
                    raise ValueError(f"{module} can be qint2 or qint4. {_MAP_ADVICE}")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def _check_listed(modules: Collection[str], kinds: Mapping[str, str], name: str) -> None:
    for found, wanted, where in (
        (modules, kinds, "in the map but not quantised in the file"),
        (kinds, modules, "quantised in the file but not in the map"),
    ):
        absent = [module for module in wanted if module not in found]
        if absent:
            some = ", ".join(absent[:5]) + (", ..." if absent[5:] else "")
            raise ValueError(
                f"{name} and its map do not belong together: {len(absent)} of {len(wanted)} layers "
                f"are {where} ({some}). {_MAP_ADVICE}"
            )


def _check_layer(
    module: str, parts: tuple[str, ...], shapes: _Shapes, dtypes: Mapping[str, str]
) -> QuantoKind:
    """The kind of a layer; refuses wrong parts, without the name of the file."""
    data, scale, *shift = (f"{module}.{part}" for part in parts)
    for tensor in (scale, *shift):
        if tensor not in shapes:
            raise ValueError(f"{tensor} is missing. Download the file again.")
    kind = _KINDS.get((parts[0], dtypes[data]))
    if len(shapes[data]) != 2 or kind is None:
        allowed = " or ".join(dtype for part, dtype in _KINDS if part == parts[0])
        raise ValueError(_wrong(data, shapes, dtypes, f"a matrix of {allowed}"))
    rows, columns = shapes[data]
    found, floats = shapes[scale], _FLOATS
    fitting = [(rows, 1), ()]
    if shift:
        fitting = [(2 * rows, 1), (2 * rows - 1, 1), *([(1, columns)] if rows == 1 else [])]
    if found not in fitting or dtypes[scale] not in floats:
        expected = " or ".join(str(list(shape)) for shape in fitting)
        raise ValueError(_wrong(scale, shapes, dtypes, f"{expected} of {', '.join(floats)}"))
    for tensor in shift:
        if shapes[tensor] != found or dtypes[tensor] not in (*floats, "U8", "I8"):
            raise ValueError(_wrong(tensor, shapes, dtypes, f"a tensor like {scale}"))
    return kind


def _wrong(tensor: str, shapes: _Shapes, dtypes: Mapping[str, str], expected: str) -> str:
    return (
        f"{tensor} is {list(shapes[tensor])} of {dtypes[tensor]}; expected is {expected}. "
        "The file is damaged or of another kind of layer; choose another."
    )


def group_shape(module: str, shapes: _Shapes) -> tuple[int, int]:
    """Out and in of a packed layer: by its bias, else if only one shape has such groups."""
    num_groups, group_size = shapes[f"{module}.{_SCALE}"][0], shapes[f"{module}.{_PACKED}"][1]
    bias = shapes.get(f"{module}.bias")
    fitting = (
        (rows, num_groups // rows * group_size)
        for rows in (range(1, num_groups + 1) if bias is None else bias)
        if rows
        and num_groups % rows == 0
        and _group_size(num_groups // rows * group_size) == group_size
    )
    found = list(islice(fitting, 2))
    if len(found) != 1:
        raise ValueError(
            f"The shape of {module}.weight cannot be told from {num_groups} groups of {group_size} "
            f"and {'no bias' if bias is None else f'a bias of {list(bias)}'}. "
            "Choose a file quantised to qint8 or qfloat8_e4m3fn."
        )
    return found[0]


def _group_size(columns: int) -> int:
    """Values per scale that qint4 takes for a row."""
    return next((size for size in _GROUP_SIZES if columns % size == 0), columns)


def collect_quanto(
    tensors: Mapping[str, Tensor], kinds: Mapping[str, str] | None, *, name: str
) -> dict[str, Tensor | RowScaled | GroupScaled]:
    """Put the parts of quantized weights together.

    Args:
        tensors: Of a file, by name without prefix.
        kinds: Of `read_map`; None if the file has no map.
        name: Of the file, for messages.

    Returns:
        The parameters by name, `<module>.weight` quantized; no data is copied.

    Raises:
        ValueError: As `check_quanto`, or if the file was made for quantized activations.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    dtypes = {key: NAMES.get(tensor.dtype, str(tensor.dtype)) for key, tensor in tensors.items()}
    found = check_quanto(shapes, dtypes, kinds, name=name)
    out: dict[str, Tensor | RowScaled | GroupScaled] = {}
    for key, tensor in tensors.items():
        if not _OF_A_LAYER.search(key):
            out[key] = tensor
        elif key.endswith(_ACTIVATION_SCALES) and bool((tensor != 1).any()):
            raise ValueError(
                f"{name}: {key} is not 1, so the file was made for quantised activations. "
                "Choose a file with quantised weights alone."
            )
    for module, kind in found.items():
        parts = _GROUP_PARTS if kind == "qint4" else _ROW_PARTS
        data, scale, *shift = (tensors[f"{module}.{part}"] for part in parts)
        if shift:
            shape = group_shape(module, shapes)
            weight = GroupScaled(data=data, scale=scale, shift=shift[0], shape=shape)
        else:
            weight = RowScaled(data=data, scale=_column(scale, data.shape[0]))
        out[f"{module}.weight"] = weight
    return out
