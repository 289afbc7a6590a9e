"""What can go wrong, each with an exit code and words for a person and for a program."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from .texts import brief

EXIT_CODES: Mapping[int, str] = {
    0: "the video is there",
    1: "a node failed on the host, or the run made no file, or the host does not give it",
    2: "wrong usage: command line, unknown graph, node or input, wrong value, missing file, job",
    3: "no host answers, or it ended, or what answers is no ComfyUI",
    4: "the host refused the prompt, for example because of a wrong file name",
    5: "interrupted, here or on the host",
    6: "out of memory on the host",
    7: "a file could not be written, on the host or here: mostly a full disk",
}

OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError", "Allocation on device", "out of memory")
# So the nodes that write videos say it.
NOT_WRITTEN = ("could not be written", "could not be saved", "could not be put into")
MESSAGE_LETTERS = 10_000  # of what a host says; a traceback is not shown
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class HostError(RuntimeError):
    """The host refused or failed; the message is a sentence for the user."""

    code = 1
    kind = "node failed"

    def __init__(
        self,
        message: str,
        *,
        details: Mapping | None = None,
        node: str = "",
        field: str = "",
        hint: str = "",
    ) -> None:
        """Keep the message, what to do, and whose input or which option (`field`) it is about.

        `details` is the data of the host's execution_error event (node_id, node_type,
        exception_type, exception_message, traceback and more), or its refusal.
        """
        super().__init__(message)
        self.details: Mapping = details or {}
        self.node = node
        self.field = field
        self.hint = hint
        self.missing: tuple[Mapping[str, str], ...] = ()  # files that the host does not have

    def as_json(self) -> dict[str, object]:
        """Say it for a program."""
        said: dict[str, object] = {
            "code": self.code,
            "kind": self.kind,
            "node": self.node,
            "input": self.field,
            "message": str(self),
            "hint": self.hint,
        }
        if self.missing:
            names = ", ".join(file["file"] for file in self.missing)
            said |= {"message": f"{self} Missing: {names}.", "missing": list(self.missing)}
        return said


class UsageError(HostError):
    """Wrong before anything was sent."""

    code, kind = 2, "usage"


class UnreachableError(HostError):
    """No host, or none any more."""

    code, kind = 3, "no host"


class RefusedError(HostError):
    """The host's checks refused the prompt, or a part of it; nothing ran."""

    code, kind = 4, "refused"


class HostInterruptedError(HostError):
    """The prompt was stopped by an interruption; or, if not `stopped`, may go on at the host."""

    code, kind = 5, "interrupted"

    def __init__(
        self, message: str, *, details: Mapping | None = None, stopped: bool = True
    ) -> None:
        """Keep the message and whether it has stopped."""
        super().__init__(message, details=details)
        self.stopped = stopped


class MemoryFullError(HostError):
    """The host has not enough memory."""

    code, kind = 6, "out of memory"


class StorageError(HostError):
    """A file could not be written: on the host, or `here`, which holds for all that follows."""

    code, kind = 7, "cannot write"
    here = False


def mapping(value: object) -> Mapping:
    """What a host sent, where an object belongs; empty if it is something else."""
    return value if isinstance(value, Mapping) else {}


def run_failure(event: object) -> HostError:
    """Make the error of the kind that a node's failure is, from the execution_error event."""
    data = mapping(event)
    kind = brief(data.get("exception_type", ""), 200)
    message = brief(" ".join(str(data.get("exception_message", "")).split()), MESSAGE_LETTERS)
    node = brief(data.get("node_id", ""), 200)
    name = f"{node} {brief(data.get('node_type', ''), 200)}".strip() or "of unknown name"
    # A sentence says all by itself; "'x'" of a KeyError does not.
    said = message if " " in message else ": ".join(filter(None, (kind, message)))
    text = f"Node {name} failed: {said}" if said else f"Node {name} failed; the host says no more."
    if any(word in kind or word in message for word in OUT_OF_MEMORY):
        hint = "Use a smaller size, quantised weights or a machine with more memory."
        return MemoryFullError(text, details=data, node=node, hint=hint)
    unwritten = kind == "OSError" and any(words in message for words in NOT_WRITTEN)
    if unwritten or any(f"[Errno {number}]" in message for number in CANNOT_WRITE):
        hint = "Free space on the disk of the host's output folder, or let the host write there."
        return StorageError(text, details=data, node=node, hint=hint)
    return HostError(text, details=data, node=node)


def write_failure(path: str, error: OSError | ValueError) -> StorageError:
    """Make the error for a file that could not be written here."""
    known = isinstance(error, OSError) and error.errno
    reason = os.strerror(known) if known else str(error)
    return storage_failure(f"{path} could not be written: {reason}.")


def storage_failure(message: str) -> StorageError:
    """Make the error for this machine's disk."""
    failure = StorageError(message, hint="Choose another --output.")
    failure.here = True
    return failure
