"""The process of another card: the host without its server, and the pack in it.

Run as a script by workers.py. It reads lines of JSON: first what the host is (recipe.py), then
requests, which serve.py answers. When the host ends, in whatever way, standard input ends, and so
does this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import sys
import threading
from typing import Any


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


def become_host(facts: dict[str, Any]) -> None:
    """Import the host as the first process has it."""
    sys.path[0] = facts["host"]
    os.chdir(facts["host"])
    sys.argv = [os.path.join(facts["host"], "main.py")]  # noqa: PTH118: no import before it is due
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


def load_pack(path: str) -> Any:
    """The pack as the host loads it; what serves requests is in it."""
    import nodes

    loaded = asyncio.run(nodes.load_custom_node(path, module_parent="custom_nodes"))
    assert loaded, path
    name = path.replace(".", "_x_")
    import importlib

    return importlib.import_module(f"{name}.nodes.parallel.serve")


def listen(requests: queue.Queue[dict[str, Any]]) -> None:
    """Requests line by line; the end of them is the end of this process, whatever it does."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Become the host, then serve."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what others print is no answer
    facts = json.loads(sys.stdin.readline())
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=listen, args=(requests,), daemon=True).start()

    def answer(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    try:
        become_host(facts)
        serve = load_pack(facts["pack"])
    except Exception as error:  # noqa: BLE001: whatever it is, the first process says it
        answer({"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    serve.serve(requests, answer)


if __name__ == "__main__":
    main()
