"""What can go wrong, each with an exit code and words for a person and for a program."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping

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

    def as_json(self) -> dict[str, object]:
        """Say it for a program."""
        return {
            "code": self.code,
            "kind": self.kind,
            "node": self.node,
            "input": self.field,
            "message": str(self),
            "hint": self.hint,
        }


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
    """The prompt was stopped by an interruption."""

    code, kind = 5, "interrupted"


class MemoryFullError(HostError):
    """The host has not enough memory."""

    code, kind = 6, "out of memory"


class StorageError(HostError):
    """A file could not be written."""

    code, kind = 7, "cannot write"


def mapping(value: object) -> Mapping:
    """What a host sent, where an object belongs; empty if it is something else."""
    return value if isinstance(value, Mapping) else {}


def _faults(body: Mapping) -> Iterator[tuple[str, Mapping, Mapping]]:
    """Id, answer and fault of every node that the host names."""
    for node_id, node in mapping(body.get("node_errors")).items():
        errors = mapping(node).get("errors")
        for fault in errors if isinstance(errors, list) else ():
            yield node_id, mapping(node), mapping(fault)


def _of_all(body: Mapping) -> Mapping:
    """The fault of the whole prompt."""
    error = body.get("error")
    return {"type": "error", "message": error} if isinstance(error, str) else mapping(error)


def _in_words(error: Mapping) -> str:
    """A fault in words; its details may say the message again."""
    message, details = error.get("message", "no reason given"), error.get("details")
    rest = f" ({details})" if details and details != message else ""
    return f"{message}{rest} [{error.get('type', 'unknown')}]"


def render_refusal(body: Mapping, prompt: Mapping) -> str:
    """Say in words why the host refused a prompt: one sentence per fault, its node first.

    The host's answer has `error` and `node_errors`; the prompt has classes that it leaves out.
    """
    sentences = []
    for node_id, node, fault in _faults(body):
        name = node.get("class_type") or prompt.get(node_id, {}).get("class_type", "unknown class")
        sentences.append(f"node {node_id} {name}: {_in_words(fault)}")
    return brief("; ".join(sentences) or _in_words(_of_all(body)), MESSAGE_LETTERS)


def refusal(what: str, body: Mapping, prompt: Mapping) -> RefusedError:
    """Make the error for what the host refused: see `render_refusal`; the first node and input."""
    faults = list(_faults(body))
    kinds = {str(f.get("type")) for f in (*(fault for *_, fault in faults), _of_all(body))}
    node, _, first = faults[0] if faults else ("", {}, {})
    hint = ""
    if "missing_node_type" in kinds:
        missing = str(mapping(_of_all(body).get("extra_info")).get("class_type", ""))
        pack = (
            "this pack"
            if not missing or missing.startswith("MultiTalk")
            else (f"the pack that has {missing}")
        )
        hint = f"Put {pack} into ComfyUI's custom_nodes and start ComfyUI again."
    elif kinds & {"value_not_in_list", "custom_validation_failed"}:
        hint = "A file must lie in the host's folder for it; --image and --sound upload yours."
    text = f"The host refused {what}: {render_refusal(body, prompt)}"
    field = str(mapping(first.get("extra_info")).get("input_name", ""))
    return RefusedError(text, details=body, node=node, field=field, hint=hint)


def run_failure(event: object) -> HostError:
    """Make the error of the kind that a node's failure is, from the execution_error event."""
    data = mapping(event)
    kind = brief(data.get("exception_type", "no type given"), 200)
    message = brief(" ".join(str(data.get("exception_message", "")).split()), MESSAGE_LETTERS)
    node = brief(data.get("node_id", ""), 200)
    name = f"{node} {brief(data.get('node_type', ''), 200)}".strip() or "of unknown name"
    text = f"Node {name} failed: {kind}{': ' if message else '.'}{message}"
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
    return StorageError(f"{path} could not be written: {reason}.", hint="Choose another --output.")
