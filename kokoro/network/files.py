"""Files of the speech model: finding them, reading them safely, bringing their names together.

Layouts: the published .pth (a dict of five state dicts, names with `module.` and weight_g and
weight_v), newer weight norm names, and flat names whose first part is the submodule (safetensors
repackages). Source: kokoro.md section 1. Nothing but tensors is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...weights import pickles
from ...weights.contents import SAFETENSORS_SUFFIX
from ...weights.reading import require_file
from ...weights.safetensors_file import safetensors_contents
from ...weights.strict import find_misfit, tensor_shapes

WEIGHT_SUFFIXES = (".pth", SAFETENSORS_SUFFIX)
PARTS = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
EXAMPLE = "kokoro-v1_0.pth"

_MAX_NAMED = 10  # names in an error
_MAGNITUDE = (".weight_g", ".parametrizations.weight.original0")
_DIRECTION = (".weight_v", ".parametrizations.weight.original1")
# In files, but not needed: ALBERT's pooled output, index buffers of older transformers versions,
# tables of the reference's other STFT.
_UNUSED = ("bert.pooler.", "bert.embeddings.position_ids", "bert.embeddings.token_type_ids",
           "decoder.generator.stft.")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class KokoroFiles:
    """Where the parts of a model are."""

    weights: Path
    config: Path | None  # absent: the published sizes and symbols
    voices: Path  # folder; may be missing


def find_files(path: Path) -> KokoroFiles:
    """Find the files of a model.

    `path` is a folder with one .pth or .safetensors file, config.json and voices/, as published;
    or the weights themselves, with the others beside them.

    Raises:
        ValueError: If there are no weights, or several.
    """
    folder, weights = path.parent, path
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in WEIGHT_SUFFIXES)
        if len(found) != 1:
            names = ", ".join(file.name for file in found[:_MAX_NAMED]) or "none"
            raise ValueError(
                f"The folder {path.name} must hold one .pth or .safetensors file with the model; "
                f"found: {names}. Put {EXAMPLE} there, or choose one file."
            )
        folder, weights = path, found[0]
    elif not path.exists() and not path.is_symlink():
        raise ValueError(f"{path.name} does not exist. Choose {EXAMPLE} or the folder it is in.")
    require_file(weights)
    config = folder / "config.json"
    there = config.exists() or config.is_symlink()  # what is no file is refused when it is read
    return KokoroFiles(weights=weights, config=config if there else None, voices=folder / "voices")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a .pth, .pt or .safetensors file, and nothing else.

    They are on the CPU, by dotted names; those of a new .pth file are mapped, not read.

    Raises:
        ValueError: If the file is damaged, of another kind, or holds anything but tensors.
    """
    suffix = path.suffix.lower()
    if suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if suffix in (".pth", ".pt"):
        other = "is never run. Download it from where the model was published."
        return flatten(pickles.read_pickle(path, other=other), path.name)
    raise ValueError(
        f"{path.name} is neither a .pth, .pt nor .safetensors file. Choose for example {EXAMPLE}."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    safetensors_contents(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{path.name} is no safetensors file, or is damaged. Download it again."
        ) from error


def flatten(value: object, name: str) -> dict[str, Tensor]:
    """Tensors of nested dictionaries by dotted names; a lone one has the name `tensor`.

    Raises:
        ValueError: If there is anything but tensors and mappings.
    """

    def refuse(key: str, _other: object) -> None:
        raise ValueError(
            f"{name} holds more than tensors, under {key!r}. Choose for example {EXAMPLE}."
        )

    return pickles.flatten(value, name, refuse=refuse)


def plain_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies in float32 by the names of our network, with weight norm folded into plain weights.

    One half of a weight norm without the other keeps its name.

    Raises:
        ValueError: If a tensor is there twice, by two of the published names.

    Source: Salimans and Kingma 2016, weight = g v / |v|, the norm over all axes but the first.
    """
    named: dict[str, Tensor] = {}
    for stored, tensor in state.items():
        name = _short_name(stored)
        if name in named:
            raise ValueError(f"This file holds {name} twice. Choose {EXAMPLE}.")
        named[name] = tensor
    out: dict[str, Tensor] = {}
    for name, tensor in named.items():
        if name.startswith(_UNUSED):
            continue
        stem = name.removesuffix(".weight_v")
        magnitude = named.get(f"{stem}.weight_g")
        if name.endswith(".weight_g") and f"{name[:-1]}v" in named:
            continue
        if name.endswith(".weight_v") and magnitude is not None:
            direction = tensor.float()
            norm = torch.norm_except_dim(direction, 2, 0)
            out[f"{stem}.weight"] = direction * (magnitude.float() / norm)
        else:
            out[name] = tensor.to(torch.float32, copy=True)
    return out


def check_numbers(weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of which one has a value that is no number: ValueError that names it.

    A row of zeros under a weight norm is such a value: nothing tells its direction.
    """
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(
            "Some weights hold values that are no numbers, or a row of zeros where a weight norm "
            f"wants a direction: {_some(broken)}. The file is damaged; download it again."
        )


def _short_name(name: str) -> str:
    """Without `module.` after the submodule, and with the old names of weight norm."""
    part, dot, rest = name.removeprefix("module.").partition(".")
    short = part + dot + rest.removeprefix("module.")
    for old, (_, new) in (("weight_g", _MAGNITUDE), ("weight_v", _DIRECTION)):
        if short.endswith(new):
            short = f"{short.removesuffix(new)}.{old}"
    return short


def check_names(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], optional: Collection[str] = ()
) -> None:
    """Refuse tensors without exactly the names (but optional ones) and shapes of a state dict.

    Raises:
        ValueError: With up to 10 missing, unexpected and misshapen names, what the file seems to
            be, and what to choose.
    """
    misfit = find_misfit(tensor_shapes(tensors), tensor_shapes(expected), optional)
    if not misfit:
        return
    lists = {
        "Missing": misfit.missing, "Unexpected": misfit.surplus, "Wrong shape": misfit.misshapen
    }  # fmt: skip
    details = " ".join(f"{title}: {_some(names)}." for title, names in lists.items() if names)
    raise ValueError(f"{_describe(tensors)} {details}")


def _some(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _describe(tensors: Mapping[str, Tensor]) -> str:
    """What a file seems to be that does not fit, and what to choose."""
    parts = {name.partition(".")[0] for name in tensors}
    present = [part for part in PARTS if part in parts]
    if len(tensors) == 1 and next(iter(tensors.values())).shape[1:2] == (1,):
        return f"This file is a voice; it goes into the folder voices. Choose {EXAMPLE} here."
    if not present:
        return f"This file is no Kokoro model. Choose {EXAMPLE}."
    if len(present) < len(PARTS):
        lacking = ", ".join(part for part in PARTS if part not in parts)
        return f"This file is only a part of a Kokoro model, without {lacking}. Choose {EXAMPLE}."
    return (
        "This file looks like a Kokoro model, but is none of the given configuration. Put the "
        "config.json that was published with it beside it, or download both again."
    )
