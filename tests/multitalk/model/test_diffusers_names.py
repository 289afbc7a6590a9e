from __future__ import annotations

import pytest

from pack.multitalk.model.diffusers_names import diffusers_name, official_name

# Diffusers name -> official name and parameters, of the WAN 2.1 I2V transformer.
TOP = {
    "patch_embedding": ("patch_embedding", "weight bias"),
    "condition_embedder.text_embedder.linear_1": ("text_embedding.0", "weight bias"),
    "condition_embedder.text_embedder.linear_2": ("text_embedding.2", "weight bias"),
    "condition_embedder.time_embedder.linear_1": ("time_embedding.0", "weight bias"),
    "condition_embedder.time_embedder.linear_2": ("time_embedding.2", "weight bias"),
    "condition_embedder.time_proj": ("time_projection.1", "weight bias"),
    "condition_embedder.image_embedder.norm1": ("img_emb.proj.0", "weight bias"),
    "condition_embedder.image_embedder.ff.net.0.proj": ("img_emb.proj.1", "weight bias"),
    "condition_embedder.image_embedder.ff.net.2": ("img_emb.proj.3", "weight bias"),
    "condition_embedder.image_embedder.norm2": ("img_emb.proj.4", "weight bias"),
    "scale_shift_table": ("head.modulation", ""),
    "proj_out": ("head.head", "weight bias"),
}
BLOCK = {
    "scale_shift_table": ("modulation", ""),
    "attn1.to_q": ("self_attn.q", "weight bias"),
    "attn1.to_k": ("self_attn.k", "weight bias"),
    "attn1.to_v": ("self_attn.v", "weight bias"),
    "attn1.to_out.0": ("self_attn.o", "weight bias"),
    "attn1.norm_q": ("self_attn.norm_q", "weight"),
    "attn1.norm_k": ("self_attn.norm_k", "weight"),
    "norm2": ("norm3", "weight bias"),
    "attn2.to_q": ("cross_attn.q", "weight bias"),
    "attn2.to_k": ("cross_attn.k", "weight bias"),
    "attn2.to_v": ("cross_attn.v", "weight bias"),
    "attn2.to_out.0": ("cross_attn.o", "weight bias"),
    "attn2.norm_q": ("cross_attn.norm_q", "weight"),
    "attn2.norm_k": ("cross_attn.norm_k", "weight"),
    "attn2.add_k_proj": ("cross_attn.k_img", "weight bias"),
    "attn2.add_v_proj": ("cross_attn.v_img", "weight bias"),
    "attn2.norm_added_k": ("cross_attn.norm_k_img", "weight"),
    "ffn.net.0.proj": ("ffn.0", "weight bias"),
    "ffn.net.2": ("ffn.2", "weight bias"),
}
LAYERS = {
    **{name: official for name, (official, _) in TOP.items()},
    **{f"blocks.{i}.{n}": f"blocks.{i}.{o}" for i in (0, 39) for n, (o, _) in BLOCK.items()},
}
# The key set of the released 14B model, blocks without their number.
OFFICIAL_TOP = {
    "patch_embedding.weight", "patch_embedding.bias",
    "text_embedding.0.weight", "text_embedding.0.bias",
    "text_embedding.2.weight", "text_embedding.2.bias",
    "time_embedding.0.weight", "time_embedding.0.bias",
    "time_embedding.2.weight", "time_embedding.2.bias",
    "time_projection.1.weight", "time_projection.1.bias",
    "head.modulation", "head.head.weight", "head.head.bias",
    "img_emb.proj.0.weight", "img_emb.proj.0.bias",
    "img_emb.proj.1.weight", "img_emb.proj.1.bias",
    "img_emb.proj.3.weight", "img_emb.proj.3.bias",
    "img_emb.proj.4.weight", "img_emb.proj.4.bias",
}  # fmt: skip
OFFICIAL_BLOCK = {
    "modulation", "norm3.weight", "norm3.bias",
    "self_attn.q.weight", "self_attn.q.bias", "self_attn.k.weight", "self_attn.k.bias",
    "self_attn.v.weight", "self_attn.v.bias", "self_attn.o.weight", "self_attn.o.bias",
    "self_attn.norm_q.weight", "self_attn.norm_k.weight",
    "cross_attn.q.weight", "cross_attn.q.bias", "cross_attn.k.weight", "cross_attn.k.bias",
    "cross_attn.v.weight", "cross_attn.v.bias", "cross_attn.o.weight", "cross_attn.o.bias",
    "cross_attn.norm_q.weight", "cross_attn.norm_k.weight",
    "cross_attn.k_img.weight", "cross_attn.k_img.bias",
    "cross_attn.v_img.weight", "cross_attn.v_img.bias", "cross_attn.norm_k_img.weight",
    "ffn.0.weight", "ffn.0.bias", "ffn.2.weight", "ffn.2.bias",
}  # fmt: skip


def keys(table):
    return [f"{n}.{x}" if x else n for n, (_, p) in table.items() for x in p.split() or [""]]


def test_every_official_parameter_has_exactly_one_diffusers_name():
    assert sorted(map(official_name, keys(TOP))) == sorted(OFFICIAL_TOP)
    found = [official_name(f"blocks.3.{key}") for key in keys(BLOCK)]
    assert sorted(found) == sorted(f"blocks.3.{name}" for name in OFFICIAL_BLOCK)


@pytest.mark.parametrize(("name", "official"), LAYERS.items())
def test_layers_are_translated_both_ways(name, official):
    assert official_name(name) == official
    assert diffusers_name(official) == name


@pytest.mark.parametrize(
    ("name", "official"),
    [
        ("blocks.3.attn1.to_q.weight", "blocks.3.self_attn.q.weight"),
        ("blocks.12.attn2.to_out.0.bias", "blocks.12.cross_attn.o.bias"),
        ("blocks.3.scale_shift_table", "blocks.3.modulation"),
        ("condition_embedder.time_embedder.linear_1.bias", "time_embedding.0.bias"),
        ("condition_embedder.image_embedder.norm2.weight", "img_emb.proj.4.weight"),
        ("blocks.0.attn1.to_q.scale_weight", "blocks.0.self_attn.q.scale_weight"),
    ],
)
def test_what_follows_the_layer_is_kept(name, official):
    assert official_name(name) == official
    assert diffusers_name(official) == name


@pytest.mark.parametrize(
    "name",
    [
        "blocks.0.self_attn.q.weight",  # official
        "blocks.0.ffn.2.weight",
        "attn1.to_q.weight",  # outside a block
        "blocks.0.proj_out.weight",  # inside one
        "blocks.x.attn1.to_q.weight",
        "blocks.0.attn1.to_qkv.weight",
        "proj_out_2.weight",
        "",
    ],
)
def test_other_names_have_no_official_one(name):
    assert official_name(name) is None


@pytest.mark.parametrize("name", ["blocks.0.norm_x.weight", "audio_proj.proj1.bias", "norm2"])
def test_layers_that_diffusers_lacks_have_no_diffusers_name(name):
    assert diffusers_name(name) is None


def test_control_blocks_of_vace_have_two_projections_more():
    assert official_name("vace_blocks.0.proj_in.weight") == "vace_blocks.0.before_proj.weight"
    assert official_name("vace_blocks.3.proj_out.bias") == "vace_blocks.3.after_proj.bias"
    assert official_name("vace_blocks.3.attn2.to_k") == "vace_blocks.3.cross_attn.k"
    assert diffusers_name("vace_blocks.3.after_proj") == "vace_blocks.3.proj_out"
    assert official_name("vace_patch_embedding.bias") == "vace_patch_embedding.bias"
