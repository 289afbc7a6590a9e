"""Every cell of both tables of bases.md, through the host with small random weights."""

from __future__ import annotations

import copy
import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.desk import lazy
from pack.tests.nodes.small import SMALL
from pack.tests.nodes.stops import fail_in, frames_of, host_nodes, run, runs
from pack.tools.host.prompts import node, talk
from pack.tools.host.text_for_tests import TestTextEncoder

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
PAGE = Path(__file__).parents[2] / "docs" / "bases.md"
SIZES, TOKENS = {"dim": 64, "layers": 2, "ffn": 128}, 16  # as many as TestClipVision gives
PARTS = {
    "MultiTalk": SMALL["audio_part"],
    "InfiniteTalk": "test_rows_infinite.safetensors",
    "FlashTalk": "test_rows_flashtalk.safetensors",
    "its own": "(in base)",
    "any": SMALL["audio_part"],
}
# The words of a base in the page, and its files; a pair is high and low noise.
BASES = {
    "Wan 2.1 I2V 14B, 480p or 720p": (SMALL["base"],),
    "FlashTalk, audio part inside": ("test_rows_flashtalk_whole.safetensors",),
    "Wan 2.1 FLF2V 14B": ("test_rows_flf.safetensors",),
    "Wan 2.2 I2V A14B, both experts": ("test_rows_high.safetensors", "test_rows_low.safetensors"),
    "Wan 2.2 I2V A14B, one expert alone": ("test_rows_low.safetensors",),
    "Wan 2.1 VACE 14B": ("test_rows_vace.safetensors",),
    "Wan 2.2 VACE Fun A14B, both experts": (
        "test_rows_vace_high_noise.safetensors",
        "test_rows_vace_low_noise.safetensors",
    ),
    "Wan 2.1 T2V 14B": ("test_rows_t2v.safetensors",),
    "Wan 2.2 T2V A14B, both experts": (
        "test_rows_t2v_high_noise.safetensors",
        "test_rows_t2v_low_noise.safetensors",
    ),
    "VACE": ("test_rows_vace.safetensors",),
    "T2V": ("test_rows_t2v.safetensors",),
}
# Shapes that tell bases which are refused, beside width, input channels and output channels.
HEADERS = {
    "Wan 1.3B": (1536, 16, 16, ""),
    "Wan 2.2 5B": (3072, 48, 48, ""),
    "Fun Control": (5120, 48, 16, "img_emb.proj.0.bias"),
    "Wan 2.2 Fun Control": (5120, 52, 16, ""),
    "Fun Camera": (5120, 36, 16, "control_adapter.conv.weight"),
    "Wan 2.2 Animate": (5120, 36, 16, "face_adapter.fuser_blocks.0.k_norm.weight"),
    "Wan 2.2 S2V": (5120, 16, 16, "casual_audio_encoder.encoder.final_linear.weight"),
}
REASONS = {  # in the page, and in the code
    "other weights": "weights, and this run follows",
    "not trained together": "on top was not trained with it",
    "distilled with its own base": "which was distilled together with its own base",
    "1536 wide": "is a 1.3B model (T2V), whose blocks are 1536 wide",
    "narrower": "(WAN 2.2 5B, 48 input channels)",
    "other inputs": "It has inputs of its own that these nodes do not fill",
    "hears by itself": "It hears by an audio encoder of its own",
    "VACE only": "carries VACE control, which only a VACE base reads",
    "few steps": "step_cache",
    "one picture": "FlashTalk takes one, only InfiniteTalk follows a video",
    "two experts": "step_cache is on, and the MODEL has two experts",
    "no place": "which has no place for it",
    "between blocks": "step_cache is on, and the base is VACE",
    "follows no video": "and a text-to-video base follows no video",
}
LATER = ("VACE only",)  # seen when texts and models are there


def read_table(section):
    """Rows of a table of the page: the words of its columns, by column."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}.")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    names, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [dict(zip(names, row, strict=True)) for row in rows]


PRESETS, EXTRAS = read_table(1), read_table(2)


@pytest.fixture(scope="module")
def executor(host, other_files):
    """Writes the files, then runs all prompts: what they share is made once."""
    import folder_paths

    from pack.tools.make.toy import build_audio, build_base

    def save(folder, name, state, config):
        tensors = {key: tensor.contiguous() for key, tensor in state.items()}
        save_file(tensors, other_files / folder / name, {"config": json.dumps(config)})

    audio, metadata = build_audio(dim=64, layers=2, encoder_layers=2)
    facts = json.loads(metadata["config"])["multitalk"]
    for family in ("InfiniteTalk", "FlashTalk"):
        told = {"multitalk": facts | {"family": family.lower()}}
        save("model_patches", PARTS[family], audio, told)
    for name in {name for files in BASES.values() for name in files} - {SMALL["base"]}:
        flf, vace, text = ("flf" in name), ("vace" in name), ("t2v" in name)
        state, metadata = build_base(
            **SIZES, in_dim=16 if vace or text else 36, vace=int(vace), clip=flf,
            seed=5 + ("low" in name),
        )  # fmt: skip
        config = json.loads(metadata["config"])
        if flf:
            state["img_emb.emb_pos"] = torch.zeros(1, 2 * TOKENS, 1280).bfloat16()
        elif "flashtalk" in name:
            state |= audio
            config["multitalk"] |= facts | {"family": "flashtalk"}
        elif name in BASES["Wan 2.2 I2V A14B, both experts"]:
            del config["multitalk"]  # where the toy says that it needs no CLIP vision
        save("diffusion_models", name, state, config)
    for name, (width, channels, out, key) in HEADERS.items():
        state = {
            "head.modulation": torch.zeros(1, 2, width, dtype=torch.bfloat16),
            "patch_embedding.weight": torch.zeros(1, channels, 1, 2, 2),
            "head.head.bias": torch.zeros(4 * out),
        }
        state |= {key: torch.zeros(1)} if key else {}
        save_file(state, other_files / "diffusion_models" / file_of(name))
    folder_paths.filename_list_cache.clear()
    return host.executor("classic")


def file_of(name):
    return f"test_rows_{name.replace(' ', '_')}.safetensors"


def prompt_of(base, part):
    """A prompt on a base, without a sampler, and the sampler."""
    files = BASES.get(base) or (file_of(base),)
    spoken = {"voices": 2, "boxes": "0,0,16,32;16,0,16,32"} if "two speakers" in part else {}
    size = {"size__width": 32, "size__height": 32, "picture": (32, 32)}
    prompt = talk(files=SMALL, seconds=0.3, **size, **spoken)
    more = {"low_noise_base": files[1]} if len(files) > 1 else {}
    audio_part = PARTS[part.removesuffix(", two speakers")]
    del prompt["base"], prompt["video"]
    prompt["model"] = node("MultiTalkLoadModel", base=files[0], audio_part=audio_part, **more)
    sampler = prompt.pop("sampler")
    sampler["inputs"] |= {"window": 9, "overlap": 1, "preset.audio_guidance": 1.0}
    if "FLF" in base:
        prompt["clip"] = node("TestClipVision")
        sampler["inputs"]["clip_vision"] = ["clip", 0]
    return prompt, sampler


@pytest.fixture(autouse=True)
def few_steps(host, monkeypatch):
    """Preset full in 4 steps instead of 40, for the sake of time."""
    presets = importlib.import_module(f"{host.pack_name}.multitalk.config").PRESETS
    monkeypatch.setitem(presets, "full", replace(presets["full"], steps=4))


@pytest.fixture
def begun(host, monkeypatch):
    """Samplers that asked for their models."""
    setup, asked = lazy(host, "run_setup"), []
    prepare = setup.prepare_run

    def note(*args, **kwargs):
        asked.append(args)
        return prepare(*args, **kwargs)

    monkeypatch.setattr(setup, "prepare_run", note)
    return asked


def run_cells(host, executor, prompt, samplers):
    """A run of a prompt with these samplers, each kept under "run" and its column."""
    prompt = {**prompt, **{f"run {name}": one for name, one in samplers.items()}}
    for name in samplers:
        prompt[f"keep {name}"] = node("TestKeepFrames", images=[f"run {name}", 0])
    host_nodes().SAVED_FRAMES.clear()
    return host.run(prompt, executor)


def check_row(host, executor, row, prompt, samplers, begun, *, by_files):
    """Hold what is said in the cells of a row against what happens and what the reports say."""
    runs = {name: one for name, one in samplers.items() if not row[name].startswith("refused")}
    made = run_cells(host, executor, prompt, runs) if runs else None
    assert made is None or made.ok, made.error
    for frames in host_nodes().SAVED_FRAMES if made else ():
        assert len(frames) == 8
        assert torch.isfinite(frames).all()
    for name in runs:
        files = made.outputs["model"][1][0] if by_files else ""
        said = f"{files}\n{made.outputs[f'run {name}'][2][0]}".lower()
        assert row[name].startswith(("trained so", "works", "experimental"))
        assert ("experimental" in said) is row[name].startswith("experimental"), (name, said)
    for name in samplers.keys() - runs.keys():
        begun.clear()
        reason = row[name].removeprefix("refused: ")
        result = run_cells(host, executor, prompt, {name: samplers[name]})
        assert REASONS[reason] in result.error["exception_message"]
        assert (begun == []) is (reason not in LATER), name


def parts_of(row):
    return [name for name in row["audio part"].split(" or ") if name]


CASES = [(row, part) for row in PRESETS for part in parts_of(row)]


@pytest.mark.parametrize(("row", "part"), CASES, ids=[f"{r['base']}, {p}" for r, p in CASES])
def test_presets(host, executor, begun, row, part):
    prompt, sampler = prompt_of(row["base"], part)
    few = "FusionX" if part == "InfiniteTalk" else "lightx2v"
    samplers = {}
    for column in ("full", "FusionX, lightx2v", "FlashTalk", "custom"):
        samplers[column] = copy.deepcopy(sampler)
        samplers[column]["inputs"]["preset"] = few if "," in column else column
    samplers["custom"]["inputs"]["window"] = 5  # two windows
    check_row(host, executor, row, prompt, samplers, begun, by_files=True)


@pytest.mark.parametrize("row", EXTRAS, ids=[row["base"] for row in EXTRAS])
def test_what_else(host, executor, begun, row):
    inside = "inside" in row["base"]
    prompt, sampler = prompt_of(row["base"], "its own" if inside else "InfiniteTalk")
    prompt["text"], prompt["end"] = node("TestText"), node("ImageInvert", image=["image", 0])
    prompt["film"] = node("TestPicture", width=32, height=32, frames=8)
    prompt["control"] = node(
        "WanVaceToVideo", positive=["text", 0], negative=["text", 0], vae=["vae", 0], width=32,
        height=32, length=9, batch_size=1, strength=1.0, control_video=["image", 0],
    )  # fmt: skip
    changes = {
        "end_image": {"end_image": ["end", 0]},
        "step_cache": {"step_cache": 0.2, "preset.steps": 20}
        | ({"preset": "FlashTalk"} if inside else {}),
        "video": {"image": ["film", 0]},
        "control": {"positive": ["control", 0], "negative": ["control", 1]},
    }
    samplers = {name: copy.deepcopy(sampler) for name in changes}
    for name, inputs in changes.items():
        samplers[name]["inputs"] |= inputs
    check_row(host, executor, row, prompt, samplers, begun, by_files=False)


RESUMED = {
    "Wan 2.2 I2V A14B, both experts": {"end_image": ["end", 0]},
    "Wan 2.1 FLF2V 14B": {"end_image": ["end", 0]},
    "Wan 2.2 VACE Fun A14B, both experts": {},
    "Wan 2.2 T2V A14B, both experts": {},
}


@pytest.mark.parametrize("base", RESUMED)
def test_a_stopped_run_goes_on_with_the_same_bits(host, executor, base):
    prompt, sampler = prompt_of(base, "MultiTalk, two speakers")
    prompt["end"] = node("ImageInvert", image=["image", 0])
    prompt["trouble"] = node("TestTrouble", model=["model", 0], vae=["vae", 0])
    prompt["sampler"] = sampler
    sampler["inputs"] |= {"model": ["trouble", 0], "vae": ["trouble", 1], "window": 5}
    sampler["inputs"] |= RESUMED[base]
    whole = frames_of(host, prompt)
    sampler["inputs"]["keep_progress"] = True
    fail_in("decode", 1, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    assert len(list(runs().glob("*/window_*.json"))) == 1
    assert torch.equal(frames_of(host, prompt), whole)


DIRECTED = {
    "Wan 2.2 I2V A14B, both experts": "InfiniteTalk",
    "FlashTalk, audio part inside": "its own",
    "Wan 2.1 VACE 14B": "MultiTalk",
    "Wan 2.2 T2V A14B, both experts": "MultiTalk",
}


def directed(base):
    """A prompt of three windows with a scene, and its sampler three ways."""
    prompt, sampler = prompt_of(base, DIRECTED[base])
    prompt["sound_1"]["inputs"]["samples"] = round(0.96 * 16_000)  # 24 frames
    prompt["clip"], prompt["text"] = node("TestTextEncoder"), node("TestText")
    prompt["scene"] = node(
        "MultiTalkScene", clip=["clip", 0], scene_text="0-0.7: she smiles\n0.7-: she turns"
    )
    prompt["other"] = node("ImageInvert", image=["image", 0])
    prompt["shots"] = node("MultiTalkShots", **{"images.image_2": ["other", 0]}, seconds="0.48")
    prompt["earlier"] = node("TestPicture", width=32, height=32, frames=6)
    sampler["inputs"] |= {"positive": ["text", 0], "scene": ["scene", 0]}
    ways = {"free": {}, "cut": {"shots": ["shots", 0]}, "on": {"continue_from": ["earlier", 0]}}
    samplers = {name: copy.deepcopy(sampler) for name in ways}
    for name, links in ways.items():
        samplers[name]["inputs"] |= links
    return prompt, samplers


@pytest.mark.parametrize("base", DIRECTED)
def test_scenes_shots_and_continuations_run_on_every_kind_of_base(
    host, executor, monkeypatch, base
):
    import nodes

    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "TestTextEncoder", TestTextEncoder)
    prompt, samplers = directed(base)
    if "T2V" in base:  # it shows no picture
        refused = run_cells(host, executor, prompt, {"cut": samplers.pop("cut")})
        assert "shots is connected, and a text-to-video base" in refused.error["exception_message"]
    result = run_cells(host, executor, prompt, samplers)
    assert result.ok, result.error
    frames = {name: result.outputs[f"run {name}"][0][0] for name in samplers}
    assert {tuple(made.shape) for made in frames.values()} == {(24, 32, 32, 3)}
    for made in frames.values():
        assert torch.isfinite(made).all()
    said = {name: result.outputs[f"run {name}"][2][0] for name in samplers}
    for name, report in said.items():
        last = 3 if name == "cut" else 2  # one more window, of the second shot
        assert f"she smiles: windows 1 to {last}\n" in report
    assert "from the last 1 frame; the video holds the new ones alone" in said["on"]
    # FlashTalk's one pinned latent frame moves the others by 1e-4 here: less than frames of 8 bit.
    if "FlashTalk" not in base:
        assert not torch.equal(frames["on"], frames["free"])
    if "cut" in frames:
        assert torch.equal(frames["cut"][:12], frames["free"][:12])
        assert not torch.equal(frames["cut"][12], frames["free"][12])
        assert "\nshot 2: from 0.48 s, frame 12, in " in said["cut"]
