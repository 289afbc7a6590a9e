"""weight_dtype: which matrices are quantized on load, how well, and what stays as it is."""

from __future__ import annotations

import itertools
import logging
from functools import partial

import pytest
import torch
from layout_writers import is_block_matrix, write_ggml, write_quanto, write_scaled_fp8

from pack.tests.nodes.layout_bench import difference, load, loaded_weights, modules
from pack.tests.nodes.layout_bounds import Bound
from pack.tests.nodes.layout_lora import merge, widgets

pytestmark = pytest.mark.host
# Mean rounding of the matrices, relative: see layout_bounds.py. int4 has 16 steps for 128 values.
ROUNDED = {
    "fp8_e4m3fn": 2.7e-2,
    "fp8_e4m3fn_fast": 2.7e-2,
    "fp8_e5m2": 5.4e-2,
    "int8": 7.5e-3,
    "quanto_int8": 7.5e-3,
    "quanto_fp8": 2.7e-2,
    "quanto_int4": 1.05e-1,
}
BOUNDS = {
    "fp8_e4m3fn": Bound(stored=7e-2, patched=1.4e-2),  # 3.6e-2, 6.9e-3
    "fp8_e4m3fn_fast": Bound(stored=7e-2, patched=1.4e-2),
    "fp8_e5m2": Bound(stored=1.4e-1, patched=3e-2),  # 7.2e-2, 1.6e-2
    # The host's int8 layers round what goes into them too.
    "int8": Bound(stored=2.4e-2, computed=1.6e-2, patched=1.6e-2),  # 1.2e-2, 8.4e-3, 8.4e-3
    "quanto_int8": Bound(stored=1.8e-2),  # 9.1e-3
    "quanto_fp8": Bound(stored=6e-2),  # 3.0e-2
    "quanto_int4": Bound(stored=2.7e-1),  # 1.4e-1
}
PLAIN = ("float32", "float32")
# Files of other floats, with a kind of each way of rounding: to fp8, by the host, by quanto.
OTHER = itertools.product(
    [("bfloat16", "bfloat16"), ("GGUF F16", "InfiniteTalk")], ["fp8_e4m3fn", "int8", "quanto_int4"]
)
ROWS = [*((PLAIN, kind) for kind in BOUNDS), *OTHER]


def quantised_names(model):
    from comfy.quant_ops import QuantizedTensor

    named = [pair for module in modules(model) for pair in module.named_parameters()]
    return {name for name, parameter in named if isinstance(parameter, QuantizedTensor)}


@pytest.mark.parametrize(
    ("names", "kind"), ROWS, ids=lambda part: part if part in BOUNDS else " ".join(part)
)
def test_block_matrices_are_quantised_and_nothing_else(bench, names, kind):
    files = (bench.base[names[0]].file, bench.audio[names[1]].file)
    velocity, result = bench.run(load(*files, weight_dtype=kind))
    model = result.outputs["model"][0][0]
    found, bound = loaded_weights(model), BOUNDS[kind]
    matrices = {name for name, tensor in bench.weights.items() if is_block_matrix(name, tensor)}
    assert quantised_names(model) == matrices
    for name, tensor in bench.weights.items():
        if name in matrices:
            assert 0 < difference(found[name], tensor) <= ROUNDED[kind], name
        else:
            assert torch.equal(found[name], tensor), name
    assert difference(velocity, bench.reference(found)) <= bound.computed
    assert difference(velocity, bench.expected()) <= bound.stored
    patched = bench.run(load(*files, weight_dtype=kind, **widgets()))[0]
    assert difference(patched, bench.reference(merge(found, bench.lora))) <= bound.patched


@pytest.mark.parametrize("kind", ["fp8_e5m2", "int8", "quanto_int4"])
@pytest.mark.parametrize(
    "row",
    ["fp8 e4m3", "scaled e4m3, 2", "host int8", "host nvfp4", "quanto int8, blocks", "GGUF Q4_K"],
)
def test_quantised_files_stay_as_they_are(bench, row, kind):
    base, audio = bench.base[row], bench.audio["quanto fp8"]
    result = bench.run(load(base.file, audio.file, weight_dtype=kind))[1]
    found = loaded_weights(result.outputs["model"][0][0])
    wanted = bench.weights | base.twin | audio.twin
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


@pytest.fixture(scope="module")
def in_part(bench):
    """Bases of which some block matrices are quantized."""
    import folder_paths

    def some(name, tensor):
        return is_block_matrix(name, tensor) and ".ffn." not in name

    writers = {
        "quanto": partial(write_quanto, dtype=torch.int8, which=some),
        "GGUF": partial(write_ggml, kind="Q8_0", kept=("blocks.0.ffn.", "blocks.1.ffn.")),
        "scaled": partial(write_scaled_fp8, dtype=torch.float8_e4m3fn, marker=2, which=some),
    }
    out = {}
    for name, write in writers.items():
        folder = bench.folder / "diffusion_models" / "in_part" / name
        folder.mkdir(parents=True)
        written = write(folder, bench.base["float32"].twin, {})
        out[name] = (f"in_part/{name}/{written.file}", written.twin)
    folder_paths.filename_list_cache.clear()
    return out


@pytest.mark.parametrize(
    ("row", "kind", "can"),
    [
        ("quanto", "quanto_fp8", True),
        ("quanto", "int8", False),
        ("GGUF", "quanto_fp8", True),
        ("GGUF", "int8", False),
        ("scaled", "quanto_fp8", False),
        ("scaled", "int8", True),
    ],
)
def test_the_rest_of_a_partly_quantised_file_is_quantised_if_layers_can_hold_it(
    bench, in_part, caplog, row, kind, can
):
    file, twin = in_part[row]
    caplog.set_level(logging.WARNING)
    audio = bench.audio["GGUF Q8_0"]  # quantized already
    velocity, result = bench.run(load(file, audio.file, weight_dtype=kind))
    model = result.outputs["model"][0][0]
    found, rest = loaded_weights(model), {name for name in twin if ".ffn." in name}
    wanted = bench.weights | audio.twin | twin
    for name in wanted.keys() - rest:
        assert torch.equal(found[name], wanted[name]), name
    assert (quantised_names(model) >= {n for n in rest if n.endswith(".weight")}) == can
    assert ("is quantised in part" in caplog.text) != can
    assert difference(velocity, bench.reference(found)) <= BOUNDS[kind].computed
