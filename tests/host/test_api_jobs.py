"""Many jobs on several hosts, of which one ends in the middle."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack

import pytest

from pack.tests.host.odd_host import history, http, odd_host
from pack.workflows.api import client
from pack.workflows.api import run as api_run
from pack.workflows.api.command import main
from pack.workflows.api.failures import UsageError
from pack.workflows.api.many import board, spread
from pack.workflows.api.many.done import DONE_FILE
from pack.workflows.api.many.job_list import read_jobs

OUTSIDE = "no file of the job file's folder"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing waits long for a host that says nothing."""
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(spread, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(spread, "LOOK_SECONDS", 0.02)


def write_jobs(folder, number=6):
    """A list of jobs that differ in their seeds."""
    folder.mkdir(exist_ok=True)
    jobs = [{"name": f"talk {n}", "graph": "toy_one_speaker", "seed": n} for n in range(number)]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return folder / "jobs.json"


def seeds(host):
    """Of all prompts that were queued there."""
    bodies = [json.loads(body)["prompt"] for line, body in host.asked if "POST /prompt" in line]
    return [node["inputs"]["seed"] for prompt in bodies for node in prompt.values()
            if "seed" in node["inputs"]]  # fmt: skip


class Hosts:
    """Three hosts; the second one ends while it runs its first job."""

    def __init__(self, stack):
        self.all = [stack.enter_context(odd_host()) for _ in range(3)]
        ending = self.all[1]
        begun = threading.Event()

        def end(_connection):
            begun.set()
            ending.close()

        ending.answers["/prompt"] = end
        for host in (self.all[0], self.all[2]):  # they wait, so that each has its turn
            host.answers["/prompt"] = self.after(begun, host)
        self.addresses = ",".join(host.address for host in self.all)

    @staticmethod
    def after(begun, host):
        def answer(connection):
            begun.wait(10)
            body = {"prompt_id": host._id.decode(), "node_errors": {}}
            connection.sendall(http(body))

        return answer


def test_a_job_of_a_host_that_ends_is_done_once_by_another(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in"), tmp_path / "out"
    with ExitStack() as stack:
        hosts = Hosts(stack)
        assert main(["jobs", str(path), "--hosts", hosts.addresses, "--output", str(out)]) == 0
        lost, done = seeds(hosts.all[1]), seeds(hosts.all[0]) + seeds(hosts.all[2])
    assert len(lost) == 1
    assert sorted(done) == list(range(6))
    names = {f"talk {number}.mp4" for number in range(6)}
    assert {file.name for file in out.iterdir()} == {*names, DONE_FILE}
    said = capsys.readouterr()
    assert sorted(said.out.splitlines()) == sorted(str(out / name) for name in names)
    assert "It goes to the next host." in said.err
    assert "6 made, 0 were there already, 0 failed." in said.err


def run_jobs(path, out, *hosts, more=()):
    addresses = ",".join(host.address for host in hosts)
    return main(["jobs", str(path), "--hosts", addresses, "--output", str(out), *more])


def test_what_is_done_is_not_made_again_and_what_changed_is(tmp_path):
    path, out = write_jobs(tmp_path / "in", 3), tmp_path / "out"
    with odd_host() as host:
        assert run_jobs(path, out, host) == 0
        host.asked.clear()
        (out / "talk 1.mp4").unlink()
        jobs = json.loads(path.read_text())
        jobs[2]["seed"] = 9
        path.write_text(json.dumps(jobs))
        with (out / DONE_FILE).open("a") as file:
            file.write('{"job": "talk 0", "dig')  # a stop in the middle of a line
        assert run_jobs(path, out, host) == 0
        assert sorted(seeds(host)) == [1, 9]
        host.asked.clear()
        assert run_jobs(path, out, host) == 0
        assert seeds(host) == []


def test_the_exit_code_says_how_many_failed(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 2), tmp_path / "out"
    failed = {"node_id": "1", "exception_message": "no", "node_type": "X"}
    status = {"status_str": "error", "messages": [["execution_error", failed]]}
    with odd_host({"/history": history(status=status)}) as host:
        assert run_jobs(path, out, host, more=["--timeout", "20"]) == 2
    assert capsys.readouterr().err.count("talk 0: ") == 1
    assert run_jobs(path, out, host, more=["--json"]) == 2  # nobody answers any more
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {"event": "jobs", "made": 0, "there": 0, "failed": ["talk 0", "talk 1"]}
    assert main(["jobs", str(tmp_path / "none"), "--output", str(out)]) == 102


def test_a_job_that_ends_every_host_is_given_up(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 1), tmp_path / "out"
    with odd_host({"/prompt": b""}) as host:
        assert run_jobs(path, out, host) == 1
        assert len(seeds(host)) == board.MOST_TRIES
    assert "3 hosts ended while they ran it" in capsys.readouterr().err


def test_ctrl_c_stops_the_runs_on_all_hosts(tmp_path, monkeypatch):
    path, out = write_jobs(tmp_path / "in", 4), tmp_path / "out"
    waits = {"/ws": b"", "/history": http({})}
    with odd_host(waits) as one, odd_host(waits) as two:

        def interrupt(_seconds):
            if all(any("POST /prompt" in line for line, _ in host.asked) for host in (one, two)):
                raise KeyboardInterrupt

        monkeypatch.setattr(spread.time, "sleep", interrupt)
        monkeypatch.setattr(api_run, "STOP_SECONDS", 0.2)
        assert run_jobs(path, out, one, two) == 105
        for host in (one, two):
            assert len(seeds(host)) == 1
            assert any("POST /interrupt" in line for line, _ in host.asked)
    assert not list(out.glob("*.mp4"))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"graph": "toy_one_speaker", "image": "../secret.png"}, OUTSIDE),
        ({"graph": "../graph.json"}, OUTSIDE),
        ("../graph.json", OUTSIDE),
        ({"graph": "toy_one_speaker", "speed": 2}, "speed is not known"),
        ({"image": "a.png"}, "it needs a graph"),
        ({"graph": "toy_one_speaker", "seed": -1}, "it takes a whole number"),
        ({"graph": "toy_one_speaker", "prompt": "--json"}, "this graph takes no text"),
    ],
)
def test_jobs_are_checked_before_anything_is_sent(tmp_path, entry, says):
    from pack.workflows.api.command import make_task

    (tmp_path / "graph.json").write_text("{}")
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "jobs.json").write_text(json.dumps([entry]))
    with pytest.raises(UsageError, match=says):
        read_jobs(folder / "jobs.json", make_task)


def test_a_folder_holds_graphs_jobs_of_the_reference_and_entries(tmp_path):
    from pack.tests.host.jobs import write_jobs as write_reference
    from pack.workflows.api.command import make_task
    from pack.workflows.api.edit import read_prompt

    write_reference(tmp_path)
    (tmp_path / "graph.json").write_text(json.dumps(read_prompt("toy_one_speaker")))
    (tmp_path / "entry.json").write_text('{"graph": "toy_one_speaker", "seed": 5}')
    (tmp_path / ".hidden.json").write_text("no JSON")
    names = [job.name for job in read_jobs(tmp_path, make_task)]
    assert {"graph", "entry"} <= set(names)
    assert len(names) > 2
    (tmp_path / "Two.json").write_text(
        '[{"graph": "toy_one_speaker", "name": "GRAPH"}, "graph.json"]'
    )
    with pytest.raises(UsageError, match="Two jobs are called"):
        read_jobs(tmp_path / "Two.json", make_task)
