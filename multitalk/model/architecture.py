"""The parameters of a WAN transformer and of the audio part: names and shapes for any size.

Names: wan21_i2v_14b_base.json and multitalk_audio_part.json in tests/weights/manifests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from ...weights.strict import tensor_shapes
from ..config import AudioPartConfig
from .audio_attention import build_audio_part

Shapes = dict[str, tuple[int, ...]]

PATCH = (1, 2, 2)
_BLOCK = re.compile(r"blocks\.(\d+)\.")
_VACE = "vace_"  # before the names of control blocks and of what they read
_AUDIO_IN_BLOCK = re.compile(r"blocks\.\d+\.(audio_cross_attn|norm_x)\.")
_BLOCK_LINEAR = re.compile(
    r"(?:vace_)?blocks\.\d+\.(self_attn|cross_attn|audio_cross_attn|ffn)\.[a-z0-9_]+\.weight"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseSizes:
    """Sizes of a WAN 2.1 transformer."""

    dim: int  # width
    num_layers: int
    ffn: int  # width of the feed-forward layers
    text_width: int
    time_width: int  # of the time sinusoid
    in_channels: int
    out_channels: int
    image_width: int | None  # of the image embedding; None: the model has none
    image_rows: int | None = None  # with places of their own there, of first-last-frame models
    vace_layers: int = 0  # control blocks of VACE beside the main ones; 0: no VACE model
    vace_channels: int = 0  # that VACE reads: 16 inactive + 16 reactive + 64 mask


def count_blocks(names: Iterable[str]) -> int:
    """Number of transformer blocks that parameter names speak of."""
    return 1 + max((int(m[1]) for m in map(_BLOCK.match, names) if m), default=-1)


def base_sizes(shapes: Mapping[str, tuple[int, ...]]) -> BaseSizes:
    """Sizes of a base model; LookupError if a parameter that tells one is missing or too flat."""
    image = shapes.get("img_emb.proj.0.bias")
    vace = shapes.get(f"{_VACE}patch_embedding.weight")
    return BaseSizes(
        dim=shapes["head.modulation"][-1],
        num_layers=count_blocks(shapes),
        ffn=shapes["blocks.0.ffn.0.bias"][0],
        text_width=shapes["text_embedding.0.weight"][1],
        time_width=shapes["time_embedding.0.weight"][1],
        in_channels=shapes["patch_embedding.weight"][1],
        out_channels=shapes["head.head.bias"][0] // math.prod(PATCH),
        image_width=None if image is None else image[0],
        image_rows=shapes["img_emb.emb_pos"][1] if "img_emb.emb_pos" in shapes else None,
        vace_layers=0 if vace is None else _count_vace_blocks(shapes),
        vace_channels=0 if vace is None else vace[1],
    )


def _count_vace_blocks(names: Iterable[str]) -> int:
    return count_blocks(n.removeprefix(_VACE) for n in names if n.startswith(_VACE))


def base_parameters(sizes: BaseSizes) -> Shapes:
    """Every parameter of a base model of these sizes."""
    dim, out = sizes.dim, {}
    _add_layer(out, "patch_embedding", dim, sizes.in_channels, *PATCH)
    _add_layer(out, "text_embedding.0", dim, sizes.text_width)
    _add_layer(out, "text_embedding.2", dim, dim)
    _add_layer(out, "time_embedding.0", dim, sizes.time_width)
    _add_layer(out, "time_embedding.2", dim, dim)
    _add_layer(out, "time_projection.1", 6 * dim, dim)
    out["head.modulation"] = (1, 2, dim)
    _add_layer(out, "head.head", sizes.out_channels * math.prod(PATCH), dim)
    if sizes.image_width is not None:
        _add_layer(out, "img_emb.proj.0", sizes.image_width)
        _add_layer(out, "img_emb.proj.1", sizes.image_width, sizes.image_width)
        _add_layer(out, "img_emb.proj.3", dim, sizes.image_width)
        _add_layer(out, "img_emb.proj.4", dim)
        if sizes.image_rows is not None:
            out["img_emb.emb_pos"] = (1, sizes.image_rows, sizes.image_width)
    for number in range(sizes.num_layers):
        _add_block(out, f"blocks.{number}", sizes)
    if sizes.vace_channels:
        _add_vace(out, sizes)
    return out


def audio_parameters(config: AudioPartConfig) -> Shapes:
    """Every parameter of an audio part of these sizes."""
    return tensor_shapes(build_audio_part(config, device="meta").state_dict())


@cache
def _known_roles() -> frozenset[str]:
    """Names of all parameters of any size, every block being block 0."""
    tiny = BaseSizes(
        dim=1, num_layers=1, ffn=1, text_width=1, time_width=1, in_channels=1, out_channels=1,
        image_width=1, image_rows=1, vace_layers=1, vace_channels=1,
    )  # fmt: skip
    audio = AudioPartConfig(
        dim=4, num_heads=1, num_layers=1, encoder_layers=1, encoder_channels=1, hidden=1,
        num_tokens=1, token_width=1,
    )  # fmt: skip
    return frozenset(base_parameters(tiny)) | frozenset(audio_parameters(audio))


def is_known_name(name: str) -> bool:
    """Whether a base or an audio part of some size has a parameter of this name."""
    return _BLOCK.sub("blocks.0.", name, count=1) in _known_roles()


def is_audio_name(name: str) -> bool:
    """Whether a parameter belongs to the audio part, not to the base."""
    return name.startswith("audio_proj.") or _AUDIO_IN_BLOCK.match(name) is not None


def is_block_linear(name: str) -> bool:
    """Whether a parameter is a matrix of a block: nine tenths of the model, safe in 8 bit.

    Everything else stays in 16 bit or more. Source: checkpoints.md section 4.
    """
    return _BLOCK_LINEAR.fullmatch(name) is not None and ".norm_" not in name


def _add_layer(out: Shapes, name: str, *shape: int) -> None:
    out[f"{name}.weight"] = shape
    out[f"{name}.bias"] = shape[:1]


def _add_vace(out: Shapes, sizes: BaseSizes) -> None:
    """Control blocks: main ones without image attention, with a projection to the main ones."""
    dim, plain = sizes.dim, replace(sizes, image_width=None)
    _add_layer(out, f"{_VACE}patch_embedding", dim, sizes.vace_channels, *PATCH)
    for number in range(sizes.vace_layers):
        name = f"{_VACE}blocks.{number}"
        _add_block(out, name, plain)
        for side in ("before", "after") if number == 0 else ("after",):
            _add_layer(out, f"{name}.{side}_proj", dim, dim)


def _add_block(out: Shapes, name: str, sizes: BaseSizes) -> None:
    dim = sizes.dim
    out[f"{name}.modulation"] = (1, 6, dim)
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            _add_layer(out, f"{name}.{attention}.{part}", dim, dim)
        for part in "qk":
            out[f"{name}.{attention}.norm_{part}.weight"] = (dim,)
    if sizes.image_width is not None:
        _add_layer(out, f"{name}.cross_attn.k_img", dim, dim)
        _add_layer(out, f"{name}.cross_attn.v_img", dim, dim)
        out[f"{name}.cross_attn.norm_k_img.weight"] = (dim,)
    _add_layer(out, f"{name}.norm3", dim)
    _add_layer(out, f"{name}.ffn.0", sizes.ffn, dim)
    _add_layer(out, f"{name}.ffn.2", dim, sizes.ffn)
