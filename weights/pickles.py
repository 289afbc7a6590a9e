"""PyTorch files, read safely: nothing but tensors is ever unpickled, and damage is noticed.

What a file builds is bounded by its size: see `pickle_scan` for what torch.load would build, and
`flatten` for dictionaries that hold themselves or each other over and over.
"""

from __future__ import annotations

import mmap
import os
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from .contents import Contents, Entry, check_names
from .dtypes import NAMES
from .pickle_scan import check_pickle
from .reading import require_file

_ZIP = b"PK\3\4"  # how files begin since PyTorch 1.6
_OTHER = "is never opened. Choose the .safetensors file of this model."
_SAFE_TORCH = (2, 6)  # before it weights_only could be got round (CVE-2025-32434)
_OLD_PICKLES = 5  # of the format before 1.6: two numbers, the machine, the tensors, their data
_MAX_PICKLE = 100_000_000  # bytes
_MAX_DEPTH, _MAX_ENTRIES = 50, 100_000  # of dictionaries in dictionaries


def pickle_contents(path: Path) -> Contents:
    """What a PyTorch file holds; ValueError as `read_pickle`, or for an unknown kind of numbers."""
    entries = {}
    for name, tensor in named_tensors(path).items():
        dtype = NAMES.get(tensor.dtype)
        if dtype is None:
            raise ValueError(
                f"{path.name}: {name} is stored as {str(tensor.dtype).removeprefix('torch.')}, a "
                "form of numbers that is unknown. Choose the .safetensors file of this model."
            )
        entries[name] = Entry(shape=tuple(tensor.shape), dtype=dtype, file=path)
    return Contents(entries=entries, metadata={})


def named_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a PyTorch file by dotted names, mapped; other values are left out."""
    value = read_pickle(path)
    inner = value.get("state_dict") if isinstance(value, dict) else None
    return flatten(value if inner is None else inner, path.name)


def read_pickle(path: Path, *, other: str = _OTHER) -> object:
    """Load a PyTorch file of tensors, or dictionaries and lists of such; mapped from format 1.6 on.

    `other` is how the sentence goes on that refuses a file with anything else in it.

    Raises:
        ValueError: If the file is damaged, of another kind, or holds more than tensors; and if the
            installed PyTorch cannot open such files safely.
    """
    size = require_file(path)
    _require_safe_torch(path.name)
    try:
        mapped = _check_archive(path)
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
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
    _check_tensors(path.name, value, size)
    return value


def _require_safe_torch(name: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if found is None or (int(found[1]), int(found[2])) < _SAFE_TORCH:
        raise ValueError(
            f"{name} is a PyTorch file, and PyTorch {torch.__version__} cannot open such files "
            f"safely (CVE-2025-32434). Update PyTorch to {_SAFE_TORCH[0]}.{_SAFE_TORCH[1]} or "
            "newer, or choose the .safetensors file of this model."
        )


def _check_tensors(name: str, value: object, size: int) -> None:
    """Refuse tensors whose numbers do not lie in the file."""
    storages: dict[int, int] = {}
    for key, tensor in _walk(value, name):
        if not isinstance(tensor, Tensor):
            continue
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        held = tensor.untyped_storage() if plain and not tensor.is_quantized else None
        there = 0 if held is None else held.nbytes()
        if held is None or tensor.nbytes > there:
            raise ValueError(
                f"{name}: {key} is no plain tensor, its numbers are not in the file one by one. "
                "Choose the .safetensors file of this model."
            )
        storages[held.data_ptr()] = there
    if sum(storages.values()) > size:
        raise ValueError(
            f"{name} is damaged: its tensors have {sum(storages.values())} bytes, the file {size}. "
            "Download it again."
        )


def _check_archive(path: Path) -> bool:
    """Whether a file is a zip archive, which can be mapped.

    One whose table does not fit its records is refused: PyTorch looks at no checksum.
    """
    with path.open("rb") as file:
        if file.read(4) != _ZIP:
            _check_old(file)
            return False
        with zipfile.ZipFile(file) as archive:
            places: tuple[int, ...] = (0,)
            for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
                if record.header_offset not in places or record.compress_type:
                    raise zipfile.BadZipFile(f"{record.filename} does not begin at {places[0]}")
                if record.filename.lower().endswith(".pkl"):  # PyTorch finds X/DATA.PKL too
                    if record.file_size > _MAX_PICKLE:
                        raise zipfile.BadZipFile(f"{record.filename} is too large")
                    check_pickle(archive.read(record))  # compares its checksum
                places = _places_after(record, file)
    return True


def _check_old(file: BinaryIO) -> None:
    """Look through the pickles of the format before 1.6; the oldest, a tar archive, is refused."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:"):
            raise pickle.UnpicklingError("a tar archive")
    except tarfile.TarError:
        file.seek(0)
    if not file.read(1):
        raise EOFError("an empty file")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = 0
        for _ in range(_OLD_PICKLES):
            place = check_pickle(data, place)


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
    value: object, name: str, *, refuse: Callable[[str, object], None] | None = None
) -> dict[str, Tensor]:
    """Tensors of nested dictionaries by dotted names; a lone tensor has the name `tensor`.

    Args:
        value: What a file holds.
        name: File name, for messages.
        refuse: Called with dotted name and value of anything else; None leaves it out.

    Raises:
        ValueError: If dictionaries are nested deeper than in any model, hold themselves, or one
            dotted name is there twice.
    """
    out: dict[str, Tensor] = {}
    for key, inner in _walk(value, name):
        if not isinstance(inner, Tensor):
            if refuse is not None:
                refuse(key, inner)
        elif (key or "tensor") in out:
            raise ValueError(f"{name} holds {key} twice. Choose the .safetensors file of it.")
        else:
            out[key or "tensor"] = inner
    try:
        check_names(out)
    except ValueError as error:
        raise ValueError(
            f"{name} names a tensor as no model does ({error}). Download it again."
        ) from error
    return out


def _walk(value: object, name: str) -> Iterator[tuple[str, object]]:
    """Everything in nested dictionaries but these, by dotted names, in order.

    A dictionary that is there several times is walked as often, but not without end: a few
    hundred bytes can hold 2^40 ways to one tensor.
    """
    if not isinstance(value, Mapping):
        yield "", value
        return
    seen = 0
    levels: list[tuple[str, Iterator[tuple[object, object]]]] = [("", iter(value.items()))]
    while levels:
        prefix, items = levels[-1]
        item = next(items, None)
        if item is None:
            levels.pop()
            continue
        seen += 1
        key, inner = item
        if seen > _MAX_ENTRIES or len(levels) > _MAX_DEPTH:
            raise ValueError(
                f"{name} holds dictionaries in dictionaries without end, as no model does. Choose "
                "the .safetensors file of this model."
            )
        if not isinstance(key, str | int):
            yield prefix or "a key", key
            continue
        dotted = f"{prefix}{key}"
        if isinstance(inner, Mapping):
            levels.append((f"{dotted}.", iter(inner.items())))
        else:
            yield dotted, inner
