"""Read JSON that others wrote: any encoding that JSON has, no depth that brings a program down."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

MOST_LEVELS = 100


def parse(data: bytes | str, *, finite: bool = False) -> Any:
    """Read JSON, with or without a UTF-8 mark; ValueError says in words what is wrong.

    `finite` refuses NaN, Infinity and numbers like 1e999 that become it; ComfyUI itself sends NaN.
    """
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is no UTF-8") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels") from error
    check(value, finite=finite)
    return value


def check(value: object, *, finite: bool) -> None:
    """Look through a JSON value: see `parse`."""
    level = [value]
    for depth in range(MOST_LEVELS + 1):
        if finite and any(isinstance(item, float) and not math.isfinite(item) for item in level):
            raise ValueError("it holds NaN or a number without end, such as 1e999")
        if depth == MOST_LEVELS and any(isinstance(item, (dict, list)) for item in level):
            raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels")
        level = [item for part in level for item in _inside(part)]


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
