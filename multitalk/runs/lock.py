"""One program at a time in a run folder.

The lock is the operating system's, on a file in the folder: it ends with the process that holds it,
however that ends, so no lock outlives a crash, and no clock is asked.

The package filelock was tried in its place, in the versions that hosts have: up to 3.25 whoever
waits wipes the owner's name off the file; 3.20 takes a disk without locks for a lock that is held
and keeps a file that is gone; from 3.25 on such a disk may get a marker that outlives a crash.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from pathlib import Path

logger = logging.getLogger("multitalk")

LOCK_FILE = "lock"
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_LOCKED_BYTE = 1 << 30  # Windows locks bytes against reading too: one beyond the text


class RunLock:
    """Holds the lock of a folder until `release`."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of an existing folder.

        Raises:
            OSError: If the lock file cannot be made.
            ValueError: If another program holds the lock.
        """
        self._handle = _take(folder / LOCK_FILE)

    def release(self) -> None:
        """Give the lock back; the file stays. A second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _take(path: Path) -> int:
    """Open and lock; whoever had it before may have removed the file in between."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
        except OSError as error:
            owner = os.read(handle, 200).decode("utf-8", "replace").strip()
            if error.errno in _TAKEN:
                os.close(handle)
                raise ValueError(
                    f"Another run of the same prompt works in the run folder {path.parent.name} "
                    f"({owner or 'owner unknown'}). Wait until it ends or stop it, then queue "
                    "again; or change the seed."
                ) from error
            if error.errno not in _UNSUPPORTED:
                os.close(handle)
                raise
            logger.warning(
                "[MultiTalk] the disk of %s has no locks: do not queue the same prompt twice "
                "at the same time",
                path.parent,
            )
        if _is_same_file(handle, path):
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return handle
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock without waiting, or raise OSError."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_same_file(handle: int, path: Path) -> bool:
    """Whether the path still leads to the file that was locked."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
