"""DoRA: a change of a weight's directions beside lengths of its own.

The host computes the lengths of rows before the change, so the weight that comes out has not the
lengths that were trained (4 to 60 % off in small examples). Here they are those of the changed
weight, as PEFT and LyCORIS train them.

Source: Liu et al. 2024, equation 5: W' = m (W + BA) / |W + BA|; numbers compared with peft 0.21.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from comfy.weight_adapter.base import WeightAdapterBase, pad_tensor_to_shape
from torch import Tensor


class Decomposed(WeightAdapterBase):
    """Any adapter of the host, with lengths for the rows or the columns of what it makes."""

    name = "multitalk_decomposed"

    def __init__(self, loaded_keys: set[str], weights: tuple[Tensor, WeightAdapterBase]) -> None:
        """Take lengths, [out, 1, ...] or [1, in, ...], and an adapter; the host makes copies so."""
        self.loaded_keys = loaded_keys
        self.weights: Any = weights

    def calculate_shape(self, key: str) -> tuple[int, ...] | None:
        """The shape that the adapter gives a weight; None leaves it."""
        return self.weights[1].calculate_shape(key)

    def calculate_weight(
        self,
        weight: Tensor,
        key: str,
        strength: float,
        strength_model: float,
        offset: Any,
        function: Callable[[Tensor], Tensor],
        intermediate_dtype: torch.dtype = torch.float32,
        original_weight: Any = None,
    ) -> Tensor | None:
        """The weight, changed in place; at another strength than 1 part of the way there."""
        magnitude, adapter = self.weights
        old = weight.to(torch.float32, copy=True)
        new = adapter.calculate_weight(
            old.clone(), key, 1.0, 1.0, None, _same, torch.float32, original_weight
        )
        if new is None:
            return None
        if old.shape != new.shape:  # the adapter made it larger
            old = pad_tensor_to_shape(old, list(new.shape))
            weight = old.to(weight.dtype)
        lengths = magnitude.to(new.device, torch.float32)
        axes = [axis for axis, length in enumerate(lengths.shape) if length == 1]
        norm = torch.linalg.vector_norm(new, dim=axes, keepdim=True)
        new = new * (lengths / norm.clamp_min(torch.finfo(torch.float32).eps))
        return weight.add_(function(((new - old) * strength).to(weight.dtype)))


def _same(change: Tensor) -> Tensor:
    return change
