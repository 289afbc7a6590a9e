"""Many jobs on an existing Ray cluster: each is a task that takes one resource `comfyui`.

Ray says which worker runs what. The package `ray` is needed here only, and imported only here.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import failures
from ..answers import split_address
from ..events import Event
from ..failures import HostError, HostInterruptedError, UnreachableError, UsageError
from ..report import Report
from ..run import Place, check_unchanged, parse_address
from ..storing import store
from ..texts import sentence
from .board import MOST_TRIES
from .done import Done
from .job_list import NamedTask
from .spread import LOOK_SECONDS, Reporter

RESOURCE = "comfyui"
FOLDER = Path(__file__).resolve().parents[1]  # workers get it, under its own name
MOST_GIVEN = 64  # jobs that Ray has at a time, with their files
SEE_SECONDS = 5.0
END_SECONDS = 45.0  # for workers that stop runs
NO_RESOURCE = (
    f"No worker has the resource {RESOURCE} now; the jobs wait for one. "
    f"Start workers with ray start --resources '{{\"{RESOURCE}\": 1}}'."
)


@dataclass
class Try:
    """A job on its way."""

    job: NamedTask
    report: Report
    label: str = ""  # the worker's address and ComfyUI
    node: str = ""  # Ray's id of the worker
    files: list[Path] = field(default_factory=list)
    error: HostError | None = None


class RayJobs:
    """Jobs on their way to a Ray cluster."""

    def __init__(
        self, jobs: Sequence[NamedTask], place: Place, reporter: Reporter, address: str
    ) -> None:
        """Take the jobs that are not done in the folder of `place`, and where the cluster is."""
        self._address = address
        self._place, self._reporter = place, reporter
        self._done = Done(place.output)
        self._jobs = [job for job in jobs if not self._done.has(job)]
        self.skipped = len(jobs) - len(self._jobs)
        self.failed: dict[str, HostError] = {}
        self._bad: defaultdict[str, dict[str, HostError]] = defaultdict(dict)  # by job, worker
        self._running: dict[Any, Try] = {}  # by what Ray gives for a task
        self._ray: Any = None

    def run(self, hosts: Sequence[str]) -> None:
        """Run all jobs; `hosts` are the ComfyUIs as each worker sees them.

        Raises:
            UsageError: If the package `ray` is missing, or the address is none that serves.
            UnreachableError: If there is no cluster, or one of another version of Ray or Python.
            StorageError: If this machine cannot store the videos; then nothing goes on.
        """
        with connected(self._address) as self._ray:
            if not self._workers():
                self._reporter("", "").say("note", NO_RESOURCE)
            waiting = deque(self._jobs)
            try:
                while waiting or self._running:
                    while waiting and len(self._running) < MOST_GIVEN:
                        self._submit(waiting.popleft(), hosts)
                    self._look(hosts)
            finally:
                self._end()

    def _workers(self) -> set[str]:
        """Ids of the workers that have a ComfyUI."""
        return {
            node["NodeID"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(RESOURCE, 0) >= 1
        }

    def _submit(self, job: NamedTask, hosts: Sequence[str]) -> None:
        try:
            for name, path in job.task.uploads.items():
                check_unchanged(name, path)
        except UsageError as error:
            self._fail(job.name, error, self._reporter("", job.name))
            return
        given = {
            "name": job.name,
            "prompt": job.task.prompt,
            "uploads": {name: path.read_bytes() for name, path in job.task.uploads.items()},
            "hosts": list(hosts),
            "timeout": self._place.timeout,
        }
        options: dict[str, Any] = {"num_cpus": 0, "resources": {RESOURCE: 1}, "max_retries": 0}
        if bad := list(self._bad[job.name]):
            from ray.util import scheduling_strategies as strategies

            away = {"ray.io/node-id": strategies.NotIn(*bad)}
            options["scheduling_strategy"] = strategies.NodeLabelSchedulingStrategy(hard=away)
        task = self._ray.remote(num_returns="streaming", **options)(_worker())
        self._running[task.remote(given)] = Try(job, self._reporter("", job.name))

    def _look(self, hosts: Sequence[str]) -> None:
        """Take the next message of each task that has one."""
        ready, _ = self._ray.wait(list(self._running), timeout=LOOK_SECONDS, fetch_local=False)
        for task in ready:
            one = self._running[task]
            try:
                self._take(one, self._ray.get(next(task)))
            except StopIteration:
                del self._running[task]
                self._ended(one, hosts)
            except self._ray.exceptions.RayError as error:
                del self._running[task]
                words = str(error).strip().partition("\n")[0]
                one.error = UnreachableError(f"The worker ended ({words}).")
                self._ended(one, hosts)

    def _take(self, one: Try, message: Mapping) -> None:
        if "worker" in message:
            one.node, one.label = message["node"], message["worker"]
        elif "host" in message:
            one.label = f"{one.label} {message['host']}"
            one.report = self._reporter(one.label, one.job.name)
            one.report.begin(one.job.task.prompt)
        elif "say" in message:
            one.report.say(message["say"], message["text"])
        elif "event" in message:
            one.report.event(Event(message["event"], message["data"]))
        elif "file" in message:
            name = message["file"]
            own = name in self._done.claim(one.job, [name])
            path = self._place.output / name
            one.files.append(store([message["data"]], path, replace=own))
        else:
            one.error = _error(message)

    def _ended(self, one: Try, hosts: Sequence[str]) -> None:
        error = one.error
        if error is None and one.files:
            self._done.add(one.job, one.files)
            one.report.result(one.files)
            return
        error = error or UnreachableError("The worker ended without a word.")
        name = one.job.name
        self._bad[name][one.node or str(len(self._bad[name]))] = error
        others = self._workers() - self._bad[name].keys()
        final = isinstance(error, UsageError | HostInterruptedError)
        if final or not others or len(self._bad[name]) >= MOST_TRIES:
            self._fail(name, error, one.report)
            return
        one.report.say("lost", f"{name}: {sentence(error)} Another worker tries it.")
        self._submit(one.job, hosts)

    def _fail(self, name: str, error: HostError, report: Report) -> None:
        self.failed[name] = error
        report.failure(error)

    def _end(self) -> None:
        """Stop what still runs, on the hosts too; workers need a while for that."""
        for task in self._running:
            self._ray.cancel(task)
        end = time.monotonic() + END_SECONDS
        while self._running and time.monotonic() < end:
            ready, _ = self._ray.wait(list(self._running), timeout=LOOK_SECONDS, fetch_local=False)
            for task in ready:
                try:
                    self._ray.get(next(task))
                except (StopIteration, self._ray.exceptions.RayError):
                    del self._running[task]


def _error(message: Mapping) -> HostError:
    """The error that a worker tells of."""
    kind = getattr(failures, message["error"], HostError)
    error = kind(message["text"])
    error.hint, error.missing = message["hint"], tuple(message["missing"])
    return error


def _worker() -> Any:
    """The function of a task. Ray sends it as it is, since a worker has this folder as `api`."""

    def work(job: dict) -> Iterator[dict]:
        import ray
        from api.many.ray_worker import work as run  # pyright: ignore[reportMissingImports]

        node = ray.get_runtime_context().get_node_id()
        yield {"worker": ray.util.get_node_ip_address(), "node": node}
        yield from run(job)

    return work


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The package `ray`, connected to a cluster: see `RayJobs.run`."""
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray is {address}; it takes auto, or HOST:PORT of the cluster's head.",
            field="--ray",
            hint="Run this on a machine of the cluster, for example with ray job submit.",
        )
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"--ray needs the package ray, which does not load ({error}).",
            field="--ray",
            hint="Install it in the version that the cluster has: pip install ray",
        ) from error
    if address != "auto":
        _see(address)
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            runtime_env={"py_modules": [str(FOLDER)]},
            log_to_driver=False,
            logging_level="error",
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        words = " ".join(str(error).split())[:400]
        text = f"No Ray cluster can be used at {address}: {words}"
        raise UnreachableError(text, hint="See ray status.") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_end)  # Ray puts its own there
    try:
        yield ray
    finally:
        ray.shutdown()


def _see(address: str) -> None:
    """Look whether anybody is at the address of a cluster; Ray itself would wait for minutes."""
    host, port = split_address(parse_address(address, "--ray"))
    try:
        socket.create_connection((host, port), timeout=SEE_SECONDS).close()
    except OSError as error:
        text = f"No Ray cluster answers at {address} ({error})."
        raise UnreachableError(text, hint="Its head tells the address with ray status.") from error
