"""Numbers of LoRAs in the host: scales of headers, DoRA, differences of the modulation.

Weights that PEFT 0.21.2 made of two small matrices stand here as they came out; see `peft_weight`.
"""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from pack.tools.host.prompts import TOY, node

pytestmark = pytest.mark.host
DIM = 128
Q, MODULATION, HEAD = "blocks.0.self_attn.q", "blocks.1.modulation", "head.modulation"
WEIGHT = torch.tensor([[1.0, 2, -1], [0.5, -1, 2]])
DOWN, UP = torch.tensor([[0.25, 0.5, 0.75]]), torch.tensor([[0.5], [1.0]])
MAGNITUDE = torch.tensor([3.0, 5.0])
# LoraConfig(r=1, lora_alpha=..., use_dora=...) on WEIGHT, merged.
DORA_1 = [[1.3020557165145874, 2.604111433029175, -0.7233642935752869],
          [1.2958025932312012, -0.8638684153556824, 4.75127649307251]]  # fmt: skip
DORA_4 = [[1.3269776105880737, 2.6539552211761475, 0.4423258602619171],
          [1.411081314086914, 0.9407208561897278, 4.703604221343994]]  # fmt: skip


def decomposed(lengths, alpha=None):
    from comfy.weight_adapter.lora import LoRAAdapter

    from pack.nodes.loading.decomposed import Decomposed

    return Decomposed(set(), (lengths, LoRAAdapter(set(), (UP, DOWN, alpha, None, None, None))))


def changed(adapter, strength=1.0, weight=WEIGHT):
    import comfy.lora

    change = (strength, adapter, 1.0, None, None)
    return comfy.lora.calculate_weight([change], weight.clone(), "key")


@pytest.mark.parametrize(("alpha", "expected"), [(None, DORA_1), (4.0, DORA_4)])
def test_dora_gives_the_weights_of_peft(host, alpha, expected):
    found = changed(decomposed(MAGNITUDE[:, None], alpha))
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-6, atol=1e-6)


def test_dora_at_half_strength_goes_half_of_the_way(host):
    found = changed(decomposed(MAGNITUDE[:, None]), 0.5)
    torch.testing.assert_close(found, (WEIGHT + torch.tensor(DORA_1)) / 2, rtol=1e-6, atol=1e-6)


def test_dora_with_lengths_of_columns_sets_these(host):
    lengths = torch.tensor([[1.0, 2.0, 3.0]])
    found = changed(decomposed(lengths))
    torch.testing.assert_close(found.norm(dim=0, keepdim=True), lengths)
    direction = WEIGHT + UP @ DOWN
    torch.testing.assert_close(found / lengths, direction / direction.norm(dim=0))


def test_a_row_of_zeros_stays_zeros(host):
    found = changed(decomposed(MAGNITUDE[:, None]), weight=-(UP @ DOWN))
    assert torch.equal(found, torch.zeros(2, 3))


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


UP_Q, DOWN_Q = noise(DIM, 4, seed=1), noise(4, DIM, seed=2) * 0.1
LENGTHS = noise(DIM, seed=3).abs() + 1
FILES = {
    # Name -> tensors, metadata, and the weights by parameter that the base must get.
    "header": (
        {f"transformer.{Q}.lora_A.my-name.weight": DOWN_Q,
         f"transformer.{Q}.lora_B.my-name.weight": UP_Q},
        {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 16})},
        {f"{Q}.weight": lambda w: w + 4 * UP_Q @ DOWN_Q},
    ),
    "kohya": (
        {f"lora_unet_{Q.replace('.', '_')}.lora_down.weight": DOWN_Q,
         f"lora_unet_{Q.replace('.', '_')}.lora_up.weight": UP_Q},
        {"ss_network_dim": "4", "ss_network_alpha": "16.0"},
        {f"{Q}.weight": lambda w: w + 4 * UP_Q @ DOWN_Q},
    ),
    "dora": (
        {f"dit.{Q}.lora_A.weight": DOWN_Q, f"dit.{Q}.lora_B.weight": UP_Q,
         f"dit.{Q}.lora_magnitude_vector": LENGTHS},
        {"lora_alpha": "8", "r": "4"},
        {f"{Q}.weight": lambda w: LENGTHS[:, None] * (w + 2 * UP_Q @ DOWN_Q)
         / (w + 2 * UP_Q @ DOWN_Q).norm(dim=1, keepdim=True)},
    ),
    "modulation": (
        {"diffusion_model.blocks.1.diff_m": torch.ones(1, 6, DIM),
         "diffusion_model.head.diff_m": 2 * torch.ones(1, 2, DIM)},
        {},
        {MODULATION: lambda w: w + 1, HEAD: lambda w: w + 2},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def loras(host):
    import folder_paths

    folder = host.base / "number_loras"
    folder.mkdir()
    for name, (tensors, metadata, _) in FILES.items():
        save_file(tensors, folder / f"number_{name}.safetensors", metadata)
    folder_paths.add_model_folder_path("loras", str(folder))
    folder_paths.filename_list_cache.clear()


def load(host, **changes):
    inputs = {"base": TOY["base"], "audio_part": TOY["audio_part"], "loras": "none", **changes}
    prompt = {"model": node("MultiTalkLoadModel", **inputs)}
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    result = host.run(prompt)
    assert result.ok, result.error
    return result.outputs["model"][0][0], result.outputs["model"][1][0]


def with_lora(host, name, **changes):
    chosen = {"loras": "1", "loras.lora_1": f"number_{name}.safetensors", "loras.strength_1": 1.0}
    return load(host, **chosen, **changes)


def number_of(patcher, parameter):
    """A parameter as the network computes with it."""
    from comfy.quant_ops import QuantizedTensor

    network = patcher.model.diffusion_model
    layer = network.get_submodule(parameter.rpartition(".")[0])
    value = getattr(layer, parameter.rpartition(".")[2])
    if parameter.endswith(".weight") and isinstance(value.data, QuantizedTensor):
        for function in layer.weight_function:
            value = function(value.dequantize() if isinstance(value, QuantizedTensor) else value)
        return value.dequantize().float() if isinstance(value, QuantizedTensor) else value.float()
    return value.detach().float().clone()


# Of a weight, in its mean: bfloat16 rounds by 1.7e-3; the host rounds patched weights back into
# its formats, fp8 by 2.6e-2, int8 of normal values by 8e-3.
ERRORS = {"default": 5e-3, "quanto_int8": 5e-3, "fp8_e4m3fn": 4e-2, "int8": 2e-2}


CASES = [("default", name) for name in FILES]
CASES += [(kind, name) for kind in ERRORS if kind != "default" for name in ("dora", "modulation")]


@pytest.mark.parametrize(("weight_dtype", "name"), CASES)
def test_weights_become_what_the_file_was_trained_for(host, loras, name, weight_dtype):
    device = torch.device("cpu")
    with torch.inference_mode():
        plain, _ = load(host, weight_dtype=weight_dtype)
        model, report = with_lora(host, name, weight_dtype=weight_dtype)
        plain.patch_model(device_to=device)
        before = {p: number_of(plain, p) for p in FILES[name][2]}
        plain.unpatch_model(device_to=device)
        model.patch_model(device_to=device)
        after = {p: number_of(model, p) for p in FILES[name][2]}
        model.unpatch_model(device_to=device)
    for parameter, wanted in FILES[name][2].items():
        expected = wanted(before[parameter])
        error = (after[parameter] - expected).norm() / expected.norm()
        assert error < ERRORS[weight_dtype], (parameter, error)
        assert (after[parameter] - before[parameter]).norm() / expected.norm() > 0.05
    assert f"{len(FILES[name][2])} layer" in report
    assert "ignored" not in report


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_an_alpha_that_is_no_number_is_refused(host, alpha):
    from pack.nodes.loading.loras import add_lora

    model, _ = load(host)
    state = {f"{Q}.lora_A.weight": DOWN_Q, f"{Q}.lora_B.weight": UP_Q}
    state[f"{Q}.alpha"] = torch.tensor(alpha)
    with pytest.raises(ValueError, match=rf"^x: {Q}\.alpha is {alpha}, no scale\. Choose"):
        add_lora(model, state, "x", 1.0)
