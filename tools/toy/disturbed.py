"""Motion frames as they may look after many windows: tinted in places, softer, out of shape.

All of it happens to latents, where it costs nothing: smooth fields of wrong values, a smooth warp
and a blur, the same in every frame of a clip.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

TINT = 0.3
"""Mean deviation of the wrong values, which are 1 in clean latents."""
WARP = 0.25
"""Mean shift of the warp in latent cells of 8 pixels."""
SOFTNESS = 0.4
"""Largest share of the blur."""
COARSEST = 4
"""Cells between two independent values of the coarsest field."""


def smooth_field(random: np.random.Generator, channels: int, shape: tuple[int, int]) -> Tensor:
    """Random numbers of deviation about 1, [1, channels, h, w], smooth over up to 4 cells."""
    cells = int(random.integers(1, COARSEST + 1))
    coarse = [-(-side // cells) + 1 for side in shape]
    values = torch.from_numpy(random.standard_normal((1, channels, *coarse), np.float32))
    return interpolate(values, size=shape, mode="bilinear", align_corners=True)


def disturb(latents: Tensor, random: np.random.Generator) -> Tensor:
    """Disturb the latents [16, T, h, w] of one clip."""
    frames, shape = latents.movedim(1, 0), latents.shape[-2:]
    height, width = shape
    places = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    shift = smooth_field(random, 2, (height, width))[0] * random.exponential(WARP)
    grid = torch.stack((places[1] + 2 * shift[1] / width, places[0] + 2 * shift[0] / height), -1)
    frames = grid_sample(
        frames, grid.expand(len(frames), -1, -1, -1), padding_mode="border", align_corners=True
    )
    soft = avg_pool2d(frames, 3, stride=1, padding=1, count_include_pad=False)
    frames = torch.lerp(frames, soft, float(random.uniform(0, SOFTNESS)))
    tint = smooth_field(random, frames.shape[1], (height, width)) * random.exponential(TINT)
    return (frames + tint).movedim(0, 1)
