"""Values of options, and the words where one is wrong."""

from __future__ import annotations

import argparse
import contextlib

WRONG = "(this option)"  # stands for the option's name, which the parser puts before


def whole(text: str) -> int:
    """Read a whole number from 0; ArgumentTypeError if it is something else."""
    if not text.strip().isdecimal():
        raise _wrong(text, "a whole number from 0 up, for example 7")
    return int(text)


def seconds(text: str) -> float:
    """Read a time above 0, or `inf`; ArgumentTypeError if it is something else."""
    with contextlib.suppress(ValueError):
        if (value := float(text)) > 0:
            return value
    raise _wrong(text, "a time in seconds above 0, for example 600")


def _wrong(text: str, takes: str) -> argparse.ArgumentTypeError:
    """What the parser says of an option, which it puts before this."""
    return argparse.ArgumentTypeError(f"{WRONG} is {text}; it takes {takes}")
