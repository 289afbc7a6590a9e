"""What a host tells of a run: its events, and the entry of its history. Both are checked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .failures import HostError, HostInterruptedError, mapping, run_failure
from .json_text import parse

LOST_RUN = "The reason is at the end of the host's log."
MAY_GO_ON = "The run may go on there; the reason is at the end of the host's log."
MOST_STEPS = 1e15


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the host. It sends `progress` about ten times a second at most."""

    kind: str  # `progress`, `executing`, `executed` and so on; `binary` for previews
    data: dict  # the host's; for `binary` the number of its type and the payload as bytes


def files_of(entry: Mapping) -> Iterator[dict]:
    """Filename, subfolder and type of what the entry of a prompt names, in order of the nodes.

    They are the host's own names, whatever these hold: `plain_name` makes a name for here.
    """
    for output in mapping(entry.get("outputs")).values():
        for values in mapping(output).values():
            for value in values if isinstance(values, list) else ():
                if isinstance(value, dict) and isinstance(value.get("filename"), str):
                    yield value


def event_of(message: str | bytes) -> Event | None:
    """Read a message of the host; None for one without the fields of its kind.

    Raises:
        ConnectionError: If it is no JSON.
    """
    if isinstance(message, bytes):
        kind = int.from_bytes(message[:4], "big")
        return Event("binary", {"type": kind, "payload": message[4:]})
    try:
        value = parse(message)
    except ValueError as error:
        raise ConnectionError(f"The host sent a message that is no JSON: {error}.") from error
    kind, data = mapping(value).get("type"), mapping(value).get("data") or {}
    if not isinstance(kind, str) or not isinstance(data, dict):  # of another pack's nodes
        return None
    if kind == "progress" and not all(map(_is_count, (data.get("value"), data.get("max")))):
        return None
    if not isinstance(data.get("node"), str | None):
        data["node"] = str(data["node"])
    return Event(kind, data)


def _is_count(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < MOST_STEPS


def raise_failure(entry: Mapping) -> None:
    """Raise what the history says of a prompt that failed or was stopped."""
    status = mapping(entry.get("status"))
    messages = status.get("messages")
    for message in messages if isinstance(messages, list) else ():
        kind, data = message if isinstance(message, list) and len(message) == 2 else ("", None)
        if kind == "execution_error":
            raise run_failure(data)
        if kind == "execution_interrupted":
            raise HostInterruptedError("The prompt was interrupted.", details=mapping(data))
    if status.get("status_str") == "error":
        raise HostError("The run failed; the host does not say why.", hint=LOST_RUN)
