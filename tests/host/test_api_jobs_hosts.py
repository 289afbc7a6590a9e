"""Many jobs on three real hosts, of which one is killed; the client is killed as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from pack.tests.host.jobs import write_sound
from pack.tools.host.client import HostClient, HostProcess, HostSettings
from pack.tools.host.environment import ROOT
from pack.workflows.api.command import main
from pack.workflows.api.many import spread

pytestmark = pytest.mark.host
SMALL = [
    *("sampler.size.width=64", "sampler.size.height=64", "sampler.window=17"),
    *("sampler.overlap=5", "sampler.preset.steps=1"),
]
JOBS, FRAMES = 5, 13
SEEDS = range(818_000, 818_000 + JOBS)  # no other test has them


@pytest.fixture
def three(server, start, tmp_path):
    """The host that other tests use, and two of this test's own."""
    with ExitStack() as stack:
        bases = (tmp_path / "second", tmp_path / "third")
        hosts = [HostProcess(HostSettings(base=base, start=start)) for base in bases]
        yield [server, *map(stack.enter_context, hosts)]


def write_jobs(folder):
    """A list of jobs that differ in their seeds, each one window long, and one that must fail."""
    folder.mkdir()
    write_sound(folder / "voice.wav", "voice_1.flac", 0.5)
    same = {"graph": "toy_one_speaker", "sound": "voice.wav"}
    jobs = [{"name": f"talk {n}", "seed": SEEDS[n], "set": SMALL, **same} for n in range(JOBS)]
    refused = {"name": "no model", "set": ['6.model=["3", 0]'], **same}
    (folder / "jobs.json").write_text(json.dumps([*jobs, refused]))
    return folder / "jobs.json"


def runs(host):
    """Seeds of all prompts in the history of a host that are this test's."""
    with HostClient(host.address) as client:
        entries = client._members("/history?max_items=50").values()
    nodes = [node for entry in entries for node in entry["prompt"][2].values()]
    return [seed for node in nodes if (seed := node["inputs"].get("seed")) in SEEDS]


def watch(client, until):
    """Lines of a client until a function of one line says so."""
    for text in client.stdout:
        if until(json.loads(text)):
            return
    raise AssertionError("the client ended by itself")


def test_every_job_is_done_once_though_a_host_and_the_client_are_killed(
    three, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(spread, "PROBE_SECONDS", 0.1)  # of the host that is gone
    first, second, third = three
    path, out = write_jobs(tmp_path / "in"), tmp_path / "out"
    hosts = ",".join(host.address for host in three)
    arguments = ["jobs", str(path), "--hosts", hosts, "--output", str(out), "--json"]
    client = subprocess.Popen(
        [sys.executable, str(ROOT / "workflows" / "api"), *arguments],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    with client:
        samples = {"host": second.address, "class": "MultiTalkSampler"}
        watch(client, lambda line: samples.items() <= line.items())
        os.kill(second.pid, signal.SIGKILL)
        watch(client, lambda line: line["event"] == "lost" and line["host"] == second.address)
        watch(client, lambda line: line["event"] == "node" and line["host"] != second.address)
        client.kill()
    assert main(arguments) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[-1]["failed"] == ["no model"]
    assert any(line["event"] == "found" for line in said)
    assert sorted(runs(first) + runs(third)) == list(SEEDS)
    assert {name.name for name in out.glob("*.mp4")} == {f"talk {n}.mp4" for n in range(JOBS)}
    for video in out.glob("*.mp4"):
        assert frames(video) == FRAMES
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["there"] == JOBS


def frames(path):
    """How many pictures a video holds, all decoded."""
    import av

    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))
