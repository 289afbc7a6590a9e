from __future__ import annotations

import json

import pytest
import torch

from pack.multitalk.model.naming import read_model_header as read_header
from pack.multitalk.model.parameters import parameter_shapes
from pack.tests.weights.model_files import (
    LAYOUTS,
    audio_state,
    base_state,
    read_safetensors,
    write_model,
)
from pack.tests.weights.published import (
    audio_shapes,
    base_shapes,
    header,
    is_audio_matrix,
    quanto,
    scaled,
    tensors,
)
from pack.weights.gguf_file import GgufTensor
from pack.weights.header import open_tensors
from pack.weights.host_format import HostQuantized
from pack.weights.layouts import collect, layout_of, quanto_map
from pack.weights.quanto import RowScaled

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
A, B = "blocks.0.ffn.0", "blocks.1.ffn.0"
NAMES = {
    "float32": "float", "bfloat16": "float", "scaled fp8": "scaled fp8", "host": "host",
    "quanto": "quanto", "GGUF": "GGUF", "parts": "float", "PyTorch": "float",
}  # fmt: skip


def write_and_read(folder, layout):
    """Header, tensors and original of both halves of a model."""
    for path, state in zip(write_model(folder, layout), (base_state(), audio_state()), strict=True):
        found = read_header(path)
        yield found, collect(found, open_tensors(found, read_safetensors)), state


def numbers(stored):
    """Values of a parameter, not dequantized by the pack."""
    if isinstance(stored, torch.Tensor):
        return stored.float()
    if isinstance(stored, RowScaled):
        return stored.data.float() * stored.scale.float()
    if isinstance(stored, HostQuantized):
        return stored.tensors["weight"].float() * stored.tensors["weight_scale"]
    import gguf

    kind = gguf.GGMLQuantizationType[stored.kind]
    return torch.from_numpy(gguf.quants.dequantize(stored.data.numpy(), kind)).reshape(stored.shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_names_shapes_and_values_of_the_model(tmp_path, layout):
    for found, stored, state in write_and_read(tmp_path, layout):
        assert layout_of(found) == NAMES[layout]
        assert parameter_shapes(found) == {n: tuple(t.shape) for n, t in state.items()}
        assert set(stored) == set(state)
        for name, tensor in state.items():
            values = numbers(stored[name])
            assert (values - tensor).abs().max() <= 0.07 * tensor.abs().max(), name


@pytest.mark.parametrize(
    ("layout", "kind"),
    [("scaled fp8", HostQuantized), ("host", HostQuantized), ("quanto", RowScaled),
     ("GGUF", GgufTensor)],
)  # fmt: skip
def test_quantised_matrices_keep_their_layout_and_the_rest_is_plain(tmp_path, layout, kind):
    for _, stored, state in write_and_read(tmp_path, layout):
        block = "audio_cross_attn.proj" if "audio_proj.norm.bias" in state else "ffn.2"
        assert isinstance(stored[f"blocks.1.{block}.weight"], kind)
        assert isinstance(stored[f"blocks.1.{block}.bias"], torch.Tensor)


# What users have: checkpoints.md sections 1 to 4.


def multitalk(name):
    return "BF16" if ".norm_x." in name else "F32"


def infinitetalk_multi(name):
    return "F16" if is_audio_matrix(name) else multitalk(name)


def infinitetalk_single(name):
    return "F16" if is_audio_matrix(name) else "F32"


def fp8(name):
    return "F8_E4M3" if name.startswith("blocks.") and name.endswith(".weight") else "BF16"


@pytest.mark.parametrize("dtypes", [multitalk, infinitetalk_multi, infinitetalk_single, "F16"])
def test_published_audio_parts_are_accepted(dtypes):
    found = header(audio_shapes(), dtypes)
    assert layout_of(found) == "float"
    assert parameter_shapes(found) == audio_shapes()


@pytest.mark.parametrize("dtypes", ["F32", "F16", "BF16", "F64"])
def test_published_bases_of_floats_are_accepted(dtypes):
    assert parameter_shapes(header(base_shapes(), dtypes)) == base_shapes()


@pytest.mark.parametrize("rest", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("marker", [None, (0,), (1,), (2,)])
def test_scaled_audio_part_is_accepted_with_every_marker(rest, marker):
    found = scaled(audio_shapes(), rest)
    found["scaled_fp8"] = ("F8_E4M3", marker or ())
    if marker is None:
        del found["scaled_fp8"]
    assert layout_of(tensors(found)) == "scaled fp8"
    assert parameter_shapes(tensors(found)) == audio_shapes()


def test_fp8_without_scales_is_accepted():
    found = header(base_shapes(), fp8)
    assert layout_of(found) == "fp8"
    assert parameter_shapes(found) == base_shapes()


def test_marker_without_scales_is_plain_fp8():
    found = tensors({"scaled_fp8": ("F8_E4M3", (2,)), f"{A}.weight": ("F8_E4M3", (4, 4))})
    assert layout_of(found) == "fp8"
    assert parameter_shapes(found) == {f"{A}.weight": (4, 4)}
    stored = collect(found, {"scaled_fp8": torch.zeros(2), f"{A}.weight": torch.zeros(4, 4)})
    assert list(stored) == [f"{A}.weight"]


@pytest.mark.parametrize(("dtype", "rest"), [("I8", "BF16"), ("F8_E4M3", "BF16"), ("I8", "F32")])
def test_whole_model_of_quanto_is_accepted(dtype, rest):
    whole = {**base_shapes(), **audio_shapes()}
    found = tensors(quanto(whole, dtype, rest))
    assert layout_of(found) == "quanto"
    assert parameter_shapes(found) == whole


def test_one_file_may_hold_a_base_and_an_audio_part_of_two_dtypes():
    found = {name: ("BF16", shape) for name, shape in base_shapes().items()}
    found |= {name: ("F16", shape) for name, shape in audio_shapes().items()}
    assert len(parameter_shapes(tensors(found))) == 1303 + 330


# Damaged dtypes.


@pytest.mark.parametrize(
    ("dtypes", "name", "other"),
    [
        ("BF16", "blocks.7.ffn.0.weight", "F16"),
        ("F16", "blocks.7.norm3.bias", "BF16"),
        ("BF16", "head.modulation", "F16"),
        ("BF16", "head.head.bias", "F16"),
        (fp8, "blocks.3.cross_attn.o.weight", "F8_E5M2"),
        (fp8, "patch_embedding.weight", "F16"),
    ],
)
def test_two_kinds_of_float_in_one_place_are_damage(dtypes, name, other):
    before = header(base_shapes(), dtypes).dtypes[name]
    found = header(
        base_shapes(), lambda n: other if n == name else header({n: ()}, dtypes).dtypes[n]
    )
    message = rf"some\.safetensors: .* is {'|'.join(sorted((before, other)))} but .*Download it aga"
    with pytest.raises(ValueError, match=message) as error:
        parameter_shapes(found)
    assert f"{name} is {other}" in str(error.value)


@pytest.mark.parametrize("name", ["blocks.3.norm_x.bias", "blocks.3.audio_cross_attn.proj.weight"])
def test_one_odd_dtype_of_an_audio_part_is_damage(name):
    odd = {"F16": "BF16", "BF16": "F16"}[infinitetalk_multi(name)]
    found = header(audio_shapes(), lambda n: odd if n == name else infinitetalk_multi(n))
    with pytest.raises(ValueError, match=f"{name} is {odd}"):
        parameter_shapes(found)


@pytest.mark.parametrize("dtype", ["I32", "U32", "I16", "BOOL", "I8", "U8", "F8_E8M0", "F4"])
@pytest.mark.parametrize("name", ["blocks.0.ffn.0.weight", "head.modulation"])
def test_weights_that_are_no_floats_are_refused(dtype, name):
    found = header(base_shapes(), lambda n: dtype if n == name else "F32")
    message = rf"some\.safetensors: {name} is stored as {dtype}; weights are floating.*Download"
    with pytest.raises(ValueError, match=message):
        parameter_shapes(found)


@pytest.mark.parametrize(("kind", "good"), [("Q4_K", True), ("F32", True), ("I32", False)])
def test_weights_of_gguf_are_floats_or_blocks(kind, good):
    found = header(
        base_shapes(), lambda n: kind if n == "head.modulation" else "Q8_0", format="GGUF"
    )
    if good:
        assert parameter_shapes(found) == base_shapes()
        return
    with pytest.raises(
        ValueError, match=r"head\.modulation is stored as I32; weights are floating"
    ):
        parameter_shapes(found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gguf_floats_are_plain_tensors(dtype):
    values = torch.tensor([[1.0, -2.0, 0.5]]).to(dtype)
    kind = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[dtype]
    data = values.view(torch.uint8) if kind == "BF16" else values
    blocks = GgufTensor(shape=(1, 32), kind="Q8_0", data=torch.zeros(1, 34, dtype=torch.uint8))
    found = header({"a": (1, 3), "b": (1, 32)}, kind, format="GGUF")
    stored = collect(found, {"a": GgufTensor(shape=(1, 3), kind=kind, data=data), "b": blocks})
    assert stored["a"].dtype == dtype
    assert torch.equal(stored["a"], values)
    assert stored["b"] is blocks


# Scaled fp8, the old convention.


def old(**changes):
    """Two scaled matrices and a bias, changed: None takes a tensor out."""
    found = {
        "scaled_fp8": ("F8_E4M3", (2,)),
        f"{A}.weight": ("F8_E4M3", (4, 6)), f"{A}.scale_weight": ("F32", (1,)),
        f"{A}.scale_input": ("F32", ()), f"{A}.bias": ("F32", (4,)),
        f"{B}.weight": ("F8_E4M3", (4, 6)), f"{B}.scale_weight": ("F32", (1,)),
    }  # fmt: skip
    found |= {key.replace("__", "."): value for key, value in changes.items()}
    return tensors({name: value for name, value in found.items() if value is not None})


def at(module, part):
    return f"{module}.{part}".replace(".", "__")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_scale_is_one_float_of_any_shape(shape):
    found = old(**{at(A, "scale_weight"): ("F32", shape), at(B, "scale_weight"): ("BF16", shape)})
    assert set(parameter_shapes(found)) == {f"{A}.weight", f"{A}.bias", f"{B}.weight"}


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("scale_weight", ("F32", (2,)), r"scale_weight is \[2\] of F32; a scale is one float"),
        ("scale_weight", ("F32", (0,)), r"scale_weight is \[0\] of F32; a scale is one float"),
        ("scale_weight", ("F32", (0, 2)), r"scale_weight is \[0, 2\] of F32; a scale is one"),
        ("scale_weight", ("F32", (4, 4)), r"scale_weight is \[4, 4\] of F32; a scale is one"),
        ("scale_weight", ("I32", (1,)), r"scale_weight is \[1\] of I32; a scale is one float"),
        ("scale_weight", ("F8_E4M3", (1,)), r"scale_weight is \[1\] of F8_E4M3; a scale is one"),
        ("scale_weight", None, r"0\.weight is quantised but its scale .*scale_weight is missing"),
        ("scale_input", ("I32", ()), r"scale_input is \[\] of I32; a scale is one float"),
        ("weight", None, r"scale_(weight|input) has no matrix blocks\.0\.ffn\.0\.weight beside"),
        ("weight", ("F8_E4M3", (24,)), r"has no matrix blocks\.0\.ffn\.0\.weight beside it"),
    ],
)
def test_damaged_scales_are_refused(part, value, message):
    with pytest.raises(ValueError, match=rf"some\.safetensors: .*{message}.*[Dd]ownload"):
        parameter_shapes(old(**{at(A, part): value}))


def test_scales_of_two_kinds_are_damage():
    found = old(**{at(A, "scale_weight"): ("F16", (1,)), at(B, "scale_weight"): ("BF16", (1,))})
    with pytest.raises(ValueError, match=r"scale_weight is BF16 but .*scale_weight is F16"):
        parameter_shapes(found)


def scaled_pair(dtype=E4M3, scale=0.5, heard=None, marker=2):
    stored = {
        "scaled_fp8": torch.zeros(marker or 0, dtype=E4M3),
        f"{A}.weight": torch.tensor([[1.0, -2.0]]).to(dtype),
        f"{A}.scale_weight": torch.tensor([scale]),
    }
    if heard is not None:
        stored[f"{A}.scale_input"] = torch.tensor(heard)
    if marker is None:
        del stored["scaled_fp8"]
    return collect(old(), stored)


@pytest.mark.parametrize(("dtype", "name"), [(E4M3, "float8_e4m3fn"), (E5M2, "float8_e5m2")])
@pytest.mark.parametrize(("marker", "full"), [(0, False), (1, False), (2, True), (None, True)])
def test_scaled_matrix_becomes_one_of_the_host(dtype, name, marker, full):
    stored = scaled_pair(dtype, marker=marker)
    assert list(stored) == [f"{A}.weight"]
    matrix = stored[f"{A}.weight"]
    always = {"full_precision_matrix_mult": True} if full else {}
    assert matrix.settings == {"format": name, **always}
    assert set(matrix.tensors) == {"weight", "weight_scale"}
    assert matrix.tensors["weight"].dtype == dtype
    assert matrix.tensors["weight_scale"].shape == ()
    assert numbers(matrix).tolist() == [[0.5, -1.0]]


@pytest.mark.parametrize(("heard", "kept"), [(None, False), (1.0, False), (0.25, True)])
def test_input_scale_is_kept_unless_it_is_one(heard, kept):
    found = scaled_pair(heard=heard)[f"{A}.weight"].tensors
    assert ("input_scale" in found) is kept
    assert not kept or found["input_scale"].item() == heard


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize(("scale", "expected"), [(1.0, [[1.0, -2.0]]), (0.5, [[0.5, -1.0]])])
def test_matrix_of_16_bit_is_multiplied_with_its_scale(scale, expected, shape):
    matrix = torch.tensor([[1.0, -2.0]], dtype=torch.bfloat16)
    stored = collect(
        old(), {f"{A}.weight": matrix, f"{A}.scale_weight": torch.full(shape, scale), "b": matrix}
    )
    assert stored[f"{A}.weight"].dtype == torch.bfloat16
    assert stored[f"{A}.weight"].tolist() == expected
    assert (stored[f"{A}.weight"] is matrix) is (scale == 1)
    assert stored["b"] is matrix


# Quanto.


def quanto_file(tmp_path, kinds):
    path = tmp_path / "x.safetensors"
    if kinds is not None:
        entries = {
            module: {"weights": kind, "activations": "none"} for module, kind in kinds.items()
        }
        path.with_suffix(".json").write_text(json.dumps(entries))
    found = {
        f"{A}.weight._data": ("I8", (4, 6)), f"{A}.weight._scale": ("BF16", (4, 1)),
        f"{B}.weight._data": ("I8", (4, 6)), f"{B}.weight._scale": ("BF16", (4, 1)),
        f"{A}.input_scale": ("BF16", ()), "head.head.bias": ("BF16", (6,)),
    }  # fmt: skip
    return found, {"sources": {name: (path, name) for name in found}}


@pytest.mark.parametrize("kinds", [None, {A: "qint8", B: "qint8"}])
def test_quanto_file_with_and_without_map(tmp_path, kinds):
    found, fields = quanto_file(tmp_path, kinds)
    assert quanto_map(tensors(found, **fields)) == kinds
    expected = {f"{A}.weight": (4, 6), f"{B}.weight": (4, 6), "head.head.bias": (6,)}
    assert parameter_shapes(tensors(found, **fields)) == expected


def test_packed_matrix_of_quanto_has_the_shape_of_the_layer():
    found = {"a.weight._data._data": ("U8", (5, 128)), "a.weight._scale": ("F32", (10, 1)),
             "a.weight._shift": ("F32", (10, 1)), "a.bias": ("F32", (5,))}  # fmt: skip
    assert parameter_shapes(tensors(found)) == {"a.weight": (5, 256), "a.bias": (5,)}


def test_header_without_files_has_no_map(tmp_path):
    assert quanto_map(tensors(quanto_file(tmp_path, None)[0])) is None


@pytest.mark.parametrize("kinds", [{A: "qint8"}, {A: "qint8", B: "qfloat8_e4m3fn"}])
def test_map_that_contradicts_its_file_is_refused(tmp_path, kinds):
    found, fields = quanto_file(tmp_path, kinds)
    with pytest.raises(ValueError, match=r"x\.safetensors.* map.*Put the map that was published"):
        parameter_shapes(tensors(found, "x.safetensors", **fields))


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        (f"{A}.weight._data", "U8", r"_data is \[4, 6\] of U8; expected is a matrix of I8"),
        (f"{A}.weight._scale", "F16", r"_scale is BF16 but .*_scale is F16; no converter"),
        (f"{A}.weight._scale", "I16", r"_scale is \[4, 1\] of I16; expected is"),
        ("head.head.bias", "F16", r" is BF16 but head\.head\.bias is F16; no converter"),
        ("head.head.bias", "I16", r"head\.head\.bias is stored as I16; weights are floating"),
    ],
)
def test_damaged_dtypes_of_quanto_are_refused(tmp_path, name, dtype, message):
    found, fields = quanto_file(tmp_path, None)
    found[name] = (dtype, found[name][1])
    with pytest.raises(ValueError, match=rf"some\.safetensors: .*{message}"):
        parameter_shapes(tensors(found, **fields))
