"""Reading numbers from pictures: mouth opening, correlation, PSNR."""

from __future__ import annotations

import numpy as np

DARK_RED = 150
"""Everything near a drawn mouth has more red than this, except its inside."""
DEEPEST = 90.0
MIN_DEVIATION = 0.05
"""Standard deviation of the true opening below which a correlation says nothing."""


def read_opening(frames: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """How far a mouth is open, by how much of its dark inside is seen.

    Args:
        frames: [F, H, W, 3] in 0..255.
        rows: Rows of the mouth's area.
        columns: Columns of the mouth's area.

    Returns:
        [F], in pixels that are fully dark; proportional to the drawn opening.
    """
    red = frames[:, rows, columns, 0].astype(np.float32)
    return np.clip(DARK_RED - red, 0, DEEPEST).sum((1, 2)) / DEEPEST


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two curves; 0 if one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 else 0.0


def psnr_db(truth: np.ndarray, frames: np.ndarray) -> float:
    """Peak signal to noise ratio in dB of frames in 0..255."""
    error = float(np.square(truth.astype(np.float64) - frames).mean())
    return 10 * float(np.log10(255.0**2 / max(error, 1e-10)))
