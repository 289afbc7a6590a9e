"""Write locales/en from the node schemas: what the editor looks up to show words.

    python tools/make/locales.py          # writes locales/en, names what locales/zh lacks, and
                                          # takes lines that no graph has any more out of it
    python tools/make/locales.py --check  # writes nothing; exit code 1 if something differs

It needs the set-up of dev.py (.venv, .host). Nobody edits locales/en: change the schema. The other
languages are written by hand, with the same keys; tests/nodes/test_words.py compares them. Chinese
texts use the words of locales/zh/GLOSSARY.md.

The keys are those of the editor (comfyui_frontend_package 1.48): nodeDefs.json holds
`{node: {display_name, description, inputs: {key: {name, tooltip}}, outputs: {"0": ...}}}`, where a
key is the full id of the input with `_` for `.`: `preset.steps` is `preset_steps`, the first socket
of a growing input `speakers_speaker_1`. main.json holds `nodeCategories`, one entry per part of a
category's path; they share one space with the editor's own, so common parts keep its words. The
templates page calls a pack by its folder, unless main.json has a word for that.
Three things are in the files that this editor does not read yet: `options`, the words of a choice,
documented for nodeDefs.json; `name` of a growing input's sockets, because its own label goes first;
`tooltip` of inputs inside a choice, for nodes drawn the new way.

web/words.js shows `options` nevertheless, and four parts of main.json, which English does without:
`MultiTalkGraphs`, the lines of notes, groups and titles in the shipped graphs, by their English
line; `MultiTalkSlots`, names of inputs and outputs of the subgraphs in them; `MultiTalkChoices`,
what stands among the names of files in a choice; `MultiTalkSearch`, other words to find a node by.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "locales"
# Choices that are files of the user or names of the host: no words of ours.
NOT_WORDS = (
    "base",
    "low_noise_base",
    "audio_part",
    "encoder",
    "lora_",
    "file",
    "model",
    "sampler",
    "picture",
    "voice_",
)
FOLDER = "multitalk-nodes"  # where the registry and dev.py put the pack

Words = dict[str, Any]

GRAPH_WORDS, SLOT_WORDS = "MultiTalkGraphs", "MultiTalkSlots"
CHOICE_WORDS, SEARCH_WORDS = "MultiTalkChoices", "MultiTalkSearch"
# What needs no other words in a line of a note: code, addresses and names of files, sizes.
NO_WORDS = re.compile(r"`[^`]*`|\[[^]]*\]\([^)]*\)|\d [kMG]B\b")


def read_nodes(package: Any) -> list[Any]:
    """The node classes of a loaded pack."""
    return asyncio.run(asyncio.run(package.comfy_entrypoint()).get_node_list())


def every_input(items: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """(full id, own id, input) of all inputs, those inside choices and growing ones too."""
    for item in items:
        name = f"{prefix}{item.id}"
        yield name, item.id, item
        for option in getattr(item, "options", None) or []:
            yield from every_input(getattr(option, "inputs", []), f"{name}.")
        if hasattr(item, "template"):
            for slot in item.template.names:
                yield f"{name}.{slot}", slot, item.template.input


def read_options(item: Any) -> dict[str, str]:
    """The words that a choice is made of."""
    if item.id.startswith(NOT_WORDS):
        return {}
    options = getattr(item, "options", None) or []
    return {word: word for word in (getattr(option, "key", option) for option in options)}


def describe_inputs(items: Iterable[Any]) -> Words:
    """Words of the inputs, by the editor's keys.

    Raises:
        ValueError: If one key would have to show two texts.
    """
    words: Words = {}
    for name, own, item in every_input(items):
        entry: Words = {"name": item.display_name or own, "tooltip": item.tooltip or ""}
        options = read_options(item)
        if options:
            entry["options"] = options
        key = name.replace(".", "_")
        if words.setdefault(key, entry) != entry:
            raise ValueError(f"{key} stands for two inputs with different texts; give them one.")
    return words


def describe_node(node: Any) -> Words:
    """Words of one node."""
    schema = node.GET_SCHEMA()
    return {
        "display_name": schema.display_name or "",
        "description": schema.description or "",
        "inputs": describe_inputs(schema.inputs),
        "outputs": {
            str(index): {"name": output.display_name or "", "tooltip": output.tooltip or ""}
            for index, output in enumerate(schema.outputs)
        },
    }


def graph_lines(graph: Words) -> Iterator[str]:
    """Lines to read in a workflow and in the subgraphs of it: titles, groups, notes."""
    yield from (item["title"] for item in [*graph["groups"], *graph["nodes"]] if "title" in item)
    for node in graph["nodes"]:
        if node["type"] == "MarkdownNote":
            lines = node["widgets_values"][0].split("\n")
            yield from (line for line in lines if re.search("[A-Za-z]{2}", NO_WORDS.sub("", line)))
    for subgraph in subgraphs_of(graph):
        yield subgraph["name"]
        yield from graph_lines(subgraph)


def subgraphs_of(graph: Words) -> list[Words]:
    """The subgraphs of a workflow."""
    return graph.get("definitions", {}).get("subgraphs", [])


def describe_graphs() -> Words:
    """Words of all graphs that ship with the pack, by part of main.json."""
    paths = [path for place in ("workflows", "subgraphs") for path in (ROOT / place).glob("*.json")]
    graphs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    subgraphs = [subgraph for graph in graphs for subgraph in subgraphs_of(graph)]
    lines = {line for graph in graphs for line in graph_lines(graph)}
    slots = {slot["name"] for s in subgraphs for slot in [*s["inputs"], *s["outputs"]]}
    return {
        GRAPH_WORDS: {line: line for line in sorted(lines)},
        SLOT_WORDS: {name: name for name in sorted(slots)},
    }


def choices_among_files(nodes: Iterable[Any]) -> Words:
    """Choices that are no files, where files are chosen."""
    items = [item for node in nodes for _, _, item in every_input(node.GET_SCHEMA().inputs)]
    lists = [item for item in items if item.id.startswith(NOT_WORDS) and item.id != "sampler"]
    options = {str(o) for item in lists for o in getattr(item, "options", None) or []}
    return {option: option for option in sorted(options) if "." not in option}


def search_words(nodes: Iterable[Any]) -> Words:
    """The English words to find each node by, joined."""
    schemas = [node.GET_SCHEMA() for node in nodes]
    return {s.node_id: ", ".join(s.search_aliases) for s in schemas if s.search_aliases}


def english_files(nodes: Iterable[Any]) -> dict[str, Words]:
    """Contents of locales/en by file name, for node classes."""
    schemas = [node.GET_SCHEMA() for node in nodes]
    parts = sorted({part for schema in schemas for part in schema.category.split("/")})
    return {
        "main.json": {
            "nodeCategories": {part: part for part in parts},
            "templateWorkflows": {"category": {FOLDER: "MultiTalk"}},
        },
        "nodeDefs.json": {node.GET_SCHEMA().node_id: describe_node(node) for node in nodes},
    }


def source_files(nodes: Iterable[Any]) -> dict[str, Words]:
    """What another language has: more than locales/en, the words of graphs and of the search."""
    nodes = list(nodes)
    english = english_files(nodes)
    more = {
        **describe_graphs(),
        CHOICE_WORDS: choices_among_files(nodes),
        SEARCH_WORDS: search_words(nodes),
    }
    return english | {"main.json": english["main.json"] | more}


def flatten(words: Words, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """All texts by their path."""
    flat: dict[tuple[str, ...], str] = {}
    for key, value in words.items():
        path = (*prefix, key)
        flat |= flatten(value, path) if isinstance(value, dict) else {path: value}
    return flat


def read_locale(language: str) -> dict[str, Words]:
    """The files of a language by name; empty where one is missing."""
    paths = {name: LOCALES / language / name for name in ("main.json", "nodeDefs.json")}
    return {
        name: json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for name, path in paths.items()
    }


def render(words: Words) -> str:
    """The text of a file."""
    return json.dumps(words, indent=1, ensure_ascii=False) + "\n"


def drop_gone(language: str, source: dict[str, Words]) -> None:
    """Take lines and slots that no graph has any more out of a language."""
    words = read_locale(language)["main.json"]
    for part in (GRAPH_WORDS, SLOT_WORDS):
        there = words[part]
        words[part] = {word: there[word] for word in source["main.json"][part] if word in there}
    (LOCALES / language / "main.json").write_text(render(words), encoding="utf-8")


def main() -> int:
    """Write or check.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Write locales/en from the node schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args().check
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    from pack.tools.host.inprocess import start_host
    from pack.tools.host.launch import stand_ins

    stand_ins()
    host = start_host(ROOT)
    nodes = read_nodes(sys.modules[host.pack_name])
    english = english_files(nodes)
    differs = english != read_locale("en")
    if not check:
        for name, words in english.items():
            (LOCALES / "en").mkdir(parents=True, exist_ok=True)
            (LOCALES / "en" / name).write_text(render(words), encoding="ascii")
        drop_gone("zh", source_files(nodes))
    elif differs:
        print("locales/en is not what the schemas give: run python tools/make/locales.py")
    wanted, there = flatten(source_files(nodes)), flatten(read_locale("zh"))
    for path in [*(p for p in wanted if p not in there), *(p for p in there if p not in wanted)]:
        print("zh lacks" if path in wanted else "zh has, but it is gone:", "/".join(path))
    return int((check and differs) or wanted.keys() != there.keys())


if __name__ == "__main__":
    sys.exit(main())
