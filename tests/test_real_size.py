"""Counts at the size of the released models, on a card that is not there: exact, no clocks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pack.multitalk.model.memory import RunSize, plan_memory
from pack.tests.layers import ROOT
from pack.tools.bench.fake_card import compiler

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(compiler() is None, reason="needs g++ to build the device guard"),
]


def counted(*options):
    """What `real_size.py` counts, a dictionary per line."""
    ran = subprocess.run(
        [sys.executable, "tools/bench/real_size.py", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_step_of_two_blocks_at_real_width_asks_for_no_more_than_it_must():
    step, network = counted(
        "--blocks", "2", "--speakers", "2", "--text", "1", "--audio", "1"
    )  # fmt: skip
    tokens, width, hidden, masks = 33_600, 5120, 13_824, 1600
    matrices = 2 * tokens * (8 * width**2 + 2 * width * hidden)  # and audio q and out, two of eight
    attention = 4 * tokens * (tokens + masks + 512 + 257 + 64 // 21) * width
    assert network["flops"] == pytest.approx(2 * (matrices + attention), rel=0.01)
    assert network["peak"] < 2.2e9
    size = RunSize(
        height=640, width=640, window=81, num_frames=81, speakers=2, passes=1, lean=True,
        dim=width, itemsize=2, vae_dim=96, vae_itemsize=2, weights=0, weight_itemsize=2.0,
        vae_weights=0,
    )  # fmt: skip
    assert plan_memory(size).step == pytest.approx(network["peak"], rel=0.05)
    assert network["bytes"] < 65e9
    assert network["launches"] < 260
    assert step["waits"] == step["from_card"] == 0
    assert network["to_card"] == 1  # the host's table of frequencies
    assert step["to_card"] == 2  # and the noise of motion latents


def test_one_speaker_needs_a_third_less_for_audio_and_no_more_memory():
    (_, network) = counted("--blocks", "2", "--text", "1", "--audio", "1")
    tokens, width, hidden, folded = 33_600, 5120, 13_824, 1280
    matrices = 2 * tokens * (6 * width**2 + 2 * width * hidden + 2 * width * folded)
    attention = 4 * tokens * (tokens + 512 + 257) * width
    building = 4 * 21 * 32 * width**2
    assert network["flops"] == pytest.approx(2 * (matrices + attention + building), rel=0.005)
    assert network["peak"] < 2.13e9
    assert network["bytes"] < 64e9
    assert network["launches"] < 200


def test_a_card_matches_colors_in_few_kernels_and_nothing_waits():
    (match,) = counted("--colors")
    groups, tables = 9, 5  # of 81 frames
    assert match["to_card"] == groups + tables
    assert match["from_card"] == groups
    assert match["waits"] == 0
    assert match["launches"] < 500
    assert match["peak"] < 0.4e9
