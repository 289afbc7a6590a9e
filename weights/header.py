"""Files of weights: what they hold, from their beginning alone, and their tensors, mapped lazily.

Safetensors (one file, or several parts), GGUF, and PyTorch files. Source: checkpoints.md sections
1 to 5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from .contents import GGUF_SUFFIX, PICKLE_SUFFIXES, Contents, Entry, Shapes
from .gguf_file import GgufTensor, read_gguf
from .parts import Belongs, is_part, parts_contents
from .pickles import named_tensors, pickle_contents
from .safetensors_file import safetensors_contents

Format = Literal["safetensors", "GGUF", "PyTorch"]
# Maps a safetensors file: names -> tensors whose data is read when it is used.
Reader = Callable[[Path], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Names, shapes, dtypes and metadata."""

    name: str  # file name, for messages
    shapes: Shapes
    dtypes: Mapping[str, str]  # as safetensors spells them, or the kind of a GGUF tensor
    metadata: Mapping[str, str]
    format: Format = "safetensors"
    sources: Mapping[str, tuple[Path, str]] = field(default_factory=dict)  # file, name in it
    num_bytes: int = 0  # of the files
    prefix: str = ""  # was taken off the names

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


def read_header(path: Path, belongs: Belongs | None = None) -> Header:
    """Tell what a file holds, without reading its data.

    One part of several stands for all of them; `belongs` is as for `parts.parts_contents`.

    Raises:
        ValueError: If the file is damaged, truncated, of another kind, or parts are missing.
        RuntimeError: If a package that the format needs is not installed.
    """
    suffix, kind = path.suffix.lower(), "safetensors"
    if suffix == GGUF_SUFFIX:
        kind, contents = "GGUF", _gguf_contents(path)
    elif suffix in PICKLE_SUFFIXES:
        kind, contents = "PyTorch", pickle_contents(path)
    elif is_part(path.name):
        contents = parts_contents(path, belongs)
    else:
        contents = safetensors_contents(path)
    entries = contents.entries
    files = {entry.file for entry in entries.values()} or {path}
    return Header(
        name=path.name,
        shapes={name: entry.shape for name, entry in entries.items()},
        dtypes={name: entry.dtype for name, entry in entries.items()},
        metadata=contents.metadata,
        format=kind,
        sources={name: (entry.file, name) for name, entry in entries.items()},
        num_bytes=sum(file.stat().st_size for file in files),
    )


def _gguf_contents(path: Path) -> Contents:
    tensors, metadata = read_gguf(path)
    entries = {
        name: Entry(shape=tuple(tensor.shape), dtype=tensor.kind, file=path)
        for name, tensor in tensors.items()
    }
    return Contents(entries=entries, metadata=metadata)


def open_tensors(header: Header, read: Reader) -> dict[str, Tensor | GgufTensor]:
    """Map the tensors of a file into memory, by the names of its header.

    Raises:
        ValueError: If the file changed since its header was read.
    """
    readers: dict[Format, Callable[[Path], Mapping[str, Tensor | GgufTensor]]] = {
        "GGUF": lambda file: read_gguf(file)[0],
        "PyTorch": named_tensors,
        "safetensors": read,
    }
    opened = {file: readers[header.format](file) for file in header.files}
    out: dict[str, Tensor | GgufTensor] = {}
    for name, (file, stored_name) in header.sources.items():
        tensor = opened[file].get(stored_name)
        if tensor is None or tuple(tensor.shape) != header.shapes[name]:
            raise ValueError(f"{file.name} changed while it was being loaded. Queue again.")
        out[name] = tensor
    return out
