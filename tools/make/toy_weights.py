"""Random tensors by name: what the builders of toy.py and toy_vae.py share."""

from __future__ import annotations

import torch
from torch import Tensor

State = dict[str, Tensor]
Metadata = dict[str, str]

LICENCE = "Apache-2.0"


class Weights:
    """Random tensors by name, from one seed."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self.random = torch.Generator().manual_seed(seed)

    def noise(self, *shape: int, std: float) -> Tensor:
        """Normal values."""
        return torch.randn(shape, generator=self.random) * std

    def linear(self, name: str, num_in: int, num_out: int, *, gain: float = 1.0) -> None:
        """Weight [num_out, num_in] and a small bias."""
        self.state[f"{name}.weight"] = self.noise(num_out, num_in, std=gain * num_in**-0.5)
        self.state[f"{name}.bias"] = self.noise(num_out, std=0.02 * gain)

    def norm(self, name: str, width: int, *, bias: bool = True) -> None:
        """Norm that starts as no change."""
        self.state[f"{name}.weight"] = torch.ones(width)
        if bias:
            self.state[f"{name}.bias"] = torch.zeros(width)

    def finish(self, dtype: torch.dtype) -> State:
        """All tensors in one dtype."""
        return {name: tensor.to(dtype).contiguous() for name, tensor in self.state.items()}
