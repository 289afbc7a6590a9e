"""Checks of the sampling nodes: everything that can be refused before a model is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..multitalk.architecture import audio_parameters, base_parameters, base_sizes
from ..multitalk.checkpoint import (
    audio_part_config,
    check_base,
    check_encoder_fit,
    check_fit,
    check_parameters,
    has_audio_part,
)
from ..multitalk.config import VAE_SPACE, Family
from ..multitalk.layouts import parameter_shapes
from ..multitalk.settings import RunSettings
from ..multitalk.sniff import guess_family
from ..multitalk.speakers import check_masks, check_token_masks, token_masks
from ..multitalk.wav2vec2 import Speech
from ..multitalk.weight_file import Header, read_header
from .host import AUDIO_PART_FOLDERS, BASE_FOLDERS, find_file, upstream
from .sockets import to_masks

IN_BASE = "(in base)"  # a choice of audio_part: the base file holds it too
_LOADERS = ("MultiTalkLoadModel", "MultiTalkAttach")


def missing_lazy(inputs: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Which of the lazy sockets are connected and not made yet."""
    return [name for name in names if name in inputs and inputs[name] is None]


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


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of check_lazy_status without the keys that the host pairs dynamic values with."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict) and value and all(isinstance(v, tuple) for v in value.values()):
            return {name: pair[0] for name, pair in value.items()}
        return value

    return {name: strip(value) for name, value in inputs.items()}


def check_media(image: Tensor, speech: Speech, masks: Tensor | None) -> None:
    """Refuse an empty picture, and masks that do not fit the voices.

    Raises:
        ValueError: If the batch is empty, or as `check_voices`.
    """
    if len(image) == 0:
        raise ValueError("image is an empty batch; connect a picture.")
    check_voices(speech, masks)


def check_voices(speech: Speech, masks: Tensor | None) -> None:
    """Refuse masks that do not fit the voices.

    Raises:
        ValueError: If there are more voices than masks or the reverse, or a mask is unusable.
    """
    voices = speech.num_speakers
    if masks is None:
        if voices > 2:
            raise ValueError(
                f"{voices} voices but no masks; with three or more speakers everyone needs a mask. "
                "Connect MultiTalk Speakers."
            )
        return
    given = to_masks(masks)
    if len(given) != voices:
        raise ValueError(
            f"{voices} voices but {len(given)} masks; every speaker needs one of each. "
            "Add the missing one in MultiTalk Tracks or MultiTalk Speakers."
        )
    check_masks(given)


def check_visible(speech: Speech, cells: Tensor) -> None:
    """Refuse a speaker who vanishes on the token grid; the silent rest of the picture may.

    Args:
        speech: One row of features per voice.
        cells: [S+1, h, w] masks on the latent grid of the video, background last.

    Raises:
        ValueError: If a voice has no token.
    """
    tokens = token_masks(cells)
    voices = torch.cat([tokens[: speech.num_speakers], tokens[-1:]])
    check_token_masks(voices, VAE_SPACE * cells.shape[1], VAE_SPACE * cells.shape[2])


def check_models(model: Any, clip_vision: Any, image: Tensor, settings: RunSettings) -> None:
    """Refuse a missing CLIP vision, and a video for MultiTalk weights.

    Raises:
        ValueError: With what to connect or choose.
    """
    if model.model.diffusion_model.img_emb is not None and clip_vision is None:
        raise ValueError(
            "This base expects CLIP vision, and nothing is connected to clip_vision; "
            "connect clip_vision_h with the host's Load CLIP Vision."
        )
    if len(image) > 1 and settings.family == "multitalk":
        raise ValueError(
            f"image holds {len(image)} pictures; MultiTalk takes one, only InfiniteTalk follows a "
            "video. Connect one picture, or load an InfiniteTalk audio part."
        )
