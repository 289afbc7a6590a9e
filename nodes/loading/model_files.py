"""Checks of weight files before anything is read but their beginnings.

Imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from ...multitalk.config import Family
from ...multitalk.model.architecture import audio_parameters, base_parameters, base_sizes
from ...multitalk.model.fit import (
    audio_part_config,
    check_base,
    check_encoder_fit,
    check_fit,
    check_parameters,
    has_audio_part,
)
from ...multitalk.model.kinds import guess_family
from ...multitalk.sound.wav2vec2 import Speech
from ...weights.header import Header, read_header
from ...weights.layouts import parameter_shapes
from ..host import AUDIO_PART_FOLDERS, BASE_FOLDERS, IN_BASE, find_file, upstream

_LOADERS = ("MultiTalkLoadModel", "MultiTalkAttach")


def check_files(speech: Speech, dynprompt: Any, node_id: str) -> Family | None:
    """Look at the headers of the files that lead into `model`, before anything is loaded.

    Args:
        speech: Features; must fit the audio part's first projection.
        dynprompt: The host's running prompt.
        node_id: The node whose `model` socket is followed upstream.

    Returns:
        Family of the weights, or None if not exactly one loader of ours leads into `model`.

    Raises:
        ValueError: If a file is of the wrong kind, or files and speech do not fit each other.
    """
    loaders = [
        inputs
        for class_type, inputs in upstream(dynprompt, node_id, "model")
        if class_type in _LOADERS and isinstance(inputs.get("audio_part"), str)
    ]
    if len(loaders) != 1:  # none of ours, or a switch decides which one: its own checks follow
        return None
    name, base = loaders[0]["audio_part"], loaders[0].get("base")
    if isinstance(base, str):
        header = check_model_files(base, name)[1]
    else:
        header = read_header(find_file(name, AUDIO_PART_FOLDERS))
    config = audio_part_config(header)
    layers, width = speech.features.shape[2:]
    check_encoder_fit(layers, width, config, header.name)
    return choose_family(header, str(loaders[0].get("family", "auto")))


def choose_family(header: Header, choice: str) -> Family:
    """The family that a user chose, or else the one that metadata or file name tell."""
    return guess_family(header) if choice == "auto" else cast("Family", choice)


def find_audio_part(base: str, audio_part: str) -> Path:
    """The file that holds the audio part: its own, or the base's."""
    if audio_part == IN_BASE:
        return find_file(base, BASE_FOLDERS)
    return find_file(audio_part, AUDIO_PART_FOLDERS)


def check_model_files(base: str, audio_part: str) -> tuple[Header, Header]:
    """Refuse a wrong base or audio file, or two that do not belong together, from the headers.

    Args:
        base: File name.
        audio_part: File name, or IN_BASE.

    Returns:
        The headers of the base and of the file that holds the audio part.

    Raises:
        ValueError: With what the file is and what is expected.
    """
    base_header = read_header(find_file(base, BASE_FOLDERS))
    check_base(base_header)
    if audio_part == IN_BASE and not has_audio_part(base_header):
        raise ValueError(
            f"{base_header.name} holds no audio part; audio_part is {IN_BASE}. Choose for example "
            "multitalk.safetensors in audio_part."
        )
    header = base_header
    if audio_part != IN_BASE:
        header = read_header(find_file(audio_part, AUDIO_PART_FOLDERS))
    config = audio_part_config(header)
    check_fit(base_header, config, header.name)
    check_parameters(base_header, header, config)
    return base_header, header


def network_parameters(base: Header, audio: Header) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the whole network that two checked files make."""
    sizes = base_sizes(parameter_shapes(base))
    return {**base_parameters(sizes), **audio_parameters(audio_part_config(audio))}
