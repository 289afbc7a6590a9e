"""Folded audio attention on weights that the host owns: cast, paged and changed by LoRAs."""

from __future__ import annotations

from typing import Any

import comfy.ops
import torch
from comfy.ops import CastBiasWeightContext
from comfy.quant_ops import QuantizedTensor
from torch import Tensor

from ...multitalk.model.audio_attention import AudioBlock, own_tokens, whole_frames
from ...multitalk.model.audio_folding import folded_output, folded_shares, folding_pays
from ...multitalk.parallel.slices import Stretch

_WHOLE = (torch.float32, torch.bfloat16, torch.float16)


def can_fold(block: AudioBlock, x: Tensor, tokens: Tensor) -> bool:
    """Whether tokens x [B, L, dim] can take a shorter way to audio tokens [B, T, K, E].

    Not where weights are quantized: they would have to be made whole first.
    """
    attention = block.audio_cross_attn
    frames, keys = tokens.shape[1:3]
    return folding_pays(x.shape[1] // frames, x.shape[2], attention.num_heads, keys) and all(
        map(_is_plain, (attention.q_linear, attention.proj))
    )


def folded_audio(
    block: AudioBlock, x: Tensor, tokens: Tensor, stretch: Stretch | None = None
) -> Tensor:
    """Audio residual of a block, [B, L, dim], as the block gives it but for rounding."""
    attention, frames = block.audio_cross_attn, tokens.shape[1]
    k, v = attention.keys_and_values(tokens)
    rows = whole_frames(block.norm_x(x), stretch).unflatten(1, (frames, -1)).flatten(0, 1)
    # One after the other: weights that are paged in share one place.
    with CastBiasWeightContext(attention.q_linear, x, offloadable=True) as weights:
        shares = folded_shares(rows, k, *weights)
    with CastBiasWeightContext(attention.proj, x, offloadable=True) as weights:
        out = folded_output(shares, v, *weights)
    return own_tokens(out.unflatten(0, (len(x), frames)).flatten(1, 2), stretch)


def _is_plain(layer: Any) -> bool:
    """Whether a layer has numbers of its own, and does nothing else with them."""
    weight = layer.weight
    return (
        isinstance(layer, comfy.ops.disable_weight_init.Linear)
        and not isinstance(weight, QuantizedTensor)
        and weight.dtype in _WHOLE
        and layer.bias is not None
        and "forward" not in vars(layer)
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
    )
