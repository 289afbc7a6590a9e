"""Why a disk refuses and what helps, in words: the one table of error numbers."""

from __future__ import annotations

import errno
from typing import NamedTuple

_SPACE = "Free some space and queue the same prompt again: it goes on there."
_RIGHTS = "Make the output folder writable, or switch keep_progress off."


class Refusal(NamedTuple):
    """What can be said of a refused access."""

    cause: str
    remedy: str  # for a file whose place people choose; begins a sentence
    advice: str = (  # for a run folder; whole sentences
        "Look after the disk and queue the same prompt again, or switch keep_progress off."
    )


_NOT_ALLOWED = Refusal(
    "writing to the folder is not allowed", "Allow it or choose another folder", _RIGHTS
)
_REFUSALS = {
    errno.ENOSPC: Refusal("the disk is full", "Free some space", _SPACE),
    errno.EDQUOT: Refusal("your share of the disk is used up", "Free some space", _SPACE),
    errno.EFBIG: Refusal(
        "the file would be larger than is allowed there", "Choose another folder", _SPACE
    ),
    errno.EROFS: Refusal("the disk is read-only", "Choose another folder", _RIGHTS),
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOENT: Refusal("it or its folder is not there", "Make the folder or choose another"),
    errno.ENOTDIR: Refusal("a part of the folder's name is a file", "Choose another folder"),
    errno.EEXIST: Refusal("a file of that name is there already", "Choose another name"),
}


def refusal(error: Exception) -> Refusal:
    """What can be said of an error of the disk, or of a library that met one."""
    number = getattr(error, "errno", None) or 0
    return _REFUSALS.get(number, Refusal(str(error), "Look at the disk"))
