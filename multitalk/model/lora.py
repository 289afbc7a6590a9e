"""Which layer of the model does each key of a LoRA file change?

Only names and shapes are read. The host's own algebra adds the changes to the weights: it gets the
tensors under the names found here, and `targets` as its key map. The host keeps one change per
weight and takes no notice of the rest, so what it would drop is noted here as left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from .diffusers_names import diffusers_name
from .lora_forms import (
    ADAPTERS,
    ALPHA,
    DIFF,
    DIFF_BIAS,
    DORA,
    DOWN,
    FORMS,
    LORA_BIAS,
    MAGNITUDE,
    OTHER_SIZE,
    SCALED,
    SET,
    SUFFIXES,
    UP,
    Form,
    Shape,
    adapter_of,
    split_suffix,
    suffix_style,
    word_of,
)
from .lora_names import Layers, find_layer, index_layers, plain_stem
from .lora_scale import HeaderScale

_PEFT_PAIR = (".lora_A.weight", ".lora_B.weight", ".lora_A", ".lora_B")
_ENCODER_PREFIXES = ("lora_te", "text_encoder", "te_", "conditioner.")


@dataclass(kw_only=True, slots=True)
class LayerMatch:
    """One layer of the model and what a file holds for it."""

    stem: str  # its name in the file
    target: str  # its parameter
    weight: Shape
    bias: Shape | None
    shapes: Mapping[str, Shape]  # of all keys of the file
    keys: Mapping[str, str]  # suffix in the file -> key
    spelling: tuple[str, ...]  # styles that its name shows
    used: dict[str, str] = field(default_factory=dict)  # key -> suffix for the host
    left: list[str] = field(default_factory=list)  # why other keys are not used
    form: Form | None = None  # of the change
    factors: dict[str, float] = field(default_factory=dict)  # key -> what its tensor is times

    def choose(self, scale: HeaderScale | None) -> None:
        """Choose the keys that can be used; note why the others are left out."""
        parts = self._parts()
        for form in FORMS:
            self._try(form, parts)
        if not ADAPTERS & parts.keys():
            alone = [word_of(suffix) for suffix in (ALPHA, DORA) if suffix in parts]
            self.left += [f"{word} without lora_up and lora_down" for word in alone]
        if DIFF_BIAS in parts:
            if problem := self._bias_misfit(parts):
                self.left.append(problem)
            else:
                self.used[parts[DIFF_BIAS]] = DIFF_BIAS
        if scale is not None and ALPHA not in parts:
            self._scale(scale, parts)

    def _scale(self, scale: HeaderScale, parts: Mapping[str, str]) -> None:
        """Note the scale that the header gives to what is used."""
        if scale.kohya and any(suffix in self.keys for suffix in _PEFT_PAIR):
            return  # converters of kohya's files put alpha into the numbers and keep the header
        path = self.target.removesuffix(".weight")
        names = list(dict.fromkeys([plain_stem(self.stem), path, diffusers_name(path) or path]))
        for suffix, ranked in SCALED.items():
            key = parts.get(suffix)
            if key not in self.used:
                continue
            rank = self.shapes[parts[ranked]][0] if ranked else None
            factor = scale.factor(names, rank)
            if factor is not None:
                self.factors[key] = factor
                bias = self.keys.get(LORA_BIAS)
                if bias in self.used:
                    self.factors[bias] = factor

    def _parts(self) -> dict[str, str]:
        """Suffix for the host -> key; in the order of the table, so that no pair mixes styles."""
        parts: dict[str, str] = {}
        for suffix, wanted in SUFFIXES.items():
            if suffix in self.keys and wanted in parts:
                self.left.append(f"{word_of(suffix)} beside another {word_of(wanted)}")
            elif suffix in self.keys:
                parts[wanted] = self.keys[suffix]
        return parts

    def _try(self, form: Form, parts: Mapping[str, str]) -> None:
        """Use the keys of a form, if there are any and the layer can take them."""
        found = [suffix for suffix in (*form.suffixes, *form.optional) if suffix in parts]
        if not found:
            return
        sizes = {suffix: self._size(suffix, key) for suffix, key in parts.items()}
        if self.form is not None:
            self.left.append(f"{form.name} beside {self.form.name}, a weight takes one change")
        elif problem := form.problem(sizes, self.weight):
            self.left.append(problem)
        else:
            self.form = form
            wanted = (*form.needed(sizes), *form.optional, *form.shared)
            self.used = {parts[suffix]: suffix for suffix in wanted if suffix in parts}
            self.left += [f"unpaired {word_of(suffix)}" for suffix in found if suffix not in wanted]

    def _size(self, suffix: str, key: str) -> Shape:
        """Shape of a tensor; PEFT's magnitudes are one per row, however they lie."""
        shape = self.shapes[key]
        if suffix == DORA and MAGNITUDE in key and prod(shape) == self.weight[0]:
            return (self.weight[0], *(1 for _ in self.weight[1:]))
        return shape

    def _bias_misfit(self, parts: Mapping[str, str]) -> str | None:
        key, bias = parts[DIFF_BIAS], self.bias
        if bias is None:
            return "diff_b for a layer without bias"
        if (size := prod(self.shapes[key])) != prod(bias):
            return f"{OTHER_SIZE}: diff_b has {size} values, the bias {prod(bias)}"
        # PEFT scales this bias as it scales the pair; the host scales none.
        if split_suffix(key) == (self.stem, LORA_BIAS) and ALPHA in parts:
            return "lora_B.bias beside alpha, which the host cannot scale"
        return None

    @property
    def reason(self) -> str:
        """Why some or all of its keys are not used."""
        return "; ".join(dict.fromkeys(self.left))

    @property
    def styles(self) -> tuple[str, ...]:
        """Those that its name or else its suffixes show."""
        shown = (style for suffix in self.keys if (style := suffix_style(suffix)))
        return self.spelling or tuple(dict.fromkeys(shown))

    @property
    def reshaped(self) -> dict[str, Shape]:
        """Keys that are used and whose tensor must first be given another shape."""
        wanted = {DIFF: self.weight, SET: self.weight, DIFF_BIAS: self.bias}
        shapes = {key: wanted.get(suffix) for key, suffix in self.used.items()}
        shapes |= {k: self._size(s, k) for k, s in self.used.items() if s == DORA}
        return {k: shape for k, shape in shapes.items() if shape not in (None, self.shapes[k])}

    def shapes_of(self, *suffixes: str) -> list[Shape]:
        """Shapes of its keys, used or not, that become one of these for the host."""
        return [self.shapes[key] for s, key in self.keys.items() if SUFFIXES[s] in suffixes]


@dataclass(frozen=True, kw_only=True)
class LoraMatch:
    """What a LoRA file changes, and what of it is left out."""

    layers: Mapping[str, LayerMatch]  # module path -> layer; all that the file names
    strangers: Mapping[str, str]  # name in the file that means no layer -> why
    model_width: int | None  # of this model
    scale: HeaderScale | None = None  # what the header says of it

    @cached_property
    def changed(self) -> dict[str, LayerMatch]:
        """Layers of which some keys or all are used, by module path."""
        return {path: layer for path, layer in self.layers.items() if layer.used}

    @property
    def num_changed(self) -> int:
        """Layers changed, fully or partly."""
        return len(self.changed)

    @property
    def style(self) -> str:
        """For people: ComfyUI, PEFT, kohya, Fun, diffusers, LyCORIS, or several with +."""
        styles = Counter(style for layer in self.changed.values() for style in layer.styles)
        return "+".join(style for style, _ in styles.most_common()) or "ComfyUI"

    @property
    def rank(self) -> int | None:
        """The most common one."""
        used = [(x.shapes[k], s) for x in self.changed.values() for k, s in x.used.items()]
        return _most_common(shape[0] for shape, suffix in used if suffix == DOWN)

    @property
    def names(self) -> dict[str, str]:
        """Key of the file -> name for the host: module path and suffix."""
        used = ((p, key, s) for p, layer in self.changed.items() for key, s in layer.used.items())
        return {key: path + suffix for path, key, suffix in used}

    @property
    def targets(self) -> dict[str, str]:
        """Module path -> parameter: the host's key map."""
        return {path: layer.target for path, layer in self.changed.items()}

    @property
    def reshaped(self) -> dict[str, Shape]:
        """Keys of the file whose tensor must first be given this shape."""
        return {k: shape for x in self.changed.values() for k, shape in x.reshaped.items()}

    @property
    def factors(self) -> dict[str, float]:
        """Keys of the file whose tensor must first be multiplied, as the header says."""
        found = {k: factor for x in self.changed.values() for k, factor in x.factors.items()}
        return {key: factor for key, factor in found.items() if factor != 1}

    @property
    def applied(self) -> tuple[str, ...]:
        """Module paths of which every key is used."""
        return tuple(path for path, layer in self.changed.items() if not layer.left)

    @property
    def partly(self) -> dict[str, str]:
        """Module path -> why some of its keys are not used."""
        return {path: layer.reason for path, layer in self.changed.items() if layer.left}

    @property
    def ignored(self) -> dict[str, str]:
        """Module path, or name in the file -> why none of its keys is used."""
        unused = {path: layer.reason for path, layer in self.layers.items() if not layer.used}
        return {**self.strangers, **unused}

    @property
    def width(self) -> int | None:
        """Of the model that the file was made for, if its shapes tell."""
        wide = [x for x in self.layers.values() if x.weight[:1] == (self.model_width,)]
        shapes = [shape for x in wide for shape in x.shapes_of(UP, DIFF, DIFF_BIAS)]
        return _most_common(shape[0] for shape in shapes if shape)


def match_lora(
    shapes: Mapping[str, Shape],
    parameters: Mapping[str, Shape],
    scale: HeaderScale | None = None,
) -> LoraMatch:
    """Find the layer and the host's name for every key of a LoRA file.

    The model's parameters come without prefix; `scale` is what the header says.
    """
    known = index_layers(parameters)
    layers: dict[str, LayerMatch] = {}
    strangers: dict[str, str] = {}

    def add(path: str, stem: str, keys: Mapping[str, str], spelling: tuple[str, ...]) -> None:
        layers[path] = LayerMatch(
            stem=stem,
            target=known.targets[path],
            weight=parameters[known.targets[path]],
            bias=parameters.get(f"{path}.bias"),
            shapes=shapes,
            keys=keys,
            spelling=spelling,
        )

    stems, unknown = _split_keys(shapes)
    for stem, keys in stems.items():
        path, spelling = find_layer(stem, known)
        if path is None:
            strangers[stem] = _stranger(stem, "no such layer in WAN 2.1 I2V")
        elif path in layers:
            strangers[stem] = f"its layer is named twice; {layers[path].stem} is used"
        else:
            add(path, stem, keys, spelling)
    for key in unknown:
        stem, path = _layer_above(key, known)
        if path is None:
            strangers[key] = _stranger(key, "unknown suffix")
            continue
        if path not in layers:
            add(path, stem, {}, ())
        word = "another adapter" if adapter_of(key) else "unknown suffix"
        layers[path].left.append(f"{word} {key.removeprefix(stem)}")
    for layer in layers.values():
        layer.choose(scale)
    width = parameters.get("head.modulation", (None,))[-1]
    return LoraMatch(layers=layers, strangers=strangers, model_width=width, scale=scale)


def _split_keys(keys: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Suffix -> key for every stem, and the keys without a known suffix or of another adapter."""
    keys = list(keys)
    names = Counter(name for key in keys if (name := adapter_of(key)))
    chosen = ("", *(name for name, _ in names.most_common(1)))
    plain = {split_suffix(key) for key in keys if not adapter_of(key)}
    stems: dict[str, dict[str, str]] = {}
    unknown = []
    for key in keys:
        found, name = split_suffix(key), adapter_of(key)
        if found is None or name not in chosen or (name and found in plain):
            unknown.append(key)
        else:
            stems.setdefault(found[0], {})[found[1]] = key
    return stems, unknown


def _layer_above(key: str, known: Layers) -> tuple[str, str | None]:
    """The longest beginning of a key that names a layer, and its module path."""
    stem, path = key, None
    while stem and path is None:
        stem = stem.rpartition(".")[0]
        path = find_layer(stem, known)[0]
    return stem, path


def _stranger(name: str, reason: str) -> str:
    return "belongs to a text encoder" if name.startswith(_ENCODER_PREFIXES) else reason


def _most_common(numbers: Iterable[int]) -> int | None:
    return next((number for number, _ in Counter(numbers).most_common(1)), None)
