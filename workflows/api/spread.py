"""Many jobs on many hosts: who runs what, what is done already, and what is tried elsewhere."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from .answers import Deadline
from .failures import HostError, HostInterruptedError, UnreachableError, write_failure
from .job_list import NamedTask
from .json_text import parse
from .report import Report
from .run import Place, ask, run_in_time
from .texts import plain_name

DONE_FILE = "jobs_done.jsonl"  # in the folder for videos
MOST_TRIES = 3  # of a job whose hosts end while they run it: it may be what ends them
PROBES, PROBE_SECONDS = 3, 2.0  # of a host that does not answer, before it is left out
LOOK_SECONDS = 0.2  # between looks for Ctrl-C
Reporter = Callable[[str, str], Report]  # by host and job


class Done:
    """Which jobs are done, in a file that outlives a stop: one line each, written when it ends."""

    def __init__(self, folder: Path) -> None:
        """Read what an earlier call left."""
        self._folder, self._path = folder, folder / DONE_FILE
        self._lock = threading.Lock()
        self._lines: dict[str, dict] = {}
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            value = parse(line)
        except ValueError:  # a line that a stop cut
            return
        if isinstance(value, dict) and isinstance(value.get("files"), list):
            self._lines[str(value.get("job"))] = value

    def has(self, job: NamedTask) -> bool:
        """Whether the videos of just this job are there."""
        line = self._lines.get(job.name)
        if line is None or line.get("digest") != job.digest() or not line["files"]:
            return False
        return all((self._folder / plain_name(str(name))).is_file() for name in line["files"])

    def add(self, job: NamedTask, files: Sequence[Path]) -> None:
        """Note a job that ended well; StorageError if that fails."""
        names = [path.name for path in files]
        line = json.dumps({"job": job.name, "digest": job.digest(), "files": names})
        try:
            # A line that a stop cut stays alone.
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")
        except OSError as error:
            raise write_failure(str(self._path), error) from error


class Spread:
    """Jobs on their way to hosts, one thread for each host."""

    def __init__(self, jobs: Sequence[NamedTask], place: Place, reporter: Reporter) -> None:
        """Take the jobs that are not done in the folder of `place`, which all hosts share."""
        self._place, self._reporter = place, reporter
        self._done = Done(place.output)
        self._waiting = deque(job for job in jobs if not self._done.has(job))
        self.skipped = len(jobs) - len(self._waiting)
        self._left = {job.name for job in self._waiting}
        self.failed: dict[str, HostError] = {}
        self._tries: dict[str, int] = {}
        self._running: dict[str, Deadline] = {}  # by job
        self._change = threading.Condition()
        self._stopped = False

    def run(self, hosts: Sequence[str]) -> None:
        """Run all jobs; what failed stands in `failed`. Ctrl-C ends the runs on all hosts too."""
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
        for name in sorted(self._left - self.failed.keys()):
            error = UnreachableError("No host is left that answers.")
            self._fail(name, error, self._reporter("", name))

    def _stop(self) -> None:
        with self._change:
            self._stopped = True
            for deadline in self._running.values():
                deadline.reach(0)
            self._change.notify_all()

    def _serve(self, host: str) -> None:
        """Run jobs on one host while there are any and it answers."""
        while _answers(host) and (job := self._take()) is not None:
            report = self._reporter(host, job.name)
            try:
                report.result(self._run(host, job, report))
            except UnreachableError as error:
                self._give_back(job, error, report)
            except HostError as error:
                self._fail(job.name, error, report)
            finally:
                with self._change:
                    self._running.pop(job.name, None)
                    self._change.notify_all()
        self._reporter(host, "").say("left", "No more jobs here.")

    def _take(self) -> NamedTask | None:
        """The next job; waits while others run some that may come back."""
        with self._change:
            while not self._waiting and self._running and not self._stopped:
                self._change.wait()
            if self._stopped or not self._waiting:
                return None
            job = self._waiting.popleft()
            self._running[job.name] = Deadline(self._place.timeout)
            return job

    def _run(self, host: str, job: NamedTask, report: Report) -> list[Path]:
        place = Place(
            address=host,
            output=self._place.output,
            timeout=self._place.timeout,
            deadline=self._running[job.name],
        )
        try:
            files = run_in_time(job.named(), place, None, report)
        except TimeoutError as error:
            text = f"It was not done within the {place.timeout:g} s of --timeout."
            raise HostInterruptedError(text) from error
        self._done.add(job, files)
        self._left.discard(job.name)
        return files

    def _give_back(self, job: NamedTask, error: HostError, report: Report) -> None:
        """Let another host try; a job that ended several of them is left out."""
        tries = self._tries[job.name] = self._tries.get(job.name, 0) + 1
        if tries >= MOST_TRIES:
            text = f"{MOST_TRIES} hosts ended while they ran it; the last one said: {error}"
            self._fail(job.name, UnreachableError(text), report)
            return
        report.say("lost", f"{job.name}: {error} It goes to the next host.")
        with self._change:
            self._waiting.appendleft(job)

    def _fail(self, name: str, error: HostError, report: Report) -> None:
        if self._stopped:
            return
        self.failed[name] = error
        report.failure(error)


def _answers(host: str) -> bool:
    """Whether a host answers, also after it was started anew."""
    for probe in range(PROBES):
        if ask(host) is not None:
            return True
        if probe + 1 < PROBES:
            time.sleep(PROBE_SECONDS)
    return False
