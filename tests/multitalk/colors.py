"""Frames matched to a picture, as the window loop does it in two steps."""

from __future__ import annotations

from pack.multitalk.color import color_statistics, match_statistics


def match_colors(frames, reference, *, strength):
    """Frames [F, H, W, 3] with the color statistics of a picture [H, W, 3]."""
    return match_statistics(frames, color_statistics(reference[None]), strength=strength)
