"""Jobs on a Ray cluster: what a worker does, and a local Ray of two workers where ray is there."""

from __future__ import annotations

import json
import sys
import types
from contextlib import ExitStack

import pytest

from pack.tests.host.odd_host import history, http, odd_host
from pack.tests.host.test_api_jobs import seeds, write_jobs
from pack.workflows.api import client, failures
from pack.workflows.api import run as api_run
from pack.workflows.api.command import main, make_task
from pack.workflows.api.edit import upload_name
from pack.workflows.api.many import ray_worker
from pack.workflows.api.many.job_list import read_jobs

RUNS_ON = {"/ws": b"", "/history": http({})}  # a host that does not end


def given(*hosts, timeout=20.0, **more):
    """A job as a worker gets it."""
    task = make_task(["run", "toy_one_speaker"])
    job = {"name": "talk", "prompt": task.prompt, "uploads": {}, "timeout": timeout, **more}
    return {**job, "hosts": [host.address for host in hosts]}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(ray_worker, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(ray_worker, "PROBE_SECONDS", 0.01)


def test_a_worker_runs_a_job_with_its_files_and_hands_back_the_video(tmp_path):
    sound = tmp_path / "voice.wav"
    sound.write_bytes(b"a voice")
    name = upload_name(sound, "")
    with odd_host() as host:
        *said, file = ray_worker.work(given(host, uploads={name: b"a voice"}))
        sent = [body for line, body in host.asked if "/upload/image" in line]
    assert said[0] == {"host": host.address}
    assert len(sent) == 1
    assert b"a voice" in sent[0]
    assert file == {"file": "talk.mp4", "data": b"a video"}


def test_jobs_of_one_machine_take_different_hosts_and_none_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(api_run, "STOP_SECONDS", 0.2)
    with odd_host() as gone:
        pass
    with odd_host(RUNS_ON) as one, odd_host(RUNS_ON) as two:
        first, second, third = (ray_worker.work(given(gone, one, two)) for _ in range(3))
        assert next(first) == {"host": one.address}
        assert next(second) == {"host": two.address}
        (refused,) = third
        first.close()
        second.close()
        again = ray_worker.work(given(gone, one, two))
        assert next(again) == {"host": one.address}
        again.close()
    assert refused["error"] == "UnreachableError"
    assert f"{gone.address}, {one.address}, {two.address}" in refused["text"]


FAULTS = {
    "node failed": ({"/history": history(status={"status_str": "error"})}, "HostError"),
    "refused": ({"/prompt": http({"error": {"message": "no"}}, "400 Bad Request")}, "RefusedError"),
    "upload": ({"/upload/image": http(b"", "500 Disk full")}, "StorageError"),
    "ended": ({"/prompt": b""}, "UnreachableError"),
    "too long": (RUNS_ON, "HostInterruptedError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_tells_what_went_wrong_by_its_class(fault, monkeypatch, tmp_path):
    monkeypatch.setattr(api_run, "STOP_SECONDS", 0.2)
    answers, kind = FAULTS[fault]
    with odd_host(answers) as host:
        *_, last = ray_worker.work(given(host, timeout=1.0, uploads={"a/b.wav": b"x"}))
    lost = kind == "HostInterruptedError"  # nobody says that it has stopped
    assert last["error"] == ("UnreachableError" if lost else kind)
    assert issubclass(getattr(failures, last["error"]), failures.HostError)


def test_what_is_stopped_on_a_worker_is_stopped_on_its_host(monkeypatch):
    monkeypatch.setattr(api_run, "STOP_SECONDS", 0.2)
    with odd_host(RUNS_ON) as host:
        messages = ray_worker.work(given(host))
        assert [next(messages) for _ in range(3)][2]["say"] == "queued"
        messages.close()
        assert any("POST /interrupt" in line for line, _ in host.asked)


def test_without_a_cluster_nothing_runs_and_the_code_says_so(tmp_path, capsys, monkeypatch):
    path = write_jobs(tmp_path / "in", 1)
    place = ["--output", str(tmp_path / "out")]
    assert main(["jobs", str(path), "--ray", "ray://a:1", *place]) == 102
    assert "ray job submit" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))  # nothing of it is called
    assert main(["jobs", str(path), "--ray", "127.0.0.1:1", *place]) == 103
    assert "No Ray cluster answers at 127.0.0.1:1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["jobs", str(path), "--ray", "auto", *place]) == 102
    assert "pip install ray" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cluster():
    """A local Ray of two workers that have a ComfyUI each, and a head that has none."""
    pytest.importorskip("ray", reason="the package ray is not installed")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1, resources={"comfyui": 1})
    yield made
    made.shutdown()


def run_jobs(cluster, path, out, *hosts, more=()):
    addresses = ",".join(host.address for host in hosts)
    place = ["--ray", cluster.address, "--hosts", addresses, "--output", str(out)]
    return main(["jobs", str(path), *place, *more])


@pytest.mark.filterwarnings("ignore")  # ray's own
def test_a_local_ray_of_two_workers_makes_every_job_once(cluster, tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in"), tmp_path / "out"
    with ExitStack() as stack:
        hosts = [stack.enter_context(odd_host()) for _ in range(2)]
        hosts[0].answers["/prompt"] = lambda _connection: hosts[0].close()  # with its first job
        assert run_jobs(cluster, path, out, *hosts) == 0
        lost, made = (seeds(host) for host in hosts)
        said = capsys.readouterr()
        assert len(lost) == 1
        assert sorted(made) == list(range(6))
        assert "Another worker tries it." in said.err
        names = {f"talk {number}.mp4" for number in range(6)}
        assert {file.name for file in out.glob("*.mp4")} == names
        jobs = json.loads(path.read_text())
        path.write_text(json.dumps([*jobs, {**jobs[0], "name": "new"}]))
        assert run_jobs(cluster, path, out, hosts[1], more=["--json"]) == 0
        last = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (last["made"], last["there"]) == (1, 6)


@pytest.mark.filterwarnings("ignore")
def test_jobs_that_fail_on_every_worker_are_counted(cluster, tmp_path, capsys):
    path = write_jobs(tmp_path / "in", 2)
    assert len(read_jobs(path, make_task)) == 2
    with odd_host(FAULTS["node failed"][0]) as one, odd_host(FAULTS["node failed"][0]) as two:
        assert run_jobs(cluster, path, tmp_path / "out", one, two) == 2
        assert sorted(seeds(one) + seeds(two)) == [0, 0, 1, 1]  # on each worker once
    assert "2 failed: talk 0, talk 1." in capsys.readouterr().err
