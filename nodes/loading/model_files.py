"""The weight files that a node names, looked at once per queue and before anything is loaded.

Imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

from typing import Any, cast

from ...multitalk.config import Family
from ...multitalk.model.fit import check_encoder_fit
from ...multitalk.model.model_files import AudioFile, ModelFiles
from ...multitalk.model.naming import ModelHeader, read_model_header
from ...multitalk.sound.wav2vec2 import Speech
from ..checked import once
from ..host import (
    AUDIO_PART_FOLDERS,
    BASE_FOLDERS,
    IN_BASE,
    LORA_FOLDERS,
    file_stamps,
    find_file,
    upstream,
)  # fmt: skip

NONE = "none"  # no second expert
LOW_NOISE_BASE = "low_noise_base"
_LOADERS = ("MultiTalkLoadModel", "MultiTalkAttach")


def check_files(speech: Speech, dynprompt: Any, node_id: str) -> Family | None:
    """Look at the headers of the files that lead into `model`, before anything is loaded.

    Returns:
        Family of the weights, or None if not exactly one loader of ours leads into `model`.

    Raises:
        ValueError: If a file is of the wrong kind, or files and speech do not fit each other.
    """
    chosen = _chosen(dynprompt, node_id)
    if chosen is None:
        return None
    name, base = chosen["audio_part"], chosen.get("base")
    choice, second = str(chosen.get("family", "auto")), chosen.get(LOW_NOISE_BASE, NONE)
    if isinstance(base, str):
        found = find_model_files(base, name, dynprompt)
        found.check_family(choice)
        if isinstance(second, str) and second != NONE:
            find_low_noise(second, found, dynprompt)
        elif second == NONE:
            check_no_loras(chosen.get("low_noise_loras"))
        audio = found.audio
    else:
        audio = find_audio_file(name, dynprompt)
    layers, width = speech.features.shape[2:]
    check_encoder_fit(layers, width, audio.config, audio.name)
    return choose_family(audio, choice)


def _chosen(dynprompt: Any, node_id: str) -> dict[str, Any] | None:
    """Inputs of the loader of ours that leads into `model`.

    None if there is none, or a switch decides which of several: its own checks follow.
    """
    loaders = [
        inputs
        for class_type, inputs in upstream(dynprompt, node_id, "model")
        if class_type in _LOADERS and isinstance(inputs.get("audio_part"), str)
    ]
    return loaders[0] if len(loaders) == 1 else None


def chosen_files(dynprompt: Any, node_id: str) -> ModelFiles | None:
    """The files of the MultiTalk Load Model that leads into `model`; None as for `check_files`."""
    chosen = _chosen(dynprompt, node_id)
    if chosen is None or not isinstance(chosen.get("base"), str):
        return None
    return find_model_files(chosen["base"], chosen["audio_part"], dynprompt)


def has_two_experts(dynprompt: Any, node_id: str) -> bool:
    """Whether a loader of ours that leads into `model` is given a second expert."""
    return any(
        inputs.get(LOW_NOISE_BASE, NONE) != NONE or inputs.get("low_noise_model") is not None
        for class_type, inputs in upstream(dynprompt, node_id, "model")
        if class_type in _LOADERS
    )


def choose_family(audio: AudioFile, choice: str) -> Family:
    """The family that a user chose, or else the one that metadata or file name tell."""
    return audio.family if choice == "auto" else cast("Family", choice)


def find_model_files(base: str, audio_part: str, dynprompt: Any) -> ModelFiles:
    """Base and audio file (or IN_BASE), checked; the nodes of a prompt share what was read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If one is wrong or they do not belong together.
    """
    base_path = find_file(base, BASE_FOLDERS)
    stamps = [(base_path, file_stamps([base], BASE_FOLDERS))]
    audio_path = None
    if audio_part != IN_BASE:
        audio_path = find_file(audio_part, AUDIO_PART_FOLDERS)
        stamps.append((audio_path, file_stamps([audio_part], AUDIO_PART_FOLDERS)))
    return once(dynprompt, (ModelFiles, *stamps), lambda: ModelFiles.read(base_path, audio_path))


def find_low_noise(name: str, high: ModelFiles, dynprompt: Any) -> ModelFiles:
    """As `find_model_files`, for the low-noise expert beside a high-noise one, with its audio part.

    Raises:
        ValueError: If both do not belong together.
    """
    path = find_file(name, BASE_FOLDERS)
    key = (LOW_NOISE_BASE, path, file_stamps([name], BASE_FOLDERS), id(high))

    def read() -> tuple[ModelFiles, ModelFiles]:
        return high.with_low_noise(path), high  # kept: an id tells things apart while they live

    return once(dynprompt, key, read)[0]


def check_no_loras(chosen: object) -> None:
    """Refuse LoRAs of a low-noise expert where there is none; `chosen` are their number or files.

    Raises:
        ValueError: With what to do.
    """
    if chosen not in (None, NONE, "0", []):
        raise ValueError(
            "low_noise_loras are chosen, and low_noise_base is none: there is nothing they could "
            "change. Choose the low-noise expert in low_noise_base, or set low_noise_loras to none."
        )


def find_audio_file(name: str, dynprompt: Any) -> AudioFile:
    """As `find_model_files` for an audio part that goes onto any MODEL."""
    path = find_file(name, AUDIO_PART_FOLDERS)
    key = (AudioFile, path, file_stamps([name], AUDIO_PART_FOLDERS))
    return once(dynprompt, key, lambda: AudioFile.read(path))


def find_lora_header(name: str, dynprompt: Any) -> ModelHeader:
    """As `find_model_files` for a file of models/loras."""
    path = find_file(name, LORA_FOLDERS)
    key = (ModelHeader, path, file_stamps([name], LORA_FOLDERS))
    return once(dynprompt, key, lambda: read_model_header(path))
