"""Keys of LoRA files beyond the plain pair: modulation, magnitudes, adapters with names."""

from __future__ import annotations

import pytest

from pack.multitalk.model.lora import match_lora
from pack.tests.multitalk.model.test_lora import BLOCKS, CONV, DIM, MODEL, PATH, PEFT, Q, pair


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "lora_unet_", "dit."])
def test_differences_of_the_modulation_go_to_block_and_head(prefix):
    shapes = {f"{prefix}head.diff_m": (1, 2, DIM)}
    for index in range(BLOCKS):
        shapes[f"{prefix}blocks{'_' if '_u' in prefix else '.'}{index}.diff_m"] = (1, 6, DIM)
    match = match_lora(shapes, MODEL)
    wanted = {"head.modulation", *(f"blocks.{i}.modulation" for i in range(BLOCKS))}
    assert set(match.targets.values()) == set(match.applied) == wanted
    assert set(match.names.values()) == {f"{path}.diff" for path in wanted}
    assert not match.ignored


def test_a_modulation_that_is_flat_in_the_file_is_to_be_reshaped():
    match = match_lora({"blocks.0.diff_m": (6 * DIM,), "head.diff_m": (2, DIM)}, MODEL)
    assert match.reshaped == {"blocks.0.diff_m": (1, 6, DIM), "head.diff_m": (1, 2, DIM)}


def test_a_modulation_of_another_size_is_told():
    match = match_lora({"blocks.0.diff_m": (1, 6, 96), **pair(Q)}, MODEL)
    assert "made for another size: diff is 1x6x96" in match.ignored["blocks.0.modulation"]


@pytest.mark.parametrize("suffix", [".lora_magnitude_vector", ".lora_magnitude_vector.x.weight"])
@pytest.mark.parametrize("shape", [(DIM,), (DIM, 1), (1, DIM)])
def test_magnitudes_of_peft_are_one_per_row(suffix, shape):
    match = match_lora(pair(Q, **PEFT) | {Q + suffix: shape}, MODEL)
    assert match.applied == (PATH,)
    assert match.names[Q + suffix] == PATH + ".dora_scale"
    assert match.reshaped == ({} if shape == (DIM, 1) else {Q + suffix: (DIM, 1)})


def test_magnitudes_of_peft_for_a_convolution_are_one_per_row():
    shapes = {f"{CONV}.lora_B.weight": (DIM, 4, 1, 1, 1), f"{CONV}.lora_A.weight": (4, 36, 1, 2, 2)}
    key = f"{CONV}.lora_magnitude_vector"
    match = match_lora(shapes | {key: (1, DIM, 1, 1, 1)}, MODEL)
    assert match.applied == (CONV,)
    assert match.reshaped == {key: (DIM, 1, 1, 1, 1)}


def test_of_two_adapters_in_a_file_one_is_used_and_the_other_told():
    shapes = pair(Q, up=".lora_B.a.weight", down=".lora_A.a.weight")
    shapes |= pair(Q, rank=8, up=".lora_B.b.weight", down=".lora_A.b.weight")
    match = match_lora(shapes, MODEL)
    assert {key.split(".")[-2] for key in match.names} == {"a"}
    assert match.partly == {
        PATH: "another adapter .lora_B.b.weight; another adapter .lora_A.b.weight"
    }


@pytest.mark.parametrize("prefix", ["controlnet.", "text_encoder.", "lora_te_", "lora_controlnet_"])
def test_layers_of_other_models_with_the_same_names_are_not_taken_for_ours(prefix):
    name = prefix + (PATH if prefix.endswith(".") else PATH.replace(".", "_"))
    assert match_lora(pair(name), MODEL).num_changed == 0


def test_bare_parameters_are_their_own_path():
    shapes = {
        "diffusion_model.blocks.0.modulation.diff": (1, 6, DIM),
        "scale_shift_table.diff": (1, 2, DIM),
    }
    match = match_lora(shapes, MODEL)
    assert match.names["diffusion_model.blocks.0.modulation.diff"] == "blocks.0.modulation.diff"
    assert match.names["scale_shift_table.diff"] == "head.modulation.diff"
    assert match.targets["blocks.0.modulation"] == "blocks.0.modulation"
    assert match.targets["head.modulation"] == "head.modulation"
