"""Voices of the speech model: one file each, mixed by weights.

A voice is a table of styles [510, 1, 256], a row per length of what is said: row n - 1 for n
phoneme characters. Source: kokoro.md section 3.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..weights.contents import SAFETENSORS_SUFFIX
from .config import MAX_PHONEMES
from .network.files import read_weights

STYLE_WIDTH = 256
VOICE_SHAPE = (MAX_PHONEMES, 1, STYLE_WIDTH)
VOICE_SUFFIXES = (".pt", SAFETENSORS_SUFFIX)
SYNTAX = "af_heart, or af_heart, am_adam, or af_heart:0.7, am_adam:0.3"

_MAX_NAMED = 60  # voices in an error; 54 were published
_BETWEEN = re.compile(r",|(?<!\d[eE])\+")  # not the plus of 1e+3
_NUMBER = re.compile(r"\d{1,20}(?:\.\d{0,20})?%?|\.\d{1,20}")
_MAX_SHOWN = 200  # characters of what was typed


def list_voices(folder: Path) -> list[str]:
    """Names of the voices in a folder, sorted; empty if the folder does not exist."""
    return sorted(_voice_files(folder))


def _voice_files(folder: Path) -> dict[str, Path]:
    """Files by the name of the voice; of two with one name the safetensors file."""
    if not folder.is_dir():
        return {}
    return {
        file.stem: file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in VOICE_SUFFIXES and not file.name.startswith(".")
    }


def read_voice(path: Path) -> Tensor:
    """Read a voice, [510, 1, 256] float32, from a .pt or .safetensors file with one tensor.

    Raises:
        ValueError: If the file is damaged, holds anything but one tensor, or that is no voice.
    """
    tensors = read_weights(path)
    if len(tensors) != 1:
        raise ValueError(
            f"{path.name} holds {len(tensors)} tensors; a voice is one. "
            "Choose a file of the folder voices that was published with the model."
        )
    voice = next(iter(tensors.values()))
    if tuple(voice.shape) != VOICE_SHAPE or not voice.is_floating_point():
        raise ValueError(
            f"{path.name} holds numbers of the kind {str(voice.dtype).removeprefix('torch.')}, "
            f"{_sizes(voice.shape)}; a voice is floating-point, {_sizes(VOICE_SHAPE)}. Choose "
            "another file."
        )
    voice = voice.to(torch.float32, copy=True)
    if not voice.isfinite().all():
        raise ValueError(f"{path.name} holds values that are no numbers. Download it again.")
    return voice


def parse_mix(mix: str) -> tuple[tuple[str, float], ...]:
    """Take a mix of voices apart: names and weights in the order given; weights sum to 1.

    Names have commas between them, and each has a `:weight` or not (1). As other programs write
    them: a(2)+b(1), a+b, 0.6*a+0.4*b, a*0.6+b*0.4, a:60% + b:40%.

    Raises:
        ValueError: If a name or weight is missing, twice there, or a weight is not above 0.
    """
    shares: dict[str, float] = {}
    for part in _BETWEEN.split(mix):
        name, number = _share(part.strip())
        if not name or number == "":
            raise ValueError(f"The voice {_shown(mix)} has an empty part. Write {SYNTAX}.")
        if name in shares:
            raise ValueError(f"The voice {_shown(mix)} names {_shown(name)} twice. Write it once.")
        shares[name] = 1.0 if number is None else _weight(number, name)
    total = sum(shares.values())
    return tuple((name, weight / total) for name, weight in shares.items())


def _share(part: str) -> tuple[str, str | None]:
    """Name and weight of a part of a mix; None if it has no weight."""
    if part.endswith(")") and "(" in part:  # a(2)
        name, _, number = part[:-1].rpartition("(")
    elif "*" in part:  # 0.6*a or a*0.6
        number, _, name = part.partition("*")
        if not _NUMBER.fullmatch(number.strip()):
            name, number = number, name
    else:
        name, colon, number = part.partition(":")
        if not colon:
            return name.strip(), None
    return name.strip(), number.strip()


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _weight(text: str, name: str) -> float:
    try:
        weight = float(text.removesuffix("%"))
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1e6:  # also refuses what is no number
        raise ValueError(
            f"The weight of voice {_shown(name)} is {_shown(text)}; it is a number above 0. "
            f"Write {SYNTAX}."
        )
    return weight


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


def mix_voices(mix: str, folder: Path) -> Tensor:
    """Read one voice, or the weighted mean of several, see `parse_mix`: [510, 1, 256] float32.

    Raises:
        ValueError: If the mix cannot be read, a voice is unknown (it names what there is), or a
            file is no voice.
    """
    files = _voice_files(folder)
    # A file may be called a+b.
    shares = ((mix.strip(), 1.0),) if mix.strip() in files else parse_mix(mix)
    for name, _ in shares:
        if name not in files:
            raise ValueError(_unknown(name, sorted(files), folder))
    if len(shares) == 1:
        return read_voice(files[shares[0][0]])
    weighted = [read_voice(files[name]) * weight for name, weight in shares]
    return torch.stack(weighted).sum(0)


def _unknown(name: str, available: list[str], folder: Path) -> str:
    if not available:
        return f"There is no voice in {folder}. Put the published .pt files there."
    nearest = difflib.get_close_matches(name[:_MAX_SHOWN], available, n=1, cutoff=0)[0]
    more = ", ..." if len(available) > _MAX_NAMED else ""
    return (
        f"There is no voice {_shown(name)}. Did you mean {nearest}? "
        f"There are: {', '.join(available[:_MAX_NAMED])}{more}."
    )


def voice_style(voice: Tensor, num_phonemes: int) -> Tensor:
    """Style [256] of a voice [510, 1, 256] for a chunk.

    `num_phonemes` counts the characters of the chunk's phonemes, also those that have no id.
    """
    row = min(max(num_phonemes, 1), len(voice)) - 1
    return voice[row, 0].clone()
