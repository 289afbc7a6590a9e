"""Names of the diffusers library for the layers of WAN 2.1, and the official ones.

Source: WanTransformer3DModel of diffusers 0.42.1 built without data; shapes are the same. Those of
its WanVACETransformer3DModel differ in the two projections of control blocks.
"""

from __future__ import annotations

import re

_TOP = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.image_embedder.norm1": "img_emb.proj.0",
    "condition_embedder.image_embedder.ff.net.0.proj": "img_emb.proj.1",
    "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
    "condition_embedder.image_embedder.norm2": "img_emb.proj.4",
    "patch_embedding": "patch_embedding",
    "vace_patch_embedding": "vace_patch_embedding",
    "proj_out": "head.head",
    "scale_shift_table": "head.modulation",
}
# attn1 is self attention, attn2 cross attention; one public converter maps both to the latter.
_BLOCK = {
    "scale_shift_table": "modulation",
    "attn1.to_q": "self_attn.q",
    "attn1.to_k": "self_attn.k",
    "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o",
    "attn1.norm_q": "self_attn.norm_q",
    "attn1.norm_k": "self_attn.norm_k",
    "attn2.to_q": "cross_attn.q",
    "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.norm_q": "cross_attn.norm_q",
    "attn2.norm_k": "cross_attn.norm_k",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    "attn2.norm_added_k": "cross_attn.norm_k_img",
    "norm2": "norm3",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
}
_CONTROL_BLOCK = {**_BLOCK, "proj_in": "before_proj", "proj_out": "after_proj"}  # of VACE
_TOP_BACK = {official: name for name, official in _TOP.items()}
_BLOCK_BACK = {official: name for name, official in _BLOCK.items()}
_CONTROL_BLOCK_BACK = {official: name for name, official in _CONTROL_BLOCK.items()}
_IN_BLOCK = re.compile(r"((?:vace_)?blocks\.\d+\.)(.+)")


def official_name(name: str) -> str | None:
    """The official name of a layer or parameter that diffusers names otherwise, without prefix.

    What follows the layer, as `.weight`, is kept. None if diffusers has no such layer.
    """
    return _translate(name, _TOP, _BLOCK, _CONTROL_BLOCK)


def diffusers_name(name: str) -> str | None:
    """The diffusers name of a layer or parameter with an official name; None without one."""
    return _translate(name, _TOP_BACK, _BLOCK_BACK, _CONTROL_BLOCK_BACK)


def _translate(
    name: str, top: dict[str, str], inside: dict[str, str], control: dict[str, str]
) -> str | None:
    found = _IN_BLOCK.fullmatch(name)
    block, layer = found.groups() if found else ("", name)
    table, tail = (control if block.startswith("vace_") else inside) if found else top, ""
    while layer not in table:
        layer, dot, last = layer.rpartition(".")
        tail = dot + last + tail
        if not layer:
            return None
    return block + table[layer] + tail
