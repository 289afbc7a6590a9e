"""A card that is not there: tensors without numbers that say "cuda", and a count of what it does.

torch's FakeTensorMode dispatches every operation with its true shapes, dtypes and devices and
computes nothing; tensors of two devices in one operation raise as on a card. `Counter` sees each
operation and adds up FLOPs, bytes, launches and live memory. Attention, RMS norm and the host's
rotation count as one kernel each, as they are on a card; so does everything else that torch does
not split. Counts are exact; how long anything takes they do not say.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CARD = torch.device("cuda:0")
CARD_BYTES = 141e9
GUARD = Path(__file__).with_name("fake_card_guard.cpp")
# They only name memory, or ask for it.
NO_KERNEL = {
    "empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided", "detach", "alias",
    "view", "_unsafe_view", "_reshape_alias", "lift_fresh", "set_", "resize_",
}  # fmt: skip
ASKS = {"_local_scalar_dense", "is_nonzero", "equal"}  # the answer must come back from the card
LIBRARY = torch.library.Library("fake_card", "DEF")
LIBRARY.define("attend(Tensor q, Tensor k, Tensor v) -> Tensor")
LIBRARY.define("rotate(Tensor x, Tensor table) -> Tensor")
LIBRARY.define("rms_norm(Tensor x, Tensor weight) -> Tensor")


@torch.library.register_fake("fake_card::attend", lib=LIBRARY)
def _attend(q, k, v):
    B, N, L, _ = q.shape
    return q.new_empty(B, L, N, v.shape[-1]).transpose(1, 2)


@torch.library.register_fake("fake_card::rotate", lib=LIBRARY)
def _rotate(x, table):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.register_fake("fake_card::rms_norm", lib=LIBRARY)
def _rms_norm(x, weight):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def compiler():
    """Path of g++, or None."""
    return shutil.which("g++")


def add_guard():
    """Let a build of torch without CUDA name the device; compiled once per version of torch."""
    if torch.version.cuda is not None:
        return
    built = Path(tempfile.gettempdir()) / f"fake_card_guard_{torch.__version__}.so"
    if not built.is_file():
        home = Path(torch.__file__).parent
        new = built.with_suffix(f".{id(built)}")
        subprocess.run(
            [
                compiler(), "-O1", "-shared", "-fPIC", "-std=c++20",
                f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}",
                f"-I{home / 'include'}", str(GUARD), "-o", str(new),
                f"-L{home / 'lib'}", "-lc10",
            ],
            check=True,
        )  # fmt: skip
        new.replace(built)
    ctypes.CDLL(str(built))


def use_card():
    """Make the imported host believe in the card; for this process, once."""
    add_guard()
    import comfy.ldm.modules.attention
    import comfy.model_management
    import comfy.quant_ops

    management = comfy.model_management

    def memory(_device=None, torch_free_too=None, torch_total_too=None):
        return (CARD_BYTES, CARD_BYTES) if torch_free_too or torch_total_too else CARD_BYTES

    management.get_free_memory = management.get_total_memory = memory
    management.pytorch_attention_flash_attention = lambda: True
    management.cuda_device_context = lambda _device: contextlib.nullcontext()
    management.load_models_gpu = lambda *_args, **_kwargs: None
    management.soft_empty_cache = lambda *_args, **_kwargs: None
    comfy.ldm.modules.attention.SDP_BATCH_LIMIT = 2**15
    comfy.quant_ops.ck.apply_rope1 = torch.ops.fake_card.rotate
    functional = torch.nn.functional
    functional.scaled_dot_product_attention = lambda q, k, v, **_kwargs: torch.ops.fake_card.attend(
        q, k, v
    )
    functional.rms_norm = lambda x, _shape, weight=None, eps=None: torch.ops.fake_card.rms_norm(
        x, weight
    )


def fake_tensors():
    """Context in which tensors have no numbers."""
    return FakeTensorMode(allow_non_fake_inputs=True)


@dataclass
class Counts:
    """What a card was asked to do."""

    flops: int = 0
    bytes: int = 0  # read and written by kernels
    launches: int = 0
    to_card: int = 0  # copies from the host
    from_card: int = 0
    waits: int = 0  # for an answer of the card
    casts: int = 0  # kernels that only change the dtype
    peak: int = 0  # bytes beyond those that were there at the beginning
    at_peak: list[tuple[int, str]] = field(default_factory=list)  # bytes, who made them
    copied: list[str] = field(default_factory=list)  # between host and card: what, and where
    # What reads and writes, and where -> bytes and launches.
    movers: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def add(self, other):
        """Add what was counted within, but for its peak."""
        for name in ("flops", "bytes", "launches", "to_card", "from_card", "waits", "casts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.copied += other.copied


class Counter(TorchDispatchMode):
    """Counts operations on the card; `counts` may be replaced at any time by fresh ones."""

    def __init__(self, roots: tuple[Path, ...] = ()):
        super().__init__()
        self.counts, self.before = Counts(), 0
        self._roots = tuple(map(str, roots))
        self._live: dict[int, tuple[StorageWeakRef, int, str]] = {}
        self._total = 0

    def begin(self):
        """Fresh counts from here on; memory that is held already does not count."""
        self._prune()
        self.counts, self.before = Counts(), self._total
        return self.counts

    def held(self):
        """Bytes that are alive on the card."""
        self._prune()
        return self._total

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Count one operation and let it happen."""
        name = function.overloadpacket.__name__
        if name in ASKS:
            return self._answer(name, args[0])
        out = function(*args, **(kwargs or {}))
        outs = _tensors(out)
        if name in ("_to_copy", "copy_"):
            source = args[1] if name == "copy_" else args[0]
            self._note_copy(source, args[0] if name == "copy_" else outs[0])
        if function.is_view or not any(tensor.device == CARD for tensor in outs):
            return out
        if name not in NO_KERNEL:
            read = args, {key: value for key, value in (kwargs or {}).items() if key != "out"}
            self._note_kernel(name, args, _tensors(read), outs)
        self._note_memory(outs)
        return out

    def _note_kernel(self, name, args, ins, outs):
        moved = [tensor for tensor in ins if tensor.device == CARD] + outs
        if self._roots:
            key = name, self._where()
            size, times = self.counts.movers.get(key, (0, 0))
            self.counts.movers[key] = size + sum(map(_extent, moved)), times + 1
        self.counts.launches += 1
        self.counts.flops += count_flops(name, args, outs[0])
        self.counts.bytes += sum(map(_extent, moved))

    def _answer(self, name, tensor):
        self.counts.waits += tensor.device == CARD
        if name == "equal" or tensor.dtype == torch.bool:
            return name != "equal"  # all is finite, and no two tensors are the same
        return 0.5 if tensor.dtype.is_floating_point else 0

    def _note_copy(self, source, target):
        counts = self.counts
        if source.device != target.device:
            counts.to_card += target.device == CARD
            counts.from_card += source.device == CARD
            counts.copied.append(f"{tuple(source.shape)} {self._where()}")
        elif source.dtype != target.dtype and source.device == CARD:
            counts.casts += 1

    def _note_memory(self, outs):
        for tensor in outs:
            storage = tensor.untyped_storage()
            known = self._live.get(storage._cdata)
            if tensor.device != CARD or (known is not None and not known[0].expired()):
                continue
            self._total += storage.nbytes() - (known[1] if known else 0)
            place = f"{tuple(tensor.shape)} {tensor.dtype} {self._where()}"
            self._live[storage._cdata] = StorageWeakRef(storage), storage.nbytes(), place
        if self._total - self.before > self.counts.peak:
            self._prune()
        if self._total - self.before > self.counts.peak:
            self.counts.peak = self._total - self.before
            held = sorted(((size, place) for _, size, place in self._live.values()), reverse=True)
            self.counts.at_peak = held

    def _prune(self):
        for key in [key for key, (storage, *_) in self._live.items() if storage.expired()]:
            self._total -= self._live.pop(key)[1]

    def _where(self):
        """The innermost line of the given folders."""
        frame = sys._getframe(2)
        while frame is not None and self._roots:
            file = frame.f_code.co_filename
            if file.startswith(self._roots) and Path(file).name not in ("ops.py", "fake_card.py"):
                return f"{Path(file).name}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _extent(tensor):
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def count_flops(name, args, out):
    """Multiplications and additions of matrix products, convolutions and attention."""
    if name == "attend":
        q, k, v = args
        return 2 * math.prod(q.shape[:3]) * k.shape[2] * (q.shape[-1] + v.shape[-1])
    if name in ("mm", "bmm"):
        return 2 * out.numel() * args[0].shape[-1]
    if name in ("addmm", "baddbmm"):
        return 2 * out.numel() * args[1].shape[-1]
    if name == "convolution":
        return 2 * out.numel() * math.prod(args[1].shape[1:])
    return 0
