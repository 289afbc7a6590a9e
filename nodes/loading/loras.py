"""LoRAs onto base and audio part, with the host's own algebra and a report of what they change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.lora
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.model.architecture import is_audio_name
from ...multitalk.model.lora import LoraMatch, match_lora
from ...multitalk.model.lora_forms import ALPHA, DORA
from ...multitalk.model.lora_report import describe_match, require_match
from ...multitalk.model.lora_scale import HeaderScale, read_scale
from ...weights.header import open_tensors
from ...weights.strict import tensor_shapes
from .audio_hooks import KEY
from .audio_part import add_changes
from .decomposed import Decomposed
from .experts import low_noise_of
from .model_files import find_lora_header
from .modules import map_safetensors

Shapes = Mapping[str, tuple[int, ...]]


def read_chosen(text: str) -> list[tuple[str, float]]:
    """File names and strengths, as MultiTalk Load Model writes them.

    Raises:
        ValueError: If something else wrote them.
    """
    try:
        return [(str(name), float(strength)) for name, strength in json.loads(text)]
    except (TypeError, ValueError) as error:
        raise ValueError(
            "loras is no list of files and strengths. Use MultiTalk Load Model, which writes it."
        ) from error


def report_loras(chosen: Sequence[tuple[str, float]], parameters: Shapes, dynprompt: Any) -> str:
    """Match LoRA files against base and audio part from their headers, as a text for people.

    Those of strength 0 are named and left out.

    Raises:
        ValueError: If a file is unreadable, or fits nothing.
    """
    lines = []
    for name, strength in chosen:
        if strength == 0:
            lines.append(f"{name}: strength 0, left out")
            continue
        header = find_lora_header(name, dynprompt)
        match = match_lora(header.shapes, parameters, read_scale(header))
        require_match(match, name)
        lines.append(describe_match(match, name, strength))
    return "\n".join(lines)


def apply_lora(model: ModelPatcher, name: str, strength: float, dynprompt: Any) -> ModelPatcher:
    """A clone with a file of models/loras on the base, and on the audio part if there is one.

    Raises:
        ValueError: If no key of the file fits the model.
    """
    header = find_lora_header(name, dynprompt)
    state: dict[str, Tensor] = {}
    for key, tensor in open_tensors(header, map_safetensors).items():
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"{name} is a GGUF file; LoRAs are read from .safetensors and PyTorch files. "
                "Choose the LoRA in one of these."
            )
        state[key] = tensor
    return add_lora(model, state, name, strength, read_scale(header))


def add_lora(
    model: ModelPatcher,
    state: Mapping[str, Tensor],
    name: str,
    strength: float,
    scale: HeaderScale | None = None,
) -> ModelPatcher:
    """As `apply_lora`, with the tensors of a LoRA file at hand and what its header says."""
    audio = [patcher.clone() for patcher in model.get_additional_models_with_key(KEY)]
    networks = (model.model.diffusion_model, *(patcher.model for patcher in audio))
    parameters = {name: p for network in networks for name, p in network.named_parameters()}
    for key, tensor in state.items():
        if key.endswith(ALPHA) and not bool(tensor.isfinite().all()):
            raise ValueError(
                f"{name}: {key} is {_first(tensor)}, no scale. Choose another file, "
                "or download it again."
            )
    match = match_lora(tensor_shapes(state), tensor_shapes(parameters), scale)
    require_match(match, name)
    clone: ModelPatcher = model.clone()
    _add_patches(clone, match, state, strength, audio=False)
    for patcher in audio:
        _add_patches(patcher, match, state, strength, audio=True)
    if audio:
        clone.set_additional_models(KEY, audio)
    return clone


def count_changed_weights(model: ModelPatcher) -> int:
    """Weights of all networks of a MODEL that LoRAs change, those of the host's LoRA nodes too.

    Base weights that come with an audio part and replace those of the MODEL do not count.
    """
    held = low_noise_of(model)
    count = 0 if held is None else count_changed_weights(held.model)
    for patcher in (model, *model.get_additional_models_with_key(KEY)):
        for changes in patcher.patches.values():
            count += any(not isinstance(c[1], tuple) or c[1][0] != "set" for c in changes)
        objects = patcher.object_patches.values()  # what the host cannot patch; see add_changes
        count += sum(isinstance(value, torch.nn.Parameter) for value in objects)
    return count


def _add_patches(
    patcher: ModelPatcher,
    match: LoraMatch,
    state: Mapping[str, Tensor],
    strength: float,
    *,
    audio: bool,
) -> None:
    prefix = "" if audio else "diffusion_model."  # the host's name for the network in its model
    targets = {
        path: prefix + parameter
        for path, parameter in match.targets.items()
        if is_audio_name(parameter) == audio
    }
    if not targets:
        return
    renamed: dict[str, Tensor] = {}
    magnitudes: dict[str, Tensor] = {}
    for key, host_name in match.names.items():
        tensor = state[key].reshape(match.reshaped.get(key, state[key].shape))
        if (factor := match.factors.get(key)) is not None:
            tensor = tensor.float() * factor
        path = host_name.removesuffix(DORA)
        if path == host_name:
            renamed[host_name] = tensor
        elif path in targets:
            magnitudes[targets[path]] = tensor
    changes = comfy.lora.load_lora(renamed, targets, log_missing=False)
    for key, magnitude in magnitudes.items():
        changes[key] = Decomposed(changes[key].loaded_keys, (magnitude, changes[key]))
    add_changes(patcher, changes, strength)


def _first(tensor: torch.Tensor) -> str:
    return f"{float(tensor.flatten()[0]):g}" if tensor.numel() else "empty"
