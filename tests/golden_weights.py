"""Golden cases of weight files: LoRAs on the host's patchers, optimum-quanto through our loader."""

from __future__ import annotations

import comfy.model_patcher
import torch
from safetensors.torch import load_file

from pack.multitalk.model.audio_attention import build_audio_part
from pack.nodes.loading.audio_hooks import KEY, AttachedAudio, attach_audio
from pack.nodes.loading.loras import add_lora
from pack.nodes.loading.modules import assign, store
from pack.nodes.loading.quantized import QuantizedOps
from pack.tests.golden_host import denoiser
from pack.tools.host.models import CPU, audio_config, build_model, host_model
from pack.weights.quanto import dequantize_rows
from pack.weights.quanto_files import collect_quanto, read_map


def patched_weights(model):
    """Every weight that LoRAs change, as the host computes it."""
    out = {}
    for patcher in (model, *model.get_additional_models_with_key(KEY)):
        for key in patcher.patches:
            weight = patcher.patch_weight_to_device(key, return_weight=True)
            out[key.removeprefix("diffusion_model.")] = weight
        for key, value in patcher.object_patches.items():
            out[key.removeprefix("diffusion_model.")] = value.data
    return out


def check_merge(case, run, steps):
    """`steps` are files and strengths; exactly the listed weights change, to the listed values."""
    model = build_model(case.weights_config(), case.weights)
    for state, name, strength in steps:
        model = add_lora(model, state, name, strength)
    merged = patched_weights(model)
    listed = {name for name in case.tensors if name.startswith(f"{run}::")}
    assert {f"{run}::{name}" for name in merged} == listed
    for name, weight in merged.items():
        case.check(weight, f"{run}::{name}")


def standard_merge(case):
    for name, strength in case.config["strengths"].items():
        state = load_file(case.folder / f"{name}.safetensors")
        check_merge(case, name, [(state, name, strength)])


def reference_merge(case):
    """The reference takes no notice of alpha; neither does a file without it."""
    for run, steps in case.config["run_steps"].items():
        files = [(load_file(case.folder / f"{name}.safetensors"), name, s) for name, s in steps]
        plain = [
            ({key: t for key, t in state.items() if not key.endswith(".alpha")}, name, strength)
            for state, name, strength in files
        ]
        check_merge(case, run, plain)


@torch.inference_mode()  # as the host runs every node
def quantised(case):
    sizes, first = case.weights_config(), case.config["first_module"]
    tensors = load_file(case.folder / case.entry["state_file"])
    kinds = read_map(case.folder / case.entry["map_file"])
    assert len(kinds) == case.config["quantised_modules"]
    parameters = collect_quanto(tensors, kinds, name=case.name)
    matrix = parameters[f"{first}.weight"]
    values = dequantize_rows(matrix.data, matrix.scale, torch.float32)
    assert torch.equal(values, case["ck.first_dequantised"])
    model = host_model(sizes, QuantizedOps)
    part = build_audio_part(audio_config(sizes), QuantizedOps)
    ours = set(part.state_dict())
    for module, wanted in ((part, True), (model.diffusion_model, False)):
        share = {n: p for n, p in parameters.items() if (n in ours) == wanted}
        state = store(share, quantization=None, dtype=torch.float32, name=case.name)
        assert state.operations == "own"
        assign(module, state, torch.float32, paged=False, name=case.name)
    patcher = comfy.model_patcher.ModelPatcher(model, CPU, CPU)
    attached = AttachedAudio(name="golden", family="multitalk", config=part.config)
    quantised_model = attach_audio(
        patcher, comfy.model_patcher.ModelPatcher(part, CPU, CPU), attached
    )
    denoiser(case, quantised_model, ["out.velocity"])
    denoiser(case, names=["out.unquantised"])
