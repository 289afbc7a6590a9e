"""What one queue reads and makes, counted: each file's header once, each check once.

How often a queue makes its `Cast` is counted in test_cast_once.py.
"""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host
LORA = "test_once_lora.safetensors"


@pytest.fixture
def counts(host, monkeypatch):
    """How often headers are read (by file), shapes gone over (by file), and the audio part built
    on "meta" to learn its shapes."""
    found = {"headers": Counter(), "shapes": Counter(), "networks": Counter()}

    def watch(name, attribute, kind, label):
        module = importlib.import_module(f"{host.pack_name}.{name}")
        inner = getattr(module, attribute)

        def counted(first, *args, **kwargs):
            found[kind][label(first)] += 1
            return inner(first, *args, **kwargs)

        monkeypatch.setattr(module, attribute, counted)

    watch("weights.header", "safetensors_contents", "headers", lambda path: Path(path).name)
    watch("multitalk.model.naming", "parameter_shapes", "shapes", lambda header: header.name)
    # A process makes a tiny one once too, for the names alone.
    watch("multitalk.model.architecture", "build_audio_part", "networks", lambda size: size.dim)
    return found


@pytest.fixture
def lora(host):
    import folder_paths

    folder = host.base / "once_loras"
    folder.mkdir(exist_ok=True)
    folder_paths.add_model_folder_path("loras", str(folder))
    layer = "diffusion_model.blocks.0.self_attn.q"
    tensors = {f"{layer}.lora_A.weight": torch.ones(4, 128),
               f"{layer}.lora_B.weight": torch.ones(128, 4)}  # fmt: skip
    save_file(tensors, folder / LORA)
    folder_paths.filename_list_cache.clear()


def test_one_queue_reads_each_header_once_when_the_model_is_loaded(host, counts, lora):
    prompt = talk(voices=2)
    prompt.pop("base", None)
    choice = {"loras": "1", "loras.lora_1": LORA, "loras.strength_1": 1.0}
    files = {"base": TOY["base"], "audio_part": TOY["audio_part"]}
    prompt["model"] = node(
        "MultiTalkLoadModel", **files, weight_dtype="default", family="auto", **choice
    )
    result = host.run(prompt)
    assert result.ok, result.error
    assert counts["headers"] == Counter([*files.values(), TOY["encoder"], LORA])
    assert counts["shapes"] == Counter(files.values())
    assert counts["networks"] in ({128: 1}, {128: 1, 4: 1})


def test_one_queue_reads_each_header_once_when_the_audio_part_is_attached(host, counts):
    result = host.run(talk(voices=2))
    assert result.ok, result.error
    assert counts["headers"] == Counter([TOY["audio_part"], TOY["encoder"]])
    assert counts["shapes"] == {TOY["audio_part"]: 1}
    assert counts["networks"] in ({128: 1}, {128: 1, 4: 1})


def test_another_queue_looks_at_the_files_again(host, counts):
    for _ in range(2):
        assert host.run(talk(voices=2)).ok
    assert counts["headers"][TOY["audio_part"]] == 2
