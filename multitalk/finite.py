"""NaN and infinite values stop a run where they begin, instead of ending as a black video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


class NotFiniteError(ValueError):
    """Something gave values that are no finite numbers."""


def is_finite(values: Tensor) -> bool:
    """Whether all values are finite numbers; one pass, nothing is copied, one wait for a GPU."""
    if not values.numel() or not values.is_floating_point():
        return True
    if values.element_size() == 1:  # fp8: torch compares no such numbers
        values = values.float()
    return bool(torch.stack(torch.aminmax(values.detach())).isfinite().all())


def check_finite(values: Tensor, what: str, advice: str) -> None:
    """Refuse values that are no finite numbers.

    Args:
        values: Of any shape.
        what: Begins the sentence: what these values are.
        advice: Ends it: what helps.

    Raises:
        NotFiniteError: With how many there are.
    """
    if not is_finite(values):
        bad = int((~values.isfinite()).sum())
        raise NotFiniteError(
            f"{what}: {bad} of {values.numel()} values are no finite numbers (NaN or infinite), "
            f"and the video would be black. {advice}"
        )


@contextlib.contextmanager
def in_window(index: int, num_windows: int) -> Iterator[None]:
    """Say in which window a `NotFiniteError` came up, and what becomes of it."""
    try:
        yield
    except NotFiniteError as error:
        raise NotFiniteError(
            f"Window {index + 1} of {num_windows} stops the run, and nothing of it is kept. {error}"
        ) from error


class StepWatch:
    """Notes of each step whether it was finite, without waiting for the device."""

    def __init__(self) -> None:
        self._flags: list[Tensor] = []

    def note(self, denoised: Tensor) -> None:
        """Take the result of a step."""
        self._flags.append(denoised.detach().isfinite().all())

    def first_bad(self) -> int | None:
        """Number of the first step, from 1, that was not finite."""
        return next((n for n, flag in enumerate(self._flags, 1) if not flag), None)


def first_not_finite(weights: Iterable[tuple[str, Tensor]]) -> str | None:
    """Name of the first weight that holds values which are no finite numbers."""
    return next((name for name, weight in weights if not is_finite(weight)), None)
