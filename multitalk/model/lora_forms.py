"""How LoRA files write the change of one weight: forms, suffixes of every style, what fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

Shape = tuple[int, ...]
Sizes = Mapping[str, Shape]  # by suffix for the host

UP, DOWN, MID = ".lora_up.weight", ".lora_down.weight", ".lora_mid.weight"
RESHAPE, ALPHA, DORA = ".reshape_weight", ".alpha", ".dora_scale"
DIFF, DIFF_BIAS, SET, OFT = ".diff", ".diff_b", ".set_weight", ".oft_blocks"
LORA_BIAS, MAGNITUDE, DIFF_MODULATION = ".lora_B.bias", ".lora_magnitude_vector", ".diff_m"
OTHER_SIZE = "made for another size"


def word_of(suffix: str) -> str:
    """A suffix as reports name it."""
    return suffix.strip("._").removesuffix(".weight")


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"


def _scale_misfit(sizes: Sizes, weight: Shape) -> str | None:
    if prod(sizes.get(ALPHA, ())) != 1:
        return f"alpha is {_text(sizes[ALPHA])}, not a number"
    scale = sizes.get(DORA, weight)
    # One number per row or per column; with an axis missing, none could tell which.
    wide = [axis for axis, length in enumerate(scale) if length != 1]
    fits = len(scale) == len(weight) and all(scale[axis] == weight[axis] for axis in wide)
    if DORA not in sizes or (fits and (len(wide) == 1 or (not wide and 1 in weight))):
        return None
    return f"dora_scale is {_text(scale)}, which fits no layer of {_text(weight)}"


def _pair_misfit(sizes: Sizes, weight: Shape) -> str | None:
    up, down, mid = sizes[UP], sizes[DOWN], sizes.get(MID)
    if min(len(up), len(down)) < 2:
        return f"lora_up is {_text(up)}, lora_down {_text(down)}; both must be matrices"
    if prod(up[1:]) != down[0]:
        return f"lora_up has rank {prod(up[1:])}, lora_down {down[0]}"
    columns = prod(down[1:])
    if mid is not None:
        if len(mid) != 4 or mid[:2] != (down[0], down[0]):
            return f"lora_mid is {_text(mid)}; it must have four axes, two of them the rank"
        columns *= prod(mid[2:])
    if RESHAPE in sizes:
        return None
    rows, rest = weight[0], prod(weight[1:])
    if up[0] != rows:
        return f"{OTHER_SIZE}: lora_up has {up[0]} rows, the layer {rows}"
    if columns != rest:
        return f"{OTHER_SIZE}: lora_down has {columns} columns, the layer {rest}"
    return None


def _oft_misfit(sizes: Sizes, _weight: Shape) -> str | None:
    # The host reads three axes as OFT and four as BOFT, and BOFT fails there without alpha.
    if len(sizes[OFT]) in ((3, 4) if ALPHA in sizes else (3,)):
        return None
    return f"oft_blocks is {_text(sizes[OFT])}; OFT has three axes, BOFT four and an alpha"


def _whole_misfit(suffix: str, sizes: Sizes, weight: Shape) -> str | None:
    if prod(sizes[suffix]) == prod(weight):
        return None
    found = _text(sizes[suffix])
    return f"{OTHER_SIZE}: {word_of(suffix)} is {found}, the layer {_text(weight)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A way to write a change of one weight, in the suffixes that the host reads."""

    name: str
    complete: tuple[tuple[str, ...], ...]  # sets of suffixes that suffice, the fullest first
    optional: tuple[str, ...] = ()
    shared: tuple[str, ...] = (ALPHA, DORA)  # every adapter may have them; no plain difference
    misfit: Callable[[Sizes, Shape], str | None] | None = None  # of complete suffixes and a weight

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All its own suffixes, each once."""
        return tuple(dict.fromkeys([s for parts in self.complete for s in parts]))

    def needed(self, sizes: Sizes) -> tuple[str, ...]:
        """The fullest set of suffixes that is there; empty if none is."""
        return next((parts for parts in self.complete if all(s in sizes for s in parts)), ())

    def problem(self, sizes: Sizes, weight: Shape) -> str | None:
        """Why it cannot be applied to a weight; None if it can."""
        if not self.needed(sizes):
            nearest = min(self.complete, key=lambda parts: sum(s not in sizes for s in parts))
            there = [word_of(s) for s in (*self.suffixes, *self.optional) if s in sizes]
            absent = [word_of(s) for s in nearest if s not in sizes]
            return f"{' and '.join(there)} without {' and '.join(absent)}"
        checks = (_scale_misfit if self.shared else None, self.misfit)
        return next((said for check in checks if check and (said := check(sizes, weight))), None)


_W1 = ((".lokr_w1",), (".lokr_w1_a", ".lokr_w1_b"))
_W2 = ((".lokr_w2",), (".lokr_w2_a", ".lokr_w2_b", ".lokr_t2"), (".lokr_w2_a", ".lokr_w2_b"))
_HADA = (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b")
FORMS = (
    Form(name="LoRA", complete=((UP, DOWN),), optional=(MID, RESHAPE), misfit=_pair_misfit),
    Form(name="LoHa", complete=((*_HADA, ".hada_t1", ".hada_t2"), _HADA)),
    Form(name="LoKr", complete=tuple((*w1, *w2) for w1 in _W1 for w2 in _W2)),
    Form(name="GLoRA", complete=((".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight"),)),
    Form(name="OFT", complete=((OFT,),), optional=(".rescale",), misfit=_oft_misfit),
    Form(name="diff", complete=((DIFF,),), shared=(), misfit=partial(_whole_misfit, DIFF)),
    Form(name="set_weight", complete=((SET,),), shared=(), misfit=partial(_whole_misfit, SET)),
)
_PEFT = {
    ".lora_B.weight": UP, ".lora_A.weight": DOWN,
    ".lora_B": UP, ".lora_A": DOWN,
    LORA_BIAS: DIFF_BIAS,
    MAGNITUDE: DORA, f"{MAGNITUDE}.weight": DORA,
}  # fmt: skip
_ALIASES = {
    ".lora_up": UP, ".lora_down": DOWN,
    ".lora.up.weight": UP, ".lora.down.weight": DOWN,
    "_lora.up.weight": UP, "_lora.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP, ".lora_linear_layer.down.weight": DOWN,
    ".w_norm": DIFF, ".b_norm": DIFF_BIAS, DIFF_MODULATION: DIFF,
}  # fmt: skip
# Suffix in a file -> suffix for the host.
SUFFIXES: Mapping[str, str] = {
    **{suffix: suffix for form in FORMS for suffix in (*form.suffixes, *form.optional)},
    **{suffix: suffix for suffix in (ALPHA, DORA, DIFF_BIAS)},
    **_PEFT,
    **_ALIASES,
}
_ALL_SUFFIXES = tuple(SUFFIXES)
# What is multiplied by a scale that stands in the header alone, and what has as many rows as the
# rank; in LoKr the matrices do not tell it.
SCALED: Mapping[str, str | None] = {
    UP: DOWN, ".hada_w1_a": ".hada_w1_b", ".lokr_w1": None, ".lokr_w1_a": None,
}  # fmt: skip
ADAPTERS = frozenset(suffix for form in FORMS if form.shared for suffix in form.suffixes)


# PEFT puts the name of the adapter between: .lora_A.default.weight, .lora_magnitude_vector.default
_NAMED = re.compile(
    r"(?P<stem>.+)(?P<part>\.lora_(?:A|B|up|down|magnitude_vector))\.(?P<adapter>[^.]+?)"
    r"(?P<end>\.weight|\.bias)?"
)
_NO_NAMES = ("weight", "bias")


def split_suffix(key: str) -> tuple[str, str] | None:
    """Stem and suffix of a key; None if no known suffix ends it.

    The suffix is without the name of an adapter; the stem of a difference of a block's or the
    head's modulation, `<block>.diff_m`, is that of the parameter.
    """
    key = _without_adapter(key)[0]
    if not key.endswith(_ALL_SUFFIXES):
        return None
    suffix = next(s for s in _ALL_SUFFIXES if key.endswith(s))
    stem = key.removesuffix(suffix)
    if suffix == DIFF_MODULATION and not stem.endswith("modulation"):
        stem += ".modulation"
    return stem, suffix


def adapter_of(key: str) -> str:
    """The name of the adapter that a key of PEFT is of; empty for most."""
    return _without_adapter(key)[1]


def _without_adapter(key: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(key)
    if found is None or found["adapter"] in _NO_NAMES:
        return key, ""
    return found["stem"] + found["part"] + (found["end"] or ""), found["adapter"]


def suffix_style(suffix: str) -> str | None:
    """The style that a suffix shows; None if several styles use it."""
    if suffix in _PEFT:
        return "PEFT"
    if SUFFIXES[suffix] in (UP, DOWN):
        return "ComfyUI"
    return "LyCORIS" if suffix in ADAPTERS else None
