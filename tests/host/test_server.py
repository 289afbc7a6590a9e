"""The pack in a running host without any cache: loading, events, interruption, refusals."""

from __future__ import annotations

import json
import os
import re
import threading
import urllib.request
from pathlib import Path

import pytest

from pack.tools.host.client import HostClient, HostError, HostInterruptedError

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]
SPEECH, SAMPLER, VIDEO = "5", "6", "7"  # node ids in the shipped prompt


@pytest.fixture(scope="module")
def running(studio):
    """A host with --cache-none."""
    process = studio.host()
    with HostClient(process.address) as client:
        yield process, client


def toy(**changes):
    """The shipped toy prompt at 32 x 32 pixels, with 1 second of its voice: two windows."""
    prompt = json.loads((ROOT / "workflows" / "api" / "toy_one_speaker.json").read_text())
    small = {"size.width": 32, "size.height": 32, "window": 17, "overlap": 5, "preset.steps": 2}
    prompt[SAMPLER]["inputs"] |= small | changes
    trim = {"audio": prompt[SPEECH]["inputs"]["audio"], "start_index": 0.2, "duration": 1.0}
    prompt["trim"] = {"class_type": "TrimAudioDuration", "inputs": trim}
    prompt[SPEECH]["inputs"]["audio"] = ["trim", 0]
    return prompt


def test_the_host_has_loaded_the_pack(running):
    """What loading costs is counted in tests/nodes/test_network.py."""
    process, _ = running
    found = re.search(r"[\d.]+ seconds(.*): .*multitalk-nodes", process.log_text())
    assert found
    assert "FAILED" not in found.group(1)


def read(client, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{client.address}{path}", timeout=30) as answer:
        return answer.read()


def test_the_editor_gets_the_words_and_the_help_pages(running):
    _, client = running
    words = json.loads(read(client, "/i18n"))
    for language in ("en", "zh"):
        stored = (ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8")
        served = words[language]["nodeDefs"]
        assert json.loads(stored).items() <= served.items()
        assert "MultiTalk" in words[language]["nodeCategories"]
    page = read(client, "/extensions/multitalk-nodes/docs/MultiTalkSampler.md").decode("ascii")
    picture = re.search(r"\((MultiTalkSampler\.\w+)\)", page).group(1)
    shown = read(client, f"/extensions/multitalk-nodes/docs/{picture}")
    assert shown == (ROOT / "web" / "docs" / picture).read_bytes()
    for name in ("docs/MultiTalkSampler/zh.md", "words.js"):
        served = read(client, f"/extensions/multitalk-nodes/{name}")
        assert served == (ROOT / "web" / name).read_bytes()
    assert words["zh"]["MultiTalkGraphs"]
    assert "/extensions/multitalk-nodes/words.js" in json.loads(read(client, "/extensions"))


def test_a_prompt_runs_with_progress_over_all_windows(running):
    _, client = running
    seen = []
    entry = client.run(toy(), lambda event: seen.append(event))
    assert entry["status"]["status_str"] == "success"
    values = [e.data["value"] for e in seen if e.kind == "progress" and e.data["node"] == SAMPLER]
    assert values == sorted(values)
    assert values[-1] == 2 * 2  # 25 frames: two windows of two steps
    assert entry["outputs"][VIDEO]["images"][0]["filename"].endswith(".mp4")


def test_an_interrupt_ends_the_run_and_the_next_one_works(running):
    _, client = running
    started = threading.Event()

    def watch(event):
        if event.kind == "progress" and event.data["node"] == SAMPLER and not started.is_set():
            started.set()
            client.interrupt()

    with pytest.raises(HostInterruptedError):
        client.run(toy(**{"preset.steps": 200}), watch)
    assert started.is_set()
    assert client.run(toy(**{"preset.steps": 1}))["status"]["status_str"] == "success"


def test_a_refusal_reaches_the_api_as_a_sentence(running):
    _, client = running
    for name, value, sentence in (
        ("overlap", 4, "overlap is 4; it must be a multiple of 4, plus 1. Use 1 or 5."),
        ("size.width", 8, "width"),
    ):
        prompt = toy(**{name: value})
        with pytest.raises(HostError, match=sentence):
            client.run(prompt)
    prompt = toy()
    prompt["90"] = {"class_type": "LoadAudio", "inputs": {"audio": ""}}
    for node in prompt.values():
        if node["class_type"] == "MultiTalkSpeechEmbedding":
            node["inputs"]["audio"] = ["90", 0]
    with pytest.raises(HostError, match="no sound is chosen yet"):
        client.run(prompt)


def test_half_a_character_in_a_file_leaves_the_worker_alive(running):
    """The host's logger fails on it, and with the logger the worker, while the server answers."""
    process, client = running
    folder = Path(process.settings.base) / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    header = rb'{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    whole = len(header).to_bytes(8, "little") + header + b"1234"
    names = "half.safetensors", os.fsdecode(b"\xff.safetensors")  # in the file, and of the file
    for name, contents in zip(names, (whole, b"cut"), strict=True):
        (folder / name).write_bytes(contents)
        report = {"class_type": "MultiTalkFileReport", "inputs": {"file": f"loras/{name}"}}
        with pytest.raises(HostError, match="is no safetensors file, or its beginning is damaged"):
            client.run({"1": report})
    report["inputs"]["file"] = "vae/multitalk_toy_vae.safetensors"
    assert client.run({"1": report})["status"]["status_str"] == "success"
