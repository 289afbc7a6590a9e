"""The host as a process of its own, with a base folder of its own. Standard library only."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pack.workflows.api.failures import HostError

from .environment import ROOT, find_checkout
from .forks import Fork
from .launch import EXIT_GRACE_SECONDS, FOLLOW_PARENT
from .pins import read_pins

LAUNCHER = Path(__file__).with_name("launch.py")
PACK_NAME = "multitalk-nodes"
FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models", "home")
LOG_TAIL_LINES = 20

Process = subprocess.Popen[bytes] | Fork
Start = Callable[[list[str], dict[str, str], IO[bytes]], Process]
"""Of command, environment and log."""


def begin(command: list[str], environment: dict[str, str], log: IO[bytes]) -> Process:
    """Start a process whose output goes into the log."""
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Ctrl-C is ours: `stop` passes it on once.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class HostSettings:
    """How to start the host."""

    base: Path
    """Folder for models, inputs, outputs, temporary files, user settings and the log."""
    packs: tuple[Path, ...] = (ROOT,)
    """Folders that are linked into custom_nodes; nothing else is loaded from there."""
    arguments: tuple[str, ...] = ()
    """More arguments, for example `--cache-none`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables on top of the inherited ones."""
    port: int = 0
    """TCP port; 0 takes a free one."""
    cpu: bool = True
    """Compute on the CPU, whatever else the machine has."""
    bf16_vae: bool = False
    """Run the VAE in bfloat16: see `environment.has_bf16`."""
    python: Path = field(default_factory=lambda: Path(sys.executable))
    """Interpreter that runs the host."""
    checkout: Path = field(default_factory=find_checkout)
    """Folder of ComfyUI."""
    any_version: bool = field(default_factory=lambda: bool(os.environ.get("COMFYUI_ANY_VERSION")))
    """Accept a ComfyUI of another version than the pinned one."""
    start_seconds: float = 240.0
    """How long the start may take."""
    start: Start = begin
    """Begins the process; a fork of `forks.Nursery` is there sooner."""


def free_port() -> int:
    """Find a free TCP port on 127.0.0.1.

    Returns:
        Its number.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    """Tell whether nobody listens on a TCP port of 127.0.0.1.

    Args:
        port: Its number.

    Returns:
        True if the host could listen there.
    """
    with socket.socket() as probe:
        if os.name != "nt":  # there it would allow a second listener
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def link_name(folder: Path) -> str:
    """Name a pack's link in custom_nodes.

    Args:
        folder: The pack.

    Returns:
        The project's name for this pack, whatever the clone is called; else the folder's name.
    """
    return PACK_NAME if folder.resolve() == ROOT else folder.name


def _link(link: Path, folder: Path) -> None:
    if link.is_symlink() or link.exists():
        if link.resolve() == folder:
            return
        raise HostError(f"{link} is in the way: it should be a link to {folder}. Remove it.")
    try:
        link.symlink_to(folder, target_is_directory=True)
    except OSError:
        if sys.platform != "win32":
            raise
        import _winapi  # Windows lets any user make junctions, but not symbolic links.

        _winapi.CreateJunction(str(folder), str(link))


class HostProcess:
    """A host that runs while the `with` block does."""

    def __init__(self, settings: HostSettings) -> None:
        """Prepare a host; `start`, or `with`, starts it.

        Args:
            settings: How to start it.
        """
        self.settings = settings
        self.base = settings.base.resolve()
        self.log = self.base / "host.log"
        self.address = f"127.0.0.1:{settings.port or free_port()}"
        self._process: Process | None = None
        self._log_file: IO[bytes] | None = None

    def __enter__(self) -> HostProcess:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def command(self) -> list[str]:
        """Write the command line.

        Returns:
            The interpreter, the launcher and all arguments.
        """
        settings = self.settings
        cpu = ["--cpu", "--use-pytorch-cross-attention"] if settings.cpu else []
        vae = ["--bf16-vae"] if settings.bf16_vae else []
        names = [link_name(folder) for folder in settings.packs]
        packs = ["--whitelist-custom-nodes", *names] if names else []
        return [
            *(str(settings.python), str(LAUNCHER), FOLLOW_PARENT, str(settings.checkout.resolve())),
            *(*cpu, *vae),
            *("--listen", "127.0.0.1", "--port", self.address.rpartition(":")[2]),
            *("--base-directory", str(self.base), "--database-url", "sqlite:///:memory:"),
            *("--disable-auto-launch", "--disable-api-nodes", "--disable-all-custom-nodes", *packs),
            *("--dont-print-server", *settings.arguments),
        ]

    def environment(self) -> dict[str, str]:
        """Make the environment: no network, own home, no __pycache__ inside the pack.

        Bytecode is read from where pip put it but never written. PYTHONPYCACHEPREFIX would do too,
        but its folder starts empty: the first start then took 17 s instead of 5 s.

        Returns:
            All variables.
        """
        dropped = re.compile(r".*_proxy|PYTHONPYCACHEPREFIX|PYTHONPATH", re.IGNORECASE)
        inherited = {k: v for k, v in os.environ.items() if not dropped.fullmatch(k)}
        home = str(self.base / "home")
        own = {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HOME": home,
            "USERPROFILE": home,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return {"OMP_NUM_THREADS": "1", **inherited, **own, **self.settings.env}

    def start(self) -> None:
        """Start the host and wait until it answers.

        Raises:
            HostError: If the port is in use, or the host ends, does not answer in time, is another
                version than the pinned one or could not load one of the packs.
        """
        if self.settings.port and not port_is_free(self.settings.port):
            raise HostError(f"Port {self.settings.port} is in use; choose another one.")
        for name in FOLDERS:
            (self.base / name).mkdir(parents=True, exist_ok=True)
        for folder in self.settings.packs:
            _link(self.base / "custom_nodes" / link_name(folder), folder.resolve())
        self._log_file = self.log.open("wb")
        self._process = self.settings.start(self.command(), self.environment(), self._log_file)
        try:
            self._check(self._wait_ready())
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self) -> str:
        """Wait for /system_stats; returns the version that it names."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + self.settings.start_seconds
        while time.monotonic() < deadline:
            if not self.is_running():
                last = self.log_tail().rpartition("\n")[2]
                raise HostError(f"ComfyUI ended while it started: {last} The log: {self.log}")
            try:
                with opener.open(f"http://{self.address}/system_stats", timeout=30) as answer:
                    return _version(answer.read())
            except OSError:
                time.sleep(0.2)
        raise HostError(
            f"ComfyUI did not answer within {self.settings.start_seconds:.0f} s: see {self.log}"
        )

    def _check(self, version: str) -> None:
        pinned = read_pins().version
        if version != pinned and not self.settings.any_version:
            raise HostError(f"{self.settings.checkout} is ComfyUI {version}; pinned is {pinned}.")
        failure = find_import_failure(self.log_text())
        if failure:
            raise HostError(
                f"ComfyUI could not load a pack: {failure}. The traceback is in {self.log}"
            )

    def is_running(self) -> bool:
        """Tell whether the process is alive.

        Returns:
            True from `start` until the process ends.
        """
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of the process, once it has started."""
        assert self._process is not None, "the host was not started"
        return self._process.pid

    def log_text(self) -> str:
        """Read the log.

        Returns:
            All that the host printed so far, without colors.
        """
        text = self.log.read_bytes().decode("utf-8", errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def log_tail(self) -> str:
        """Read the end of the log.

        Returns:
            Its last lines.
        """
        return "\n".join(self.log_text().strip().splitlines()[-LOG_TAIL_LINES:])

    def stop(self) -> None:
        """End the host as Ctrl-C would (the launcher does so when its standard input ends)."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(EXIT_GRACE_SECONDS + 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log_file is not None:
            self._log_file.close()


def find_import_failure(log: str) -> str:
    """Look whether a custom node pack failed to load.

    Args:
        log: The host's log, without colors.

    Returns:
        The host's own words, or an empty text.
    """
    found = re.search(r"Cannot import (.+) module for custom nodes: (.*)", log)
    return f"{Path(found[1]).name}: {found[2].strip()}" if found else ""


def _version(stats: bytes) -> str:
    return json.loads(stats)["system"]["comfyui_version"]
