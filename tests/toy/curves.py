"""Pictures of a training: curves from the logs, contact sheets of the VAE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SHOWN_FRAMES = (0, 8, 16, 32)
LOGS = {
    "vae.log": ("loss", "psnr_db", "mouth_r"),
    "denoiser.log": ("loss",),
}


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log, one JSON object a line; none if there is no log."""
    return (
        [json.loads(line) for line in path.read_text("ascii").splitlines()] if path.exists() else []
    )


def draw_curves(folder: Path) -> Path:
    """Draw all curves of the logs over CPU time into curves.png.

    Args:
        folder: Work folder.

    Returns:
        The picture.
    """
    from matplotlib.figure import Figure

    panels = [(log, name) for log, names in LOGS.items() for name in names]
    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    for axes, (log, name) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        rows = [row for row in read_log(folder / log) if name in row and "cpu_s" in row]
        for seed in sorted({row.get("seed", 0) for row in rows}):
            own = [row for row in rows if row.get("seed", 0) == seed]
            axes.plot(
                [row["cpu_s"] for row in own], [row[name] for row in own], label=f"seed {seed:g}"
            )
        axes.set_title(f"{log.removesuffix('.log')}: {name}")
        axes.set_xlabel("CPU seconds")
        if name == "loss":
            axes.set_yscale("log")
        if rows:
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
