from __future__ import annotations

import pytest
import torch
from layouts import diffusers_name
from safetensors.torch import save_file

from pack.multitalk.model.naming import model_identity, read_model_header
from pack.tests.weights.model_files import base_state, read_safetensors
from pack.tests.weights.test_header import PARTS, write, write_parts
from pack.weights.header import open_tensors

BASE, AUDIO = "head.modulation", "audio_proj.proj1.weight"
DIFFUSERS = "condition_embedder.time_embedder.linear_1.weight"
PREFIXES = ["model.diffusion_model.", "diffusion_model.", "model."]


@pytest.mark.parametrize("mark", [BASE, AUDIO, BASE + "._data", AUDIO + "._data"])
@pytest.mark.parametrize("prefix", ["", *PREFIXES])
def test_prefix_of_a_transformer_is_taken_off(tmp_path, prefix, mark):
    path = write(tmp_path / "x.safetensors", [prefix + mark, prefix + "blocks.0.norm3.bias"])
    header = read_model_header(path)
    assert list(header.shapes) == sorted((mark, "blocks.0.norm3.bias"))
    assert list(header.dtypes) == list(header.shapes)
    assert header.prefix == prefix
    assert header.sources[mark] == (path, prefix + mark)


@pytest.mark.parametrize("name", ["model.layers.0.weight", "model.other", "diffusion_model.x"])
def test_names_of_other_models_stay(tmp_path, name):
    header = read_model_header(write(tmp_path / "x.safetensors", [name]))
    assert (list(header.shapes), header.prefix) == ([name], "")


def test_names_without_the_prefix_stay_beside_those_with_it(tmp_path):
    names = ["model.head.modulation", "scaled_fp8"]
    header = read_model_header(write(tmp_path / "x.safetensors", names))
    assert set(header.shapes) == {BASE, "scaled_fp8"}


def test_other_models_of_a_pipeline_are_set_aside(tmp_path):
    others = ["vae.decoder.x", "text_encoders.umt5xxl.shared.weight", "first_stage_model.y"]
    mine = ["model.diffusion_model.head.modulation", "model.diffusion_model.vae.x"]
    header = read_model_header(write(tmp_path / "x.safetensors", others + mine))
    assert set(header.shapes) == {BASE, "vae.x"}
    assert set(header.other_parts) == set(others)
    assert set(open_tensors(header, read_safetensors)) == {BASE, "vae.x"}


def test_without_a_prefix_nothing_is_set_aside(tmp_path):
    header = read_model_header(write(tmp_path / "x.safetensors", [BASE, "vae.decoder.x"]))
    assert (set(header.shapes), header.other_parts) == ({BASE, "vae.decoder.x"}, ())


@pytest.mark.parametrize("ending", ["", "._data"])
def test_names_of_diffusers_become_the_official_ones(tmp_path, ending):
    names = [DIFFUSERS + ending, "scale_shift_table", "blocks.1.attn2.to_out.0.bias", "other.bias"]
    header = read_model_header(write(tmp_path / "x.safetensors", names))
    expected = {f"time_embedding.0.weight{ending}", BASE, "blocks.1.cross_attn.o.bias"}
    assert set(header.shapes) == {*expected, "other.bias"}
    assert header.sources[BASE][1] == "scale_shift_table"


def test_whole_model_of_diffusers_has_the_names_of_the_official_one(tmp_path):
    state = base_state()
    path = tmp_path / "x.safetensors"
    save_file({diffusers_name(name): tensor for name, tensor in state.items()}, path)
    header = read_model_header(path)
    assert {n: tuple(t.shape) for n, t in state.items()} == dict(header.shapes)
    tensors = open_tensors(header, read_safetensors)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("names", "twice"),
    [
        (
            ["model.head.modulation", "head.modulation"],
            ("head.modulation", "model.head.modulation"),
        ),
        ([DIFFUSERS, "time_embedding.0.weight"], (DIFFUSERS, "time_embedding.0.weight")),
    ],
)
def test_name_that_occurs_twice_is_refused(tmp_path, names, twice):
    message = rf"x\.safetensors holds {names[1]} twice, as ({'|'.join(twice)}) and as .* Download"
    with pytest.raises(ValueError, match=message):
        read_model_header(write(tmp_path / "x.safetensors", names))


def test_identity_includes_the_audio_part_that_is_read_with_the_parts(tmp_path):
    path = write_parts(tmp_path, index=False)
    alone = model_identity(path)
    write(tmp_path / "audio.safetensors", [AUDIO])
    assert model_identity(path) != alone
    assert {file.name for file in read_model_header(path).files} == {*PARTS, "audio.safetensors"}
