"""How weights can be quantized while they are loaded: the choices of the widget weight_dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...weights.quanto import QuantoKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantization:
    """How block matrices are quantized while they are loaded."""

    host_format: str | None = None  # one of the host's, or
    quanto_kind: QuantoKind | None = None
    fast: bool = False  # host formats: multiply in 8 bit too, where the GPU can


# The values of the widget weight_dtype.
QUANTIZATIONS: dict[str, Quantization | None] = {
    "default": None,
    "fp8_e4m3fn": Quantization(host_format="float8_e4m3fn"),
    "fp8_e4m3fn_fast": Quantization(host_format="float8_e4m3fn", fast=True),
    "fp8_e5m2": Quantization(host_format="float8_e5m2"),
    "int8": Quantization(host_format="int8_tensorwise", fast=True),
    "quanto_int8": Quantization(quanto_kind="qint8"),
    "quanto_fp8": Quantization(quanto_kind="qfloat8_e4m3fn"),
    "quanto_int4": Quantization(quanto_kind="qint4"),
}
