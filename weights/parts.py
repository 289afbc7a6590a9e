"""Models in several safetensors files, name-00001-of-00007, with or without an index.

What lies beside numbered parts without an index may belong to them too; which file does is asked
of the caller. One that holds what the parts hold already is another model's. Source: checkpoints.md
section 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from .contents import SAFETENSORS_SUFFIX, Contents
from .file_digest import file_digest
from .reading import read_json
from .safetensors_file import safetensors_contents

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")
_INDEX_SUFFIX = SAFETENSORS_SUFFIX + ".index.json"

# Told the names of a file's tensors: does it belong to the numbered parts beside it?
Belongs = Callable[[Collection[str]], bool]
# Called between pieces of long work; may raise.
Check = Callable[[], object]


def is_part(name: str) -> bool:
    """Whether a file name is one of several parts of a model."""
    return _PART.fullmatch(name) is not None


def is_later_part(name: str) -> bool:
    """Whether a file name is a part of several, but not the first."""
    match = _PART.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    return match is not None and int(match["number"]) != 1


def files_of(path: Path) -> list[Path]:
    """All files that are read with this one: the other parts of a model and their index."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    parts = path.parent.glob(f"*-of-{match['count']}.safetensors")
    beside = {*parts, *path.parent.glob("*" + _INDEX_SUFFIX)}
    return sorted({path, *(file for file in beside if file.is_file())})


def file_identity(path: Path, belongs: Belongs | None = None, check: Check | None = None) -> str:
    """Hex digest of all of every file of a model of any layout; `check` as in `file_digest`.

    Names, places, times and the order of parts do not matter: it is the same on every machine.

    Raises:
        ValueError: If a part is missing or the index cannot be used.
    """
    names = [path.name]
    if is_part(path.name):
        index = _find_index(path)
        names = _indexed_parts(path, *index) if index else [*_numbered_parts(path, belongs)]
    digests = sorted(file_digest(path.with_name(name), check) for name in names)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def parts_contents(path: Path, belongs: Belongs | None = None) -> Contents:
    """The tensors of all parts of a model: by the index if there is one, else by their names.

    Without index `belongs` is asked about the other safetensors files in the folder; the only one
    that does belong is read as a part.

    Raises:
        ValueError: If a part is missing or damaged, or the index cannot be used.
    """
    index = _find_index(path)
    if index is not None:
        return _indexed_contents(path, *index)
    merged = Contents(entries={}, metadata={})
    for name, read in _numbered_parts(path, belongs).items():  # later files win
        part = read or safetensors_contents(path.with_name(name))
        merged.entries.update(part.entries)
        merged.metadata.update(part.metadata)
    return merged


def _numbered_parts(path: Path, belongs: Belongs | None) -> dict[str, Contents | None]:
    """All parts by their names, and what belongs to them; read where that had to be asked."""
    match = _PART.fullmatch(path.name)
    assert match is not None, path.name
    count = int(match["count"])
    names = [f"{match['stem']}-{n:05}-of-{match['count']}.safetensors" for n in range(1, count + 1)]
    _require_parts(path, names)
    if belongs is None:
        return dict.fromkeys(names)
    read = {name: safetensors_contents(path.with_name(name)) for name in names}
    return {**read, **_beside(path, read, belongs)}


def _beside(path: Path, parts: Mapping[str, Contents], belongs: Belongs) -> dict[str, Contents]:
    """The file beside the parts that belongs to them, if there is just one."""
    held = {tensor for part in parts.values() for tensor in part.entries}
    found: dict[str, Contents] = {}
    for name in {file.name for file in path.parent.glob("*.safetensors")}.difference(parts):
        # A damaged neighbor is no reason to refuse these parts.
        with contextlib.suppress(ValueError):
            contents = safetensors_contents(path.with_name(name))
            shared = len(held.intersection(contents.entries))
            if belongs(contents.entries) and 2 * shared <= len(contents.entries):
                found[name] = contents
    return found if len(found) == 1 else {}


def _find_index(path: Path) -> tuple[Path, dict[str, str]] | None:
    """The index in the folder that names this part, and its map of tensors to files."""
    for file in sorted(path.parent.glob("*" + _INDEX_SUFFIX)):
        try:
            names = read_json(file)["weight_map"]
            places = {str(tensor): str(part) for tensor, part in names.items()}
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(
                f"{file.name} beside {path.name} is no index of tensors. Download it again, or "
                "delete it: the parts are found by their names too."
            ) from error
        if path.name in places.values():
            return file, places
    return None


def _indexed_parts(path: Path, index: Path, places: Mapping[str, str]) -> list[str]:
    """All parts that an index names."""
    names = list(dict.fromkeys(places.values()))
    outside = [name for name in names if not name or Path(name).name != name]
    if outside:
        raise ValueError(
            f"{index.name} names a file outside its folder: {outside[0]!r}. Put all parts into one "
            "folder and correct the index, or delete it."
        )
    _require_parts(path, names)
    return names


def _indexed_contents(path: Path, index: Path, places: Mapping[str, str]) -> Contents:
    names = _indexed_parts(path, index, places)
    parts = {name: safetensors_contents(path.with_name(name)) for name in names}
    lost = [tensor for tensor, name in places.items() if tensor not in parts[name].entries]
    if lost:
        raise ValueError(
            f"{index.name} says that {lost[0]} lies in {places[lost[0]]}, but it does not "
            f"({len(lost)} such tensors). Download index and parts of the same model."
        )
    metadata = {key: value for part in parts.values() for key, value in part.metadata.items()}
    entries = {tensor: parts[name].entries[tensor] for tensor, name in places.items()}
    return Contents(entries=entries, metadata=metadata)


def _require_parts(path: Path, names: Collection[str]) -> None:
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise ValueError(
            f"{path.name} is one of {len(names)} parts, and {len(missing)} are missing: "
            f"{', '.join(missing[:3])}. Download them into the same folder."
        )
