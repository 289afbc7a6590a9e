"""Many jobs on many hosts, a thread for each host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ..answers import Deadline
from ..failures import (
    HostError,
    HostInterruptedError,
    StorageError,
    UnreachableError,
    UsageError,
)
from ..report import Report
from ..run import Book, Place, ask, has_run, run_in_time
from ..texts import sentence
from .board import MOST_TRIES, Board
from .done import Done
from .job_list import NamedTask

PROBES, PROBE_SECONDS = 3, 2.0  # of a host that never answered, before it is left out
LONGEST_PROBE_SECONDS = 15.0  # between two of them, while others work
GRACE_SECONDS = 60.0  # for the last host to come back
LOOK_SECONDS = 0.2  # between looks for Ctrl-C
Reporter = Callable[[str, str], Report]  # by host and job


class JobBook(Book):
    """Writes down what a host is given, and knows what it was given before."""

    def __init__(self, done: Done, board: Board, job: NamedTask, host: str) -> None:
        self.earlier = done.queued(job, host)
        self._done, self._board, self._job, self._host = done, board, job, host

    def queue(self, prompt_id: str) -> None:
        """Take the id of the prompt that the host is given next."""
        self._board.begin(self._job.name)
        self._done.queue(self._job, self._host, prompt_id)

    def claim(self, names: Sequence[str]) -> Collection[str]:
        """Take the names that the results have here; give those whose files may be replaced."""
        return self._done.claim(self._job, names)


class Spread:
    """Jobs on their way to hosts."""

    def __init__(self, jobs: Sequence[NamedTask], place: Place, reporter: Reporter) -> None:
        """Take the jobs that are not done in the folder of `place`, which all hosts share."""
        self._place, self._reporter = place, reporter
        self._done = Done(place.output)
        self._jobs = {job.name: job for job in jobs if not self._done.has(job)}
        self.skipped = len(jobs) - len(self._jobs)
        self._board = Board([], [], {})
        self._known: set[str] = set()  # hosts that have answered
        self._running: dict[str, Deadline] = {}  # by job
        self._fault: BaseException | None = None

    @property
    def failed(self) -> dict[str, HostError]:
        """What failed for good, by job."""
        return self._board.failed

    def run(self, hosts: Sequence[str]) -> None:
        """Run all jobs; what failed stands in `failed`. Ctrl-C ends the runs on all hosts too.

        Raises:
            StorageError: If this machine cannot store the videos; then nothing goes on.
        """
        holders = {name: self._done.holder(job, hosts) for name, job in self._jobs.items()}
        self._board = Board(list(self._jobs), hosts, holders)
        threads = [threading.Thread(target=self._serve, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._fault is not None:
            raise self._fault
        for name, error in self._board.leave().items():
            ended = error or UnreachableError("No host is left that answers.")
            self._board.failed[name] = ended
            self._reporter("", name).failure(ended)

    def _stop(self) -> None:
        self._board.stop()
        for deadline in list(self._running.values()):
            deadline.reach(0)

    def _serve(self, host: str) -> None:
        """Run jobs on one host while there are any and it answers."""
        report = self._reporter(host, "")
        try:
            while self._find(host, report) and (name := self._board.take(host)) is not None:
                self._try(host, self._jobs[name])
                if self._board.is_poor(host):
                    report.say("lost", "Jobs fail here that others make; it gets no more.")
                    break
        except BaseException as error:  # noqa: BLE001 (`run` raises it)
            self._fault = self._fault or error
            self._stop()
            return
        finally:
            self._board.retire(host)
        report.say("left", "No more jobs here.")

    def _find(self, host: str, report: Report) -> bool:
        """Whether a host answers; it is asked again while others work, or it may come back."""
        seconds, known = PROBE_SECONDS, host in self._known
        patience = Deadline(GRACE_SECONDS if known else (PROBES - 1) * PROBE_SECONDS)
        told = False
        while not self._board.is_over:
            if ask(host) is not None:
                self._known.add(host)
                self._board.come(host)
                return True
            self._board.go(host)
            if not told:
                report.say("away", "It does not answer; it is asked again from time to time.")
                told = True
            alone = self._board.is_last(host)
            if alone and patience.is_over():
                return False
            self._board.pause(host, PROBE_SECONDS if alone else seconds)
            seconds = min(2 * seconds, LONGEST_PROBE_SECONDS)
        return False

    def _try(self, host: str, job: NamedTask) -> None:
        report = self._reporter(host, job.name)
        deadline = self._running[job.name] = Deadline(self._place.timeout)
        if self._board.stopped:
            deadline.reach(0)
        try:
            files = self._make(host, job, report)
        except UnreachableError as error:
            self._lose(host, job, error, report)
        except HostError as error:
            if isinstance(error, StorageError) and error.here:
                raise
            if isinstance(error, HostInterruptedError) and not error.stopped:
                self._lose(host, job, error, report)
            else:
                self._fail(host, job, error, report)
        else:
            self._board.end(job.name, host)
            report.result(files)
        finally:
            self._running.pop(job.name, None)

    def _make(self, host: str, job: NamedTask, report: Report) -> list[Path]:
        place = replace(
            self._place,
            address=host,
            deadline=self._running[job.name],
            book=JobBook(self._done, self._board, job, host),
        )
        try:
            files = run_in_time(job.named(), place, None, report)
        except TimeoutError as error:
            text = f"It was not done within the {place.timeout:g} s of --timeout."
            raise HostInterruptedError(text) from error
        self._done.add(job, files)
        return files

    def _lose(self, host: str, job: NamedTask, error: HostError, report: Report) -> None:
        """Let another host try, or this one where it comes back."""
        text = f"{MOST_TRIES} hosts ended while they ran it; the last one said: {error}"
        given_up = UnreachableError(text)
        hangs = isinstance(error, HostInterruptedError)
        kept = not hangs and has_run(host, self._done.queued(job, host))
        if self._board.lose(job.name, host, given_up, kept=kept):
            where = "The host goes on with it." if kept else "It goes to the next host."
            report.say("lost", f"{job.name}: {sentence(error)} {where}")
        elif not self._board.stopped:
            report.failure(given_up)

    def _fail(self, host: str, job: NamedTask, error: HostError, report: Report) -> None:
        """Let another host try what may be this host's fault."""
        elsewhere = not isinstance(error, UsageError | HostInterruptedError)
        if self._board.fail(job.name, host, error, elsewhere=elsewhere):
            report.say("lost", f"{job.name}: {sentence(error)} Another host tries it.")
        elif not self._board.stopped:
            report.failure(error)
