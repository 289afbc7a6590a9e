"""GGUF files: what they hold, from their beginning alone, and their tensors, mapped lazily.

The beginning is walked here and not by the package's GGUFReader, which follows a damaged count
through the whole file; the package tells names and block sizes of the kinds. Versions 2 and 3.

Source: the GGUF specification of ggml; checkpoints.md section 5.
"""

from __future__ import annotations

import math
import mmap
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .contents import check_names
from .dtypes import FLOATS, TORCH, WHOLE
from .gguf_blocks import require_gguf
from .reading import require_file

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)  # they differ in the byte order that is allowed
_FIXED = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of fields
_MIN_TENSOR_BYTES = 24  # of its entry: name length, number of axes, kind, offset
_MIN_FIELD_BYTES = 13  # name length, kind of value, value
_MAX_BEGINNING = 100_000_000
_MAX_AXES = 8
_MAX_TEXTS = 1_000_000  # of one list; vocabularies have a quarter of that
_MIN_ALIGNMENT = 8
_ALIGNMENT = 32  # where the file states none
_SHAPE_KEY = "comfy.gguf.orig_shape."
_NUMBERS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_PLAIN = (FLOATS | WHOLE) - {"BF16"}  # BF16 comes as bytes, as from the package
# Linux refuses a copy-on-write mapping larger than the memory unless told to reserve nothing;
# Python names the flag from 3.13 on.
_RESERVE_NOTHING = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)

_Value = int | float | bool | str | tuple[int | float, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GgufTensor:
    """A tensor of a GGUF file; the data is mapped from the file and read when it is used."""

    shape: tuple[int, ...]  # of the values
    kind: str  # as in gguf.GGMLQuantizationType
    data: Tensor  # the values [*shape] of plain kinds, else blocks [..., bytes of a row] uint8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """Where a tensor lies."""

    shape: tuple[int, ...]  # as stored, slowest axis first
    kind: str
    row_bytes: int
    num_bytes: int
    offset: int  # from the beginning of the data


@dataclass(kw_only=True, slots=True)
class _Cursor:
    """A place in the beginning of a file; whatever reaches beyond the end is damage."""

    buffer: mmap.mmap
    end: int
    position: int = _FIXED.size

    def take(self, num_bytes: int) -> int:
        start = self.position
        if num_bytes > self.end - start:
            raise ValueError(f"{num_bytes} bytes at {start} reach beyond the end")
        self.position = start + num_bytes
        return start

    def number(self, code: str) -> Any:
        code = "<" + code
        return struct.unpack_from(code, self.buffer, self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        start = self.take(self.number("Q"))
        try:
            return self.buffer[start : self.position].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"the text at {start} is not UTF-8") from error


def read_gguf(path: Path) -> tuple[dict[str, GgufTensor], dict[str, str]]:
    """Map a GGUF file into memory: its tensors by name, and its metadata without lists.

    Raises:
        ValueError: If it is no GGUF file, of an unknown version, damaged or truncated.
        RuntimeError: If the package gguf is not installed.
    """
    num_tensors, num_fields = _check_fixed_part(path)
    gguf = require_gguf()
    kinds = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    mapped = map_file(path)
    cursor = _Cursor(buffer=mapped, end=min(len(mapped), _MAX_BEGINNING))
    try:
        fields = _read_fields(cursor, num_fields)
        entries = _read_entries(cursor, num_tensors, kinds)
        start = _find_data(cursor.position, fields, entries.values())
        check_names(entries)
        shapes = {name: _shape(name, entry, fields) for name, entry in entries.items()}
    except ValueError as error:
        raise ValueError(
            f"{path.name} cannot be read: {error}. Download it again; if it is newer than the "
            "package gguf, update that: pip install --upgrade gguf"
        ) from error
    wanted = start + max((entry.offset + entry.num_bytes for entry in entries.values()), default=0)
    if entries and not wanted <= len(mapped) < wanted + _alignment(fields):
        raise ValueError(
            f"{path.name} is {'truncated' if len(mapped) < wanted else 'damaged'}: it has "
            f"{len(mapped)} bytes, its beginning asks for {wanted}. Download it again."
        )
    content = torch.frombuffer(mapped, dtype=torch.uint8)
    tensors = {
        name: GgufTensor(
            shape=shapes[name], kind=entry.kind, data=_data(content[start:], entry, shapes[name])
        )
        for name, entry in entries.items()
    }
    return tensors, {key: str(v) for key, v in fields.items() if not isinstance(v, tuple)}


def _check_fixed_part(path: Path) -> tuple[int, int]:
    """Number of tensors and of metadata fields, believed only if the file has room for them."""
    size = require_file(path)
    with path.open("rb") as file:
        fixed = file.read(_FIXED.size)
    if len(fixed) < _FIXED.size or not fixed.startswith(_MAGIC):
        raise ValueError(
            f"{path.name} is no GGUF file, or its beginning is damaged. "
            "Choose a .gguf file, or download it again."
        )
    _, version, num_tensors, num_fields = _FIXED.unpack(fixed)
    if version not in _VERSIONS:
        found = "for big-endian machines" if version & 0xFFFF == 0 else f"of version {version}"
        raise ValueError(
            f"{path.name} is a GGUF file {found}; versions {_VERSIONS[0]} and "
            f"{_VERSIONS[1]} are known. If the file is newer, update this pack and the package "
            "gguf (pip install --upgrade gguf); otherwise choose another file."
        )
    room = size - _FIXED.size
    if num_tensors * _MIN_TENSOR_BYTES + num_fields * _MIN_FIELD_BYTES > room:
        raise ValueError(
            f"{path.name} is damaged or truncated: it claims {num_tensors} tensors and "
            f"{num_fields} metadata fields in {room} bytes. Download it again."
        )
    return num_tensors, num_fields


def map_file(path: Path) -> mmap.mmap:
    """The whole file, read when used; writes stay in memory and never reach the file."""
    with path.open("rb") as file:
        if sys.platform == "win32":
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        flags, allowed = mmap.MAP_PRIVATE | _RESERVE_NOTHING, mmap.PROT_READ | mmap.PROT_WRITE
        return mmap.mmap(file.fileno(), 0, flags=flags, prot=allowed)


def _read_fields(cursor: _Cursor, count: int) -> dict[str, _Value]:
    """Metadata; lists of strings and long lists come back empty."""
    fields: dict[str, _Value] = {}
    for _ in range(count):
        key = cursor.text()
        if key in fields:
            raise ValueError(f"the metadata key {key!r} occurs twice")
        fields[key] = _read_value(cursor)
    return fields


def _read_value(cursor: _Cursor) -> _Value:
    kind = cursor.number("I")
    if kind == _STRING:
        return cursor.text()
    if kind != _ARRAY:
        return cursor.number(_number_code(kind))
    kind, count = cursor.number("I"), cursor.number("Q")
    if kind == _STRING:
        if count > (cursor.end - cursor.position) // 8:  # each has its length before it
            raise ValueError(f"the {count} texts of a list reach beyond the end")
        if count > _MAX_TEXTS:
            raise ValueError(f"a list in the metadata claims {count} texts")
        for _ in range(count):
            cursor.take(cursor.number("Q"))
        return ()
    code = _number_code(kind)
    start = cursor.take(count * struct.calcsize("<" + code))
    return struct.unpack_from(f"<{count}{code}", cursor.buffer, start) if count <= _MAX_AXES else ()


def _number_code(kind: int) -> str:
    if kind not in _NUMBERS:
        raise ValueError(f"the metadata hold a value of the unknown kind {kind}")
    return _NUMBERS[kind]


def _read_entries(
    cursor: _Cursor, count: int, kinds: Mapping[int, tuple[str, int, int]]
) -> dict[str, _Entry]:
    """Entries by name; `kinds` are names, values and bytes of a block by number."""
    entries: dict[str, _Entry] = {}
    for _ in range(count):
        name = cursor.text()
        if name in entries:
            raise ValueError(f"the tensor {name!r} occurs twice")
        num_axes = cursor.number("I")
        if num_axes > _MAX_AXES:
            raise ValueError(f"the tensor {name!r} has {num_axes} axes, more than {_MAX_AXES}")
        shape = tuple(cursor.number("Q") for _ in range(num_axes))[::-1]
        number, offset = cursor.number("I"), cursor.number("Q")
        if number not in kinds:
            raise ValueError(f"the tensor {name!r} is of kind {number}, unknown to package gguf")
        kind, block_values, block_bytes = kinds[number]
        width = shape[-1] if shape else 1
        if 0 in shape or width % block_values:
            raise ValueError(f"the shape {list(shape)} of {name!r} holds no blocks of {kind}")
        row_bytes = width // block_values * block_bytes
        size = math.prod(shape[:-1]) * row_bytes
        entries[name] = _Entry(
            shape=shape, kind=kind, row_bytes=row_bytes, num_bytes=size, offset=offset
        )
    return entries


def _find_data(position: int, fields: Mapping[str, _Value], entries: Iterable[_Entry]) -> int:
    """Where the data begin; tensors that overlap or leave more room than padding are refused."""
    alignment, begin = _alignment(fields), 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset != begin:
            raise ValueError(f"a tensor begins at {entry.offset}, where none can begin")
        begin = _align(entry.offset + entry.num_bytes, alignment)
    return _align(position, alignment)


def _alignment(fields: Mapping[str, _Value]) -> int:
    alignment = fields.get("general.alignment", _ALIGNMENT)
    if type(alignment) is not int or alignment < _MIN_ALIGNMENT or alignment & (alignment - 1):
        raise ValueError(f"the alignment is {alignment!r}, no power of two from {_MIN_ALIGNMENT}")
    return alignment


def _align(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _shape(name: str, entry: _Entry, fields: Mapping[str, _Value]) -> tuple[int, ...]:
    """The shape before it was changed for the file."""
    stated = fields.get(_SHAPE_KEY + name)
    if stated is None:
        return entry.shape
    found = stated if isinstance(stated, tuple) else ()
    lengths = tuple(n for n in found if type(n) is int)  # an infinite one is no length
    if len(lengths) != len(found):
        lengths = ()
    if min(lengths, default=0) < 1 or math.prod(lengths) != math.prod(entry.shape):
        raise ValueError(f"{name!r} of shape {list(entry.shape)} was never of shape {stated}")
    return lengths


def _data(content: Tensor, entry: _Entry, shape: tuple[int, ...]) -> Tensor:
    """Values or blocks, as views of the mapped data."""
    data = content[entry.offset : entry.offset + entry.num_bytes]
    if entry.kind in _PLAIN:
        return data.view(TORCH[entry.kind]).reshape(shape)
    return data.reshape(*entry.shape[:-1], entry.row_bytes)
