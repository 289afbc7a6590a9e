"""Whatever stands on an AUDIO socket, as checked sound; and sound as a host AUDIO."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..multitalk.sound.audio import Sound, Tracks, check_sound, place_tracks, within_range
from ..multitalk.sound.channels import peak
from ..multitalk.words import count
from .host import check_memory
from .values import has_numbers, shown

logger = logging.getLogger("multitalk.nodes")

MIN_RATE_HZ, MAX_RATE_HZ = 1000, 1_000_000
MAX_CHANNELS = 64
FEW_CHANNELS = 8  # with two dimensions, so few are channels and not samples
LOUDEST = 100.0  # times full scale: more is another scale, such as that of 16 bits
# Kinds of whole numbers that sound comes in: what is silence, and what is full scale.
RANGES = {torch.int16: (0, 1 << 15), torch.int32: (0, 1 << 31), torch.uint8: (128, 1 << 7)}
ADVICE = "it takes a sound; connect for example Load Audio."


def read_sound(value: object, name: str) -> Sound:
    """The one sound of an AUDIO; the message calls it `name`.

    Raises:
        ValueError: If it is no sound, several, or one that nothing can be made from.
    """
    sounds = read_sounds(value, name)
    if len(sounds) > 1:
        raise ValueError(
            f"{name} is a batch of {count(len(sounds), 'sound')}; one is possible here. "
            "Connect them one by one, for example to MultiTalk Tracks."
        )
    return sounds[0]


def read_sounds(value: object, name: str) -> list[Sound]:
    """All sounds of an AUDIO, at least one: waveforms [C, A] float32 on the CPU, finite.

    A waveform is [B, C, A], [C, A] or [A], a tensor, an array or a list; whole numbers of 16 and 32
    bits, and unsigned ones of 8, become -1..1. Floats keep their bits.

    Raises:
        ValueError: If it is no sound, or one that nothing can be made from.
    """
    if value is None:
        raise ValueError(_no_sound(name))
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {shown(value)}; {ADVICE}")
    if missing := [key for key in ("waveform", "sample_rate") if key not in value]:
        raise ValueError(f"{name} comes without a {missing[0]}; {ADVICE}")
    rate = _read_rate(value["sample_rate"], name)
    batch = _as_batch(_as_tensor(value["waveform"], name), name)
    sounds = [Sound(waveform=waveform, sample_rate=rate) for waveform in _scale(batch, name)]
    if not sounds:
        raise ValueError(_no_sound(name))
    for sound in sounds:
        check_sound(sound, name)
        if (highest := peak(sound.waveform)) > LOUDEST:
            raise ValueError(
                f"{name} has samples up to {highest:.6g}; sound lies between -1 and 1. Divide it "
                "by its full scale, which is 32768 for 16 bits."
            )
    return sounds


def from_sound(sound: Sound) -> dict[str, Any]:
    """A host AUDIO, within full scale: nodes that save sound cut off what lies beyond."""
    sound, notes = within_range(sound)
    for note in notes:
        logger.info("[MultiTalk] %s", note)
    return {"waveform": sound.waveform[None], "sample_rate": sound.sample_rate}


def _no_sound(name: str) -> str:
    return (
        f"{name} carries no sound (a video without a sound track gives this). "
        "Connect a node that loads or makes audio."
    )


def _read_rate(value: Any, name: str) -> int:
    boxed = isinstance(value, Tensor | np.ndarray | np.generic) and not value.ndim
    number: Any = value.item() if boxed else value
    real = isinstance(number, int | float) and not isinstance(number, bool)
    if real and MIN_RATE_HZ <= number <= MAX_RATE_HZ and number % 1 == 0:
        return int(number)
    raise ValueError(
        f"sample_rate of {name} is {shown(number)}; it must be a whole number of Hz from "
        f"{MIN_RATE_HZ} to {MAX_RATE_HZ}, such as 44100. Connect for example Load Audio."
    )


def _as_tensor(value: object, name: str) -> Tensor:
    """A waveform of any shape as a tensor with the numbers that it came with."""
    if isinstance(value, Tensor):
        return value.detach() if has_numbers(value) else _refuse(value, name)
    if isinstance(value, list | tuple) and value and all(isinstance(v, Tensor) for v in value):
        shapes = {tuple(part.shape) for part in value}
        return torch.stack([*value]).detach() if len(shapes) == 1 else _refuse(value, name)
    if not isinstance(value, np.ndarray | list | tuple):
        return _refuse(value, name)
    try:
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return torch.from_numpy(np.ascontiguousarray(native))
    except (ValueError, TypeError):
        return _refuse(value, name)


def _refuse(value: object, name: str) -> Tensor:
    raise ValueError(
        f"waveform of {name} is {shown(value)}; it must be numbers of shape [batch, channels, "
        "samples]. Connect for example Load Audio."
    )


def _as_batch(waveform: Tensor, name: str) -> Tensor:
    """[A], [C, A] or [A, C] with few channels, or [B, C, A], as [B, C, A]."""
    if waveform.ndim == 1:
        return waveform[None, None]
    if waveform.ndim == 2 and min(waveform.shape) <= FEW_CHANNELS:
        return (waveform if len(waveform) <= FEW_CHANNELS else waveform.T)[None]
    if waveform.ndim == 3 and waveform.shape[1] <= MAX_CHANNELS:
        return waveform
    raise ValueError(
        f"waveform of {name} has the shape {list(waveform.shape)}; sound is [batch, channels, "
        f"samples] with up to {MAX_CHANNELS} channels. Connect for example Load Audio."
    )


def _scale(waveform: Tensor, name: str) -> Tensor:
    """Numbers of any kind as float32 on the CPU, whole ones by the range of their kind."""
    if waveform.is_floating_point():
        return waveform.to("cpu", torch.float32)
    if waveform.dtype not in RANGES:
        kind = str(waveform.dtype).removeprefix("torch.")
        raise ValueError(
            f"waveform of {name} holds numbers of the kind {kind}, whose full scale is not known; "
            "sound is float, int16, int32 or uint8. Make it float, between -1 and 1."
        )
    silence, full_scale = RANGES[waveform.dtype]
    return waveform.to("cpu", torch.float32).sub_(silence).div_(full_scale)


def read_tracks(audio: Any) -> Tracks:
    """AUDIO or TRACKS to tracks; a single AUDIO is one speaker who begins at once.

    Raises:
        ValueError: If it is neither, or the memory is too small for it.
    """
    if isinstance(audio, Tracks):
        return audio
    if audio is not None and not isinstance(audio, Mapping):
        raise ValueError(
            f"audio is {shown(audio)}; it takes a sound or tracks. Connect for example Load Audio, "
            "MultiTalk Tracks or MultiTalk Dialogue."
        )
    sound = read_sound(audio, "audio")
    check_memory(4 * sound.waveform.numel(), "audio", sound.duration_s, "copying")
    return place_tracks([sound], [Fraction(0)])
