"""MultiTalk Parallel: processes that hold the same model give what one gives, and leave nothing."""

from __future__ import annotations

import importlib
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
from safetensors.torch import save_file

from pack.tests.nodes.fork_cards import Template
from pack.tests.nodes.layout_lora import FILE, widgets, write_loras
from pack.tests.nodes.ranks import velocity
from pack.tests.nodes.stops import host_nodes, prompt_of, windows_begun
from pack.tools.host.prompts import node

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(sys.platform != "linux", reason="forks and /proc are Linux's"),
]
GRIDS = {1: (3, 6, 6), 2: (3, 2, 10)}  # latent grids by speakers: 27 and 15 tokens
WINDOWS = 4
LORA = "cards_lora.safetensors"
SIZES = {"dim": 64, "layers": 2, "heads": 4}


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


def room(host, name):
    return importlib.import_module(f"{host.pack_name}.nodes.parallel.{name}")


@pytest.fixture(scope="module")
def files(host):
    """A float32 model with four heads, the same as GGUF, an audio part and a LoRA."""
    import folder_paths
    from layout_writers import write_ggml
    from toy import build_audio, build_base

    folder = host.base / "cards"
    folder.mkdir()
    base, metadata = build_base(ffn=128, dtype=torch.float32, **SIZES)
    audio, settings = build_audio(
        encoder_layers=2, tokens=4, width=32, dtype=torch.float32, **SIZES
    )
    save_file(base, folder / "cards_base.safetensors", metadata)
    save_file(audio, folder / "cards_audio.safetensors", settings)
    written = write_ggml(folder, base, metadata, kind="Q8_0")
    (folder / written.file).rename(folder / "cards_base.gguf")
    write_loras(folder / "loras", {**base, **audio})
    # Under a name of its own: in one process there may be LoRAs of other tests, which come first.
    (folder / "loras" / FILE).rename(folder / "loras" / LORA)
    for key in ("diffusion_models", "model_patches"):
        folder_paths.add_model_folder_path(key, str(folder))
    folder_paths.add_model_folder_path("loras", str(folder / "loras"))
    folder_paths.filename_list_cache.clear()
    return folder


@pytest.fixture(scope="module")
def start_process(host):
    """What starts a process where no test has put a fork in its place."""
    return room(host, "workers").start_process


@pytest.fixture(scope="module")
def started(host, files, start_process):
    """Processes are forks of one that has imported the host."""
    template = Template(room(host, "recipe").host_facts())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room(host, "workers"), "start_process", template.start)
        yield
    template.close()


def load(host, cards, base="cards_base.safetensors", *, lora=False, weights="copies"):
    """A MODEL from the loader, on so many cards."""
    import comfy.model_management

    files = {"base": base, "audio_part": "cards_audio.safetensors"}
    prompt = {
        "loader": node("MultiTalkLoadModel", **files, **(widgets(LORA) if lora else {})),
        "cards": node("MultiTalkParallel", model=["loader", 0], cards=cards, weights=weights),
        "end": node("TestShowSpeech", speech=["cards", 0]),
    }
    result = host.run(prompt)
    assert result.ok, result.error
    model = result.outputs["cards"][0][0]
    comfy.model_management.load_models_gpu([model, *model.get_nested_additional_models()])
    return model


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
@pytest.mark.parametrize("cards", [2, 4])
@pytest.mark.parametrize(
    ("base", "weights"),
    [
        ("cards_base.safetensors", "copies"),
        ("cards_base.gguf", "auto"),
        ("cards_base.safetensors", "shards"),
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


def on_cards(*, weights="copies", **settings):
    """A small graph of four windows whose MODEL runs on two cards."""
    prompt = prompt_of(seconds=0.8, **settings)
    prompt["cards"] = node("MultiTalkParallel", model=["model", 0], cards=2, weights=weights)
    prompt["trouble"]["inputs"]["model"] = ["cards", 0]
    return prompt


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
def test_the_hosts_own_sampler_runs_on_two_cards(host):
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
    whole = shared.attachments["multitalk_parallel"].whole
    one = sampled(whole)
    first = sampled(shared)
    assert float((first - one).abs().max()) <= 1e-6 * float(one.abs().max())
    assert torch.equal(sampled(whole), one)
    assert torch.equal(sampled(shared), first)


def test_a_run_in_shards_is_told_by_the_weights_of_its_blocks(host, started):
    from pack.nodes.sampling.contents import model_digest
    from pack.nodes.sampling.lean_block import PARALLEL

    shared = load(host, 2, weights="shards")
    cards = shared.attachments[PARALLEL]
    before = model_digest(shared, lambda: None)
    block = cards.whole.model.diffusion_model.blocks[1]
    assert cards.share_bytes == sum(p.nbytes for p in block.parameters()) * 2
    kept = block.modulation.data
    with torch.inference_mode():
        block.modulation.data = kept + 1
    assert model_digest(shared, lambda: None) != before
    block.modulation.data = kept


def test_where_cards_cannot_exchange_tensors_it_says_so(host, monkeypatch):
    import comfy.model_management

    cards, there = room(host, "cards"), []
    monkeypatch.setattr(comfy.model_management, "get_torch_device", lambda: there[-1])
    there.append(torch.device("mps"))
    with pytest.raises(ValueError, match=r"^ComfyUI runs on mps; .*NVIDIA.*Leave the node out\.$"):
        cards.find_cards(2)
    there.append(torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"^cards is 4; ComfyUI sees 2 cards\. Use fewer"):
        cards.find_cards(4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert cards.find_cards(2) == cards.OtherCards(names=("3",), staged=False)
    monkeypatch.setattr(cards.sys, "platform", "win32")
    assert cards.find_cards(2).staged


def test_shards_of_quantized_weights_are_refused(host, started, files):
    shards, model = room(host, "shards"), load(host, 1, "cards_base.gguf")
    assert not shards.wants_shards(model, "auto")
    with pytest.raises(ValueError, match=r"quantized .*Set weights to copies, or take files in 16"):
        shards.wants_shards(model, "shards")
    plain = load(host, 1)
    assert not shards.wants_shards(plain, "auto")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_fits", lambda _model: False)
        assert shards.wants_shards(plain, "auto")
        assert not shards.wants_shards(plain, "copies")
        assert not shards.wants_shards(model, "auto")
        plain = plain.clone()
        plain.add_weight_wrapper("diffusion_model.blocks.0.ffn.0.weight", lambda weight: weight)
        assert not shards.wants_shards(plain, "auto")


def test_a_change_of_weights_after_the_node_is_refused(host, started):
    model = load(host, 2)
    checks, cards = room(host, "checks"), model.attachments["multitalk_parallel"]
    clone = model.clone()
    clone.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    checks.check_changes(clone, cards.changes)
    name = next(iter(dict(model.model.named_parameters())))
    clone.add_patches({name: (torch.zeros(1),)})
    with pytest.raises(ValueError, match="Put MultiTalk Parallel last"):
        checks.check_changes(clone, cards.changes)


def test_models_that_cannot_be_split_are_refused(host, started, other_files):
    check = room(host, "checks").check_model
    model = load(host, 1)
    check(model, 2)
    with pytest.raises(ValueError, match=r"4 attention heads\. Use 1, 2 or 4\.$"):
        check(model, 3)
    with pytest.raises(ValueError, match="split over several cards already"):
        check(load(host, 2), 2)
    patched = model.clone()
    patched.set_model_patch(lambda args: args["x"], "attn1_patch")
    with pytest.raises(ValueError, match="would see a part of the video only"):
        check(patched, 2)
    compiled = model.clone()
    compiled.set_model_patch_replace(
        lambda args, extra: extra["original_block"](args), "dit", "double_block", 0
    )
    with pytest.raises(ValueError, match="would see a part of the video only"):
        check(compiled, 2)
    with pytest.raises(ValueError, match="not VACE"):
        check(host.node("TestCountedModel").execute("test_vace.safetensors").args[0], 2)


def test_what_travels_is_plain_and_names_the_modules_of_others_alone(host, files):
    from comfy_execution.graph import DynamicPrompt

    recipe = room(host, "recipe")
    prompt = on_cards()
    made = recipe.recipe_of(DynamicPrompt(prompt), "cards", "model")
    assert set(made["prompt"]) == {"model", "base"}  # not speech, picture and VAE
    assert made["output"] == ["model", 0]
    tests = str(host.root / "tools" / "host" / "nodes_for_tests.py")
    assert made["modules"] == [["custom_nodes", tests]]  # loaded twice, the pack would be two packs
    assert recipe.host_facts()["pack"] == str(host.root)
    assert json.loads(json.dumps(recipe.host_facts())) == recipe.host_facts()
    prompt["cards"]["inputs"]["model"] = 1
    with pytest.raises(ValueError, match="Connect it to the loader"):
        recipe.recipe_of(DynamicPrompt(prompt), "cards", "model")


def test_nothing_of_it_is_imported_before_it_is_used(host):
    rooms = {"multitalk.parallel.exchange", "multitalk.parallel.groups", "nodes.parallel"}
    assert not {f"{host.pack_name}.{name}" for name in rooms} & host.load_modules
