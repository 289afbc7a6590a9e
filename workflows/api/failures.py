"""What can go wrong, each with an exit code and words for a person and for a program."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

EXIT_CODES: Mapping[int, str] = {
    0: "the video is there",
    1: "a node failed on the host, or the run made no file",
    2: "wrong usage: command line, unknown graph, node or input, wrong value, missing file, job",
    3: "no host answers, or it ended",
    4: "the host refused the prompt, for example because of a wrong file name",
    5: "interrupted, here or on the host",
    6: "out of memory on the host",
    7: "a file could not be written, on the host or here: mostly a full disk",
}

OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError", "Allocation on device", "out of memory")
NOT_WRITTEN = "could not be written"  # so MultiTalk Sample To Video says it
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
        """Keep the message and what else is known.

        Args:
            message: The sentence.
            details: The data of the host's execution_error event (node_id, node_type,
                exception_type, exception_message, traceback and more), or its refusal.
            node: Id of the node that it is about.
            field: The node's input, or the option of the command line.
            hint: What to do.
        """
        super().__init__(message)
        self.details: Mapping = details or {}
        self.node = node
        self.field = field
        self.hint = hint

    def as_json(self) -> dict[str, object]:
        """Say it for a program.

        Returns:
            code, kind, node, input, message and hint.
        """
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

    code = 2
    kind = "usage"


class UnreachableError(HostError):
    """No host, or none any more."""

    code = 3
    kind = "no host"


class RefusedError(HostError):
    """The host's checks refused the prompt, or a part of it; nothing ran."""

    code = 4
    kind = "refused"


class HostInterruptedError(HostError):
    """The prompt was stopped by an interruption."""

    code = 5
    kind = "interrupted"


class MemoryFullError(HostError):
    """The host has not enough memory."""

    code = 6
    kind = "out of memory"


class StorageError(HostError):
    """A file could not be written."""

    code = 7
    kind = "cannot write"


def render_refusal(body: Mapping, prompt: Mapping) -> str:
    """Say in words why the host refused a prompt.

    Args:
        body: The host's answer with `error` and `node_errors`.
        prompt: The prompt in API form, for the names of the nodes.

    Returns:
        One sentence per fault, the node's id and class first.
    """
    sentences = []
    for node_id, node in (body.get("node_errors") or {}).items():
        name = node.get("class_type") or prompt.get(node_id, {}).get("class_type", "unknown class")
        for error in node.get("errors", []):
            details = f" ({error['details']})" if error.get("details") else ""
            sentences.append(
                f"node {node_id} {name}: {error['message']}{details} [{error['type']}]"
            )
    if not sentences:
        error = body.get("error") or {}
        if isinstance(error, str):
            error = {"type": "error", "message": error}
        details = error.get("details") or ""
        rest = f" ({details})" if details and details != error.get("message") else ""
        sentences.append(
            f"{error.get('message', 'no reason given')}{rest} [{error.get('type', 'unknown')}]"
        )
    return "; ".join(sentences)


def refusal(what: str, body: Mapping, prompt: Mapping) -> RefusedError:
    """Tell what the host refused, with the first node and input that it names.

    Args:
        what: The prompt, or a part of it.
        body: The host's answer with `error` and `node_errors`.
        prompt: The prompt in API form.

    Returns:
        The error to raise.
    """
    node, field, kinds = "", "", {(body.get("error") or {}).get("type", "")}
    for node_id, faults in (body.get("node_errors") or {}).items():
        for fault in faults.get("errors", []):
            kinds.add(fault.get("type", ""))
            if not node:
                node = node_id
                field = (fault.get("extra_info") or {}).get("input_name", "")
    hint = ""
    if "missing_node_type" in kinds:
        hint = "Put this pack into ComfyUI's custom_nodes and start ComfyUI again."
    elif kinds & {"value_not_in_list", "custom_validation_failed"}:
        hint = "A file must lie in the host's folder for it; --image and --sound upload yours."
    text = f"The host refused {what}: {render_refusal(body, prompt)}"
    return RefusedError(text, details=body, node=node, field=field, hint=hint)


def run_failure(data: Mapping) -> HostError:
    """Tell what kind of failure a node's is.

    Args:
        data: The host's execution_error event.

    Returns:
        The error to raise.
    """
    kind, message = data["exception_type"], " ".join(data["exception_message"].split())
    text = f"Node {data['node_id']} {data['node_type']} failed: {kind}: {message}"
    node = str(data["node_id"])
    if any(word in kind or word in message for word in OUT_OF_MEMORY):
        hint = "Use a smaller size, quantised weights or a machine with more memory."
        return MemoryFullError(text, details=data, node=node, hint=hint)
    unwritten = kind == "OSError" and NOT_WRITTEN in message
    if unwritten or any(f"[Errno {number}]" in message for number in CANNOT_WRITE):
        hint = "Free space on the disk of the host's output folder, or let the host write there."
        return StorageError(text, details=data, node=node, hint=hint)
    return HostError(text, details=data, node=node)


def write_failure(path: str, error: OSError) -> StorageError:
    """Say that a file could not be written here.

    Args:
        path: The file.
        error: Why.

    Returns:
        The error to raise.
    """
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path} could not be written: {reason}.", hint="Choose another --output.")
