"""One window of a long video made with a denoiser in training, and what it does with errors.

The same steps as in a run by MultiTalk's rule: motion frames with noise on them before every call,
audio guidance, the toy's own settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from pack.multitalk.schedule import shifted_sigmas
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.latents import OVERLAP_LATENTS

STEPS, SHIFT, AUDIO_GUIDANCE = 8, 3.0, 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """What a window by MultiTalk's rule begins with."""

    condition: Tensor  # [B, 16, 9, h, w]: motion frames, then grey, normalized
    speech: Tensor  # [B, S, 33, 5, M, E]
    masks: Tensor | None  # [B, S+1, n]

    @property
    def motion(self) -> Tensor:
        """Latents that the window must begin with, [B, 16, 3, h, w]."""
        return self.condition[:, :, :OVERLAP_LATENTS]

    @property
    def known(self) -> Tensor:
        """The condition behind its mask, [B, 20, 9, h, w], as the network takes it."""
        mask = torch.zeros_like(self.condition[:, :4])
        mask[:, :, :OVERLAP_LATENTS] = 1
        return torch.cat((mask, self.condition), 1)


@torch.no_grad()
def sample_window(model: Denoiser, begin: Beginning) -> Tensor:
    """Sample a window with the toy's own settings.

    Args:
        model: The network.
        begin: Motion frames, speech and speakers.

    Returns:
        Normalized latents [B, 16, 9, h, w].
    """
    x = torch.randn_like(begin.condition)
    heard = torch.ones(len(x), dtype=torch.bool)
    for level, lower in pairwise(shifted_sigmas(STEPS, SHIFT)):
        pinned = (1 - level) * begin.motion + level * torch.randn_like(begin.motion)
        x[:, :, :OVERLAP_LATENTS] = pinned
        given = torch.cat((x, begin.known), 1)
        sigma = level.expand(len(x))
        full, silent = (
            model(given, sigma, begin.speech, begin.masks, passed) for passed in (heard, ~heard)
        )
        x = x + (lower - level) * (silent + AUDIO_GUIDANCE * (full - silent))
    x[:, :, :OVERLAP_LATENTS] = begin.motion
    return x


def passed_on(right: Tensor, wrong: Tensor, change: Tensor) -> float:
    """How much of a change of the motion frames is still there at the end of the window.

    Args:
        right: Window without the change, [B, 16, 9, h, w].
        wrong: Window with it, made of the same noise.
        change: The change [B, 16, 1, h, w], the same in all frames.

    Returns:
        1: all of it; 0: nothing, the window repairs it. Below 1 errors stay bounded.
    """
    left = (wrong - right)[:, :, -OVERLAP_LATENTS:].mean(2, keepdim=True)
    return float((left * change).sum() / change.square().sum())
