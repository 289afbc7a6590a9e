"""A stand-in for a host that answers as a test wants: as ComfyUI does, but for some paths."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pack.workflows.api.command import main
from pack.workflows.api.websocket import MAGIC, TEXT, Frame, encode_frame

Wire = bytes | Callable[[socket.socket], None]  # what is sent, or who sends it
ID = "00000000-0000-4000-8000-000000000000"  # stands for the real one, which is as long


def http(body: object, status: str = "200 OK", *headers: str) -> bytes:
    """An answer with a body: JSON, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


def event(kind: str, **data: object) -> bytes:
    """A message as on the wire."""
    value = {"type": kind, "data": {"prompt_id": ID, **data}}
    return encode_frame(Frame(TEXT, json.dumps(value).encode()), None)


def file(name: object = "talk.mp4", **more: object) -> dict:
    """A file as the history names it."""
    return {"filename": name, "subfolder": "video", "type": "output", **more}


def history(*files: object, **more: object) -> bytes:
    """The answer about a prompt that made some files."""
    status = {"status_str": "success", "messages": []}
    return http({ID: {"outputs": {"7": {"images": list(files)}}, "status": status, **more}})


GOOD: Mapping[str, Wire] = {
    "/system_stats": http({"system": {"argv": ["main.py"]}}),
    "/ws": event("execution_success"),  # after the handshake, when a prompt is queued
    "/prompt": http({"prompt_id": ID, "node_errors": {}}),
    "/upload/image": http({"name": "a", "subfolder": ""}),
    "/history": history(file()),
    "/view": http(b"a video"),
    "/queue": http(b""),
    "/interrupt": http(b""),
}


def _read(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head.lower())
    while found and len(body) < int(found[1]) and (more := connection.recv(65536)):
        body += more
    return head, body


class OddHost:
    """Serves a table of answers; `asked` are the lines and bodies of the requests so far."""

    def __init__(self, answers: Mapping[str, Wire]) -> None:
        """Take what differs from GOOD."""
        self.answers = {**GOOD, **answers}
        self.asked: list[tuple[str, bytes]] = []
        self.ended = threading.Event()
        self._queued = threading.Event()
        self._id = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Answer until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head, body = _read(connection)
            line = head.partition(b"\r\n")[0].decode("latin-1")
            self.asked.append((line, body))
            path = line.split(" ")[1]
            key = next(key for key in self.answers if path.startswith(key))
            if key == "/prompt":
                self._id = json.loads(body).get("prompt_id", "").encode()
            wire = self.answers[key]
            if key == "/ws":
                self._shake_hands(connection, head)
            self._send(connection, wire)
            if key == "/prompt":
                self._queued.set()
            if key == "/ws":
                self.ended.wait(20)

    def _shake_hands(self, connection: socket.socket, head: bytes) -> None:
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
        assert found is not None
        key = base64.b64encode(hashlib.sha1(found[1] + MAGIC.encode()).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
        while not (self._queued.is_set() or self.ended.is_set()):
            self._queued.wait(0.05)

    def _send(self, connection: socket.socket, wire: Wire) -> None:
        if callable(wire):
            wire(connection)
        else:
            connection.sendall(wire.replace(ID.encode(), self._id))

    def close(self) -> None:
        """End all connections."""
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else it would go on to wait
        self._listener.close()


@contextlib.contextmanager
def odd_host(answers: Mapping[str, Wire] | None = None) -> Iterator[OddHost]:
    """Serve while the `with` block runs."""
    host = OddHost(answers or {})
    thread = threading.Thread(target=host.serve, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.close()
        thread.join(5)


def run_against(answers: Mapping[str, Wire], graph: Path, folder: Path, *options: str) -> int:
    """Run a graph by the command against a host of these answers; its exit code."""
    with odd_host(answers) as host:
        place = ["--address", host.address, "--output", str(folder)]
        return main(["run", str(graph), *options, *place])
