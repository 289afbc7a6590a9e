"""What a run does when memory runs out: the same window again, in smaller pieces."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...multitalk.config import VAE_SPACE
from ...multitalk.generate import FinishedWindow
from ...multitalk.model.cpu_kernels import quick_kernels
from ..host import GIB

logger = logging.getLogger("multitalk.nodes")

# Smaller than the 256 pixels of the host's own second attempt.
TILE_PX = 192
TILE_OVERLAP_PX = 48


class Economy:
    """Measures against lack of memory; each, once taken, holds for the rest of the run."""

    def __init__(self, device: torch.device, num_windows: int) -> None:
        self.tiled_vae = False
        self.single_passes = False
        self.notes: list[str] = []
        self._device, self._num_windows = device, num_windows
        self._window = 0

    def attempt(self, make: Callable[[], FinishedWindow]) -> FinishedWindow:
        """Make a window; when memory runs out, again with a tiled VAE, then pass by pass.

        Raises:
            RuntimeError: If memory is still too small, with numbers and what to do.
        """
        while True:
            try:
                window = make()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).split("\n", 1)[0]
            else:
                self._window = window.index + 1
                return window
            # Outside the except block: the error holds the tensors of the failed attempt.
            comfy.model_management.soft_empty_cache()
            if not self._take_next_measure():
                raise RuntimeError(self._sentence(reason))

    def note_once(self, note: str) -> None:
        """Say something in the report, however many windows it holds for."""
        if note not in self.notes:
            self.notes.append(note)

    def _take_next_measure(self) -> bool:
        """Switch the next measure on; False if all are on already."""
        where = f"memory ran out in window {self._window + 1} of {self._num_windows}"
        if not self.tiled_vae:
            self.tiled_vae = True
            change = f"{where}; from there on the VAE works in tiles of {TILE_PX} pixels"
        elif not self.single_passes:
            self.single_passes = True
            change = f"{where} again; from there on the guidance passes run one at a time"
        else:
            return False
        logger.warning("[MultiTalk] %s", change)
        self.notes.append(change)
        return True

    def _sentence(self, reason: str) -> str:
        free = comfy.model_management.get_free_memory(self._device) / GIB
        total = comfy.model_management.get_total_memory(self._device) / GIB
        return (
            f"Memory ran out in window {self._window + 1} of {self._num_windows}, even with a VAE "
            f"in tiles and one guidance pass at a time: {free:.1f} of {total:.1f} GiB are free now "
            f"({reason}). Use a smaller size, a shorter window, or smaller weights (fp8, GGUF)."
        )

    def decode(self, vae: Any, latents: Tensor) -> Tensor:
        """Frames [F, H, W, 3] of raw latents [1, 16, T, h, w]."""
        tile, overlap = TILE_PX // VAE_SPACE, TILE_OVERLAP_PX // VAE_SPACE
        with quick_kernels():
            if not self.tiled_vae:
                return vae.decode(latents)[0]
            return vae.decode_tiled(latents, tile_x=tile, tile_y=tile, overlap=overlap)[0]

    def encode(self, vae: Any, frames: Tensor) -> Tensor:
        """Raw latents [1, 16, T, h, w] of frames [F, H, W, 3]."""
        tile, overlap = TILE_PX, TILE_OVERLAP_PX
        with quick_kernels():
            if not self.tiled_vae:
                return vae.encode(frames)
            return vae.encode_tiled(frames, tile_x=tile, tile_y=tile, overlap=overlap)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that graphics memory or RAM ran out."""
    return (
        comfy.model_management.is_oom(error)
        or isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
