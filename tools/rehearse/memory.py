"""Memory of another process, watched while it works: what of it is its own, and what are files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

GB = 1e9
EVERY_SECONDS = 0.1
SPARE_GB = 1.0  # of the machine; with less the watch gives up before the system kills somebody


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process at one moment."""

    own: int  # anonymous and shared: nobody else can give it back
    files: int  # pages of mapped files, which the system drops and reads again as it likes

    @property
    def resident(self) -> int:
        """All of it."""
        return self.own + self.files


def parse_status(text: str) -> Memory:
    """Memory from the text of /proc/PID/status."""
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    own, shared, files = (
        int(found.get(name, "0 kB").split()[0]) * 1024
        for name in ("RssAnon", "RssShmem", "RssFile")
    )
    return Memory(own + shared, files)


def read_memory(pid: int) -> Memory:
    """Memory of a process now; OSError if there is none."""
    return parse_status(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))


def free_bytes() -> int:
    """What the machine could still give, as the system estimates it."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["MemAvailable"].split()[0]) * 1024


@dataclass(kw_only=True, slots=True)
class Stage:
    """One stage of a run: how long it took, and memory at its end and at its peak."""

    name: str
    seconds: float = 0.0
    end: Memory = Memory(0, 0)
    own_peak: int = 0
    peak: int = 0

    def see(self, memory: Memory) -> None:
        """Take a sample into account."""
        self.end = memory
        self.own_peak = max(self.own_peak, memory.own)
        self.peak = max(self.peak, memory.resident)


@dataclass(kw_only=True)
class Watch:
    """Samples a process; stages come one after the other, some of them more than once."""

    read: Callable[[], Memory]
    give_up: Callable[[], None]  # called once, in the watching thread, when there is too much
    limit_bytes: float
    free: Callable[[], int] = free_bytes
    clock: Callable[[], float] = time.monotonic
    stages: dict[str, Stage] = field(default_factory=dict)
    reason: str = ""  # why it gave up

    def __post_init__(self) -> None:
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._now: Stage | None = None
        self._since = self.clock()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.enter("")
        self._stop.set()
        self._thread.join()

    def enter(self, name: str) -> None:
        """End the stage that is there and go on with another; an empty name is none."""
        with self._lock:
            moment = self.clock()
            if self._now is not None:
                self._sample()
                self._now.seconds += moment - self._since
            self._since = moment
            self._now = self.stages.setdefault(name, Stage(name=name)) if name else None
            if self._now is not None:
                self._sample()

    def _sample(self) -> None:
        try:
            memory = self.read()
        except OSError:  # it has ended
            return
        if self._now is not None:
            self._now.see(memory)
        if self.reason:
            return
        where = f" in {self._now.name}" if self._now else ""
        if memory.own > self.limit_bytes:
            self.reason = f"{memory.own / GB:.1f} of {self.limit_bytes / GB:.0f} GB taken{where}"
        elif self.free() < SPARE_GB * GB:
            self.reason = f"the machine has no memory left: {memory.own / GB:.1f} GB taken{where}"
        if self.reason:
            self.give_up()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with self._lock:
                self._sample()
