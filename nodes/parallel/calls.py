"""One forward of the blocks, told by the first card to the others: plain data and tensors.

A header of plain data goes ahead (JSON, through the pipe of each process) and says which tensors
follow; these go through the process group. Nothing that runs as code ever travels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...multitalk.model.audio_attention import AudioPart, SpeakerAxis
from ...multitalk.parallel.exchange import Exchange, TokenSplit
from ..loading.audio_hooks import (
    CALL,
    IMAGE_TOKENS,
    OVERRIDE,
    RUN,
    AudioCall,
    AudioRun,
    Routing,
    of_device,
)
from ..sampling.attention_choice import ChosenAttention, chosen_attention
from ..sampling.lean_block import ONE_BEGINNING
from .split_blocks import run_stretch

Header = dict[str, Any]
_PLAIN = (IMAGE_TOKENS, ONE_BEGINNING, "cond_or_uncond")
_TIMES = ("sigmas", "sample_sigmas")  # attention kernels of other nodes may look at them


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """The model of one rank, loaded."""

    blocks: Sequence[Any]  # of the host's WAN transformer, or ours in shards
    part: AudioPart | None
    options: Mapping[str, Any]  # the MODEL's own transformer_options
    device: torch.device


def lead_call(
    blocks: Sequence[Any],
    args: dict[str, Any],
    exchange: Exchange,
    announce: Callable[[Header], None],
) -> Tensor:
    """All blocks on all ranks, from the first one: tokens [B, L, dim].

    Args:
        blocks: Those of the host's WAN transformer, or ours in shards.
        args: What the host gives the first block: img [B, L, dim], txt, vec, pe and
            transformer_options.
        exchange: Its rank is 0.
        announce: Hands the header to the other ranks.
    """
    options, tokens = args["transformer_options"], args["img"]
    call: AudioCall | None = options.get(CALL)
    shared = {"txt": args["txt"], "vec": args["vec"]}
    times = {name: options[name] for name in _TIMES if isinstance(options.get(name), Tensor)}
    shared |= {name: tensor.to(tokens.device) for name, tensor in times.items()}
    header: Header = {
        "tokens": tokens.shape[1],
        "frames": options["grid_sizes"][0],
        "plain": {name: options[name] for name in _PLAIN if name in options},
    }
    if isinstance(chosen := options.get(OVERRIDE), ChosenAttention):
        header["attention"] = chosen.name
    if call is not None:
        header["audio"], heard = _describe_audio(call, options[RUN])
        shared |= heard
    header["shared"] = {name: _layout(tensor) for name, tensor in shared.items()}
    header["split"] = {name: _layout(args[name]) for name in ("img", "pe")}
    sizes = exchange.sizes(tokens.shape[1])
    announce(header)
    for tensor in shared.values():
        exchange.broadcast(tensor)
    own = {**args, "pe": exchange.scatter(args["pe"], sizes, what="positions")}
    stretch = exchange.scatter(tokens, sizes)
    split = TokenSplit(exchange=exchange, sizes=sizes, frames=header["frames"])
    out = run_stretch(blocks, stretch, own, split, options)
    return exchange.gather(out, sizes)


def join_call(replica: Replica, header: Header, exchange: Exchange) -> None:
    """The same forward on another rank, which gives its tokens back to the first."""
    sizes = exchange.sizes(header["tokens"])
    shared = {
        name: exchange.broadcast(_empty(layout, replica.device))
        for name, layout in header["shared"].items()
    }
    parts = {
        name: exchange.scatter(_empty(header["split"][name], replica.device, rows=0), sizes)
        for name in ("pe", "img")
    }
    options = {**replica.options, **header["plain"]}
    options |= {name: shared[name] for name in _TIMES if name in shared}
    if "attention" in header:
        options[OVERRIDE] = chosen_attention(header["attention"])
    if "audio" in header:
        options |= _audio_of(header["audio"], shared, replica)
    args = {"txt": shared["txt"], "vec": shared["vec"], "pe": parts["pe"]}
    split = TokenSplit(exchange=exchange, sizes=sizes, frames=header["frames"])
    out = run_stretch(replica.blocks, parts.pop("img"), args, split, options)
    exchange.gather(out, sizes)


def _describe_audio(call: AudioCall, run: AudioRun) -> tuple[Header, dict[str, Tensor]]:
    """What the audio part of a call is, and its tensors."""
    plain: Header = {"strength": run.strength}
    tensors = {"audio_tokens": call.tokens}
    if call.routing is not None:
        axis = call.routing.axis
        plain["axis"] = {
            "starts": list(axis.starts),
            "interval": axis.interval,
            "background": axis.background,
        }
        tensors["token_masks"] = call.routing.token_masks
        tensors["key_rotation"] = call.routing.key_rotation
    if run.gates:
        tensors["gate"] = of_device(run.gates, call.tokens.device)
    return plain, tensors


def _audio_of(plain: Header, tensors: Mapping[str, Tensor], replica: Replica) -> dict[str, Any]:
    """Entries of transformer_options that the patches of the audio part read."""
    assert replica.part is not None, "sound for a model without an audio part"
    routing = None
    if "axis" in plain:
        axis = plain["axis"]
        routing = Routing(
            token_masks=tensors["token_masks"],
            key_rotation=tensors["key_rotation"],
            axis=SpeakerAxis(
                starts=tuple(axis["starts"]),
                interval=axis["interval"],
                background=axis["background"],
            ),
        )
    device = replica.device
    return {
        RUN: AudioRun(
            parts={device: replica.part},
            routings={} if routing is None else {device: routing},
            strength=plain["strength"],
            gates={device: tensors["gate"]} if "gate" in tensors else {},
        ),
        CALL: AudioCall(part=replica.part, tokens=tensors["audio_tokens"], routing=routing),
    }


def _layout(tensor: Tensor) -> list[Any]:
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]


def _empty(layout: list[Any], device: torch.device, rows: int | None = None) -> Tensor:
    """Room for a tensor that another rank describes; `rows` of its second axis."""
    name, shape = layout
    if rows is not None:
        shape = [shape[0], rows, *shape[2:]]
    return torch.empty(shape, dtype=getattr(torch, name), device=device)
