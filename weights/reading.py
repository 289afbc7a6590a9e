"""Files as they lie on disk: only ordinary ones are opened, and JSON beside them is read with care.

A pipe or a device named like a model would be waited for without end, and a folder or a link that
leads nowhere gives the words of the operating system, with the whole path of the machine.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

_MAX_JSON = 100_000_000  # bytes
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_file(path: Path) -> int:
    """Size in bytes of an ordinary file, or of what a link to one leads to.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is anything else, or may not be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise ValueError(
                f"{path.name} is a link that leads nowhere. Put the file itself there, or mend the "
                "link."
            ) from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise FileNotFoundError(
                f"{path.name} is not there. Put the file there, or choose another."
            ) from error
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(found.st_mode)), "no file")
        raise ValueError(
            f"{path.name} is {kind}, not a file. Put the file itself there, or choose another."
        )
    if not os.access(path, os.R_OK):
        raise _unreadable(path, PermissionError(0, "permission denied"))
    return found.st_size


def _unreadable(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"{path.name} cannot be read ({(error.strerror or 'unknown error').lower()}). Allow "
        "reading it, or choose another file."
    )


def read_json(path: Path) -> Any:
    """The value of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        ValueError: If it is no ordinary file, too large, or no JSON; without advice.
    """
    if (size := require_file(path)) > _MAX_JSON:
        raise ValueError(f"{path.name} has {size} bytes, more than a description of a model has")
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error


def parse_json(text: str | bytes) -> Any:
    """A JSON value; ValueError if it is none, too deep, names a key twice or holds no numbers."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each of whose keys is there once: readers differ in which of two they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a JSON key occurs twice")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
