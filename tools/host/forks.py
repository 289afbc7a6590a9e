"""Hosts that begin as forks of one process, which has imported torch and the other libraries.

Two thirds of a start of ComfyUI are imports of libraries. A `Nursery` does them once; each host
then imports ComfyUI and the packs itself, as a process of its own with its own environment. Linux
only, and nothing but the standard library on this side.

    with Nursery(folder) as nursery:
        HostProcess(HostSettings(base=base, start=nursery.start))
        nursery.run(script, arguments, environment, log)

Files opened without an encoding can be noticed in all forks: Python's `-X warn_default_encoding` is
on, with a filter that ignores the warning. The same file is the script that the nursery runs:

    python forks.py SOCKET
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

LIBRARIES = (
    *("torch", "torch._dynamo", "torchvision", "torchaudio", "transformers.models"),
    *("comfy_kitchen", "scipy.stats", "scipy.integrate", "kornia", "spandrel", "torchsde", "av"),
    *("aiohttp.web", "sqlalchemy.orm", "alembic.command", "pydantic_settings"),
    *("requests", "tokenizers"),
)
"""What ComfyUI imports and what takes long; none of them looks at ComfyUI's arguments."""
NOTICE_ENCODINGS = ("-X", "warn_default_encoding", "-W", "ignore::EncodingWarning")
MAX_REQUEST = 1 << 20


def can_fork() -> bool:
    """Whether this system has what a nursery needs."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class Fork:
    """A host of a nursery, with the methods of `subprocess.Popen` that `HostProcess` calls."""

    def __init__(self, pid: int, stdin: IO[bytes]) -> None:
        self.pid, self.stdin = pid, stdin
        self._ended = select.poll()
        self._descriptor = os.pidfd_open(pid)
        self._ended.register(self._descriptor, select.POLLIN)

    def poll(self) -> int | None:
        """None while it runs, then 0, whatever it ended with."""
        return 0 if self._descriptor < 0 or self._wait(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: If it does not end within `timeout` seconds.
        """
        if not self._wait(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired("host", timeout or 0)
        return 0

    def kill(self) -> None:
        """End it at once."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _wait(self, milliseconds: float | None) -> bool:
        """Whether it has ended; the descriptor is closed then."""
        if self._descriptor >= 0 and self._ended.poll(milliseconds):
            os.close(self._descriptor)
            self._descriptor = -1
        return self._descriptor < 0


class Nursery:
    """A process that has imported the libraries and forks a host whenever it is asked."""

    def __init__(self, home: Path) -> None:
        """Prepare; the first `start` begins it.

        Args:
            home: What the libraries take for the user's home folder.
        """
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.wait()

    def start(self, command: list[str], environment: dict[str, str], log: IO[bytes]) -> Fork:
        """Start a host.

        Args:
            command: As for `subprocess.Popen`: interpreter, launcher and the launcher's arguments.
            environment: All its variables.
            log: Where its output goes.
        """
        return self._ask({"arguments": command[2:], "environment": environment}, log)

    def run(
        self, script: Path, arguments: list[str], environment: dict[str, str], log: IO[bytes]
    ) -> Fork:
        """Run another script that needs the libraries, as `python SCRIPT ARGUMENTS` would."""
        told = {"script": str(script), "arguments": arguments, "environment": environment}
        return self._ask(told, log)

    def _ask(self, request: dict[str, Any], log: IO[bytes]) -> Fork:
        environment = request["environment"]
        if self._socket is None:
            self._begin(environment | {"HOME": str(self.home)})
        assert self._socket is not None
        reader, writer = os.pipe()
        socket.send_fds(self._socket, [json.dumps(request).encode()], [reader, log.fileno()])
        os.close(reader)
        answer = self._socket.recv(64)
        if not answer:
            raise OSError("The process that forks hosts has ended.")
        return Fork(int(answer), os.fdopen(writer, "wb"))

    def _begin(self, environment: dict[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *NOTICE_ENCODINGS, __file__, str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )


def _become(request: bytes, stdin: int, log: int) -> None:
    """Be what `python launch.py ARGUMENTS`, or another script, would be."""
    from launch import main

    told = json.loads(request)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, descriptor in enumerate((stdin, log, log)):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(told["environment"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False)
        vars(sys)[name] = vars(sys)[f"__{name}__"] = stream  # ComfyUI wraps the first alone
    if script := told.get("script"):
        sys.argv = [script, *told["arguments"]]
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
    else:
        main(told["arguments"])
    _end_at_once()


def _end_at_once() -> None:
    """End as a process does, but for taking down object by object what forks share: two seconds."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _reap(*_signal: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(requests: socket.socket) -> None:
    """Import the libraries, then fork for each request until the other side is gone."""
    from launch import stand_ins

    stand_ins()
    gc.disable()
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not {"comfy", "folder_paths", "nodes", "server"} & sys.modules.keys()
    gc.freeze()  # forks need not look at it again, and so share its memory
    gc.enable()
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        request, descriptors, *_ = socket.recv_fds(requests, MAX_REQUEST, 2)
        if not request:
            return None
        pid = os.fork()
        if pid == 0:
            requests.close()
            return _become(request, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(pid).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    _end_at_once()
