"""The notes of the shipped graphs: every file with its size, and nothing that is not there."""

from __future__ import annotations

import json
import re

import pytest

from .graph_geometry import NAMES, ROOT, read_graph

REAL = [name for name in NAMES if not name.startswith("toy_")]
SMALL_FILES = (
    "multitalk_fast", "multitalk_prompt_helper", "multitalk_two_speakers_detector",
    "infinitetalk_low_memory", "infinitetalk_wan22", "multitalk_recording", "multitalk_smooth",
    "multitalk_two_gpus",
)  # fmt: skip
SMALL = re.compile(r"fp8|Q4_K|int8")
SIZE = r"\) [\d.]+ (GB|MB|kB)"
# A fresh ComfyUI has one picture, no sound and no video: there a user chooses first.
INPUTS = {"LoadImage": ("example.png",), "LoadAudio": ("",), "LoadVideo": ("",)}
SCHEMA = json.loads((ROOT / "workflows/api/prompts.schema.json").read_text(encoding="ascii"))


def nodes_of(graph):
    """All nodes, those inside of subgraphs too."""
    parts = [graph, *graph.get("definitions", {}).get("subgraphs", [])]
    return [node for part in parts for node in part["nodes"]]


def notes_of(graph):
    return {
        node["title"]: node["widgets_values"][0]
        for node in graph["nodes"]
        if node["type"] == "MarkdownNote"
    }


def strings(value):
    """All texts below an entry of a JSON Schema that name inputs or choices."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "properties":
                yield from inner
            if key in ("enum", "const"):
                yield from map(str, inner if isinstance(inner, list) else [inner])
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def words_of(graph):
    """What stands in a graph: inputs, choices, titles."""
    words = {group["title"] for group in graph["groups"]}
    for node in nodes_of(graph):
        words |= {node.get("title", ""), *(slot["name"] for slot in node["inputs"])}
        about = SCHEMA["$defs"].get(node["type"], {})
        words |= {part for text in strings(about) for part in (text, text.split(".")[-1])}
    return words


@pytest.mark.parametrize("name", NAMES)
def test_notes_name_only_inputs_and_nodes_of_their_graph(name):
    graph = read_graph(name)
    there = words_of(graph)
    kinds = {node["type"] for node in nodes_of(graph)}
    assert "seed" in there
    for title, text in notes_of(graph).items():
        for word in re.findall(r"(?<![*\w])\*([^*\n]+)\*(?![*\w])", text):
            assert word in there, (title, word)
        for called in re.findall(r"MultiTalk(?: [A-Z]\w+)+", text):
            assert called.replace(" ", "") in kinds, (title, called)


@pytest.mark.parametrize("name", REAL)
def test_files_note_lists_every_file_with_its_size(name):
    graph = read_graph(name)
    note = notes_of(graph)["Files"]
    models = [model for n in nodes_of(graph) for model in n["properties"].get("models", [])]
    assert len(models) >= 6
    for model in models:
        line = f"- `{model['directory']}`: [{model['name']}]({model['url']}"
        assert re.search(re.escape(line) + SIZE, note), model["name"]
    sizes = [float(size) for size in re.findall(r"^- .*\) ([\d.]+) GB$", note, re.MULTILINE)]
    (total,) = re.findall(r"\*\*(\d+) GB\*\*", note)
    assert int(total) == round(sum(sizes))


def test_files_note_lists_all_of_kokoro():
    note = notes_of(read_graph("multitalk_dialogue"))["Files"]
    for file in ("kokoro-v1_0.pth", "config.json", "af_heart.pt", "am_michael.pt"):
        assert re.search(rf"^- `kokoro(/voices)?`: \[{re.escape(file)}\]\(\S+{SIZE}", note, re.M)


@pytest.mark.parametrize("name", REAL)
def test_graphs_for_speed_or_little_memory_take_small_files(name):
    (values,) = [
        node["widgets_values"]
        for node in nodes_of(read_graph(name))
        if node["type"] == "MultiTalkLoadModel"
    ]
    assert bool(SMALL.search(values[0])) == (name in SMALL_FILES)


@pytest.mark.parametrize("name", REAL)
def test_no_graph_asks_for_an_input_that_a_fresh_host_lacks(name):
    loaders = [n for n in read_graph(name)["nodes"] if n["type"] in INPUTS]
    assert loaders
    for node in loaders:
        assert node["widgets_values"][0] in INPUTS[node["type"]]
