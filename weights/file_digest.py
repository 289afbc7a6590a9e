"""Digests of whole files, each remembered as long as the file is the same.

What tells a file from a later one of the same name is what a disk keeps of it: size, times, inode,
device. The time of the last change of inode or contents cannot be set back, so a file that was
changed in place and given its old time is read again too.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .reading import require_file

CHUNK_BYTES = 1 << 24
NUM_READERS = 4  # one processor digests 0.4 to 2 GB in a second, a good disk gives more
# A file that changed this short a time ago may change again within one tick of the disk's clock.
FRESH_NS = 2_000_000_000


class Stamp(NamedTuple):
    """What a disk says of a file without reading it."""

    size: int
    modified_ns: int
    changed_ns: int  # of inode or contents; on Windows when it was made
    inode: int
    device: int


_KNOWN: dict[Path, tuple[Stamp, bytes]] = {}
_LOCK = threading.Lock()


def file_stamp(path: Path) -> Stamp:
    """Of the file that a path leads to now."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def file_digest(path: Path, check: Callable[[], object] | None = None) -> bytes:
    """SHA-256 of all of a file, 32 bytes; `check` is called between parts and may raise.

    Raises:
        OSError: If the file cannot be read.
    """
    require_file(path)
    path, stamp = path.resolve(), file_stamp(path)
    with _LOCK:
        known = _KNOWN.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = _read(path, stamp.size, check or (lambda: None))
    settled = time.time_ns() - max(stamp.modified_ns, stamp.changed_ns) > FRESH_NS
    if settled and file_stamp(path) == stamp:
        with _LOCK:
            _KNOWN[path] = stamp, digest
    return digest


def _read(path: Path, size: int, check: Callable[[], object]) -> bytes:
    """Digest of the digests of its chunks, which are read side by side."""

    def chunk(begin: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            digest, left = hashlib.sha256(), CHUNK_BYTES
            while left and (data := file.read(min(left, 1 << 20))):
                digest.update(data)
                left -= len(data)
        return digest.digest()

    whole = hashlib.sha256(size.to_bytes(8, "little"))
    with ThreadPoolExecutor(min(NUM_READERS, os.cpu_count() or 1)) as readers:
        try:
            for digest in readers.map(chunk, range(0, size, CHUNK_BYTES)):
                check()
                whole.update(digest)
        except BaseException:
            readers.shutdown(cancel_futures=True)
            raise
    return whole.digest()
