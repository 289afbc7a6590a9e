"""Odd answers: whatever a server says, the client ends in time with a sentence and a code."""

from __future__ import annotations

import json
import struct
import time

import pytest

from pack.tests.host.odd_host import ID, event, file, history, http, odd_host, run_against
from pack.workflows.api import answers as answers_module
from pack.workflows.api import client as client_module
from pack.workflows.api import run as run_module
from pack.workflows.api.answers import Answer, Deadline, Question
from pack.workflows.api.client import HostClient
from pack.workflows.api.command import main
from pack.workflows.api.failures import EXIT_CODES, UnreachableError
from pack.workflows.api.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Frame,
    encode_frame,
)

PROMPT = {"1": {"class_type": "Sampler", "inputs": {}}}
HTML = http(b"<!DOCTYPE html><html>Sign in</html>", "200 OK", "Content-Type: text/html")
DEEP = b"[" * 100_000
DEEP_OBJECTS = b'{"a":' * 300 + b"1" + b"}" * 300
OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def slowly(head, piece=b" "):
    """A server that sends a bit now and then, without end."""

    def send(connection):
        connection.sendall(head)
        while True:
            time.sleep(0.05)
            connection.sendall(piece)

    return send


def endlessly(head, piece=bytes(1 << 20)):
    def send(connection):
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return send


def silence(connection):
    time.sleep(5)


def ended(*messages):
    """The answer about a prompt that failed in a way that it does not say well."""
    return history(status={"status_str": "error", "messages": list(messages)})


def refused(body):
    return http(body, "400 Bad Request")


def text(data):
    return encode_frame(Frame(TEXT, data), None)


# What differs from a good host; exit code; what the sentence says.
ODD = {
    "stats: nothing": ({"/system_stats": b""}, 3, "No ComfyUI answers"),
    "stats: no HTTP": ({"/system_stats": b"SSH-2.0-OpenSSH_9.6\r\n"}, 3, "No ComfyUI answers"),
    "stats: a page": ({"/system_stats": HTML}, 3, "No ComfyUI answers"),
    "stats: another status": ({"/system_stats": http({}, "401 No")}, 3, "No ComfyUI answers"),
    "stats: deep": ({"/system_stats": http(DEEP)}, 3, "No ComfyUI answers"),
    "stats: a list": ({"/system_stats": http({"system": [1]})}, 3, "No ComfyUI answers"),
    "stats: argv is a number": ({"/system_stats": http({"system": {"argv": 5}})}, 0, ""),
    "stats: argv of lists": ({"/system_stats": http({"system": {"argv": [[1], {}]}})}, 0, ""),
    "prompt: a page": ({"/prompt": HTML}, 3, "is a web page"),
    "prompt: no JSON": ({"/prompt": http(b"{nope")}, 3, "is no JSON"),
    "prompt: empty": ({"/prompt": http(b"")}, 3, "is no JSON"),
    "prompt: a list": ({"/prompt": http([])}, 3, "is no JSON object"),
    "prompt: deep": ({"/prompt": http(DEEP)}, 3, "nested deeper"),
    "prompt: rather deep": ({"/prompt": http(DEEP_OBJECTS)}, 3, "nested deeper"),
    "prompt: not UTF-8": ({"/prompt": http(b'{"prompt_id": "\xff"}')}, 3, "no UTF-8"),
    "prompt: long number": ({"/prompt": http(b'{"a": ' + b"9" * 9999 + b"}")}, 3, "is no JSON"),
    "prompt: without id": ({"/prompt": http({})}, 3, "has no prompt_id"),
    "prompt: id is a list": ({"/prompt": http({"prompt_id": [1]})}, 3, "has no prompt_id"),
    "prompt: id is long": ({"/prompt": http({"prompt_id": "a" * 999})}, 3, "has no prompt_id"),
    "prompt: id is half a letter": ({"/prompt": http({"prompt_id": "\ud800"})}, 3, "no prompt_id"),
    "prompt: refused by a page": ({"/prompt": refused(b"<html>")}, 3, "answered 400 Bad Request"),
    "prompt: refused by a list": ({"/prompt": refused([1])}, 3, "answered 400 Bad Request"),
    "prompt: refused, deep": ({"/prompt": refused(DEEP)}, 3, "answered 400 Bad Request"),
    "prompt: refused, odd errors": (
        {"/prompt": refused({"error": 5, "node_errors": {"1": 7, "2": {"errors": 7}}})},
        4,
        "no reason given",
    ),
    "prompt: refused, odd faults": (
        {
            "/prompt": refused(
                {"node_errors": {"9": {"errors": [7, {"type": [], "extra_info": 1}]}}}
            )
        },
        4,
        "node 9 unknown class",
    ),
    "prompt: errors are a list": (
        {"/prompt": http({"prompt_id": ID, "node_errors": [1]})},
        4,
        "refused a part of the prompt",
    ),
    "prompt: 500": ({"/prompt": http(b"oh", "500 Oh")}, 3, "answered 500 Oh to the prompt"),
    "prompt: 502 by a proxy": ({"/prompt": http(b"<html>", "502 Bad Gateway")}, 3, "answered 502"),
    "prompt: 401": ({"/prompt": http(b"", "401 Unauthorized")}, 3, "asks who you are"),
    "prompt: 413": ({"/prompt": http(b"", "413 Too Large")}, 3, "answered 413"),
    "prompt: redirect": (
        {"/prompt": http(b"", "307 Moved", "Location: http://other/prompt")},
        3,
        "307 Moved to the prompt, which leads to http://other/prompt",
    ),
    "prompt: cut": ({"/prompt": OK + b'Content-Length: 99\r\n\r\n{"a'}, 3, "ends after 3 of 99"),
    "prompt: hangs up": ({"/prompt": b""}, 3, "does not answer"),
    "prompt: trickles": ({"/prompt": slowly(OK + b"\r\n")}, 5, "within"),
    "prompt: head trickles": ({"/prompt": slowly(OK, b"A: b\r\n")}, 5, "within"),
    "prompt: many headers": ({"/prompt": OK + b"A: b\r\n" * 999 + b"\r\n"}, 3, "no HTTP"),
    "prompt: long header": ({"/prompt": OK + b"A: " + b"b" * 70_000}, 3, "no HTTP"),
    "prompt: silent": ({"/prompt": silence}, 5, "within"),
    "prompt: 100 without end": (
        {"/prompt": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n")},
        5,
        "within",
    ),
    "socket: a page": ({"/ws": text(b"<html>")}, 3, "no JSON"),
    "socket: deep": ({"/ws": text(DEEP)}, 3, "nested deeper"),
    "socket: not UTF-8": ({"/ws": text(b"\xff\xfe")}, 3, "no UTF-8"),
    "socket: unknown frame": ({"/ws": b"\x83\x00"}, 3, "no WebSocket message"),
    "socket: reserved bits": ({"/ws": b"\xf1\x00"}, 3, "no WebSocket message"),
    "socket: huge frame": ({"/ws": b"\x82\x7f" + b"\x7f" + b"\xff" * 7}, 3, "a frame of"),
    "socket: long ping": ({"/ws": b"\x89\x7e\x01\x00" + bytes(256)}, 3, "control frame"),
    "socket: going on with nothing": (
        {"/ws": encode_frame(Frame(CONTINUATION, b"a"), None)},
        3,
        "wrong order",
    ),
    "socket: two begun": (
        {"/ws": encode_frame(Frame(TEXT, b"a", final=False), None) * 2},
        3,
        "wrong order",
    ),
    "socket: closes": ({"/ws": encode_frame(Frame(CLOSE, b""), None)}, 3, "closed the WebSocket"),
    "socket: HTTP inside": ({"/ws": HTML}, 3, "no WebSocket message"),
    "socket: half a frame": ({"/ws": b"\x81\x7e\x01"}, 0, ""),
    "socket: events of other packs": (
        {"/ws": b"".join(map(text, (b"[]", b"5", b'{"type": 5}', b'{"type": "a", "data": [1]}')))},
        0,
        "",
    ),
    "socket: odd progress": (
        {
            "/ws": b"".join(
                event("progress", node="1", value=value, max=total)
                for value, total in [("a", 2), (None, None), (5, 0), (10**400, 1), (9, 3), ([], {})]
            )
            + event("executing", node=["1"])
            + event("progress", node={})
            + event("execution_success")
        },
        0,
        "",
    ),
    "socket: odd previews": (
        {"/ws": encode_frame(Frame(BINARY, b""), None) + event("execution_success")},
        0,
        "",
    ),
    "history: a page": ({"/history": HTML}, 3, "is a web page"),
    "history: 404": ({"/history": http(b"", "404 Not Found")}, 3, "answered 404 Not Found"),
    "history: a list": ({"/history": http([])}, 3, "is no JSON object"),
    "history: empty": ({"/history": http({})}, 3, "has no result of it"),
    "history: entry is a text": ({"/history": http({ID: "a"})}, 3, "has no outputs"),
    "history: outputs are a list": ({"/history": http({ID: {"outputs": []}})}, 3, "has no outputs"),
    "history: outputs of numbers": (
        {"/history": http({ID: {"outputs": {"1": 5, "2": {"a": 5, "b": [5, None, []]}}}})},
        1,
        "made no file",
    ),
    "history: file has no text": ({"/history": history(file(5), file(None))}, 1, "made no file"),
    "history: folder is a list": ({"/history": history(file("a.mp4", subfolder=[1]))}, 0, ""),
    "history: no status": ({"/history": history(file("b.mp4"), status=None)}, 0, ""),
    "history: odd messages": (
        {"/history": history(file("c.mp4"), status={"messages": [5, ["a"], [[], 1, 2]]})},
        0,
        "",
    ),
    "history: NaN": (
        {"/history": http(json.dumps({ID: {"outputs": {}, "a": float("nan")}}).encode())},
        1,
        "made no file",
    ),
    "history: failed, no reason": ({"/history": ended()}, 1, "does not say why"),
    "history: failed, null": ({"/history": ended(["execution_error", None])}, 1, "failed"),
    "history: failed, odd fields": (
        {"/history": ended(["execution_error", {"exception_message": 5, "node_id": [1]}])},
        1,
        "failed",
    ),
    "history: many files": (
        {"/history": history(*map(file, map(str, range(10_001))))},
        1,
        "10001 files",
    ),
    "history: trickles": ({"/history": slowly(OK + b"\r\n{")}, 5, "within"),
    "history: packed": (
        {"/history": http(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip")},
        3,
        "is packed (gzip)",
    ),
    "file: 404": ({"/view": http(b"", "404 Not Found")}, 1, "does not give talk.mp4: it answered"),
    "file: 500": ({"/view": http(b"<html>", "500 Oh")}, 1, "500 Oh"),
    "file: redirect": ({"/view": http(b"", "302 Found", "Location: file:///etc/passwd")}, 1, "302"),
    "file: cut": ({"/view": OK + b"Content-Length: 9\r\n\r\nabc"}, 3, "ends after 3 of 9 bytes"),
    "file: chunk cut": ({"/view": CHUNKED + b"5\r\nab"}, 3, "ends too early"),
    "file: no chunk": ({"/view": CHUNKED + b"zz\r\nab"}, 3, "ends too early"),
    "file: negative chunk": ({"/view": endlessly(CHUNKED + b"-1\r\n")}, 3, ""),
    "file: trickles": ({"/view": slowly(OK + b"\r\n", b"a")}, 5, "within"),
    "file: trickles in chunks": (
        {"/view": slowly(CHUNKED, b"1\r\na\r\n")},
        5,
        "within",
    ),
    "file: without end": ({"/view": endlessly(OK + b"\r\n")}, 3, "is longer than 3 MiB"),
    "file: chunks without end": (
        {"/view": endlessly(CHUNKED, b"10000\r\n" + bytes(0x10000) + b"\r\n")},
        3,
        "is longer than 3 MiB",
    ),
    "file: 4 GB": ({"/view": endlessly(OK + b"Content-Length: 4294967297\r\n\r\n")}, 3, "longer"),
    "file: larger than the disk": (
        {"/view": OK + b"Content-Length: 1000000000000000\r\n\r\n"},
        7,
        "MiB left; the file has",
    ),
    "file: packed": ({"/view": http(b"a", "200 OK", "Content-Encoding: br")}, 3, "packed (br)"),
    "file: negative length": ({"/view": OK + b"Content-Length: -5\r\n\r\nabc"}, 0, ""),
    "file: longer than told": ({"/view": OK + b"Content-Length: 3\r\n\r\nabcdef"}, 0, ""),
}


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the command against an odd host; gives exit code, output and errors."""
    monkeypatch.setattr(run_module, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(client_module, "HISTORY_SECONDS", 0.1)
    monkeypatch.setattr(client_module, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(client_module, "UNTOLD_BYTES", 3 << 20)
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(PROMPT))

    def run(answers, *options):
        code = run_against(answers, graph, tmp_path / "results", *options)
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("name", ODD)
def test_odd_answer_is_a_sentence_and_a_code(run, tmp_path, name):
    answers, expected, words = ODD[name]
    started = time.monotonic()
    code, out, err = run(answers, "--timeout", "0.5" if expected == 5 else "20")
    assert time.monotonic() - started < 10
    assert (code, words in err) == (expected, True), err
    assert (code == 0) == bool(out)
    assert (code == 0) == (err == "")
    if code:  # one line, and nothing half done
        assert err.count("\n") == 1
        assert not list((tmp_path / "results").iterdir())


def test_table_holds_every_part_of_the_talk_and_codes_that_exist():
    assert len(ODD) >= 60
    assert {name.split(":")[0] for name in ODD} == {"stats", "prompt", "socket", "history", "file"}
    assert {code for _, code, _ in ODD.values()} <= set(EXIT_CODES)


@pytest.mark.parametrize("status", ["404 Not Found", "413 Too Large", "500 Oh"])
def test_upload_that_is_not_taken_is_told(run, tmp_path, status):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps({"1": {"class_type": "LoadImage", "inputs": {"image": ""}}}))
    (tmp_path / "a.png").write_bytes(bytes(1 << 20))
    options = ["--image", str(tmp_path / "a.png"), "--timeout", "20"]
    code, _, err = run({"/upload/image": http(b"<html>", status)}, *options)
    assert code == 7
    assert err.startswith(f"The host could not store a.png: it answered {status}.")
    for body in (b"", b"[]", b'{"name": 5}', DEEP):
        assert run({"/upload/image": http(body)}, *options)[0] == 3


def test_answer_that_trickles_ends_after_its_own_time_too():
    with odd_host({"/history": slowly(OK + b"\r\n")}) as host:
        started = time.monotonic()
        answer = Answer(host.address, Question("/history"), seconds=0.3)
        with answer, pytest.raises(UnreachableError, match="answers too slowly"):
            answer.read()
    assert time.monotonic() - started < 2


def test_long_answer_gets_more_time_by_its_size(monkeypatch):
    monkeypatch.setattr(answers_module, "BYTES_PER_SECOND", 10)
    slow = slowly(OK + b"Content-Length: 24\r\n\r\n", b"ab")
    with (
        odd_host({"/history": slow}) as host,
        Answer(host.address, Question("/history"), seconds=0.5) as answer,
    ):
        assert answer.read() == b"ab" * 12


def test_deadline_of_all_is_told_apart_from_that_of_an_answer():
    with odd_host({"/history": silence}) as host, pytest.raises(TimeoutError):
        Answer(host.address, Question("/history"), Deadline(0.1))


def test_handshake_that_trickles_ends(monkeypatch):
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)
    with odd_host({"/ws": http({})}) as host:
        host._shake_hands = lambda connection, _head: slowly(b"HTTP/1.1 101 A\r\n")(connection)
        with pytest.raises(UnreachableError, match="No ComfyUI answers"):
            HostClient(host.address)


@pytest.mark.parametrize(
    "piece",
    [
        encode_frame(Frame(PING, b""), None),
        encode_frame(Frame(TEXT, b'{"type": "crystools.monitor", "data": {}}'), None),
        encode_frame(Frame(BINARY, struct.pack(">I", 1) + bytes(99)), None),
    ],
    ids=["pings", "events", "previews"],
)
def test_end_of_the_run_is_seen_in_the_noise_of_others(run, piece):
    started = time.monotonic()
    code, _, err = run({"/ws": endlessly(b"", piece)})
    assert (code, err) == (0, "")
    assert time.monotonic() - started < 10


def test_events_of_other_prompts_are_kept_for_them_but_not_without_end(monkeypatch):
    monkeypatch.setattr(client_module, "BACKLOG", 2)
    names = ("a", "b", "c", "d" * client_module.BACKLOG_LETTERS)
    other = [event("progress", value=1, max=2, prompt_id=name) for name in names]
    with (
        odd_host({"/ws": b"".join(other) + event("execution_success")}) as host,
        HostClient(host.address) as client,
    ):
        client.wait(client.queue(PROMPT, prompt_id=ID))
        assert [kept.data["prompt_id"] for kept in client._backlog] == ["b", "c"]


def test_message_without_end_is_an_end(run):
    first = encode_frame(Frame(TEXT, b"", final=False), None)
    more = encode_frame(Frame(CONTINUATION, b"", final=False), None) * 1000
    code, _, err = run({"/ws": endlessly(first, more), "/history": http({})})
    assert (code, "one without end" in err) == (3, True)


@pytest.mark.parametrize("address", ["a" * 300, "a..b", "\xe9" * 99, "[::1", "127.0.0.1"])
def test_address_that_is_none_is_told(run, tmp_path, capsys, address):
    place = ["--address", f"{address}:1", "--output", str(tmp_path / "results")]
    assert main(["run", str(tmp_path / "graph.json"), *place]) == 3
    assert "No ComfyUI answers at" in capsys.readouterr().err
