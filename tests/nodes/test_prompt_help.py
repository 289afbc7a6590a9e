"""The graph in which a text model of the host writes the prompt, with a tiny random one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]
TEXT_WIDTH = 64  # of the toy, so that the text model can be its text encoder too
FILE = "test_text_model.safetensors"


def parameters(model, kind):
    """Its parameters by the names in published files."""
    for name, value in getattr(model, kind).transformer.named_parameters():
        part, _, rest = name.partition(".")
        yield (f"model.language_model.{rest}" if part == "model" else f"model.{name}"), value


@pytest.fixture
def text_model(host, tmp_path, monkeypatch):
    """A file that the host takes for Qwen3-VL, of two layers."""
    import comfy.text_encoders.qwen3vl as qwen
    import folder_paths
    import nodes

    @dataclass
    class Tiny(qwen.Qwen3VL_8BConfig):
        hidden_size: int = TEXT_WIDTH
        intermediate_size: int = 32
        num_hidden_layers: int = 2
        num_attention_heads: int = 1
        num_key_value_heads: int = 1
        lm_head: bool = False

    kind = "qwen3vl_8b"  # what the host takes for all that are no 4B
    vision = {"hidden_size": 32, "intermediate_size": 32, "depth": 1}
    monkeypatch.setitem(qwen.QWEN3VL_CONFIGS, kind, Tiny)
    monkeypatch.setitem(qwen.QWEN3VL_VISION, kind, {**vision, "deepstack_visual_indexes": [0]})
    monkeypatch.setitem(qwen.QWEN3VL_VISION_COMMON, "num_heads", 2)
    built = qwen.te(model_type=kind)(device="cpu", dtype=torch.float32)
    random = torch.Generator().manual_seed(0)
    state = {}
    for name, value in parameters(built, kind):
        drawn = torch.randn(value.shape, generator=random) * 0.5
        state[name] = torch.ones_like(drawn) if name.endswith("norm.weight") else drawn
    save_file(state, tmp_path / FILE)
    folder_paths.add_model_folder_path("text_encoders", str(tmp_path))
    folder_paths.filename_list_cache.clear()
    extras = Path(nodes.__file__).parent / "comfy_extras"
    for name in ("nodes_textgen", "nodes_preview_any"):
        loaded = nodes.load_custom_node(str(extras / f"{name}.py"), module_parent="comfy_extras")
        assert asyncio.run(loaded)
    yield FILE
    folder_paths.folder_names_and_paths["text_encoders"][0].remove(str(tmp_path))
    folder_paths.filename_list_cache.clear()


def shipped(key):
    """Class and inputs of a node of the shipped graph, by its title."""
    path = ROOT / "workflows" / "api" / "multitalk_prompt_helper.json"
    prompt = json.loads(path.read_text(encoding="ascii"))
    (found,) = [n for n in prompt.values() if n["_meta"]["title"] == key]
    return found["class_type"], found["inputs"]


def helped(text_model):
    """A toy graph with the shipped graph's way from picture to prompt."""
    prompt = talk(seconds=0.3, size__width=32, size__height=32, preset__steps=1)
    kind, values = shipped("Load text model")
    prompt["text model"] = node(kind, **values | {"clip_name": text_model})
    kind, values = shipped("Write the prompt")
    links = {"clip": ["text model", 0], "image": ["image", 0], "max_length": 4}
    prompt["writer"] = node(kind, **values | links)
    kind, values = shipped("Positive prompt")
    prompt["positive"] = node(kind, **values | {"clip": ["text model", 0], "text": ["writer", 0]})
    kind, values = shipped("What it wrote")
    prompt["written"] = node(kind, **values | {"source": ["writer", 0]})
    prompt["sampler"]["inputs"]["positive"] = ["positive", 0]
    return prompt


def test_the_text_model_sees_the_picture_and_its_words_reach_the_sampler(host, text_model):
    prompt = helped(text_model)
    executor = host.executor()
    first = host.run(prompt, executor)
    assert first.ok, first.error
    assert {"writer", "written", "positive", "sampler"} <= set(first.executed)
    (text,) = first.outputs["writer"][0]
    assert text
    prompt["image"]["inputs"] |= {"width": 96, "height": 32}
    writing = {name: prompt[name] for name in ("image", "text model", "writer", "written")}
    second = host.run(writing, executor)
    assert second.ok, second.error
    assert second.outputs["writer"][0] != [text]
