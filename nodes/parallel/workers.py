"""The processes of the other cards: started when they are needed, and gone with the host.

Each is told what to do in lines of JSON through a pipe. When the host ends, in whatever way, the
pipe ends, and so does the process. A process that ends, fails or does not answer becomes a sentence
here; then all of them are ended, and the next run starts new ones.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import comfy.model_management

from ...multitalk.words import count

CHILD = Path(__file__).with_name("child.py")
START_S = 600.0  # seconds until a process has imported the host; packs can be many
LOAD_S = 3600.0  # seconds until the model is read
LAST_LINES = 20  # of what a process printed
LOOK_S = 0.2  # seconds between looks whether the user cancelled
FAREWELL_S = 3.0  # seconds in which a process that fails can say why
AGAIN = "Queue the graph again; with keep_progress it goes on after its last finished window."

Message = dict[str, Any]


def start_process(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Python on child.py, with pipes."""
    return subprocess.Popen(
        [sys.executable or "python", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        text=True,
        encoding="utf-8",
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows only
    )


class Worker:
    """One process: what it is told, and what it says."""

    def __init__(self, number: int, facts: Message, environment: Mapping[str, str]) -> None:
        """`number` counts cards as people do: the host's own is 1."""
        self.number = number
        self.process = start_process(environment)
        self.printed: deque[str] = deque(maxlen=LAST_LINES)
        self.answers: queue.Queue[Message | None] = queue.Queue()
        process = self.process
        assert process.stdout is not None, "no pipe"
        assert process.stderr is not None, "no pipe"
        for work, pipe, into in (
            (_read_answers, process.stdout, self.answers),
            (_read_lines, process.stderr, self.printed),
        ):
            threading.Thread(target=work, args=(pipe, into), daemon=True).start()
        self.tell(facts)

    def tell(self, message: Message) -> None:
        """Ask for something; a process that is gone shows when its answer is read."""
        assert self.process.stdin is not None, "no pipe"
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def answer(self, timeout_s: float) -> Message:
        """Its next answer; a user may cancel the wait for it.

        Raises:
            RuntimeError: If it failed, ended or does not answer.
        """
        end = time.monotonic() + timeout_s
        while True:
            comfy.model_management.throw_exception_if_processing_interrupted()
            with suppress(queue.Empty):
                told = self.answers.get(timeout=max(0.0, min(LOOK_S, end - time.monotonic())))
                break
            if time.monotonic() >= end:
                raise RuntimeError(
                    f"The process of card {self.number} did not answer for {_seconds(timeout_s)}. "
                    f"{AGAIN}"
                )
        if told is None:
            raise RuntimeError(self._ended())
        if "failed" in told:
            raise RuntimeError(self._failed(told))
        return told

    def _ended(self) -> str:
        code = self.process.wait()
        last = next((line for line in reversed(self.printed) if line.strip()), "")
        said = f" The last that it said: {last.strip()[:300]}." if last else ""
        return (
            f"The process of card {self.number} ended with code {code} and gave no reason.{said} "
            f"{AGAIN}"
        )

    def _failed(self, told: Message) -> str:
        if told.get("oom"):
            return (
                f"Card {self.number} ran out of memory ({_shown(told['failed'])}). Use more cards, "
                "a smaller size or shorter windows, or end other programs on that card. "
                f"{AGAIN}"
            )
        return f"Card {self.number} failed: {_shown(told['failed'])}. {AGAIN}"


class Workers:
    """The processes of all other cards, and a folder in which ranks find each other."""

    def __init__(self, facts: Message, environments: Sequence[Mapping[str, str]]) -> None:
        """Start one process for each environment; they import the host side by side."""
        self.folder = Path(tempfile.mkdtemp(prefix="multitalk-cards-"))
        self._all: list[Worker] = []
        self._end = weakref.finalize(self, _end, self._all, self.folder)
        begun = time.monotonic()
        for index, environment in enumerate(environments):
            self._all.append(Worker(index + 2, facts, environment))
        self.ask(None, timeout_s=START_S)
        self.start_s = time.monotonic() - begun

    @property
    def processes(self) -> tuple[int, ...]:
        """Their process numbers."""
        return tuple(worker.process.pid for worker in self._all)

    @property
    def alive(self) -> bool:
        """Whether all of them run."""
        return self._end.alive and all(w.process.poll() is None for w in self._all)

    def tell_one(self, rank: int, message: Message) -> None:
        """Ask the process of a rank for something; this process is rank 0."""
        self._all[rank - 1].tell(message)

    def tell(self, message: Message, ranks: int | None = None) -> None:
        """Ask all for something, or the first `ranks` less one."""
        for worker in self._some(ranks):
            worker.tell(message)

    def ask(
        self, message: Message | None, *, timeout_s: float, ranks: int | None = None
    ) -> list[Message]:
        """Ask all for something and wait for what they say.

        Raises:
            RuntimeError: If one fails, ends or does not answer; then all are ended.
        """
        if message is not None:
            self.tell(message, ranks)
        end = time.monotonic() + timeout_s
        try:
            return [w.answer(max(0.0, end - time.monotonic())) for w in self._some(ranks)]
        except BaseException:
            self.close()
            raise

    def explain(self, error: Exception, timeout_s: float) -> str:
        """Why a forward that ended with an error did, in a sentence; then all are ended.

        Args:
            error: What the exchange of this process said.
            timeout_s: What a rank may take to answer.
        """
        words = self._trouble()
        self.close()
        if words is None:
            words = (
                f"The cards did not answer each other for {_seconds(timeout_s)}, or lost each "
                f"other ({_shown(error)}). Look whether another program holds "
                f"one of them. {AGAIN}"
            )
        return words

    def close(self) -> None:
        """End all of them, now."""
        self._end()

    def _trouble(self) -> str | None:
        """What the first process that ended or failed said; None if all run and wait."""
        end = time.monotonic() + FAREWELL_S
        while time.monotonic() < end:
            for worker in self._all:
                if worker.process.poll() is not None or not worker.answers.empty():
                    try:
                        worker.answer(FAREWELL_S)
                    except RuntimeError as error:
                        return str(error)
            time.sleep(0.02)
        return None

    def _some(self, ranks: int | None) -> list[Worker]:
        return self._all if ranks is None else self._all[: ranks - 1]


def _shown(error: object) -> str:
    """The first line of an error without a full stop, nor the place in torch's source before it."""
    line = str(error).strip().partition("\n")[0]
    return (line.rpartition("] ")[2] if line.startswith("[") else line)[:600].rstrip(".")


def _seconds(time_s: float) -> str:
    return count(round(time_s), "second")


def _end(workers: list[Worker], folder: Path) -> None:
    """Kill what runs: nothing in it is worth waiting for."""
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout, worker.process.stderr):
            _close(pipe)
    shutil.rmtree(folder, ignore_errors=True)


def _close(pipe: IO[str] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        pass


def _read_answers(pipe: IO[str], into: queue.Queue[Message | None]) -> None:
    for line in _lines(pipe):
        into.put(json.loads(line))
    into.put(None)


def _read_lines(pipe: IO[str], into: deque[str]) -> None:
    into.extend(_lines(pipe))


def _lines(pipe: IO[str]) -> Any:
    """Lines until the end, which also is where the pipe is closed here."""
    try:
        yield from pipe
    except (ValueError, OSError):
        return


def environments(cards: Sequence[str] | None, number: int) -> list[dict[str, str]]:
    """What each other process is started with.

    Args:
        cards: Names of the other cards for CUDA_VISIBLE_DEVICES; None: processors.
        number: Number of other processes.
    """
    if cards is None:
        return [{**os.environ, "OMP_NUM_THREADS": "1"} for _ in range(number)]
    return [{**os.environ, "CUDA_VISIBLE_DEVICES": card} for card in cards[:number]]
