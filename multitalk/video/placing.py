"""A finished file to its place: whole or not at all, and never over another file."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ..disk import refusal

TRIES = 100  # names; so many others may be quicker
_NO_LINKS = {
    errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EMLINK,
}  # fmt: skip


def place_file(source: Path, next_name: Callable[[], Path]) -> Path:
    """Move a file to the first name that is free, and tell which; `source` is gone afterwards.

    Several programs may take names from one folder: each file gets its own. On another disk the
    file is copied beside its place and seen safe before it gets its name, so that no part of a file
    ever has it.

    Args:
        source: The file, seen safe on its disk.
        next_name: Tells a name that was free a moment ago; asked again when it is not any more.

    Raises:
        OSError: If the disk refuses; `source` stays.
    """
    ready, tries = source, 0
    try:
        while True:
            target, tries = next_name(), tries + 1
            try:
                if ready is source and not _is_near(source, target):
                    ready = _copy_beside(source, target)
                if _take(ready, target):
                    break
                if tries == TRIES:
                    raise FileExistsError(errno.EEXIST, "no name is free")
            except OSError as error:
                raise _failure(error, source, target) from error
    finally:
        if ready is not source:
            with suppress(OSError):
                ready.unlink(missing_ok=True)
    with suppress(OSError):
        source.unlink(missing_ok=True)
    return target


def _failure(error: OSError, source: Path, target: Path) -> OSError:
    cause, remedy, _ = refusal(error)
    return OSError(
        f"The finished video could not be put into the folder {target.parent}: {cause}. It is "
        f"safe and whole as {source}. {remedy} and run again."
    )


def _is_near(source: Path, target: Path) -> bool:
    """Whether both lie in one folder, or on one disk as far as links go."""
    probe = target.with_name(f".{uuid4().hex}.part")
    try:
        os.link(source, probe)
    except OSError:
        return source.parent == target.parent
    probe.unlink()
    return True


def _copy_beside(source: Path, target: Path) -> Path:
    """A copy in the folder of the target, seen safe, under a name that nobody looks for."""
    copy = target.with_name(f".{uuid4().hex}.part")
    try:
        with source.open("rb") as from_file, copy.open("xb") as to_file:
            shutil.copyfileobj(from_file, to_file, 1 << 20)
            to_file.flush()
            os.fsync(to_file.fileno())
    except OSError:
        with suppress(OSError):
            copy.unlink(missing_ok=True)
        raise
    return copy


def _take(source: Path, target: Path) -> bool:
    """Give a file of the same disk a name, unless another has it; whether it worked."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _take_without_links(source, target)
    source.unlink()
    return True


def _take_without_links(source: Path, target: Path) -> bool:
    """As `_take`, on disks where a file has one name: an empty file keeps the name meanwhile."""
    try:
        target.open("xb").close()
    except FileExistsError:
        return False
    try:
        source.replace(target)
    except OSError:
        with suppress(OSError):
            target.unlink()
        raise
    return True
