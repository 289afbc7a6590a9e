"""Networks without numbers, which those of a file replace: built without memory, and quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _Unfilled(TorchFunctionMode):
    """Skips `torch.nn.init`: random numbers that nobody sees take most of the time."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def without_numbers() -> Iterator[None]:
    """Modules that are built meanwhile have parameters on "meta", of their shapes."""
    with torch.device("meta"), _Unfilled():
        yield
