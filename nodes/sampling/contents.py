"""Digests of what really arrives at a sampling node: texts, pictures, weights in memory.

A graph says what should arrive. What a custom node read from a file that no input names, or a host
that still holds a model whose file was replaced, only contents tell.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from ..loading.experts import low_noise_of
from .lean_block import PARALLEL

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_SKIPPED = frozenset({"uuid"})  # entries of CONDITIONING that name it anew in every run
PIECE_BYTES = 1 << 26
NUM_READERS = 4


def value_digest(value: object) -> str:
    """Hex digest of tensors and plain values in lists, tuples, mappings and dataclasses.

    Of functions and modules their plain values and tensors count too, of other objects the kind,
    and of a LoRA's its `weights`: what else is in them may not be the same in the next process, and
    the graph that made them is told apart anyway.
    """
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def model_digest(patcher: Any, check: Callable[[], object]) -> str:
    """Hex digest of a host model: all weights as they were read, and the LoRAs on top.

    It is the same whether the model is loaded or not. Models that go along with this one (the audio
    part, a second expert) count too. `check` is called between weights and may raise.
    """
    digest = hashlib.sha256()
    with ThreadPoolExecutor(NUM_READERS) as readers:  # one processor digests about 1 GB in a second
        try:
            for owner in (patcher, *_companions(patcher)):
                digest.update(type(owner.model).__qualname__.encode())
                for found in readers.map(value_digest, _parts(owner)):
                    check()
                    digest.update(found.encode())
        except BaseException:
            readers.shutdown(cancel_futures=True)
            raise
    return digest.hexdigest()


def _companions(patcher: Any) -> list[Any]:
    kinds = sorted(patcher.additional_models, key=str)
    # Those of "multigpu" are copies of the model itself.
    loaded = [p for key in kinds if key != "multigpu" for p in patcher.additional_models[key]]
    held = low_noise_of(patcher)
    if held is not None:
        loaded += [held.model, *_companions(held.model)]
    # Blocks that cards share out are in another MODEL than the one that the host loads.
    whole = getattr(patcher.attachments.get(PARALLEL), "whole", None)
    return loaded if whole is None else [*loaded, whole]


def _parts(patcher: Any) -> list[object]:
    """Names with weights, then with their changes."""
    patches = patcher.patches
    return [
        *clean_weights(patcher),
        *((str(key), patches[key]) for key in sorted(patches, key=str)),
        patcher.object_patches,
        patcher.model_options,
    ]


def clean_weights(patcher: Any) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a host model without what LoRAs changed while it was loaded."""
    module = patcher.model
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        yield name, _clean(patcher, name, value)


def _clean(patcher: Any, name: str, value: Tensor) -> Tensor:
    if name in patcher.hook_backup:
        return patcher.hook_backup[name][0]
    if name in patcher.backup:
        return patcher.backup[name].weight
    buffers = getattr(patcher, "backup_buffers", {})  # of newer hosts
    return buffers.get(name, patcher.object_patches_backup.get(name, value))


def _add(digest: Any, value: object) -> None:
    """Add one value, so that no two different ones look the same."""
    if isinstance(value, Tensor):
        _add_tensor(digest, value)
    elif isinstance(value, _PLAIN):
        digest.update(f"{type(value).__name__}:{value!r};".encode("utf-8", "surrogatepass"))
    elif isinstance(value, Mapping):
        names = sorted((name for name in value if name not in _SKIPPED), key=str)
        pairs = [part for name in names for part in (str(name), value[name])]
        _add_all(digest, f"map {len(names)}", pairs)
    elif isinstance(value, (list, tuple)):
        _add_all(digest, f"list {len(value)}", list(value))
    else:
        _add_all(digest, type(value).__qualname__, _known_of(value))


def _known_of(value: object) -> list[Any]:
    """What of an object is the same in every process."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, torch.nn.Module):  # such as the host's schedules, which nodes replace
        return [_simple(vars(value)), dict(value.named_parameters()), dict(value.named_buffers())]
    if isinstance(value, types.FunctionType):  # what a node made for its widgets
        cells = dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))
        held = {name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)}
        return [value.__qualname__, _simple(held)]
    weights = getattr(value, "weights", None)
    return [] if weights is None else [weights]


def _simple(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values and tensors alone."""
    return {name: v for name, v in values.items() if isinstance(v, (*_PLAIN, Tensor))}


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _add_all(digest: Any, head: str, values: list[Any]) -> None:
    digest.update(f"{head}(".encode())
    for value in values:
        _add(digest, value)
    digest.update(b")")


def _add_tensor(digest: Any, tensor: Tensor) -> None:
    stored = getattr(tensor, "_qdata", None)
    if isinstance(stored, Tensor):  # the host's quantized tensors
        kind, params = getattr(tensor, "_layout_cls", ""), getattr(tensor, "_params", None)
        _add_all(digest, "quantized", [kind, stored, params])
        return
    digest.update(f"{tensor.dtype} {tuple(tensor.shape)}:".encode())
    if tensor.is_meta:
        return
    tensor = tensor.detach()
    # Row by row where the numbers do not lie in one piece, so that nothing is copied whole.
    for row in [tensor] if tensor.is_contiguous() else tensor:
        flat = row.reshape(-1)
        for piece in flat.split(max(1, PIECE_BYTES // flat.element_size())):
            digest.update(piece.cpu().contiguous().view(torch.uint8).numpy().data)
