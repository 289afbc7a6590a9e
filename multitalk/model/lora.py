"""Which layer of the model does each key of a LoRA file change?

Only names and shapes are read. The host's own algebra adds the changes to the weights: it gets the
tensors under the names found here, and `targets` as its key map. The host keeps one change per
weight and takes no notice of the rest, so what it would drop is reported here as left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from .block_names import fold_blocks
from .lora_names import (
    ALPHA,
    DIFF,
    DIFF_BIAS,
    DORA,
    DOWN,
    FORMS,
    MID,
    OFT,
    RESHAPE,
    SET,
    SUFFIXES,
    UP,
    Form,
    Layers,
    find_layer,
    index_layers,
    split_suffix,
    suffix_style,
)

Shape = tuple[int, ...]
NO_LAYER = "no such layer in WAN 2.1 I2V"
ENCODER_LAYER = "belongs to a text encoder"
UNKNOWN_SUFFIX = "unknown suffix"
OTHER_SIZE = "made for another size"
SIZES = {1536: " (1.3B)", 3072: " (5B)", 5120: " (14B)"}  # width -> size of the released WAN models
_ENCODER_PREFIXES = ("lora_te", "text_encoder", "te_", "conditioner.")
# Words in the names of UNet, Flux, SD3, Hunyuan and LTX layers; WAN says blocks.N alone.
_OTHER_FAMILIES = (
    "input_blocks", "output_blocks", "middle_block", "down_blocks", "up_blocks", "double_blocks",
    "single_blocks", "single_transformer_blocks", "transformer_blocks", "joint_blocks", "lora_te",
)  # fmt: skip
_MAX_REASONS = 9  # per kind, so that a report has about twenty lines
_MAX_NAMES = 8  # per line


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraMatch:
    """What a LoRA file changes, and what of it is left out."""

    style: str  # for people: ComfyUI, PEFT, kohya, Fun, diffusers, LyCORIS, or several with +
    rank: int | None  # the most common one
    names: dict[str, str]  # key of the file -> name for the host: module path and suffix
    targets: dict[str, str]  # module path -> parameter: the host's key map
    reshaped: dict[str, Shape]  # keys of the file whose tensor must first be given this shape
    applied: tuple[str, ...]  # module paths of which every key is used
    partly: dict[str, str]  # module path -> why some of its keys are not
    ignored: dict[str, str]  # module path, or name in the file -> why none of its keys is
    width: int | None  # of the model that the file was made for, if its shapes tell
    model_width: int | None  # of this model

    @property
    def num_changed(self) -> int:
        """Layers changed, fully or partly."""
        return len(self.applied) + len(self.partly)


@dataclass(kw_only=True, slots=True)
class _Layer:
    """One layer of the model that a file names."""

    stem: str  # its name in the file
    keys: dict[str, str] = field(default_factory=dict)  # suffix in the file -> key
    styles: tuple[str, ...] = ()  # those that the name shows
    used: dict[str, str] = field(default_factory=dict)  # key -> suffix for the host
    left: list[str] = field(default_factory=list)  # why other keys are not used
    rank: int | None = None

    @property
    def reason(self) -> str:
        return "; ".join(dict.fromkeys(self.left))


def match_lora(shapes: Mapping[str, Shape], parameters: Mapping[str, Shape]) -> LoraMatch:
    """Find the layer and the host's name for every key of a LoRA file.

    Args:
        shapes: Every key of the file with its shape.
        parameters: Parameters of the model without prefix, with their shapes.

    Returns:
        The match; `applied` and `partly` are empty if nothing fits.
    """
    known = index_layers(parameters)
    layers, ignored = _find_layers(shapes, known)
    styles: Counter[str] = Counter()
    reshaped: dict[str, Shape] = {}
    for path, layer in layers.items():
        weight, bias = parameters[known.targets[path]], parameters.get(f"{path}.bias")
        _choose(layer, shapes, weight, bias)
        if layer.used:
            shown = [style for suffix in layer.keys if (style := suffix_style(suffix))]
            styles.update([*dict.fromkeys(layer.styles or shown)])
        for key, suffix in layer.used.items():
            wanted = bias if suffix == DIFF_BIAS else weight
            if suffix in (DIFF, DIFF_BIAS, SET) and wanted is not None and shapes[key] != wanted:
                reshaped[key] = wanted
    changed = {path: layer for path, layer in layers.items() if layer.used}
    ignored.update({path: x.reason for path, x in layers.items() if not x.used})
    model_width = parameters.get("head.modulation", (None,))[-1]
    return LoraMatch(
        style="+".join(style for style, _ in styles.most_common()) or "ComfyUI",
        rank=_most_common(x.rank for x in changed.values()),
        names={key: path + suffix for path, x in changed.items() for key, suffix in x.used.items()},
        targets={path: known.targets[path] for path in changed},
        reshaped=reshaped,
        applied=tuple(path for path, x in changed.items() if not x.left),
        partly={path: x.reason for path, x in changed.items() if x.left},
        ignored=ignored,
        width=_most_common(
            shapes[key][0] if shapes[key] else None
            for path, x in layers.items()
            if parameters[known.targets[path]][:1] == (model_width,)
            for suffix, key in x.keys.items()
            if SUFFIXES[suffix] in (UP, DIFF, DIFF_BIAS)
        ),
        model_width=model_width,
    )


def _most_common(numbers: Iterable[int | None]) -> int | None:
    counts = Counter(number for number in numbers if number is not None)
    return counts.most_common(1)[0][0] if counts else None


def _find_layers(
    shapes: Mapping[str, Shape], known: Layers
) -> tuple[dict[str, _Layer], dict[str, str]]:
    """Layers by module path, and the names that mean none, with the reason."""
    stems: dict[str, dict[str, str]] = {}
    strangers: list[str] = []
    for key in shapes:
        found = split_suffix(key)
        if found is None:
            strangers.append(key)
        else:
            stems.setdefault(found[0], {})[found[1]] = key
    layers: dict[str, _Layer] = {}
    ignored: dict[str, str] = {}
    for stem, keys in stems.items():
        path, styles = find_layer(stem, known)
        if path is None:
            ignored[stem] = ENCODER_LAYER if stem.startswith(_ENCODER_PREFIXES) else NO_LAYER
        elif path in layers:
            ignored[stem] = f"its layer is named twice; {layers[path].stem} is used"
        else:
            layers[path] = _Layer(stem=stem, keys=keys, styles=styles)
    for key in strangers:
        stem, path = key, None
        while stem and path is None:
            stem = stem.rpartition(".")[0]
            path = find_layer(stem, known)[0]
        if path is None:
            ignored[key] = ENCODER_LAYER if key.startswith(_ENCODER_PREFIXES) else UNKNOWN_SUFFIX
        else:
            layer = layers.setdefault(path, _Layer(stem=stem))
            layer.left.append(f"{UNKNOWN_SUFFIX} {key.removeprefix(stem)}")
    return layers, ignored


def _choose(layer: _Layer, shapes: Mapping[str, Shape], weight: Shape, bias: Shape | None) -> None:
    """Choose the keys of a layer that the host can use; note why the others are left out."""
    parts = _parts(layer)
    sizes = {suffix: shapes[key] for suffix, key in parts.items()}
    chosen: Form | None = None
    for form in FORMS:
        found = [s for s in (*form.suffixes, *form.optional) if s in parts]
        if not found:
            continue
        needed = next((x for x in form.complete if all(s in parts for s in x)), ())
        problem = _misfit(form, needed, sizes, weight)
        if chosen is not None:
            problem = f"{form.name} beside {chosen.name}, a weight takes one change"
        if problem:
            layer.left.append(problem)
            continue
        chosen = form
        wanted = [s for s in (*needed, *form.optional, *form.shared) if s in parts]
        layer.used.update({parts[s]: s for s in wanted})
        layer.left.extend(f"unpaired {_word(s)}" for s in found if s not in wanted)
        layer.rank = sizes[DOWN][0] if form.name == "LoRA" else None
    if not any(s in parts for form in FORMS if form.shared for s in form.suffixes):
        alone = [_word(s) for s in (ALPHA, DORA) if s in parts]
        layer.left.extend(f"{word} without lora_up and lora_down" for word in alone)
    if DIFF_BIAS in parts:
        problem = _bias_misfit(parts, sizes[DIFF_BIAS], bias)
        if problem:
            layer.left.append(problem)
        else:
            layer.used[parts[DIFF_BIAS]] = DIFF_BIAS


def _parts(layer: _Layer) -> dict[str, str]:
    """Suffix for the host -> key; in the order of the table, so that no pair mixes two styles."""
    parts: dict[str, str] = {}
    for suffix, wanted in SUFFIXES.items():
        if suffix in layer.keys and wanted in parts:
            layer.left.append(f"{_word(suffix)} beside another {_word(wanted)}")
        elif suffix in layer.keys:
            parts[wanted] = layer.keys[suffix]
    return parts


def _word(suffix: str) -> str:
    return suffix.strip("._").removesuffix(".weight")


def _misfit(
    form: Form, needed: Sequence[str], sizes: Mapping[str, Shape], weight: Shape
) -> str | None:
    """Why a form cannot be applied to a weight; None if it can."""
    if not needed:
        nearest = min(form.complete, key=lambda x: sum(s not in sizes for s in x))
        there = [_word(s) for s in (*form.suffixes, *form.optional) if s in sizes]
        absent = [_word(s) for s in nearest if s not in sizes]
        return f"{' and '.join(there)} without {' and '.join(absent)}"
    if form.shared and (problem := _scale_misfit(sizes, weight)):
        return problem
    if form.name == "LoRA":
        return _pair_misfit(sizes, weight)
    if form.name in ("diff", "set_weight") and prod(sizes[needed[0]]) != prod(weight):
        found = _text(sizes[needed[0]])
        return f"{OTHER_SIZE}: {form.name} is {found}, the layer {_text(weight)}"
    # The host reads three axes as OFT and four as BOFT, and BOFT fails there without alpha.
    axes = (3, 4) if ALPHA in sizes else (3,)
    if form.name == "OFT" and len(sizes[OFT]) not in axes:
        return f"oft_blocks is {_text(sizes[OFT])}; OFT has three axes, BOFT four and an alpha"
    return None


def _scale_misfit(sizes: Mapping[str, Shape], weight: Shape) -> str | None:
    if prod(sizes.get(ALPHA, ())) != 1:
        return f"alpha is {_text(sizes[ALPHA])}, not a number"
    scale = sizes.get(DORA, weight)
    # The host multiplies as it comes: with an axis missing, rows would be taken for columns.
    if len(scale) == len(weight) and all(a in (1, b) for a, b in zip(scale, weight, strict=True)):
        return None
    return f"dora_scale is {_text(scale)}, which fits no layer of {_text(weight)}"


def _pair_misfit(sizes: Mapping[str, Shape], weight: Shape) -> str | None:
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


def _bias_misfit(parts: Mapping[str, str], size: Shape, bias: Shape | None) -> str | None:
    if bias is None:
        return "diff_b for a layer without bias"
    if prod(size) != prod(bias):
        return f"{OTHER_SIZE}: diff_b has {prod(size)} values, the bias {prod(bias)}"
    # PEFT scales this bias as it scales the pair; the host scales none.
    if parts[DIFF_BIAS].endswith(".bias") and ALPHA in parts:
        return "lora_B.bias beside alpha, which the host cannot scale"
    return None


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"


def require_match(match: LoraMatch, name: str) -> None:
    """Refuse a LoRA that would change nothing, or was made for another size of model.

    A file of another size may still change a layer or two whose size is the same in all models.

    Args:
        match: Match of the file.
        name: Name of the file.

    Raises:
        ValueError: With what the file seems to be made for.
    """
    other_size = match.width not in (None, match.model_width)
    if match.num_changed and not other_size:
        return
    names = list(match.ignored)
    if not names:
        hint = "it holds no tensors"
    elif other_size:
        hint = (
            f"it was made for a WAN of width {match.width}{SIZES.get(match.width or 0, '')}, "
            f"this model has width {match.model_width}{SIZES.get(match.model_width or 0, '')}"
        )
    elif any(word in each for word in _OTHER_FAMILIES for each in names):
        hint = "its layers are those of another model family"
    else:
        hint = Counter(match.ignored.values()).most_common(1)[0][0]
    total = match.num_changed + len(names)
    changes = f"only {match.num_changed} of its {total} layers" if match.num_changed else "nothing"
    first = f" Not used are for example {', '.join(names[:3])}." if names else ""
    raise ValueError(
        f"{name} changes {changes} in this model: {hint}.{first} "
        "Choose a LoRA made for WAN 2.1 I2V or T2V of the same size."
    )


def describe_match(match: LoraMatch, name: str, strength: float) -> str:
    """Say what a LoRA changes, for people.

    Args:
        match: Match of the file.
        name: Name of the file.
        strength: Factor at use.

    Returns:
        About twenty lines at most.
    """
    rank = "" if match.rank is None else f", rank {match.rank}"
    layers = "1 layer" if match.num_changed == 1 else f"{match.num_changed} layers"
    lines = [f"{name}: {match.style} style{rank}, strength {round(strength, 3)}; {layers} changed."]
    for word, reasons in (("partly", match.partly), ("ignored", match.ignored)):
        lines += _describe_reasons(word, reasons)
    return "\n".join(lines)


def _describe_reasons(word: str, reasons: Mapping[str, str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason, []).append(name)
    lines = []
    for reason, names in list(groups.items())[:_MAX_REASONS]:
        folded = fold_blocks(names)
        more = len(folded) - _MAX_NAMES
        tail = f" and {more} more" if more > 0 else ""
        lines.append(f"{word}: {', '.join(folded[:_MAX_NAMES])}{tail} ({reason})")
    if len(groups) > _MAX_REASONS:
        lines.append(f"{word}: {len(groups) - _MAX_REASONS} more reasons")
    return lines
