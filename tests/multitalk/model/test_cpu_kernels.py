"""The VAE on a processor takes torch's quick ways, with the same values."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import Conv3d, functional

from pack.multitalk.model.cpu_kernels import quick_kernels

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"
)


@pytest.fixture
def one_dnn(monkeypatch):
    """Counts the calls of oneDNN's convolution."""
    calls, own = [], torch.mkldnn_convolution
    monkeypatch.setattr(torch, "mkldnn_convolution", lambda *a: calls.append(1) or own(*a))
    return calls


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "bias"),
    list(product((1, (1, 2, 2)), (0, 1, (0, 1, 1)), (1, (1, 2, 1)), ("with", "without"))),
)
def test_small_volumes_use_one_dnn(one_dnn, stride, padding, dilation, bias):
    torch.manual_seed(0)
    layer = Conv3d(
        4, 6, 3, stride, padding, dilation=dilation, groups=2, bias=bias == "with"
    ).eval()
    for parameter in layer.parameters():
        parameter.requires_grad = False
    volume = torch.randn(1, 4, 6, 12, 10)
    expected = layer(volume)
    with quick_kernels():
        quick = layer(volume)
    assert len(one_dnn) == 1
    torch.testing.assert_close(quick, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", ["half", "kernel of one pixel", "gradient", "words", "2d"])
def test_other_convolutions_stay_as_they_are(one_dnn, case):
    volume, weight = torch.randn(1, 4, 6, 8, 8), torch.randn(4, 4, 3, 3, 3)
    if case == "half":
        volume, weight = volume.bfloat16(), weight.bfloat16()
    if case == "kernel of one pixel":
        weight = weight[..., :1, :1]
    weight.requires_grad_(case == "gradient")
    more = {"padding": "same"} if case == "words" else {}
    call = torch.conv2d if case == "2d" else torch.conv3d
    if case == "2d":
        volume, weight = volume[:, :, 0], weight[:, :, 0]
    expected = call(volume, weight, **more)
    with quick_kernels():
        assert torch.equal(call(volume, weight, **more), expected)
    assert not one_dnn


@pytest.mark.parametrize("dim", [0, 1, 2, -1, 3])
def test_norms_have_the_same_values(dim):
    values = torch.randn(3, 16, 5, 6)
    values[:, :, 0] = 0
    expected = functional.normalize(values, dim=dim)
    with quick_kernels():
        torch.testing.assert_close(functional.normalize(values, dim=dim), expected)


def test_norms_along_another_axis_than_the_last_are_made_of_squares(monkeypatch):
    values = torch.randn(2, 8, 4)
    monkeypatch.setattr(torch.Tensor, "norm", None)  # the slow way
    with quick_kernels():
        functional.normalize(values, dim=1)
        with pytest.raises(TypeError):
            functional.normalize(values, dim=-1)
