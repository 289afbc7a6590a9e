"""Several processes for the tests, forked from the one that has collected them: `--workers 2`.

To collect costs 20 seconds of computing and to import ComfyUI ten more, and each process of
pytest-xdist does all of it again, with no switch that shares it. Here one process does it and the
workers have it all from the start; they ask it for one group of tests after another and
tell it what came of them. A worker that dies fails the test it was at, and another goes on with
what it had left. Nothing of the pack is imported here.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Protocol

import pytest


class Queue(Protocol):
    """What tells a worker which tests are next."""

    def next_group(self, worker: int) -> list[int]:
        """Numbers of tests for a worker; none when nothing is left."""
        ...


@dataclass
class Worker:
    """What the collecting process knows of one of its forks."""

    number: int
    pid: int
    left: list[int] = field(default_factory=list)  # handed out and not finished


class Workers:
    """Plugin of the collecting process: forks, hands out tests, reports."""

    def __init__(
        self, number: int, queue: Callable[[list[str]], Queue], warm_up: Callable[[list[str]], None]
    ) -> None:
        """Make the plugin.

        Args:
            number: How many processes.
            queue: Makes the queue from the ids of all tests.
            warm_up: Imports what the tests of these ids need, before the forks.
        """
        self.number, self.make_queue, self.warm_up = number, queue, warm_up
        self.workers: dict[Connection, Worker] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run all tests, instead of pytest's own loop."""
        stopped = session.testsfailed and not session.config.option.continue_on_collection_errors
        if stopped or session.config.option.collectonly or not session.items:
            return None
        ids = [item.nodeid for item in session.items]
        self.warm_up(ids)
        self.queue = self.make_queue(ids)
        try:
            for number in range(self.number):
                self._fork(session, number)
            while self.workers:
                for pipe in wait(list(self.workers)):
                    self._hear(session, pipe)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        finally:
            for worker in self.workers.values():
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
        return True

    def _fork(self, session: pytest.Session, number: int, left: Sequence[int] = ()) -> None:
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            for other in (ours, *self.workers):
                other.close()
            become_worker(session, theirs, number)
        theirs.close()
        self.workers[ours] = Worker(number, pid)
        if left:
            self._hand_out(ours, list(left))

    def _hand_out(self, pipe: Connection, group: list[int]) -> None:
        self.workers[pipe].left += group
        with contextlib.suppress(BrokenPipeError):  # it is dead: that is heard next
            pipe.send(group)

    def _hear(self, session: pytest.Session, pipe: Connection) -> None:
        """Take one message of a worker."""
        hook, worker = session.config.hook, self.workers[pipe]
        try:
            kind, content = pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._bury(session, pipe)
        if kind == "next":
            self._hand_out(pipe, self.queue.next_group(worker.number))
        elif kind == "report":
            report = hook.pytest_report_from_serializable(config=session.config, data=content)
            hook.pytest_runtest_logreport(report=report)
        elif kind == "finished":
            worker.left.remove(content)
        elif kind == "warning":
            hook.pytest_warning_recorded.call_historic(kwargs=content)
        elif kind == "broken":
            raise RuntimeError(f"worker {worker.number}:\n{content}")
        return None

    def _bury(self, session: pytest.Session, pipe: Connection) -> None:
        """A worker has ended; if it had tests left, the first one killed it, others go on."""
        worker = self.workers.pop(pipe)
        pipe.close()
        ending = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if not worker.left:
            return
        number, *left = worker.left
        item = session.items[number]
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=f"Worker {worker.number} died in this test; its exit code: {ending}.",
            when="call",
        )
        session.config.hook.pytest_runtest_logreport(report=report)
        self._fork(session, worker.number, left)


class Teller:
    """Plugin of a worker: tells the collecting process what its terminal shows."""

    def __init__(self, config: pytest.Config, pipe: Connection) -> None:
        self.config, self.pipe = config, pipe
        self.times = config.option.durations is not None or config.option.xmlpath is not None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hand a report on; nobody asks for a set-up that went well, but those who want times."""
        if report.passed and report.when != "call" and not self.times:
            return
        hook = self.config.hook.pytest_report_to_serializable
        self.pipe.send(("report", hook(config=self.config, report=report)))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: object
    ) -> None:
        """Hand a warning on, with its text alone: not all can be sent."""
        told = warnings.WarningMessage(
            message=f"{warning_message.category.__name__}: {warning_message.message}",
            category=UserWarning,
            filename=warning_message.filename,
            lineno=warning_message.lineno,
        )
        content = {"warning_message": told, "when": when, "nodeid": nodeid, "location": location}
        self.pipe.send(("warning", content))


def become_worker(session: pytest.Session, pipe: Connection, number: int) -> None:
    """Run tests until there are none; the process ends here."""
    code = 1
    try:
        _set_up(session.config, pipe, number)
        _run(session, pipe)
        code = 0
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        pass  # the collecting process has ended or ends
    except BaseException:  # noqa: BLE001 - whatever it was, the other side says it
        pipe.send(("broken", traceback.format_exc()))
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
        os._exit(code)  # taking down all objects of a fork costs seconds


def _set_up(config: pytest.Config, pipe: Connection, number: int) -> None:
    """Give a worker what it must not share: terminal, captured output, folder for files."""
    manager = config.pluginmanager
    manager.unregister(name="terminalreporter")
    capture = manager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory = config._tmp_path_factory
    folder = factory.getbasetemp() / f"worker{number}-{os.getpid()}"
    folder.mkdir()
    factory._basetemp = folder
    manager.register(Teller(config, pipe))


def _run(session: pytest.Session, pipe: Connection) -> None:
    """Run group after group; one is asked for before the last test of the group before it.

    That test's end takes down only what the next test does not use.
    """
    pipe.send(("next", None))
    group = pipe.recv()
    while group:
        number = group.pop(0)
        if not group:
            pipe.send(("next", None))
            group = pipe.recv()
        item, following = session.items[number], session.items[group[0]] if group else None
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        pipe.send(("finished", number))
