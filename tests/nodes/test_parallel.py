"""MultiTalk Parallel: processes that hold the same model give what one gives, and leave nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pack.tests.nodes.cards_bench import files, load, on_cards, room
from pack.tests.nodes.fork_cards import Template
from pack.tests.nodes.ranks import velocity
from pack.tests.nodes.stops import host_nodes, windows_begun
from pack.tools.host.prompts import node

__all__ = ["files"]
pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(sys.platform != "linux", reason="forks and /proc are Linux's"),
]
GRIDS = {1: (3, 6, 6), 2: (3, 2, 10)}  # latent grids by speakers: 27 and 15 tokens
WINDOWS = 4


def run(host, prompt):
    """Run the sampler with a MODEL of its own, which nothing holds afterwards."""
    host_nodes().CALLS.clear()
    prompt = {**prompt, "keep": node("TestKeepFrames", images=["sampler", 0])}
    prompt.pop("video", None)
    return host.run(prompt, host.executor("none"))


def frames_of(host, prompt):
    result = run(host, prompt)
    assert result.ok, result.error
    return host_nodes().SAVED_FRAMES.pop()


@pytest.fixture(scope="module")
def start_process(host):
    """What starts a process where no test has put a fork in its place."""
    return room(host, "workers").start_process


@pytest.fixture(scope="module")
def started(host, files, start_process, nursery):
    """Processes are forks of one that has imported the host."""
    template = Template(room(host, "recipe").host_facts(), nursery)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room(host, "workers"), "start_process", template.start)
        yield
    template.close()


def split_velocity(model, **how):
    """A forward on all cards of a MODEL, as between two calls of a sampler."""
    cards = model.attachments["multitalk_parallel"]
    cards.begin([1, 16, *how["grid"]])
    try:
        return velocity(model, picture=False, **how)
    finally:
        cards.rest()


def runs_still(processes):
    return [pid for pid in processes if Path(f"/proc/{pid}").exists()]


def ended(processes, seconds=10.0):
    """Whether all processes are gone in time."""
    end = time.monotonic() + seconds
    while runs_still(processes) and time.monotonic() < end:
        time.sleep(0.02)
    return not runs_still(processes)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("base", "weights", "cards"),
    [
        ("cards_base.safetensors", "copies", 4),
        ("cards_base.gguf", "auto", 2),
        ("cards_base.safetensors", "shards", 2),
        ("cards_base.safetensors", "shards", 4),
    ],
)
def test_processes_give_what_one_gives(host, cards, base, weights):
    one = load(host, 1, base, lora=True)
    several = load(host, cards, base, lora=True, weights=weights)
    found = []
    for speakers, grid in GRIDS.items():
        # Of the tokens of a frame some hear nothing, and one a part.
        gate = torch.linspace(-1, 2, grid[1] * grid[2] // 4).clamp(0, 1)[:, None]
        for how in ({}, {"gate": gate}):
            expected = velocity(one, picture=False, speakers=speakers, grid=grid, **how)
            out = split_velocity(several, speakers=speakers, grid=grid, **how)
            found.append(expected)
            assert float((out - expected).abs().max()) <= 1e-6 * float(expected.abs().max())
        assert not torch.equal(*found[-2:])
    check_shares(one, several, cards if weights == "shards" else 0)


def check_shares(one, several, cards):
    """Each card holds its share of the blocks, and the host none of them."""
    held = several.attachments["multitalk_parallel"].shard_bytes
    if not cards:
        assert held == []
        return
    blocks = one.model.diffusion_model.blocks
    whole = sum(p.nbytes for p in blocks.parameters())
    assert len(held) == cards
    for share in held:  # a row of `modulation` cannot be divided
        assert abs(share - whole / cards) <= sum(b.modulation.nbytes for b in blocks)
    assert several.model_size() == one.model_size() - whole


@pytest.fixture
def watched(host, started, monkeypatch):
    """All processes of a test, and what happens before forwards by their number."""
    attach, before = room(host, "attach"), {}
    seen = SimpleNamespace(processes=[], before=before, forwards=0, load=lambda: None)
    lead, make = attach.lead_call, attach.Workers

    def call(*args):
        seen.forwards += 1
        before.get(seen.forwards, lambda: None)()
        return lead(*args)

    def workers(*args):
        made = make(*args)
        seen.processes += made.processes
        seen.load()
        return made

    monkeypatch.setattr(attach, "lead_call", call)
    monkeypatch.setattr(attach, "Workers", workers)
    yield seen
    assert ended(seen.processes), "orphans"


@pytest.fixture(scope="module")
def unbroken(host):
    """Frames of that graph on one card."""
    prompt = on_cards()
    prompt["cards"]["inputs"]["cards"] = 1
    return frames_of(host, prompt)


def test_a_video_of_two_speakers_is_the_same_on_two_cards(host, watched, unbroken):
    assert float((frames_of(host, on_cards()) - unbroken).abs().max()) <= 1e-6
    assert watched.forwards


@pytest.mark.parametrize(
    ("weights", "sign", "words"),
    [
        (
            "shards",
            signal.SIGKILL,
            "The process of card 2 ended with code 0 and gave no reason.",
        ),
        (
            "copies",
            signal.SIGSTOP,
            "The cards did not answer each other for 1 second, or lost each other (Timed",
        ),
    ],
)
def test_a_run_goes_on_after_a_process_died_or_hung(
    host, watched, monkeypatch, unbroken, weights, sign, words
):
    monkeypatch.setattr(room(host, "attach"), "PATIENCE_S", 1.0)
    watched.before[5] = lambda: os.kill(watched.processes[0], sign)
    result = run(host, on_cards(weights=weights, keep_progress=True))
    assert result.error["exception_message"].startswith(words)
    assert ended(watched.processes)
    frames = frames_of(host, on_cards(weights=weights, keep_progress=True))
    assert float((frames - unbroken).abs().max()) <= 1e-6
    assert windows_begun() < WINDOWS


def test_no_process_outlives_the_host_even_where_that_is_killed(started, host):
    """What holds the pipes here is a process that is killed without a chance to say so."""
    workers = room(host, "workers")
    process = workers.start_process({})
    holder = subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
        pass_fds=[process.stdin.fileno()],
    )
    process.stdin.write(json.dumps(room(host, "recipe").host_facts()) + "\n")
    process.stdin.flush()
    process.stdin.close()
    assert json.loads(process.stdout.readline()) == {"done": "start"}
    assert process.poll() is None
    holder.kill()
    holder.wait()
    assert ended([process.pid])
    process.stdout.close()
    process.stderr.close()


def test_a_process_that_cannot_be_the_host_says_why(host, tmp_path, monkeypatch, start_process):
    workers = room(host, "workers")
    monkeypatch.setattr(workers, "start_process", start_process)
    facts = {**room(host, "recipe").host_facts(), "host": str(tmp_path)}
    before = set(Path(tempfile.gettempdir()).glob("multitalk-cards-*"))
    with pytest.raises(RuntimeError, match=r"^Card 2 failed: ModuleNotFoundError: .*comfy"):
        workers.Workers(facts, workers.environments(None, 1))
    assert set(Path(tempfile.gettempdir()).glob("multitalk-cards-*")) <= before


@pytest.mark.usefixtures("started")
def test_a_file_that_is_gone_and_memory_that_is_full_are_sentences(host, files):
    parallel, workers = load(host, 2).attachments["multitalk_parallel"], room(host, "workers")
    path = files / "cards_base.safetensors"
    path.rename(files / "elsewhere")
    with pytest.raises(RuntimeError, match=r"^Card 2 failed: .*cards_base.safetensors"):
        parallel.begin([1, 16, 3, 4, 4])
    (files / "elsewhere").rename(path)
    assert not parallel.workers.alive
    worker = workers.Worker(3, room(host, "recipe").host_facts(), {})
    assert worker.answer(60) == {"done": "start"}
    worker.answers.put({"failed": "Allocation on device 0", "oom": True})
    with pytest.raises(
        RuntimeError,
        match=r"^Card 3 ran out of memory .*Use more cards.*with keep_progress it goes on .*\.$",
    ):
        worker.answer(0)
    workers._end([worker], files / "none")


def test_a_user_can_cancel_while_processes_load(host, watched):
    import comfy.model_management

    model = load(host, 2)
    watched.load = lambda: comfy.model_management.interrupt_current_processing(value=True)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        model.attachments["multitalk_parallel"].begin([1, 16, 3, 4, 4])
    assert ended(watched.processes)


def test_a_user_is_told_of_a_card_that_hangs_and_can_cancel(host, watched, monkeypatch):
    import comfy.model_management

    told = []

    def tell(text, _node_id):
        told.append(text)
        comfy.model_management.interrupt_current_processing(value=True)

    model = load(host, 2)
    watched.before[1] = lambda: os.kill(watched.processes[0], signal.SIGSTOP)
    monkeypatch.setattr(room(host, "watch"), "NOTICE_S", 0.2)
    monkeypatch.setattr(room(host, "watch"), "send_text", tell)
    begun = time.monotonic()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        split_velocity(model, speakers=1, grid=GRIDS[1])
    assert time.monotonic() - begun < room(host, "attach").PATIENCE_S / 2
    (words,) = told
    assert words.endswith("without an answer the run ends after 300 seconds. You may cancel it.")


@pytest.mark.usefixtures("started")
def test_the_hosts_own_sampler_runs_on_two_cards(host, monkeypatch):
    """In shards; the MODEL that they were made of stays what it was, loaded before or after."""
    import comfy.sample

    random = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 16, 3, 6, 6, generator=random)
    text = [[torch.randn(1, 5, 64, generator=random), {}]]

    def sampled(model):
        return comfy.sample.sample(
            model, noise, 2, 1.0, "euler", "simple", text, text, torch.zeros_like(noise),
            disable_pbar=True, seed=1,
        )  # fmt: skip

    shared = load(host, 2, lora=True, weights="shards")
    cards = shared.attachments["multitalk_parallel"]
    whole = cards.whole
    split_blocks, held = room(host, "split_blocks"), []
    collect = split_blocks.whole_weights

    @contextlib.contextmanager
    def collected(block):
        with collect(block):
            held.append(cards.shards.resident_bytes)
            yield

    monkeypatch.setattr(split_blocks, "whole_weights", collected)
    one = sampled(whole)
    first = sampled(shared)
    # Its share, and one block whole: never more. A row that cannot be divided may be beside it.
    assert len(held) >= 2 * len(whole.model.diffusion_model.blocks)
    assert max(held) <= cards.share_bytes + whole.model.diffusion_model.blocks[0].modulation.nbytes
    assert float((first - one).abs().max()) <= 1e-6 * float(one.abs().max())
    assert torch.equal(sampled(whole), one)
    assert torch.equal(sampled(shared), first)


def test_nothing_of_it_is_imported_before_it_is_used(host):
    rooms = {"multitalk.parallel.exchange", "multitalk.parallel.groups", "nodes.parallel"}
    assert not {f"{host.pack_name}.{name}" for name in rooms} & host.load_modules
