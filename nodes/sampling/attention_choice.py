"""Which attention kernel a run takes: the fastest exact one at its own size, timed on the card.

ComfyUI offers several, and which is fastest depends on card, version and size. Before the first
window each is timed once at the run's number of tokens, on a few heads: well under a second. What
wins goes into the host's own place for it, `optimized_attention_override`. Kernels round in their
own ways, so a run that goes on keeps the kernel that it began with.

Nothing is timed on a processor, nor where somebody chose: by a node, or by starting ComfyUI with a
kernel that trades accuracy for speed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...multitalk.runs.files import read_json, write_json
from ..loading.audio_hooks import OVERRIDE, registered_kernels

logger = logging.getLogger("multitalk.nodes")

OFFERED = ("pytorch", "flash", "xformers")  # of the host, exact and made for many tokens
HEADS = 4  # enough to fill a card
WORTH = 0.95  # of the host's own time; other bits for less are not worth it
CHOICE_FILE = "attention.json"  # in the run folder
_CUDNN = "cuDNN"

Kernel = Callable[..., Tensor]
Stopwatch = Callable[[Callable[[], object]], float]


class ChosenAttention:
    """What the host calls in place of its own attention."""

    exact = True  # our exact calls may take it too

    def __init__(self, kernel: Kernel, name: str) -> None:
        self._kernel, self.name = kernel, name

    def __call__(self, usual: Kernel, *args: Any, **kwargs: Any) -> Tensor:
        """The chosen kernel; the usual one for calls with a mask."""
        mask = args[4] if len(args) > 4 else kwargs.get("mask")
        return (usual if mask is not None else self._kernel)(*args, **kwargs)


def chosen_attention(name: str) -> ChosenAttention:
    """What another process chose, by its name.

    Raises:
        RuntimeError: If that kernel is not here.
    """
    kernel = kernels_offered()[1].get(name)
    if kernel is None:
        raise RuntimeError(
            f"the first card chose the attention kernel {name}, which is not there; use "
            "--use-pytorch-cross-attention when you start ComfyUI, or leave MultiTalk Parallel out."
        )
    return ChosenAttention(kernel, name)


class AttentionChoice:
    """Chooses once in a run, and remembers it in the run folder."""

    def __init__(self, folder: Path | None, note: Callable[[str], None]) -> None:
        """`folder` may hold the choice of the run that goes on; `note` adds to the report."""
        self._folder, self._note = folder, note
        self._decided, self._chosen = False, None

    def install(self, model_options: dict[str, Any], shape: tuple[int, int], like: Tensor) -> None:
        """Put the chosen kernel into the options of a window.

        Args:
            model_options: Changed in place.
            shape: Tokens and width of a head.
            like: Of the device and dtype of the network.
        """
        options = model_options["transformer_options"]
        if like.device.type != "cuda" or OVERRIDE in options:
            return
        if not self._decided:
            self._decided, self._chosen = True, self._choose(shape, like)
        if self._chosen is not None:
            options[OVERRIDE] = self._chosen

    def _choose(self, shape: tuple[int, int], like: Tensor) -> ChosenAttention | None:
        usual, kernels = kernels_offered()
        if usual not in kernels:
            self._note(f"attention: {usual}, as ComfyUI was started")
            return None
        known = self._remembered()
        if known is not None:
            if known not in kernels:
                self._note(
                    f"attention: this run began with {known}, which is not there now; windows from "
                    "here on may differ in their last bits"
                )
                return None
            name = known
        else:
            name, times = fastest(kernels, usual, shape, like, time_on_card)
            told = ", ".join(f"{n} {1000 * t:.1f} ms" for n, t in sorted(times.items()))
            self._note(f"attention: {name} ({told} for {HEADS} heads)")
            if self._folder is not None:
                write_json(self._folder / CHOICE_FILE, {"kernel": name})
        return None if name == usual else ChosenAttention(kernels[name], name)

    def _remembered(self) -> str | None:
        """The kernel that the windows in the run folder were made with."""
        record = None if self._folder is None else read_json(self._folder / CHOICE_FILE)
        name = (record or {}).get("kernel")
        return name if isinstance(name, str) else None


def kernels_offered() -> tuple[str, dict[str, Kernel]]:
    """Name of the kernel that the host uses, and all exact ones by their names."""
    from comfy.ldm.modules.attention import optimized_attention

    registered = registered_kernels()
    usual = next((n for n, kernel in registered.items() if kernel is optimized_attention), "")
    kernels = {name: registered[name] for name in OFFERED if name in registered}
    if "pytorch" in kernels:
        kernels[_CUDNN] = _cudnn
    return usual or getattr(optimized_attention, "__name__", "unknown"), kernels


def fastest(
    kernels: Mapping[str, Kernel],
    usual: str,
    shape: tuple[int, int],
    like: Tensor,
    stopwatch: Stopwatch,
) -> tuple[str, dict[str, float]]:
    """The kernel to take, and seconds of each that works; the usual one unless another gains."""
    tokens, width = shape
    q, k, v = (like.new_zeros(1, tokens, HEADS * width).normal_() for _ in range(3))
    times: dict[str, float] = {}
    for name, kernel in kernels.items():
        try:
            times[name] = stopwatch(lambda kernel=kernel: kernel(q, k, v, HEADS))
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            if comfy.model_management.is_oom(error):
                break
            logger.info("[MultiTalk] attention kernel %s does not work here: %s", name, error)
    best = min(times, key=times.__getitem__, default=usual)
    gains = usual not in times or times[best] <= WORTH * times[usual]
    return (best if gains else usual), times


def time_on_card(work: Callable[[], object]) -> float:
    """Seconds on the card, after one call to warm up."""
    work()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def _cudnn(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    *_more: Any,
    skip_reshape: bool = False,
    skip_output_reshape: bool = False,
    scale: float | None = None,
    **_options: Any,
) -> Tensor:
    """Torch's attention by cuDNN, which the host asks only after others."""
    if not skip_reshape:
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    with sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)
