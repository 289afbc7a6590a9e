"""One of the kills of `tools/bench/kill_runs.py`, of a directed run."""

from __future__ import annotations

import random

import pytest

from pack.tools.bench.kills import WINDOWS, directed_prompt, one_kill

pytestmark = pytest.mark.host


def test_killed_run_goes_on_with_the_same_bits(studio, monkeypatch):
    monkeypatch.setattr(studio, "prompt", directed_prompt())
    expected = studio.finish()
    assert expected.made == len(expected.windows) == WINDOWS
    run = one_kill(studio, expected, random.Random(4))  # soon after 4 of 12 steps
    assert run["equal"]
    assert run["same file"]
    assert run["twice"] <= 1
    assert 0 < run["kept"] < WINDOWS
