"""Convolution features of a waveform, piece by piece: memory does not grow with the layers' rates.

Network: the convolutions at the beginning of wav2vec 2.0 (Baevski et al. 2020) as `transformers`
builds them: 320 samples to one feature, 50 features per second; the first layer makes 3200 steps
per second of 512 channels, 6.6 MB. Pieces overlap by what one feature hears, so each feature is
computed from its own samples and from all of them. In the base model the first layer normalizes
each channel over the WHOLE time; mean and variance are therefore taken in a pass of their own.
Equal to the whole track at once up to rounding; a track of one piece is computed at once.

Source: audio.md section 3, performance.md section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers.models.wav2vec2.modeling_wav2vec2 import (
        Wav2Vec2GroupNormConvLayer,
        Wav2Vec2Model,
    )

PIECE_FEATURES = 1000  # 20 s; the first layer's output takes 131 MB, about three are alive
Check = Callable[[], None]  # raises if the user has asked to stop


def convolve(
    model: Wav2Vec2Model,
    waveform: Tensor,
    *,
    piece: int = PIECE_FEATURES,
    check: Check | None = None,
) -> Tensor:
    """Run the convolutions of the encoder, `piece` features at once: [1, C, m], 50 per second.

    The waveform is [A] float32 mono at 16 kHz, on the model's device, at least 400 samples. What
    `check` raises, which is called before each piece, is passed on. Gradients do not flow through
    the statistics of several pieces.
    """
    config, extractor = model.config, model.feature_extractor
    hop, heard = receptive_field(config.conv_kernel, config.conv_stride)
    count = (len(waveform) - heard) // hop + 1
    if check is not None:
        check()
    if count <= piece:
        return extractor(waveform[None])
    first, *others = extractor.conv_layers
    if config.feat_extract_norm == "group":
        steps = piece * hop // config.conv_stride[0]
        first = _over_whole_track(first, waveform, piece=steps, check=check)
    out = waveform.new_empty(1, config.conv_dim[-1], count)
    for begin, end in _pieces(count, piece):
        if check is not None:
            check()
        hidden = first(waveform[None, None, begin * hop : (end - 1) * hop + heard])
        for layer in others:
            hidden = layer(hidden)
        out[..., begin:end] = hidden
    return out


def _over_whole_track(
    module: nn.Module, waveform: Tensor, *, piece: int, check: Check | None
) -> Callable[[Tensor], Tensor]:
    """The first layer of the base model for a piece, normalized as the whole track would be."""
    layer = cast("Wav2Vec2GroupNormConvLayer", module)
    norm = layer.layer_norm  # one channel per group
    mean, variance = channel_statistics(layer.conv, waveform, piece=piece, check=check)

    def run(samples: Tensor) -> Tensor:
        return layer.activation(
            nn.functional.batch_norm(
                layer.conv(samples), mean, variance, norm.weight, norm.bias, eps=norm.eps
            )
        )

    return run


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Samples from one feature to the next, and samples that one feature hears: 320 and 400."""
    hop = heard = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        heard += (kernel - 1) * hop
        hop *= stride
    return hop, heard


def channel_statistics(
    conv: nn.Conv1d, waveform: Tensor, *, piece: int, check: Check | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of each channel of a convolution over a whole waveform [A].

    The convolution has one input channel and no padding; the variance is that of all steps. `piece`
    steps are computed at once; results have the waveform's dtype and device.

    Source: Chan, Golub and LeVeque 1979, equation 2.1, in float64 on the CPU (Apple's GPUs have
        no float64): nothing is subtracted that is nearly equal, however long the track.
    """
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    mean = torch.zeros(conv.out_channels, dtype=torch.float64, device="cpu")
    spread, before = torch.zeros_like(mean), 0
    for begin, end in _pieces((len(waveform) - kernel) // stride + 1, piece):
        if check is not None:
            check()
        output = conv(waveform[None, None, begin * stride : (end - 1) * stride + kernel])[0]
        own_variance, own_mean = torch.var_mean(output, dim=-1, correction=0)
        own, total = end - begin, before + end - begin
        difference = own_mean.detach().cpu().double() - mean
        mean += difference * (own / total)
        spread += own_variance.detach().cpu().double() * own
        spread += difference.square() * (own * before / total)
        before = total
    mean, variance = (value.to(waveform.dtype) for value in (mean, spread / before))
    return mean.to(waveform.device), variance.to(waveform.device)


def _pieces(count: int, piece: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each piece of `count` steps."""
    return pairwise((*range(0, count, piece), count))
