"""Names of layers for people: forty lines of one name become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_BLOCK = re.compile(r"(.*?blocks[._])(\d+)((?:[._].*)?)")


def fold_blocks(names: Iterable[str]) -> list[str]:
    """Fold names that differ in their block number alone.

    Args:
        names: Layer or key names with dots or underscores, in any order.

    Returns:
        Each name once, in order of first appearance, numbers as runs and gaps:
        `blocks.0-3,7.ffn.0`.
    """
    numbers: dict[tuple[str, str], set[int]] = {}
    for name in names:
        found = _BLOCK.fullmatch(name)
        if found:
            numbers.setdefault((found[1], found[3]), set()).add(int(found[2]))
        else:
            numbers.setdefault((name, ""), set())
    return [head + _runs(sorted(found)) + tail for (head, tail), found in numbers.items()]


def _runs(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
