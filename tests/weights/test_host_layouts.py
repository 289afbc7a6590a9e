from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from pack.multitalk.model.naming import read_model_header as read_header
from pack.multitalk.model.parameters import parameter_shapes
from pack.tests.weights.model_files import read_safetensors
from pack.tests.weights.published import base_shapes, tensors
from pack.weights.header import open_tensors
from pack.weights.host_format import HOST_FORMATS
from pack.weights.layouts import collect, layout_of

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
A, B = "blocks.0.ffn.0", "blocks.1.ffn.0"
PREFIX = "model.diffusion_model."
METADATA = "_quantization_metadata"


def layers(found, version="1.0"):
    return {METADATA: json.dumps({"format_version": version, "layers": found})}


def note(**settings):
    return torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)


def host(metadata=None, **changes):
    """Header of two fp8 matrices with their scales, changed: None takes a tensor out."""
    found = {
        f"{A}.weight": ("F8_E4M3", (4, 6)), f"{A}.weight_scale": ("F32", ()),
        f"{A}.input_scale": ("F32", ()), f"{A}.bias": ("BF16", (4,)),
        f"{B}.weight": ("F8_E4M3", (4, 6)), f"{B}.weight_scale": ("F32", ()),
    }  # fmt: skip
    if metadata is None:
        found |= {f"{module}.comfy_quant": ("U8", (27,)) for module in (A, B)}
    found |= {f"{A}.{part}": value for part, value in changes.items()}
    found = {name: value for name, value in found.items() if value is not None}
    return tensors(found, metadata=metadata or {})


BOTH = {A: {"format": "float8_e4m3fn"}, B: {"format": "float8_e4m3fn"}}
PARAMETERS = {f"{A}.weight": (4, 6), f"{A}.bias": (4,), f"{B}.weight": (4, 6)}


@pytest.mark.parametrize("metadata", [None, layers(BOTH), layers(BOTH, 1), layers(BOTH, "1.5")])
def test_notes_and_metadata_both_mark_matrices(metadata):
    assert layout_of(host(metadata)) == "host"
    assert parameter_shapes(host(metadata)) == PARAMETERS


def test_metadata_without_version_are_of_the_first():
    assert parameter_shapes(host({METADATA: json.dumps({"layers": BOTH})})) == PARAMETERS


def test_whole_base_of_the_host_is_accepted():
    found = {}
    for name, shape in base_shapes().items():
        block = name.startswith("blocks.") and len(shape) == 2
        found[name] = ("F8_E4M3" if block else "F32", shape)
        if block:
            module = name.removesuffix("weight")
            found[f"{module}weight_scale"] = ("F32", ())
            found[f"{module}comfy_quant"] = ("U8", (27,))
    assert parameter_shapes(tensors(found)) == base_shapes()


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(("dtype", "name"), [(E4M3, "float8_e4m3fn"), (E5M2, "float8_e5m2")])
def test_file_gives_its_matrix_with_settings_and_scales(tmp_path, dtype, name, listed, prefix):
    matrix, scale = torch.tensor([[1.0, -2.0], [0.5, 0.25]]).to(dtype), torch.tensor(0.5)
    stored = {
        "head.modulation": torch.zeros(1, 2, 2), f"{A}.weight": matrix, f"{A}.weight_scale": scale,
        f"{A}.input_scale": scale + 1, f"{A}.bias": torch.ones(2),
    }  # fmt: skip
    metadata = layers({prefix + A: {"format": name}}) if listed else {}
    if not listed:
        stored[f"{A}.comfy_quant"] = note(format=name, full_precision_matrix_mult=True)
    path = tmp_path / "x.safetensors"
    save_file({prefix + key: tensor for key, tensor in stored.items()}, path, metadata)
    header = read_header(path)
    expected = {"head.modulation": (1, 2, 2), f"{A}.weight": (2, 2), f"{A}.bias": (2,)}
    assert parameter_shapes(header) == expected
    found = collect(header, open_tensors(header, read_safetensors))
    assert set(found) == set(expected)
    quantized = found[f"{A}.weight"]
    extra = {} if listed else {"full_precision_matrix_mult": True}
    assert quantized.settings == {"format": name, **extra}
    assert set(quantized.tensors) == {"weight", "weight_scale", "input_scale"}
    assert quantized.tensors["weight"].dtype == dtype
    assert torch.equal(quantized.tensors["weight"].float(), matrix.float())
    assert quantized.tensors["weight_scale"] == 0.5
    assert quantized.tensors["input_scale"] == 1.5


@pytest.mark.parametrize(
    ("name", "dtype"), [("float8_e4m3fn", E4M3), ("float8_e5m2", E5M2), ("mxfp8", E4M3)]
)
def test_fp8_that_is_stored_as_bytes_is_fp8_again(name, dtype):
    matrix = torch.tensor([[1.0, -2.0]]).to(dtype)
    found = tensors({f"{A}.weight": ("U8", (1, 2)), f"{A}.weight_scale": ("F32", ())})
    stored = {
        f"{A}.weight": matrix.view(torch.uint8), f"{A}.weight_scale": torch.ones(()),
        f"{A}.comfy_quant": note(format=name),
    }  # fmt: skip
    found.metadata.update(layers({}))
    weight = collect(found, stored)[f"{A}.weight"].tensors["weight"]
    assert weight.dtype == dtype
    assert torch.equal(weight.float(), matrix.float())


@pytest.mark.parametrize(
    ("name", "dtype", "extras"),
    [
        ("int8_tensorwise", "I8", {"weight_scale": ("F32", (4, 1))}),
        ("int8_tensorwise", "I8", {"weight_scale": ("F32", (4,))}),
        ("int8_tensorwise", "I8", {"weight_scale": ("F32", (1,))}),
        ("mxfp8", "F8_E4M3", {"weight_scale": ("U8", (128, 4))}),
        ("nvfp4", "U8", {"weight_scale": ("F8_E4M3", (8, 4)), "weight_scale_2": ("F32", ())}),
        ("convrot_w4a4", "I8", {"weight_scale": ("F32", (4, 1))}),
        (
            "asym_w4a8_int8",
            "I8",
            {"weight_s_rel": ("U8", (4, 2)), "weight_s_channel": ("F32", (4,))},
        ),
    ],
)
def test_every_format_of_the_host_is_known(name, dtype, extras):
    found = host(layers({**BOTH, A: {"format": name}}), weight=(dtype, (4, 6)), weight_scale=None)
    found = tensors(
        {
            **{key: (found.dtypes[key], shape) for key, shape in found.shapes.items()},
            **{f"{A}.{part}": value for part, value in extras.items()},
        },
        metadata=found.metadata,
    )
    packed = dtype in ("U8", "I8")
    assert parameter_shapes(found) == {**PARAMETERS, f"{A}.weight": (4, -1 if packed else 6)}
    assert name in HOST_FORMATS


@pytest.mark.parametrize("metadata", [None, layers(BOTH)])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": None}, r"0\.ffn\.0 is said to be quantised, but .*\.weight is missing"),
        ({"extra.weight_scale": ("F32", ())}, r"extra\.weight_scale belongs to no quantised matr"),
        ({"extra.weight": ("I8", (4, 6))}, r"extra\.weight is quantised but its scale .* is missi"),
        ({"bias": ("I32", (2,))}, r"bias is stored as I32; weights are floating"),
    ],
)
def test_damage_is_found_by_the_header_alone(metadata, changes, message):
    with pytest.raises(ValueError, match=rf"some\.safetensors: .*{message}.*[Dd]ownload"):
        parameter_shapes(host(metadata, **changes))


@pytest.mark.parametrize("part", ["comfy_quant", "weight_scale"])
def test_lone_parts_of_a_matrix_are_refused(part):
    found = tensors({f"{B}.comfy_quant": ("U8", (3,)), f"{B}.weight": ("F8_E4M3", (2, 2)),
                     f"{A}.{part}": ("F32", ())})  # fmt: skip
    with pytest.raises(ValueError, match=rf"{A}( is said to be|\.{part} belongs to no) quantised"):
        parameter_shapes(found)


WRONG = [
    ({"weight_scale": None}, r"weight is quantised but its scale .*weight_scale is missing"),
    ({"weight": ("F8_E5M2", (4, 6))}, r"is F8_E5M2, but its format float8_e4m3fn needs F8_E4M3 or"),
    ({"weight_scale": ("I32", ())}, r"weight_scale is \[\] of I32; a scale is one float, or one p"),
    ({"weight_scale": ("F32", (1, 4))}, r"weight_scale is \[1, 4\] of F32; a scale is one float"),
    ({"weight_scale": ("F32", (0,))}, r"weight_scale is \[0\] of F32; a scale is one float"),
    ({"input_scale": ("I32", ())}, r"input_scale is \[\] of I32; a scale is one float"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_layer_in_the_metadata_is_found_by_the_header(changes, message):
    with pytest.raises(ValueError, match=rf"some\.safetensors: .*{message}.*[Dd]ownload"):
        parameter_shapes(host(layers(BOTH), **changes))


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_layer_with_a_note_is_found_when_it_is_collected(changes, message):
    found = host(**changes)
    stored = {name: torch.zeros(shape) for name, shape in found.shapes.items()}
    stored |= {f"{module}.comfy_quant": note(format="float8_e4m3fn") for module in (A, B)}
    with pytest.raises(ValueError, match=rf"some\.safetensors: .*{message}.*[Dd]ownload"):
        collect(found, stored)


@pytest.mark.parametrize("name", ["int3", None, ["float8_e4m3fn"]])
def test_unknown_format_is_refused(name):
    message = r"ffn\.0 has the quantised format .*; known are float8_e4m3fn, .* Update ComfyUI"
    with pytest.raises(ValueError, match=message):
        parameter_shapes(host(layers({**BOTH, A: {"format": name}})))


@pytest.mark.parametrize(
    "content", [b"", b"no", b"[1]", b"3", b'{"format"', b"\xff\xfe", b'{"a": 1}{}']
)
def test_note_that_is_none_is_refused(content):
    stored = {f"{A}.weight": torch.zeros(4, 6), f"{A}.comfy_quant": torch.tensor(
        list(content), dtype=torch.uint8)}  # fmt: skip
    with pytest.raises(ValueError, match=rf"some\.safetensors: {A}\.comfy_quant cannot be read\."):
        collect(host(), stored)


@pytest.mark.parametrize(
    "text",
    ["", "no", "3", "[]", "{}", '{"layers": 3}', '{"layers": {"a": 3}}', '{"layers": {"a": "b"}}',
     '{"layers": {}, "format_version": "x"}', '{"layers": {}, "format_version": null}'],
)  # fmt: skip
def test_metadata_that_are_none_are_refused(text):
    message = r"The list of quantised layers in some\.safetensors cannot be read\. Download"
    with pytest.raises(ValueError, match=message):
        parameter_shapes(host({METADATA: text}))


@pytest.mark.parametrize(
    ("version", "shown"), [("2.0", "2"), (2, "2"), (3.5, "3.5"), ("nan", "nan")]
)
def test_newer_metadata_are_refused(version, shown):
    message = rf"some\.safetensors has quantised layers of format {shown}; this pack knows 1\. Upd"
    with pytest.raises(ValueError, match=message):
        parameter_shapes(host(layers(BOTH, version)))
