"""Is everything there, nothing else, and of the right shape?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from .contents import Shape, Shapes


@dataclass(frozen=True, kw_only=True, slots=True)
class Misfit:
    """What is wrong with a set of parameters; false if nothing is."""

    missing: list[str]
    surplus: list[str]
    misshapen: list[str]  # "<name> is <shape>, expected <shape>"

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.misshapen)


def find_misfit(found: Shapes, expected: Shapes, optional: Collection[str] = ()) -> Misfit:
    """Compare parameters with those that a network has; `optional` names may be absent.

    The -1 columns of a matrix with several values in a byte fit any number.
    """
    return Misfit(
        missing=[name for name in expected if name not in found and name not in optional],
        surplus=[name for name in found if name not in expected],
        misshapen=[
            f"{name} is {list(found[name])}, expected {list(shape)}"
            for name, shape in expected.items()
            if name in found and not _same_shape(found[name], shape)
        ],
    )


def _same_shape(found: Shape, expected: Shape) -> bool:
    if len(found) == 2 and found[1] == -1:
        return len(expected) == 2 and found[0] == expected[0]
    return found == expected


def tensor_shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
