"""Put files into a folder: whole or not at all, through no link, over no file of others."""

from __future__ import annotations

import filecmp
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from .failures import write_failure


def store(pieces: Iterable[bytes], path: Path, *, replace: bool) -> Path:
    """Write a file beside its name, then give it its name; StorageError if that fails.

    `replace` puts it in the place of what has the name: of a link, not of what that points to.
    Else it gets a number if something else has the name: `talk (2).mp4`. Returns where it is.
    """
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("xb", buffering=0)
    except (OSError, ValueError) as error:
        raise write_failure(str(path), error) from error
    try:
        with stream:
            for piece in pieces:  # an error of these is not the disk's
                _write(piece, stream.fileno(), path)
        try:
            return _take_name(part, path, replace=replace)
        except (OSError, ValueError) as error:
            raise write_failure(str(path), error) from error
    finally:
        part.unlink(missing_ok=True)


def _write(piece: bytes, descriptor: int, path: Path) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise write_failure(str(path), error) from error


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")


def _take_name(part: Path, path: Path, *, replace: bool) -> Path:
    """Give a file its name, or the first free one like it; the same contents are not kept twice."""
    if replace:
        return part.replace(path)
    for name in _names(path):
        try:
            name.open("xb").close()  # now it is ours; this follows no link
        except FileExistsError:
            if name.is_file() and not name.is_symlink() and filecmp.cmp(part, name, shallow=False):
                return name
            continue
        return part.replace(name)
    raise AssertionError("there is always another number")
