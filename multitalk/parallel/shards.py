"""Weights of a block in shards: each rank keeps its share, and all have the whole while it runs.

Torch's own `fully_shard` (FSDP2) does it. It wants a mesh; ours holds a process group that only
says who is who, and what is sent goes through the exchange of the forward, as all else does. So
torch's global group is left alone here too, and other packs may have theirs.
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from .exchange import Exchange


class _Gathering:
    """What `fully_shard` calls to collect a block; see torch's `AllGather`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def allocate(self, size: Any, *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **_more: Any) -> None:
        self._exchange.collect(input_tensor, output_tensor)


class Mesh:
    """The ranks of an exchange, as `fully_shard` knows them."""

    def __init__(self, exchange: Exchange, device: torch.device) -> None:
        """`device` is where the weights are.

        Raises:
            RuntimeError: If this torch has not what is needed.
        """
        self._exchange = exchange
        try:
            self._mesh, name = _mesh_of(exchange, device)
        except (ImportError, AttributeError, TypeError) as error:
            raise RuntimeError(
                f"weights is shards, which torch {torch.__version__} cannot do here ({error}). "
                "Set weights to copies, or update torch."
            ) from error
        kinds: Any = torch.distributed
        weakref.finalize(self, kinds.distributed_c10d._unregister_process_group, name)

    def shard(self, module: nn.Module) -> nn.Module:
        """Leave this rank its share of the weights of a module, which is changed.

        Nothing is sent: every rank has the same weights before. The mesh has to live as long.
        """
        from torch.distributed.fsdp import fully_shard

        with _outside_inference():
            fully_shard(module, mesh=self._mesh, reshard_after_forward=True)
            sharded: Any = module
            sharded.set_custom_all_gather(_Gathering(self._exchange))
        return module


def _mesh_of(exchange: Exchange, device: torch.device) -> tuple[Any, str]:
    from torch.distributed.device_mesh import DeviceMesh

    kinds: Any = torch.distributed
    name, ranks = f"multitalk{uuid.uuid4().hex}", exchange.ranks
    group = kinds.ProcessGroup(kinds.HashStore(), exchange.rank, ranks)
    kinds.distributed_c10d._register_process_group(name, group)
    group._set_group_name(name)
    with _outside_inference():
        mesh: Any = DeviceMesh(
            device.type, torch.arange(ranks), _init_backend=False, _rank=exchange.rank
        )
    mesh._dim_group_names = [name]
    mesh._pg_registry[name] = group
    return mesh, name


@contextmanager
def _outside_inference() -> Iterator[None]:
    """Tensors that are made here may be written to later, which those of inference may not."""
    with torch.inference_mode(mode=False), torch.no_grad():
        yield


@contextmanager
def whole_weights(module: nn.Module) -> Iterator[None]:
    """Have the whole weights of a module that is in shards; any other module is left alone."""
    shards: Any = module if hasattr(module, "unshard") else None
    if shards is None:
        yield
        return
    with _outside_inference():
        shards.unshard()
    try:
        yield
    finally:
        with _outside_inference():
            shards.reshard()


def move(module: nn.Module, device: torch.device) -> None:
    """Take this rank's share elsewhere."""
    with _outside_inference():
        module.to(device)


def resident_bytes(module: nn.Module) -> int:
    """Bytes of parameters that this rank holds now."""
    found: Any = module.parameters()
    return sum(getattr(p, "_local_tensor", p).nbytes for p in found)
