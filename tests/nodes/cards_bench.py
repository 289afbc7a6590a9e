"""What tests of MultiTalk Parallel share: files, a MODEL on so many cards, a graph."""

from __future__ import annotations

import importlib

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.layout_lora import FILE, widgets, write_loras
from pack.tests.nodes.stops import prompt_of
from pack.tools.host.prompts import node

LORA = "cards_lora.safetensors"
SIZES = {"dim": 64, "layers": 2, "heads": 4}


def room(host, name):
    return importlib.import_module(f"{host.pack_name}.nodes.parallel.{name}")


@pytest.fixture(scope="module")
def files(host):
    """A float32 model with four heads, the same as GGUF, an audio part and a LoRA."""
    import folder_paths
    from layout_writers import write_ggml
    from toy import build_audio, build_base

    folder = host.base / "cards"
    if folder.exists():  # of another module of tests
        return folder
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


def on_cards(*, weights="copies", **settings):
    """A small graph of four windows whose MODEL runs on two cards."""
    prompt = prompt_of(seconds=0.8, **settings)
    prompt["cards"] = node("MultiTalkParallel", model=["model", 0], cards=2, weights=weights)
    prompt["trouble"]["inputs"]["model"] = ["cards", 0]
    return prompt
