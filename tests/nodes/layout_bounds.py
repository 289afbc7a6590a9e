"""How far a velocity may be from that of the unquantized float32 model, by layout; and why.

All differences are root mean squares, relative to that of the velocity. Measured values stand
behind the bounds, which are at most about twice as large. The random model's weights are normal
values in runs of equal spread, so the mean rounding of a format is known (s: spread of a run), and
it reaches the velocity almost undiminished:

- e4m3 has 3 bits of mantissa, so it is off by at most 1/16 of a value, 2.6 % in the mean; e5m2
  twice that. A scale per tensor changes nothing; mxfp8 is e4m3 with a scale per 32 values.
- int8 with a scale per row of 256: steps of 2.8 s / 127, 0.65 % in the mean. Q8_0 has a scale per
  32 values: 0.5 %. Q6_K has 31 steps to the largest of 16 values: 1.6 %.
- Q4_K has 15 steps for 32 values, here without llama.cpp's search: 8 %. nvfp4 has 7 values and a
  sign, and a scale per 16: 9 %.

Files with all matrices quantized (marked: all) lose more than those with the blocks' alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from layouts import AUDIO_LAYOUTS, BASE_LAYOUTS, WHOLE_LAYOUTS

# Mapped weights begin at any address, and the CPU's matrix product adds in another order where
# they are not aligned to 64 bytes: 3e-7 measured, and 0 where they are.
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Largest differences of a layout."""

    stored: float = ROUNDING  # from the unquantized model, also with the LoRA on both
    computed: float = ROUNDING  # from a float32 model with the numbers in the file
    # The same with the LoRA. Where the host holds the weight, it rounds the patched weight back
    # into the file's format, at random; weights in our own layouts stay as they are.
    patched: float = ROUNDING


BASE_BOUNDS = {
    **dict.fromkeys(BASE_LAYOUTS, Bound()),
    "fp8 e4m3": Bound(stored=5e-2, patched=9e-3),  # 2.5e-2, 4.9e-3
    "fp8 e5m2": Bound(stored=1.1e-1, patched=2e-2),  # 5.8e-2, 1.1e-2
    "scaled e4m3, 2": Bound(stored=9e-2, patched=8e-3),  # all: 4.9e-2, 4.1e-3
    "scaled e4m3, 0, inputs": Bound(stored=6e-2, patched=8e-3),  # 3.1e-2, 4.1e-3
    "scaled e5m2": Bound(stored=1.8e-1, patched=2e-2),  # all: 9.0e-2, 1.1e-2
    "rows int8": Bound(stored=1.4e-2),
    "blocks e4m3": Bound(stored=6e-2),
    "host e4m3": Bound(stored=6e-2, patched=8e-3),
    "host e4m3, listed": Bound(stored=6e-2, patched=8e-3),
    "host e4m3, listed, prefix": Bound(stored=6e-2, patched=8e-3),
    "host e4m3, prefix": Bound(stored=6e-2, patched=8e-3),
    "host e5m2": Bound(stored=1.1e-1, patched=2e-2),  # 5.9e-2, 1.1e-2
    # The host's int8 layers round what goes into them too: 5.8e-3.
    "host int8": Bound(stored=1.9e-2, computed=1.1e-2, patched=1.3e-2),  # 9.6e-3, 5.8e-3, 6.6e-3
    "host nvfp4": Bound(stored=2.2e-1, patched=4.5e-2),  # 1.2e-1, 2.4e-2
    "host mxfp8": Bound(stored=5e-2, patched=9e-3),  # 2.5e-2, 4.9e-3
    "quanto int8, blocks": Bound(stored=1.4e-2),  # 7.3e-3
    "GGUF Q8_0": Bound(stored=1.7e-2),  # all: 8.9e-3
    "GGUF Q6_K": Bound(stored=6.5e-2),  # all: 3.4e-2
    "GGUF Q4_K": Bound(stored=2.5e-1),  # all: 1.3e-1
}
AUDIO_BOUNDS = {
    **dict.fromkeys(AUDIO_LAYOUTS, Bound()),
    "fp8 e4m3": Bound(stored=3.2e-2, patched=1.1e-2),  # 1.6e-2, 5.7e-3
    "scaled e4m3": Bound(stored=2.8e-2, patched=1.1e-2),  # 1.5e-2, 5.9e-3
    "scaled e5m2": Bound(stored=6e-2, patched=2e-2),  # 3.0e-2, 1.1e-2
    "host e4m3": Bound(stored=2.8e-2, patched=1.1e-2),
    "quanto int8": Bound(stored=1.2e-2),  # all: 6.4e-3
    "quanto fp8": Bound(stored=5e-2),  # all: 2.5e-2
    "GGUF Q8_0": Bound(stored=9e-3),  # all: 4.9e-3
    "GGUF Q6_K": Bound(stored=2.5e-2),  # all that fit: 1.3e-2
    "GGUF Q4_K": Bound(stored=9e-2),  # 4.5e-2
}
WHOLE_BOUNDS = {
    **dict.fromkeys(WHOLE_LAYOUTS, Bound()),
    "quanto int8": Bound(stored=2.8e-2),  # all: 1.4e-2
    "quanto int8, no map": Bound(stored=2.8e-2),
    "quanto fp8": Bound(stored=9e-2),  # all: 4.6e-2
}
