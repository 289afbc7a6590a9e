"""Audio attention with its matrices folded into the audio tokens: the same sums in another order.

A latent frame has few audio tokens (32), and where one voice or none is heard its queries have
neither norm nor rotation. So x Wq k = x (Wq k) and p v Wo = p (v Wo): per frame, the query matrix
is multiplied with the keys and the output matrix with the values, and 5120 x 5120 becomes 5120 x
1280 twice. Equal to rounding; 103 of 1895 TF less in a pass at 640 x 640.

Source: performance.md section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Less, and the smaller products take longer than the large one: share of the multiplications that
# is left, and values of a latent frame.
MOST_LEFT = 0.5
LEAST_VALUES = 1 << 20


def folding_pays(per_frame: int, dim: int, heads: int, keys: int) -> bool:
    """Whether folding saves enough: tokens of a latent frame, width, heads, audio tokens."""
    whole = per_frame * dim * (dim + keys)
    folded = per_frame * dim * heads * keys + dim * dim * keys
    return per_frame * dim >= LEAST_VALUES and folded <= MOST_LEFT * whole


def folded_shares(x: Tensor, k: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """How much tokens x [B*T, n, dim] look at keys [B*T, K, N, D] of their latent frame.

    Returns:
        [B*T, n, N*K], of the query matrix [N*D, dim] and its bias; each head's sum to one.
    """
    keys, heads, width = k.shape[1:]
    k = k * width**-0.5
    offset = (k * bias.view(heads, width)).sum(-1).transpose(1, 2)  # [B*T, N, K]
    folded = _fold(k, weight.unflatten(0, (heads, width)))
    shares = torch.baddbmm(offset.flatten(1)[:, None], x, folded.transpose(1, 2))
    return shares.unflatten(-1, (heads, keys)).softmax(-1).flatten(-2)


def folded_output(shares: Tensor, v: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Output [B*T, n, dim] for such shares in values [B*T, K, N, D]; output matrix [dim, N*D]."""
    heads, width = v.shape[2:]
    folded = _fold(v, weight.unflatten(1, (heads, width)).permute(1, 2, 0))
    return torch.baddbmm(bias.expand(len(v), 1, -1), shares, folded)


def _fold(rows: Tensor, matrix: Tensor) -> Tensor:
    """Rows [B*T, K, N, D] times a matrix per head [N, D, dim]: [B*T, N*K, dim]."""
    frames, keys, heads, _ = rows.shape
    folded = torch.bmm(rows.permute(2, 0, 1, 3).flatten(1, 2), matrix)  # [N, B*T*K, dim]
    return folded.view(heads, frames, keys, -1).transpose(0, 1).reshape(frames, heads * keys, -1)
