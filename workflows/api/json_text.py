"""Read JSON that others wrote: any encoding that JSON has, no depth that brings a program down."""

from __future__ import annotations

import json
import math
from typing import Any

MOST_LEVELS = 100


def parse(data: bytes | str, *, finite: bool = False) -> Any:
    """Read JSON, with or without a UTF-8 mark; ValueError says in words what is wrong.

    `finite` refuses NaN, Infinity and numbers like 1e999 that become it; ComfyUI itself sends NaN.
    """
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
        value = json.loads(text.removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is no UTF-8") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels") from error
    _check(value, finite=finite)
    return value


def _check(value: object, *, finite: bool) -> None:
    level, depth = [value], 0
    while level:
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels")
        if finite and any(isinstance(item, float) and not math.isfinite(item) for item in level):
            raise ValueError("it holds NaN or a number without end, such as 1e999")
        inner = [item for item in level if isinstance(item, (dict, list))]
        level = [v for i in inner for v in (i.values() if isinstance(i, dict) else i)]
        depth += 1
