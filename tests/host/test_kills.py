"""Two of the kills of `tools/bench/kill_runs.py`, both of a directed run."""

from __future__ import annotations

import random

import pytest

from pack.tools.bench.kills import WINDOWS, directed_prompt, one_kill

pytestmark = pytest.mark.host


def test_killed_runs_go_on_with_the_same_bits(studio, monkeypatch):
    monkeypatch.setattr(studio, "prompt", directed_prompt())
    expected = studio.finish()
    assert expected.made == len(expected.windows) == WINDOWS
    random_numbers = random.Random(4)
    runs = [one_kill(studio, expected, random_numbers) for _ in range(2)]
    assert all(run["equal"] and run["same file"] for run in runs), runs
    assert all(run["twice"] <= 1 for run in runs), runs
    assert any(0 < run["kept"] < WINDOWS for run in runs), runs
