"""Safetensors files larger than the memory, where the library's way to map them is refused.

Linux refuses a copy-on-write mapping larger than memory and swap unless it is told to reserve
nothing; the library does not tell it. A file of 32.8 GB then opens on no machine of 24 GB.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from .dtypes import TORCH
from .gguf_file import map_file


def map_unreserved(path: Path) -> dict[str, Tensor]:
    """Tensors of a file whose header was checked, by name; read when used, and never written."""
    mapped = map_file(path)
    length = int.from_bytes(mapped[:8], "little")
    entries = json.loads(mapped[8 : 8 + length])
    entries.pop("__metadata__", None)
    out: dict[str, Tensor] = {}
    for name, entry in entries.items():
        dtype, shape, start = TORCH[entry["dtype"]], entry["shape"], entry["data_offsets"][0]
        count = math.prod(shape)
        if count == 0:
            out[name] = torch.empty(shape, dtype=dtype)
            continue
        flat = torch.frombuffer(mapped, dtype=dtype, count=count, offset=8 + length + start)
        out[name] = flat.view(shape)
    return out
