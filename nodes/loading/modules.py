"""Files of weights into modules: parameters as the file stores them, nothing copied that fits.

`read_parameters` maps files; `store` turns parameters into a state dict for one of four kinds of
operations; `assign` puts it into a module. At most one tensor is held beside the model: the data
of a file is read when it is used, and a tensor that needs another dtype is converted alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeGuard

import comfy.model_management
import comfy.ops
import comfy.utils
import torch
from comfy.quant_ops import QUANT_ALGOS, QuantizedTensor
from torch import Tensor

from ...multitalk.model.architecture import is_audio_name, is_block_linear, is_known_name
from ...weights.dtypes import FP8_DTYPES
from ...weights.gguf_blocks import dequantize_blocks
from ...weights.gguf_file import GgufTensor
from ...weights.header import Header, open_tensors
from ...weights.host_format import HostQuantized
from ...weights.large_files import map_unreserved
from ...weights.layouts import Stored, collect
from ...weights.quanto import GroupScaled, RowScaled, quantize_weight
from .quantizations import Quantization
from .quantized import QuantizedOps, wrap

logger = logging.getLogger("multitalk.nodes")

_HOST_LAYOUTS = {
    "float8_e4m3fn": "TensorCoreFP8E4M3Layout",
    "float8_e5m2": "TensorCoreFP8E5M2Layout",
    "int8_tensorwise": "TensorWiseINT8Layout",
}

# What the modules of a model must be able to do: hold floats of one dtype, cast floats, hold
# weights in the host's formats, or in ours.
OpsKind = Literal["plain", "cast", "host", "own"]
_KINDS: tuple[OpsKind, ...] = ("plain", "cast", "host", "own")  # each does what those before it do
_SCALES = ("weight_scale", "weight_scale_2", "input_scale", "weight_s_rel")  # stay as they are


@dataclass(frozen=True, kw_only=True, slots=True)
class StateDict:
    """Tensors by name, and what the modules that take them must be able to do."""

    tensors: dict[str, Tensor]
    operations: OpsKind


def read_parameters(header: Header, *, audio: bool) -> dict[str, Stored]:
    """Map one half of a file: the parameters of the audio part or of the base, as it has them.

    What neither has is left out; the report names it.
    """
    parameters = collect(header, open_tensors(header, map_safetensors))
    return {
        name: value for name, value in parameters.items()
        if is_audio_name(name) == audio and is_known_name(name)
    }  # fmt: skip


def map_safetensors(path: Path) -> Mapping[str, Tensor]:
    """Map a file with the host's own reader: its tensors know their place, for its pager.

    Where the system refuses that for want of memory, the file is mapped without a reservation.
    """
    try:
        return comfy.utils.load_torch_file(str(path), safe_load=True)
    except RuntimeError as error:
        if "unable to mmap" not in str(error):
            raise
        return map_unreserved(path)


def store(
    parameters: dict[str, Stored],
    *,
    quantization: Quantization | None,
    dtype: torch.dtype,
    name: str,
) -> StateDict:
    """Turn parameters into a state dict, quantizing what should be.

    Args:
        parameters: Of `read_parameters`; emptied on the way, so that each can be freed.
        quantization: For block matrices of 16 bit or more; quantized ones stay as they are.
        dtype: What the network computes in.
        name: File name, for messages.

    Raises:
        ValueError: If the file mixes layouts that exclude each other.
    """
    _require_formats(parameters, name)
    kinds: set[OpsKind] = {"plain", *map(_needs, parameters.values())}
    if {"own", "host"} <= kinds:
        raise ValueError(
            f"{name}: its matrices are stored in ComfyUI's format and in optimum-quanto's or "
            "GGUF's at once, which no layer can hold. Choose a base and an audio part without "
            "base weights inside."
        )
    # Block matrices that are stored as floats of 16 bit or more.
    names = {key for key, v in parameters.items() if is_block_linear(key) and is_plain(v)}
    if quantization is not None and ("own" if quantization.host_format else "host") in kinds:
        quantization = None  # no layer could hold both
        if names:
            logger.warning(
                "[MultiTalk] %s is quantised in part, in another way than weight_dtype asks for; "
                "it stays as it is.", name
            )  # fmt: skip
    tensors: dict[str, Tensor] = {}
    for key in list(parameters):
        value = parameters.pop(key)
        if quantization is not None and key in names:
            value = _quantize(value, quantization, dtype)
            kinds.add(_needs(value))
        tensors.update(_tensors(key, value, dtype))
    return StateDict(tensors=tensors, operations=max(kinds, key=_KINDS.index))


def _require_formats(parameters: Mapping[str, Stored], name: str) -> None:
    """Refuse formats that this host, older than the pack or without a library, does not have."""
    stored = (value for value in parameters.values() if isinstance(value, HostQuantized))
    unknown = {str(value.settings["format"]) for value in stored} - QUANT_ALGOS.keys()
    if unknown:
        raise ValueError(
            f"{name} holds matrices in the format {', '.join(sorted(unknown))}, which this ComfyUI "
            "does not read. Update ComfyUI with all its packages, or choose an fp8 or 16 bit file."
        )


def _needs(value: Stored) -> OpsKind:
    """What a module must be able to do to hold a parameter."""
    if isinstance(value, HostQuantized):
        return "host"
    if isinstance(value, Tensor):
        return "plain" if is_plain(value) else "cast"
    return "own"


def is_plain(value: Stored) -> TypeGuard[Tensor]:
    """Whether a parameter is stored as floats of 16 bit or more."""
    return isinstance(value, Tensor) and value.dtype not in FP8_DTYPES


def _quantize(
    matrix: Stored, quantization: Quantization, dtype: torch.dtype
) -> HostQuantized | RowScaled | GroupScaled:
    assert isinstance(matrix, Tensor)
    if quantization.quanto_kind is not None:
        small = dtype if dtype in (torch.float16, torch.bfloat16, torch.float32) else torch.bfloat16
        return quantize_weight(matrix.to(small), quantization.quanto_kind)
    assert quantization.host_format is not None
    layout = _HOST_LAYOUTS[quantization.host_format]
    options: dict[str, Any] = {"scale": "recalculate"}
    if quantization.host_format == "int8_tensorwise":
        options = {"per_channel": True}
    made = QuantizedTensor.from_float(matrix.float(), layout, **options)
    settings: dict[str, object] = {"format": quantization.host_format}
    if not quantization.fast:
        settings["full_precision_matrix_mult"] = True
    tensors = {"weight": made._qdata, "weight_scale": made._params.scale}
    return HostQuantized(settings=settings, tensors=tensors)


def _tensors(key: str, value: Stored, dtype: torch.dtype) -> dict[str, Tensor]:
    """What a parameter is called and kept as in a state dict."""
    if isinstance(value, HostQuantized):
        return _host_tensors(key, value)
    if isinstance(value, Tensor):
        return {key: value}
    if isinstance(value, GgufTensor) and len(value.shape) != 2:  # only matrices stay as stored
        shape = tuple(value.shape)
        return {key: dequantize_blocks(value.data, value.kind, shape, torch.float32)}
    return {key: wrap(value, dtype)}


def _host_tensors(key: str, value: HostQuantized) -> dict[str, Tensor]:
    module = key.removesuffix("weight")
    settings = list(json.dumps(dict(value.settings)).encode())
    out = {module + part: tensor for part, tensor in value.tensors.items()}
    return {**out, f"{module}comfy_quant": torch.tensor(settings, dtype=torch.uint8)}


def to_numbers(
    parameters: Mapping[str, Stored], shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Parameters as plain numbers, however they are stored; without a shape they are left out.

    Quantized ones become numbers of `dtype`; plain tensors stay as they are.
    """
    out: dict[str, Tensor] = {}
    for key in parameters.keys() & shapes.keys():
        value = parameters[key]
        if isinstance(value, HostQuantized):
            rows, columns = shapes[key]
            layers = choose_operations("host", dtype, dtype, torch.device("cpu"))
            layer = layers.Linear(columns, rows, bias=False)
            layer.load_state_dict(_host_tensors("weight", value))
            out[key] = layer.weight.dequantize()
        else:
            own = _tensors(key, value, dtype)[key]
            out[key] = own.dequantize() if isinstance(own, QuantizedTensor) else own
    return out


def choose_operations(
    kind: OpsKind, weight_dtype: torch.dtype, compute_dtype: torch.dtype, device: torch.device
) -> Any:
    """The namespace of layers (Linear, LayerNorm, ...) for a state dict of this kind.

    `weight_dtype` is that of the plain parameters; the network computes on `device`.
    """
    if kind == "own":
        return QuantizedOps
    if kind == "host":
        config = SimpleNamespace(quant_config={"mixed_ops": True})
        return comfy.ops.pick_operations(
            weight_dtype, compute_dtype, load_device=device, model_config=config
        )
    return comfy.ops.manual_cast


def meta_or_none(kind: OpsKind) -> torch.device | None:
    """Where to build modules: nowhere, so that no memory is taken before the weights come.

    The host's quantized layers put their weights on the device they were built for.
    """
    return None if kind == "host" else torch.device("meta")


def assign(
    module: torch.nn.Module, state: StateDict, dtype: torch.dtype, *, paged: bool, name: str
) -> None:
    """Put a state dict into a module; the module takes the tensors over.

    Args:
        module: Built by `choose_operations` on `meta_or_none`.
        state: Of `store`; its tensors are converted one by one.
        dtype: Of the plain parameters; those that the module keeps in another stay so.
        paged: The host's dynamic patcher will read and cast from the file itself.
        name: File name, for messages.

    Raises:
        ValueError: If a name or a shape does not fit.
    """
    if not paged:
        _cast_plain(state.tensors, module, dtype)
    try:
        found = module.load_state_dict(state.tensors, strict=False, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"{name} does not fit the network: {error}. Download it again, or choose another."
        ) from error
    lost = [key for key in found.missing_keys if not key.endswith("comfy_quant")]
    if lost or found.unexpected_keys:
        raise ValueError(
            f"{name} does not fit the network. Missing: {_some(lost)}. Unexpected: "
            f"{_some(found.unexpected_keys)}. Download the file again, or choose another."
        )
    module.requires_grad_(requires_grad=False)
    _remember_dtypes(module)


def _cast_plain(tensors: dict[str, Tensor], module: torch.nn.Module, dtype: torch.dtype) -> None:
    own_dtypes = {key: parameter.dtype for key, parameter in module.named_parameters()}
    for key, tensor in tensors.items():
        is_stored = isinstance(tensor, QuantizedTensor) or not tensor.is_floating_point()
        if not (is_stored or key.endswith(_SCALES) or tensor.dtype in FP8_DTYPES):
            tensors[key] = tensor.to(own_dtypes.get(key, dtype))


def _remember_dtypes(module: torch.nn.Module) -> None:
    """Tell the host's pager in which dtype fp8 matrices are kept; the others it knows."""
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.dtype in FP8_DTYPES:
                setattr(layer, f"{name}_comfy_model_dtype", parameter.dtype)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) or "nothing"
