"""A small WebSocket client (RFC 6455), standard library only: just what the host's /ws needs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import time
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LONG = {126: 2, 127: 8}  # these sizes mean: the size is in so many bytes more
HEADER_LIMIT = 65536


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


class FrameDecoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes, cut anywhere, and give the frames that are complete now."""
        self._data += data
        return list(iter(self._next, None))

    def _next(self) -> Frame | None:
        data = self._data
        if len(data) < 2:
            return None
        size = data[1] & 0x7F
        width = LONG.get(size, 0)
        if width:
            size = int.from_bytes(data[2 : 2 + width], "big")
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
        self._opcode = TEXT
        self._parts: list[bytes] = []

    def add(self, frame: Frame) -> str | bytes | None:
        """Take a TEXT, BINARY or CONTINUATION frame; give the message, str or bytes, if it ends."""
        if frame.opcode != CONTINUATION:
            self._opcode, self._parts = frame.opcode, []
        self._parts.append(frame.payload)
        if not frame.final:
            return None
        message = b"".join(self._parts)
        self._parts = []
        return message.decode("utf-8") if self._opcode == TEXT else message


class WebSocket:
    """An open connection. Pings are answered while `receive` runs."""

    def __init__(self, host: str, port: int, path: str, *, timeout: float = 30.0) -> None:
        """Connect and shake hands, in so many seconds each; ConnectionError if that fails."""
        self._decoder = FrameDecoder()
        self._joiner = MessageJoiner()
        self._ready: list[Frame] = []
        self._socket = socket.create_connection((host, port), timeout=timeout)
        try:
            self._shake_hands(f"{host}:{port}", path)
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
                f"{host}{path} answered {status!r} instead of a WebSocket handshake."
            )

    def receive(self, timeout: float) -> str | bytes | None:
        """Wait so many seconds for a message; None if none came, ConnectionError if the end did."""
        deadline = time.monotonic() + timeout
        while True:
            while self._ready:
                message = self._take(self._ready.pop(0))
                if message is not None:
                    return message
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self._socket.settimeout(remaining)
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionError("The server ended the WebSocket connection.")
            self._ready = self._decoder.feed(data)

    def _take(self, frame: Frame) -> str | bytes | None:
        if frame.opcode == PING:
            self._send(Frame(PONG, frame.payload))
        elif frame.opcode == CLOSE:
            raise ConnectionError("The server closed the WebSocket.")
        elif frame.opcode != PONG:
            return self._joiner.add(frame)
        return None

    def _send(self, frame: Frame) -> None:
        self._socket.settimeout(30.0)
        self._socket.sendall(encode_frame(frame, os.urandom(4)))

    def close(self) -> None:
        """Say goodbye and close the socket; a connection that is gone already is fine."""
        with self._socket, contextlib.suppress(OSError):
            self._send(Frame(CLOSE, b"\x03\xe8"))
