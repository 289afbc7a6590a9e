"""File Report says what the loaders say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.multitalk.model.file_check import loader_words
from pack.multitalk.model.kinds import describe
from pack.multitalk.model.model_files import AudioFile, ModelFiles
from pack.multitalk.model.naming import read_model_header
from pack.tests.weights.model_files import LAYOUTS, audio_state, base_state, write_model
from pack.tests.weights.published import encoder_shapes, expand, header


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_that_load_are_said_to_be_read(tmp_path, layout):
    base, audio = write_model(tmp_path, layout)
    ModelFiles.read(base, audio)
    for path in (base, audio):
        assert loader_words(read_model_header(path)) == "MultiTalk Load Model reads this file."


def with_matrix(change):
    """A base, one of whose matrices is stored in another way."""
    state = base_state()
    name = "blocks.0.ffn.0.weight"
    return {**state, **change(name, state[name])}


def as_bytes(settings):
    return torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)


def awq(name, matrix):
    module = name.removesuffix(".weight")
    return {name: torch.zeros(4, 4, dtype=torch.int32), f"{module}.weight_scale": torch.ones(1),
            f"{module}.comfy_quant": as_bytes({"format": "awq_w4a16"})}  # fmt: skip


def same_size(kind):
    def change(name, matrix):
        module = name.removesuffix(".weight")
        settings = as_bytes({"format": kind})
        return {name: matrix.to(torch.int8), f"{module}.weight_scale": torch.ones(1),
                f"{module}.comfy_quant": settings}  # fmt: skip

    return change


REFUSED = {
    "awq": (awq, "has the quantised format 'awq_w4a16'; known are"),
    "newer": (same_size("svdq_w4a4"), "has the quantised format 'svdq_w4a4'; known are"),
    "half": (same_size("\ud800"), "has the quantised format"),
    "bytes": (lambda n, m: {n: m.to(torch.uint8)}, "a layout that this pack does not read"),
    "bare int8": (lambda n, m: {n: m.to(torch.int8)}, "a layout that this pack does not read"),
    "scale": (lambda n, m: {n: m.to(torch.int8), n[:-7] + ".weight_scale": torch.ones(7, 1)},
              "a layout that this pack does not read"),
    "transposed": (lambda n, m: {n: m.T}, "Wrong shape: "),
    "GPTQ": (lambda n, m: {n[:-7] + ".qweight": torch.zeros(4, 4, dtype=torch.int32)},
             "in the layout of GPTQ or AWQ"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_loader_refuses_is_reported_with_its_own_words(tmp_path, kind):
    change, words = REFUSED[kind]
    base, audio = tmp_path / "base.safetensors", tmp_path / "multitalk.safetensors"
    state = {name: tensor.contiguous() for name, tensor in with_matrix(change).items()}
    save_file(state, base)
    save_file(audio_state(), audio)
    with pytest.raises(ValueError, match=words) as refused:
        ModelFiles.read(base, audio)
    said = loader_words(read_model_header(base))
    assert said == f"MultiTalk Load Model does not read this file: {refused.value}"
    assert "damaged" not in said
    said.encode("utf-8")


def test_a_damaged_audio_part_is_reported_with_the_loaders_words(tmp_path):
    state = audio_state()
    del state["audio_proj.proj2.bias"]
    path = tmp_path / "multitalk.safetensors"
    save_file(state, path)
    with pytest.raises(ValueError, match=r"Missing: \['audio_proj.proj2.bias'\]\. Down") as refused:
        AudioFile.read(path)
    said = loader_words(read_model_header(path))
    assert said == f"MultiTalk Load Model does not read this file: {refused.value}"


NOTE = "blocks.{}.self_attn.comfy_attention.config"


def test_settings_of_newer_hosts_are_ignored_with_a_word(tmp_path):
    notes = {NOTE.format(i): as_bytes({"backend": "x"}) for i in range(2)}
    base, audio = tmp_path / "base.safetensors", tmp_path / "multitalk.safetensors"
    save_file({**base_state(), **notes}, base, {"comfy_attention.config": "{}"})
    save_file(audio_state(), audio)
    files = ModelFiles.read(base, audio)
    assert not any("comfy_attention" in name for name in files.base.parameters)
    report = describe(files.base)
    assert "settings of ComfyUI that are not used: blocks.0.self_attn.comfy_attention.co" in report
    assert report.count("comfy_attention.config") == 3
    assert loader_words(files.base) == "MultiTalk Load Model reads this file."


def test_a_lora_is_held_against_the_released_model():
    shapes = expand("lora_lightx2v_i2v_rank64", "diffusion_model.blocks.{i}.")
    said = loader_words(header(shapes, name="lightx2v.safetensors"))
    assert said.startswith("MultiTalk Load Model reads this file. In WAN 2.1 I2V 14B:\nlightx2v.s")
    assert "rank 64" in said
    small = {"blocks.0.self_attn.q.lora_A.weight": (4, 96),
             "blocks.0.self_attn.q.lora_B.weight": (96, 4)}  # fmt: skip
    said = loader_words(header(small, name="small.safetensors"))
    assert said.startswith("MultiTalk Load Model does not read this file: small.safetensors chan")


def test_speech_encoders_are_checked_too():
    name = "MultiTalk Load Speech Encoder"
    assert loader_words(encoder(768)) == f"{name} reads this file."
    assert loader_words(encoder(1024)).startswith(f"{name} does not read this file: some.safe")


def encoder(width):
    shapes = encoder_shapes(width=width, layers=12 if width == 768 else 24)
    return header(shapes, sources={key: (Path(__file__), key) for key in shapes})


def test_files_of_the_hosts_loaders_are_left_to_them():
    assert loader_words(header({"decoder.head.0.gamma": (1,)})) == ""
