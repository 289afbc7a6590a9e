from __future__ import annotations

import pytest

from pack.multitalk.model.diffusers_names import diffusers_name
from pack.multitalk.model.lora_forms import SUFFIXES, split_suffix, suffix_style
from pack.multitalk.model.lora_names import find_layer, index_layers

PARAMETERS = [
    "patch_embedding.weight", "patch_embedding.bias", "head.modulation", "head.head.weight",
    "text_embedding.0.weight", "time_projection.1.weight", "img_emb.proj.0.weight",
    "audio_proj.proj1.weight", "audio_proj.proj1_vf.weight",
    *(f"blocks.{index}.{name}" for index in (0, 1, 11) for name in (
        "modulation", "self_attn.q.weight", "self_attn.norm_q.weight", "norm3.weight",
        "cross_attn.k.weight", "cross_attn.k_img.weight", "cross_attn.norm_k_img.weight",
        "ffn.0.weight", "ffn.2.weight", "audio_cross_attn.q_linear.weight", "norm_x.weight",
    )),
]  # fmt: skip
LAYERS = index_layers(PARAMETERS)


def test_suffixes_of_the_table_cannot_be_confused():
    for suffix in SUFFIXES:
        assert [s for s in SUFFIXES if suffix.endswith(s)] == [suffix]


def test_all_that_the_host_reads_is_known():
    # Host 0.33: comfy/lora.py and comfy/weight_adapter; its other spellings are turned into these.
    assert set(SUFFIXES.values()) == {
        ".lora_up.weight", ".lora_down.weight", ".lora_mid.weight", ".reshape_weight",
        ".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".hada_t1", ".hada_t2",
        ".lokr_w1", ".lokr_w1_a", ".lokr_w1_b", ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t2",
        ".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight", ".oft_blocks", ".rescale",
        ".alpha", ".dora_scale", ".diff", ".diff_b", ".set_weight",
    }  # fmt: skip


def test_names_with_underscores_are_unambiguous():
    spellings = {*LAYERS.targets, *filter(None, map(diffusers_name, LAYERS.targets))}
    assert len(LAYERS.underscored) == len(spellings)
    for path in LAYERS.targets:
        assert LAYERS.underscored[path.replace(".", "_")] == path


def test_layers_are_listed_without_their_biases():
    assert LAYERS.targets["patch_embedding"] == "patch_embedding.weight"
    assert LAYERS.targets["head.modulation"] == "head.modulation"
    assert len(LAYERS.targets) == len(PARAMETERS) - 1


@pytest.mark.parametrize(
    ("stem", "path", "styles"),
    [
        ("diffusion_model.blocks.11.cross_attn.k_img", "blocks.11.cross_attn.k_img", ()),
        ("base_model.model.diffusion_model.head.modulation", "head.modulation", ()),
        ("transformer.blocks.1.attn2.add_k_proj", "blocks.1.cross_attn.k_img", ("diffusers",)),
        ("lora_unet_blocks_11_cross_attn_k_img", "blocks.11.cross_attn.k_img", ("kohya",)),
        ("lora_unet__blocks_1_cross_attn_k", "blocks.1.cross_attn.k", ("Fun",)),
        ("lora_unet_blocks_11.ffn.0", "blocks.11.ffn.0", ("kohya",)),
        ("lora_unet_blocks_0_ffn_net_0_proj", "blocks.0.ffn.0", ("kohya", "diffusers")),
        ("lycoris_audio_proj_proj1_vf", "audio_proj.proj1_vf", ("LyCORIS",)),
        ("lora_unet_blocks_7_ffn_0", None, ("kohya",)),
        ("blocks_0_ffn_0", None, ()),
        ("transformer.blocks.7.attn1.to_q", None, ()),
    ],
)
def test_names_are_looked_up_among_the_layers(stem, path, styles):
    assert find_layer(stem, LAYERS) == (path, styles)


@pytest.mark.parametrize(
    ("key", "parts", "style"),
    [
        ("a.b.lora_up.weight", ("a.b", ".lora_up.weight"), "ComfyUI"),
        ("a.lora_A.weight", ("a", ".lora_A.weight"), "PEFT"),
        ("a.lora_A.default.weight", ("a", ".lora_A.weight"), "PEFT"),
        ("a.lora_B.my-name.weight", ("a", ".lora_B.weight"), "PEFT"),
        ("a.lora_B.v2_0.bias", ("a", ".lora_B.bias"), "PEFT"),
        ("a.lora_up.mine.weight", ("a", ".lora_up.weight"), "ComfyUI"),
        ("a.lora_magnitude_vector", ("a", ".lora_magnitude_vector"), "PEFT"),
        ("a.lora_magnitude_vector.weight", ("a", ".lora_magnitude_vector.weight"), "PEFT"),
        ("a.lora_magnitude_vector.mine", ("a", ".lora_magnitude_vector"), "PEFT"),
        ("a.lora_magnitude_vector.mine.weight", ("a", ".lora_magnitude_vector.weight"), "PEFT"),
        ("blocks.3.diff_m", ("blocks.3.modulation", ".diff_m"), None),
        ("diffusion_model.head.diff_m", ("diffusion_model.head.modulation", ".diff_m"), None),
        ("lora_unet_head.diff_m", ("lora_unet_head.modulation", ".diff_m"), None),
        ("blocks.3.modulation.diff_m", ("blocks.3.modulation", ".diff_m"), None),
        ("a.to_q_lora.up.weight", ("a.to_q", "_lora.up.weight"), "ComfyUI"),
        ("a.lokr_w2_a", ("a", ".lokr_w2_a"), "LyCORIS"),
        ("a.diff_b", ("a", ".diff_b"), None),
        ("a.alpha", ("a", ".alpha"), None),
    ],
)
def test_suffixes_are_split_off_and_show_a_style(key, parts, style):
    assert split_suffix(key) == parts
    assert suffix_style(parts[1]) == style


@pytest.mark.parametrize("key", ["a.weight", "a.lora_A.bias", "a.lora_C.x.weight", "alpha"])
def test_unknown_suffixes_are_not_split_off(key):
    assert split_suffix(key) is None
