"""Scaled fp8 in the old convention: `<module>.scale_weight` beside every fp8 matrix.

It becomes the host's own fp8 format. Source: checkpoints.md section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from .contents import Shape
from .dtypes import FLOATS, FP8, FP8_DTYPES
from .header import Header
from .host_format import HostQuantized, missing_scale, no_scale

MARKER = "scaled_fp8"  # fp8; two elements: multiply in full precision always
SCALE_SUFFIX, _INPUT_SUFFIX = ".scale_weight", ".scale_input"


def scaled_shapes(header: Header) -> dict[str, Shape]:
    """Parameters of a file in scaled fp8.

    Raises:
        ValueError: If a scale has no matrix, a matrix no scale, or a scale is no number.
    """
    out = {name: shape for name, shape in header.shapes.items() if not _lies_beside(name)}
    for name in header.shapes:
        if name != MARKER and _lies_beside(name):
            _check_scale(header, name, out)
    for name, shape in out.items():
        scale = name.removesuffix(".weight") + SCALE_SUFFIX
        if header.dtypes[name] in FP8 and len(shape) == 2 and scale not in header.shapes:
            raise missing_scale(header.name, name, scale)
    return out


def _lies_beside(name: str) -> bool:
    return name == MARKER or name.endswith((SCALE_SUFFIX, _INPUT_SUFFIX))


def _check_scale(header: Header, name: str, parameters: Mapping[str, Shape]) -> None:
    matrix = name.removesuffix(SCALE_SUFFIX).removesuffix(_INPUT_SUFFIX) + ".weight"
    if len(parameters.get(matrix, ())) != 2:
        raise ValueError(
            f"{header.name}: {name} has no matrix {matrix} beside it. The file is damaged; "
            "download it again."
        )
    if math.prod(header.shapes[name]) != 1 or header.dtypes[name] not in FLOATS:
        raise no_scale(header, name, "one float")


def collect_scaled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor | HostQuantized]:
    """Put fp8 matrices together with their scales; other scaled matrices are multiplied."""
    marker = tensors.get(MARKER)
    full = {"full_precision_matrix_mult": True} if marker is None or marker.numel() == 2 else {}
    out: dict[str, Tensor | HostQuantized] = {}
    for name, tensor in tensors.items():
        if _lies_beside(name):
            continue
        module = name.removesuffix(".weight")
        scale = tensors.get(module + SCALE_SUFFIX) if name.endswith(".weight") else None
        if scale is None:
            out[name] = tensor
        elif tensor.dtype in FP8_DTYPES:
            parts = {"weight": tensor, "weight_scale": scale.float().reshape(())}
            heard = tensors.get(module + _INPUT_SUFFIX)
            if heard is not None and heard.item() != 1:
                parts["input_scale"] = heard.float().reshape(())
            settings = {"format": str(tensor.dtype).removeprefix("torch."), **full}
            out[name] = HostQuantized(settings=settings, tensors=parts)
        else:
            out[name] = tensor if scale.item() == 1 else tensor * scale.to(tensor.dtype)
    return out
