"""Words for a sound, video or picture that is not chosen yet.

A new ComfyUI has no sound, so the graphs that come with the pack leave the host's loaders empty.
The host takes an empty choice for its whole folder and fails while it runs, with words of Python.
Put in its place, a sentence fails the host's own check instead: before anything runs, and with the
node marked. The editor shows it behind a button of its list of errors, so it stands under the node
too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .texts import Say

LOADERS = {
    "LoadAudio": ("audio", "sound"),
    "LoadVideo": ("file", "video"),
    "LoadImage": ("image", "picture"),
}
"""Input of a loader of the host, and what is chosen there, by its type."""
SENTENCE = "no {} is chosen yet. Choose one on this node, or upload one with its button."
OURS = "MultiTalk"
"""How the types of this pack's nodes begin."""


def listen(say: Say) -> None:
    """Look at every prompt before the host checks it, where a server lets us.

    `say` shows a sentence under a node.
    """
    from server import PromptServer

    add = getattr(getattr(PromptServer, "instance", None), "add_on_prompt_handler", None)
    if add is not None:
        add(partial(say_what_is_missing, say=say))


def say_what_is_missing(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Name the choices that are still open in a graph with nodes of this pack.

    Args:
        request: What a program sent to the host; it may hold anything.
        say: Shows a sentence under a node.

    Returns:
        The same, with a sentence in the place of every empty choice.
    """
    prompt = request.get("prompt")
    nodes = prompt.items() if isinstance(prompt, dict) else ()
    known = {key: node for key, node in nodes if isinstance(node, dict)}
    if any(str(node.get("class_type")).startswith(OURS) for node in known.values()):
        for key, node in known.items():
            name, kind = LOADERS.get(str(node.get("class_type")), ("", ""))
            inputs = node.get("inputs")
            if isinstance(inputs, dict) and inputs.get(name) == "":
                inputs[name] = sentence = SENTENCE.format(kind)
                if _is_linked(key, known):  # else nobody needs it, and the host does not look at it
                    say(sentence[0].upper() + sentence[1:], key, running=False)
    return request


def _is_linked(key: str, known: dict[str, dict[str, Any]]) -> bool:
    """Whether another node takes what this one gives."""
    all_inputs = [node["inputs"] for node in known.values() if isinstance(node.get("inputs"), dict)]
    values = (value for inputs in all_inputs for value in inputs.values())
    return any(isinstance(value, list) and value[:1] == [key] for value in values)
