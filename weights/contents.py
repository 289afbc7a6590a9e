"""What files of weights hold, whatever their format, and how their names end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

SAFETENSORS_SUFFIX = ".safetensors"
SAFETENSORS_SUFFIXES = (SAFETENSORS_SUFFIX, ".sft")
PICKLE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
GGUF_SUFFIX = ".gguf"

_MAX_NAME = 1000  # characters; the longest published ones have about 80


def check_names(names: Iterable[str]) -> None:
    """Refuse names of tensors that no text could show.

    JSON and pickles can spell half a character, which UTF-8 has not.

    Raises:
        ValueError: If one is longer than all that files hold, or cannot be written.
    """
    for name in names:
        if len(name) > _MAX_NAME:
            raise ValueError(f"a name of {len(name)} characters")
        name.encode()


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
