"""Files of weights with names, shapes and kinds that take nearly no disk: all else in them is zero.

A sparse file has its true length; the system keeps only what was written and reads zeros elsewhere.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
# As the library's own list has them.
ORDER = ("U8", "I8", "F8_E5M2", "F8_E4M3", "F16", "BF16", "F32", "F64", "I64")
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
"""By name: kind of number, as a safetensors file or gguf names it, and shape."""


def write_safetensors(path: Path, tensors: Tensors, contents: Mapping[str, bytes] = {}) -> None:
    """Write a safetensors file.

    Args:
        path: The file.
        tensors: What it holds. It lies there as the library safetensors sorts it: by the width
            of a number, widest first, then by name.
        contents: Bytes of those tensors that are not zero.
    """
    entries: dict[str, object] = {}
    places: dict[str, int] = {}
    end = 0
    for name, (kind, shape) in sorted(tensors.items(), key=lambda item: _place(*item)):
        places[name], end = end, end + BYTES[kind] * math.prod(shape)
        offsets = [places[name], end]
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": offsets}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        mark_sparse(path)
        file.write(len(header).to_bytes(8, "little") + header)
        start = file.tell()
        for name, content in contents.items():
            file.seek(start + places[name])
            file.write(content)
        file.truncate(start + end)


def _place(name: str, stored: tuple[str, tuple[int, ...]]) -> tuple[int, int, str]:
    kind = stored[0]
    return -BYTES[kind], -ORDER.index(kind), name


def write_gguf(path: Path, tensors: Tensors) -> None:
    """Write a GGUF file of a WAN network; tensors of more than four axes as converters do."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "wan")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    end = 0
    for name, (kind, shape) in tensors.items():
        number = gguf.GGMLQuantizationType[kind]
        if len(shape) > 4:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(shape))
            shape = (shape[0], math.prod(shape[1:]))
        values, size = gguf.GGML_QUANT_SIZES[number]
        length = math.prod(shape) // values * size
        writer.add_tensor_info(name, list(shape), np.dtype(np.float32), length, raw_dtype=number)
        end += length + -length % writer.data_alignment
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    start = path.stat().st_size
    mark_sparse(path)
    os.truncate(path, start + -start % writer.data_alignment + end)


def mark_sparse(path: Path) -> None:
    """Let a file have holes; only Windows must be asked."""
    if sys.platform == "win32":
        import subprocess

        subprocess.run(["fsutil", "sparse", "setflag", str(path)], check=True)


def is_sparse(path: Path) -> bool:
    """Whether a file takes less than a hundredth of its length on the disk."""
    status = path.stat()
    return getattr(status, "st_blocks", 0) * 512 < status.st_size / 100
