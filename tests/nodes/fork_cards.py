"""Processes of other cards as forks of one that has imported the host: a start in no time.

    python fork_cards.py ANSWERS

The first line is what the host is; after it each line names three pipes for one more process. What
it says goes into the pipe ANSWERS.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

CARDS = Path(__file__).parents[2] / "nodes" / "parallel"
STAND_INS = Path(__file__).parents[2] / "tools" / "host" / "stand_ins"


class Forked:
    """What `subprocess.Popen` is to workers.py."""

    def __init__(self, pid, stdin, stdout, stderr):
        self.pid, self.stdin, self.stdout, self.stderr = pid, stdin, stdout, stderr

    def poll(self):
        """None while it runs, then 0, whatever it ended with."""
        try:
            told = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0
        return 0 if told.rpartition(")")[2].split()[0] == "Z" else None

    def wait(self):
        while self.poll() is None:
            os.sched_yield()
        return 0

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Template:
    """The process that is forked."""

    def __init__(self, facts, nursery):
        environment = {**os.environ, "PYTHONPATH": str(STAND_INS), "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("wb") as nothing:
            answers = Path(folder, "answers")
            os.mkfifo(answers)
            self._process = nursery.run(Path(__file__), [str(answers)], environment, nothing)
            self._answers = answers.open(encoding="ascii")
        self._ask(facts)

    def _ask(self, told):
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._answers.readline())

    def start(self, _environment):
        """In the place of `start_process`."""
        with tempfile.TemporaryDirectory() as folder:
            names = [str(Path(folder, name)) for name in ("in", "out", "error")]
            for name in names:
                os.mkfifo(name)
            pid = self._ask(names)
            opened = [open(name, mode) for name, mode in zip(names, "wrr", strict=True)]  # noqa: SIM115, PTH123
        return Forked(pid, *opened)

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()


def _become_fork(names, child, room):
    for number, (name, mode) in enumerate(
        zip(names, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)
    ):
        opened = os.open(name, mode)
        os.dup2(opened, number)
        os.close(opened)
    child.main(lambda _facts: room)


def main(name):
    answers = Path(name).open("w", encoding="ascii")  # noqa: SIM115 - as long as this runs
    sys.path[0] = str(CARDS)
    import child

    sys.modules["multitalk_child"] = sys.modules.pop("child")
    room = child.become_host(json.loads(sys.stdin.readline()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(os.getpid(), file=answers, flush=True)
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _become_fork(json.loads(line), child, room)
            os._exit(0)
        print(pid, file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
