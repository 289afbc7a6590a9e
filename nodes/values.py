"""Checks of what comes in at the border: the host compares links with sockets, but not values.

A prompt from a program can hold a text where a picture belongs, a number that is not finite, or
nothing at all; the host passes all of these on.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..multitalk.shots import MAX_SHOTS, Shots
from ..multitalk.sound.wav2vec2 import Speech
from ..multitalk.spans import PromptSpan, read_spans
from ..multitalk.words import count
from .sockets import LoadedEncoder, LoadedVoices, SceneScript

MAX_PREFIX_BYTES = 200  # of one folder or file name; file systems allow 255, a number follows
MAX_PREFIX_FOLDERS = 16
PREFIX_EXAMPLE = "Write for example video/MultiTalk."


@dataclass(frozen=True, slots=True)
class _Socket:
    fits: Callable[[Any], bool]
    advice: str  # what belongs there, and where it comes from


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim in (2, 3) and all(value.shape[-2:])


def _is_conditioning(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list | tuple) and len(row) == 2 and isinstance(row[0], Tensor)
        for row in value
    )


def _is_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(v, str | int | float) for v in value.values()
    )


_CHOICE = _Socket(_is_choice, "one of its choices; choose one in the node itself")
_MASKS = _Socket(
    _is_mask,
    "masks; connect MultiTalk Speakers or a node that makes a MASK. Join a list of them with "
    "Mask List To Mask Batch",
)
_CONDITIONING = _Socket(_is_conditioning, "a text; connect CLIP Text Encode, or leave it free")
SOCKETS: Mapping[str, _Socket] = {
    # The room of pictures tells what is wrong with one.
    "image": _Socket(lambda _: True, "a picture; connect for example Load Image"),
    "end_image": _Socket(lambda _: True, "a picture; connect for example Load Image"),
    "continue_from": _Socket(
        lambda _: True, "a video or its frames; connect for example Load Video"
    ),
    "images": _Socket(lambda _: True, "frames; connect MultiTalk Sampler"),
    "source": _Socket(lambda _: True, "frames of a video; connect MultiTalk Dub Source"),
    "talking": _Socket(lambda _: True, "frames; connect MultiTalk Sampler"),
    "video": _Socket(
        lambda value: hasattr(value, "get_components"), "a video; connect the host's Load Video"
    ),
    "frame_masks": _Socket(
        _is_mask, "masks, one per frame; connect a node that makes a MASK of every frame"
    ),
    "masks": _MASKS,
    **{f"masks_{number}": _MASKS for number in range(2, MAX_SHOTS + 1)},
    "still": _Socket(
        _is_mask,
        "masks of those who do not speak; connect MultiTalk Speakers or a node that makes a MASK",
    ),
    "shots": _Socket(_is(Shots), "shots; connect MultiTalk Shots, or leave it free"),
    "speech": _Socket(_is(Speech), "speech; connect MultiTalk Speech Embedding"),
    "speech_encoder": _Socket(
        _is(LoadedEncoder), "a speech encoder; connect MultiTalk Load Speech Encoder"
    ),
    "voice_model": _Socket(_is(LoadedVoices), "a voice model; connect MultiTalk Load Kokoro"),
    "model": _Socket(_is(ModelPatcher), "a model; connect MultiTalk Load Model"),
    "low_noise_model": _Socket(
        _is(ModelPatcher), "a model; connect a loader of the low-noise expert"
    ),
    "high_noise_model": _Socket(_is(ModelPatcher), "a model; use MultiTalk Load Model"),
    "vae": _Socket(lambda value: hasattr(value, "decode"), "a VAE; connect the host's Load VAE"),
    "clip_vision": _Socket(
        lambda value: hasattr(value, "encode_image"),
        "a CLIP vision model; connect the host's Load CLIP Vision",
    ),
    "positive": _CONDITIONING,
    "negative": _CONDITIONING,
    "clip": _Socket(
        lambda value: hasattr(value, "encode_from_tokens_scheduled"),
        "a text encoder; connect the host's Load CLIP with umt5-xxl, or leave it free",
    ),
    "scene": _Socket(_is(SceneScript), "a scene; connect MultiTalk Scene, or leave it free"),
    "custom_sampler": _Socket(
        lambda value: hasattr(value, "sample"), "a sampler; connect for example Sampler Select"
    ),
    "sigmas": _Socket(
        lambda value: isinstance(value, Tensor) and value.ndim == 1 and has_numbers(value),
        "noise levels; connect for example Basic Scheduler",
    ),
    "preset": _CHOICE,
    "size": _CHOICE,
    "placement": _CHOICE,
    "source_sound": _CHOICE,
    "loras": _CHOICE,
    "low_noise_loras": _CHOICE,
}


_KINDS = {list: "list", tuple: "list", dict: "set of named values", bytes: "row of bytes"}


def shown(value: object) -> str:
    """A value in a few characters, for messages."""
    if isinstance(value, Tensor):
        return f"a tensor of {' x '.join(map(str, value.shape))} numbers"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        kind = _KINDS.get(type(value), f"thing of the kind {type(value).__name__}")
        return f"a {kind}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}..."


def has_numbers(value: Tensor) -> bool:
    """Whether a tensor holds a number at every place, as all but meta and sparse ones do."""
    return value.layout == torch.strided and not value.is_meta


def check_inputs(inputs: Mapping[str, Any], *needed: str) -> None:
    """Refuse values that are not what their sockets and widgets are for.

    Args:
        inputs: Values by the names of `SOCKETS`, and widgets by any name; None is a free socket.
        needed: Names that must not be free.

    Raises:
        ValueError: If one is of another kind, free although needed, empty, or no finite number.
    """
    for name in needed:
        if inputs.get(name) is None:
            raise ValueError(f"{name} is not connected; it takes {SOCKETS[name].advice}.")
    for name, value in inputs.items():
        if value is not None:
            _check_kind(name, value)
        for what, number in value.items() if isinstance(value, Mapping) else [(name, value)]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{what} is {number}; it takes a number. Write for example 1.")


def _check_kind(name: str, value: Any) -> None:
    socket = SOCKETS.get(name)
    if socket is not None and not socket.fits(value):
        raise ValueError(f"{name} is {shown(value)}; it takes {socket.advice}.")


@contextlib.contextmanager
def naming(*fields: str) -> Iterator[None]:
    """What is refused inside begins with the first of these fields, unless it names one itself.

    The engine knows no fields of nodes, and people look for the field.
    """
    try:
        yield
    except ValueError as error:
        said = str(error)
        if type(error) is not ValueError or re.search(rf"\b({'|'.join(fields)})\b", said):
            raise
        raise ValueError(f"{fields[0]}: {said}") from error


def read_scene(text: object) -> tuple[PromptSpan, ...]:
    """Lines of a scene; none of a text that is not made yet.

    Raises:
        ValueError: If one cannot be understood.
    """
    with naming("scene_text"):
        return read_spans(text) if isinstance(text, str) else ()


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Refuse a text that is none of the choices, where the host does not compare them.

    Raises:
        ValueError: With the choices.
    """
    known = list(choices)
    if value not in known:
        raise ValueError(f"{name} is {shown(value)}; use {', '.join(map(str, known))}.")


def check_names(unknown: Mapping[str, Any]) -> None:
    """Refuse inputs that a node does not have; the host hands them to nodes with growing inputs.

    Raises:
        ValueError: If one is left over.
    """
    if unknown:
        name = ascii(next(iter(unknown)))
        raise ValueError(f"{name[:60]} is no input of this node. Remove it from the prompt.")


def check_prefix(prefix: str, folder: str) -> None:
    """Refuse the beginning of a file name that no file could have, or that leaves `folder`.

    Raises:
        ValueError: With the part that is impossible.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in prefix):
        raise ValueError(
            f"filename_prefix is {shown(prefix)}; it holds characters that no file name can have. "
            f"{PREFIX_EXAMPLE}"
        )
    parts = prefix.replace("\\", "/").split("/")
    if len(parts) > MAX_PREFIX_FOLDERS or any(len(p.encode()) > MAX_PREFIX_BYTES for p in parts):
        raise ValueError(
            f"filename_prefix is {shown(prefix)}, {count(len(prefix), 'character')}; up to "
            f"{MAX_PREFIX_FOLDERS} names of {MAX_PREFIX_BYTES} bytes are possible. {PREFIX_EXAMPLE}"
        )
    root = os.path.realpath(folder)
    # normpath first, as the host does it: "x/.." is then "." and stays inside.
    target = os.path.realpath(Path(root, Path(os.path.normpath(prefix)).parent))
    if not Path(target).is_relative_to(root):
        raise ValueError(
            f"filename_prefix is {shown(prefix)}; videos stay inside the folder {root}. "
            f"{PREFIX_EXAMPLE}"
        )


def missing_lazy(inputs: dict[str, Any], *names: str) -> list[str]:
    """Which of the lazy sockets are connected and not made yet."""
    return [name for name in names if name in inputs and inputs[name] is None]


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of check_lazy_status without the keys that the host pairs dynamic values with."""

    def strip(value: Any) -> Any:
        paired = isinstance(value, dict) and all(isinstance(v, tuple) for v in value.values())
        return {name: pair[0] for name, pair in value.items()} if paired else value

    return {name: strip(value) for name, value in inputs.items()}
