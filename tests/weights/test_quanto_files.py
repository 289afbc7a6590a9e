from __future__ import annotations

import json
import sys

import pytest
import torch
from safetensors.torch import load_file

from pack.tests.weights.quanto_weights import (
    KINDS,
    SHAPES,
    by_quanto,
    dequantize,
    dequantized_by_quanto,
    random_weight,
    same,
    tensors_of,
)
from pack.weights.quanto import RowScaled, quantize_weight
from pack.weights.quanto_files import check_quanto, collect_quanto, find_map, read_map

GOLDENS = ["int8", "fp8", "int8_partial"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dit_model_int8.safetensors", "dit_model_map_int8.json"),
        ("quant_model_int8_FusionX.safetensors", "quantization_map_int8_FusionX.json"),
        ("quant_model_fp8_FusionX.safetensors", "quantization_map_fp8_FusionX.json"),
        ("t5_int8.safetensors", "t5_map_int8.json"),
        ("t5_fp8.safetensors", "t5_map_fp8.json"),
        ("infinitetalk_single_int8.safetensors", "infinitetalk_single_int8.json"),
        ("infinitetalk_multi_fp8_lora.safetensors", "infinitetalk_multi_fp8_lora.json"),
        ("dit_model_int8.safetensors", "dit_model_int8.json"),
        ("my.own.t5_dit_model_.safetensors", "my.own.t5_dit_model_.json"),
    ],
)
@pytest.mark.parametrize("folder", ["quant_models", "safetensors", "my.safetensors/t5_safetensors"])
def test_map_is_found_beside_its_file(tmp_path, folder, name, expected):
    folder = tmp_path / folder
    folder.mkdir(parents=True)
    for other in ("t5_map_none.json", "config.json", "quantization_map.json"):
        (folder / other).write_text("{}")
    assert find_map(folder / name) is None
    (folder / expected).write_text("{}")
    assert find_map(folder / name) == folder / expected


def test_map_named_by_the_authors_comes_before_other_json(tmp_path):
    for name in ("t5_int8.json", "t5_map_int8.json"):
        (tmp_path / name).write_text("{}")
    assert find_map(tmp_path / "t5_int8.safetensors").name == "t5_map_int8.json"


def test_folder_is_no_map(tmp_path):
    (tmp_path / "a.json").mkdir()
    assert find_map(tmp_path / "a.safetensors") is None


def write_map(path, **kinds):
    entries = {module: {"weights": k, "activations": "none"} for module, k in kinds.items()}
    path.write_text(json.dumps(entries))
    return path


def test_map_gives_the_kind_of_each_module(tmp_path):
    kinds = {"a": "qint8", "b": "qfloat8_e4m3fn", "c": "qfloat8_e5m2", "d": "qint4"}
    path = write_map(tmp_path / "m.json", **kinds, e="qfloat8")
    assert read_map(path) == {**kinds, "e": "qfloat8_e4m3fn"}


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b'{"a": {"weights": "qint8"',
        b"\xff\xfe\xfd\xfc",
        b"[1, 2]",
        b"3",
        b'{"metadata": {"total_size": 3}, "weight_map": {"a.weight": "model-1.safetensors"}}',
        b'{"a": "qint8"}',
        b'{"a": {"weights": "qint8"}}',
        b'{"a": {"weights": "qint8", "activations": "none"}, "b": null}',
    ],
)
def test_other_json_is_refused(tmp_path, contents):
    path = tmp_path / "some_map.json"
    path.write_bytes(contents)
    message = r"some_map\.json is no map of an optimum-quanto file: it .* Put the map that was pub"
    with pytest.raises(ValueError, match=message):
        read_map(path)


@pytest.mark.parametrize("kind", ["qint2", "qint3", "none", "int8", "qfloat8_e4m3fnuz", None, 8])
def test_map_of_other_weights_is_refused(tmp_path, kind):
    path = write_map(tmp_path / "some_map.json", a="qint8", b=kind)
    message = rf"some_map\.json says that the weights of b are {kind}; supported are qint8, "
    with pytest.raises(ValueError, match=message):
        read_map(path)


@pytest.mark.parametrize("activations", ["qint8", "qfloat8", None])
def test_map_with_quantized_activations_is_refused(tmp_path, activations):
    path = tmp_path / "some_map.json"
    path.write_text(json.dumps({"b": {"weights": "qint8", "activations": activations}}))
    message = rf'some_map\.json says that the activations of b are {activations}; only "none" is'
    with pytest.raises(ValueError, match=message):
        read_map(path)


@pytest.mark.parametrize("with_map", [True, False])
@pytest.mark.parametrize("case", GOLDENS)
def test_golden_file_gives_its_parameters_without_optimum(monkeypatch, goldens_dir, case, with_map):
    monkeypatch.setitem(sys.modules, "optimum.quanto", None)
    tensors = load_file(goldens_dir / f"quant_{case}.safetensors")
    kinds = read_map(goldens_dir / f"quant_{case}_map.json")
    out = collect_quanto(tensors, kinds if with_map else None, name="quant.safetensors")
    index = json.loads((goldens_dir / "index.json").read_text())
    config = next(c for c in index["cases"] if c["name"] == f"quantised_{case}")["config"]
    quantized = {name for name, stored in out.items() if isinstance(stored, RowScaled)}
    assert len(quantized) == config["quantised_modules"]
    assert quantized == {f"{module}.weight" for module in kinds}
    assert {name.removesuffix(".weight") for name in out} >= {"patch_embedding", *kinds}
    assert not any("_scale" in name or "._" in name for name in out)
    assert same(out["patch_embedding.bias"], tensors["patch_embedding.bias"])
    assert same(out["blocks.0.self_attn.q.bias"], tensors["blocks.0.self_attn.q.bias"])
    first = dequantize(out[f"{config['first_module']}.weight"], torch.float32)
    golden = load_file(goldens_dir / f"quantised_{case}.safetensors")["ck.first_dequantised"]
    assert torch.equal(first, golden)


@pytest.mark.parametrize("case", GOLDENS)
def test_header_of_a_golden_file_tells_the_kinds_of_its_map(goldens_dir, case):
    contents = (goldens_dir / f"quant_{case}.safetensors").read_bytes()
    header = json.loads(contents[8 : 8 + int.from_bytes(contents[:8], "little")])
    header.pop("__metadata__", None)
    shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    dtypes = {name: entry["dtype"] for name, entry in header.items()}
    kinds = read_map(goldens_dir / f"quant_{case}_map.json")
    assert check_quanto(shapes, dtypes, None, name="x") == kinds
    assert check_quanto(shapes, dtypes, kinds, name="x") == kinds


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] > 1])
@pytest.mark.parametrize("kind", KINDS)
def test_collected_weight_is_the_quantized_one(kind, shape, listed):
    stored = quantize_weight(random_weight(shape), kind)
    tensors = {**tensors_of(stored), "a.bias": torch.ones(shape[0]), "b": torch.zeros(2)}
    tensors |= {"a.input_scale": torch.ones(()), "a.output_scale": torch.ones(())}
    out = collect_quanto(tensors, {"a": kind} if listed else None, name="x")
    assert set(out) == {"a.weight", "a.bias", "b"}
    assert out["b"] is tensors["b"]
    assert out["a.weight"].data is stored.data
    expected = dequantize(stored, torch.float32)
    assert same(dequantize(out["a.weight"], torch.float32), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 64), (1, 256)])
def test_collected_single_row_is_that_of_quanto(kind, shape):
    state = by_quanto(random_weight(shape), kind).state_dict(prefix="a.")
    out = collect_quanto({**state, "a.bias": torch.zeros(1)}, {"a": kind}, name="x")
    expected = dequantized_by_quanto(random_weight(shape), kind)
    assert same(dequantize(out["a.weight"], torch.float32), expected)


def test_one_scale_for_all_rows_becomes_one_per_row():
    tensors = {
        "a.weight._data": torch.full((3, 2), 2, dtype=torch.int8),
        "a.weight._scale": torch.tensor(0.5),
    }
    stored = collect_quanto(tensors, None, name="x")["a.weight"]
    assert stored.scale.tolist() == [[0.5]] * 3


@pytest.mark.parametrize("listed", [True, False])
def test_packed_layer_without_bias_is_told_if_it_has_no_groups(listed):
    stored = quantize_weight(random_weight((6, 300)), "qint4")
    out = collect_quanto(tensors_of(stored), {"a": "qint4"} if listed else None, name="x")
    assert out["a.weight"].shape == (6, 300)


@pytest.mark.parametrize("rows", [6, 12])
def test_bias_tells_the_shape_of_a_packed_layer(rows):
    tensors = tensors_of(quantize_weight(random_weight((6, 256)), "qint4"))
    tensors["a.bias"] = torch.zeros(rows)
    shape = collect_quanto(tensors, None, name="x")["a.weight"].shape
    assert shape == (rows, 6 * 256 // rows)


@pytest.mark.parametrize(("bias", "words"), [(None, "no bias"), (5, r"a bias of \[5\]")])
def test_packed_layer_of_unsure_shape_is_refused(bias, words):
    tensors = tensors_of(quantize_weight(random_weight((6, 256)), "qint4"))
    if bias:
        tensors["a.bias"] = torch.zeros(bias)
    message = rf"x: The shape of a\.weight cannot be told from 12 groups of 128 and {words}"
    with pytest.raises(ValueError, match=message):
        collect_quanto(tensors, {"a": "qint4"}, name="x")


def test_packed_layer_that_may_hold_2_bit_needs_a_map():
    tensors = tensors_of(quantize_weight(random_weight((2, 24)), "qint4"))
    tensors["a.bias"] = torch.zeros(2)
    assert collect_quanto(tensors, {"a": "qint4"}, name="x")["a.weight"].shape == (2, 24)
    with pytest.raises(ValueError, match=r"x: a can be qint2 or qint4\. Put the map"):
        collect_quanto(tensors, None, name="x")


def good(**changes):
    """Header of a file with an int8 and a 4 bit layer, changed: None takes a tensor out."""
    tensors = {
        "a.weight._data": ("I8", (4, 6)),
        "a.weight._scale": ("BF16", (4, 1)),
        "a.bias": ("BF16", (4,)),
        "a.input_scale": ("BF16", ()),
        "a.output_scale": ("BF16", ()),
        "p.weight._data._data": ("U8", (5, 128)),
        "p.weight._scale": ("F32", (10, 1)),
        "p.weight._shift": ("F32", (10, 1)),
        "p.bias": ("F32", (5,)),
        "norm.weight": ("F32", (6,)),
    }
    tensors |= changes
    found = {name: entry for name, entry in tensors.items() if entry is not None}
    shapes = {name: shape for name, (_, shape) in found.items()}
    return shapes, {name: dtype for name, (dtype, _) in found.items()}


GOOD_KINDS = {"a": "qint8", "p": "qint4"}


@pytest.mark.parametrize("kinds", [None, GOOD_KINDS])
def test_header_of_a_good_file_is_accepted(kinds):
    assert check_quanto(*good(), kinds, name="x") == GOOD_KINDS


@pytest.mark.parametrize("kinds", [None, GOOD_KINDS])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a.weight._scale": None}, r"a\.weight\._scale is missing"),
        ({"p.weight._scale": None}, r"p\.weight\._scale is missing"),
        ({"p.weight._shift": None}, r"p\.weight\._shift is missing"),
        ({"a.weight._scale": ("F32", (4,))}, r"\._scale is \[4\] of F32; expected is \[4, 1\] or"),
        ({"a.weight._scale": ("F32", (1, 6))}, r"_scale is \[1, 6\] of F32; expected is \[4, 1\]"),
        ({"a.weight._scale": ("I8", (4, 1))}, r"_scale is \[4, 1\] of I8; .* of F32, F16, BF16"),
        ({"p.weight._scale": ("F32", (8, 1))}, r"is \[8, 1\] of F32; expected is \[10, 1\] or \[9"),
        ({"p.weight._scale": ("F32", ())}, r"_scale is \[\] of F32; expected is \[10, 1\]"),
        ({"p.weight._shift": ("F32", (9, 1))}, r"_shift is \[9, 1\] of F32; .* like p\.weight\._s"),
        ({"p.weight._shift": ("I32", (10, 1))}, r"_shift is \[10, 1\] of I32; .* like p\.weight"),
        ({"a.weight._data": ("U8", (4, 6))}, r"_data is \[4, 6\] of U8; .* I8 or F8_E4M3 or F8_E5"),
        ({"a.weight._data": ("I8", (4, 6, 1))}, r"_data is \[4, 6, 1\] of I8; expected is a matri"),
        ({"p.weight._data._data": ("I8", (5, 128))}, r"is \[5, 128\] of I8; expected .* of U8\."),
        ({"a.weight._shift": ("F32", (4, 1))}, r"a\.weight\._shift is not part of a layer as"),
        ({"a.weight._scale_shift": ("F32", ())}, r"a\.weight\._scale_shift is not part of"),
        ({"a.weight._data._data": ("U8", (2, 6))}, r"a\.weight\._data(\._data)? is not part of"),
        ({"a.weight": ("F32", (4, 6))}, r"a\.weight is not part of a layer"),
        ({"a.bias._data": ("I8", (4,))}, r"a\.bias\._data is not part of a layer"),
        ({"norm.input_scale": ("F32", ())}, r"norm\.input_scale is not part of a layer"),
        ({"c.weight._scale": ("F32", (4, 1))}, r"c\.weight\._scale is not part of a layer"),
        ({"p.bias": ("F32", (3,))}, r"p\.weight cannot be told .* groups of 128 and a bias of \[3"),
        ({"p.bias": ("F32", (0,))}, r"p\.weight cannot be told .* and a bias of \[0\]"),
    ],
)
def test_damaged_layers_are_refused(changes, message, kinds):
    with pytest.raises(ValueError, match=r"some\.safetensors: .*" + message):
        check_quanto(*good(**changes), kinds, name="some.safetensors")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({}, r"2 of 2 layers are quantised in the file but not in the map \(a, p\)"),
        ({"a": "qint8"}, r"1 of 2 layers are quantised in the file but not in the map \(p\)"),
        ({**GOOD_KINDS, "norm": "qint8"}, r"1 of 3 layers are in the map but not .* \(norm\)"),
        (
            {**GOOD_KINDS, **dict.fromkeys("stuvwxy", "qint8")},
            r"7 of 9 layers are in the map but not quantised in the file \(s, t, u, v, w, \.\.\.\)",
        ),
        ({**GOOD_KINDS, "a": "qfloat8_e4m3fn"}, "a is qint8, in its map qfloat8_e4m3fn"),
        ({**GOOD_KINDS, "a": "qint4"}, "a is qint8, in its map qint4"),
        ({**GOOD_KINDS, "p": "qint8"}, "p is qint4, in its map qint8"),
    ],
)
def test_map_of_another_file_is_refused(kinds, message):
    with pytest.raises(ValueError, match=rf"some\.safetensors.*{message}.*Put the map"):
        check_quanto(*good(), kinds, name="some.safetensors")


@pytest.mark.parametrize("name", ["a.input_scale", "a.output_scale"])
def test_file_for_quantized_activations_is_refused(name):
    tensors = tensors_of(quantize_weight(random_weight((4, 6)), "qint8"))
    tensors[name] = torch.tensor(0.5)
    message = rf"some\.safetensors: {name} is not 1, so the file was made for quantised activations"
    with pytest.raises(ValueError, match=message):
        collect_quanto(tensors, None, name="some.safetensors")
