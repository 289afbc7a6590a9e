"""Layouts among the host's own nodes: its loader before MultiTalk Attach, its LoRA loader."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from layout_writers import (
    Written,
    is_block_matrix,
    write_fp8,
    write_ggml,
    write_host_fp8,
    write_quanto,
    write_scaled_fp8,
)
from layouts import build_parts

from pack.tests.nodes.layout_bench import IN_BASE, difference, load, sample
from pack.tests.nodes.layout_bounds import BASE_BOUNDS, ROUNDING
from pack.tests.nodes.layout_lora import BASE_FILE, STRENGTH, widgets
from pack.tools.host.prompts import node

pytestmark = pytest.mark.host
HOST_READS = ["float32", "bfloat16", "model.diffusion_model.", "scaled e4m3, 2", "host e4m3"]


def with_hosts_lora(prompt, model):
    """The host's LoRA loader after a node."""
    prompt["lora"] = node(
        "LoraLoaderModelOnly", model=[model, 0], lora_name=BASE_FILE, strength_model=STRENGTH
    )
    return ["lora", 0]


def attach(base, audio, *, lora=False):
    """A base from the host's own loader, with the audio part of a file."""
    prompt = sample(
        node("MultiTalkAttach", model=["base", 0], audio_part=audio, family="auto"),
        base=node("TestCountedModel", name=base),
    )
    if lora:
        prompt["model"]["inputs"]["model"] = with_hosts_lora(prompt, "base")
    return prompt


@pytest.mark.parametrize("row", HOST_READS)
def test_attach_to_the_hosts_model_equals_load_model(bench, row):
    base, audio = bench.base[row].file, bench.audio["float32"].file
    attached = bench.run(attach(base, audio))[0]
    assert difference(attached, bench.velocity(base, audio)) <= ROUNDING


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("base", "float32"),
        ("base", "fp8 e4m3"),
        ("base", "scaled e4m3, 2"),
        ("base", "host int8"),
        ("base", "GGUF Q4_K"),
        ("whole", "quanto int8"),
    ],
)
def test_hosts_lora_loader_after_load_model_equals_our_loras(bench, table, row):
    base = getattr(bench, table)[row].file
    audio = IN_BASE if table == "whole" else bench.audio["float32"].file
    ours = bench.velocity(base, audio, **widgets(BASE_FILE))
    prompt = load(base, audio)
    prompt["kept"]["inputs"]["model"] = with_hosts_lora(prompt, "model")
    hosts = bench.run(prompt)[0]
    assert difference(hosts, ours) <= ROUNDING
    assert difference(hosts, bench.run(load(base, audio))[0]) > 0.05


@pytest.mark.parametrize("row", HOST_READS)
def test_hosts_lora_loader_before_attach_equals_our_loras(bench, row):
    base, audio = bench.base[row].file, bench.audio["float32"].file
    hosts = bench.run(attach(base, audio, lora=True))[0]
    ours = bench.velocity(base, audio, **widgets(BASE_FILE))
    assert difference(hosts, ours) <= ROUNDING


INSIDE = {
    "float32": None,
    "fp8": partial(write_fp8, dtype=torch.float8_e4m3fn),
    "scaled": partial(write_scaled_fp8, dtype=torch.float8_e4m3fn, marker=2, which=is_block_matrix),
    "host": partial(write_host_fp8, listed=False),
    "quanto": partial(write_quanto, dtype=torch.int8),
    "GGUF": partial(write_ggml, kind="Q8_0"),
}


@pytest.fixture(scope="module")
def inside(bench):
    """Audio parts with base weights inside, in layouts that no published file has yet."""
    import folder_paths

    plain, metadata = bench.audio["base weights inside"], build_parts()[3]
    out = {"float32": plain}
    for name, write in INSIDE.items():
        if write is not None:
            folder = bench.folder / "model_patches" / "inside" / name
            folder.mkdir(parents=True)
            written = write(folder, plain.twin, metadata)
            out[name] = Written(file=f"inside/{name}/{written.file}", twin=written.twin)
    folder_paths.filename_list_cache.clear()
    return out


@pytest.mark.parametrize("row", ["float32", "scaled e4m3, 2"])
@pytest.mark.parametrize("audio", INSIDE)
def test_base_weights_beside_the_audio_part_win_over_an_attached_model(bench, inside, audio, row):
    velocity = bench.run(attach(bench.base[row].file, inside[audio].file))[0]
    wanted = bench.expected(bench.base[row], inside[audio])
    # Like a LoRA, a replaced weight is rounded into the format of the host's layer.
    assert difference(velocity, wanted) <= 2 * BASE_BOUNDS[row].patched
    assert difference(velocity, bench.expected(bench.base[row])) > 0.05
