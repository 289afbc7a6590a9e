"""What the user sees of many jobs: a line per host on a terminal, or JSON with host and job."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..events import Event
from ..failures import HostError
from ..refusals import list_missing
from ..report import JsonReport, Report, bar
from ..texts import sentence, shown

STAYS = ("lost", "away", "note")  # kinds that are printed as lines of their own


class HostLines:
    """One line for each host, drawn again in its place, and one with counts; threads share it."""

    def __init__(self, hosts: Sequence[str], jobs: int) -> None:
        """Take all hosts, and how many jobs are to be made."""
        self._texts = dict.fromkeys(hosts, "waits")
        self._jobs, self._made, self._failed = jobs, 0, 0
        self._lock = threading.Lock()
        self._drawn = 0  # lines
        # Consoles of older Windows do not obey what moves the cursor.
        self._live = sys.stdout.isatty() and (os.name != "nt" or "WT_SESSION" in os.environ)

    def skip(self, jobs: int) -> None:
        """Leave out of the counts what was there already."""
        self._jobs -= jobs

    def show(self, host: str, text: str) -> None:
        """Change the line of a host; nothing where the output is no terminal."""
        with self._lock:
            self._texts[host] = text
            if self._live:
                self._draw()

    def tell(self, text: str, *, error: bool = False) -> None:
        """Print a line that stays, above the lines of hosts."""
        with self._lock:
            self._tell(text, error=error)

    def _tell(self, text: str, *, error: bool) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="", flush=True)
            self._drawn = 0
        print(text, file=sys.stderr if error else sys.stdout, flush=True)
        if self._live:
            self._draw()

    def ended(self, lines: Sequence[str], *, failed: bool) -> None:
        """Count a job that ended, and print the paths that it made or what went wrong."""
        with self._lock:
            self._made += not failed
            self._failed += failed
            for text in lines:
                self._tell(text, error=failed)

    def _draw(self) -> None:
        # Lines that wrap, or do not fit on the screen, could not be drawn again in their place.
        columns, rows = shutil.get_terminal_size()
        failed = f", {self._failed} failed" if self._failed else ""
        lines = [shown(f"{host}  {text}") for host, text in self._texts.items()]
        if len(lines) > rows - 3:
            lines = [*lines[: rows - 4], f"more hosts: {len(lines) - rows + 4}"]
        lines.append(f"{self._made} of {self._jobs} made{failed}")
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        cut = "".join(f"\x1b[2K{line[: columns - 1]}\n" for line in lines)
        print(f"{up}{cut}\x1b[J", end="", flush=True)
        self._drawn = len(lines)


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
        """Tell that a host is lost or does not answer; all else shows in its line."""
        if kind in STAYS:
            where = f"{self._host}: " if self._host else ""
            self._lines.tell(shown(where + text), error=True)
        if self._host:
            self._lines.show(self._host, f"{self._job}: {text}" if self._job else text)

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
        self._lines.ended([shown(path) for path in files], failed=False)

    def failure(self, error: HostError) -> None:
        """Say what went wrong with the job."""
        text = f"{self._job}: {sentence(error)} {error.hint}".strip()
        self._lines.ended([shown(text), *list_missing(error.missing)], failed=True)


class JsonHostReport(JsonReport):
    """Tells the same as JSON lines, each with its host and its job."""

    _lock = threading.Lock()  # lines of threads do not mix

    def __init__(self, host: str, job: str) -> None:
        super().__init__()
        self._where = {"host": host, "job": job}

    def _line(self, event: str, **facts: object) -> None:
        with self._lock:
            super()._line(event, **{**facts, **self._where})
