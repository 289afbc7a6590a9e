from __future__ import annotations

import sys

import pytest
import torch

from pack.tests.weights.quanto_weights import (
    DTYPES,
    KINDS,
    ROW_KINDS,
    SHAPES,
    by_quanto,
    dequantize,
    dequantized_by_quanto,
    random_weight,
    same,
    tensors_of,
)
from pack.weights.quanto import (
    GroupScaled,
    RowScaled,
    dequantize_groups,
    dequantize_rows,
    quantize_weight,
)


def test_a_row_is_its_data_times_its_scale():
    data = torch.tensor([[1, -2, 127], [0, 3, -128]], dtype=torch.int8)
    out = dequantize_rows(data, torch.tensor([[0.5], [2.0]]), torch.float32)
    assert out.tolist() == [[0.5, -1.0, 63.5], [0.0, 6.0, -256.0]]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ([[1.0], [0.0], [2.0]], [[-0.5, 0.0], [6.0, 30.0], [30.0, 58.0]]),
        ([[1], [0], [2]], [[0.0, 0.5], [6.0, 30.0], [24.0, 52.0]]),
    ],
    ids=["float", "integer"],
)
def test_packed_groups_lie_in_low_halves_then_in_high_halves(shift, expected):
    # Three groups: (1, 2) and (3, 15) in the low halves, (8, 15) in the high ones.
    data = torch.tensor([[0x81, 0xF2], [0x03, 0x0F]], dtype=torch.uint8)
    scale = torch.tensor([[0.5], [2.0], [4.0]])
    out = dequantize_groups(data, scale, torch.tensor(shift), (3, 2), torch.float32)
    assert out.tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_dequantized_weight_is_that_of_quanto_to_the_bit(kind, dtype, shape):
    weight = random_weight(shape, dtype)
    out = dequantize(quantize_weight(weight, kind), dtype)
    assert same(out, dequantized_by_quanto(weight, kind))
    assert same(out.isfinite(), torch.ones_like(out, dtype=torch.bool))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, dtype) for kind in ROW_KINDS for dtype in DTYPES]
    + [("qint4", torch.float32), ("qint4", torch.float16)],  # bf16 is repacked by quanto
)
def test_quantized_tensors_are_those_that_quanto_saves(kind, dtype, shape):
    weight = random_weight(shape, dtype)
    ours = tensors_of(quantize_weight(weight, kind), module="x")
    theirs = by_quanto(weight, kind).state_dict()
    names = {name.removeprefix("x.") for name in ours}
    assert names == set(theirs) - {"input_scale", "output_scale"}
    for name, tensor in ours.items():
        expected = theirs[name.removeprefix("x.")]
        assert same(tensor, expected.reshape(1, 1) if expected.ndim == 0 else expected)


@pytest.mark.parametrize(("kind", "error"), [("qint8", 0.008), ("qfloat8_e4m3fn", 0.07)])
def test_layout_of_8_bit_is_one_scale_per_row(kind, error):
    weight = random_weight((8, 40), torch.bfloat16)
    stored = quantize_weight(weight, kind)
    assert isinstance(stored, RowScaled)
    assert stored.data.shape == (8, 40)
    assert stored.data.element_size() == 1
    assert stored.scale.shape == (8, 1)
    assert stored.scale.dtype == torch.bfloat16
    largest = weight.abs().amax(1, keepdim=True)
    out = dequantize(stored, torch.float32)
    assert ((out - weight.float()).abs() <= error * largest.float()).all()


@pytest.mark.parametrize(
    ("columns", "group_size"),
    [(256, 128), (192, 96), (320, 64), (160, 32), (128, 128), (300, 300), (24, 24)],
)
def test_groups_of_4_bit_divide_a_row(columns, group_size):
    weight = random_weight((6, columns))
    stored = quantize_weight(weight, "qint4")
    assert isinstance(stored, GroupScaled)
    assert stored.shape == (6, columns)
    assert stored.group_size == group_size
    assert stored.data.numel() * 2 == weight.numel()
    largest_step = 2 * weight.abs().max() / 15
    assert (dequantize(stored, torch.float32) - weight).abs().max() <= largest_step


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_zeros_stay_zeros(kind, dtype):
    weight = random_weight((6, 256), dtype)
    weight[1] = weight[5] = 0
    out = dequantize(quantize_weight(weight, kind), dtype)
    assert (out[[1, 5]] == 0).all()
    assert (out[[0, 2, 3, 4]].abs().amax(1) > 0.05).all()


def test_quanto_still_makes_nan_of_a_row_of_zeros():
    """If this fails, quantize_weight may stop replacing them."""
    weight = random_weight((2, 8))
    weight[1] = 0
    assert by_quanto(weight, "qfloat8_e4m3fn").weight.dequantize()[1].isnan().all()


@pytest.mark.parametrize("kind", KINDS)
def test_weight_is_quantized_the_same_in_inference_mode(kind):
    weight = random_weight((16, 256))
    expected = dequantize(quantize_weight(weight, kind), torch.float32)
    with torch.inference_mode():
        out = dequantize(quantize_weight(weight * 1, kind), torch.float32)
    assert torch.equal(out, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_quantized_without_gradients_or_changes(kind):
    weight = torch.nn.Parameter(random_weight((16, 256)))
    state = torch.get_rng_state()
    stored = quantize_weight(weight, kind)
    assert not any(tensor.requires_grad for tensor in tensors_of(stored).values())
    assert torch.equal(weight, random_weight((16, 256)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_transposed_weight_is_stored_row_by_row(kind):
    weight = random_weight((256, 16)).T
    stored = quantize_weight(weight, kind)
    assert stored.data.is_contiguous()
    plain = quantize_weight(weight.contiguous(), kind)
    assert same(dequantize(stored, torch.float32), dequantize(plain, torch.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_another_dtype_than_the_scale_changes_rounding_alone(kind):
    stored = quantize_weight(random_weight((16, 256), torch.bfloat16), kind)
    exact = dequantize(stored, torch.float32)
    for dtype, tolerance in ((torch.bfloat16, 2**-7), (torch.float16, 2**-10)):
        out = dequantize(stored, dtype)
        assert out.dtype == dtype
        assert (out.float() - exact).abs().max() <= tolerance * exact.abs().max()


@pytest.mark.parametrize(
    "weight",
    [torch.zeros(4), torch.zeros(2, 3, 4), torch.zeros(2, 3).double(), torch.zeros(2, 3).char()],
)
def test_what_is_no_float_matrix_is_not_quantized(weight):
    message = r"This weight is [\d x]* of the kind \w+; only matrices of float32, float16"
    with pytest.raises(ValueError, match=message):
        quantize_weight(weight, "qint8")


def test_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "optimum.quanto", None)
    message = "qint8 needs the package optimum-quanto; install it with: pip install optimum-quanto$"
    with pytest.raises(RuntimeError, match=message):
        quantize_weight(torch.zeros(2, 3), "qint8")
