"""Networks without numbers: of the same names and shapes, and with nothing computed."""

from __future__ import annotations

import torch
from torch import nn

from pack.weights.blank import without_numbers


def build():
    return nn.Sequential(nn.Conv1d(2, 3, 5), nn.LSTM(3, 4, batch_first=True), nn.LayerNorm(4))


def test_a_network_without_numbers_has_the_names_and_shapes_of_one_with_them(monkeypatch):
    wanted = {name: tensor.shape for name, tensor in build().state_dict().items()}
    monkeypatch.setattr(torch.Tensor, "uniform_", None)  # nothing random is drawn
    with without_numbers():
        network = build()
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == wanted
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_networks_have_numbers_again_afterwards():
    with without_numbers():
        build()
    assert all(parameter.isfinite().all() for parameter in build().parameters())
    assert float(build()[0].weight.detach().std()) > 0.1
