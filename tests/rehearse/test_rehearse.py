"""Files as large as the released ones that take no disk, and the watch over a host's memory."""

from __future__ import annotations

import json
import sys

import pytest

from pack.multitalk.config import PRESETS
from pack.multitalk.model.kinds import kind_of
from pack.multitalk.model.lora import match_lora
from pack.multitalk.model.model_files import ModelFiles
from pack.multitalk.model.naming import read_model_header
from pack.tools.rehearse import rehearse
from pack.tools.rehearse.memory import Memory, Stage, Watch, parse_status
from pack.tools.rehearse.released import FILES, LORA, write_released
from pack.tools.rehearse.sparse_files import is_sparse
from pack.workflows.api.edit import read_prompt
from pack.workflows.api.events import Event

BASES = "diffusion_models"
HALF = f"{BASES}/wan2.1_i2v_480p_14B_fp16.safetensors"
SCALED = f"{BASES}/Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors"
BLOCKS = f"{BASES}/wan2.1-i2v-14b-480p-Q4_K_M.gguf"
AUDIO, AUDIO_BLOCKS = (
    "model_patches/multitalk.safetensors",
    "model_patches/Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf",
)
ENCODER = "audio_encoders/wav2vec2-chinese-base_fp16.safetensors"
TEXTS = "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors"
# Lengths that are published (checkpoints.md), and how far ours may be off: kinds of numbers beside
# the matrices were not seen for some, and the tokenizer is a small one.
PUBLISHED = {
    AUDIO: (9_947_889_040, 0),
    f"loras/{LORA}": (738_005_744, 0),
    "clip_vision/clip_vision_h.safetensors": (1_264_219_396, 100),
    ENCODER: (190_115_368, 100),
    TEXTS: (6_735_906_897, 5_000_000),
    "vae/wan_2.1_vae.safetensors": (253_815_318, 10_000),
    SCALED: (16_643_349_018, 300_000_000),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    if sys.platform == "win32":
        pytest.skip("Windows must be asked for holes in files")
    folder = tmp_path_factory.mktemp("models")
    return folder, write_released(folder)


def test_files_have_the_published_lengths_and_take_no_disk(models):
    folder, lengths = models
    assert lengths.keys() == FILES.keys()
    assert sum(lengths.values()) > 80e9
    for name, (published, off) in PUBLISHED.items():
        assert abs(lengths[name] - published) <= off, name
    assert all(is_sparse(folder / name) for name in FILES if name != ENCODER)  # it has some numbers
    assert sum((folder / name).stat().st_blocks for name in FILES) * 512 < 30e6


@pytest.mark.parametrize(
    ("base", "audio"), [(HALF, AUDIO), (SCALED, AUDIO), (BLOCKS, AUDIO_BLOCKS)]
)
def test_bases_audio_parts_and_a_lora_fit_each_other_at_full_size(models, base, audio):
    folder, _ = models
    files = ModelFiles.read(folder / base, folder / audio)
    assert (files.sizes.dim, files.sizes.num_layers) == (5120, 40)
    assert files.audio.family == ("infinitetalk" if audio == AUDIO_BLOCKS else "multitalk")
    lora = read_model_header(folder / f"loras/{LORA}")
    match = match_lora(lora.shapes, files.network, None)
    assert len(match.targets) == 731
    assert not match.strangers


def test_every_other_file_is_taken_for_what_it_is(models):
    folder, _ = models
    kinds = {name: kind_of(read_model_header(folder / name)) for name in FILES}
    assert kinds[ENCODER] == "speech encoder"
    assert kinds[TEXTS] == "text encoder"


def test_graphs_are_made_small_without_losing_a_node_or_a_file():
    for graph in rehearse.GRAPHS:
        shipped = read_prompt(graph)
        small = rehearse.make_small(read_prompt(graph), PRESETS, all_passes=False)
        assert [n["class_type"] for n in small.values()] == [
            n["class_type"] for n in shipped.values()
        ]
        for key, node in small.items():
            for name, value in node["inputs"].items():
                if isinstance(value, str) and value.endswith((".safetensors", ".gguf")):
                    assert value == shipped[key]["inputs"][name]
                    assert sum(file.endswith(f"/{value}") for file in FILES) == 1
        (sampler,) = (n["inputs"] for n in small.values() if "preset" in n["inputs"])
        assert (sampler["preset.steps"], sampler["size.width"]) == (1, 32)
        assert sampler["preset.audio_guidance"] == 1.0
    full = rehearse.make_small(read_prompt(graph), PRESETS, all_passes=True)
    (sampler,) = (n["inputs"] for n in full.values() if "preset" in n["inputs"])
    assert sampler["preset.audio_guidance"] == PRESETS["lightx2v"].audio_guidance


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_stages_tell_time_and_peaks_and_a_stage_that_comes_again_goes_on():
    clock, memory = Clock(), [Memory(1, 5)]
    watch = Watch(
        read=lambda: memory[0], give_up=lambda: None, limit_bytes=1e9, free=lambda: 10**12,
        clock=clock,
    )  # fmt: skip
    see = rehearse.follow(watch, {"1": "Load", "2": "Sampler"})
    see(Event("executing", {"node": "2"}))
    clock.now, memory[0] = 2.0, Memory(3, 40)
    see(Event("executing", {"node": "1"}))
    clock.now, memory[0] = 5.0, Memory(7, 8)
    see(Event("executing", {"node": "2"}))
    clock.now, memory[0] = 6.0, Memory(9, 9)
    see(Event("progress", {"node": "2", "value": 0, "max": 1}))
    see(Event("progress", {"node": "2", "value": 1, "max": 1}))
    clock.now, memory[0] = 6.5, Memory(2, 2)
    see(Event("executing", {"node": None}))
    seen = {n: (s.seconds, s.end.own, s.own_peak, s.peak) for n, s in watch.stages.items()}
    assert seen == {
        "Sampler": (3.0, 9, 9, 43),
        "Load": (3.0, 7, 7, 43),
        "Sampler, after its step": (0.5, 2, 9, 18),
    }


@pytest.mark.parametrize(
    ("own", "free", "reason"),
    [(30e9, 50e9, "30.0 of 24 GB taken in Load"), (20e9, 0.5e9, "no memory left: 20.0 GB taken")],
)
def test_a_graph_that_takes_too_much_is_stopped_once_and_the_stage_is_named(own, free, reason):
    stopped = []
    watch = Watch(
        read=lambda: Memory(int(own), 0), give_up=lambda: stopped.append(1), limit_bytes=24e9,
        free=lambda: int(free), clock=Clock(),
    )  # fmt: skip
    watch.enter("Load")
    watch.enter("Next")
    assert len(stopped) == 1
    assert reason in watch.reason


def test_the_table_and_the_json_say_how_far_a_graph_came():
    stage = Stage(name="Load VAE", seconds=2.0)
    stage.see(Memory(1_500_000_000, 500_000_000))
    found = {"graph": "g", "stages": [stage], "files": [], "failure": "9.0 of 8 GB taken"}
    assert "| Load VAE | 2.0 | 1.50 | 1.50 | 2.00 |" in rehearse.table(found)
    assert "Stopped: 9.0 of 8 GB taken." in rehearse.table(found)
    told = json.loads(rehearse.as_json(found))["stages"][0]
    assert (told["stage"], told["own_peak"], told["peak"]) == ("Load VAE", 1500000000, 2000000000)


def test_memory_of_a_process_counts_its_files_apart():
    text = "Name:\tx\nRssAnon:\t   10 kB\nRssFile:\t   3 kB\nRssShmem:\t  2 kB\n"
    assert parse_status(text) == Memory(12 * 1024, 3 * 1024)
