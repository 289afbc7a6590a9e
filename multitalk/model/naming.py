"""Names of the published Wan files, whatever a file calls its parameters.

Prefixes of other programs and names of diffusers are translated, other models of a pipeline set
aside. Source: checkpoints.md section 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ...weights.contents import Shapes
from ...weights.header import Header, read_header
from ...weights.parts import file_identity
from .diffusers_names import official_name
from .parameters import parameter_shapes

Value = TypeVar("Value")

BASE_KEY = "head.modulation"
AUDIO_KEY = "audio_proj.proj1.weight"
DIFFUSERS_KEY = "condition_embedder.time_embedder.linear_1.weight"

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")
# Beside the transformer in files that hold a whole pipeline; the host's own loaders take them.
_OTHER_PARTS = (
    "vae.", "first_stage_model.", "text_encoders.", "cond_stage_model.", "conditioner.",
    "clip_vision.", "text_encoder.",
)  # fmt: skip
# How the host is to compute attention and the like; its settings of quantized layers are read.
_HOST_NOTE = re.compile(r"(^|\.)comfy_(?!quant$)\w+")


@dataclass(frozen=True, kw_only=True)
class ModelHeader(Header):
    """A header whose names are those of the published Wan files."""

    other_parts: tuple[str, ...] = ()  # names of tensors that belong to no transformer
    host_notes: tuple[str, ...] = ()  # names of what newer hosts write for themselves

    @cached_property
    def parameters(self) -> Shapes:
        """What `parameter_shapes` says, found once."""
        return parameter_shapes(self)


def read_model_header(path: Path) -> ModelHeader:
    """Tell what a file holds, as `weights.header.read_header`, by the published names.

    Raises:
        ValueError: If the file is damaged, truncated, of another kind, parts are missing, or one
            name occurs twice.
        RuntimeError: If a package that the format needs is not installed.
    """
    return name_tensors(read_header(path, is_audio_part))


def model_identity(path: Path, check: Callable[[], object] | None = None) -> str:
    """Hex digest of a model's files, whole; see `weights.parts.file_identity`."""
    return file_identity(path, is_audio_part, check)


def is_audio_part(names: Collection[str]) -> bool:
    """Whether these are the names of an audio part alone."""
    return AUDIO_KEY in names and BASE_KEY not in names


def plain_names(names: Iterable[str]) -> set[str]:
    """Names with those of quantized tensors as if they were plain."""
    return {name.removesuffix("._data").removesuffix("._data") for name in names}


def name_tensors(header: Header) -> ModelHeader:
    """Bring the names of a file to those of the published ones.

    Raises:
        ValueError: If two tensors get the same name.
    """
    marks = plain_names(header.shapes)
    prefix = next((p for p in _PREFIXES if {p + BASE_KEY, p + AUDIO_KEY} & marks), "")
    others = [name for name in header.shapes if prefix and name.startswith(_OTHER_PARTS)]
    notes = [n for n in (*header.shapes, *header.metadata) if _HOST_NOTE.search(n)]
    aside = {*others, *notes}
    mine = [name for name in header.shapes if name not in aside]
    named = _published_names(header.name, mine, prefix, diffusers=DIFFUSERS_KEY in marks)
    return ModelHeader(
        name=header.name,
        shapes=_renamed(header.shapes, named),
        dtypes=_renamed(header.dtypes, named),
        metadata=header.metadata,
        format=header.format,
        sources=_renamed(header.sources, named),
        num_bytes=header.num_bytes,
        prefix=prefix,
        other_parts=tuple(others),
        host_notes=tuple(dict.fromkeys(notes)),
    )


def _renamed(stored: Mapping[str, Value], named: Mapping[str, str]) -> dict[str, Value]:
    return {name: stored[old] for name, old in named.items()}


def _published_names(
    file: str, names: Iterable[str], prefix: str, *, diffusers: bool
) -> dict[str, str]:
    """Published name -> name in the file."""
    named: dict[str, str] = {}
    for stored in names:
        name = stored.removeprefix(prefix)
        name = (official_name(name) if diffusers else None) or name
        if name in named:
            raise ValueError(
                f"{file} holds {name} twice, as {named[name]} and as {stored}. "
                "Download it again, or choose another file."
            )
        named[name] = stored
    return named
