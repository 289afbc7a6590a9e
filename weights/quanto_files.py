"""Files of optimum-quanto, read without it.

A file has, for each quantized linear layer, `<module>.weight._data` and `._scale` (for qint4
`._data._data`, `._scale` and `._shift`), `<module>.bias` and two activation scales that are 1. A
JSON map beside it names layers and kinds. Source: checkpoints.md section 3.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args

from torch import Tensor

from .contents import Shapes
from .dtypes import NAMES
from .quanto import GroupScaled, QuantoKind, RowScaled, column_of
from .reading import read_json

_ALIASES = {"qfloat8": "qfloat8_e4m3fn"}
_DATA, _PACKED = "weight._data", "weight._data._data"
_SCALE, _SHIFT = "weight._scale", "weight._shift"
_KINDS: dict[tuple[str, str], QuantoKind] = {
    (_DATA, "I8"): "qint8",
    (_DATA, "F8_E4M3"): "qfloat8_e4m3fn",
    (_DATA, "F8_E5M2"): "qfloat8_e5m2",
    (_PACKED, "U8"): "qint4",
}
_FLOATS = ("F32", "F16", "BF16")
_GROUP_SIZES = (128, 96, 64, 32)  # qint4 takes the first that divides a row, else the row
# How the authors' files begin, and their maps.
_MAP_NAMES = {"dit_model_": "dit_model_map_", "quant_model_": "quantization_map_", "t5_": "t5_map_"}
_MAP_ADVICE = "Put the map that was published with the file beside it."
_ACTIVATION_SCALES = (".input_scale", ".output_scale")
_OF_A_LAYER = re.compile(r"\._(data|scale|shift)$|\.weight\._|\.(input|output)_scale$")


def find_map(path: Path) -> Path | None:
    """The JSON map in the folder of a quantized file; None if there is none.

    It is named as the authors do (`dit_model_map_<q>.json`, `quantization_map_<q>_FusionX.json`,
    `t5_map_<q>.json`), else as the file with .json.
    """
    stem = path.stem
    names = [stem.replace(old, new, 1) for old, new in _MAP_NAMES.items() if stem.startswith(old)]
    candidates = (path.with_name(f"{name}.json") for name in (*names, stem))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_map(path: Path) -> dict[str, str]:
    """Read the JSON map of a quantized file: module -> kind, one of `QuantoKind`.

    Raises:
        ValueError: If it is no map, or has weights of another kind or quantized activations.
    """
    try:
        entries = read_json(path)
    except ValueError as error:
        raise ValueError(
            f"{path.name} is no map of an optimum-quanto file: it is no JSON. {_MAP_ADVICE}"
        ) from error
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) and {"weights", "activations"} <= set(entry)
        for entry in entries.values()
    ):
        raise ValueError(
            f"{path.name} is no map of an optimum-quanto file: it begins with {str(entries)[:60]}, "
            'not with {"<module>": {"weights": "qint8", "activations": "none"}. ' + _MAP_ADVICE
        )
    kinds = {}
    for module, entry in entries.items():
        kind, activations = str(entry["weights"]), str(entry["activations"])
        kinds[module] = _ALIASES.get(kind, kind)
        if kinds[module] not in get_args(QuantoKind):
            raise ValueError(
                f"{path.name} says that the weights of {module} are {kind}; supported are "
                f"{', '.join(get_args(QuantoKind))}. Choose a model quantised to one of these."
            )
        if activations != "none":
            raise ValueError(
                f'{path.name} says that the activations of {module} are {activations}; only "none" '
                "is supported. Choose a model with quantised weights alone."
            )
    return kinds


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    """A quantized layer by its entries in the header of a file."""

    module: str
    parts: tuple[str, ...]  # matrix, scale and, if it is packed, shift
    shapes: Shapes  # of all tensors of the file
    dtypes: Mapping[str, str]

    @property
    def tensors(self) -> list[str]:
        return [f"{self.module}.{part}" for part in self.parts]

    def check(self, listed: str | None) -> QuantoKind:
        """Its kind, which a map may list; refuses wrong parts, without the name of the file."""
        data, scale, *shift = self.tensors
        for tensor in (scale, *shift):
            if tensor not in self.shapes:
                raise ValueError(f"{tensor} is missing. Download the file again.")
        kind = _KINDS.get((self.parts[0], self.dtypes[data]))
        if len(self.shapes[data]) != 2 or kind is None:
            allowed = " or ".join(dtype for part, dtype in _KINDS if part == self.parts[0])
            raise self._wrong(data, f"a matrix of {allowed}")
        self._check_scales(data, scale, shift)
        if listed not in (None, kind):
            raise ValueError(f"{self.module} is {kind}, in its map {listed}. {_MAP_ADVICE}")
        if shift:
            group_shape(self.module, self.shapes)
            # As many bytes of qint2, which packs four values, hold 1 or 2 groups too.
            if listed is None and self.shapes[scale][0] <= 2:
                raise ValueError(f"{self.module} can be qint2 or qint4. {_MAP_ADVICE}")
        return kind

    def _check_scales(self, data: str, scale: str, shift: list[str]) -> None:
        rows, columns = self.shapes[data]
        fitting = [(rows, 1), ()]
        if shift:
            fitting = [(2 * rows, 1), (2 * rows - 1, 1), *([(1, columns)] if rows == 1 else [])]
        if self.shapes[scale] not in fitting or self.dtypes[scale] not in _FLOATS:
            expected = " or ".join(str(list(shape)) for shape in fitting)
            raise self._wrong(scale, f"{expected} of {', '.join(_FLOATS)}")
        for tensor in shift:
            alike = self.shapes[tensor] == self.shapes[scale]
            if not alike or self.dtypes[tensor] not in (*_FLOATS, "U8", "I8"):
                raise self._wrong(tensor, f"a tensor like {scale}")

    def _wrong(self, tensor: str, expected: str) -> ValueError:
        return ValueError(
            f"{tensor} is {list(self.shapes[tensor])} of {self.dtypes[tensor]}; expected is "
            f"{expected}. The file is damaged or of another kind of layer; choose another."
        )

    def collect(self, tensors: Mapping[str, Tensor]) -> RowScaled | GroupScaled:
        """Its weight."""
        data, scale, *shift = (tensors[name] for name in self.tensors)
        if not shift:
            return RowScaled(data=data, scale=column_of(scale, data.shape[0]))
        shape = group_shape(self.module, self.shapes)
        return GroupScaled(data=data, scale=scale, shift=shift[0], shape=shape)


def _find_layers(shapes: Shapes, dtypes: Mapping[str, str]) -> dict[str, _Layer]:
    """The quantized layers of a file by module, unchecked."""
    return {
        module: _Layer(module=module, parts=parts, shapes=shapes, dtypes=dtypes)
        for tensor in shapes
        for parts in ((_DATA, _SCALE), (_PACKED, _SCALE, _SHIFT))
        if (module := tensor.removesuffix(f".{parts[0]}")) != tensor
    }


def check_quanto(
    shapes: Shapes, dtypes: Mapping[str, str], kinds: Mapping[str, str] | None, *, name: str
) -> dict[str, QuantoKind]:
    """Check a quantized file by its header; the kind of each quantized module.

    Dtypes are as safetensors spells them; `kinds` is of `read_map`, None if the file has no map:
    then the dtypes tell the kinds.

    Raises:
        ValueError: If parts of a layer are missing, left over or of a wrong shape or dtype, the
            map says otherwise, or a packed layer cannot be told.
    """
    layers = _find_layers(shapes, dtypes)
    if kinds is not None:
        _check_listed(layers, kinds, name)
    _check_strangers(layers, shapes, name)
    listed: Mapping[str, str | None] = dict.fromkeys(layers) if kinds is None else kinds
    try:
        return {module: layer.check(listed[module]) for module, layer in layers.items()}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_listed(modules: Collection[str], kinds: Mapping[str, str], name: str) -> None:
    for found, wanted, where in (
        (modules, kinds, "in the map but not quantised in the file"),
        (kinds, modules, "quantised in the file but not in the map"),
    ):
        absent = [module for module in wanted if module not in found]
        if absent:
            some = ", ".join(absent[:5]) + (", ..." if absent[5:] else "")
            raise ValueError(
                f"{name} and its map do not belong together: {len(absent)} of {len(wanted)} layers "
                f"are {where} ({some}). {_MAP_ADVICE}"
            )


def _check_strangers(layers: Mapping[str, _Layer], shapes: Shapes, name: str) -> None:
    """Refuse what looks like a part of a quantized layer and is none."""
    known = {tensor for layer in layers.values() for tensor in layer.tensors}
    known |= {f"{module}{scale}" for module in layers for scale in _ACTIVATION_SCALES}
    plain = {f"{module}.weight" for module in layers}
    for tensor in shapes:
        if tensor in plain or (_OF_A_LAYER.search(tensor) and tensor not in known):
            raise ValueError(
                f"{name}: {tensor} is not part of a layer as optimum-quanto writes it "
                f"({_DATA}, {_SCALE}; for qint4 {_PACKED}, {_SCALE}, {_SHIFT}). The file is "
                "damaged or of another program; download it again."
            )


def group_shape(module: str, shapes: Shapes) -> tuple[int, int]:
    """Out and in of a packed layer: by its bias, else if only one shape has such groups."""
    num_groups, group_size = shapes[f"{module}.{_SCALE}"][0], shapes[f"{module}.{_PACKED}"][1]
    bias = shapes.get(f"{module}.bias")
    sizes = range(1, num_groups + 1) if bias is None else bias
    even = ((n, num_groups // n * group_size) for n in sizes if n and num_groups % n == 0)
    fitting = (shape for shape in even if _group_size(shape[1]) == group_size)
    found = list(islice(fitting, 2))
    if len(found) != 1:
        raise ValueError(
            f"The shape of {module}.weight cannot be told from {num_groups} groups of {group_size} "
            f"and {'no bias' if bias is None else f'a bias of {list(bias)}'}. "
            "Choose a file quantised to qint8 or qfloat8_e4m3fn."
        )
    return found[0]


def _group_size(columns: int) -> int:
    return next((size for size in _GROUP_SIZES if columns % size == 0), columns)


def collect_quanto(
    tensors: Mapping[str, Tensor], kinds: Mapping[str, str] | None, *, name: str
) -> dict[str, Tensor | RowScaled | GroupScaled]:
    """The parameters of a quantized file, `<module>.weight` quantized; no data is copied.

    Raises:
        ValueError: As `check_quanto`, or if the file was made for quantized activations.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    dtypes = {key: NAMES.get(tensor.dtype, str(tensor.dtype)) for key, tensor in tensors.items()}
    check_quanto(shapes, dtypes, kinds, name=name)
    for key, tensor in tensors.items():
        if key.endswith(_ACTIVATION_SCALES) and bool((tensor != 1).any()):
            raise ValueError(
                f"{name}: {key} is not 1, so the file was made for quantised activations. "
                "Choose a file with quantised weights alone."
            )
    plain = {key: tensor for key, tensor in tensors.items() if not _OF_A_LAYER.search(key)}
    layers = _find_layers(shapes, dtypes)
    return plain | {f"{m}.weight": layer.collect(tensors) for m, layer in layers.items()}
