"""Convolutions of the VAE on a processor: the quicker of torch's two ways.

For 32 bit volumes on a processor torch has oneDNN and a plain loop, and asks for oneDNN only where
the product of the first four of five sizes is above 20,480: width is not counted. All volumes of a
narrow VAE, and the first ones of Wan's own, are below. Measured on 16 channels of 96 x 160: 83 ms
by the loop, 10 ms by oneDNN, values equal to 2e-4 of sums around 100; the toy's VAE as a whole
decodes 2.7 times as fast. GPUs and processors that compute in bfloat16 are not concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def quick_convolutions() -> AbstractContextManager[object]:
    """A context in which small 32 bit volumes on a processor are convolved by oneDNN."""
    return _OneDnn() if torch.backends.mkldnn.is_available() else nullcontext()


class _OneDnn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        called = _convolve if func is torch.conv3d else func
        return called(*args, **(kwargs or {}))


def _convolve(
    volume: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """torch.conv3d, by oneDNN where that is the quicker way; sizes as there."""
    if isinstance(padding, str) or not _gains(volume, weight):
        return torch.conv3d(volume, weight, bias, stride, padding, dilation, groups)
    return torch.mkldnn_convolution(
        volume, weight, bias, _triple(padding), _triple(stride), _triple(dilation), groups
    )


def _gains(volume: Tensor, weight: Tensor) -> bool:
    plain = volume.device.type == "cpu" and volume.dtype == weight.dtype == torch.float32
    wanted = torch.is_grad_enabled() and (volume.requires_grad or weight.requires_grad)
    # Kernels of one pixel are as quick by the loop, which torch takes for them on one thread.
    return plain and not wanted and volume.dim() == 5 and weight.shape[-2:] != (1, 1)


def _triple(value: int | Sequence[int]) -> list[int]:
    return [value] * 3 if isinstance(value, int) else list(value)
