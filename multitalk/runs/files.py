"""Files of a run folder: whole or not there, with checksums, and errors in sentences."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..disk import refusal
from ..generate import WindowState

PARTIAL = ".partial"  # suffix of files that are being written
_NO_FOLDER_FLUSH = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # network disks


def write_file(path: Path, data: bytes) -> None:
    """Write or replace a file so that it is either whole or not there, whatever happens."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a loss of power; only POSIX systems can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_FOLDER_FLUSH:
                raise
        finally:
            os.close(handle)


def discard(path: Path) -> None:
    """Remove whatever lies there; nothing may."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def checksum(data: bytes) -> dict[str, Any]:
    """Size and SHA-256 of contents, for a record."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_intact(path: Path, expected: Mapping[str, Any]) -> bytes | None:
    """Contents of a file, or None if it is not there or its `checksum` is not as expected."""
    if not path.is_file() or path.stat().st_size != expected["size"]:
        return None
    data = path.read_bytes()
    return data if checksum(data) == dict(expected) else None


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None if there is no file that holds one."""
    try:
        if not path.is_file():  # a pipe would never end
            return None
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object so that it is either whole or not there."""
    write_file(path, json.dumps(value).encode())


def pack_state(state: WindowState) -> bytes:
    """The state of a window as a safetensors file, exact."""
    from safetensors.torch import save

    parts = {"tail": state.tail.contiguous().cpu(), "noise": state.noise, "colors": state.colors}
    return save(parts if state.look is None else parts | {"look": state.look.contiguous()})


def unpack_state(data: bytes, index: int) -> WindowState:
    """What `pack_state` packed, of window `index`."""
    from safetensors.torch import load

    return WindowState(index=index, **load(data))


@contextlib.contextmanager
def explained(folder: Path, what: str | Callable[[], str]) -> Iterator[None]:
    """Turn errors of the disk into a sentence; `what` says, or finds out, what cannot be done.

    Raises:
        OSError: Of the same number, with what happened, what is safe and what to do.
    """
    try:
        yield
    except OSError as error:
        reason, advice = error.strerror or "no reason is known", refusal(error).advice
        said = what if isinstance(what, str) else what()
        raise OSError(
            error.errno, f"The run folder {folder} {said} ({reason}). {advice}"
        ) from error
