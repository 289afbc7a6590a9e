from __future__ import annotations

import math

import pytest

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.architecture import (
    audio_parameters,
    base_parameters,
    base_sizes,
    count_blocks,
    is_audio_name,
    is_block_linear,
)
from pack.tests.weights.model_files import audio_state, base_state
from pack.tests.weights.published import audio_shapes, base_shapes, manifest

RELEASED = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)


@pytest.fixture
def vace_shapes():
    """Names and shapes of a small VACE model."""
    from pack.tools.make.toy import build_base

    state, _ = build_base(in_dim=16, layers=4, vace=2)
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_base_of_14b_has_exactly_the_published_names_and_shapes():
    published, about = base_shapes(), manifest("wan21_i2v_14b_base")
    assert len(published) == about["tensor_count"] == 1303
    assert sum(map(math.prod, published.values())) == about["parameter_count"]
    assert base_parameters(base_sizes(published)) == published


def test_sizes_of_14b_are_those_of_its_configuration():
    sizes, config = base_sizes(base_shapes()), manifest("wan21_i2v_14b_base")["config"]
    assert (sizes.dim, sizes.num_layers, sizes.ffn) == (5120, 40, 13824)
    assert sizes.text_width == config["text_dim"]
    assert sizes.time_width == config["freq_dim"]
    assert (sizes.in_channels, sizes.out_channels) == (config["in_dim"], config["out_dim"])
    assert sizes.image_width == 1280


def test_released_audio_part_has_exactly_the_published_names_and_shapes():
    published, about = audio_shapes(), manifest("multitalk_audio_part")
    assert len(published) == about["tensor_count"] == 330
    assert sum(map(math.prod, published.values())) == about["parameter_count"]
    assert audio_parameters(RELEASED) == published


def test_small_model_has_the_names_and_shapes_of_its_files():
    base = {name: tuple(tensor.shape) for name, tensor in base_state().items()}
    assert base_parameters(base_sizes(base)) == base
    audio = {name: tuple(tensor.shape) for name, tensor in audio_state().items()}
    config = AudioPartConfig(
        dim=128, num_heads=1, num_layers=2, encoder_layers=12, encoder_channels=8, hidden=64,
        num_tokens=8, token_width=64,
    )  # fmt: skip
    assert audio_parameters(config) == audio


def test_base_without_image_embedding_has_none_of_its_parameters():
    whole = base_shapes()
    without = {n: s for n, s in whole.items() if "img" not in n}
    assert len(whole) - len(without) == 8 + 5 * 40
    assert base_parameters(base_sizes(without)) == without


def test_vace_has_control_blocks_beside_the_main_ones(vace_shapes):
    sizes = base_sizes(vace_shapes)
    assert (sizes.vace_layers, sizes.vace_channels) == (2, 96)
    assert base_parameters(sizes) == vace_shapes
    matrices = {n for n in vace_shapes if n.startswith("vace_blocks") and is_block_linear(n)}
    assert len(matrices) == 2 * (4 + 4 + 2)


@pytest.mark.parametrize(
    "name",
    [
        "head.modulation", "blocks.0.ffn.0.bias", "text_embedding.0.weight",
        "time_embedding.0.weight", "patch_embedding.weight", "head.head.bias",
    ],
)  # fmt: skip
def test_sizes_need_a_few_parameters(name):
    shapes = base_shapes()
    for damaged in ({n: s for n, s in shapes.items() if n != name}, {**shapes, name: ()}):
        with pytest.raises(LookupError):
            base_sizes(damaged)


def test_audio_names_split_base_and_audio_part_exactly():
    assert not any(map(is_audio_name, base_shapes()))
    assert all(map(is_audio_name, audio_shapes()))


@pytest.mark.parametrize(
    "name",
    ["audio_projection.weight", "my.audio_proj.norm.bias", "blocks.x.norm_x.bias", "norm_x.bias"],
)
def test_other_names_are_no_audio_names(name):
    assert not is_audio_name(name)


def test_block_linears_are_the_matrices_of_the_blocks():
    whole = {**base_shapes(), **audio_shapes()}
    found = {name for name in whole if is_block_linear(name)}
    assert found == {n for n, s in whole.items() if n.startswith("blocks.") and len(s) == 2}
    # Self attention 4, cross attention 4 and 2 for the image, ffn 2; the audio part 3.
    assert len(found) == 40 * (4 + 6 + 2) + 40 * 3 == 600


def test_block_linears_and_the_others_are_the_linear_layers_of_quanto():
    layers = manifest("quanto_dit")["candidate_linears"]
    outside = [layer for layer in layers if not layer.startswith("blocks.")]
    assert not any(is_block_linear(f"{layer}.weight") for layer in outside)
    inside = [layer.format(i=7) for layer in layers if layer not in outside]
    assert all(is_block_linear(f"{layer}.weight") for layer in inside)
    assert len(inside) * 40 + len(outside) == manifest("quanto_dit")["candidate_linear_count"]


def test_blocks_are_counted_by_the_highest_number():
    assert count_blocks(["blocks.3.a", "blocks.11.b", "x.blocks.20.c", "blocks.x.d"]) == 12
    assert count_blocks(["head.modulation"]) == 0
