"""What files of weights hold, whatever their format, and how their names end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

SAFETENSORS_SUFFIX = ".safetensors"
SAFETENSORS_SUFFIXES = (SAFETENSORS_SUFFIX, ".sft")
PICKLE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
GGUF_SUFFIX = ".gguf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One tensor of one file."""

    shape: Shape
    dtype: str  # as safetensors spells it, or the kind of a GGUF tensor
    file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """All tensors of a file or a set of parts."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
