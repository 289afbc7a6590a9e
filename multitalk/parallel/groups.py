"""Groups of processes that exchange tensors, on this machine alone."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed

Backend = Literal["gloo", "nccl"]
LOOPBACK = "127.0.0.1"


def join_group(
    folder: Path, name: str, *, rank: int, ranks: int, backend: Backend, timeout_s: float
) -> Any:
    """A process group, once all ranks have come; it is not torch's global one.

    Args:
        folder: Where ranks find each other, by a file; no port is opened for it.
        name: Of this group, among others in the folder.
        rank: Of this process.
        ranks: Number of processes.
        backend: gloo for processors, nccl for cards.
        timeout_s: Seconds after which a rank that does not come or answer is an error.
    """
    kinds: Any = torch.distributed
    store = kinds.FileStore(str(folder / name), ranks)
    timeout = datetime.timedelta(seconds=timeout_s)
    if backend == "gloo":
        gloo = kinds.ProcessGroupGloo
        options = gloo._Options()
        options._timeout = timeout
        options._devices = [gloo.create_device(hostname=LOOPBACK)]
        return gloo(store, rank, ranks, options)
    # A rank that is missing becomes an error here; by default nccl ends the whole process.
    os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    nccl = kinds.ProcessGroupNCCL
    options = nccl.Options()
    options._timeout = timeout
    return nccl(store, rank, ranks, options)
