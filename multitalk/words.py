"""Words around numbers, as people say them."""

from __future__ import annotations


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 mask, 2 masks, 1,000,000 masks.

    Args:
        number: How many.
        one: The noun for one.
        many: The noun for others; None: with an s.
    """
    shown = f"{number:,}" if abs(number) >= 100_000 else str(number)
    return f"{shown} {one if number == 1 else many or one + 's'}"
