"""Where the random numbers of a video come from.

One stream runs through all windows; where it stands is part of what a window leaves to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Where random numbers come from."""

    def window(self, shape: Sequence[int]) -> Tensor:
        """Initial noise of the next window."""
        ...

    def motion(self, shape: Sequence[int]) -> Tensor:
        """Noise for motion latents, drawn before every model call and once after the last."""
        ...

    def step(self, shape: Sequence[int]) -> Tensor:
        """Noise for a whole latent, drawn after every step (FlashTalk)."""
        ...

    def state(self) -> Tensor:
        """Where the stream stands, [n] uint8."""
        ...

    def restore(self, state: Tensor) -> None:
        """Go on from where the stream stood."""
        ...


class SeededNoise:
    """One stream of CPU random numbers, so a seed means the same on every machine."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def window(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, float32."""
        return torch.randn(*shape, generator=self._generator)

    motion = step = window

    def state(self) -> Tensor:
        """Where the stream stands, [n] uint8."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Go on from where the stream stood."""
        self._generator.set_state(state)
