"""What the user sees of many jobs: a line per host on a terminal, or JSON with host and job."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .events import Event
from .failures import HostError
from .report import JsonReport, Report, bar
from .texts import shown


class HostLines:
    """One line for each host, drawn again in its place; each thread changes its own."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._texts = dict.fromkeys(hosts, "waits")
        self._lock = threading.Lock()
        self._drawn = False
        self._live = sys.stdout.isatty()

    def show(self, host: str, text: str) -> None:
        """Change the line of a host; nothing where the output is no terminal."""
        with self._lock:
            self._texts[host] = text
            if self._live:
                self._draw()

    def tell(self, text: str, *, error: bool = False) -> None:
        """Print a line that stays, above the lines of hosts."""
        with self._lock:
            if self._live and self._drawn:
                print(f"\x1b[{len(self._texts)}A\x1b[J", end="")
                self._drawn = False
            print(text, file=sys.stderr if error else sys.stdout, flush=True)
            if self._live:
                self._draw()

    def _draw(self) -> None:
        up = f"\x1b[{len(self._texts)}A" if self._drawn else ""
        lines = (f"\x1b[2K{shown(f'{host}  {text}')}\n" for host, text in self._texts.items())
        print(up + "".join(lines), end="", flush=True)
        self._drawn = True


class HostReport(Report):
    """Tells of a job on a host in the line of that host."""

    def __init__(self, lines: HostLines, host: str, job: str) -> None:
        super().__init__()
        self._lines, self._host, self._job = lines, host, job
        self._prompt: Mapping[str, Mapping] = {}

    def begin(self, prompt: Mapping[str, Mapping]) -> None:
        """Take the prompt whose events follow."""
        self._prompt = prompt
        self._lines.show(self._host, f"{self._job}: begins")

    def say(self, kind: str, text: str, **_facts: object) -> None:
        """Tell that a host is lost or has nothing more to do; the rest shows in its line."""
        if kind == "lost":
            self._lines.tell(shown(f"{self._host}: {text}"), error=True)
        self._lines.show(self._host, text)

    def event(self, event: Event) -> None:
        """Show how far a node is."""
        data = event.data
        if event.kind not in ("executing", "progress") or data.get("node") not in self._prompt:
            return
        text = f"{self._job}: {self._prompt[data['node']]['class_type']}"
        if event.kind == "progress":
            text += f" {bar(data['value'], data['max'])}"
        self._lines.show(self._host, text)

    def result(self, files: list[Path], **_facts: object) -> None:
        """Print the paths of what was made, one a line."""
        for path in files:
            self._lines.tell(shown(path))

    def failure(self, error: HostError) -> None:
        """Say what went wrong with the job."""
        text = f"{self._job}: {error} {error.hint}".strip()
        self._lines.tell(shown(text), error=True)


class JsonHostReport(JsonReport):
    """Tells the same as JSON lines, each with its host and its job."""

    _lock = threading.Lock()  # lines of threads do not mix

    def __init__(self, host: str, job: str) -> None:
        super().__init__()
        self._where = {"host": host, "job": job}

    def _line(self, event: str, **facts: object) -> None:
        with self._lock:
            super()._line(event, **{**facts, **self._where})
