"""Matrices in the quantized formats of the host (ComfyUI).

`<module>.comfy_quant` (JSON as bytes) or a list in the metadata names format and module; beside
`<module>.weight` lie `<module>.weight_scale` and others. Source: checkpoints.md section 4.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from .contents import Shape
from .dtypes import FLOATS, PACKED
from .header import Header
from .pickles import named_tensors

CONFIG_SUFFIX = ".comfy_quant"
METADATA_KEY = "_quantization_metadata"
_EXTRAS = (
    "weight_scale", "weight_scale_2", "input_scale", "pre_quant_scale", "weight_s_rel",
    "weight_s_channel", "weight_codebook",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFormat:
    """A quantized format of the host."""

    dtypes: tuple[str, ...]  # of the matrix in the file
    scales: tuple[str, ...] = ("weight_scale",)  # must lie beside the matrix
    packed: bool = False  # several values in a byte: the matrix has fewer columns
    blocks: bool = False  # a scale for each block of values, not one or one per row
    numbers: torch.dtype | None = None  # that bytes stand for


HOST_FORMATS: dict[str, HostFormat] = {
    "float8_e4m3fn": HostFormat(dtypes=("F8_E4M3", "U8"), numbers=torch.float8_e4m3fn),
    "float8_e5m2": HostFormat(dtypes=("F8_E5M2", "U8"), numbers=torch.float8_e5m2),
    "mxfp8": HostFormat(dtypes=("F8_E4M3", "U8"), blocks=True, numbers=torch.float8_e4m3fn),
    "int8_tensorwise": HostFormat(dtypes=("I8",)),
    "nvfp4": HostFormat(dtypes=("U8",), scales=("weight_scale", "weight_scale_2"), packed=True),
    "convrot_w4a4": HostFormat(dtypes=("I8", "U8"), packed=True),
    "asym_w4a8_int8": HostFormat(dtypes=("I8", "U8"), scales=("weight_s_rel",), packed=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HostQuantized:
    """A matrix in one of the host's formats."""

    settings: Mapping[str, object]  # as `comfy_quant` has them; `format` is one of HOST_FORMATS
    tensors: Mapping[str, Tensor]  # "weight" and its scales


def host_shapes(header: Header) -> dict[str, Shape]:
    """Parameters of a file in the host's formats; packed matrices have -1 columns.

    Raises:
        ValueError: If matrices, scales and settings do not belong together, or the host has no
            such format.
    """
    marked = {**_metadata_layers(header), **_stored_layers(header)}
    configs = (name for name in header.shapes if name.endswith(CONFIG_SUFFIX))
    modules = dict.fromkeys((*(name.removesuffix(CONFIG_SUFFIX) for name in configs), *marked))
    out: dict[str, Shape] = {}
    for name, shape in header.shapes.items():
        module = name.rpartition(".")[0]
        packed = header.dtypes[name] in PACKED and len(shape) == 2
        if _lies_beside(name):
            if module not in modules:
                raise ValueError(
                    f"{header.name}: {name} belongs to no quantised matrix. The file is damaged; "
                    "download it again."
                )
        elif packed and module not in modules:
            raise _missing_scale(header, name, module + CONFIG_SUFFIX)
        else:
            out[name] = (shape[0], -1) if packed else shape
    _require_matrices(header, modules)
    for module, settings in marked.items():
        _check_format(header, module, settings)
    _require_one_reader(header, marked)
    return out


def _require_one_reader(header: Header, marked: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse fp8 with a scale per row, which is read here, beside what only the host reads."""
    ours = [m for m, s in marked.items() if has_rows(s, header.shapes.get(f"{m}.weight_scale"))]
    others = [module for module, settings in marked.items() if not is_simple(settings)]
    if ours and others:
        raise ValueError(
            f"{header.name}: {ours[0]} is stored in fp8 with a scale per row and {others[0]} in "
            f"{marked[others[0]]['format']}, a mixture that this pack does not read. Choose a 16 "
            "bit, fp8 or GGUF file of this model."
        )


def has_rows(settings: Mapping[str, object], scale: Shape | None) -> bool:
    """Whether this is fp8 with several scales: the host multiplies its results by wrong ones."""
    return str(settings["format"]).startswith("float8") and math.prod(scale or ()) != 1


def is_simple(settings: Mapping[str, object]) -> bool:
    """Whether values are stored numbers times a scale, and nothing more."""
    known = ("float8_e4m3fn", "float8_e5m2", "int8_tensorwise")
    return settings["format"] in known and not settings.get("convrot")


def _stored_layers(header: Header) -> dict[str, dict[str, object]]:
    """Settings of the layers that lie in the file as bytes, by module; the file is opened."""
    found: dict[Path, list[tuple[str, str]]] = {}
    for name, (file, stored) in header.sources.items():
        if name.endswith(CONFIG_SUFFIX):
            found.setdefault(file, []).append((name, stored))
    out: dict[str, dict[str, object]] = {}
    for file, names in found.items():
        tensors = _read_few(header, file, [stored for _, stored in names])
        for name, stored in names:
            module = name.removesuffix(CONFIG_SUFFIX)
            out[module] = _read_settings(header, name, tensors[stored])
    return out


def _read_few(header: Header, file: Path, names: Collection[str]) -> dict[str, Tensor]:
    if header.format == "PyTorch":
        tensors = named_tensors(file)
        return {name: tensors[name] for name in names}
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in names}


def _require_matrices(header: Header, modules: Collection[str]) -> None:
    for module in modules:
        if f"{module}.weight" not in header.shapes:
            raise ValueError(
                f"{header.name}: {module} is said to be quantised, but {module}.weight is missing. "
                "Download the file again."
            )


def _lies_beside(name: str) -> bool:
    """Whether a tensor belongs to a quantized matrix and is none."""
    return name.rpartition(".")[2] in _EXTRAS or name.endswith(CONFIG_SUFFIX)


def _metadata_layers(header: Header) -> dict[str, dict[str, object]]:
    """Settings of the quantized layers that the metadata tell, by module."""
    if METADATA_KEY not in header.metadata:
        return {}
    try:
        found = json.loads(header.metadata[METADATA_KEY])
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


def _check_format(header: Header, module: str, settings: Mapping[str, object]) -> HostFormat:
    """Refuse a quantized layer that the host cannot read."""
    name = settings.get("format")
    known = HOST_FORMATS.get(name) if isinstance(name, str) else None
    if known is None:
        raise ValueError(
            f"{header.name}: {module} has the quantised format {str(name)[:40]!r}; known are "
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
            raise _missing_scale(header, f"{module}.weight", f"{module}.{scale}")
    if not (known.blocks or known.packed):
        rows = header.shapes[f"{module}.weight"][:1]
        for scale in (f"{module}.weight_scale", f"{module}.input_scale"):
            shape = header.shapes.get(scale, ())
            fits = math.prod(shape) == 1 or shape in (rows, (*rows, 1))
            if not fits or header.dtypes.get(scale, "F32") not in FLOATS:
                raise _no_scale(header, scale, "one float, or one per row")
    return known


def _no_scale(header: Header, name: str, expected: str) -> ValueError:
    return ValueError(
        f"{header.name}: {name} is {list(header.shapes[name])} of {header.dtypes[name]}; a scale "
        f"is {expected}. The file is damaged; download it again."
    )


def _missing_scale(header: Header, matrix: str, scale: str) -> ValueError:
    return ValueError(
        f"{header.name}: {matrix} is quantised but its scale {scale} is missing, so its values are "
        "unknown. Download the file again."
    )


def collect_host(
    header: Header, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor | HostQuantized]:
    """Put matrices in the host's formats together with their scales; no data is copied.

    Raises:
        ValueError: If settings cannot be read, or the host cannot read a layer.
    """
    settings = _metadata_layers(header)
    for name, tensor in tensors.items():
        if name.endswith(CONFIG_SUFFIX):
            settings[name.removesuffix(CONFIG_SUFFIX)] = _read_settings(header, name, tensor)
    out: dict[str, Tensor | HostQuantized] = {}
    for name, tensor in tensors.items():
        module, _, part = name.rpartition(".")
        if part == "weight" and module in settings:
            numbers = _check_format(header, module, settings[module]).numbers
            if numbers is not None and tensor.dtype == torch.uint8:
                tensor = tensor.view(numbers)  # the host would take bytes for numbers
            extras = {extra: tensors.get(f"{module}.{extra}") for extra in _EXTRAS}
            found = {extra: scale for extra, scale in extras.items() if scale is not None}
            parts = {"weight": tensor, **found}
            out[name] = HostQuantized(settings=settings[module], tensors=parts)
        elif not _lies_beside(name):
            out[name] = tensor
    return out


def _read_settings(header: Header, name: str, tensor: Tensor) -> dict[str, object]:
    try:
        return dict(json.loads(bytes(tensor.to(torch.uint8).flatten().tolist())))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{header.name}: {name} cannot be read. Download it again.") from error
