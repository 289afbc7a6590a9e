"""How another process comes to the same MODEL: the part of the prompt that makes it, and the host.

All of it is plain data. The other process reads the same files with the same nodes, so GGUF,
quantized files and LoRAs of whatever loader are there as they are here.
"""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.cli_args
import execution
import folder_paths
from comfy_execution.graph_utils import is_link

# As the host loaded it, which may be a link: loaded by two names, its functions would be two.
PACK = Path(__file__).parents[2]
PACK_NAME = __name__.removesuffix(".nodes.parallel.recipe")
OWN_PLACES = ("output", "input", "temp", "user")
# Where the first card is, is nothing to the others; what is left out has no part in loading.
_OWN_ARGUMENTS = ("cuda_device", "default_device")

Recipe = dict[str, Any]


def recipe_of(dynprompt: Any, node_id: str, socket: str) -> Recipe:
    """The nodes that make what is linked to a socket, as plain data.

    Raises:
        ValueError: If nothing tells where the value comes from.
    """
    link = dynprompt.get_node(node_id)["inputs"].get(socket)
    if link is None or not is_link(link):
        raise ValueError(
            f"{socket} is not linked to a node, so other cards cannot load the same model. "
            "Connect it to the loader."
        )
    prompt: dict[str, Any] = {}
    waiting: list[str] = [link[0]]
    while waiting:
        current = waiting.pop()
        if current in prompt:
            continue
        node = dynprompt.get_node(current)
        prompt[current] = {"class_type": node["class_type"], "inputs": dict(node["inputs"])}
        waiting += [value[0] for value in node["inputs"].values() if is_link(value)]
    recipe = {"prompt": prompt, "output": list(link), "modules": sorted(_modules_of(prompt))}
    try:
        return json.loads(json.dumps(recipe))
    except TypeError as error:
        raise ValueError(
            f"{socket} comes from nodes whose values cannot be handed to other cards. "
            "Connect it to the loader."
        ) from error


def _modules_of(prompt: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Files and folders that define the nodes of a prompt, and what kind of module they are."""
    for node in prompt.values():
        kind = execution.nodes.NODE_CLASS_MAPPINGS[node["class_type"]]
        parent, _, name = getattr(kind, "RELATIVE_PYTHON_MODULE", "").partition(".")
        if not name or kind.__module__.startswith(f"{PACK_NAME}."):
            continue  # of the host itself, or ours, which is there already
        module = sys.modules[kind.__module__]
        path = Path(module.__file__ or "")
        while path.parent != path and path.stem != name and path.name != name:
            path = path.parent
        if path.parent != path:
            yield parent, str(path)


def host_facts() -> dict[str, Any]:
    """What another process needs to be the same host: its folders and how it was started."""
    arguments = {
        name: value
        for name, value in vars(comfy.cli_args.args).items()
        if name not in _OWN_ARGUMENTS and _is_plain(value)
    }
    fast = [kind.value for kind in getattr(comfy.cli_args.args, "fast", None) or ()]
    return {
        "host": str(Path(str(execution.__file__)).parent),
        "pack": str(PACK),
        "arguments": arguments,
        "fast": fast,
        "base": folder_paths.base_path,
        "folders": {
            name: [list(paths), sorted(suffixes)]
            for name, (paths, suffixes) in folder_paths.folder_names_and_paths.items()
        },
        "places": {name: getattr(folder_paths, f"get_{name}_directory")() for name in OWN_PLACES},
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    plain = value is None or isinstance(value, (bool, int, float, str))
    return plain and not isinstance(value, enum.Enum)
