"""Read a prompt and change it: pictures, sounds, text, seed; find nodes by name.

Functions that set or place something change the prompt that they are given.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from .check import SCHEMA_FILE
from .failures import UsageError, mapping
from .json_text import check, parse
from .texts import brief, plain_name

FOLDER = Path(__file__).parent
UPLOADS = "api"  # folder below the host's input folder
JSON_BYTES = 64 << 20
EXAMPLE = "MultiTalkExample"
PICTURE, BOXES = 0, 3  # outputs of MultiTalkExample; its voices are 1 and 2

Prompt = dict[str, dict]
Ends = list[tuple[str, str]]  # inputs by node and name


def graph_names() -> list[str]:
    """Names of the prompts of this folder, without `.json`."""
    return sorted(p.stem for p in FOLDER.glob("*.json") if p.name != SCHEMA_FILE.name)


def read_prompt(graph: str) -> Prompt:
    """Read a prompt, one of `graph_names` or a file in API form; UsageError if it is neither."""
    names = graph_names()
    path = FOLDER / f"{graph}.json" if graph in names else Path(graph)
    try:
        value = read_json(path, "GRAPH")
    except OSError as error:
        raise UsageError(
            f"{graph} is neither a graph of this pack nor a file.",
            field="GRAPH",
            hint=f"Graphs: {', '.join(names)}.{similar(graph, names)}",
        ) from error
    if isinstance(value, dict) and isinstance(value.get("nodes"), list):
        raise UsageError(
            f"{path} is a graph in the editor's form; the host takes the API's form.",
            field="GRAPH",
            hint="In the editor choose File, Export (API).",
        )
    prompt = value if _is_prompt(value) else _unwrapped(value)
    if not _is_prompt(prompt):
        raise UsageError(
            f"{path} is no prompt in the API's form: nodes by their ids.",
            field="GRAPH",
            hint="In the editor choose File, Export (API).",
        )
    for node in prompt.values():
        node.pop("is_changed", None)  # the host's own note in its history; often NaN
    with _usable(path, "GRAPH"):
        check(prompt, finite=True)
    return prompt


@contextlib.contextmanager
def _usable(path: Path, field: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        text = f"{path} is no JSON that can be used: {brief(error, 200)}."
        raise UsageError(text, field=field) from error


def read_json(path: Path, field: str, *, finite: bool = False) -> Any:
    """Read a JSON file that an option or argument names; UsageError if it holds something else.

    `finite` refuses NaN and numbers without end.
    """
    with path.open("rb") as file:
        data = file.read(JSON_BYTES + 1)
    with _usable(path, field):
        if len(data) > JSON_BYTES:
            raise ValueError(f"it is longer than {JSON_BYTES >> 20} MiB")
        return parse(data, finite=finite)


def _unwrapped(value: object) -> object:
    """The prompt of what a program posts to /prompt, reads from /history or from a picture."""
    inner = mapping(value).get("prompt")
    if isinstance(inner, list) and len(inner) > 2:  # number, id, prompt
        return inner[2]
    if isinstance(inner, str):
        with contextlib.suppress(ValueError):
            return parse(inner)
    return inner


def _is_prompt(value: object) -> TypeGuard[Prompt]:
    return isinstance(value, dict) and bool(value) and all(map(_is_node, value.values()))


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


def similar(word: str, words: Iterable[str]) -> str:
    """Ask, after a blank, whether another of some words was meant; empty if none is near."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def is_link(value: object) -> TypeGuard[list]:
    """Tell whether an input comes from another node: it is `["id", number]`."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def find_nodes(prompt: Mapping[str, Mapping], *classes: str) -> list[str]:
    """Ids of the nodes of some classes, in the order of the prompt."""
    return [key for key, node in prompt.items() if node["class_type"] in classes]


def only_node(prompt: Mapping[str, Mapping], *classes: str) -> tuple[str, dict]:
    """Id and inputs of the one node of some classes."""
    (key,) = find_nodes(prompt, *classes)
    return key, prompt[key]["inputs"]


def find_node(prompt: Mapping[str, Mapping], name: str) -> str:
    """Find the id of the node that a user means by an id, title or class; UsageError if unclear.

    Capitals, blanks and a leading `MultiTalk` make no difference.
    """
    if name in prompt:
        return name
    found = [key for key, node in prompt.items() if _plain(name) in _names(node)]
    if len(found) == 1:
        return found[0]
    if found:
        text = f"{name} means the nodes {', '.join(found)}; write one of these ids."
        raise UsageError(text, field="--set")
    listed = ", ".join(f"{key} {node['class_type']}" for key, node in prompt.items())
    text = f"There is no node {name} in this graph."
    raise UsageError(text, field="--set", hint=f"Nodes: {listed}.")


def _plain(name: str) -> str:
    return "".join(name.lower().split()).removeprefix("multitalk")


def _names(node: Mapping) -> set[str]:
    title = str(mapping(node.get("_meta")).get("title", ""))
    return {_plain(node["class_type"]), _plain(title)}


def upload_name(path: Path, option: str) -> str:
    """Name a file for the host by its contents; UsageError of its option if it is unreadable."""
    try:
        if stat.S_ISCHR(path.stat().st_mode) or path.is_fifo():  # these may never end
            raise UsageError(f"{option}: {path} is no file.", field=option)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        text = f"{option}: {path} cannot be read ({error.strerror})."
        raise UsageError(text, field=option) from error
    return f"{UPLOADS}/{digest}/{plain_name(path.name)}"


def consumers(prompt: Mapping[str, Mapping], source: list) -> Ends:
    """Find the inputs that come from an output, `[id, number]`."""
    return [
        (key, field)
        for key, node in prompt.items()
        for field, value in node["inputs"].items()
        if value == source
    ]


def relink(prompt: Prompt, ends: Ends, source: list) -> None:
    """Let inputs come from another output."""
    for key, field in ends:
        prompt[key]["inputs"][field] = source


def add_node(prompt: Prompt, name: str, kind: str, **inputs: object) -> list:
    """Add a node of a class and link to its first output; the title is its id, if that is free."""
    key = name
    while key in prompt:
        key += "_"
    prompt[key] = {"class_type": kind, "inputs": inputs, "_meta": {"title": name}}
    return [key, 0]


def drop_unused(prompt: Prompt, *classes: str) -> None:
    """Take out nodes of some classes that nothing comes from, and then those before them."""
    while True:
        used = {v[0] for node in prompt.values() for v in node["inputs"].values() if is_link(v)}
        unused = [key for key in find_nodes(prompt, *classes) if key not in used]
        if not unused:
            return
        for key in unused:
            del prompt[key]


def place_images(prompt: Prompt, names: Sequence[str]) -> None:
    """Put pictures into LoadImage nodes or MultiTalk Example's place; UsageError if too many."""
    if not find_nodes(prompt, "LoadImage"):
        for example in find_nodes(prompt, EXAMPLE)[: len(names)]:
            ends = consumers(prompt, [example, PICTURE])
            relink(prompt, ends, add_node(prompt, "picture", "LoadImage", image=""))
            # The boxes belong to the example's picture. Without them: left half and right half.
            for key, field in consumers(prompt, [example, BOXES]):
                del prompt[key]["inputs"][field]
    _fill(prompt, find_nodes(prompt, "LoadImage"), "image", names, "--image")


def place_sounds(prompt: Prompt, names: Sequence[str]) -> None:
    """Put sounds, by speaker, into LoadAudio nodes or the example's place, as `place_images`."""
    if not find_nodes(prompt, "LoadAudio"):
        for example in find_nodes(prompt, EXAMPLE):
            ends = {number: consumers(prompt, [example, number]) for number in (1, 2)}
            for number in [n for n in ends if ends[n]][: len(names)]:
                link = add_node(prompt, f"voice {number}", "LoadAudio", audio="")
                relink(prompt, ends[number], link)
    nodes = _sounds_in_order(prompt)
    if not nodes and find_nodes(prompt, "MultiTalkDialogue", "MultiTalkSpeak"):
        raise UsageError(
            "--sound: this graph speaks a text itself.",
            field="--sound",
            hint="Change its text with --set, for example --set dialogue.script=TEXT.",
        )
    _fill(prompt, nodes, "audio", names, "--sound")


def _sounds_in_order(prompt: Prompt) -> list[str]:
    """LoadAudio nodes: those of MultiTalk Tracks in its order, then the others."""
    nodes = find_nodes(prompt, "LoadAudio")
    linked = [
        value[0]
        for key in find_nodes(prompt, "MultiTalkTracks")
        for field, value in sorted(prompt[key]["inputs"].items())
        if field.startswith("speakers.") and is_link(value)
    ]
    return list(dict.fromkeys([*(key for key in linked if key in nodes), *nodes]))


def _fill(
    prompt: Prompt, nodes: Sequence[str], field: str, names: Sequence[str], option: str
) -> None:
    if len(names) > len(nodes):
        raise UsageError(
            f"{option} is given {len(names)} times; this graph has {len(nodes)} "
            f"{'place' if len(nodes) == 1 else 'places'} for it.",
            field=option,
        )
    for key, name in zip(nodes, names, strict=False):
        prompt[key]["inputs"][field] = name
    drop_unused(prompt, EXAMPLE)


def set_text(prompt: Prompt, text: str) -> None:
    """Set the text that describes the video; UsageError if the graph takes none."""
    links = [node["inputs"].get("positive") for node in prompt.values()]
    sources = [prompt[link[0]]["inputs"] for link in links if is_link(link) and link[0] in prompt]
    texts = [inputs for inputs in sources if "text" in inputs]
    for inputs in texts:
        inputs["text"] = text
    if not texts:
        raise UsageError(
            "--prompt: this graph takes no text.",
            field="--prompt",
            hint="The toy's graphs have none; the toy knows no words.",
        )


def set_seed(prompt: Prompt, seed: int) -> None:
    """Set every seed, from 0; UsageError if the graph has none."""
    nodes = [node for node in prompt.values() if "seed" in node["inputs"]]
    if not nodes:
        raise UsageError("--seed: this graph has no seed.", field="--seed")
    for node in nodes:
        node["inputs"]["seed"] = seed
