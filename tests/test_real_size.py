"""Counts at the size of the released models, on a card that is not there: exact, no clocks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pack.tests.layers import ROOT
from pack.tools.bench.fake_card import compiler

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(compiler() is None, reason="needs g++ to build the device guard"),
]


@pytest.fixture(scope="module")
def counted():
    """What `real_size.py` counts, a dictionary per line: a step, its one pass, a color match."""
    options = ("--blocks", "2", "--speakers", "2", "--text", "1", "--audio", "1", "--colors")
    ran = subprocess.run(
        [sys.executable, "tools/bench/real_size.py", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_step_of_two_blocks_at_real_width_asks_for_no_more_than_it_must(counted):
    step, network, _ = counted
    tokens, width, hidden, masks = 33_600, 5120, 13_824, 1600
    matrices = 2 * tokens * (8 * width**2 + 2 * width * hidden)  # and audio q and out, two of eight
    attention = 4 * tokens * (tokens + masks + 512 + 257 + 64 // 21) * width
    assert network["flops"] == pytest.approx(2 * (matrices + attention), rel=0.01)
    assert network["peak"] < 2.2e9
    assert network["bytes"] < 65e9
    assert network["launches"] < 260
    assert step["waits"] == step["from_card"] == 0
    assert network["to_card"] == 1  # the host's table of frequencies
    assert step["to_card"] == 2  # and the noise of motion latents


def test_a_card_matches_colors_in_few_kernels_and_nothing_waits(counted):
    match = counted[-1]
    groups, tables = 9, 5  # of 81 frames
    assert match["to_card"] == groups + tables
    assert match["from_card"] == groups
    assert match["waits"] == 0
    assert match["launches"] < 500
    assert match["peak"] < 0.4e9
