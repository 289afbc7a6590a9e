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
import torch
from comfy.ldm.wan import model as wan
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.parallel.exchange import Exchange, Traffic
from ...multitalk.parallel.groups import Backend, join_group
from ..loading.audio_hooks import IMAGE_TOKENS, KEY, add_audio, place_tokens
from ..loading.experts import low_noise_of
from ..sampling.lean_block import PARALLEL, changed_blocks
from .calls import lead_call
from .cards import find_cards
from .facts import facts_of
from .recipe import Recipe, host_facts
from .workers import LOAD_S, Workers, environments

logger = logging.getLogger("multitalk.nodes")

PATIENCE_S = 600.0  # seconds that a rank may take within a forward
JOIN_S = 120.0
_OWN_PATCHES = (place_tokens, add_audio)
_INSIDE = ("attn1_patch", "attn2_patch", "double_block")  # patches that see tokens of the blocks


@dataclass
class Cards:
    """The other cards of a MODEL: how they come to it, and their processes while they run."""

    count: int
    recipe: Recipe
    facts: dict[str, Any]
    changes: tuple[Any, ...]  # what the MODEL's weights were when the node made it
    patience_s: float  # that a rank may take within a forward
    workers: Workers | None = None
    exchange: Exchange | None = None
    started: dict[str, float] = field(default_factory=dict)  # seconds, by what was done

    def begin(self, shape: list[int]) -> None:
        """Have all ranks ready for latents of a shape.

        Raises:
            RuntimeError: If a process fails, or made another model than this one.
        """
        if self.workers is None or not self.workers.alive or self.exchange is None:
            self._start()
        assert self.workers is not None, "started above"
        begun = time.monotonic()
        self.workers.ask(
            {"do": "prepare", "shape": shape, "ranks": self.count},
            timeout_s=LOAD_S,
            ranks=self.count,
        )
        self.started["prepare"] = time.monotonic() - begun

    def _start(self) -> None:
        """Start processes, let them load the model, and meet them."""
        self.exchange = None
        others = find_cards(self.count)
        backend: Backend = "gloo" if others.staged else "nccl"
        if self.workers is None or not self.workers.alive:
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
                timeout_s=min(JOIN_S, self.patience_s),
            )
        except RuntimeError as error:
            raise self.workers.explain(error, JOIN_S) from error
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
                "MultiTalk Parallel is set and its processes do not run. Sample this MODEL with a "
                "sampler node of ComfyUI or of this pack."
            )

        def announce(header: dict[str, Any]) -> None:
            workers.tell({"do": "blocks", "header": header}, self.count)

        try:
            return lead_call(network, args, exchange, announce)
        except BaseException as error:
            self.exchange = None
            if not isinstance(error, RuntimeError) or comfy.model_management.is_oom(error):
                workers.close()  # they wait for what does not come
                raise
            raise workers.explain(error, self.patience_s) from error

    def rest(self) -> None:
        """Sampling is over: let the ranks give back what it held."""
        if self.workers is not None and self.exchange is not None:
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
        _check_changes(executor.class_obj.model_patcher, cards)
        cards.begin(list(noise.shape))
        out = executor(noise, *args, **more)
        cards.rest()
        return out

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


def check_model(model: ModelPatcher, count: int) -> None:
    """Refuse a MODEL whose forward cannot be split.

    Raises:
        ValueError: If it is no WAN model, its heads do not divide, or other nodes look inside.
    """
    network = getattr(model.model, "diffusion_model", None)
    if type(network) is not wan.WanModel:
        raise ValueError(
            f"The model is of another kind ({type(network).__name__}); MultiTalk Parallel splits "
            "WAN 2.1 models, I2V and T2V, not VACE. Connect such a model, or leave the node out."
        )
    if network.num_heads % count:
        fitting = [str(n) for n in range(2, network.num_heads + 1) if network.num_heads % n == 0]
        raise ValueError(
            f"cards is {count}; the model has {network.num_heads} attention heads, and each card "
            f"takes the same number of them. Use {_listed(fitting[:6])}."
        )
    if low_noise_of(model) is not None:
        raise ValueError(
            "The model holds both experts of WAN 2.2; MultiTalk Parallel splits one. Use a WAN 2.1 "
            "model, or leave the node out."
        )
    if PARALLEL in model.attachments or model.get_additional_models_with_key("multigpu"):
        raise ValueError(
            "The model is split over several cards already. Keep one of the nodes that do it."
        )
    patches = model.model_options.get("transformer_options", {}).get("patches", {})
    others = [p for kind in _INSIDE for p in patches.get(kind, ()) if p not in _OWN_PATCHES]
    if others or changed_blocks(model.model_options, network.blocks):
        raise ValueError(
            "Another node before MultiTalk Parallel changes the inside of the model's blocks (it "
            "compiles, replaces or patches them) and would see some of the tokens only. Take that "
            "node out; loaders, LoRAs and MultiTalk Attach may stand before this one."
        )


def changes_of(model: ModelPatcher) -> tuple[Any, ...]:
    """What tells whether weights were changed, or an audio part attached, since."""
    parts = model.get_additional_models_with_key(KEY)
    return tuple((id(p.model), p.patches_uuid, _replaced(p)) for p in (model, *parts))


def _replaced(patcher: ModelPatcher) -> int:
    """Parameters that are replaced as objects; see `add_changes`."""
    values = patcher.object_patches.values()
    return sum(isinstance(value, torch.nn.Parameter) for value in values)


def cards_for(model: ModelPatcher, count: int, recipe: Recipe) -> Cards:
    """The cards of a MODEL that `check_model` accepts."""
    return Cards(
        count=count,
        recipe=recipe,
        facts=facts_of(model),
        changes=changes_of(model),
        patience_s=PATIENCE_S,
    )


def _check_changes(model: ModelPatcher, cards: Cards) -> None:
    """Refuse a MODEL that later nodes changed: the other cards know nothing of it."""
    if changes_of(model) != cards.changes:
        raise ValueError(
            "A node after MultiTalk Parallel changes the model's weights (a LoRA, or MultiTalk "
            "Attach), which the other cards would not have. Put MultiTalk Parallel last, right "
            "before the sampler."
        )


def _other_model(number: int, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Where two descriptions differ, as a sentence."""
    different = [f"{n}: {theirs.get(n)} there, {v} here" for n, v in ours.items() if theirs[n] != v]
    return (
        f"Card {number} came to another model than the first ({'; '.join(different)}). Were files "
        "changed while ComfyUI ran? Queue the graph again; if that does not help, start ComfyUI "
        "anew."
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
