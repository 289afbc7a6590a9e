"""The pack in a running host without any cache: load time, events, interruption, refusals."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from pack.tests.host.client import (
    HostClient,
    HostError,
    HostInterruptedError,
    HostProcess,
    HostSettings,
)
from pack.tests.prompts import TOY, node, sampler_inputs

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A host with --cache-none."""
    settings = HostSettings(
        base=tmp_path_factory.mktemp("host"),
        packs=(ROOT,),
        arguments=("--cache-none", "--verbose", "INFO"),
    )
    with HostProcess(settings) as process, HostClient(process.address) as client:
        yield process, client


def toy(**changes):
    """The project's example at 32 x 32 pixels."""
    return {
        "example": node("MultiTalkExample", scene="one_speaker"),
        "model": node(
            "MultiTalkLoadModel",
            base=TOY["base"],
            audio_part=TOY["audio_part"],
            weight_dtype="default",
            family="auto",
            loras="none",
        ),
        "vae": node("VAELoader", vae_name=TOY["vae"]),
        "encoder": node("MultiTalkLoadSpeechEncoder", encoder=TOY["encoder"]),
        "speech": node(
            "MultiTalkSpeechEmbedding",
            audio=["example", 1],
            speech_encoder=["encoder", 0],
            normalise_loudness=True,
        ),
        "sampler": node(
            "MultiTalkSampler",
            model=["model", 0],
            vae=["vae", 0],
            image=["example", 0],
            speech=["speech", 0],
            **sampler_inputs(size__width=32, size__height=32, window=81, overlap=25, **changes),
        ),
        "video": node(
            "MultiTalkVideoCombine",
            images=["sampler", 0],
            audio=["sampler", 1],
            fps=25.0,
            filename_prefix="test",
            save_output=True,
        ),
    }


def test_the_host_counts_little_for_the_pack(running):
    process, _ = running
    found = re.search(r"([\d.]+) seconds: .*multitalk-nodes", process.log_text())
    assert found
    assert float(found.group(1)) <= 0.1  # printed with one decimal: below 0.15


def test_a_prompt_runs_with_progress_over_all_windows(running):
    _, client = running
    seen = []
    entry = client.run(toy(), lambda event: seen.append(event))
    assert entry["status"]["status_str"] == "success"
    values = [e.data["value"] for e in seen if e.kind == "progress" and e.data["node"] == "sampler"]
    assert values == sorted(values)
    assert values[-1] == 2 * 2  # 136 frames: two windows of two steps
    assert entry["outputs"]["video"]["images"][0]["filename"].endswith(".mp4")


def test_an_interrupt_ends_the_run_and_the_next_one_works(running):
    _, client = running
    started = threading.Event()

    def watch(event):
        if event.kind == "progress" and event.data["node"] == "sampler" and not started.is_set():
            started.set()
            client.interrupt()

    with pytest.raises(HostInterruptedError):
        client.run(toy(preset__steps=200), watch)
    assert started.is_set()
    assert client.run(toy(preset__steps=1))["status"]["status_str"] == "success"


def test_a_refusal_reaches_the_api_as_a_sentence(running):
    _, client = running
    for name, value, sentence in (
        ("overlap", 4, "overlap is 4; WAN needs 4n\\+1 frames. Use 1 or 5."),
        ("size.width", 8, "width"),
    ):
        prompt = toy()
        prompt["sampler"]["inputs"][name] = value
        with pytest.raises(HostError, match=sentence):
            client.run(prompt)
