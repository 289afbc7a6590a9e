"""The blocks of a MODEL in shards: each card keeps a share of their weights.

The host still owns the MODEL and everything in it but the blocks; in their place it sees empty ones
and so loads nothing for them. Blocks of our own, copies without weights, get theirs one after
another: as the host would load them, LoRAs included, and then each card keeps its share alone.
"""

from __future__ import annotations

import copy
import uuid
from typing import Any

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from ...multitalk.parallel.exchange import Exchange
from ...multitalk.parallel.shards import Mesh, move, resident_bytes

BLOCKS = "diffusion_model.blocks"
FITS = 0.7  # of a card's memory may be weights; the rest is for latents and what the host holds
_PAGING = ("_v", "_pin", "_prefetch", "dynamic_")  # beginnings of names
_CHANGES = ("weight_function", "bias_function")


class HollowBlock(nn.Module):
    """Stands where the host's block was; what runs is a shard elsewhere."""


class Shards:
    """This rank's shares of all blocks."""

    def __init__(self, model: ModelPatcher, exchange: Exchange, device: torch.device) -> None:
        """Make them of a MODEL whose blocks are the host's, on a device.

        Args:
            model: With all LoRAs; it is not changed.
            exchange: Of the ranks that share.
            device: Where the shares lie while they are used.
        """
        self._device = device
        self._mesh = Mesh(exchange, device)
        self.blocks: list[nn.Module] = []
        give_back(model)
        comfy.model_management.free_memory(blocks_bytes(model) / exchange.ranks, device)
        for index in range(len(_blocks_of(model))):
            block = _loaded_block(model, index, device)
            self.blocks.append(self._mesh.shard(block))

    @property
    def resident_bytes(self) -> int:
        """Bytes of weights of the blocks that this rank holds now."""
        return sum(map(resident_bytes, self.blocks))

    def begin(self) -> None:
        """Have the shares on their device."""
        self._move(self._device)

    def rest(self, device: torch.device) -> None:
        """Leave their device to others."""
        self._move(device)

    def _move(self, device: torch.device) -> None:
        for block in self.blocks:
            move(block, device)


def hollow_model(model: ModelPatcher) -> ModelPatcher:
    """A MODEL of its own with empty blocks, for the host to load: it shares nothing that moves."""
    give_back(model)
    base = _shell(model.model, keep=True, without=_blocks_of(model))
    base.model_loaded_weight_memory = base.lowvram_patch_counter = 0
    base.model_lowvram, base.current_weight_patches_uuid = False, None
    hollow = model.clone(model_override=(base, ({}, {}, {}, set())))
    hollow.object_patches = {
        name: value for name, value in model.object_patches.items() if not _is_in_blocks(name)
    }
    hollow.size = 0  # of the new one, which the host finds out
    hollow.patches_uuid, hollow.clone_base_uuid = uuid.uuid4(), uuid.uuid4()
    return hollow


def drop_blocks(model: ModelPatcher) -> None:
    """Let go of the blocks of a MODEL that nobody else has."""
    network = model.model.diffusion_model
    network.blocks = _shell(network.blocks, without=network.blocks)


def give_back(model: ModelPatcher) -> None:
    """Have the host put the weights of a MODEL back as in its files, if it changed them."""
    if model.model.current_weight_patches_uuid is not None:
        comfy.model_management.unload_model_and_clones(model, unload_additional_models=False)


def blocks_bytes(model: ModelPatcher) -> int:
    """Bytes of the weights of all blocks."""
    return sum(parameter.nbytes for parameter in _blocks_of(model).parameters())


def wants_shards(model: ModelPatcher, choice: str) -> bool:
    """Whether blocks are shared out, by what the user chose.

    Raises:
        ValueError: If they are to be and cannot.
    """
    if choice == "copies":
        return False
    trouble = why_no_shards(model)
    if choice == "shards":
        if trouble:
            raise ValueError(
                f"weights is shards, and {trouble}. Set weights to copies, or take files in 16 bit "
                "(fp16, bf16)."
            )
        return True
    return not trouble and not _fits(model)


def why_no_shards(model: ModelPatcher) -> str:
    """What keeps the blocks of a MODEL together, as the end of a sentence; empty if nothing."""
    kinds = {type(p.data).__name__ for p in _blocks_of(model).parameters()} - {"Tensor"}
    if kinds:
        return (
            "the model's weights are quantized (GGUF, scaled fp8 or the like), which torch's FSDP2 "
            "cannot divide"
        )
    others = [
        name
        for name, value in (*model.object_patches.items(), *model.weight_wrapper_patches.items())
        if _is_in_blocks(name) and not isinstance(value, nn.Parameter)
    ]
    if others or model.injections:
        return "another node changes the blocks while the model runs, which shards would miss"
    return ""


def _is_in_blocks(name: str) -> bool:
    return name.startswith(f"{BLOCKS}.")


def _fits(model: ModelPatcher) -> bool:
    device = model.load_device
    if device.type == "cpu":
        return True
    parts = model.get_nested_additional_models()
    weights = model.model_size() + sum(part.model_size() for part in parts)
    return weights <= FITS * comfy.model_management.get_total_memory(device)


def _blocks_of(model: ModelPatcher) -> nn.ModuleList:
    return model.model.diffusion_model.blocks


def _loaded_block(model: ModelPatcher, index: int, device: torch.device) -> nn.Module:
    """A copy of a block with its weights on a device, changed by LoRAs."""
    source = _blocks_of(model)[index]
    block = _shell(source)
    with torch.inference_mode(mode=False), torch.no_grad():
        for name, _ in source.named_parameters():
            key = f"{BLOCKS}.{index}.{name}"
            weight: Any = model.object_patches.get(key)  # see `add_changes`
            if weight is None:
                weight = model.patch_weight_to_device(key, device, return_weight=True)
            owner, _, last = name.rpartition(".")
            # A copy: what the host gives may be the file itself, or made in inference.
            value = weight.detach().to(device, copy=True).contiguous()
            placed = nn.Parameter(value, requires_grad=False)
            block.get_submodule(owner).register_parameter(last, placed)
    return block


def _shell(module: nn.Module, *, keep: bool = False, without: nn.Module | None = None) -> Any:
    """A module and its parts, without what the host notes on them for paging.

    Args:
        module: It is not changed.
        keep: Whether weights are in it: the same numbers, in parameters of its own.
        without: The blocks, whose places are empty.
    """
    if module is without:
        return nn.ModuleList(HollowBlock() for _ in module.children())
    shell: Any = copy.copy(module)
    _forget(shell)
    shell._parameters = {
        name: nn.Parameter(p.data, requires_grad=False) if keep and p is not None else None
        for name, p in module._parameters.items()
    }
    shell._modules = {
        name: None if part is None else _shell(part, keep=keep, without=without)
        for name, part in module._modules.items()
    }
    return shell


def _forget(shell: nn.Module) -> None:
    """Take out of a copy what is the original's: notes of the host, changes, tables of hooks."""
    for name, value in list(vars(shell).items()):
        if name.startswith(_PAGING) or name.endswith("_lowvram_function"):
            delattr(shell, name)
        elif name in _CHANGES:
            setattr(shell, name, [])
        elif isinstance(value, dict):
            setattr(shell, name, copy.copy(value))
