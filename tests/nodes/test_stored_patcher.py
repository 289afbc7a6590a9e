"""A LoRA on stored weights costs nothing at loading: the host's patched numbers are not made."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.host
CPU = torch.device("cpu")


@pytest.fixture
def patcher(host):
    import comfy.weight_adapter.lora as adapters

    from pack.nodes.loading.quantized import QuantizedOps, patch, wrap
    from pack.weights.quanto import RowScaled

    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Module()
    module.stored = QuantizedOps.Linear(4, 3, bias=False)
    data = torch.randint(-9, 9, (3, 4), generator=generator, dtype=torch.int8)
    rows = RowScaled(data=data, scale=torch.full((3, 1), 0.5))
    module.stored.weight = torch.nn.Parameter(wrap(rows, torch.float32), requires_grad=False)
    module.plain = QuantizedOps.Linear(4, 3, bias=False)
    module.plain.weight = torch.nn.Parameter(torch.zeros(3, 4), requires_grad=False)
    made = patch(module, CPU, CPU, disable_dynamic=True)
    up, down = torch.ones(3, 1), torch.ones(1, 4)
    lora = adapters.LoRAAdapter(set(), (up, down, None, None, None, None))
    made.add_patches({"stored.weight": lora, "plain.weight": lora}, 0.25)
    return made


def test_loading_makes_numbers_of_plain_weights_alone(patcher, monkeypatch):
    import comfy.lora

    asked, calculate = [], comfy.lora.calculate_weight

    def watched(changes, weight, key, *args, **kwargs):
        asked.append(key)
        return calculate(changes, weight, key, *args, **kwargs)

    monkeypatch.setattr(comfy.lora, "calculate_weight", watched)
    before = patcher.model.stored.weight
    patcher.patch_model(device_to=CPU)
    assert asked == ["plain.weight"]
    x = torch.eye(4)
    expected = before.dequantize() + 0.25
    torch.testing.assert_close(patcher.model.stored(x).T, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(patcher.model.plain(x).T, torch.full((3, 4), 0.25))
    patcher.unpatch_model(CPU)
    assert torch.equal(patcher.model.stored.weight.dequantize(), before.dequantize())
    assert torch.equal(patcher.model.plain.weight, torch.zeros(3, 4))


def test_a_clone_and_who_asks_for_numbers_get_them(patcher):
    clone = patcher.clone()
    assert type(clone) is type(patcher)
    numbers = clone.patch_weight_to_device("stored.weight", CPU, return_weight=True)
    expected = clone.model.stored.weight.dequantize() + 0.25
    torch.testing.assert_close(numbers, expected, rtol=0, atol=1e-6)
