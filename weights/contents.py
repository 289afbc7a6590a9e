"""What single files and sets of parts hold, by format: names, shapes, dtypes, metadata.

Safetensors (one file, or parts named -00001-of-00007 with or without index), GGUF, and PyTorch
files read with `weights_only`. Offsets and sizes are checked in full, so that data can be mapped
without fear. Source: checkpoints.md sections 1 and 5; the safetensors format description.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

BASE_KEY = "head.modulation"
AUDIO_KEY = "audio_proj.proj1.weight"
PICKLE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
SAFETENSORS_SUFFIXES = (".safetensors", ".sft")
GGUF_SUFFIX = ".gguf"

_LENGTH_BYTES = 8
_MAX_HEADER = 100_000_000
_MAX_AXES = 8
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
_DTYPE_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int8: "I8",
    torch.uint8: "U8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
    torch.bool: "BOOL",
}  # fmt: skip
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")
_INDEX_SUFFIX = ".safetensors.index.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One tensor of one file."""

    shape: tuple[int, ...]
    dtype: str
    file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """All tensors of a file or a set of parts."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def gguf_contents(path: Path) -> Contents:
    """A GGUF file."""
    from .gguf_file import read_gguf  # here, so that listing files needs none of it

    tensors, metadata = read_gguf(path)
    entries = {
        name: Entry(shape=tuple(tensor.shape), dtype=tensor.kind, file=path)
        for name, tensor in tensors.items()
    }
    return Contents(entries=entries, metadata=metadata)


def safetensors_contents(path: Path) -> Contents:
    """One safetensors file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(_MAX_HEADER, size - _LENGTH_BYTES):
            raise ValueError(_unreadable(path.name))
        try:
            found: dict[str, Any] = json.loads(file.read(length).decode("utf-8"))
            metadata = dict(found.pop("__metadata__", None) or {})
            if not all(isinstance(value, str) for value in metadata.values()):
                raise ValueError("metadata are texts")
            spans = sorted((*_span(e["data_offsets"]), name) for name, e in found.items())
            entries = {
                name: Entry(shape=_lengths(e["shape"]), dtype=str(e["dtype"]), file=path)
                for name, e in found.items()
            }
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise ValueError(_unreadable(path.name)) from error
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
        if entry.dtype not in _BITS:
            raise ValueError(
                f"{name}: {key} is stored as {entry.dtype!r}, a form of numbers that is unknown. "
                "Download the file again; if it is newer than this pack, update the pack."
            )
        wanted = -(-math.prod(entry.shape) * _BITS[entry.dtype] // 8)
        if start != position or end - start != wanted:
            raise ValueError(
                f"{name} is damaged: {key} takes the bytes {start} to {end}, but its shape "
                f"{list(entry.shape)} of {entry.dtype} needs {wanted} bytes from {position}. "
                "Download it again."
            )
        position = end


def _unreadable(name: str) -> str:
    return (
        f"{name} is no safetensors file, or its beginning is damaged. "
        "Choose a .safetensors file, or download it again."
    )


def is_part(name: str) -> bool:
    """Whether a file name is one of several parts of a model."""
    return _PART.fullmatch(name) is not None


def is_later_part(name: str) -> bool:
    """Whether a file name is a part of several, but not the first."""
    match = _PART.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    return match is not None and int(match["number"]) != 1


def files_of(path: Path) -> list[Path]:
    """All files that are read with this one: the other parts of a model and their index."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    parts = path.parent.glob(f"*-of-{match['count']}.safetensors")
    return sorted({path, *parts, *path.parent.glob("*" + _INDEX_SUFFIX)})


def model_files(path: Path) -> list[Path]:
    """The files whose tensors are read for this one: itself, or all parts of the model.

    Raises:
        ValueError: If a part is missing or the index cannot be used.
    """
    if not is_part(path.name):
        return [path]
    index = _find_index(path)
    names = _numbered_parts(path) if index is None else _indexed_parts(path, *index)
    return [path.with_name(name) for name in names]


def parts_contents(path: Path) -> Contents:
    """All parts of a sharded model: by the index if there is one, else by their names."""
    index = _find_index(path)
    if index is not None:
        return _indexed_contents(path, *index)
    merged = Contents(entries={}, metadata={})
    for name in _numbered_parts(path):  # later files win
        part = safetensors_contents(path.with_name(name))
        merged.entries.update(part.entries)
        merged.metadata.update(part.metadata)
    return merged


def _numbered_parts(path: Path) -> list[str]:
    """All parts by their names, and an audio part beside them."""
    match = _PART.fullmatch(path.name)
    assert match is not None, path.name
    count = int(match["count"])
    names = [f"{match['stem']}-{n:05}-of-{match['count']}.safetensors" for n in range(1, count + 1)]
    _require_parts(path, names)
    return [*names, *_audio_beside(path, names)]


def _find_index(path: Path) -> tuple[Path, dict[str, str]] | None:
    """The index in the folder that names this part, and its map of tensors to files."""
    for file in sorted(path.parent.glob("*" + _INDEX_SUFFIX)):
        try:
            names = json.loads(file.read_text("utf-8"))["weight_map"]
            places = {str(tensor): str(part) for tensor, part in names.items()}
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{file.name} beside {path.name} is no index of tensors. Download it again, or "
                "delete it: the parts are found by their names too."
            ) from error
        if path.name in places.values():
            return file, places
    return None


def _indexed_parts(path: Path, index: Path, places: Mapping[str, str]) -> list[str]:
    """All parts that an index names."""
    names = list(dict.fromkeys(places.values()))
    outside = [name for name in names if not name or Path(name).name != name]
    if outside:
        raise ValueError(
            f"{index.name} names a file outside its folder: {outside[0]!r}. Put all parts into one "
            "folder and correct the index, or delete it."
        )
    _require_parts(path, names)
    return names


def _indexed_contents(path: Path, index: Path, places: Mapping[str, str]) -> Contents:
    names = _indexed_parts(path, index, places)
    parts = {name: safetensors_contents(path.with_name(name)) for name in names}
    lost = [tensor for tensor, name in places.items() if tensor not in parts[name].entries]
    if lost:
        raise ValueError(
            f"{index.name} says that {lost[0]} lies in {places[lost[0]]}, but it does not "
            f"({len(lost)} such tensors). Download index and parts of the same model."
        )
    metadata = {key: value for part in parts.values() for key, value in part.metadata.items()}
    entries = {tensor: parts[name].entries[tensor] for tensor, name in places.items()}
    return Contents(entries=entries, metadata=metadata)


def _require_parts(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise ValueError(
            f"{path.name} is one of {len(names)} parts, and {len(missing)} are missing: "
            f"{', '.join(missing[:3])}. Download them into the same folder."
        )


def _audio_beside(path: Path, parts: Iterable[str]) -> list[str]:
    """The audio part in the same folder, if exactly one lies there."""
    parts = set(parts)
    others = [f for f in sorted(path.parent.glob("*.safetensors")) if f.name not in parts]
    found = [file.name for file in others if _is_audio_part(file)]
    return found if len(found) == 1 else []


def _is_audio_part(path: Path) -> bool:
    try:
        names = safetensors_contents(path).entries
    except ValueError:
        return False  # a damaged neighbour is no reason to refuse these parts
    return AUDIO_KEY in names and BASE_KEY not in names


def pickle_contents(path: Path) -> Contents:
    """A PyTorch file."""
    entries = {}
    for name, tensor in named_tensors(path).items():
        dtype = _DTYPE_NAMES.get(tensor.dtype)
        if dtype is None:
            raise ValueError(
                f"{path.name}: {name} is stored as {tensor.dtype}, a form of numbers that is "
                "unknown. Choose the .safetensors file of this model."
            )
        entries[name] = Entry(shape=tuple(tensor.shape), dtype=dtype, file=path)
    return Contents(entries=entries, metadata={})


def named_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a PyTorch file by dotted names, mapped."""
    return _flatten(_unpickle(path))


def _unpickle(path: Path) -> object:
    """Load a PyTorch file that holds tensors only; mapped unless it is of the format before 1.6."""
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        _check_archive(path)
        try:
            value = torch.load(path, mmap=True, **options)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            value = torch.load(path, **options)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path.name} is no PyTorch file, or holds more than tensors; anything else could be "
            "a program, and is never opened. Choose the .safetensors file of this model."
        ) from error
    except (
        RuntimeError, EOFError, ValueError, TypeError, LookupError, OSError, AttributeError,
        AssertionError, OverflowError, MemoryError, struct.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{path.name} is no PyTorch file, or is damaged. Download it again."
        ) from error
    inner = value.get("state_dict") if isinstance(value, dict) else None
    return value if inner is None else inner


def _check_archive(path: Path) -> None:
    """Refuse a zip archive whose table does not fit its records: PyTorch looks at no checksum."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return  # the format before 1.6, or another kind of file
        with zipfile.ZipFile(file) as archive:
            places: tuple[int, ...] = (0,)
            for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
                if record.header_offset not in places or record.compress_type:
                    raise zipfile.BadZipFile(f"{record.filename} does not begin at {places[0]}")
                if record.filename.endswith(".pkl"):
                    archive.read(record)  # compares its checksum
                places = _places_after(record, file)


def _places_after(record: zipfile.ZipInfo, file: BinaryIO) -> tuple[int, ...]:
    """Where the next record may begin."""
    file.seek(record.header_offset)
    mark, name_length, extra_length = struct.unpack("<4s22x2H", file.read(30))
    name = file.read(name_length).decode("utf-8" if record.flag_bits & 0x800 else "cp437")
    end = file.seek(extra_length + record.compress_size, os.SEEK_CUR)
    if mark != b"PK\3\4" or name != record.orig_filename:
        raise zipfile.BadZipFile(f"no record {record.filename} at {record.header_offset}")
    if not record.flag_bits & 8:
        return (end,)
    if file.read(4) != b"PK\7\10":
        raise zipfile.BadZipFile(f"{record.filename} does not end at {end}")
    return end + 16, end + 24  # checksum and two sizes of 4 or 8 bytes


def _flatten(value: object, prefix: str = "") -> dict[str, Tensor]:
    """Tensors of nested dictionaries by dotted names."""
    if isinstance(value, Tensor):
        return {prefix or "tensor": value}
    if not isinstance(value, Mapping):
        return {}
    out: dict[str, Tensor] = {}
    for key, inner in value.items():
        out.update(_flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return out
