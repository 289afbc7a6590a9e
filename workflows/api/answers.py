"""The one reader of a host's answers: it checks who answers, how much, how fast and what.

Whatever answers, a ComfyUI, a proxy or a stranger: it is read within a time and a size, no
redirect and no proxy is followed, and what is wrong becomes an UnreachableError.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .failures import UnreachableError
from .json_text import parse
from .texts import brief

ANSWER_SECONDS = 120.0  # for any answer; more for long ones, so much per byte
BYTES_PER_SECOND = 50_000
JSON_BYTES = 16 << 20
PIECE_BYTES = 1 << 16
FAULT_BYTES = 1 << 20  # of an answer that says what is wrong
LONGEST_WAIT = 1e6  # seconds; a socket takes no infinity
NOT_COMFYUI = "See that --address is ComfyUI's own, and that nothing stands between."
ASKS_WHO = "Something before ComfyUI asks who you are. Go past it, for example through ssh -L."


class Deadline:
    """A moment at which waiting ends, never after that of an outer one."""

    def __init__(self, seconds: float = math.inf, outer: Deadline | None = None) -> None:
        self._start = time.monotonic()
        self._last = math.inf if outer is None else outer.end
        self.end = min(self._start + seconds, self._last)

    def reach(self, seconds: float) -> None:
        """Move it to so many seconds after its start, but not past the outer one."""
        self.end = min(self._start + seconds, self._last)

    def is_over(self) -> bool:
        """Tell whether it has come."""
        return time.monotonic() >= self.end

    def left(self) -> float:
        """Seconds until then, always some; TimeoutError if it has come."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("The time is over.")
        return min(seconds, LONGEST_WAIT)


class TimedSocket(socket.socket):
    """Waits until a deadline in all, not so many seconds for each byte."""

    deadline: Deadline

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As of any socket; TimeoutError at the deadline."""
        self.settimeout(self.deadline.left())
        return super().recv(size, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As of any socket; TimeoutError at the deadline."""
        self.settimeout(self.deadline.left())
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As of any socket; TimeoutError at the deadline."""
        self.settimeout(self.deadline.left())
        super().sendall(data, flags)


def connect(host: str, port: int, deadline: Deadline) -> TimedSocket:
    """Open a connection; OSError or ValueError (no name of a host) if there is none."""
    plain = socket.create_connection((host, port), timeout=deadline.left())
    timed = TimedSocket(fileno=plain.detach())
    timed.deadline = deadline
    return timed


def split_address(address: str) -> tuple[str, int]:
    """Host, without the brackets of IPv6, and port of `host:port`."""
    name, _, port = address.rpartition(":")
    return name.removeprefix("[").removesuffix("]"), int(port)


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str, deadline: Deadline) -> None:
        super().__init__(*split_address(address))
        self._deadline = deadline

    def connect(self) -> None:
        self.sock = connect(self.host, self.port, self._deadline)


class Question(NamedTuple):
    """What a host is asked: GET, or POST with data."""

    path: str
    data: bytes | None = None
    content: str = "application/json"  # type of the data


class Answer:
    """An answer whose head is read; for a `with` block, which ends the connection."""

    def __init__(
        self,
        address: str,
        question: Question,
        outer: Deadline | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Ask `host:port`.

        Raises:
            UnreachableError: If nobody answers in so many seconds, or something that is no HTTP.
            TimeoutError: If the outer deadline has come.
        """
        self.address = address
        self._outer = outer or Deadline()
        self._seconds = seconds + len(question.data or b"") / BYTES_PER_SECOND
        self._deadline = Deadline(self._seconds, self._outer)
        with self._in_words():
            self._connection = _Connection(address, self._deadline)
        try:
            with self._in_words():
                self._answer = self._ask(question)
        except BaseException:
            self._connection.close()
            raise
        self.status = self._answer.status
        self.length = None if self._answer.chunked else self._answer.length  # in bytes, if told

    def _ask(self, question: Question) -> http.client.HTTPResponse:
        method = "GET" if question.data is None else "POST"
        headers = {"Connection": "close", "Accept-Encoding": "identity"}
        if question.data is not None:
            headers["Content-Type"] = question.content
        # Who refuses an upload answers and hangs up before it has all of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request(method, question.path, question.data, headers)
        return self._connection.getresponse()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._answer.close()
        self._connection.close()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            if self._outer.is_over():
                raise
            text = f"{self.address} answers too slowly, or not at all."
            raise UnreachableError(text, hint=NOT_COMFYUI) from error
        except (OSError, ValueError) as error:
            text = f"{self.address} does not answer ({brief(error, 200)})."
            raise UnreachableError(text, hint=NOT_COMFYUI) from error
        except http.client.IncompleteRead as error:
            raise self.odd("ends too early") from error
        except http.client.HTTPException as error:
            text = f"What {self.address} answers is no HTTP."
            raise UnreachableError(text, hint=NOT_COMFYUI) from error

    @property
    def line(self) -> str:
        """Number and words of the status: `404 Not Found`."""
        return f"{self.status} {brief(self._answer.reason, 100)}".strip()

    def pieces(self, most: int) -> Iterator[bytes]:
        """Read what follows the head, of at most so many bytes; UnreachableError, TimeoutError."""
        packed = self._answer.getheader("Content-Encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise self.odd(f"is packed ({brief(packed, 50)})")
        if (self.length or 0) > most:
            raise self.odd(f"is longer than {most >> 20} MiB")
        count = 0
        while self.length is None or count < self.length:
            rest = PIECE_BYTES if self.length is None else min(PIECE_BYTES, self.length - count)
            with self._in_words():
                piece = self._answer.read1(rest)
            if not piece:
                break
            count += len(piece)
            if count > most:
                raise self.odd(f"is longer than {most >> 20} MiB")
            self._deadline.reach(self._seconds + count / BYTES_PER_SECOND)
            yield piece
        if self.length is not None and count < self.length:
            raise self.odd(f"ends after {count} of {self.length} bytes")

    def read(self, most: int = JSON_BYTES) -> bytes:
        """Read what follows the head: see `pieces`."""
        return b"".join(self.pieces(most))

    def value(self, most: int = JSON_BYTES) -> Any:
        """Read what follows the head as JSON; UnreachableError if it is none."""
        data = self.read(most)
        try:
            return parse(data)
        except ValueError as error:
            what = "a web page" if data.lstrip()[:1] == b"<" else f"no JSON: {brief(error, 100)}"
            raise self.odd(f"is {what}") from error

    def members(self, most: int = JSON_BYTES) -> dict[str, Any]:
        """Read what follows the head as a JSON object; UnreachableError if it is none."""
        value = self.value(most)
        if not isinstance(value, dict):
            raise self.odd("is no JSON object")
        return value

    def fault(self) -> Mapping[str, Any]:
        """What the host says about a refusal; empty if it says nothing that can be read."""
        try:
            value = parse(self.read(FAULT_BYTES))
        except (UnreachableError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def odd(self, what: str) -> UnreachableError:
        """Make the error for an answer that no ComfyUI gives: it `is` or `ends` so and so."""
        return UnreachableError(f"What {self.address} answers {what}.", hint=NOT_COMFYUI)

    def refused(self, what: str) -> UnreachableError:
        """Make the error for a status other than 200, to what was asked."""
        asks = self.status in (401, 403, 407, 511)
        where = self._answer.getheader("Location", "")
        leads = f", which leads to {brief(where, 200)}" if 300 <= self.status < 400 else ""
        return UnreachableError(
            f"{self.address} answered {self.line} to {what}{leads}.",
            hint=ASKS_WHO if asks else NOT_COMFYUI,
        )
