"""What a user sees: a bar on a terminal, little elsewhere, lines of JSON for programs."""

from __future__ import annotations

import io
import json
import sys

import pytest

from pack.workflows.api.client import Event
from pack.workflows.api.failures import UsageError
from pack.workflows.api.report import JsonReport, Report, bar
from pack.workflows.api.run import names_here

PROMPT = {"6": {"class_type": "MultiTalkSampler"}}
EVENTS = [
    Event("executing", {"node": "6"}),
    Event("progress", {"node": "6", "value": 3, "max": 6}),
    Event("progress", {"node": "unknown", "value": 3, "max": 6}),
    Event("executing", {"node": None}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(report):
    report.begin(PROMPT)
    report.say("queued", "Queued.", prompt_id="1")
    for event in EVENTS:
        report.event(event)
    report.result([])


def test_bar_fills_with_the_steps():
    assert bar(0, 6) == f"[{'.' * 30}] step 0 of 6"
    assert bar(3, 6) == f"[{'#' * 15}{'.' * 15}] step 3 of 6"
    assert bar(6, 6) == f"[{'#' * 30}] step 6 of 6"


def test_terminal_has_one_line_that_changes(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    show(Report())
    shown = f"\rMultiTalkSampler\rMultiTalkSampler: {bar(3, 6)}\n"
    assert terminal.getvalue() == f"Queued.\n{shown}"


def test_elsewhere_nothing_but_results_is_printed(capsys):
    show(Report())
    assert capsys.readouterr() == ("", "")


def test_program_reads_one_object_per_line(capsys):
    show(JsonReport())
    JsonReport().failure(UsageError("No.", node="6", field="seed", hint="Do."))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    node = {"node": "6", "class": "MultiTalkSampler"}
    error = {
        "code": 2,
        "kind": "usage",
        "node": "6",
        "input": "seed",
        "message": "No.",
        "hint": "Do.",
    }
    assert lines == [
        {"event": "queued", "message": "Queued.", "prompt_id": "1"},
        {"event": "node", **node},
        {"event": "progress", **node, "value": 3, "max": 6},
        {"event": "result", "ok": True, "code": 0, "files": []},
        {"event": "result", "ok": False, "error": error, "code": 2},
    ]


@pytest.mark.parametrize(
    ("save_as", "names"), [("", ["a.mp4", "b.png"]), ("out/x", ["out/x.mp4", "out/x_2.png"])]
)
def test_files_are_named_apart(save_as, names):
    assert names_here(save_as, [{"filename": "a.mp4"}, {"filename": "b.png"}]) == names
