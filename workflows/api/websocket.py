"""A small WebSocket client (RFC 6455), standard library only: just what the host's /ws needs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
from collections.abc import Iterator
from dataclasses import dataclass

from .answers import Deadline, connect
from .texts import brief

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LONG = {126: 2, 127: 8}  # these sizes mean: the size is in so many bytes more
HEADER_LIMIT = 65536
MESSAGE_BYTES = 16 << 20  # of a message, in one frame or in many
CONTROL_BYTES = 125
MOST_PARTS = 10_000
SEND_SECONDS = 5.0
GARBAGE = "The server sent what is no WebSocket message"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it is on the wire."""

    opcode: int  # TEXT, BINARY, CONTINUATION, CLOSE, PING or PONG
    payload: bytes  # unmasked
    final: bool = True  # False if a CONTINUATION follows


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(size, "big")


def encode_frame(frame: Frame, mask: bytes | None) -> bytes:
    """A frame as on the wire (RFC 6455, section 5.2); a client must mask by four bytes."""
    size = len(frame.payload)
    short = size if size < 126 else 126 if size < 1 << 16 else 127
    masks = 0x80 if mask is not None else 0
    head = bytes([(0x80 if frame.final else 0) | frame.opcode, masks | short])
    if short in LONG:
        head += size.to_bytes(LONG[short], "big")
    return head + (frame.payload if mask is None else mask + _masked(frame.payload, mask))


def _check_head(first: int, size: int) -> None:
    opcode, final = first & 0x0F, first & 0x80
    is_control = opcode >= CLOSE
    if first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise ConnectionError(f"{GARBAGE}.")
    if is_control and (not final or size > CONTROL_BYTES):
        raise ConnectionError(f"{GARBAGE}: a control frame in parts, or too long.")
    if size > MESSAGE_BYTES:
        raise ConnectionError(f"{GARBAGE}: a frame of {size} bytes.")


class FrameDecoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes, cut anywhere, and give the frames that are complete now.

        Raises:
            ConnectionError: If they are no frames, or one is too long.
        """
        self._data += data
        return list(iter(self._next, None))

    def _next(self) -> Frame | None:
        data = self._data
        if len(data) < 2:
            return None
        size = data[1] & 0x7F
        width = LONG.get(size, 0)
        if len(data) < 2 + width:
            return None
        if width:
            size = int.from_bytes(data[2 : 2 + width], "big")
        _check_head(data[0], size)
        start = 2 + width + (4 if data[1] & 0x80 else 0)
        if len(data) < start + size:
            return None
        mask, payload = bytes(data[2 + width : start]), bytes(data[start : start + size])
        plain = _masked(payload, mask) if mask else payload
        frame = Frame(data[0] & 0x0F, plain, bool(data[0] & 0x80))
        del data[: start + size]
        return frame


class MessageJoiner:
    """Joins the fragments of messages; control frames may lie between them."""

    def __init__(self) -> None:
        self._opcode = CONTINUATION  # no message has begun
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, frame: Frame) -> str | bytes | None:
        """Take a TEXT, BINARY or CONTINUATION frame; give the message, str or bytes, if it ends.

        Raises:
            ConnectionError: If the frame does not go on where the last one ended, the text is no
                UTF-8 or the message too long.
        """
        if (frame.opcode == CONTINUATION) == (self._opcode == CONTINUATION):
            raise ConnectionError(f"{GARBAGE}: parts of messages in a wrong order.")
        if frame.opcode != CONTINUATION:
            self._opcode = frame.opcode
        self._parts.append(frame.payload)
        self._size += len(frame.payload)
        if self._size > MESSAGE_BYTES or len(self._parts) > MOST_PARTS:
            raise ConnectionError(f"{GARBAGE}: one without end.")
        if not frame.final:
            return None
        message, is_text = b"".join(self._parts), self._opcode == TEXT
        self._opcode, self._parts, self._size = CONTINUATION, [], 0
        try:
            return message.decode("utf-8") if is_text else message
        except UnicodeDecodeError as error:
            raise ConnectionError(f"{GARBAGE}: a text that is no UTF-8.") from error


class WebSocket:
    """An open connection. Pings are answered while `receive` runs."""

    def __init__(self, host: str, port: int, path: str, *, timeout: float = 30.0) -> None:
        """Connect and shake hands, in so many seconds.

        Raises:
            OSError: If that fails: ConnectionError or TimeoutError.
            ValueError: If the host is no name of one.
        """
        self._decoder = FrameDecoder()
        self._joiner = MessageJoiner()
        self._ready: Iterator[Frame] = iter(())
        self._socket = connect(host, port, Deadline(timeout))
        try:
            self._shake_hands(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path)
        except BaseException:
            self._socket.close()
            raise

    def _shake_hands(self, host: str, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        with self._socket.makefile("rb", buffering=0) as answer:  # takes nothing behind the head
            status = answer.readline(HEADER_LIMIT).decode("latin-1").strip()
            try:
                headers = http.client.parse_headers(answer)
            except http.client.HTTPException as error:
                raise ConnectionError(f"{host} ended the WebSocket handshake.") from error
        if not status:
            raise ConnectionError(f"{host} ended the WebSocket handshake.")
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode("ascii")).digest())
        if " 101 " not in f"{status} " or headers["Sec-WebSocket-Accept"] != accept.decode("ascii"):
            raise ConnectionError(
                f"{host} answered {brief(status, 100)!r} instead of a WebSocket handshake."
            )

    def receive(self, timeout: float) -> str | bytes | None:
        """Wait so many seconds for a message; None if none came, ConnectionError if the end did.

        An end is also what is no WebSocket's: a garbled frame, a message without end.
        """
        deadline = Deadline(timeout)
        while not deadline.is_over():
            for frame in self._ready:
                message = self._take(frame)
                if message is not None:
                    return message
            self._socket.deadline = deadline
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionError("The server ended the WebSocket connection.")
            self._ready = iter(self._decoder.feed(data))
        return None

    def _take(self, frame: Frame) -> str | bytes | None:
        if frame.opcode == PING:
            self._send(Frame(PONG, frame.payload))
        elif frame.opcode == CLOSE:
            raise ConnectionError("The server closed the WebSocket.")
        elif frame.opcode != PONG:
            return self._joiner.add(frame)
        return None

    def _send(self, frame: Frame) -> None:
        self._socket.deadline = Deadline(SEND_SECONDS)
        try:
            self._socket.sendall(encode_frame(frame, os.urandom(4)))
        except TimeoutError as error:
            raise ConnectionError("The server does not read the WebSocket.") from error

    def close(self) -> None:
        """Say goodbye and close the socket; a connection that is gone already is fine."""
        with self._socket, contextlib.suppress(OSError):
            self._send(Frame(CLOSE, b"\x03\xe8"))
