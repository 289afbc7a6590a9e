"""Which job goes to which host: what waits, what runs, what failed where. Threads share it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ..failures import HostError

MOST_TRIES = 3  # of a job whose hosts end while they run it: it may be what ends them
MOST_LOSSES = 10  # of the connection to hosts that go on with it
MOST_STRIKES = 2  # jobs that failed on a host, and were made by another one


class Board:
    """Jobs by name, hosts by address. A job has one place at a time: waits, runs, made, failed."""

    def __init__(
        self, jobs: Sequence[str], hosts: Sequence[str], holders: Mapping[str, str]
    ) -> None:
        """Take jobs and hosts, and which hosts may have some jobs already."""
        self.failed: dict[str, HostError] = {}
        self.stopped = False
        self.made = 0
        self._waiting = list(jobs)
        self._running: set[str] = set()
        self._holders = dict(holders)
        self._up: set[str] = set()  # hosts that answer
        self._asked = set(hosts)  # hosts that answer, or that are asked from time to time
        self._errors: defaultdict[str, dict[str, HostError]] = defaultdict(dict)  # by job, host
        self._lost: defaultdict[str, list[str]] = defaultdict(list)  # hosts by job
        self._tries: Counter[str] = Counter()
        self._strikes: Counter[str] = Counter()
        self._change = threading.Condition()

    def come(self, host: str) -> None:
        """Note that a host answers."""
        with self._change:
            self._up.add(host)
            self._change.notify_all()

    def go(self, host: str) -> None:
        """Note that a host takes no more; who waits for what it may have takes that."""
        with self._change:
            self._up.discard(host)
            self._change.notify_all()

    def retire(self, host: str) -> None:
        """Note that a host gets nothing any more."""
        with self._change:
            self._asked.discard(host)
        self.go(host)

    def stop(self) -> None:
        """Give out no more jobs."""
        with self._change:
            self.stopped = True
            self._change.notify_all()

    def pause(self, host: str, seconds: float) -> None:
        """Wait, but not longer than there are jobs, or than another host answers."""
        with self._change:
            alone = self.is_last(host)
            self._change.wait_for(lambda: self.is_over or self.is_last(host) > alone, seconds)

    @property
    def is_over(self) -> bool:
        """Whether nothing waits or runs any more."""
        return self.stopped or not (self._waiting or self._running)

    def is_last(self, host: str) -> bool:
        """Whether no other host answers."""
        return not self._up - {host}

    def take(self, host: str) -> str | None:
        """The next job for a host; waits while others run some that may come back."""
        with self._change:
            while not self.stopped:
                job = self._next(host)
                if job is not None:
                    self._waiting.remove(job)
                    self._running.add(job)
                    return job
                if not self._running and not self._kept_elsewhere(host):
                    return None
                self._change.wait()
            return None

    def _next(self, host: str) -> str | None:
        held = (job for job in self._waiting if self._holders.get(job) == host)
        free = (job for job in self._waiting if self._may(host, job))
        return next(held, None) or next(free, None)

    def _may(self, host: str, job: str) -> bool:
        others = self._up - {host}
        if host in self._errors[job] or self._holders.get(job) in others:
            return False
        return host not in self._lost[job] or not others - {*self._errors[job], *self._lost[job]}

    def _kept_elsewhere(self, host: str) -> bool:
        return any(self._holders.get(job) in self._up - {host} for job in self._waiting)

    def begin(self, job: str) -> None:
        """Note that a host is about to be given a job."""
        with self._change:
            self._tries[job] += 1

    def end(self, job: str, host: str) -> None:
        """Note that a host made a job; those where it failed are to blame."""
        with self._change:
            self.made += 1
            self._running.discard(job)
            self._strikes[host] = 0
            self._strikes.update({*self._errors[job], *self._lost[job]} - {host})
            self._change.notify_all()

    def lose(self, job: str, host: str, error: HostError, *, kept: bool) -> bool:
        """Note that a host ended, hangs, or goes on out of sight, with the job `kept`.

        Tells whether the job waits again; if not, it has ended several hosts.
        """
        with self._change:
            self._lost[job].append(host)
            self._holders.pop(job, None)
            if kept:
                self._holders[job] = host
            if self._tries[job] >= MOST_TRIES or len(self._lost[job]) >= MOST_LOSSES:
                return self._end_badly(job, error)
            return self._back(job)

    def fail(self, job: str, host: str, error: HostError, *, elsewhere: bool) -> bool:
        """Note that a job failed on a host; tells whether it waits for another one."""
        with self._change:
            self._errors[job][host] = error
            self._holders.pop(job, None)
            left = self._asked - self._errors[job].keys()
            if not elsewhere or not left or len(self._errors[job]) >= MOST_TRIES:
                return self._end_badly(job, error)
            return self._back(job)

    def _back(self, job: str) -> bool:
        self._running.discard(job)
        self._waiting.insert(0, job)
        self._change.notify_all()
        return True

    def _end_badly(self, job: str, error: HostError) -> bool:
        self._running.discard(job)
        if not self.stopped:
            self.failed[job] = error
        self._change.notify_all()
        return False

    def is_poor(self, host: str) -> bool:
        """Whether jobs fail on a host again and again that others make."""
        with self._change:
            return self._strikes[host] >= MOST_STRIKES and not self.is_last(host)

    def leave(self) -> dict[str, HostError | None]:
        """Take what still waits when no host is left, each with the last error it had."""
        with self._change:
            left, self._waiting = self._waiting, []
            return {job: next(reversed(self._errors[job].values()), None) for job in left}
