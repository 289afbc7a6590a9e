"""What the process of another card does on request: join, load the model, run blocks."""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.model_management
import execution
import server
import torch
from comfy.model_patcher import ModelPatcher

from ...multitalk.parallel.exchange import Exchange
from ...multitalk.parallel.groups import join_group
from ..loading.audio_hooks import KEY
from .calls import Replica, join_call
from .facts import facts_of
from .shards import Shards, drop_blocks, hollow_model

TAKE = "MultiTalkParallelTake"
_CACHES = {"lru": 0, "ram": 0, "ram_inactive": 0}

Request = dict[str, Any]
Answer = Callable[[Request], None]


class Take:
    """The end of the part of a prompt that makes the model."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()
    FUNCTION = "take"
    taken: ModelPatcher

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - the host's name
        """What the host asks of every node."""
        return {"required": {"model": ("MODEL",)}}


class Server:
    """One process: its place among the ranks, and its model."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._model: ModelPatcher | None = None
        self._replica: Replica | None = None
        self._exchange: Exchange | None = None
        self._hollow: ModelPatcher | None = None
        self._shards: Shards | None = None
        self._loaded_modules: set[str] = set()
        self._executor = execution.PromptExecutor(
            server.PromptServer.instance,
            cache_type=execution.CacheType.CLASSIC,
            cache_args=_CACHES,
        )

    def join(self, request: Request) -> None:
        """Take a place among the ranks."""
        group = join_group(
            Path(request["folder"]),
            request["name"],
            rank=request["rank"],
            ranks=request["ranks"],
            backend=request["backend"],
            timeout_s=request["timeout_s"],
        )
        self._exchange = Exchange(group)
        self._answer({"done": "join"})

    def load(self, request: Request) -> None:
        """Make the model, by the nodes that made it in the first process."""
        for parent, path in request["modules"]:
            if path not in self._loaded_modules:
                asyncio.run(execution.nodes.load_custom_node(path, module_parent=parent))
                self._loaded_modules.add(path)
        taken: list[ModelPatcher] = []

        def take(_self: Take, model: ModelPatcher) -> tuple[()]:
            taken.append(model)
            return ()

        execution.nodes.NODE_CLASS_MAPPINGS[TAKE] = type("Taking", (Take,), {"take": take})
        end = {"class_type": TAKE, "inputs": {"model": request["output"]}}
        prompt = {**request["prompt"], TAKE: end}
        self._executor.execute(prompt, TAKE, {}, [TAKE])
        if not taken:
            told = [data for event, data in self._executor.status_messages if "error" in event]
            words = told[0].get("exception_message", "").strip() if told else "no model came"
            raise RuntimeError(words)
        self._model, self._replica = taken[0], None
        self._hollow = self._shards = None
        self._answer({"done": "load", "facts": facts_of(self._model)})

    def prepare(self, request: Request) -> None:
        """Bring the model onto the card, for latents of this shape."""
        model = self._model
        assert model is not None, "prepare before load"
        shards = self._share_out(model) if request["shards"] else None
        if self._hollow is not None:
            model = self._hollow
        share = model.memory_required(request["shape"]) / request["ranks"]
        others = model.get_nested_additional_models()
        comfy.model_management.load_models_gpu([model, *others], memory_required=share)
        model.pre_run()
        parts = model.get_additional_models_with_key(KEY)
        self._replica = Replica(
            blocks=model.model.diffusion_model.blocks if shards is None else shards.blocks,
            part=parts[0].model if parts else None,
            options=model.model_options["transformer_options"],
            device=model.load_device,
        )
        held = 0 if shards is None else shards.resident_bytes
        self._answer({"done": "prepare", "shard bytes": held})

    def _share_out(self, model: ModelPatcher) -> Shards:
        """Shards of the blocks, once, and the rest of the model for the host."""
        if self._shards is None:
            assert self._exchange is not None, "shards before join"
            self._hollow = hollow_model(model)
            self._shards = Shards(model, self._exchange, model.load_device)
            drop_blocks(model)
        return self._shards

    def blocks(self, request: Request) -> None:
        """One forward; its answer is its share of the tokens."""
        assert self._replica is not None, "blocks before prepare"
        assert self._exchange is not None, "blocks before join"
        join_call(self._replica, request["header"], self._exchange)

    def rest(self, _request: Request) -> None:
        """Sampling is over."""
        used = self._hollow or self._model
        if used is not None:
            used.cleanup()
        self._replica = None
        self._answer({"done": "rest"})


_DOES: dict[str, Callable[[Server, Request], None]] = {
    "join": Server.join,
    "load": Server.load,
    "prepare": Server.prepare,
    "blocks": Server.blocks,
    "rest": Server.rest,
}


def serve(requests: queue.Queue[Request], answer: Answer) -> None:
    """Answer requests until there are no more; an error ends the process, after it is told."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    served = Server(answer)
    answer({"done": "start"})
    with torch.inference_mode():
        while True:
            request = requests.get()
            try:
                _DOES[request["do"]](served, request)
            except BaseException as error:  # noqa: BLE001 - the first process says it
                oom = comfy.model_management.is_oom(error)
                answer({"failed": str(error) or type(error).__name__, "oom": oom})
                os._exit(1)
