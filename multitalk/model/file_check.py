"""What the loaders would say of a file, in words: their own checks, none of a report's own.

A LoRA changes a model that is chosen beside it; here it is held against the released one.
"""

from __future__ import annotations

from functools import cache

from ...weights.contents import Shapes
from ..config import BASE_IN_CHANNELS, AudioPartConfig
from .architecture import BaseSizes, audio_parameters, base_parameters
from .fit import (
    audio_part_config,
    check_audio_parameters,
    check_base,
    check_base_parameters,
    check_fit,
    check_parameters,
    encoder_settings,
    encoder_sizes,
)
from .kinds import kind_of
from .lora import match_lora
from .lora_report import describe_match, require_match
from .lora_scale import read_scale
from .naming import ModelHeader

_LOADERS = {
    "WAN base model": "MultiTalk Load Model",
    "whole model": "MultiTalk Load Model",
    "audio part": "MultiTalk Load Model",
    "LoRA": "MultiTalk Load Model",
    "speech encoder": "MultiTalk Load Speech Encoder",
}


def loader_words(header: ModelHeader) -> str:
    """Whether the loader of a kind of file reads it; empty where the host or another loads it."""
    kind = kind_of(header)
    if kind not in _LOADERS:
        return ""
    try:
        said = _check(header, kind)
    except ValueError as error:
        return f"{_LOADERS[kind]} does not read this file: {error}"
    return f"{_LOADERS[kind]} reads this file{said}."


def _check(header: ModelHeader, kind: str) -> str:
    """Run the checks of a loader; what else it would say."""
    if kind == "LoRA":
        match = match_lora(header.shapes, _released_network(), read_scale(header))
        require_match(match, header.name)
        return f". In WAN 2.1 I2V 14B:\n{describe_match(match, header.name, 1.0)}"
    if kind == "speech encoder":
        encoder_sizes(header)
        encoder_settings(header)
        return ""
    if kind == "audio part":
        check_audio_parameters(header, audio_part_config(header))
        return ""
    check_base(header)
    if kind == "WAN base model":
        check_base_parameters(header)
        return ""
    config = audio_part_config(header)
    check_fit(header, config, header.name)
    check_parameters(header, header, config)
    return ""


@cache
def _released_network() -> Shapes:
    """Names and shapes of WAN 2.1 I2V 14B and the audio part of MultiTalk."""
    sizes = BaseSizes(
        dim=5120, num_layers=40, ffn=13824, text_width=4096, time_width=256,
        in_channels=BASE_IN_CHANNELS, out_channels=16, image_width=1280,
    )  # fmt: skip
    audio = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)
    return {**base_parameters(sizes), **audio_parameters(audio)}
