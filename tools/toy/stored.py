"""Arrays on disk with a row per clip, filled in any order by one or several processes.

Every folder has an array `done` that tells which rows are there, so that a stage goes on where it
was stopped.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

Kinds = Mapping[str, tuple[tuple[int, ...], Any]]
"""Name of an array: shape of a row and dtype."""
Task = tuple[Path, int, int]
"""Work folder, seed, number of a clip."""


def open_rows(folder: Path, kinds: Kinds, *, mode: str = "r") -> dict[str, np.ndarray]:
    """Memory-map the arrays and `done`.

    Args:
        folder: Where they are.
        kinds: Which arrays.
        mode: As of numpy's memmap.
    """
    return {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in (*kinds, "done")}


def missing_rows(folder: Path, kinds: Kinds, count: int) -> np.ndarray:
    """Numbers of the rows that are not there yet; makes the arrays, anew if their length differs.

    Args:
        folder: Where they are.
        kinds: Which arrays.
        count: How many rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done.npy"
    if not done.is_file() or len(np.load(done, mmap_mode="r")) != count:
        for name, (shape, dtype) in {**kinds, "done": ((), np.bool_)}.items():
            rows = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *shape))
            rows.flush()
    return np.flatnonzero(~np.load(done))


def run_tasks(
    work: Callable[[Task], None], tasks: Sequence[Task], *, processes: int, name: str
) -> None:
    """Work through tasks with a progress bar, in this process or in several."""
    bar = functools.partial(tqdm, total=len(tasks), desc=name, smoothing=0.05)
    if processes == 1:
        for task in bar(tasks):
            work(task)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for _ in bar(pool.imap_unordered(work, tasks, chunksize=4)):
            pass
