"""Which host is used: the one that runs, one that is started, or none."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from types import SimpleNamespace

import pytest

from pack.tools.host.client import HostError
from pack.tools.host.environment import SetupError
from pack.tools.host.process import free_port
from pack.workflows.api import run
from pack.workflows.api.failures import UnreachableError, UsageError
from pack.workflows.api.report import JsonReport, Report
from pack.workflows.api.run import ask, parse_address, reach


@contextlib.contextmanager
def web_server(answer):
    """Another program on a port: it answers everything with one text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def stats(*arguments):
    return json.dumps({"system": {"argv": ["main.py", *arguments]}})


@pytest.fixture
def nobody(monkeypatch):
    """No host on this machine's usual port."""
    monkeypatch.setattr(run, "LOCAL", f"127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.5:8000", "10.0.0.5:8000"),
        ("http://gpu:8188/", "gpu:8188"),
        ("gpu", "gpu:8188"),
    ],
)
def test_address_is_read_in_several_forms(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["gpu:", ":8188", "gpu:port", "https://gpu", "gpu/a:1"])
def test_other_addresses_are_refused(text):
    with pytest.raises(UsageError, match="it takes HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("answer", ["hello", "{}", "[]", '{"system": null}'])
def test_another_program_on_the_port_is_no_host(answer):
    with web_server(answer) as address:
        assert not ask(address)


def test_host_is_started_with_what_the_job_asks_for(nobody, tmp_path, capsys):
    asked = []

    @contextlib.contextmanager
    def starter(arguments):
        asked.append(tuple(arguments))
        print("Installing something ...")
        yield SimpleNamespace(address="127.0.0.1:1", log=tmp_path / "host.log")
        asked.append("ended")

    with reach("", starter, ["--novram"], JsonReport()) as address:
        assert address == "127.0.0.1:1"
        assert asked == [("--novram",)]
    assert asked[-1] == "ended"
    text = capsys.readouterr()
    assert [json.loads(line)["event"] for line in text.out.splitlines()] == ["starting", "host"]
    assert text.err == "Installing something ...\n"  # no program reads it as a result


def test_log_of_a_lost_host_is_named(nobody, tmp_path):
    running = SimpleNamespace(address="127.0.0.1:1", log=tmp_path / "host.log")
    with (
        pytest.raises(UnreachableError) as caught,
        reach("", lambda _arguments: contextlib.nullcontext(running), [], Report()),
    ):
        raise UnreachableError("It ended.")
    assert caught.value.hint == f"The log: {tmp_path / 'host.log'}"


@pytest.mark.parametrize("error", [HostError("no"), SetupError("no"), OSError("no")])
def test_failed_start_is_told(nobody, error):
    def starter(_arguments):
        raise error

    with (
        pytest.raises(UnreachableError, match="ComfyUI could not be started: no"),
        reach("", starter, [], Report()),
    ):
        pass


def test_no_host_and_nobody_to_start_one(nobody):
    with (
        pytest.raises(UnreachableError, match="No ComfyUI answers at"),
        reach("", None, [], Report()),
    ):
        pass


@pytest.mark.parametrize("started_with", [["--novram"], ["--cpu"]])
def test_running_host_that_fits_is_used(started_with):
    with (
        web_server(stats(*started_with)) as address,
        reach(address, None, ["--novram"], Report()) as found,
    ):
        assert found == address


def test_running_host_that_does_not_fit_is_refused():
    with (
        web_server(stats("--highvram")) as address,
        pytest.raises(UsageError, match="runs without --novram, which this job asks for"),
        reach(address, None, ["--novram"], Report()),
    ):
        pass
