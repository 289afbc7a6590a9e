"""Three of the fifty kills of `tools/bench/kill_runs.py`."""

from __future__ import annotations

import random

import pytest

from pack.tools.bench.kills import WINDOWS, one_kill

pytestmark = pytest.mark.host


def test_killed_runs_go_on_with_the_same_bits(studio):
    expected = studio.finish()
    assert expected.made == len(expected.windows) == WINDOWS
    random_numbers = random.Random(4)
    runs = [one_kill(studio, expected, random_numbers) for _ in range(3)]
    assert all(run["equal"] and run["same file"] for run in runs), runs
    assert all(run["twice"] <= 1 for run in runs), runs
    assert any(0 < run["kept"] < WINDOWS for run in runs), runs
