"""Folded matrices give what the audio attention gives, where they pay."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.audio_attention import build_audio_part, plain_attention
from pack.multitalk.model.audio_folding import folded_output, folded_shares, folding_pays

CONFIG = AudioPartConfig(
    dim=64, num_heads=4, num_layers=1, encoder_layers=2, encoder_channels=8, hidden=16,
    num_tokens=3, token_width=24, class_range=24, class_interval=4,
)  # fmt: skip


def test_folded_matrices_give_the_same_residual():
    torch.manual_seed(0)
    attention = build_audio_part(CONFIG).blocks[0].audio_cross_attn.double()
    for weight in attention.parameters():
        weight.copy_(torch.randn_like(weight) / weight.shape[-1] ** 0.5)
    x, tokens = torch.randn(2, 5 * 7, 64).double(), torch.randn(2, 5, 3, 24).double()
    plain = attention(
        x, tokens, query_rotation=None, key_rotation=None, attention=plain_attention
    )  # fmt: skip
    k, v = attention.keys_and_values(tokens)
    query, out = attention.q_linear, attention.proj
    shares = folded_shares(x.view(10, 7, 64), k, query.weight, query.bias)
    folded = folded_output(shares, v, out.weight, out.bias).view(x.shape)
    assert float(plain.std()) > 0.1
    torch.testing.assert_close(folded, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("per_frame", "dim", "heads", "keys", "pays"),
    [
        (1600, 5120, 40, 32, True),
        (1560, 5120, 40, 32, True),
        (100, 5120, 40, 32, False),  # a tiny picture
        (1600, 5120, 40, 128, False),
        (400, 512, 8, 32, False),  # measured: it does not pay at this width
    ],
)
def test_it_is_done_where_it_saves_at_least_half(per_frame, dim, heads, keys, pays):
    assert folding_pays(per_frame, dim, heads, keys) == pays
