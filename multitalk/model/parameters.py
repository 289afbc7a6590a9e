"""The parameters of a WAN file from its header, and damage that only shows between them.

A flipped bit can turn one kind of float into another of the same size. No converter mixes the two,
so a file where parameters of one role differ is damaged.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from ...weights import layouts
from ...weights.contents import Shapes
from ...weights.dtypes import FP8, HALVES
from ...weights.header import Header
from .architecture import is_known_name

_BLOCK = re.compile(r"^(vace_)?blocks\.\d+\.")


def parameter_shapes(header: Header) -> Shapes:
    """As `weights.layouts.parameter_shapes`; ValueError too if a file mixes kinds of floats.

    What no network has may be of any kind.
    """
    shapes = layouts.parameter_shapes(header, is_known_name)
    if header.format != "GGUF":
        scales = (name for name in header.shapes if name.endswith(layouts.MATRIX_SCALES))
        _check_mixtures(header, (*filter(is_known_name, shapes), *scales))
    return shapes


def _check_mixtures(header: Header, names: Iterable[str]) -> None:
    """Refuse two kinds of float where files have one."""
    for found in _roles(header, names).values():
        for pair in (HALVES, FP8):
            if pair <= found.keys():
                first, second = (f"{found[dtype]} is {dtype}" for dtype in sorted(pair))
                raise ValueError(
                    f"{header.name}: {first} but {second}; no converter writes such a mixture, so "
                    "the file is damaged. Download it again."
                )


def _roles(header: Header, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Parameters that files store alike: role -> dtype -> one of its parameters."""
    roles: dict[str, dict[str, str]] = defaultdict(dict)
    blocks: dict[str, dict[str, str]] = {"audio": {}, "base": {}}
    for name in (name for name in names if name in header.dtypes):
        dtype = header.dtypes[name]
        role = _BLOCK.sub(r"\1blocks.*.", name)
        part = "audio" if "audio" in role or ".norm_x." in role else "base"
        if role == name:
            role = f"{part} beside the blocks"
        else:
            blocks[part][dtype] = name
        roles[role][dtype] = name
    for part, inside in blocks.items():
        halves = {dtype: name for dtype, name in inside.items() if dtype in HALVES}
        if len(halves) == 1:  # else the file mixes them by role
            roles[f"{part} beside the blocks"].update(halves)
    return roles
