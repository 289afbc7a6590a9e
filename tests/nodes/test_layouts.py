"""Every file layout through MultiTalk Load Model: the file's numbers, and what they do.

The reference is a float32 model with the numbers that the writer of the file says are in it.
"""

from __future__ import annotations

import pytest
import torch
from layouts import AUDIO_LAYOUTS, BASE_LAYOUTS, WHOLE_LAYOUTS

from pack.tests.nodes.layout_bench import IN_BASE, difference, load, loaded_weights, read_files
from pack.tests.nodes.layout_bounds import AUDIO_BOUNDS, BASE_BOUNDS, ROUNDING, WHOLE_BOUNDS
from pack.tests.nodes.layout_lora import merge, widgets

pytestmark = pytest.mark.host
ROWS = [
    *(("base", row) for row in BASE_LAYOUTS),
    *(("audio", row) for row in AUDIO_LAYOUTS),
    *(("whole", row) for row in WHOLE_LAYOUTS),
]
BOUNDS = {"base": BASE_BOUNDS, "audio": AUDIO_BOUNDS, "whole": WHOLE_BOUNDS}


def files(bench, table, row):
    """Base and audio part of a run: this row, and float32 for the other half."""
    file = getattr(bench, table)[row].file
    if table == "base":
        return file, bench.audio["float32"].file
    return (file, IN_BASE) if table == "whole" else (bench.base["float32"].file, file)


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_layout_is_read_as_it_was_written(bench, table, row):
    written, bound = getattr(bench, table)[row], BOUNDS[table][row]
    velocity, result = bench.run(load(*files(bench, table, row)))
    found, wanted = loaded_weights(result.outputs["model"][0][0]), bench.weights | written.twin
    assert set(found) == set(wanted)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert difference(velocity, bench.expected(written)) <= bound.computed
    if row != "base weights inside":
        assert difference(velocity, bench.expected()) <= bound.stored


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_bound_says_which_layouts_lose_nothing(bench, table, row):
    twin = getattr(bench, table)[row].twin
    own = getattr(bench, table).get("float32", bench.whole["MultiTalk folder"]).twin
    lossless = all(torch.equal(twin[name], tensor) for name, tensor in own.items())
    assert lossless == (BOUNDS[table][row].stored == ROUNDING)


@pytest.mark.parametrize(
    ("table", "row"), [(table, row) for table, row in ROWS if "pth" not in row]
)
def test_metadata_are_read_from_every_layout_that_has_them(host, bench, table, row):
    folder = "model_patches" if table == "audio" else "diffusion_models"
    path = bench.folder / folder / getattr(bench, table)[row].file
    header = host.module("multitalk.model.naming").read_model_header(path)
    if table != "audio":
        assert header.config("transformer")["num_heads"] == 2
    if table != "base":
        assert header.config("multitalk")["encoder_layers"] == 12


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("base", "float32"),
        ("base", "fp8 e4m3"),
        ("base", "scaled e4m3, 2"),
        ("base", "host int8"),
        ("base", "GGUF Q8_0"),
        ("whole", "quanto int8"),
        ("audio", "scaled e4m3"),
        ("audio", "GGUF Q4_K"),
    ],
)
def test_a_lora_leaves_no_trace_in_a_model_that_stays_loaded(bench, table, row):
    chosen = files(bench, table, row)
    before = bench.velocity(*chosen)
    changed, result = bench.run(load(*chosen, **widgets()))
    assert not read_files(result)
    assert difference(changed, before) > 0.05
    half = bench.run(load(*chosen, **widgets(strength=0.4)))[0]
    again = bench.run(load(*chosen, **widgets()))[0]
    assert torch.equal(again, changed)
    assert 0.01 < difference(half, before) < difference(changed, before)
    assert torch.equal(bench.run(load(*chosen))[0], before)


def test_the_lora_of_these_tests_matters_in_each_of_its_parts(bench):
    whole = bench.reference(merge(bench.weights, bench.lora))
    assert difference(whole, bench.reference(bench.weights)) > 0.05
    for name in bench.lora:
        rest = {n: change for n, change in bench.lora.items() if n != name}
        assert difference(bench.reference(merge(bench.weights, rest)), whole) > 1e-3, name
