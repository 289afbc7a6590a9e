"""Names that a server gives are names, never paths; what it says is shown without effect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pack.tests.host.odd_host import file, history, http, odd_host, run_against
from pack.workflows.api import run as run_module
from pack.workflows.api.client import HostClient
from pack.workflows.api.failures import HostError, StorageError
from pack.workflows.api.storing import store
from pack.workflows.api.texts import NAME_BYTES, plain_name, shown

PROMPT = {"1": {"class_type": "Sampler", "inputs": {}}}
NAMES = [
    ("talk_00001_.mp4", "talk_00001_.mp4"),
    ("Gespr\xe4ch \u4f60\u597d.mp4", "Gespr\xe4ch \u4f60\u597d.mp4"),
    ("../../x", "x"),
    ("/abs/x", "x"),
    ("C:\\x", "x"),
    ("C:x", "C_x"),
    ("\\\\server\\share\\x.mp4", "x.mp4"),
    ("..", "unnamed"),
    (".", "unnamed"),
    ("", "unnamed"),
    ("a/", "unnamed"),
    ("a/..", "unnamed"),
    ("...", "unnamed"),
    ("   ", "unnamed"),
    ("a\0.mp4", "a_.mp4"),
    ("a\nb\x1b[2J.mp4", "a_b_[2J.mp4"),
    ("talk\u202e4pm.exe", "talk_4pm.exe"),
    ("\ud800.mp4", "_.mp4"),
    (".bashrc", "_bashrc"),
    ("~", "_~"),
    ("-rf", "_-rf"),
    ("NUL", "_NUL"),
    ("nul.mp4", "_nul.mp4"),
    ("CON .txt", "_CON .txt"),
    ("com1", "_com1"),
    ("LPT\xb9.png", "_LPT\xb9.png"),
    ("CONIN$", "_CONIN$"),
    ("console.mp4", "console.mp4"),
    ("talk.mp4:hidden", "talk.mp4_hidden"),
    ('a<b>c"d|e?f*.mp4', "a_b_c_d_e_f_.mp4"),
    ("talk.mp4. . ", "talk.mp4"),
    ("x" * 300 + ".mp4", "x" * NAME_BYTES + ".mp4"),
    ("\u4f60" * 300 + ".mp4", "\u4f60" * (NAME_BYTES // 3) + ".mp4"),
    ("a." + "x" * 300, "a." + "x" * (NAME_BYTES - 2)),
]


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(PROMPT))
    return path


@pytest.fixture
def run(graph, tmp_path, capsys, monkeypatch):
    """Runs the command against an odd host; gives exit code and what was printed."""
    monkeypatch.setattr(run_module, "STOP_SECONDS", 0.2)

    def run(answers, *options):
        code = run_against(answers, graph, tmp_path / "results", *options)
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(("given", "name"), NAMES)
def test_name_is_plain_on_every_system(given, name):
    assert plain_name(given) == name
    assert plain_name(name) == name


THROUGH_A_HOST = ("../../x", "/abs/x", "C:\\x", "..", "", "a\0.mp4", "NUL", "\ud800.mp4", ".bashrc")


@pytest.mark.parametrize("given", THROUGH_A_HOST)
def test_files_of_a_server_stay_in_the_folder(run, tmp_path, given):
    code, out, err = run({"/history": history(file(given))})
    assert (code, err) == (0, "")
    path = tmp_path / "results" / plain_name(given)
    assert path.read_bytes() == b"a video"
    assert {p.name for p in tmp_path.iterdir()} == {"graph.json", "results"}
    assert [path] == list((tmp_path / "results").iterdir())
    assert out == f"{path}\n"


@pytest.mark.parametrize("target", ["there.txt", "nowhere.txt", "folder"])
def test_no_link_in_the_folder_is_followed(run, tmp_path, target):
    (tmp_path / "there.txt").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    results = tmp_path / "results"
    results.mkdir()
    (results / "talk.mp4").symlink_to(tmp_path / target)
    code, out, _ = run({})
    assert (code, out) == (0, f"{results / 'talk (2).mp4'}\n")
    assert (results / "talk (2).mp4").read_bytes() == b"a video"
    assert (tmp_path / "there.txt").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere.txt").exists()
    assert not list((tmp_path / "folder").iterdir())


def test_no_file_of_others_is_overwritten_and_none_is_kept_twice(run, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "talk.mp4").write_bytes(b"mine")
    for _ in range(2):
        assert run({})[:2] == (0, f"{results / 'talk (2).mp4'}\n")
    assert (results / "talk.mp4").read_bytes() == b"mine"
    assert sorted(p.name for p in results.iterdir()) == ["talk (2).mp4", "talk.mp4"]


def test_files_of_one_name_from_two_folders_are_both_kept(run, tmp_path):
    bodies = [b"one", b"two"]
    answers = {
        "/history": history(file(), file(subfolder="other")),
        "/view": lambda connection: connection.sendall(http(bodies.pop(0))),
    }
    code, out, _ = run(answers)
    assert (code, [Path(line).read_bytes() for line in out.splitlines()]) == (0, [b"one", b"two"])


def test_users_own_name_takes_the_place_of_a_link_itself(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"mine")
    (tmp_path / "talk.mp4").symlink_to(tmp_path / "mine.txt")
    path = store([b"a ", b"video"], tmp_path / "talk.mp4", replace=True)
    assert (path.read_bytes(), path.is_symlink()) == (b"a video", False)
    assert (tmp_path / "mine.txt").read_bytes() == b"mine"
    with pytest.raises(StorageError, match="could not be written: Is a directory"):
        store([b"a"], tmp_path, replace=True)
    with pytest.raises(StorageError, match=r"could not be written: .*null"):
        store([b"a"], tmp_path / "a\0b", replace=True)


def test_broken_download_leaves_nothing(tmp_path):
    def pieces():
        yield b"half"
        raise HostError("The host ended.")

    with pytest.raises(HostError, match="ended"):
        store(pieces(), tmp_path / "talk.mp4", replace=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Gespr\xe4ch \u4f60 \U0001f600 100 %", "Gespr\xe4ch \u4f60 \U0001f600 100 %"),
        ("C:\\new", "C:\\new"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x1b[2J\x9b0m\x7f\x00", "\\x1b[2J\\x9b0m\\x7f\\x00"),
        ("\u202etxt\u2066\u200f", "\\u202etxt\\u2066\\u200f"),
        ("\u2028\ufeff\ud800\U000e0041", "\\u2028\\ufeff\\ud800\\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_is_shown_instead(given, text):
    assert shown(given) == text


EVIL = "a\x1b]0;b\x07\u202e\r\n"


@pytest.mark.parametrize(
    "answers",
    [
        {"/prompt": http({"error": {"message": EVIL, "type": EVIL}}, "400 Bad Request")},
        {
            "/prompt": http(
                {"node_errors": {EVIL: {"class_type": EVIL, "errors": [{"details": EVIL}]}}},
                "400 Bad Request",
            )
        },
        {"/history": history(status={"messages": [["execution_error", {"node_type": EVIL}]]})},
        {"/view": http(b"", "404 a\x1b]0;b")},
        {"/view": http(b"", "302 Found", "Location: http://a\x1b]0;b")},
        {"/history": history(file(EVIL)), "/view": http(b"", "404 Not Found")},
        {"/prompt": http(b"", "500 a\x1b]0;b\x9b")},
        {"/prompt": http({"prompt_id": EVIL})},
        {"/history": http(b"", "200 OK", "Content-Encoding: a\x1b]0;b")},
    ],
)
@pytest.mark.parametrize("json_lines", [False, True])
def test_nothing_that_a_server_says_reaches_the_terminal_raw(run, answers, json_lines):
    code, out, err = run(answers, *(["--json"] if json_lines else []), "--timeout", "1")
    assert code != 0
    printed = out + err
    assert printed.count("\n") == len(printed.splitlines())
    assert all(c == "\n" or c.isprintable() for c in printed)


def test_progress_shows_odd_classes_escaped(capsys):
    from pack.workflows.api.events import Event
    from pack.workflows.api.report import Progress

    Progress({"1": {"class_type": EVIL}})(Event("executing", {"node": "1"}))
    assert capsys.readouterr().out == f"  {shown(EVIL)}\n"


def test_upload_has_a_plain_name(tmp_path):
    path = tmp_path / 'a"b\r\nc.png'
    path.write_bytes(b"picture")
    with odd_host() as host, HostClient(host.address) as client:
        client.upload(path)
    (body,) = [body for line, body in host.asked if "/upload" in line]
    assert b'filename="a_b__c.png"\r\nContent-Type: image/png\r\n\r\npicture\r\n' in body
