"""How much memory a run needs at its peak, and what makes it less.

The formulas are fitted to counts of the host's 14B network and VAE on a card that is not there
(`tools/bench/real_size.py`, figures in `tools/bench/real_size_20261129.md`). A step holds a number
of copies of its tokens: input, normalized input, queries, keys, values, output.

Source: performance.md section 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config import VAE_SPACE
from ..frames import count_latent_frames

PATCH = 2  # latent cells per token and side
# Copies of all tokens at the peak of a step: lean blocks, the host's; and what a speaker map adds.
_LEAN, _LEAN_MAP = 6.16, 0.06
_HOSTS, _HOSTS_MAP = 9.56, 0.74
# Values per pixel of a picture at the peak of the VAE's decoding, and its width.
_VAE_VALUES, _VAE_WIDTH = 3390, 96
WHOLE_BYTES = 2  # of a weight that is not quantized
SHORT_WINDOW = 49  # frames; still long enough for the released models
SMALL_SIDE = 480 * 832  # pixels of the smaller released size
_WORTH = 0.97  # of the peak; a change that leaves more is not worth saying
_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSize:
    """What the memory of a run depends on."""

    height: int  # pixels
    width: int
    window: int  # frames
    num_frames: int
    speakers: int
    passes: int  # guidance passes that the host runs together
    lean: bool  # whether blocks that need less memory can be used
    dim: int  # width of the network
    itemsize: int  # bytes of a value in the network
    vae_dim: int  # width of the VAE
    vae_itemsize: int
    weights: int  # bytes of network and audio part
    weight_itemsize: float  # bytes per weight
    vae_weights: int  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """Bytes that a run needs at its peak."""

    weights: int
    step: int  # activations of the passes that run together
    vae: int  # its weights, and decoding a window
    frames: int  # of the whole video as 8 bit, in main memory

    @property
    def peak(self) -> int:
        """Where the network computes, if nothing is moved out: weights and the larger stage."""
        return self.weights + max(self.step, self.vae)


def plan_memory(size: RunSize) -> MemoryPlan:
    """Expected peaks of a run."""
    cell = VAE_SPACE * PATCH
    latents = count_latent_frames(size.window)
    tokens = latents * (size.height // cell) * (size.width // cell)
    rows, for_map = (_LEAN, _LEAN_MAP) if size.lean else (_HOSTS, _HOSTS_MAP)
    rows += for_map * (size.speakers > 1)
    pixels = size.height * size.width
    values = _VAE_VALUES * size.vae_dim / _VAE_WIDTH + 3 * size.window
    return MemoryPlan(
        weights=size.weights,
        step=round(size.passes * rows * tokens * size.dim * size.itemsize),
        vae=round(size.vae_weights + pixels * values * size.vae_itemsize),
        frames=size.num_frames * pixels * 3,
    )


def tell_memory(size: RunSize) -> str:
    """The plan in a line."""
    plan = plan_memory(size)
    together = "" if size.passes == 1 else f" ({size.passes} passes together)"
    return (
        f"memory: about {told(plan.peak)} at most: weights {told(plan.weights)}, and a step "
        f"{told(plan.step)}{together} or the VAE {told(plan.vae)}; all frames as 8 bit "
        f"{told(plan.frames)} of main memory"
    )


def advise_memory(size: RunSize, there: int, *, frames_held: bool) -> str | None:
    """What to do where `there` bytes are fewer than the plan's peak; None if they are enough.

    Args:
        size: Of the run.
        there: Bytes of memory that the network can use at most.
        frames_held: Whether all frames are held in main memory until the end.
    """
    plan = plan_memory(size)
    if plan.peak <= there:
        return None
    ways = [f"{what} ({told(plan_memory(other).peak)})" for what, other in _smaller(size)]
    if frames_held:
        ways.append(f"MultiTalk Sample To Video ({told(plan.frames)} less main memory)")
    less = f" These need less: {', '.join(ways)}." if ways else ""
    return (
        f"{told(there)} of memory are fewer than the {told(plan.peak)} of this plan; ComfyUI then "
        f"moves weights in and out, which works but takes longer.{less}"
    )


def _smaller(size: RunSize) -> list[tuple[str, RunSize]]:
    """Changes that need less, the one that gains most for the least loss first."""
    found = []
    if size.weight_itemsize >= WHOLE_BYTES:
        weights = round(size.weights / size.weight_itemsize)
        found.append(("weights as fp8 or GGUF", replace(size, weights=weights)))
    if size.height * size.width > 1.2 * SMALL_SIDE:  # sizes differ a little with the shape
        share = (SMALL_SIDE / (size.height * size.width)) ** 0.5
        small = replace(size, height=round(size.height * share), width=round(size.width * share))
        found.append(("size 480", small))
    if size.window > SHORT_WINDOW:
        found.append((f"window {SHORT_WINDOW}", replace(size, window=SHORT_WINDOW)))
    worth = _WORTH * plan_memory(size).peak
    return [(what, other) for what, other in found if plan_memory(other).peak < worth]


def told(size: int) -> str:
    """Bytes as people say them."""
    if size >= _GIB:
        return f"{size / _GIB:.1f} GiB"
    return f"{max(1, round(size / (1 << 20)))} MiB"
