"""Counts at the size of the released models, on a card that is not there: exact, no clocks."""

from __future__ import annotations

import json
import os
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

PATIENCE_SECONDS = 300
WIDTH, HIDDEN, TOKENS, FRAMES, KEYS = 5120, 13_824, 33_600, 21, 32
TEXT = 512 + 257  # rows of text and picture
SELF = 2 * TOKENS * WIDTH * (4 * WIDTH + 2 * TOKENS)  # self attention of one block
REST = 2 * TOKENS * WIDTH * (2 * WIDTH + 2 * HIDDEN + 2 * TEXT)  # text, picture, feed-forward
FOLDED = 4 * TOKENS * WIDTH * 40 * KEYS + 4 * FRAMES * KEYS * WIDTH**2  # one voice, or none
MAPPED = 4 * TOKENS * WIDTH * (WIDTH + 2 * KEYS + 1600)  # two voices, and who looks at whom


@pytest.fixture(scope="module")
def steps(nursery, tmp_path_factory):
    """A step of two blocks and what ran together in it: one speaker, two; and a color match."""
    program = ROOT / "tools" / "bench" / "real_size.py"
    options = ["--json", "--blocks", "2", "--together", "--speakers", "1", "2", "--colors"]
    said = tmp_path_factory.mktemp("real_size") / "said.txt"
    with said.open("wb") as log:
        if nursery:  # it has torch
            child = nursery.run(program, options, dict(os.environ), log)
            child.stdin.close()
            child.wait(PATIENCE_SECONDS)
        else:
            subprocess.run([sys.executable, str(program), *options], stdout=log, check=True)
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(found) == 6, lines[-20:]
    one, single, two, pair, silent, match = found
    return {"one": (one, single), "two": (two, pair, silent), "match": match}


def test_a_step_at_real_width_multiplies_no_more_than_it_must(steps):
    _, single = steps["one"]
    _, pair, silent = steps["two"]
    block = SELF + REST
    shared = SELF + 4 * TOKENS * 1600 * WIDTH  # by two voices: with who looks at whom
    expected = {
        "three passes, one voice": (single, 3 * 2 * (block + FOLDED) - 2 * SELF),
        "two passes, two voices": (pair, 2 * 2 * (block + MAPPED) - shared),
        "one pass without": (silent, 2 * (block + FOLDED)),
    }  # fmt: skip
    for name, (counts, flops) in expected.items():
        assert counts["flops"] == pytest.approx(flops, rel=0.005), name


def test_a_step_at_real_width_moves_and_asks_for_no_more_than_it_must(steps):
    step, pair, silent = steps["two"]
    assert pair["bytes"] < 2 * 60e9
    assert silent["bytes"] < 64e9
    assert pair["launches"] < 260
    assert silent["launches"] < 200
    assert step["waits"] == step["from_card"] == 0
    assert pair["to_card"] == silent["to_card"] == 1  # the host's table of frequencies
    assert step["to_card"] == 3  # and the noise of motion latents


def test_a_step_at_real_width_holds_what_the_memory_plan_says(steps):
    for counts, speakers, passes, bound in (
        (steps["two"][2], 1, 1, 2.13e9),
        (steps["two"][1], 2, 2, 4.3e9),
        (steps["one"][1], 1, 3, 6.4e9),
    ):
        assert counts["peak"] < bound
        size = RunSize(
            height=640, width=640, window=81, num_frames=81, speakers=speakers, passes=passes,
            lean=True, dim=WIDTH, itemsize=2, vae_dim=96, vae_itemsize=2, weights=0,
            weight_itemsize=2.0, vae_weights=0,
        )  # fmt: skip
        assert plan_memory(size).step == pytest.approx(counts["peak"], rel=0.1)


def test_a_card_matches_colors_in_few_kernels_and_nothing_waits(steps):
    match = steps["match"]
    groups, tables = 9, 5  # of 81 frames
    assert match["to_card"] == groups + tables
    assert match["from_card"] == groups
    assert match["waits"] == 0
    assert match["launches"] < 500
    assert match["peak"] < 0.4e9
