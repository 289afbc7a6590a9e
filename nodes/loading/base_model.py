"""The base model from any file layout, assembled from the host's own parts.

The host's loader reads one safetensors file and copies it; this one reads every layout of
`weights.layouts` and lets the module take the mapped tensors over. Detection, model class,
dtypes, layers and patcher are the host's.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import comfy.model_detection
import comfy.model_management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ...multitalk.model.architecture import base_parameters
from ...multitalk.model.model_files import ModelFiles
from ...weights.contents import Shapes
from ...weights.dtypes import FP8_DTYPES
from ...weights.layouts import Stored
from .modules import assign, choose_operations, is_plain, meta_or_none, read_parameters, store
from .quantizations import QUANTIZATIONS, Quantization
from .quantized import patch

logger = logging.getLogger("multitalk.nodes")


def load_base(
    files: ModelFiles, weight_dtype: str, *, disable_dynamic: bool = False
) -> ModelPatcher:
    """Load a WAN 2.1 base model onto the offload device.

    Args:
        files: Base and audio part; base weights beside the audio part win.
        weight_dtype: A key of QUANTIZATIONS.
        disable_dynamic: Use the host's plain patcher (asked for by the host itself).

    Raises:
        ValueError: If a file changed since it was checked, or cannot be quantized as asked.
    """
    name = files.base.name
    parameters: dict[str, Stored] = {}
    for header in files.headers:
        parameters.update(read_parameters(header, audio=False))
    quantization = QUANTIZATIONS[weight_dtype]
    device = comfy.model_management.get_torch_device()
    shapes = base_parameters(files.sizes)
    config = _detect(files, shapes)
    count = sum(math.prod(shape) for shape in shapes.values())
    kept, compute = _choose_dtypes(config, parameters, quantization, count)
    state = store(parameters, quantization=quantization, dtype=compute, name=name)
    if state.operations != "plain":
        config.custom_operations = choose_operations(state.operations, kept, compute, device)
    offload = comfy.model_management.unet_offload_device()
    model = config.get_model({}, "", device=meta_or_none(state.operations))
    model.device = offload
    patcher = patch(model, device, offload, disable_dynamic=disable_dynamic)
    assign(model.diffusion_model, state, kept, paged=patcher.is_dynamic(), name=name)
    if not comfy.model_management.is_device_cpu(offload):
        model.to(offload)
    patcher.cached_patcher_init = (load_base, (files, weight_dtype))
    logger.info("[MultiTalk] base %s, %s weights, computes in %s", name, state.operations, compute)
    return patcher


def _detect(files: ModelFiles, shapes: Shapes) -> Any:
    """The host's configuration of this model, from shapes alone."""
    empty = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    heads = files.base.config("transformer").get("num_heads")
    transformer: dict[str, int] = {"text_dim": files.sizes.text_width}
    if type(heads) is int and heads > 0:
        transformer["num_heads"] = heads
    metadata = {"config": json.dumps({"transformer": transformer})}
    config = comfy.model_detection.model_config_from_unet(empty, "", metadata=metadata)
    if config is None:
        raise ValueError(
            f"ComfyUI does not know {files.base.name} as a WAN 2.1 model. Update ComfyUI, or "
            "choose for example wan2.1_i2v_480p_14B_fp16.safetensors."
        )
    return config


def _choose_dtypes(
    config: Any,
    parameters: Mapping[str, Stored],
    quantization: Quantization | None,
    count: int,
) -> tuple[torch.dtype, torch.dtype]:
    """Dtypes of plain parameters and of the computation, as the host's loader chooses them."""
    plain = {name: value for name, value in parameters.items() if is_plain(value)}
    quantized = quantization is not None or len(plain) < len(parameters)
    supported = list(config.supported_inference_dtypes)
    kept = comfy.model_management.unet_dtype(
        model_params=count,
        supported_dtypes=supported,
        weight_dtype=None if quantized else comfy.utils.weight_dtype(plain),
    )
    if kept in FP8_DTYPES:  # the host's flag; matrices alone may be fp8
        kept = torch.bfloat16
    device = comfy.model_management.get_torch_device()
    cast = comfy.model_management.unet_manual_cast(None if quantized else kept, device, supported)
    config.set_inference_dtype(kept, cast, device=device)
    return kept, kept if cast is None else cast
