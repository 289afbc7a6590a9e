"""The process of another card: the host without its server, and the pack in it.

Run as a script by workers.py. It reads lines of JSON: first what the host is (recipe.py), then
requests, which serve.py answers. When the host ends, in whatever way, standard input ends, and so
does this process.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import IO, Any


class Nobody:
    """Stands where the host's web server would be; nobody listens."""

    client_id = None
    last_node_id = None
    last_prompt_id = ""

    def __init__(self) -> None:
        from aiohttp import web

        self.sockets_metadata: dict[str, Any] = {}
        self.routes = web.RouteTableDef()

    def send_sync(self, *_args: object, **_more: object) -> None:
        """What the editor would be told."""

    def send_progress_text(self, *_args: object, **_more: object) -> None:
        """What would stand under a node."""

    def add_on_prompt_handler(self, *_args: object) -> None:
        """No prompt comes here."""


def become_host(facts: dict[str, Any]) -> Any:
    """Import the host as the first process has it, and the pack; the room that serves."""
    sys.path[0] = facts["host"]
    os.chdir(facts["host"])
    sys.argv = [f"{facts['host']}/main.py"]
    import comfy.cli_args

    for name, value in facts["arguments"].items():
        setattr(comfy.cli_args.args, name, value)
    feature = getattr(comfy.cli_args, "PerformanceFeature", None)
    if feature is not None:
        comfy.cli_args.args.fast = {feature(value) for value in facts["fast"]}
    import folder_paths

    folder_paths.base_path = facts["base"]
    for name, (paths, suffixes) in facts["folders"].items():
        folder_paths.folder_names_and_paths[name] = (paths, set(suffixes))
    for name, place in facts["places"].items():
        getattr(folder_paths, f"set_{name}_directory")(place)
    import server

    server.PromptServer.instance = Nobody()
    import execution

    pack = facts["pack"]
    loaded = asyncio.run(execution.nodes.load_custom_node(pack, module_parent="custom_nodes"))
    assert loaded, pack
    return importlib.import_module(f"{pack.replace('.', '_x_')}.nodes.parallel.serve")


def listen(lines: IO[str], requests: queue.Queue[dict[str, Any]]) -> None:
    """Requests line by line; the end of them is the end of this process, whatever it does."""
    for line in lines:
        requests.put(json.loads(line))
    os._exit(0)


def main(begin: Callable[[dict[str, Any]], Any]) -> None:
    """Read what the host is, `begin` with it and get the room that serves, then serve."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what others print is no answer
    lines = os.fdopen(0, encoding="utf-8", closefd=False)
    facts = json.loads(lines.readline())
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=listen, args=(lines, requests), daemon=True).start()

    def answer(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    try:
        room = begin(facts)
    except Exception as error:  # noqa: BLE001 - whatever it is, the first process says it
        answer({"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    room.serve(requests, answer)


if __name__ == "__main__":
    main(become_host)
