"""What a worker of a Ray cluster does for one job: it needs a ComfyUI beside it, and this folder.

All that comes and goes is plain: dictionaries, texts, bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from ..answers import Deadline
from ..events import Event
from ..failures import HostError, HostInterruptedError, UnreachableError
from ..report import Report
from ..run import Place, Task, ask, run_in_time
from .done import locked

WAIT_SECONDS, PROBE_SECONDS = 60.0, 1.0  # for a ComfyUI that starts, or that another job has
LOOK_SECONDS = 0.2  # between looks for the end
PROGRESS_SECONDS = 1.0  # between two of the messages that a host sends ten times a second


class Messages(Report):
    """Puts what happens into a queue."""

    def __init__(self, messages: queue.SimpleQueue[dict | None]) -> None:
        super().__init__()
        self._messages = messages
        self._next = 0.0

    def begin(self, prompt: Mapping[str, Mapping]) -> None:
        """Nothing: who reads the messages knows the prompt."""

    def say(self, kind: str, text: str, **_facts: object) -> None:
        """Tell one thing."""
        self._messages.put({"say": kind, "text": text})

    def event(self, event: Event) -> None:
        """Tell that a node begins, and how far it is."""
        if event.kind == "progress" and time.monotonic() < self._next:
            return
        if event.kind in ("executing", "progress"):
            self._next = time.monotonic() + PROGRESS_SECONDS
            self._messages.put({"event": event.kind, "data": dict(event.data)})


@contextlib.contextmanager
def free_host(hosts: Sequence[str], ended: threading.Event) -> Iterator[str]:
    """The first of some ComfyUIs that answers and that no other job of this machine uses.

    Raises:
        UnreachableError: If there is none for a while, or the job is ended before.
    """
    patience = Deadline(WAIT_SECONDS)
    while True:
        for host in hosts:
            with _lock_file(host) as file:
                if locked(file) and ask(host) is not None:
                    yield host
                    return
        if patience.is_over() or ended.wait(PROBE_SECONDS):
            raise UnreachableError(
                f"No ComfyUI that is free answers at {', '.join(hosts)} of this worker.",
                hint="Start it there, or give its address with --hosts.",
            )


def _lock_file(host: str) -> IO[bytes]:
    """Open this user's file that says who has a ComfyUI; it is no link of somebody else."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = hashlib.sha256(f"{user} {host}".encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir(), f"multitalk_comfyui_{name}.lock")
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b")


def work(job: Mapping) -> Iterator[dict]:
    """Run a job, of `name`, `prompt`, `uploads` (bytes by name), `hosts` and `timeout`.

    Yields messages: `host`, which ComfyUI it got; `say` or `event` as they happen; at last each
    `file` with its `data`, or `error`, by the name of its class and words.
    """
    run = Run(job)
    thread = threading.Thread(target=run.run)
    thread.start()
    try:
        yield from run.told()
    finally:  # where Ray ends the job before: stop it on the host as well
        run.end()
        thread.join()


class Run:
    """A job in a thread of its own."""

    def __init__(self, job: Mapping) -> None:
        """Take the job, see `work`."""
        self.messages: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        self._job = job
        self._ended = threading.Event()
        self._deadline = Deadline()

    def told(self) -> Iterator[dict]:
        """What happens, until the end. Waits in pieces: Ray can end nothing that waits long."""
        while True:
            with contextlib.suppress(queue.Empty):
                message = self.messages.get(timeout=LOOK_SECONDS)
                if message is None:
                    return
                yield message

    def end(self) -> None:
        """Stop the run on the host."""
        self._ended.set()
        self._deadline.reach(0)

    def run(self) -> None:
        """Run it, and tell what happens."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                for path in self._make(Path(folder)):
                    self.messages.put({"file": path.name, "data": path.read_bytes()})
        except TimeoutError:
            text = f"It was not done within the {self._job['timeout']:g} s of --timeout."
            self.messages.put(_said(HostInterruptedError(text)))
        except HostError as error:
            self.messages.put(_said(error))
        except OSError as error:
            self.messages.put(_said(HostError(f"The worker's disk failed: {error.strerror}.")))
        finally:
            self.messages.put(None)

    def _make(self, folder: Path) -> list[Path]:
        job, seconds = self._job, self._job["timeout"]
        with free_host(job["hosts"], self._ended) as host:
            self.messages.put({"host": host})
            self._deadline = Deadline(seconds)  # not for the search
            if self._ended.is_set():
                self._deadline.reach(0)
            place = Place(address=host, output=folder, timeout=seconds, deadline=self._deadline)
            task = Task(prompt=job["prompt"], uploads=_files(job, folder), save_as=job["name"])
            return run_in_time(task, place, None, Messages(self.messages))


def _files(job: Mapping, folder: Path) -> dict[str, Path]:
    """The uploads as files, each in a folder of its own: names tell their contents."""
    files = {}
    for number, (name, data) in enumerate(job["uploads"].items()):
        path = folder / str(number) / name.rpartition("/")[2]
        path.parent.mkdir()
        path.write_bytes(data)
        files[name] = path
    return files


def _said(error: HostError) -> dict:
    lost = isinstance(error, HostInterruptedError) and not error.stopped
    kind = "UnreachableError" if lost else type(error).__name__
    return {"error": kind, "text": str(error), "hint": error.hint, "missing": error.missing}
