"""A MODEL whose forwards run on several cards, for any sampler of the host.

The blocks are replaced, not the network: what the host and other nodes do before and after them
stays on the first card. Processes start when something is first sampled, and belong to the MODEL:
they end when no graph holds it any more, and with the host.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import comfy.model_management
import comfy.patcher_extension
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.parallel.exchange import Exchange, Traffic
from ...multitalk.parallel.groups import Backend, join_group
from ...multitalk.words import count
from ..loading.audio_hooks import IMAGE_TOKENS
from ..progress import Waiting
from ..sampling.lean_block import PARALLEL
from .calls import lead_call
from .cards import find_cards
from .checks import changes_of, check_changes
from .facts import facts_of
from .recipe import Recipe, host_facts
from .shards import Shards, blocks_bytes, hollow_model
from .watch import Watch
from .workers import LOAD_S, Workers, environments

logger = logging.getLogger("multitalk.nodes")

PATIENCE_S = 300.0  # seconds that a rank may take within a forward
JOIN_S = 120.0
GIB = 1 << 30


@dataclass
class Cards:
    """The other cards of a MODEL: how they come to it, and their processes while they run."""

    count: int
    recipe: Recipe
    facts: dict[str, Any]
    changes: tuple[Any, ...]  # what the MODEL's weights were when the node made it
    patience_s: float  # that a rank may take within a forward
    whole: ModelPatcher | None = None  # with blocks, where these are in shards
    shards: Shards | None = None
    shard_bytes: list[int] = field(default_factory=list)  # of the blocks, on each card
    workers: Workers | None = None
    exchange: Exchange | None = None
    started: dict[str, float] = field(default_factory=dict)  # seconds, by what was done

    @property
    def share_bytes(self) -> int:
        """Most bytes of blocks in shards that a card holds at a time; 0 for copies."""
        if self.whole is None:
            return 0
        blocks = self.facts["blocks"]
        return blocks_bytes(self.whole) * (blocks + self.count) // (blocks * self.count)

    def begin(self, shape: list[int]) -> None:
        """Have all ranks ready for latents of a shape.

        Raises:
            RuntimeError: If a process fails, or made another model than this one.
        """
        if self.workers is None or not self.workers.alive or self.exchange is None:
            others = count(self.count - 1, "other card")
            with Waiting(f"starting {others}, where the model is read too", f"started {others}"):
                self._start()
        assert self.workers is not None, "started above"
        begun = time.monotonic()
        told = self.workers.ask(
            {
                "do": "prepare",
                "shape": shape,
                "ranks": self.count,
                "shards": self.whole is not None,
            },
            timeout_s=LOAD_S,
            ranks=self.count,
        )
        if self.whole is not None:
            self._share_out(self.whole, [answer["shard bytes"] for answer in told])
        self.started["prepare"] = time.monotonic() - begun

    def _share_out(self, whole: ModelPatcher, others: list[int]) -> None:
        """This rank's shards, on its card; `others` hold so many bytes."""
        assert self.exchange is not None, "started above"
        if self.shards is None:
            self.shards = Shards(whole, self.exchange, whole.load_device)
            self.shard_bytes = [self.shards.resident_bytes, *others]
            shares = ", ".join(f"{held / GIB:.2f}" for held in self.shard_bytes)
            logger.info("[MultiTalk] blocks in shards: %s GiB on the cards", shares)
        self.shards.begin()

    def _start(self) -> None:
        """Start processes, let them load the model, and meet them."""
        self.exchange = self.shards = None
        others = find_cards(self.count)
        backend: Backend = "gloo" if others.staged else "nccl"
        if self.workers is None or not self.workers.alive:
            logger.info("[MultiTalk] starting a process for each of %d more cards", self.count - 1)
            started = environments(others.names, self.count - 1)
            self.workers = Workers(host_facts(), started)
            self.started["start"] = self.workers.start_s
        begun = time.monotonic()
        told = self.workers.ask({"do": "load", **self.recipe}, timeout_s=LOAD_S, ranks=self.count)
        self.started["load"] = time.monotonic() - begun
        for number, answer in enumerate(told, start=2):
            if answer["facts"] != self.facts:
                self.workers.close()
                raise RuntimeError(_other_model(number, self.facts, answer["facts"]))
        self._meet(backend)
        logger.info(
            "[MultiTalk] %d cards: processes %.1f s, model %.1f s",
            self.count,
            self.started.get("start", 0.0),
            self.started["load"],
        )

    def _meet(self, backend: Backend) -> None:
        assert self.workers is not None, "started before"
        place = {
            "folder": str(self.workers.folder),
            "name": f"group{time.monotonic_ns()}",
            "ranks": self.count,
            "backend": backend,
            "timeout_s": self.patience_s,
        }
        for rank in range(1, self.count):
            self.workers.tell_one(rank, {"do": "join", "rank": rank, **place})
        try:
            group = join_group(
                self.workers.folder,
                place["name"],
                rank=0,
                ranks=self.count,
                backend=backend,
                timeout_s=self.patience_s,
            )
        except RuntimeError as error:
            words = self.workers.explain(error, self.patience_s)
            raise RuntimeError(words) from error
        self.workers.ask(None, timeout_s=JOIN_S, ranks=self.count)
        self.exchange = Exchange(group)

    def run(self, network: Any, args: dict[str, Any]) -> Tensor:
        """All blocks, on all cards: [B, L, dim].

        Raises:
            RuntimeError: If a card fails; its process says why.
        """
        workers, exchange = self.workers, self.exchange
        if workers is None or exchange is None:
            raise RuntimeError(
                "MultiTalk Parallel is set and the processes of the other cards do not run. Use a "
                "sampler node of ComfyUI or of this pack for this model."
            )

        def announce(header: dict[str, Any]) -> None:
            workers.tell({"do": "blocks", "header": header}, self.count)

        blocks = network.blocks if self.shards is None else self.shards.blocks
        watch = Watch(workers, self.patience_s)
        try:
            with watch:
                return lead_call(blocks, args, exchange, announce)
        except BaseException as error:
            self.exchange = self.shards = None
            if watch.cancelled:
                comfy.model_management.throw_exception_if_processing_interrupted()
            if not isinstance(error, RuntimeError) or comfy.model_management.is_oom(error):
                workers.close()  # they wait for what does not come
                raise
            words = workers.explain(error, self.patience_s)
            raise RuntimeError(words) from error

    def rest(self) -> None:
        """Sampling is over: let the ranks give back what it held."""
        if self.shards is not None and self.whole is not None:
            self.shards.rest(self.whole.offload_device)
        if self.workers is not None and self.workers.alive and self.exchange is not None:
            self.workers.ask({"do": "rest"}, timeout_s=JOIN_S, ranks=self.count)

    @property
    def traffic(self) -> Traffic | None:
        """Bytes that this rank sent."""
        return None if self.exchange is None else self.exchange.traffic


def split_model(model: ModelPatcher, cards: Cards) -> ModelPatcher:
    """A clone whose blocks run on several cards."""
    clone = model.clone()
    clone.attachments[PARALLEL] = cards
    network = clone.model.diffusion_model

    def first(args: dict[str, Any], _extra: dict[str, Any]) -> dict[str, Any]:
        return {"img": cards.run(network, args)}

    def other(args: dict[str, Any], _extra: dict[str, Any]) -> dict[str, Any]:
        return {"img": args["img"]}

    for index in range(len(network.blocks)):
        clone.set_model_patch_replace(other if index else first, "dit", "double_block", index)
    kinds = comfy.patcher_extension.WrappersMP

    def around(executor: Any, noise: Tensor, *args: Any, **more: Any) -> Tensor:
        check_changes(executor.class_obj.model_patcher, cards.changes)
        cards.begin(list(noise.shape))
        try:
            return executor(noise, *args, **more)
        finally:
            cards.rest()

    clone.add_wrapper_with_key(kinds.OUTER_SAMPLE, PARALLEL, around)
    clone.add_wrapper_with_key(kinds.DIFFUSION_MODEL, PARALLEL, note_picture)
    return clone


def note_picture(
    executor: Any,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    clip_fea: Tensor | None = None,
    time_dim_concat: Tensor | None = None,
    transformer_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Tensor:
    """Diffusion-model wrapper: say how many rows of the text are the picture's."""
    options = transformer_options if transformer_options is not None else {}
    options[IMAGE_TOKENS] = None if clip_fea is None else clip_fea.shape[-2]
    return executor(x, timestep, context, clip_fea, time_dim_concat, options, **kwargs)


def on_cards(model: ModelPatcher, count: int, recipe: Recipe, *, shards: bool) -> ModelPatcher:
    """A MODEL that `check_model` accepts on several cards, each with all weights or a share."""
    held = hollow_model(model) if shards else model
    cards = Cards(
        count=count,
        recipe=recipe,
        facts=facts_of(model),
        changes=changes_of(held),
        patience_s=PATIENCE_S,
        whole=model if shards else None,
    )
    return split_model(held, cards)


def _other_model(number: int, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Where two descriptions differ, as a sentence."""
    different = [f"{n}: {theirs.get(n)} there, {v} here" for n, v in ours.items() if theirs[n] != v]
    return (
        f"Card {number} came to another model than the first ({'; '.join(different)}). Were files "
        "changed while ComfyUI ran? Queue the graph again; if that does not help, start ComfyUI "
        "anew."
    )
