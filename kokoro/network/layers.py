"""Layers of the speech model: the ALBERT text part, style-dependent norms, residual blocks.

Networks: ALBERT (Lan et al. 2020); adaptive norms and residual blocks of StyleTTS 2 (Li et al.
2023). Module names are those of the published checkpoint. Deviations: weight norm is folded into
plain weights when they are loaded; dropout, which only training uses, is absent, and so is ALBERT's
pooled output, which nothing reads. The batch is always 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import BertConfig

NORM_EPS = 1e-5
BERT_NORM_EPS = 1e-12
SLOPE = 0.2  # of leaky ReLU outside the generator
TILE = 4096  # time steps that are computed at once: about what a processor core's cache holds


class Convolution(nn.Conv1d):
    """Convolution with zeros around; on a CPU by matrix products, a tile of time at once.

    Nearly as fast as PyTorch's own, which copies every sound twice and keeps code for each length
    that it ever saw, between which the heap breaks up (measured: 1.6 GB after 45 chunks of
    different lengths with it, 0.2 GB without; see tools/bench/kokoro_speed_cpu_20261125.md).
    """

    def forward(self, input: Tensor, total: Tensor | None = None) -> Tensor:
        """[1, width, T] -> [1, out, T / stride]; added to `total`, in place, if that is given."""
        if input.device.type != "cpu":
            found = super().forward(input)
            return found if total is None else total.add_(found)
        stride, reach, length = self.stride[0], int(self.padding[0]), input.shape[-1]
        span = self.dilation[0] * (self.kernel_size[0] - 1)
        num_steps = (length + 2 * reach - span - 1) // stride + 1
        bias = input.new_zeros(1) if self.bias is None else self.bias
        if total is None:
            total = bias[:, None].expand(self.out_channels, num_steps).clone()[None]
        else:
            total += bias[:, None]
        taps = self.weight.permute(2, 0, 1).contiguous()
        for start in range(0, num_steps, TILE):
            stop = min(start + TILE, num_steps)
            for number, tap in enumerate(taps):
                shift = number * self.dilation[0] - reach
                low = max(start, -(shift // stride))  # what lies before the sound is zero
                high = min(stop, (length - 1 - shift) // stride + 1)
                if low < high:
                    first, last = low * stride + shift, (high - 1) * stride + shift
                    total[0, :, low:high].addmm_(tap, input[0, :, first : last + 1 : stride])
        return total


class Upsampling(nn.ConvTranspose1d):
    """Transposed convolution to `stride` times the length; see `Convolution`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[1, width, T] -> [1, out, T * stride]."""
        if input.device.type != "cpu":
            return super().forward(input, output_size)
        stride, reach, length = self.stride[0], int(self.padding[0]), input.shape[-1]
        out = input.new_empty(1, self.out_channels, length, stride)
        taps = self.weight.permute(2, 1, 0).contiguous()  # [kernel, out, width]
        for phase in range(stride):
            column = input.new_zeros(self.out_channels, length)
            for number in range((phase + reach) % stride, len(taps), stride):
                shift = (phase + reach - number) // stride
                low, high = max(0, -shift), min(length, length - shift)
                if low < high:
                    column[:, low:high].addmm_(
                        taps[number], input[0, :, low + shift : high + shift]
                    )
            out[0, ..., phase] = column
        if self.bias is not None:
            out += self.bias[:, None, None]
        return out.flatten(-2)


class _Embeddings(nn.Module):
    def __init__(self, config: BertConfig, num_symbols: int) -> None:
        super().__init__()
        width = config.embedding
        self.word_embeddings = nn.Embedding(num_symbols, width)
        self.position_embeddings = nn.Embedding(config.max_positions, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=BERT_NORM_EPS)

    def forward(self, ids: Tensor) -> Tensor:
        positions = self.position_embeddings.weight[: ids.shape[1]]
        first_type = self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(ids) + first_type + positions)


class _Attention(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden
        self.num_heads = config.num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=BERT_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        heads = [
            layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        ]  # each [1, N, P, D]
        seen = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)  # [1, P, C]
        return self.LayerNorm(x + self.dense(seen))


class _AlbertLayer(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.ffn = nn.Linear(config.hidden, config.intermediate)
        self.ffn_output = nn.Linear(config.intermediate, config.hidden)
        self.full_layer_layer_norm = nn.LayerNorm(config.hidden, eps=BERT_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        inner = F.gelu(self.ffn(x), approximate="tanh")
        return self.full_layer_layer_norm(self.ffn_output(inner) + x)


class _AlbertEncoder(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.num_layers = config.num_layers
        self.embedding_hidden_mapping_in = nn.Linear(config.embedding, config.hidden)
        group = nn.ModuleDict({"albert_layers": nn.ModuleList([_AlbertLayer(config)])})
        self.albert_layer_groups = nn.ModuleList([group])

    def forward(self, embedded: Tensor) -> Tensor:
        x = self.embedding_hidden_mapping_in(embedded)
        layer = self.get_submodule("albert_layer_groups.0.albert_layers.0")
        for _ in range(self.num_layers):  # one layer's weights serve all of them
            x = layer(x)
        return x


class Albert(nn.Module):
    """PL-BERT: an ALBERT over phonemes."""

    def __init__(self, config: BertConfig, num_symbols: int) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config, num_symbols)
        self.encoder = _AlbertEncoder(config)

    def forward(self, ids: Tensor) -> Tensor:
        """Features [1, P, C] of symbols [1, P]."""
        return self.encoder(self.embeddings(ids))


def bilstm(width: int, out: int) -> nn.LSTM:
    """LSTM in both directions, half of the width each; what it returns first is [1, T, out]."""
    return nn.LSTM(width, out // 2, batch_first=True, bidirectional=True)


class AdaptiveLayerNorm(nn.Module):
    """Layer norm over channels whose gain and shift come from the style."""

    def __init__(self, channels: int, style_width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style_width, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[1, T, C] and a style [1, width] -> [1, T, C]."""
        gain, shift = self.fc(style)[0].chunk(2)
        return F.layer_norm(x, x.shape[-1:], 1 + gain, shift, NORM_EPS)


class AdaptiveNorm(nn.Module):
    """Instance norm whose gain and shift come from the style (AdaIN).

    Group norm with a group per channel is the same for a batch of one, and on a CPU four times as
    fast. `norm` has no tensors in the published file; they are 1 and 0 then.
    """

    def __init__(self, channels: int, style_width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(channels, channels, eps=NORM_EPS)
        self.fc = nn.Linear(style_width, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[1, C, T] and a style [1, width] -> [1, C, T], a new tensor."""
        gain, shift = self.fc(style)[0].chunk(2)
        gain = 1 + gain
        weight, bias = gain * self.norm.weight, torch.addcmul(shift, gain, self.norm.bias)
        return F.group_norm(x, x.shape[1], weight, bias, NORM_EPS)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [1, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[1, C, T] -> [1, C, T]."""
        return F.layer_norm(x.mT, self.gamma.shape, self.gamma, self.beta, NORM_EPS).mT


class Doubling(nn.Module):
    """Transposed convolution per channel: kernel 3, stride 2, padding 1, output padding 1.

    Written out: every second step is a multiple of one input, every other of two.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 3))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[1, C, T] -> [1, C, 2T]."""
        first, middle, last = self.weight[:, 0, :, None].unbind(1)
        bias = self.bias[:, None]
        following = F.pad(x[..., 1:], (0, 1))
        pairs = (torch.addcmul(bias, middle, x), last * x + first * following + bias)
        return torch.stack(pairs, -1).flatten(-2)


class AdaptiveBlock(nn.Module):
    """Residual block of two style-dependent norms and convolutions, doubling the length or not."""

    def __init__(self, width: int, out: int, style_width: int, *, doubling: bool = False) -> None:
        super().__init__()
        self.conv1 = Convolution(width, out, 3, padding=1)
        self.conv2 = Convolution(out, out, 3, padding=1)
        self.norm1 = AdaptiveNorm(width, style_width)
        self.norm2 = AdaptiveNorm(out, style_width)
        self.conv1x1 = Convolution(width, out, 1, bias=False) if width != out else None
        self.pool = Doubling(width) if doubling else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[1, width, T] and a style -> [1, out, T or 2T]."""
        inner = F.leaky_relu_(self.norm1(x, style), SLOPE)
        if self.pool is not None:
            inner = self.pool(inner)
        inner = self.conv1(inner)
        inner = self.conv2(F.leaky_relu_(self.norm2(inner, style), SLOPE))
        # A convolution of width 1 and a repetition can be exchanged; this order is half the work.
        short = x if self.conv1x1 is None else self.conv1x1(x)
        if self.pool is not None:
            short = short.repeat_interleave(2, dim=-1)
        return (inner + short) / math.sqrt(2)
