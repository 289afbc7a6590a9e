"""The VAE on a processor in 32 bit: the quicker of torch's ways, where it takes the slow one.

Convolutions of volumes: torch has oneDNN and a plain loop, and asks for oneDNN only where the
product of the first four of five sizes is above 20,480: width is not counted. All volumes of a
narrow VAE, and the first ones of Wan's own, are below. Norms along another axis than the last: one
number at a time, where squares and their sum take whole vectors. Measured on 16 channels of
96 x 144, one thread: convolution 83 ms to 10 ms, norm 5.3 ms to 0.25 ms, values equal to 2e-6 of
the largest; the toy's VAE works five times as fast (tools/bench/vae_cpu_20261129.md). GPUs and
other kinds of numbers are not concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def quick_kernels() -> AbstractContextManager[object]:
    """A context in which torch computes on a processor as described above."""
    return _Quick() if torch.backends.mkldnn.is_available() else nullcontext()


class _Quick(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _INSTEAD.get(func, func)(*args, **(kwargs or {}))


def _conv3d(
    volume: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    # Kernels of one pixel are as quick by the loop, which torch takes for them on one thread.
    quick = _is_plain(volume, weight) and volume.dim() == 5 and weight.shape[-2:] != (1, 1)
    if isinstance(padding, str) or not quick:
        return torch.conv3d(volume, weight, bias, stride, padding, dilation, groups)
    return torch.mkldnn_convolution(
        volume, weight, bias, _triple(padding), _triple(stride), _triple(dilation), groups
    )


def _triple(value: int | Sequence[int]) -> list[int]:
    return [value] * 3 if isinstance(value, int) else list(value)


def _normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    x = input  # torch passes it on by its name
    if not _is_plain(x) or p != 2 or out is not None or dim % x.dim() == x.dim() - 1:
        return functional.normalize(x, p, dim, eps, out)
    return x / (x * x).sum(dim, keepdim=True).sqrt().clamp_min(eps)


def _is_plain(*tensors: Tensor) -> bool:
    """Whether they are 32 bit, on the processor, and nobody asks for gradients."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return False
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)


_INSTEAD: dict[Any, Callable[..., Tensor]] = {
    torch.conv3d: _conv3d,
    functional.normalize: _normalize,
}
