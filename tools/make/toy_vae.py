"""A VAE without training: Wan 2.1 keys and shapes, weights that spell a linear transform.

A picture goes to luma and two color differences (y, b, r); each of three halvings keeps means of
blocks and a few differences; 16 of these signals are the latent. See `build_vae`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from toy_weights import LICENCE, Metadata, State, Weights

Grids = Sequence[Sequence[str]]

# At each halving (source, kind) says which signals of the finer grid
# go on, as mean of a 2 x 2 block (m) or as its difference across (x), down (y) or both (d).
COLORS = ("y", "b", "r", "one")
HALVINGS = (
    tuple((source, "m") for source in COLORS),
    (*((source, "m") for source in COLORS), ("y", "x"), ("y", "y")),
    (
        *((source, "m") for source in (*COLORS, "y.x2", "y.y2")),
        *(("y", kind) for kind in "xyd"),
        *((source, kind) for source in ("b", "r", "y.x2", "y.y2") for kind in "xy"),
    ),
)
LUMA = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
RGB = ((1.0, 0.0, 1.402), (1.0, -0.344, -0.714), (1.0, 1.772, 0.0))
ONE = 8.0
"""The signal `one` is constant and large: it makes the channel norms almost linear."""
SMALL = 0.02
"""Gain before the heads' SiLU, which is linear (one half) for small values."""
BETWEEN = 0.12
"""Share of each neighbour when a mean is enlarged."""
DETAIL = 0.55
"""Share of a difference when it is enlarged."""
LOG_VARIANCE = -6.0

# What the host expects of a raw latent (comfy/latent_formats.py, Wan21), and what the signals have
# on drawn pictures (measured on 60, 144 x 96).
HOST_MEAN = (
    *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
    *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
)
HOST_STD = (
    *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
    *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
)
# Order: y, b, r, y.x2, y.y2, then the differences of the last halving.
OWN_MEAN = (0.255, -0.069, 0.069, 0.0, 0.013, 0.014, 0.017, 0.007, 0.005, *(0.0,) * 7)
OWN_STD = (
    *(0.329, 0.135, 0.164, 0.050, 0.050, 0.106, 0.095, 0.043),
    *(0.025, 0.027, 0.029, 0.031, 0.050, 0.023, 0.026, 0.051),
)


def build_vae(
    *, dim: int = 8, noise: float = 0.005, seed: int = 3, dtype: torch.dtype = torch.bfloat16
) -> tuple[State, Metadata]:
    """Wan 2.1 video VAE whose weights spell a linear transform, and its metadata.

    Shortcuts and attentions pass their input on, plus a little noise. Each halving keeps means and
    some differences of 2 x 2 blocks (`HALVINGS`); the decoder enlarges them again with smooth
    kernels. Every time tap but the newest is zero: a latent frame shows the last of its four
    pictures. An affine map gives raw latents of drawn pictures the mean and deviation that the host
    expects.

    Args:
        dim: Width of the first level, at least 5; real files have 96.
        noise: Size of the random part of each residual block.
        seed: Seed of the random part.
        dtype: Dtype of all tensors.
    """
    weights = Weights(seed)
    grids = [COLORS, *([_signal(s, k, i + 1) for s, k in HALVINGS[i]] for i in range(3))]
    latent = [name for name in grids[3] if name != "one"]
    _add_encoder(weights, dim, grids, latent, noise)
    _add_decoder(weights, dim, grids, latent, noise)
    scale = torch.tensor(HOST_STD) / torch.tensor(OWN_STD)
    host_mean, own_mean = torch.tensor(HOST_MEAN), torch.tensor(OWN_MEAN)
    weights.state["conv1.weight"] = _kernel(
        torch.block_diag(torch.diag(scale), 0.1 * torch.eye(16)), 1
    )
    weights.state["conv1.bias"] = torch.cat(
        (host_mean - scale * own_mean, torch.full((16,), LOG_VARIANCE))
    )
    weights.state["conv2.weight"] = _kernel(torch.diag(1 / scale), 1)
    weights.state["conv2.bias"] = own_mean - host_mean / scale
    return weights.finish(dtype), {"licence": LICENCE, "trained": "false"}


def _signal(source: str, kind: str, level: int) -> str:
    """Name of a signal after the halving to `level`; means keep their name."""
    return source if kind == "m" else f"{source}.{kind}{level}"


def _kernel(matrix: Tensor, size: int) -> Tensor:
    """Causal 3-D convolution [out, in, size, size, size] that is a matrix [out, in] per pixel."""
    kernel = torch.zeros(*matrix.shape, size, size, size)
    kernel[:, :, -1, size // 2, size // 2] = matrix
    return kernel


def _embed(num_out: int, num_in: int) -> Tensor:
    """Matrix [num_out, num_in] that copies channels by number."""
    return torch.eye(max(num_out, num_in))[:num_out, :num_in]


def _add_conv(weights: Weights, name: str, weight: Tensor) -> None:
    weights.state[f"{name}.weight"] = weight
    weights.state[f"{name}.bias"] = torch.zeros(weight.shape[0])


def _add_residual(weights: Weights, name: str, num_in: int, num_out: int, noise: float) -> None:
    for norm, conv, fan_in, std in ((0, 2, num_in, 1.0), (3, 6, num_out, noise)):
        weights.state[f"{name}.residual.{norm}.gamma"] = torch.ones(fan_in, 1, 1, 1)
        weight = torch.zeros(num_out, fan_in, 3, 3, 3)
        weight[:, :, -1] = weights.noise(num_out, fan_in, 3, 3, std=std / math.sqrt(9 * fan_in))
        _add_conv(weights, f"{name}.residual.{conv}", weight)
    if num_in != num_out:
        _add_conv(weights, f"{name}.shortcut", _kernel(_embed(num_out, num_in), 1))


def _add_middle(weights: Weights, name: str, width: int, noise: float) -> None:
    _add_residual(weights, f"{name}.0", width, width, noise)
    weights.state[f"{name}.1.norm.gamma"] = torch.ones(width, 1, 1)
    std = width**-0.5
    _add_conv(weights, f"{name}.1.to_qkv", weights.noise(3 * width, width, 1, 1, std=std))
    _add_conv(weights, f"{name}.1.proj", weights.noise(width, width, 1, 1, std=noise * std))
    _add_residual(weights, f"{name}.2", width, width, noise)


def _head_gamma(width: int) -> Tensor:
    """Norm weight after which a signal is SMALL times its value, as the norm divides by `one`."""
    return torch.full((width, 1, 1, 1), SMALL * ONE / math.sqrt(width))


def _add_encoder(
    weights: Weights, dim: int, grids: Grids, latent: Sequence[str], noise: float
) -> None:
    first = _kernel(torch.cat((torch.tensor(LUMA), torch.zeros(dim - 3, 3))), 3)
    _add_conv(weights, "encoder.conv1", first)
    weights.state["encoder.conv1.bias"][grids[0].index("one")] = ONE
    taps = {"mean": torch.tensor([0.5, 0.5, 0.0]), "difference": torch.tensor([0.5, -0.5, 0.0])}
    widths = (dim, dim, 2 * dim, 4 * dim, 4 * dim)
    index = 0
    for level in range(4):
        num_in, num_out = widths[level : level + 2]
        for block_in in (num_in, num_out):
            _add_residual(weights, f"encoder.downsamples.{index}", block_in, num_out, noise)
            index += 1
        if level == 3:
            break
        halve = torch.zeros(num_out, num_out, 3, 3)
        for row, (source, kind) in enumerate(HALVINGS[level]):
            down = taps["difference" if kind in "yd" else "mean"]
            across = taps["difference" if kind in "xd" else "mean"]
            halve[row, grids[level].index(source)] = down[:, None] * across
        _add_conv(weights, f"encoder.downsamples.{index}.resample.1", halve)
        if level > 0:
            newest = torch.zeros(num_out, num_out, 3, 1, 1)
            newest[:, :, -1, 0, 0] = torch.eye(num_out)
            _add_conv(weights, f"encoder.downsamples.{index}.time_conv", newest)
        index += 1
    _add_middle(weights, "encoder.middle", 4 * dim, noise)
    weights.state["encoder.head.0.gamma"] = _head_gamma(4 * dim)
    pick = torch.zeros(32, 4 * dim)
    for row, name in enumerate(latent):
        pick[row, grids[3].index(name)] = 2 / SMALL
    _add_conv(weights, "encoder.head.2", _kernel(pick, 3))


def _add_decoder(
    weights: Weights, dim: int, grids: Grids, latent: Sequence[str], noise: float
) -> None:
    place = torch.zeros(4 * dim, 16)
    for column, name in enumerate(latent):
        place[grids[3].index(name), column] = 1.0
    _add_conv(weights, "decoder.conv1", _kernel(place, 3))
    weights.state["decoder.conv1.bias"][grids[3].index("one")] = ONE
    _add_middle(weights, "decoder.middle", 4 * dim, noise)
    smooth = torch.tensor([BETWEEN, 1 - 2 * BETWEEN, BETWEEN])
    detail = torch.tensor([-DETAIL, 0.0, DETAIL])
    alone = torch.tensor([0.0, 1.0, 0.0])
    widths = (4 * dim, 4 * dim, 2 * dim, dim)
    index, num_in = 0, 4 * dim
    for level, num_out in zip((3, 2, 1, 0), widths, strict=True):
        for block_in in (num_in, num_out, num_out):
            _add_residual(weights, f"decoder.upsamples.{index}", block_in, num_out, noise)
            index += 1
        if level == 0:
            break
        double = torch.zeros(num_out // 2, num_out, 3, 3)
        for column, (source, kind) in enumerate(HALVINGS[level - 1]):
            down = detail if kind in "yd" else smooth
            across = detail if kind in "xd" else smooth
            kernel = alone[:, None] * alone if source == "one" else down[:, None] * across
            double[grids[level - 1].index(source), column] = kernel
        _add_conv(weights, f"decoder.upsamples.{index}.resample.1", double)
        if level > 1:
            newest = torch.zeros(2 * num_out, num_out, 3, 1, 1)
            newest[:, :, -1, 0, 0] = torch.eye(num_out).repeat(2, 1)
            _add_conv(weights, f"decoder.upsamples.{index}.time_conv", newest)
        index += 1
        num_in = num_out // 2
    weights.state["decoder.head.0.gamma"] = _head_gamma(dim)
    mix = torch.cat((torch.tensor(RGB), torch.zeros(3, dim - 3)), 1) * 2 / SMALL
    _add_conv(weights, "decoder.head.2", _kernel(mix, 3))
