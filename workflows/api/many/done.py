"""What is done of many jobs, in a file of the folder for videos that outlives any stop."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..failures import UsageError, write_failure
from ..json_text import parse
from ..texts import plain_name
from .job_list import NamedTask

DONE_FILE = "jobs_done.jsonl"  # in the folder for videos
LOCKED_BYTE = 1 << 40  # on Windows nobody reads a byte that is locked: one behind all lines


class Done:
    """One line for each job that ended well, and for each that a host was given."""

    def __init__(self, folder: Path) -> None:
        """Read what an earlier call left."""
        self._folder, self._path = folder, folder / DONE_FILE
        self._lock = threading.Lock()
        self._made: dict[str, dict] = {}  # by job
        self._queued: dict[tuple[str, str], str] = {}  # prompt ids by digest and host
        self._claimed: dict[str, set[str]] = {}  # names by job
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            value = parse(line)
        except ValueError:  # a line that a stop cut
            return
        if not isinstance(value, dict):
            return
        digest = str(value.get("digest"))
        for names in (value.get("files"), value.get("claims")):
            if isinstance(names, list):
                self._claimed.setdefault(str(value.get("job")), set()).update(map(str, names))
        if isinstance(value.get("files"), list):
            self._made[str(value.get("job"))] = value
            self._forget(digest)
        elif isinstance(value.get("prompt"), str):
            self._give(digest, str(value.get("host")), value["prompt"])

    def _give(self, digest: str, host: str, prompt_id: str) -> None:
        self._queued.pop((digest, host), None)  # the last one given stands last
        self._queued[digest, host] = prompt_id

    def _forget(self, digest: str) -> None:
        for key in [key for key in self._queued if key[0] == digest]:
            del self._queued[key]

    def has(self, job: NamedTask) -> bool:
        """Whether the videos of just this job are there."""
        line = self._made.get(job.name)
        if line is None or line.get("digest") != job.digest or not line["files"]:
            return False
        return all((self._folder / plain_name(str(name))).is_file() for name in line["files"])

    def claim(self, job: NamedTask, names: Sequence[str]) -> set[str]:
        """Note the names that a job's files are about to get; gives those that are its own.

        Free ones are, and those of files that an earlier form of it made: they may be replaced.
        StorageError if that fails.
        """
        with self._lock:
            before = self._claimed.get(job.name, set())
            own = {name for name in names if name in before or not (self._folder / name).exists()}
            self._claimed[job.name] = before | own
            self._write({"job": job.name, "claims": sorted(own)})
        return own

    def queued(self, job: NamedTask, host: str) -> str:
        """Id of the prompt that a host was given for this job, whose end nobody saw; or empty."""
        return self._queued.get((job.digest, host), "")

    def holder(self, job: NamedTask, hosts: Sequence[str]) -> str:
        """The last of some hosts that was given this job, if nobody saw the end; or empty."""
        given = [host for digest, host in self._queued if digest == job.digest]
        return next((host for host in reversed(given) if host in hosts), "")

    def queue(self, job: NamedTask, host: str, prompt_id: str) -> None:
        """Note that a host is given a job; StorageError if that fails."""
        with self._lock:
            self._give(job.digest, host, prompt_id)
            self._write({"job": job.name, "digest": job.digest, "host": host, "prompt": prompt_id})

    def add(self, job: NamedTask, files: Sequence[Path]) -> None:
        """Note a job that ended well; StorageError if that fails."""
        names = [path.name for path in files]
        with self._lock:
            line = {"job": job.name, "digest": job.digest, "files": names}
            self._made[job.name] = line
            self._forget(job.digest)
            self._write(line)

    def _write(self, line: dict) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}\n")  # a line that a stop cut stays alone
        except OSError as error:
            raise write_failure(str(self._path), error) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let no second `jobs` work in a folder; the system ends the lock with the program.

    Raises:
        UsageError: If one does.
        StorageError: If the folder takes no file.
    """
    path = folder / DONE_FILE
    try:
        file = path.open("ab")
    except OSError as error:
        raise write_failure(str(path), error) from error
    with file:
        if not locked(file):
            raise UsageError(
                f"Another `jobs` is working in {folder}.",
                field="--output",
                hint="Wait until it has ended, or give another --output.",
            )
        yield


def locked(file: IO[bytes]) -> bool:
    """Whether the file is ours now; also where the disk knows no locks, as some shares do."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
