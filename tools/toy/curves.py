"""Pictures of a training: curves from the logs, contact sheets of the VAE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SHOWN_FRAMES = (0, 8, 16, 32)
CURVES = (
    ("vae", "loss"), ("vae", "psnr_db"), ("vae", "mouth_r"), ("decoder", "loss"),
    ("denoiser", "loss"),
)  # fmt: skip


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log, one JSON object a line."""
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def draw_curves(folder: Path) -> Path:
    """Draw all curves of the logs over CPU time into curves.png.

    Args:
        folder: Work folder.

    Returns:
        The picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(CURVES), 3), layout="constrained")
    for axes, (stage, name) in zip(figure.subplots(1, len(CURVES)), CURVES, strict=True):
        for log in sorted(folder.glob(f"{stage}*.log")):
            rows = [row for row in read_log(log) if name in row]
            times, values = ([row[key] for row in rows] for key in ("cpu_s", name))
            axes.plot(times, values, label=log.stem)
        axes.set_title(f"{stage}: {name}")
        axes.set_xlabel("CPU seconds")
        if name == "loss":
            axes.set_yscale("log")
        if axes.lines:
            axes.legend()
    path = folder / "curves.png"
    figure.savefig(path)
    return path


def draw_sheet(pairs: Sequence[tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Contact sheet: for each clip some drawn frames over the same frames decoded.

    Args:
        pairs: Drawn and decoded frames [F, H, W, 3] in 0..255; wide clips.
        path: PNG.
    """
    rows = []
    for truth, decoded in pairs:
        shown = [
            np.concatenate((truth[i], np.clip(decoded[i], 0, 255).astype(np.uint8)))
            for i in SHOWN_FRAMES
        ]
        rows.append(np.concatenate(shown, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(np.concatenate(rows))
    sheet.resize((2 * sheet.width, 2 * sheet.height), Image.Resampling.NEAREST).save(path)
