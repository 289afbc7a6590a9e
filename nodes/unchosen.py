"""Words for a sound, video or picture that is not chosen yet.

A new ComfyUI has no sound, so the graphs that come with the pack leave the host's loaders empty.
The host takes an empty choice for its whole folder and fails while it runs, with words of Python.
Put in its place, a sentence fails the host's own check instead: before anything runs, and with the
node marked.
"""

from __future__ import annotations

from typing import Any

LOADERS = {
    "LoadAudio": ("audio", "sound"),
    "LoadVideo": ("file", "video"),
    "LoadImage": ("image", "picture"),
}
"""Input of a loader of the host, and what is chosen there, by its type."""
SENTENCE = "no {} is chosen yet. Choose one on this node, or upload one with its button."
OURS = "MultiTalk"
"""How the types of this pack's nodes begin."""


def listen() -> None:
    """Look at every prompt before the host checks it, where a server lets us."""
    from server import PromptServer

    add = getattr(getattr(PromptServer, "instance", None), "add_on_prompt_handler", None)
    if add is not None:
        add(say_what_is_missing)


def say_what_is_missing(request: dict[str, Any]) -> dict[str, Any]:
    """Name the choices that are still open in a graph with nodes of this pack.

    Args:
        request: What a program sent to the host; it may hold anything.

    Returns:
        The same, with a sentence in the place of every empty choice.
    """
    prompt = request.get("prompt")
    nodes = list(prompt.values()) if isinstance(prompt, dict) else []
    nodes = [node for node in nodes if isinstance(node, dict)]
    if any(str(node.get("class_type")).startswith(OURS) for node in nodes):
        for node in nodes:
            name, kind = LOADERS.get(str(node.get("class_type")), ("", ""))
            inputs = node.get("inputs")
            if isinstance(inputs, dict) and inputs.get(name) == "":
                inputs[name] = SENTENCE.format(kind)
    return request
