"""Files of weights: what they hold, from their beginning alone, and their tensors, mapped lazily.

Layouts: checkpoints.md sections 1 to 5. Safetensors (one file, or parts named -00001-of-00007 with
or without index), GGUF, and PyTorch files read with `weights_only`. `read_header` reads names,
shapes and metadata; `open_tensors` maps the data into memory and reads none of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from ..multitalk.model.diffusers_names import official_name
from .contents import (
    AUDIO_KEY,
    BASE_KEY,
    GGUF_SUFFIX,
    PICKLE_SUFFIXES,
    Contents,
    Entry,
    gguf_contents,
    is_part,
    model_files,
    named_tensors,
    parts_contents,
    pickle_contents,
    safetensors_contents,
)
from .gguf_file import GgufTensor, read_gguf

IDENTITY_BYTES = 1 << 20  # at each end of a file; headers and many tensors lie there
DIFFUSERS_KEY = "condition_embedder.time_embedder.linear_1.weight"

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")
# Beside the transformer in files that hold a whole pipeline; the host's own loaders take them.
_OTHER_PARTS = (
    "vae.", "first_stage_model.", "text_encoders.", "cond_stage_model.", "conditioner.",
    "clip_vision.", "text_encoder.",
)  # fmt: skip

Format = Literal["safetensors", "GGUF", "PyTorch"]
# Maps a safetensors file: names -> tensors whose data is read when it is used.
Reader = Callable[[Path], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Names, shapes, dtypes and metadata; the names are those of the published Wan files."""

    name: str  # file name, for messages
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]  # as safetensors spells them, or the kind of a GGUF tensor
    metadata: Mapping[str, str]
    format: Format = "safetensors"
    prefix: str = ""  # was taken off the names
    sources: Mapping[str, tuple[Path, str]] = field(default_factory=dict)  # file, name in it
    other_parts: tuple[str, ...] = ()  # names of tensors that belong to no transformer
    num_bytes: int = 0  # of the files

    @property
    def settings(self) -> dict[str, object]:
        """The JSON under the metadata key `config`; empty if there is none that can be read."""
        try:
            value = json.loads(self.metadata.get("config", "{}"))
        except (ValueError, RecursionError):
            return {}  # another program's words under the same key
        return value if isinstance(value, dict) else {}

    def config(self, section: str) -> dict[str, object]:
        """A section of the settings; empty if there is none."""
        value = self.settings.get(section)
        return dict(value) if isinstance(value, dict) else {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the tensors, each once."""
        return tuple(dict.fromkeys(file for file, _ in self.sources.values()))


def read_header(path: Path) -> Header:
    """Tell what a file holds, without reading its data.

    Args:
        path: A .safetensors, .sft, .gguf, .pth, .pt, .bin or .ckpt file. The first part of
            several (name-00001-of-00007.safetensors) stands for all of them.

    Returns:
        Names, shapes, dtypes and metadata.

    Raises:
        ValueError: If the file is damaged, truncated, of another kind, or parts are missing.
        RuntimeError: If a package that the format needs is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == GGUF_SUFFIX:
        return _name_tensors(path, gguf_contents(path), "GGUF")
    if suffix in PICKLE_SUFFIXES:
        return _name_tensors(path, pickle_contents(path), "PyTorch")
    if is_part(path.name):
        return _name_tensors(path, parts_contents(path), "safetensors")
    return _name_tensors(path, safetensors_contents(path), "safetensors")


def open_tensors(header: Header, read: Reader) -> dict[str, Tensor | GgufTensor]:
    """Map the tensors of a file into memory; their data is read when it is used.

    Args:
        header: Of the file.
        read: Maps one safetensors file.

    Returns:
        Tensors by the names of the header.

    Raises:
        ValueError: If the file changed since its header was read.
    """
    out: dict[str, Tensor | GgufTensor] = {}
    opened: dict[Path, Mapping[str, Tensor | GgufTensor]] = {}
    for file in header.files:
        if header.format == "GGUF":
            opened[file] = read_gguf(file)[0]
        elif header.format == "PyTorch":
            opened[file] = named_tensors(file)
        else:
            opened[file] = read(file)
    for name, (file, stored_name) in header.sources.items():
        tensor = opened[file].get(stored_name)
        if tensor is None or tuple(tensor.shape) != header.shapes[name]:
            raise ValueError(f"{file.name} changed while it was being loaded. Queue again.")
        out[name] = tensor
    return out


def file_identity(path: Path) -> str:
    """Tell a model from others by its contents, without reading all of them.

    Args:
        path: File of any layout; one of several parts stands for all.

    Returns:
        A hex digest of size, beginning and end of every file of the model. Names, places, times
        and the order of parts do not matter: it is the same on every machine.

    Raises:
        ValueError: If a part is missing or the index cannot be used.
    """
    return hashlib.sha256(b"".join(sorted(map(_end_digest, model_files(path))))).hexdigest()


def _end_digest(path: Path) -> bytes:
    """Digest of size, beginning and end of one file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(size.to_bytes(8, "little"))
        for place in (0, max(0, size - IDENTITY_BYTES)):
            file.seek(place)
            digest.update(file.read(IDENTITY_BYTES))
    return digest.digest()


def _name_tensors(path: Path, contents: Contents, file_format: Format) -> Header:
    """Bring the names to those of the published files."""
    entries = contents.entries
    marks = tuple(key + end for key in (BASE_KEY, AUDIO_KEY) for end in ("", "._data"))
    prefix = next((p for p in _PREFIXES if any(p + mark in entries for mark in marks)), "")
    others = tuple(name for name in entries if name.startswith(_OTHER_PARTS)) if prefix else ()
    diffusers = DIFFUSERS_KEY in entries or DIFFUSERS_KEY + "._data" in entries
    named: dict[str, tuple[str, Entry]] = {}
    for stored, entry in entries.items():
        if stored in others:
            continue
        name = stored.removeprefix(prefix)
        if diffusers:
            name = official_name(name) or name
        if name in named:
            raise ValueError(
                f"{path.name} holds {name} twice, as {named[name][0]} and as {stored}. "
                "Download it again, or choose another file."
            )
        named[name] = (stored, entry)
    files = {entry.file for entry in entries.values()} or {path}
    return Header(
        name=path.name,
        shapes={name: entry.shape for name, (_, entry) in named.items()},
        dtypes={name: entry.dtype for name, (_, entry) in named.items()},
        metadata=contents.metadata,
        format=file_format,
        prefix=prefix,
        sources={name: (entry.file, stored) for name, (stored, entry) in named.items()},
        other_parts=others,
        num_bytes=sum(file.stat().st_size for file in files),
    )
