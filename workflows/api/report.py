"""What the user sees of a run: a progress bar on a terminal, or one JSON object per line.

What others wrote, a host, a graph or the name of a file, is printed as `shown` makes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from .events import Event
from .failures import HostError
from .refusals import list_missing
from .texts import shown

BAR = 30  # characters


class Progress:
    """Shows a prompt's progress in one line; a line per node where the output is no terminal."""

    def __init__(self, prompt: Mapping[str, Mapping]) -> None:
        self._prompt = prompt
        self._width = 0
        self._last = ""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        data = event.data
        if event.kind not in ("executing", "progress") or data.get("node") not in self._prompt:
            return
        text = shown(self._prompt[data["node"]]["class_type"])
        if sys.stdout.isatty():
            if event.kind == "progress":
                text += f": {bar(data['value'], data['max'])}"
            print("\r" + text.ljust(self._width), end="", flush=True)
            self._width = max(len(text), self._width)
        elif text != self._last:
            print(f"  {text}", flush=True)
            self._last = text

    def done(self) -> None:
        """End the line."""
        if self._width:
            print()
            self._width = 0


def bar(value: float, total: float) -> str:
    """Draw a bar with the number of steps done and of all."""
    filled = min(round(BAR * value / total), BAR) if total else 0
    return f"[{'#' * filled}{'.' * (BAR - filled)}] step {value:g} of {total:g}"


class Report:
    """Tells what happens in words."""

    def __init__(self) -> None:
        self._progress = Progress({})
        self._quiet = not sys.stdout.isatty()

    def begin(self, prompt: Mapping[str, Mapping]) -> None:
        """Take the prompt whose events follow."""
        self._progress = Progress(prompt)

    def say(self, kind: str, text: str, **_facts: object) -> None:
        """Tell one thing: only on a terminal, where somebody looks."""
        if not self._quiet or kind == "note":
            print(shown(text), file=sys.stderr if kind == "note" else sys.stdout, flush=True)

    def event(self, event: Event) -> None:
        """Show an event of the host."""
        if not self._quiet:
            self._progress(event)

    def result(self, files: list[Path], **_facts: object) -> None:
        """Print the paths of what was made, one a line."""
        self._progress.done()
        for path in files:
            print(shown(path), flush=True)

    def failure(self, error: HostError) -> None:
        """Say what went wrong."""
        self._progress.done()
        hint = [error.hint] if error.hint else []
        if error.missing:
            lines = [shown(error), *list_missing(error.missing), *map(shown, hint)]
        else:
            lines = [shown(" ".join([str(error), *hint]))]
        print("\n".join(lines), file=sys.stderr, flush=True)


class JsonReport(Report):
    """Tells the same as one JSON object per line."""

    def __init__(self) -> None:
        super().__init__()
        self._prompt: Mapping[str, Mapping] = {}

    def begin(self, prompt: Mapping[str, Mapping]) -> None:
        """Take the prompt whose events follow."""
        self._prompt = prompt

    def _line(self, event: str, **facts: object) -> None:
        print(json.dumps({"event": event, **facts}), flush=True)

    def say(self, kind: str, text: str, **facts: object) -> None:
        """Tell one thing."""
        self._line(kind, message=text, **facts)

    def event(self, event: Event) -> None:
        """Tell that a node begins, and how far it is."""
        node = str(event.data.get("node"))
        if node not in self._prompt:
            return
        facts: dict[str, object] = {"node": node, "class": self._prompt[node]["class_type"]}
        if event.kind == "executing":
            self._line("node", **facts)
        elif event.kind == "progress":
            self._line("progress", **facts, value=event.data["value"], max=event.data["max"])

    def result(self, files: list[Path], **facts: object) -> None:
        """Tell what was made."""
        self._line("result", ok=True, code=0, files=[str(path) for path in files], **facts)

    def failure(self, error: HostError) -> None:
        """Tell what went wrong."""
        self._line("result", ok=False, error=error.as_json(), code=error.code)
