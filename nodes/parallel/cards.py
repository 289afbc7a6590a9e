"""Which cards there are for the other processes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import comfy.model_management
import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherCards:
    """The cards beside the host's own."""

    names: tuple[str, ...] | None  # for CUDA_VISIBLE_DEVICES; None: processors
    staged: bool  # tensors go through memory


def find_cards(count: int) -> OtherCards:
    """Cards for `count` processes, the host's own included.

    Raises:
        ValueError: If there are not so many, or none that can exchange tensors.
    """
    device = comfy.model_management.get_torch_device()
    if device.type == "cpu":
        return OtherCards(names=None, staged=True)
    if device.type != "cuda":
        raise ValueError(
            f"ComfyUI runs on {device.type}; MultiTalk Parallel needs NVIDIA cards (or AMD's with "
            "ROCm). Leave the node out."
        )
    found = torch.cuda.device_count()
    if found < count:
        raise ValueError(
            f"cards is {count}; ComfyUI sees {_cards(found)}. Use fewer, or start ComfyUI without "
            "--cuda-device and CUDA_VISIBLE_DEVICES, so that it sees all of them."
        )
    own = torch.cuda.current_device() if device.index is None else device.index
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if len(names) != found:
        names = [str(index) for index in range(found)]
    others = [name for index, name in enumerate(names) if index != own]
    return OtherCards(names=tuple(others[: count - 1]), staged=sys.platform == "win32")


def _cards(count: int) -> str:
    return "one card" if count == 1 else f"{count} cards"
