"""Where an error is said: under the node that found it, and where its value was typed.

The editor hides the words of an error behind a button, and often a sampler finds what was typed
three nodes before it. A sentence of ours names the input of its node that it speaks of, or the file
that was chosen; from there the prompt leads to the node where a user typed or chose the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import execution
from comfy_execution.graph_utils import is_link
from comfy_execution.progress import get_progress_state

from .progress import send_event, send_text

# web/error_texts.js takes the sentence away when the next run begins.
EVENT = "multitalk_error_text"
OTHER_WORDS = {"image": "picture"}  # what sentences call an input beside its name
MIN_FILE_LETTERS = 5  # shorter texts of widgets may stand in a sentence by chance


def say_error(sentence: str, node_id: str | None, *, running: bool) -> None:
    """Show a sentence under a node, and under the one where the value was typed.

    Args:
        sentence: What is wrong and what to do.
        node_id: The node that found it; None: none is known, and nothing is shown.
        running: A prompt runs, which tells where values come from; it does not while the host
            still looks at a prompt.
    """
    if node_id is None:
        return
    places = [node_id]
    if running:
        prompt = get_progress_state().dynprompt
        if prompt.has_node(node_id):
            found = [node_id, *_typed_at(prompt, node_id, sentence)]
            places = [prompt.get_display_node_id(found_id) for found_id in found]
    shown = (surface for place in places for surface in _surfaces(place))
    send_event(EVENT, {"sentence": sentence})
    for place in dict.fromkeys(shown):
        send_text(sentence, place)


def _surfaces(node_id: str) -> Iterator[str]:
    """A node, and the subgraphs around it: the editor shows only what is open.

    A node inside a subgraph has the id of the subgraph's node before its own, with a colon.
    """
    yield node_id
    while ":" in node_id:
        node_id = node_id.rpartition(":")[0]
        yield node_id


def _typed_at(prompt: Any, node_id: str, sentence: str) -> Iterator[str]:
    """The node where the value that a sentence speaks of was typed; none if it is this node."""
    by_file = _holder(prompt, node_id, sentence)
    if by_file is not None:
        yield by_file
        return
    inputs = prompt.get_node(node_id)["inputs"]
    named = _first_named(inputs, sentence)
    if named is not None and is_link(inputs[named]):
        yield _beginning(prompt, inputs[named])


def _first_named(inputs: Mapping[str, Any], sentence: str) -> str | None:
    """The input that a sentence names first: by the last part of its name, or one of many."""
    found: dict[int, str] = {}
    for name in inputs:
        own = name.rpartition(".")[2]
        words = {own, re.sub("(?<=x)es$|s$", "", own), OTHER_WORDS.get(own, own)}
        word = re.search(rf"(?<!\w)({'|'.join(map(re.escape, words))})(?!\w)", sentence)
        if own and word:
            found.setdefault(word.start(), name)
    return found[min(found)] if found else None


def _holder(prompt: Any, node_id: str, sentence: str) -> str | None:
    """The nearest node up from this one in which a file was chosen that the sentence names."""
    queue, seen = [node_id], set()
    while queue:
        current = queue.pop(0)
        if current in seen or not prompt.has_node(current):
            continue
        seen.add(current)
        inputs = prompt.get_node(current)["inputs"].values()
        if any(_is_file_in(value, sentence) for value in inputs):
            return current
        queue += [value[0] for value in inputs if is_link(value)]
    return None


def _is_file_in(value: object, sentence: str) -> bool:
    name = PurePath(value.replace("\\", "/")).name if isinstance(value, str) else ""
    return len(name) >= MIN_FILE_LETTERS and "." in name.strip(".") and name in sentence


def _beginning(prompt: Any, link: list[Any]) -> str:
    """Up a link to where its value begins: past nodes that only pass one of its kind on.

    A node that joins two of a kind, or makes one of other things, is where it begins.
    """
    seen: set[str] = set()
    while link[0] not in seen and prompt.has_node(link[0]):
        seen.add(link[0])
        kind = _kind(prompt, link)
        inputs = prompt.get_node(link[0])["inputs"].values()
        same = [value for value in inputs if is_link(value) and _kind(prompt, value) in (kind, "*")]
        if kind == "*":  # such as a reroute
            same = [value for value in inputs if is_link(value)]
        if len(same) != 1:
            break
        link = same[0]
    return link[0]


def _kind(prompt: Any, link: list[Any]) -> object:
    """What a link carries; "*" if its node does not say."""
    if not prompt.has_node(link[0]):
        return None
    class_type = prompt.get_node(link[0])["class_type"]
    kinds = getattr(execution.nodes.NODE_CLASS_MAPPINGS.get(class_type), "RETURN_TYPES", ())
    return kinds[link[1]] if link[1] < len(kinds) else "*"
