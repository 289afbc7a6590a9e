"""One window of a long video made with a denoiser in training, many clips at once.

The same steps as in a run: motion frames encoded as they were shown, noise on them before every
call, audio guidance, decoding, colors matched to the picture. Clips are films that can be compared
with what is drawn, so a window may begin from the noised film instead of pure noise: then heads
bob and blink as in the film, and everything else is the network's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from pack.multitalk.color import color_statistics, match_statistics
from pack.multitalk.schedule import shifted_sigmas
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.frozen_vae import decode, denormalize
from pack.tools.toy.latents import LATENT_FRAMES, OVERLAP_LATENTS
from pack.tools.toy.vae import VideoVae

STEPS, SHIFT, AUDIO_GUIDANCE = 8, 3.0, 2.0
BEGIN_BELOW = 0.9
"""Highest noise level of a window that begins from its film."""
OVERLAP = 9
"""Frames that the next window begins with."""
DECODED = 6
"""Latent frames at the end of a window that are decoded to see its last 9 frames."""


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
def sample_window(model: Denoiser, begin: Beginning, film: Tensor | None = None) -> Tensor:
    """Sample a window with the toy's own settings.

    Args:
        model: The network.
        begin: Motion frames, speech and speakers.
        film: Normalized latents [B, 16, 9, h, w] of the film that the window begins from, or None
            for pure noise.

    Returns:
        Normalized latents [B, 16, 9, h, w].
    """
    levels = shifted_sigmas(STEPS, SHIFT)
    noise = torch.randn_like(begin.condition)
    x = noise
    if film is not None:
        # Colors of the film are those that the window before left.
        film = film + (begin.motion - film[:, :, :OVERLAP_LATENTS]).mean(2, keepdim=True)
        levels = levels[levels < BEGIN_BELOW]
        x = (1 - levels[0]) * film + levels[0] * noise
    heard = torch.ones(len(x), dtype=torch.bool)
    for level, lower in pairwise(levels):
        pinned = (1 - level) * begin.motion + level * torch.randn_like(begin.motion)
        x[:, :, :OVERLAP_LATENTS] = pinned
        given = torch.cat((x, begin.known), 1)
        sigma = level.expand(len(x))
        full, silent = (
            model(given, sigma, begin.speech, begin.masks, passed) for passed in (heard, ~heard)
        )
        x = x + (lower - level) * (silent + AUDIO_GUIDANCE * (full - silent))
    x[:, :, :OVERLAP_LATENTS] = begin.motion
    assert x.shape[2] == LATENT_FRAMES
    return x


def show_end(vae: VideoVae, latents: Tensor, picture: Tensor) -> Tensor:
    """Decode the last frames of a window and match their colors, as the sampler does.

    Args:
        vae: The VAE.
        latents: Normalized, [16, 9, h, w].
        picture: Where the video began, [H, W, 3] in 0..1.

    Returns:
        [3, 9, H, W] in -1..1. Frames before them are decoded too as far as they matter.
    """
    last = denormalize(latents[None, :, -DECODED:])
    frames = decode(vae, last)[0, :, -OVERLAP:].permute(1, 2, 3, 0) / 2 + 0.5
    matched = match_statistics(frames, color_statistics(picture[None]), strength=1.0)
    return matched.permute(3, 0, 1, 2) * 2 - 1
