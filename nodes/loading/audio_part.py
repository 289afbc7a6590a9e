"""The audio part from any file layout, and changes of weights that are already loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.lora
import comfy.model_management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ...multitalk.model.audio_attention import build_audio_part
from ...multitalk.model.kinds import kind_of
from ...multitalk.model.model_files import AudioFile
from ...weights.strict import tensor_shapes
from .modules import assign, choose_operations, meta_or_none, read_parameters, store, to_numbers
from .quantizations import QUANTIZATIONS
from .quantized import patch


def load_audio_part(
    file: AudioFile,
    dtype: torch.dtype,
    weight_dtype: str = "default",
    *,
    disable_dynamic: bool = False,
) -> ModelPatcher:
    """Load an audio part, alone or beside a base, onto the offload device.

    Args:
        file: Read and checked.
        dtype: Dtype that the base computes in; weights that are not quantized are kept in it, so
            nothing is cast per call.
        weight_dtype: A key of QUANTIZATIONS.
        disable_dynamic: Use the host's plain patcher (asked for by the host itself).

    Raises:
        ValueError: If the file changed since it was checked, or cannot be quantized as asked.
    """
    device = comfy.model_management.get_torch_device()
    offload = comfy.model_management.unet_offload_device()
    parameters = read_parameters(file.header, audio=True)
    quantization = QUANTIZATIONS[weight_dtype]
    state = store(parameters, quantization=quantization, dtype=dtype, name=file.name)
    operations = choose_operations(state.operations, dtype, dtype, device)
    where = meta_or_none(state.operations)
    part = build_audio_part(file.config, operations, device=where, dtype=dtype)
    comfy.model_management.archive_model_dtypes(part)
    patcher = patch(part, device, offload, disable_dynamic=disable_dynamic)
    assign(part, state, dtype, paged=patcher.is_dynamic(), name=file.name)
    if not comfy.model_management.is_device_cpu(offload):
        part.to(offload)
    patcher.cached_patcher_init = (load_audio_part, (file, dtype, weight_dtype))
    return patcher


def replace_weights(model: ModelPatcher, file: AudioFile) -> ModelPatcher:
    """Let base weights that lie beside an audio part win over those of a MODEL, in a clone.

    The base of a whole model stays unused: the MODEL is the base.
    """
    if kind_of(file.header) != "audio part":
        return model
    extra = read_parameters(file.header, audio=False)
    if not extra:
        return model
    clone: ModelPatcher = model.clone()
    inner = clone.model.diffusion_model
    shapes = tensor_shapes(dict(inner.named_parameters()))
    numbers = to_numbers(extra, shapes, clone.model.get_dtype_inference())
    changes = {f"diffusion_model.{key}": ("set", (t,)) for key, t in numbers.items()}
    for key in add_changes(clone, changes):  # LoRAs that the MODEL has change the new weights
        patches = clone.patches[key]
        patches.insert(0, patches.pop())
    return clone


def add_changes(
    patcher: ModelPatcher, changes: Mapping[str, Any], strength: float = 1.0
) -> list[str]:
    """Add changes of weights in the host's form; gives back those parameters that it patches.

    Its own `add_patches` works for its layers alone. What belongs to a block itself (`modulation`)
    it never patches, and says nothing; such a parameter is replaced as an object.
    """
    names = [name for name, _ in patcher.model.named_parameters() if name in changes]
    direct = [name for name in names if not _is_host_layer(patcher.model, name)]
    for key in direct:
        old = patcher.get_model_object(key)
        change = (strength, changes[key], 1.0, None, None)
        new = comfy.lora.calculate_weight([change], old.to(torch.float32, copy=True), key)
        patcher.add_object_patch(key, torch.nn.Parameter(new.to(old.dtype), requires_grad=False))
    rest = {key: change for key, change in changes.items() if key not in direct}
    return patcher.add_patches(rest, strength)


def _is_host_layer(model: Any, key: str) -> bool:
    layer = comfy.utils.get_attr(model, key.rpartition(".")[0])
    return hasattr(layer, "comfy_cast_weights")
