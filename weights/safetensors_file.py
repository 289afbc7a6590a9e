"""A safetensors file: what it holds, from its beginning alone.

Offsets and sizes are checked in full, so that data can be mapped without fear. The package's
`safe_open` refuses the same damage, but says the same of a cut file and of one with bytes too many,
and neither sizes nor places; people need them, so the header is read here (2,300 tensors in 62 ms;
`safe_open` 39 ms). Source: the safetensors format description.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .contents import Contents, Entry, check_names
from .dtypes import BITS
from .reading import parse_json, require_file

_LENGTH_BYTES = 8
_MAX_HEADER = 100_000_000
_MAX_AXES = 8
_MAX_WORD = 40  # characters of a kind of numbers that is shown


def safetensors_contents(path: Path) -> Contents:
    """One file; ValueError if it is none, damaged, truncated, or holds unknown kinds of numbers."""
    size = require_file(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        fits = length <= min(_MAX_HEADER, size - _LENGTH_BYTES)
        header = file.read(length) if fits else b"damaged"
    try:
        found: dict[str, Any] = parse_json(header.decode("utf-8"))
        check_names(found)
        metadata = dict(found.pop("__metadata__", None) or {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("metadata are texts")
        spans = sorted((*_span(e["data_offsets"]), name) for name, e in found.items())
        entries = {
            name: Entry(shape=_lengths(e["shape"]), dtype=str(e["dtype"])[:_MAX_WORD], file=path)
            for name, e in found.items()
        }
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ValueError(
            f"{path.name} is no safetensors file, or its beginning is damaged. "
            "Choose a .safetensors file, or download it again."
        ) from error
    wanted = _LENGTH_BYTES + length + max((end for _, end, _ in spans), default=0)
    if wanted != size:
        raise ValueError(
            f"{path.name} is {'truncated' if size < wanted else 'damaged'}: it has {size} bytes, "
            f"its header asks for {wanted}. Download it again."
        )
    _check_spans(path.name, spans, entries)
    return Contents(entries=entries, metadata=metadata)


def _lengths(value: Any) -> tuple[int, ...]:
    fits = isinstance(value, list) and len(value) <= _MAX_AXES
    if not fits or not all(type(length) is int and 0 <= length < 2**63 for length in value):
        raise ValueError("a shape is a list of lengths")
    return tuple(value)


def _span(value: Any) -> tuple[int, int]:
    start, end = _lengths(value)
    return start, end


def _check_spans(
    name: str, spans: Iterable[tuple[int, int, str]], entries: Mapping[str, Entry]
) -> None:
    """Refuse tensors that overlap, leave holes, or have another size than their shape asks for."""
    position = 0
    for start, end, key in spans:
        entry = entries[key]
        if entry.dtype not in BITS:
            raise ValueError(
                f"{name}: {key} is stored as {entry.dtype!r}, a form of numbers that is unknown. "
                "Download the file again; if it is newer than this pack, update the pack."
            )
        wanted = -(-math.prod(entry.shape) * BITS[entry.dtype] // 8)
        if start != position or end - start != wanted:
            raise ValueError(
                f"{name} is damaged: {key} takes the bytes {start} to {end}, but its shape "
                f"{list(entry.shape)} of {entry.dtype} needs {wanted} bytes from {position}. "
                "Download it again."
            )
        position = end
