"""What the VAE alone does to the last frames of a window, window after window, without a network.

By MultiTalk's rule they are decoded, their colors matched to the picture and encoded again for the
next window. What changes on that way changes in every window, and nobody but the network can take
it back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pack.multitalk.color import color_statistics, match_statistics
from pack.tools.lab.cast import Clip
from pack.tools.lab.measures import color_drift

WINDOWS = (1, 4, 8)
OVERLAP = 9


def vae_drift(
    clip: Clip, rebuild: Callable[[np.ndarray], np.ndarray], colour_match: float
) -> dict[str, float]:
    """How far the colors of a drawn film get by the VAE and color matching.

    Args:
        clip: Its last 9 frames are taken.
        rebuild: Encodes and decodes frames [F, H, W, 3] uint8.
        colour_match: Of the sampler, 0 to 1.

    Returns:
        Mean CIE76 distance from the picture after so many windows, by name.
    """
    colors = color_statistics(torch.from_numpy(clip.picture[None] / 255).float())
    frames, found = last_frames(clip), {}
    for window in range(1, max(WINDOWS) + 1):
        pixels = torch.from_numpy(rebuild(frames) / 255).float()
        matched = match_statistics(pixels, colors, strength=colour_match)
        frames = (matched.clamp(0, 1) * 255).round().byte().numpy()
        if window in WINDOWS:
            drift = color_drift(frames, clip.picture, clip.areas).mean()
            found[f"vae_drift_de_{window}"] = float(drift)
    return found


def last_frames(clip: Clip) -> np.ndarray:
    """The drawn frames that the next window would begin with, [9, H, W, 3] uint8."""
    return clip.scene.film(clip.openings[:, -OVERLAP:], start=clip.num_frames - OVERLAP)
