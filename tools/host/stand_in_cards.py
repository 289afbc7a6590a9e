"""Two cards that are not there: tensors with numbers that say "lazy:0" and "lazy:1".

Every operation is computed on the processor, so that bits can be compared; torch sees the cards.
Tensors of two devices in one operation raise as on a card, and copies between devices are noted.
"lazy" is a device type that a build for processors can name and that the host takes for a card
of no kind it knows, so that it asks no driver.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from unittest.mock import patch

import comfy.model_management
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")
MUCH = 1 << 40
# These may read numbers or places from another device, as on a card.
COPIES = {"_to_copy", "copy_"}
INDEXING = {"index", "index_put", "index_put_"}


@dataclass(frozen=True)
class Copy:
    """A tensor that went from one device to another."""

    source: torch.device
    target: torch.device
    shape: tuple[int, ...]
    dtype: torch.dtype


class OnCard(Tensor):
    """A tensor on the processor that says it lies on a card."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw, device):
        out = Tensor._make_wrapper_subclass(
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=device,
        )
        out.raw = raw
        return out

    def __repr__(self):
        return f"OnCard({self.raw!r}, {self.device})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def compute(func, args, kwargs, noted=None):
    """Run an operation on the processor; give its tensors the device that they would have."""
    name = func.overloadpacket.__name__
    found, sources = {}, []

    def unwrap(value):
        if not isinstance(value, Tensor):
            return value
        on_card = isinstance(value, OnCard)
        sources.append(value)
        if on_card or (value.dim() and name not in INDEXING):
            found.setdefault(value.device)
        return value.raw if on_card else value

    plain_args, plain_kwargs = each(unwrap, args), each(unwrap, kwargs)
    if kwargs.get("device") is not None:
        plain_kwargs["device"] = CPU
    if name == "_has_compatible_shallow_copy_type":
        return len(found) < 2  # else a module takes the moved parameter itself
    assert name in COPIES or len(found) < 2, f"{func} on several devices: {list(found)}"
    target = target_of(name, args, kwargs, found)
    if name in COPIES and noted is not None and sources[-1].device != target:
        source = sources[-1]
        noted.append(Copy(source.device, target, tuple(source.shape), source.dtype))
    out = func(*plain_args, **plain_kwargs)
    if name.endswith("_") and not name.startswith("_"):
        return args[0]
    return each(lambda t: on_device(t, target), out)


def target_of(name, args, kwargs, found):
    """Where what an operation gives is to lie."""
    if name == "copy_":
        return args[0].device
    card = next((device for device in found if device.type != "cpu"), CPU)
    return kwargs.get("device") or card


def on_device(value, target):
    """What an operation gave, on the device that it would lie on."""
    return OnCard(value, target) if isinstance(value, Tensor) and target.type != "cpu" else value


def each(change, value):
    """Whatever an operation takes or gives, with its values changed."""
    if isinstance(value, (list, tuple)):
        return type(value)([each(change, entry) for entry in value])
    if isinstance(value, dict):
        return {name: each(change, entry) for name, entry in value.items()}
    return change(value)


class Cards(TorchDispatchMode):
    """What makes tensors on cards in one thread."""

    def __init__(self, noted):
        super().__init__()
        self._noted = noted

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func._can_decompose():  # torch does so before it asks, but not in inference mode
            with self:
                return func.decompose(*args, **kwargs)
        return compute(func, args, kwargs, self._noted)


def on_processor_first(make):
    """torch.tensor, which asks no `Cards` where its numbers are to lie."""

    def made(*args, device=None, **kwargs):
        out = make(*args, **kwargs)
        return out if device is None else out.to(device)

    return made


@contextlib.contextmanager
def stand_in_cards(number=2):
    """Let the host see cards; gives the list of copies that are noted meanwhile.

    The host's workers name their card at their beginning; this is where they learn of ours.
    """
    management, noted, here = comfy.model_management, [], threading.local()
    devices = [torch.device(f"lazy:{index}") for index in range(number)]

    def set_device(device):
        here.device = device
        if not hasattr(here, "mode"):
            here.mode = Cards(noted)
            here.mode.__enter__()

    def all_devices(exclude_current=None):
        return devices[bool(exclude_current) :]

    def memory(_device=None, *, torch_free_too=False, torch_total_too=False):
        return (MUCH, MUCH) if torch_free_too or torch_total_too else MUCH

    with (
        patch.object(management, "set_torch_device", set_device),
        patch.object(management, "get_torch_device", lambda: getattr(here, "device", devices[0])),
        patch.object(management, "get_all_torch_devices", all_devices),
        patch.object(management, "get_free_memory", memory),
        patch.object(management, "get_total_memory", memory),
        patch.object(torch, "tensor", on_processor_first(torch.tensor)),
        Cards(noted),
    ):
        here.mode = None
        yield noted
        management.unload_all_models()
