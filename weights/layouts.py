"""How files store parameters: plain, scaled fp8, the host's formats, optimum-quanto, GGUF.

A quantized parameter is several tensors in a file: the matrix and its scales. `collect` puts them
together under the parameter's name; `parameter_shapes` does the same with a header alone.
Source: checkpoints.md sections 3 to 5.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from .gguf_file import GgufTensor
from .header import Header
from .quanto import GroupScaled, RowScaled
from .quanto_files import check_quanto, collect_quanto, find_map, group_shape, read_map

LayoutName = Literal["float", "fp8", "scaled fp8", "host", "quanto", "GGUF"]

FP8_FORMATS = {torch.float8_e4m3fn: "float8_e4m3fn", torch.float8_e5m2: "float8_e5m2"}
_FP8_OF = {**{name: dtype for dtype, name in FP8_FORMATS.items()}, "mxfp8": torch.float8_e4m3fn}
_HALVES = {"F16", "BF16"}
_FP8 = {"F8_E4M3", "F8_E5M2"}
_FLOATS = {"F64", "F32", *_HALVES}
_WHOLE = {"I8", "I16", "I32", "I64"}  # kinds of GGUF tensors
_BLOCK = re.compile(r"^blocks\.\d+\.")
_MARKER = "scaled_fp8"  # fp8; two elements: multiply in full precision always
_OLD_SCALE, _OLD_INPUT = ".scale_weight", ".scale_input"
_CONFIG = ".comfy_quant"  # JSON as bytes
_METADATA = "_quantization_metadata"
_QUANTO = (".weight._data", ".weight._data._data", ".weight._scale", ".weight._shift")
_QUANTO_UNUSED = (".input_scale", ".output_scale")
_SCALES = (_OLD_SCALE, ".weight._scale")
_HOST_EXTRAS = (
    "weight_scale", "weight_scale_2", "input_scale", "pre_quant_scale", "weight_s_rel",
    "weight_s_channel", "weight_codebook",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFormat:
    """A quantized format of the host."""

    dtypes: tuple[str, ...]  # of the matrix in the file
    scales: tuple[str, ...]  # must lie beside the matrix
    packed: bool = False  # several values in a byte: the matrix has fewer columns
    blocks: bool = False  # a scale for each block of values, not one or one per row


HOST_FORMATS: dict[str, HostFormat] = {
    "float8_e4m3fn": HostFormat(dtypes=("F8_E4M3", "U8"), scales=("weight_scale",)),
    "float8_e5m2": HostFormat(dtypes=("F8_E5M2", "U8"), scales=("weight_scale",)),
    "mxfp8": HostFormat(dtypes=("F8_E4M3", "U8"), scales=("weight_scale",), blocks=True),
    "int8_tensorwise": HostFormat(dtypes=("I8",), scales=("weight_scale",)),
    "nvfp4": HostFormat(dtypes=("U8",), scales=("weight_scale", "weight_scale_2"), packed=True),
    "convrot_w4a4": HostFormat(dtypes=("I8", "U8"), scales=("weight_scale",), packed=True),
    "asym_w4a8_int8": HostFormat(dtypes=("I8", "U8"), scales=("weight_s_rel",), packed=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HostQuantized:
    """A matrix in one of the host's formats."""

    settings: Mapping[str, object]  # as `comfy_quant` has them; `format` is one of HOST_FORMATS
    tensors: Mapping[str, Tensor]  # "weight" and its scales


Stored = Tensor | RowScaled | GroupScaled | GgufTensor | HostQuantized


def layout_of(header: Header) -> LayoutName:
    """How a file stores its matrices."""
    if header.format == "GGUF":
        return "GGUF"
    names, dtypes = header.shapes, header.dtypes.values()
    if any(name.endswith(_QUANTO) for name in names):
        return "quanto"
    if _METADATA in header.metadata or any(name.endswith(_CONFIG) for name in names):
        return "host"
    if any(name.endswith(_OLD_SCALE) for name in names):
        return "scaled fp8"
    return "fp8" if any(dtype in _FP8 for dtype in dtypes) else "float"


def quanto_map(header: Header) -> dict[str, str] | None:
    """The JSON map beside an optimum-quanto file, module -> kind; None if there is none."""
    path = find_map(header.files[0]) if header.files else None
    return None if path is None else read_map(path)


def parameter_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    """The parameters of a file, whatever their layout.

    Args:
        header: Of the file.

    Returns:
        Shapes by parameter name. A matrix with several values in a byte has -1 columns.

    Raises:
        ValueError: If a scale is missing, stands alone, or a tensor has a dtype that this layout
            does not allow.
    """
    layout = layout_of(header)
    if layout == "GGUF":
        _check_dtypes(header, header.shapes, set(header.dtypes.values()) - _WHOLE)
        return dict(header.shapes)
    if layout == "quanto":
        check_quanto(header.shapes, header.dtypes, quanto_map(header), name=header.name)
        shapes = _quanto_shapes(header)
    elif layout == "host":
        shapes = _host_shapes(header)
    elif layout == "scaled fp8":
        shapes = _scaled_shapes(header)
    else:
        shapes = {name: shape for name, shape in header.shapes.items() if name != _MARKER}
    packed = {"U8", "I8"} if layout == "host" else set()
    _check_dtypes(header, shapes, _FLOATS | _FP8 | packed)
    _check_mixtures(header, (*shapes, *(n for n in header.shapes if n.endswith(_SCALES))))
    return shapes


def collect(header: Header, tensors: Mapping[str, Tensor | GgufTensor]) -> dict[str, Stored]:
    """Put together what belongs together.

    Args:
        header: Of the file, checked by `parameter_shapes`.
        tensors: Of `open_tensors`.

    Returns:
        The parameters by name; no data is copied.

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
        return _collect_host(header, plain)
    if layout == "scaled fp8":
        return _collect_scaled(plain)
    return {name: tensor for name, tensor in plain.items() if name != _MARKER}


def _plain(tensor: Tensor | GgufTensor) -> Stored:
    """GGUF tensors that are no blocks are plain tensors."""
    if isinstance(tensor, GgufTensor) and tensor.data.is_floating_point():
        return tensor.data
    if isinstance(tensor, GgufTensor) and tensor.kind == "BF16":  # bytes, as NumPy has no bfloat16
        return tensor.data.view(torch.bfloat16).reshape(tensor.shape)
    return tensor


def _check_dtypes(header: Header, names: Iterable[str], allowed: Collection[str]) -> None:
    """Refuse plain parameters that are no floats."""
    for name in names:
        # Without dtype it is several tensors; its layout's own check has seen them.
        if (dtype := header.dtypes.get(name)) is not None and dtype not in allowed:
            raise ValueError(
                f"{header.name}: {name} is stored as {dtype}; weights are floating-point numbers. "
                "The file is damaged or of a layout that this pack does not know. Download it "
                "again."
            )


def _check_mixtures(header: Header, names: Iterable[str]) -> None:
    """Refuse two kinds of float where files have one."""
    roles: dict[str, dict[str, str]] = {}  # role -> dtype -> one of its parameters
    for name in (name for name in names if name in header.dtypes):
        dtype = header.dtypes[name]
        role = _BLOCK.sub("blocks.*.", name)
        part = "audio" if "audio" in role or ".norm_x." in role else "base"
        if role == name:
            roles.setdefault(f"{part} beside the blocks", {})[dtype] = name
        else:
            roles.setdefault(role, {})[dtype] = name
            roles.setdefault(f"{part} blocks", {})[dtype] = name
    for part in ("audio", "base"):
        inside = roles.pop(f"{part} blocks", {})
        beside = roles.get(f"{part} beside the blocks", {})
        if len(_HALVES & set(inside)) == 1:  # else the file mixes them by role
            beside.update({d: n for d, n in inside.items() if d in _HALVES})
    for found in roles.values():
        for pair in (_HALVES, _FP8):
            if all(dtype in found for dtype in pair):
                first, second = (f"{found[dtype]} is {dtype}" for dtype in sorted(pair))
                raise ValueError(
                    f"{header.name}: {first} but {second}; no converter writes such a mixture, so "
                    "the file is damaged. Download it again."
                )


def _quanto_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    out = {}
    for name, shape in header.shapes.items():
        if name.endswith(".weight._data"):
            out[name.removesuffix("._data")] = shape
        elif name.endswith(".weight._data._data"):
            module = name.removesuffix(".weight._data._data")
            out[f"{module}.weight"] = group_shape(module, header.shapes)
        elif not name.endswith((".weight._scale", ".weight._shift", *_QUANTO_UNUSED)):
            out[name] = shape
    return out


def _scaled_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    """Old convention: `<module>.scale_weight` beside every fp8 matrix."""
    out = {
        name: shape
        for name, shape in header.shapes.items()
        if name != _MARKER and not name.endswith((_OLD_SCALE, _OLD_INPUT))
    }
    for name, shape in header.shapes.items():
        ending = next((end for end in (_OLD_SCALE, _OLD_INPUT) if name.endswith(end)), None)
        if ending is None:
            continue
        matrix = name.removesuffix(ending) + ".weight"
        if matrix not in out or len(out[matrix]) != 2:
            raise ValueError(
                f"{header.name}: {name} has no matrix {matrix} beside it. The file is damaged; "
                "download it again."
            )
        if math.prod(shape) != 1 or header.dtypes[name] not in _FLOATS:
            raise _no_scale(header, name, "one float")
    for name, shape in out.items():
        scale = name.removesuffix(".weight") + _OLD_SCALE
        if header.dtypes[name] in _FP8 and len(shape) == 2 and scale not in header.shapes:
            raise _missing_scale(header.name, name, scale)
    return out


def _no_scale(header: Header, name: str, expected: str) -> ValueError:
    return ValueError(
        f"{header.name}: {name} is {list(header.shapes[name])} of {header.dtypes[name]}; a scale "
        f"is {expected}. The file is damaged; download it again."
    )


def _missing_scale(file: str, matrix: str, scale: str) -> ValueError:
    return ValueError(
        f"{file}: {matrix} is quantised but its scale {scale} is missing, so its values are "
        "unknown. Download the file again."
    )


def _host_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    """The host's convention: `<module>.comfy_quant` or metadata, `<module>.weight_scale` ..."""
    marked = _metadata_layers(header)
    modules = {name.removesuffix(_CONFIG) for name in header.shapes if name.endswith(_CONFIG)}
    out = {}
    for name, shape in header.shapes.items():
        module, _, part = name.rpartition(".")
        if part in _HOST_EXTRAS or name.endswith(_CONFIG):
            if module not in modules and module not in marked:
                raise ValueError(
                    f"{header.name}: {name} belongs to no quantised matrix. The file is damaged; "
                    "download it again."
                )
            continue
        packed = header.dtypes[name] in ("U8", "I8") and len(shape) == 2
        if packed and module not in modules and module not in marked:
            raise _missing_scale(header.name, name, module + _CONFIG)
        out[name] = (shape[0], -1) if packed else shape
    for module in (*modules, *marked):
        if f"{module}.weight" not in header.shapes:
            raise ValueError(
                f"{header.name}: {module} is said to be quantised, but {module}.weight is missing. "
                "Download the file again."
            )
    for module, settings in marked.items():
        check_host_format(header, module, settings)
    return out


def _metadata_layers(header: Header) -> dict[str, dict[str, object]]:
    """Settings of the quantized layers that the metadata tell, by module."""
    if _METADATA not in header.metadata:
        return {}
    try:
        found = json.loads(header.metadata[_METADATA])
        layers = {str(k).removeprefix(header.prefix): dict(v) for k, v in found["layers"].items()}
        version = float(found.get("format_version", 1))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"The list of quantised layers in {header.name} cannot be read. Download it again."
        ) from error
    if not version < 2:
        raise ValueError(
            f"{header.name} has quantised layers of format {version:g}; this pack knows 1. Update "
            "ComfyUI and this pack, or choose an fp8 or 16 bit file."
        )
    return layers


def check_host_format(header: Header, module: str, settings: Mapping[str, object]) -> HostFormat:
    """Refuse a quantized layer that the host cannot read.

    Raises:
        ValueError: If its format is unknown, its matrix has another dtype, or a scale is missing.
    """
    name = settings.get("format")
    known = HOST_FORMATS.get(name) if isinstance(name, str) else None
    if known is None:
        raise ValueError(
            f"{header.name}: {module} has the quantised format {name!r}; known are "
            f"{', '.join(HOST_FORMATS)}. Update ComfyUI and this pack, or choose another file."
        )
    dtype = header.dtypes.get(f"{module}.weight")
    if dtype not in known.dtypes:
        raise ValueError(
            f"{header.name}: {module}.weight is {dtype}, but its format {name} needs "
            f"{' or '.join(known.dtypes)}. The file is damaged; download it again."
        )
    for scale in known.scales:
        if f"{module}.{scale}" not in header.shapes:
            raise _missing_scale(header.name, f"{module}.weight", f"{module}.{scale}")
    if not (known.blocks or known.packed):
        _check_plain_scales(header, module)
    return known


def _check_plain_scales(header: Header, module: str) -> None:
    rows = header.shapes[f"{module}.weight"][:1]
    for name in (f"{module}.weight_scale", f"{module}.input_scale"):
        shape = header.shapes.get(name, ())
        fits = math.prod(shape) == 1 or shape in (rows, (*rows, 1))
        if not fits or header.dtypes.get(name, "F32") not in _FLOATS:
            raise _no_scale(header, name, "one float, or one per row")


def _collect_host(header: Header, tensors: Mapping[str, Tensor]) -> dict[str, Stored]:
    settings = _metadata_layers(header)
    for name, tensor in tensors.items():
        if name.endswith(_CONFIG):
            settings[name.removesuffix(_CONFIG)] = _read_settings(header, name, tensor)
    out: dict[str, Stored] = {}
    for name, tensor in tensors.items():
        module, _, part = name.rpartition(".")
        if part in _HOST_EXTRAS or name.endswith(_CONFIG):
            continue
        if part != "weight" or module not in settings:
            out[name] = tensor
            continue
        check_host_format(header, module, settings[module])
        extras = {extra: tensors.get(f"{module}.{extra}") for extra in _HOST_EXTRAS}
        found = {extra: scale for extra, scale in extras.items() if scale is not None}
        stored = _FP8_OF.get(str(settings[module]["format"]))
        # The host would take bytes for numbers.
        matrix = tensor.view(stored) if stored and tensor.dtype == torch.uint8 else tensor
        out[name] = HostQuantized(settings=settings[module], tensors={"weight": matrix, **found})
    return out


def _read_settings(header: Header, name: str, tensor: Tensor) -> dict[str, object]:
    try:
        return dict(json.loads(bytes(tensor.to(torch.uint8).flatten().tolist())))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{header.name}: {name} cannot be read. Download it again.") from error


def _collect_scaled(tensors: Mapping[str, Tensor]) -> dict[str, Stored]:
    marker = tensors.get(_MARKER)
    full = {"full_precision_matrix_mult": True} if marker is None or marker.numel() == 2 else {}
    out: dict[str, Stored] = {}
    for name, tensor in tensors.items():
        if name == _MARKER or name.endswith((_OLD_SCALE, _OLD_INPUT)):
            continue
        module = name.removesuffix(".weight")
        scale = tensors.get(module + _OLD_SCALE) if name.endswith(".weight") else None
        if scale is None:
            out[name] = tensor
        elif tensor.dtype in FP8_FORMATS:
            parts = {"weight": tensor, "weight_scale": scale.float().reshape(())}
            heard = tensors.get(module + _OLD_INPUT)
            if heard is not None and heard.item() != 1:
                parts["input_scale"] = heard.float().reshape(())
            settings = {"format": FP8_FORMATS[tensor.dtype], **full}
            out[name] = HostQuantized(settings=settings, tensors=parts)
        else:
            out[name] = tensor if scale.item() == 1 else tensor * scale.to(tensor.dtype)
    return out
