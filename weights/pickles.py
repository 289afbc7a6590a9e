"""PyTorch files, read safely: nothing but tensors is ever unpickled, and damage is noticed."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from .contents import Contents, Entry
from .dtypes import NAMES

_ZIP = b"PK\3\4"  # how files begin since PyTorch 1.6
_OTHER = "is never opened. Choose the .safetensors file of this model."


def pickle_contents(path: Path) -> Contents:
    """What a PyTorch file holds; ValueError as `read_pickle`, or for an unknown kind of numbers."""
    entries = {}
    for name, tensor in named_tensors(path).items():
        dtype = NAMES.get(tensor.dtype)
        if dtype is None:
            raise ValueError(
                f"{path.name}: {name} is stored as {tensor.dtype}, a form of numbers that is "
                "unknown. Choose the .safetensors file of this model."
            )
        entries[name] = Entry(shape=tuple(tensor.shape), dtype=dtype, file=path)
    return Contents(entries=entries, metadata={})


def named_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a PyTorch file by dotted names, mapped; other values are left out."""
    value = read_pickle(path)
    inner = value.get("state_dict") if isinstance(value, dict) else None
    return flatten(value if inner is None else inner)


def read_pickle(path: Path, *, other: str = _OTHER) -> object:
    """Load a PyTorch file of tensors, or dictionaries and lists of such; mapped from format 1.6 on.

    `other` is how the sentence goes on that refuses a file with anything else in it.

    Raises:
        ValueError: If the file is damaged, of another kind, or holds more than tensors.
    """
    try:
        mapped = _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path.name} is no PyTorch file, or holds more than tensors; anything else could be "
            f"a program, and {other}"
        ) from error
    except (
        RuntimeError, EOFError, ValueError, TypeError, LookupError, OSError, AttributeError,
        AssertionError, OverflowError, MemoryError, struct.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{path.name} is no PyTorch file, or is damaged. Download it again."
        ) from error


def _check_archive(path: Path) -> bool:
    """Whether a file is a zip archive, which can be mapped.

    One whose table does not fit its records is refused: PyTorch looks at no checksum.
    """
    with path.open("rb") as file:
        if file.read(4) != _ZIP:
            return False  # the format before 1.6, or another kind of file
        with zipfile.ZipFile(file) as archive:
            places: tuple[int, ...] = (0,)
            for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
                if record.header_offset not in places or record.compress_type:
                    raise zipfile.BadZipFile(f"{record.filename} does not begin at {places[0]}")
                if record.filename.endswith(".pkl"):
                    archive.read(record)  # compares its checksum
                places = _places_after(record, file)
    return True


def _places_after(record: zipfile.ZipInfo, file: BinaryIO) -> tuple[int, ...]:
    """Where the next record may begin."""
    file.seek(record.header_offset)
    mark, name_length, extra_length = struct.unpack("<4s22x2H", file.read(30))
    name = file.read(name_length).decode("utf-8" if record.flag_bits & 0x800 else "cp437")
    end = file.seek(extra_length + record.compress_size, os.SEEK_CUR)
    if mark != _ZIP or name != record.orig_filename:
        raise zipfile.BadZipFile(f"no record {record.filename} at {record.header_offset}")
    if not record.flag_bits & 8:
        return (end,)
    if file.read(4) != b"PK\7\10":
        raise zipfile.BadZipFile(f"{record.filename} does not end at {end}")
    return end + 16, end + 24  # checksum and two sizes of 4 or 8 bytes


def flatten(
    value: object, prefix: str = "", *, refuse: Callable[[str, object], None] | None = None
) -> dict[str, Tensor]:
    """Tensors of nested dictionaries by dotted names; a lone tensor has the name `tensor`.

    `refuse` is called with name and value of anything else; None leaves it out.
    """
    if isinstance(value, Tensor):
        return {prefix or "tensor": value}
    out: dict[str, Tensor] = {}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            out.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key), refuse=refuse))
    elif refuse is not None:
        refuse(prefix, value)
    return out
