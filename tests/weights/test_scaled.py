"""8 bit matrices with one scale, one per row or one per block, by the names that files have."""

from __future__ import annotations

import json

import pytest
import torch

from pack.multitalk.model.parameters import parameter_shapes
from pack.tests.weights.published import tensors
from pack.weights.dtypes import NAMES
from pack.weights.host_format import HostQuantized
from pack.weights.layouts import collect, layout_of
from pack.weights.quanto import RowScaled, dequantize_rows
from pack.weights.scaled import GridScaled, dequantize_grid

A = "blocks.0.ffn.0"
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
MATRIX = torch.tensor([[1.0, -2, 4, 8], [2, 0.5, -1, 16], [3, 1, 2, -4], [-8, 1, 0.5, 2]])
WHOLE = MATRIX * 2
NAMED = (".scale_weight", ".weight_scale", ".weight_scale_inv")


def stored(values, scale, suffix, **others):
    found = {f"{A}.weight": values, f"{A}{suffix}": scale, f"{A}.bias": torch.ones(4)}
    return found | {f"{A}.{name}": tensor for name, tensor in others.items()}


def read(found):
    shapes = {name: (NAMES[t.dtype], tuple(t.shape)) for name, t in found.items()}
    header = tensors(shapes)
    assert parameter_shapes(header) == {f"{A}.weight": (4, 4), f"{A}.bias": (4,)}
    out = collect(header, found)
    assert set(out) == {f"{A}.weight", f"{A}.bias"}
    return layout_of(header), out[f"{A}.weight"]


def numbers(weight, dtype=torch.float32):
    if isinstance(weight, RowScaled):
        return dequantize_rows(weight.data, weight.scale, dtype)
    assert isinstance(weight, GridScaled)
    return dequantize_grid(weight.data, weight.scale, dtype)


@pytest.mark.parametrize("suffix", NAMED)
@pytest.mark.parametrize("dtype", [E4M3, E5M2, torch.int8])
@pytest.mark.parametrize("shape", [(4, 1), (4,), (4, 1, 1)])
@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
def test_one_scale_per_row(suffix, dtype, shape, kept):
    values = WHOLE.to(dtype)
    scale = torch.tensor([1.0, 2, 0.5, 4]).to(kept)
    layout, weight = read(stored(values, scale.reshape(shape), suffix))
    assert layout == "scaled"
    assert isinstance(weight, RowScaled)
    assert torch.equal(numbers(weight), values.float() * scale.float()[:, None])
    assert weight.data.data_ptr() == values.data_ptr()


@pytest.mark.parametrize("suffix", NAMED)
@pytest.mark.parametrize("dtype", [E4M3, torch.int8])
@pytest.mark.parametrize("shape", [(2, 2), (4, 2), (1, 4), (2, 1), (4, 2, 1), (1, 2)])
def test_one_scale_per_block(suffix, dtype, shape):
    values = WHOLE.to(dtype)
    high, wide = shape[:2]
    scale = torch.arange(1.0, 1 + high * wide).reshape(shape)
    layout, weight = read(stored(values, scale, suffix))
    assert layout == "scaled"
    grid = scale.reshape(high, wide)
    expected = torch.stack([
        torch.stack([values[i, j].float() * grid[i * high // 4, j * wide // 4] for j in range(4)])
        for i in range(4)
    ])  # fmt: skip
    assert torch.equal(numbers(weight), expected)


def test_dequantizing_in_bfloat16_rounds_once():
    values, scale = WHOLE.to(E4M3), torch.tensor([[1.1, 0.9], [1.3, 0.7]])
    exact = dequantize_grid(values, scale, torch.float32)
    assert torch.equal(dequantize_grid(values, scale, torch.bfloat16), exact.bfloat16())


@pytest.mark.parametrize("suffix", NAMED)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_scale_per_matrix_of_fp8_is_the_hosts(suffix, shape):
    layout, weight = read(stored(WHOLE.to(E4M3), torch.full(shape, 0.5), suffix))
    assert layout == "scaled fp8"
    assert isinstance(weight, HostQuantized)
    assert weight.settings["format"] == "float8_e4m3fn"
    assert weight.tensors["weight_scale"].item() == 0.5


def test_one_scale_per_matrix_of_int8_is_read_too():
    layout, weight = read(stored(WHOLE.to(torch.int8), torch.tensor(0.5), ".weight_scale"))
    assert layout == "scaled"
    assert torch.equal(numbers(weight), WHOLE.to(torch.int8).float() / 2)


def test_scales_of_activations_are_not_needed_for_the_weight():
    found = stored(WHOLE.to(torch.int8), torch.ones(4, 1), ".weight_scale",
                   input_scale=torch.tensor(3.0))  # fmt: skip
    assert torch.equal(numbers(read(found)[1]), WHOLE.to(torch.int8).float())


def test_one_matrix_with_rows_makes_all_of_a_file_ours():
    """No module can hold the host's matrices beside ours."""
    found = stored(WHOLE.to(E4M3), torch.ones(4, 1), ".weight_scale")
    found |= {"b.weight": WHOLE.to(E4M3), "b.weight_scale": torch.tensor(0.5)}
    header = tensors({name: (NAMES[t.dtype], tuple(t.shape)) for name, t in found.items()})
    out = collect(header, found)
    assert torch.equal(numbers(out["b.weight"]), WHOLE.to(E4M3).float() / 2)
    assert not any(isinstance(weight, HostQuantized) for weight in out.values())


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("F32", (3,)), ("F32", (3, 1)), ("F32", (2,)), ("F32", (2, 2, 2)), ("F32", (0, 1)),
     ("F32", (8, 1)), ("I32", (4, 1)), ("F8_E8M0", (4, 1)), ("U8", (4, 2))],
)  # fmt: skip
@pytest.mark.parametrize("suffix", NAMED)
def test_other_scales_are_a_layout_that_is_not_read(suffix, dtype, shape):
    found = tensors({f"{A}.weight": ("F8_E4M3", (4, 4)), f"{A}{suffix}": (dtype, shape)})
    with pytest.raises(ValueError, match=rf"{suffix} is .* layout that this pack does not re") as e:
        parameter_shapes(found)
    assert "damaged" not in str(e.value)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "I8"])
def test_a_matrix_without_scale_beside_others_with_one_is_told(dtype):
    found = tensors({f"{A}.weight": (dtype, (4, 4)), "b.weight": (dtype, (4, 4)),
                     "b.weight_scale": ("F32", (4, 1))})  # fmt: skip
    with pytest.raises(ValueError, match=rf"{A}\.weight is quantised but its scale .*missing"):
        parameter_shapes(found)


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("bitsandbytes", [".weight.absmax", ".weight.quant_map"]),
        ("bitsandbytes", [".weight.quant_state.bitsandbytes__nf4"]),
        ("bitsandbytes", [".SCB"]),
        ("GPTQ or AWQ", [".qweight", ".qzeros", ".scales"]),
        ("compressed-tensors", [".weight_packed", ".weight_scale"]),
        ("compressed-tensors", [".weight_scale", ".weight_zero_point"]),
        ("SVDQuant", [".wscales", ".smooth_factor"]),
        ("HQQ", [".W_q"]),
        ("4 bit with scales of two levels", [".weight_scale", ".weight_scale_2"]),
    ],
)
def test_layouts_of_other_programs_are_named(layout, names):
    found = {A + name: ("U8", (4, 4)) for name in names} | {f"{A}.weight": ("U8", (4, 4))}
    with pytest.raises(ValueError, match=rf"stored in the layout of {layout}.*Choose") as error:
        parameter_shapes(tensors(found))
    assert "damaged" not in str(error.value)
    assert "ownload" not in str(error.value)


def in_host_format(kind, values, scale, **settings):
    text = json.dumps({"format": kind, **settings}).encode()
    found = {f"{A}.weight": values, f"{A}.weight_scale": scale,
             f"{A}.comfy_quant": torch.tensor(list(text), dtype=torch.uint8)}  # fmt: skip
    header = tensors({name: (NAMES[t.dtype], tuple(t.shape)) for name, t in found.items()})
    assert layout_of(header) == "host"
    parameter_shapes(header)
    return collect(header, found)[f"{A}.weight"]


ROWS = torch.tensor([1.0, 2, 0.5, 4])


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_fp8_of_the_host_with_a_scale_per_row_is_read_here(shape):
    """The host's own layer gives other numbers."""
    values = WHOLE.to(E4M3)
    weight = in_host_format("float8_e4m3fn", values, ROWS.reshape(shape))
    assert isinstance(weight, RowScaled)
    assert torch.equal(numbers(weight), values.float() * ROWS[:, None])


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_int8_of_the_host_with_a_scale_per_row_has_them_in_a_column(shape):
    weight = in_host_format("int8_tensorwise", WHOLE.to(torch.int8), ROWS.reshape(shape))
    assert isinstance(weight, HostQuantized)
    assert torch.equal(weight.tensors["weight_scale"], ROWS[:, None])


def test_fp8_of_the_host_with_one_scale_stays_the_hosts():
    weight = in_host_format("float8_e5m2", WHOLE.to(E5M2), torch.tensor(0.5))
    assert isinstance(weight, HostQuantized)


def test_fp8_with_rows_beside_packed_matrices_is_named(tmp_path):
    layers = {A: {"format": "float8_e4m3fn"}, "b": {"format": "nvfp4"}}
    found = {
        f"{A}.weight": ("F8_E4M3", (4, 4)), f"{A}.weight_scale": ("F32", (4, 1)),
        "b.weight": ("U8", (4, 2)), "b.weight_scale": ("F8_E4M3", (4, 1)),
        "b.weight_scale_2": ("F32", ()),
    }  # fmt: skip
    metadata = {"_quantization_metadata": json.dumps({"layers": layers})}
    with pytest.raises(ValueError, match=rf"{A} is stored in fp8 with a scale per row and b in nv"):
        parameter_shapes(tensors(found, metadata=metadata))
