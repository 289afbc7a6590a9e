"""The pinned ComfyUI inside the test process: real nodes, real execution, real tensors.

Second tier of tests (host.md section 7): a prompt takes a fraction of a second, and outputs are
objects. The HTTP tier is in tests/host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import uuid
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CACHE_ARGS = {"lru": 0, "ram": 0, "ram_inactive": 0}


@dataclass
class Result:
    """What a prompt did."""

    prompt_id: str
    ok: bool
    error: dict[str, Any] | None
    executed: list[str]  # node ids that really ran
    outputs: dict[str, list[Any]]
    events: list[tuple[str, dict[str, Any]]]


@dataclass
class Recorder:
    """Stands where the host's web server would be."""

    client_id: str = "tests"
    last_node_id: str | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    last_prompt_id: str = ""
    sockets_metadata: dict[str, Any] = field(default_factory=dict)

    def send_sync(self, event, data, sid=None):
        self.events.append((event, data))

    def progress(self, value, total, preview, node_id=None):
        data = {"value": value, "max": total, "node": node_id, "preview": preview}
        self.events.append(("progress", data))

    def send_progress_text(self, text, node_id, sid=None):
        self.events.append(("text", {"text": text, "node": node_id}))


@dataclass
class Host:
    """Handle on the loaded host."""

    root: Path  # the pack
    base: Path  # the host's base directory
    pack_name: str  # name of the pack's package in sys.modules
    recorder: Recorder
    load_modules: set[str]  # what loading the pack imported
    load_sockets: list[Any]  # connections that loading the pack tried
    kept: Any = None  # the executor of `rerun`

    def module(self, name: str) -> Any:
        """A module of the pack as the host loaded it, for example `nodes.guider`."""
        return sys.modules[f"{self.pack_name}.{name}"]

    def node(self, name: str) -> Any:
        """A node class."""
        import nodes

        return nodes.NODE_CLASS_MAPPINGS[name]

    def executor(self, cache: str = "classic") -> Any:
        """A fresh prompt executor; `cache` is classic or none."""
        import execution

        kind = {"classic": execution.CacheType.CLASSIC, "none": execution.CacheType.NONE}[cache]
        return execution.PromptExecutor(self.recorder, cache_type=kind, cache_args=CACHE_ARGS)

    def rerun(self, prompt: dict[str, Any], last: str = "sampler") -> Result:
        """Run a graph whose node `last` and what follows are always new.

        What comes before is from the host's cache where the prompt of the last `rerun` had it too,
        as for a user who queues a graph again.
        """
        self.kept = self.kept or self.executor()
        outputs = self.kept.caches.outputs
        result = self.run(prompt, self.kept)
        for name in followers(prompt, last) if outputs.initialized else ():
            outputs.cache.pop(outputs.cache_key_set.get_data_key(name), None)
        return result

    def run(
        self, prompt: dict[str, Any], executor: Any = None, extra: dict[str, Any] | None = None
    ) -> Result:
        """Validate and execute an API prompt; `extra` is what its sender puts into extra_data."""
        import execution

        executor = executor or self.executor()
        self.recorder.events.clear()
        prompt_id = str(uuid.uuid4())
        valid = asyncio.run(execution.validate_prompt(prompt_id, prompt, None))
        if not valid[0]:
            refused = {"validation": valid[1], "nodes": valid[3]}
            return Result(prompt_id, ok=False, error=refused, executed=[], outputs={}, events=[])
        extra = {"client_id": self.recorder.client_id, **(extra or {})}
        executor.execute(prompt, prompt_id, extra, valid[2])
        error = next(
            (d for e, d in self.recorder.events if e == "execution_error"),
            next((d for e, d in self.recorder.events if e == "execution_interrupted"), None),
        )
        outputs: dict[str, list[Any]] = {}
        asyncio.run(_read_outputs(executor, prompt, outputs))
        executed = [d["node"] for e, d in self.recorder.events if e == "executing" and d["node"]]
        return Result(
            prompt_id, executor.success, error, executed, outputs, list(self.recorder.events)
        )


def followers(prompt: dict[str, Any], first: str) -> set[str]:
    """A node of a prompt and all that hang on it."""
    found = {first}
    while more := {
        name
        for name, entry in prompt.items()
        if name not in found
        and any(isinstance(value, list) and value[0] in found for value in entry["inputs"].values())
    }:
        found |= more
    return found


async def _read_outputs(executor: Any, prompt: Any, outputs: dict[str, list[Any]]) -> None:
    """Fill `outputs`; returned, asyncio would make a text of every tensor in them."""
    for node_id in prompt:
        try:
            entry = await executor.caches.outputs.get(node_id)
        except AttributeError:
            continue
        if entry is not None:
            outputs[node_id] = entry.outputs


def find_checkout(root: Path) -> Path:
    """Where the pinned ComfyUI is."""
    return Path(os.environ.get("COMFYUI_DIR", root / ".host"))


def start_host(root: Path, *, bf16_vae: bool = False) -> Host:
    """Import the host in this process and load the pack; `bf16_vae` as the host's own flag."""
    base, recorder = import_host(find_checkout(root), bf16_vae=bf16_vae)
    import nodes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules, sockets = asyncio.run(_load_pack(nodes, root))
    return Host(
        root=root,
        base=base,
        pack_name=str(root).replace(".", "_x_"),
        recorder=recorder,
        load_modules=modules,
        load_sockets=sockets,
    )


def import_host(checkout: Path, *, bf16_vae: bool = False) -> tuple[Path, Recorder]:
    """Import the host without any pack; its base folder, and what stands for its web server."""
    base = Path(tempfile.mkdtemp(prefix="multitalk-host-"))
    import_modules(checkout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import comfy.cli_args
        import folder_paths
        import nodes

        comfy.cli_args.args.bf16_vae = bf16_vae

        folder_paths.base_path = str(base)
        for name in ("output", "input", "temp", "user"):
            (base / name).mkdir()
            getattr(folder_paths, f"set_{name}_directory")(str(base / name))
        recorder = Recorder()
        import comfy.utils
        import server

        server.PromptServer.instance = recorder
        comfy.utils.set_progress_bar_global_hook(recorder.progress)
        asyncio.run(_load_extras(nodes, checkout))
    return base, recorder


@cache
def import_modules(checkout: Path) -> None:
    """Import the host's modules, for the CPU; processes forked later need not do it again."""
    assert (checkout / "main.py").is_file(), f"no ComfyUI in {checkout}; run python dev.py test"
    sys.path.insert(0, str(checkout))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the host's own imports
        import comfy.cli_args

        comfy.cli_args.args.cpu = True
        comfy.cli_args.args.use_pytorch_cross_attention = True
        import comfy_extras  # noqa: F401
        import nodes  # noqa: F401


async def _load_extras(nodes: Any, checkout: Path) -> None:
    for extra in ("nodes_audio", "nodes_video", "nodes_custom_sampler", "nodes_wan", "nodes_mask"):
        path = checkout / "comfy_extras" / f"{extra}.py"
        assert await nodes.load_custom_node(str(path), module_parent="comfy_extras"), extra


async def _load_pack(nodes: Any, root: Path) -> tuple[set[str], list[Any]]:
    """Load the pack and the test nodes; imports and connections of the pack alone."""
    attempts: list[Any] = []
    connect = socket.socket.connect
    socket.socket.connect = lambda *args: attempts.append(args)  # type: ignore[method-assign]
    before = set(sys.modules)
    assert await nodes.load_custom_node(str(root), module_parent="custom_nodes"), "pack"
    modules = set(sys.modules) - before
    socket.socket.connect = connect  # type: ignore[method-assign]
    test_nodes = str(root / "tools" / "host" / "nodes_for_tests.py")
    assert await nodes.load_custom_node(test_nodes, module_parent="custom_nodes"), "test nodes"
    return modules, attempts
