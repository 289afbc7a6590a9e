import base64
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pack.workflows.api.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAGIC,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameDecoder,
    MessageJoiner,
    WebSocket,
    encode_frame,
)

MASK = b"\x37\xfa\x21\x3d"


def test_masked_hello_is_the_example_of_the_standard():
    wire = bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455, section 5.7
    assert encode_frame(Frame(TEXT, b"Hello"), MASK) == wire
    assert FrameDecoder().feed(wire) == [Frame(TEXT, b"Hello")]


def test_unmasked_ping_is_the_example_of_the_standard():
    assert encode_frame(Frame(PING, b"Hello"), None) == bytes.fromhex("890548656c6c6f")


@pytest.mark.parametrize("mask", [None, MASK], ids=["server", "client"])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70001])
def test_every_length_survives(size: int, mask: bytes | None):
    frame = Frame(BINARY, bytes(i % 251 for i in range(size)))
    assert FrameDecoder().feed(encode_frame(frame, mask)) == [frame]


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_length_field_is_as_short_as_it_can_be(size: int, head: int):
    assert len(encode_frame(Frame(BINARY, bytes(size)), None)) == head + size


def test_frames_may_be_cut_anywhere():
    frames = [Frame(TEXT, b"a" * 300), Frame(PING, b""), Frame(BINARY, b"b" * 3)]
    wire = b"".join(encode_frame(frame, MASK) for frame in frames)
    decoder = FrameDecoder()
    assert [f for i in range(len(wire)) for f in decoder.feed(wire[i : i + 1])] == frames


def test_fragments_are_joined():
    joiner = MessageJoiner()
    letter = "\u00e9".encode()
    assert joiner.add(Frame(TEXT, letter[:1], final=False)) is None
    assert joiner.add(Frame(CONTINUATION, letter[1:], final=False)) is None
    assert joiner.add(Frame(CONTINUATION, b"!")) == "\u00e9!"
    assert joiner.add(Frame(BINARY, b"\x00")) == b"\x00"


def read_until(connection: socket.socket, ready: Callable[[bytes], bool]) -> bytes:
    data = b""
    while not ready(data):
        data += connection.recv(4096)
    return data


@contextmanager
def server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection, read_until(connection, lambda data: b"\r\n\r\n" in data))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def accept(connection: socket.socket, request: bytes, rest: bytes = b"") -> None:
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
    assert found is not None
    key = base64.b64encode(hashlib.sha1(found[1] + MAGIC.encode()).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
    connection.sendall(head + rest)


def test_client_reads_messages_answers_pings_and_sees_the_end():
    got = []

    def answer(connection: socket.socket, request: bytes) -> None:
        got.append(request.split(b"\r\n")[0])
        accept(connection, request, encode_frame(Frame(TEXT, b"with the handshake"), None))
        connection.sendall(encode_frame(Frame(TEXT, b"one ", final=False), None))
        connection.sendall(encode_frame(Frame(PING, b"are you there"), None))
        connection.sendall(encode_frame(Frame(CONTINUATION, b"message"), None))
        decoder = FrameDecoder()
        frames: list[Frame] = []
        while not frames:
            frames += decoder.feed(connection.recv(4096))
        got.append(frames[0])
        connection.sendall(encode_frame(Frame(CLOSE, b""), None))

    with server(answer) as port:
        client = WebSocket("127.0.0.1", port, "/ws?clientId=1")
        assert client.receive(10) == "with the handshake"
        assert client.receive(10) == "one message"
        with pytest.raises(ConnectionError, match="closed"):
            client.receive(10)
        client.close()
    assert got == [b"GET /ws?clientId=1 HTTP/1.1", Frame(PONG, b"are you there")]


def test_receive_gives_up_in_time():
    done = threading.Event()

    def answer(connection: socket.socket, request: bytes) -> None:
        accept(connection, request)
        done.wait(10)

    with server(answer) as port:
        client = WebSocket("127.0.0.1", port, "/ws")
        assert client.receive(0.05) is None
        client.close()
        done.set()


def test_another_kind_of_server_is_refused():
    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

    with server(answer) as port, pytest.raises(ConnectionError, match="404 Not Found"):
        WebSocket("127.0.0.1", port, "/ws")
