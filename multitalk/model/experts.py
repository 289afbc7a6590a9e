"""Two experts of WAN 2.2 I2V: which file is which, whether they fit, and which steps they run.

WAN 2.2 14B has one network for the first, noisy steps and one for the rest; both are shaped alike,
so that only the names of files and folders tell them apart. Source: decisions.md 39.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Literal

from ..words import count
from .architecture import BaseSizes

Expert = Literal["high", "low"]
EXPERTS: tuple[Expert, ...] = ("high", "low")
_BEFORE_NOISE = r"{}[^a-z0-9]*noise"
_ALONE = r"(?<![a-z0-9]){}(?![a-z0-9])"


def expert_of(name: str) -> Expert | None:
    """Which expert, or the LoRA of which, the name of a file or folder tells: HIGH, low_noise."""
    letters = name.lower()
    for form in (_BEFORE_NOISE, _ALONE):
        told: list[Expert] = [row for row in EXPERTS if re.search(form.format(row), letters)]
        if len(told) == 1:
            return told[0]
    return None


def expert_of_files(files: Sequence[Path], name: str) -> Expert | None:
    """As `expert_of` for a model: by its name, else by the folder that it lies in."""
    return expert_of(name) or (expert_of(files[0].parent.name) if files else None)


def describe_expert(files: Sequence[Path], name: str) -> str:
    """Which expert a file is, for people."""
    expert = expert_of_files(files, name)
    if expert is None:
        return "its name does not tell which expert it is: high noise or low noise"
    other = "low" if expert == "high" else "high"
    return f"by its name the {expert}-noise expert; the other is called {other} noise"


def describe_single(files: Sequence[Path], name: str) -> str:
    """What is said of one expert that is loaded as the only base, for the report."""
    expert = expert_of_files(files, name)
    which = "one of two experts" if expert is None else f"the {expert}-noise expert of two"
    return (
        f"{name} alone: it is {which} of WAN 2.2 and runs all steps, which it was not made for. "
        "Choose both, the high-noise one as base and the low-noise one as low_noise_base."
    )


def check_names(high: tuple[Sequence[Path], str], low: tuple[Sequence[Path], str]) -> None:
    """Refuse experts in each other's slots, by their names, and one file in both.

    Args:
        high: Files and name of what stands in base.
        low: Of what stands in low_noise_base.

    Raises:
        ValueError: With what to choose.
    """
    if high[0] and high[0] == low[0]:
        raise ValueError(
            f"{low[1]} is chosen as base and as low_noise_base; WAN 2.2 has two files. Choose the "
            "high-noise expert as base and the low-noise one as low_noise_base, or set "
            "low_noise_base to none."
        )
    for slot, place, wrong in (("base", high, "low"), ("low_noise_base", low, "high")):
        if expert_of_files(*place) == wrong:
            raise ValueError(
                f"{place[1]} is the {wrong}-noise expert by its name, and stands in {slot}. Choose "
                "the high-noise expert as base and the low-noise one as low_noise_base."
            )


def check_sizes(high: tuple[str, BaseSizes], low: tuple[str, BaseSizes]) -> None:
    """Refuse two networks that cannot take each other's place between two steps.

    Image embeddings may differ: each network takes what it has a use for.

    Raises:
        ValueError: With the sizes that differ.
    """
    names = [row.name for row in fields(BaseSizes) if not row.name.startswith("image")]
    differ = [name for name in names if getattr(high[1], name) != getattr(low[1], name)]
    if differ:
        said = ", ".join(
            f"{name.replace('_', ' ')} {getattr(high[1], name)} and {getattr(low[1], name)}"
            for name in differ
        )
        raise ValueError(
            f"{high[0]} and {low[0]} are of different sizes ({said}); the two experts of a model "
            "are alike. Choose for example wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors and "
            "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors."
        )


def note_lora(name: str, slot: Expert) -> str:
    """What is said of a LoRA for the other expert, by its name; else empty."""
    told = expert_of(name)
    if told in (None, slot):
        return ""
    return f"{name} was made for the {told}-noise expert by its name, and changes the other one"


def count_high_steps(sigmas: Sequence[float], boundary: float) -> int:
    """How many steps the high-noise expert runs: those that begin at the boundary or above it.

    Args:
        sigmas: Noise levels of a run from at most 1 down, one more than steps.
        boundary: Of the model, in noise levels.
    """
    # Levels are 32 bit numbers: 0.9 is stored as a little less.
    high = [round(sigma, 6) >= boundary for sigma in sigmas[:-1]]
    return high.index(False) if False in high else len(high)


def describe_steps(num_high: int, steps: int, boundary: float) -> str:
    """Which steps run on which expert, for the report."""
    place = f"it changes at noise level {boundary:g}"
    if num_high in (0, steps):
        only, other = ("low", "high") if num_high == 0 else ("high", "low")
        return (
            f"experts: all of {count(steps, 'step')} on the {only}-noise expert, none on the "
            f"{other}-noise one; {place}. Other steps or another shift bring both in"
        )
    return (
        f"experts: {_steps(1, num_high)} of {steps} on the high-noise expert, "
        f"{_steps(num_high + 1, steps)} on the low-noise expert; {place}. Experimental: the audio "
        "part was trained on WAN 2.1"
    )


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first}-{last}"
