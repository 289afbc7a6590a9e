"""JSON files and named files of users: odd ones are code 2 and a sentence; what a job may send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pack.tests.host.jobs import KINDS, write_jobs
from pack.tests.host.odd_host import odd_host
from pack.tools.host.environment import ROOT
from pack.workflows.api.client import HostClient
from pack.workflows.api.command import main, parse
from pack.workflows.api.edit import find_node, read_prompt, upload_name
from pack.workflows.api.failures import UsageError
from pack.workflows.api.jobs.job import PATH_LETTERS
from pack.workflows.api.json_text import MOST_LEVELS
from pack.workflows.api.json_text import parse as parse_json

NODE = {"class_type": "Sampler", "inputs": {"seed": 1}}
BOX, SECOND = [0, 0, 9, 9], [0, 9, 9, 20]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return write_jobs(tmp_path_factory.mktemp("jobs"))


def convert(path, *options):
    parsed = parse(["job", str(path), *map(str, options)])
    return parsed.make(parsed)


def job_text(kind, **changes):
    job = {key: value for key, value in (KINDS[kind] | changes).items() if value is not None}
    return json.dumps(job)


def with_box(text):
    return job_text("two_in_turn", bbox={"person1": BOX, "person2": "HERE"}).replace('"HERE"', text)


ODD_JOBS = {
    "empty": (b"", "no JSON"),
    "not UTF-8": (b'{"prompt": "caf\xe9"}', "byte 16 is no UTF-8"),
    "deep": (b"[" * 100_000, "nested deeper"),
    "deep objects": (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper"),
    "long number": (b'{"prompt": ' + b"9" * 9999 + b"}", "no JSON"),
    "a text": (b'"job"', "is no job"),
    "null": (b"null", "is no job"),
    "NaN box": (with_box("[NaN, 0, 9, 9]"), "NaN"),
    "endless box": (with_box("[0, 0, 1e999, 9]"), "NaN or a number without end"),
    "negative endless box": (with_box("[-1e999, 0, 9, 9]"), "NaN or a number without end"),
    "Infinity": (with_box("[0, 0, Infinity, 9]"), "NaN or a number without end"),
    "huge box": (with_box("[0, 0, 1e300, 9]"), "it takes top, left, bottom, right"),
    "large box": (with_box(f"[0, 0, {10**4000}, 9]"), "it takes top, left, bottom, right"),
    "box of texts": (with_box('["a", 0, 9, 9]'), "it takes 4 numbers"),
    "box of truths": (with_box("[true, 0, 9, 9]"), "it takes 4 numbers"),
    "box is an object": (with_box('{"x": 1}'), "it takes 4 numbers"),
    "box is null": (with_box("null"), "it takes 4 numbers"),
    "boxes are a list": (job_text("two_in_turn", bbox=[BOX, SECOND]), "bbox needs one box"),
    "boxes are a text": (job_text("two_in_turn", bbox="all"), "bbox needs one box"),
    "prompt is a list": (job_text("one", prompt=["a"]), "prompt is missing or no text"),
    "picture is a list": (job_text("one", cond_image=["a"]), "it takes a path"),
    "picture is empty": (job_text("one", cond_image=""), "it takes a path"),
    "picture has a null byte": (job_text("one", cond_image="a\0b"), "is neither there"),
    "picture is half a letter": (job_text("one", cond_image="\ud800.png"), "is neither there"),
    "picture has a long name": (job_text("one", cond_image="a" * 400), "is neither there"),
    "picture has a long path": (job_text("one", cond_image="a/" * PATH_LETTERS), "takes a path"),
    "picture is a folder": (job_text("one", cond_image="single"), "is neither there"),
    "sounds are a list": (job_text("one", cond_audio=["a"]), "cond_audio needs person1"),
    "sounds are a text": (job_text("one", cond_audio="a.wav"), "cond_audio needs person1"),
    "sound is a number": (job_text("one", cond_audio={"person1": 5}), "it takes a path"),
    "sound is an object": (job_text("one", cond_audio={"person1": {}}), "it takes a path"),
    "type of sounds is a list": (job_text("two_in_turn", audio_type=["add"]), "it takes para"),
    "type of sounds is an object": (job_text("two_in_turn", audio_type={}), "it takes para"),
    "speech is a list": (job_text("one_spoken", tts_audio=["a"]), "tts_audio needs a text"),
    "speech is a number": (job_text("one_spoken", tts_audio={"text": 5}), "needs a text"),
    "voice is a list": (
        job_text("one_spoken", tts_audio={"text": "a", "human1_voice": ["b"]}),
        "it takes a voice's name",
    ),
    "voice has two lines": (
        job_text("one_spoken", tts_audio={"text": "a", "human1_voice": "b\nc = d"}),
        "it takes a voice's name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_JOBS)
def test_odd_job_is_wrong_usage_and_a_sentence(jobs, capsys, name):
    data, words = ODD_JOBS[name]
    path = jobs["one"].with_name("odd.json")
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    assert main(["job", str(path), "--dry-run"]) == 2
    out, err = capsys.readouterr()
    assert (out, words in err) == ("", True), err
    assert (err.count("\n"), len(err) < 1200) == (1, True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_job_and_prompt_may_have_the_mark_of_an_encoding(jobs, tmp_path, encoding):
    path = jobs["one"].with_name("marked.json")
    path.write_text(job_text("one", prompt="Gr\xfc\xdfe"), encoding=encoding)
    prompt = convert(path).prompt
    assert prompt[find_node(prompt, "positive prompt")]["inputs"]["text"] == "Gr\xfc\xdfe"
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps({"1": NODE}), encoding=encoding)
    assert read_prompt(str(graph)) == {"1": NODE}


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": {"1": NODE}},
        {"prompt": {"1": NODE}, "client_id": "a", "extra_data": {"extra_pnginfo": {}}},
        {"prompt": {"1": NODE}, "workflow": {"nodes": []}},
        {"prompt": json.dumps({"1": NODE}), "workflow": "{}"},
        {"prompt": [3, "id", {"1": {**NODE, "is_changed": [float("nan")]}}, {}, ["1"]]},
    ],
    ids=["alone", "posted", "with its workflow", "of a video", "of the history"],
)
def test_prompt_may_be_wrapped(tmp_path, value):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(value))
    assert read_prompt(str(path)) == {"1": NODE}


def test_node_may_be_called_prompt(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps({"prompt": NODE}))
    assert read_prompt(str(path)) == {"prompt": NODE}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"prompt": 5}', "is no prompt in the API's form"),
        ('{"prompt": "{"}', "is no prompt in the API's form"),
        ('{"prompt": [1, 2]}', "is no prompt in the API's form"),
        ('{"prompt": {"prompt": {}}}', "is no prompt in the API's form"),
        ('{"1": {"class_type": "A", "inputs": {"a": NaN}}}', "NaN or a number without end"),
        ('{"1": {"class_type": "A", "inputs": {"a": [1e999]}}}', "NaN or a number without end"),
        ("[" * 9999, "nested deeper"),
        (f'{{"1": {{"class_type": "A", "inputs": {{"a": {"[" * 101 + "]" * 101}}}}}}}', "deeper"),
    ],
)
def test_odd_prompt_is_refused(tmp_path, text, words):
    path = tmp_path / "graph.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_prompt(str(path))


def test_odd_titles_and_settings_end_in_sentences(tmp_path, capsys):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps({"1": {**NODE, "_meta": ["a"]}}))
    for setting, code in (("sampler.seed=" + "[" * 9999, 0), ("nobody.seed=1", 2)):
        assert main(["run", str(path), "--set", setting, "--dry-run"]) == code
    assert "There is no node nobody" in capsys.readouterr().err


def test_depth_that_is_read_is_the_one_that_is_promised():
    assert parse_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    with pytest.raises(ValueError, match=f"deeper than {MOST_LEVELS} levels"):
        parse_json("[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1))


@pytest.fixture
def outside(jobs, tmp_path):
    """A job that names a file elsewhere, through a link too; gives how to name it."""
    secret = tmp_path / "keys" / "id_rsa"
    secret.parent.mkdir()
    secret.write_bytes(b"secret")
    folder = jobs["one"].parent
    link = folder / "linked.flac"
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    hidden = folder / ".ssh"
    hidden.mkdir(exist_ok=True)
    (hidden / "id_rsa").write_bytes(b"secret")
    return {
        "absolute": str(secret),
        "climbing": os.path.relpath(secret, folder),
        "through a link": "linked.flac",
        "hidden": ".ssh/id_rsa",
        "below the current folder": "keys/id_rsa",
    }


WAYS = ["absolute", "climbing", "through a link", "hidden", "below the current folder"]


@pytest.mark.parametrize("way", WAYS)
def test_job_sends_files_of_other_folders_only_with_the_users_word(
    jobs, outside, tmp_path, monkeypatch, capsys, way
):
    monkeypatch.chdir(tmp_path)
    path = jobs["one"].with_name("reaching.json")
    path.write_text(job_text("one", cond_audio={"person1": outside[way]}))
    assert main(["job", str(path), "--dry-run"]) == 2
    err = capsys.readouterr().err
    assert "cond_audio.person1" in err
    assert "no file of the job file's folder. If it may be sent to the host, add --allow" in err
    allowed = err.rstrip(".\n").rpartition("--allow ")[2]
    task = convert(path, "--allow", allowed)
    assert "secret" in {file.read_text(errors="replace") for file in task.uploads.values()}


def test_map_is_the_users_word_for_its_folder_alone(jobs, outside, tmp_path):
    path = jobs["one"].with_name("mapped.json")
    path.write_text(job_text("one", cond_audio={"person1": "old/../keys/id_rsa"}))
    (tmp_path / "new").mkdir()
    with pytest.raises(UsageError, match="no file of the job file's folder"):
        convert(path, "--map", f"old={tmp_path / 'new'}")
    path.write_text(job_text("one", cond_audio={"person1": "old/id_rsa"}))
    assert (
        tmp_path / "keys" / "id_rsa"
        in convert(path, "--map", f"old={tmp_path / 'keys'}").uploads.values()
    )


def test_pictures_and_sounds_that_never_end_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for path in (tmp_path / "a.wav", "/dev/zero"):
        with pytest.raises(UsageError, match="is no file"):
            upload_name(Path(path), "--sound")
    with pytest.raises(UsageError, match="cannot be read"):
        upload_name(tmp_path, "--sound")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "-inf", "soon", ""])
def test_timeout_is_a_time(capsys, text):
    assert main(["run", "toy_one_speaker", f"--timeout={text}", "--dry-run"]) == 2
    assert "it takes a time in seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["gpu:0", "gpu:65536", "gpu:99999999999", "gpu:\u0663", "a b:1", "a\nb:1", "gpu:-1"]
)
def test_address_without_a_port_that_exists_is_refused(capsys, address):
    assert main(["run", "toy_one_speaker", "--address", address]) == 2
    assert "it takes HOST:PORT" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc").exists(), reason="this system has no /proc")
def test_folder_that_takes_no_file_is_told_before_anything_runs(capsys):
    with odd_host() as host:
        options = ["--address", host.address, "--output", "/proc"]
        assert main(["run", "toy_one_speaker", *options]) == 7
    assert capsys.readouterr().err.startswith("/proc could not be written: ")
    assert host.asked == []


def test_file_whose_name_is_no_text_is_sent_under_another(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.png")
    path.write_bytes(b"picture")
    name = upload_name(path, "--image")
    assert name.endswith("/__.png")
    with odd_host() as host, HostClient(host.address) as client:
        client.upload(path)
    assert b'filename="__.png"' in host.asked[-1][1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_nobody_takes_is_told():
    program = [sys.executable, str(ROOT / "workflows" / "api")]
    with Path("/dev/full").open("w", encoding="ascii") as full:
        done = subprocess.run(
            [*program, "run", "toy_one_speaker", "--dry-run"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (7, 1)
    assert done.stderr.startswith("What is printed could not be written: No space left")
