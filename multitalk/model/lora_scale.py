"""What the header of a LoRA file says of its scale, where no tensor `alpha` does.

A LoRA adds scale * (up @ down), scale being alpha / rank, or alpha / sqrt(rank) with rslora. Files
of kohya and LyCORIS hold alpha as a tensor of each layer. PEFT keeps it in its configuration, which
diffusers writes into the header (`lora_adapter_metadata`), other trainers under other names, and
PEFT itself into adapter_config.json beside the file.

Source: LoraConfig and get_pattern_key of peft 0.21; numbers compared with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...weights.header import Header
from ...weights.reading import parse_json, read_json

_ALPHAS = ("lora_alpha", "network_alpha", "alpha")
_RANKS = ("r", "lora_rank", "lora_r", "network_dim", "lora_dim", "rank")
_PATTERNS = ("alpha_pattern", "rank_pattern")
_SWITCHES = ("use_rslora", "use_dora", "init_lora_weights")
_WANTED = frozenset({*_ALPHAS, *_RANKS, *_PATTERNS, *_SWITCHES})
# Parts of a pipeline that are this model; others, as text encoders, have settings of their own.
_PARTS = frozenset({"", "transformer", "unet", "dit", "diffusion_model", "model", "default"})
_KOHYA = {"ss_network_alpha": "lora_alpha", "ss_network_dim": "r"}
_UNKNOWN = ("", "none", "null", "dynamic")  # what kohya's scripts write in place of a number
# These begin with a part of the base taken out of it; the file has no memory of that part.
_CHANGED_BASES = ("pissa", "olora", "corda")
# Patterns of names that take no long time to compare, whatever they are compared with.
_SAFE_PATTERN = re.compile(
    r"\^?(?:[\w-]|\\?\.|\.[*+]|\\d\+?|\[0-9\]\+?|\((?:\?:)?[\w.\\|-]+\))*\$?", re.ASCII
)
_MAX_PATTERN, _MAX_OPEN = 200, 4  # characters, and endless parts


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaderScale:
    """How a header scales the layers of a LoRA."""

    alpha: float | None
    rank: float | None  # None: that of the layer's own tensors
    rooted: bool = False  # rslora
    alphas: Mapping[str, float] = field(default_factory=dict)  # by pattern of a layer's name
    ranks: Mapping[str, float] = field(default_factory=dict)
    kohya: bool = False  # true for files with lora_down and lora_up alone

    def factor(self, names: Sequence[str], rank: float | None) -> float | None:
        """The scale of a layer that has these names and this rank; None if nothing tells it."""
        alpha = _of_layer(self.alphas, names, self.alpha)
        rank = _of_layer(self.ranks, names, self.rank) or rank
        if alpha is None or not rank:
            return None
        return alpha / (math.sqrt(rank) if self.rooted else rank)

    def words(self) -> str:
        """What it says, for people."""
        parts = {"alpha": self.alpha, "rank": self.rank}
        said = [f"{name} {value:g}" for name, value in parts.items() if value is not None]
        if self.rooted:
            said.append("rslora")
        if self.alphas or self.ranks:
            said.append("own values for some layers")
        return ", ".join(said)


def read_scale(header: Header) -> HeaderScale | None:
    """What the header of a LoRA, or the adapter_config.json beside it, says of its scale.

    Raises:
        ValueError: If that cannot be understood, or no LoRA is written in the file alone.
    """
    try:
        found = _settings(header)
        _require_whole(found, header.shapes)
        kohya = not found
        found = found or _kohya_settings(header)
        alpha, rank = (_first(found, names) for names in (_ALPHAS, _RANKS))
        patterns = [_pattern(found.get(name), name) for name in _PATTERNS]
    except ValueError as error:
        raise ValueError(
            f"{header.name}: {error}. Choose another file, or download it again."
        ) from error
    if alpha is None and not patterns[0]:
        return None
    return HeaderScale(
        alpha=None if kohya and alpha == 0 else alpha,  # kohya's scripts take 0 for the rank
        rank=rank,
        rooted=_is_on(found, "use_rslora"),
        alphas=patterns[0],
        ranks=patterns[1],
        kohya=kohya,
    )


def _require_whole(found: Mapping[str, object], names: Collection[str]) -> None:
    """Refuse settings that need what the file does not hold."""
    has_lengths = any("magnitude_vector" in name or "dora_scale" in name for name in names)
    if _is_on(found, "use_dora") and not has_lengths:
        raise ValueError("its header says DoRA, but it holds no lengths (lora_magnitude_vector)")
    start = str(found.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGED_BASES):
        raise ValueError(
            f"it was trained beside a changed base ({start[:20]}), of which it holds nothing; with "
            "PEFT it can be saved as a plain LoRA"
        )


def _is_on(found: Mapping[str, object], name: str) -> bool:
    return str(found.get(name, "")).lower() == "true"


def _kohya_settings(header: Header) -> dict[str, object]:
    said = {_KOHYA[key]: value for key, value in header.metadata.items() if key in _KOHYA}
    return {key: value for key, value in said.items() if value.strip().lower() not in _UNKNOWN}


def _settings(header: Header) -> dict[str, object]:
    """Settings of this model in PEFT's words, from wherever they are; empty without an alpha."""
    candidates = (_wanted(source) for source in _sources(header))
    return next((found for found in candidates if _tells_alpha(found)), {})


def _sources(header: Header) -> Iterator[object]:
    """Where settings may be."""
    yield header.metadata
    for value in header.metadata.values():
        if value.lstrip()[:1] == "{" and any(word in value for word in _ALPHAS):
            yield from _objects(value)
    if header.files and header.files[0].stem == "adapter_model":  # as PEFT saves
        beside = header.files[0].with_name("adapter_config.json")
        if beside.exists():
            yield read_json(beside)


def _tells_alpha(found: Mapping[str, object]) -> bool:
    """Whether settings tell an alpha; a bare `alpha` may be anything unless a rank is beside it."""
    if "alpha" in found and any(name in found for name in _RANKS):
        return True
    return any(name in found for name in ("lora_alpha", "network_alpha", "alpha_pattern"))


def _objects(text: str) -> list[Mapping[str, object]]:
    """An object of JSON, and those in it that may be settings of this model."""
    try:
        value = parse_json(text)
    except ValueError:
        return []  # words of another program
    inner = [(k, v) for k, v in value.items() if isinstance(v, dict)]
    # Of a part of the pipeline, or PEFT's by the name of the adapter.
    return [value, *(v for k, v in inner if k in _PARTS or "peft_type" in v)]


def _wanted(source: object) -> dict[str, object]:
    """Settings that count, without the name of the part of the pipeline before them."""
    out: dict[str, object] = {}
    for key, value in source.items() if isinstance(source, Mapping) else ():
        part, _, name = str(key).rpartition(".")
        if name in _WANTED and part in _PARTS and value is not None:
            out.setdefault(name, value)
    return out


def _first(found: Mapping[str, object], names: Iterable[str]) -> float | None:
    return next((_number(found[name], name) for name in names if name in found), None)


def _number(value: object, name: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e9:
        raise ValueError(f"its header says that {name} is {str(value)[:40]!r}, not a number")
    return number


def _pattern(value: object, name: str) -> dict[str, float]:
    if isinstance(value, str):
        value = parse_json(value)
    if not value:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"its header says that {name} is {str(value)[:40]!r}, not a list by name")
    for pattern in value:
        is_long = len(pattern) > _MAX_PATTERN or sum(map(pattern.count, "*+")) > _MAX_OPEN
        if is_long or not _SAFE_PATTERN.fullmatch(pattern):
            raise ValueError(f"the {name} in its header has the name {pattern[:80]!r}, not of WAN")
    return {pattern: _number(number, name) for pattern, number in value.items()}


def _of_layer(
    values: Mapping[str, float], names: Sequence[str], other: float | None
) -> float | None:
    """The value of the first pattern that is a layer's whole name, or its end after a dot."""
    for pattern, value in values.items():
        matcher = re.compile(rf"(.*\.)?({pattern})$")
        if any(matcher.match(name) for name in names):
            return value
    return other
