"""Kinds of numbers: their names in safetensors files, torch's dtypes for them, sets that matter."""

from __future__ import annotations

import torch

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
TORCH = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I8": torch.int8,
    "U8": torch.uint8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
    "BOOL": torch.bool,
}  # fmt: skip
NAMES = {dtype: name for name, dtype in TORCH.items()}

HALVES = frozenset({"F16", "BF16"})
FLOATS = frozenset({"F64", "F32"}) | HALVES
FP8 = frozenset({"F8_E4M3", "F8_E5M2"})
FP8_DTYPES = (torch.float8_e4m3fn, torch.float8_e5m2)
WHOLE = frozenset({"I8", "I16", "I32", "I64"})
PACKED = frozenset({"U8", "I8"})  # may hold several values in a byte
