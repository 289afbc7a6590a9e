"""Limits that a test puts on what it runs: a full disk, bytes read, calls made, no endless loop."""

from __future__ import annotations

import cProfile
import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

M_PERTURB = -6  # of glibc's mallopt


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may become larger than `limit` bytes; Python ignores the signal for it."""
    resource = pytest.importorskip("resource", reason="Windows knows no limit of file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@dataclass
class Count:
    """Calls of Python's and of C's functions, once the block is over."""

    calls: int = 0


@contextmanager
def count_calls() -> Iterator[Count]:
    """Count the calls made meanwhile: work that no busy core changes.

    A loop inside C is not seen; `no_endless_loop` is for these.
    """
    count, profile = Count(), cProfile.Profile()
    profile.enable()
    try:
        yield count
    finally:
        profile.disable()
        count.calls = sum(entry.callcount for entry in profile.getstats())


@contextmanager
def _stopped_after(seconds: float, timer: str, alarm: str, state: str) -> Iterator[None]:
    """Stop when a timer of this process ends; `timer` and `alarm` are names in `signal`."""

    def stop(*_: object) -> None:
        raise AssertionError(f"still {state} after {seconds} s")

    if not hasattr(signal, alarm):  # Windows
        yield
        return
    before = signal.signal(getattr(signal, alarm), stop)
    signal.setitimer(getattr(signal, timer), seconds)
    try:
        yield
    finally:
        signal.setitimer(getattr(signal, timer), 0)
        signal.signal(getattr(signal, alarm), before)


def no_endless_loop(seconds: float = 60.0) -> AbstractContextManager[None]:
    """Stop what computes for `seconds` of this process's own time; far above what it needs."""
    return _stopped_after(seconds, "ITIMER_VIRTUAL", "SIGVTALRM", "computing")


def no_waiting(seconds: float = 30.0) -> AbstractContextManager[None]:
    """Stop what waits for `seconds` of the clock, as for somebody who writes into a pipe."""
    return _stopped_after(seconds, "ITIMER_REAL", "SIGALRM", "waiting")


def bytes_read() -> int:
    """Bytes that this process has asked of files; what is mapped counts as `resident_bytes`."""
    fields = Path("/proc/self/io").read_text(encoding="ascii").split()
    return int(fields[fields.index("rchar:") + 1])


def resident_bytes() -> int:
    """Memory of this process that is in use now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def unwritten_memory(value):
    """Let glibc fill what it hands out, and in the end no more; elsewhere it does nothing."""
    perturb = getattr(ctypes.CDLL(None), "mallopt", lambda *_: None) if os.name == "posix" else None
    if perturb:
        perturb(M_PERTURB, value)
    try:
        yield
    finally:
        if perturb:
            perturb(M_PERTURB, 0)
