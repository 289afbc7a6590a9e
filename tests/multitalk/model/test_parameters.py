from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.fit import (
    audio_part_config,
    check_audio_parameters,
    check_base,
    check_fit,
    check_parameters,
)
from pack.multitalk.model.kinds import describe, spare_tensors
from pack.tests.weights.published import (
    audio_shapes,
    base_shapes,
    header,
    quanto,
    scaled,
    tensors,
)

RELEASED = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)


def file(shapes, name, dtypes="BF16", **fields):
    """A header of a file with this name."""
    return header(
        shapes, dtypes, name, sources={key: (Path(name), key) for key in shapes}, **fields
    )


def base(change=None):
    return file({**base_shapes(), **(change or {})}, "base.safetensors")


def audio(change=None):
    return file({**audio_shapes(), **(change or {})}, "audio.safetensors", "F32")


def without(found, *names):
    shapes = {name: shape for name, shape in found.shapes.items() if name not in names}
    return file(shapes, found.name)


def check(base_file, audio_file):
    """All that can be checked before tensors are read."""
    check_base(base_file)
    config = audio_part_config(audio_file)
    check_fit(base_file, config, audio_file.name)
    check_parameters(base_file, audio_file, config)
    return config


def test_released_files_are_complete():
    assert check(base(), audio()) == RELEASED


def test_whole_model_is_its_own_audio_part():
    whole = file({**base_shapes(), **audio_shapes()}, "whole.safetensors")
    assert check(whole, whole) == RELEASED


def test_whole_model_takes_another_audio_part():
    whole = file({**base_shapes(), **audio_shapes()}, "whole.safetensors")
    assert check(whole, audio()) == RELEASED


def test_base_without_image_embedding_is_complete():
    shapes = {name: shape for name, shape in base_shapes().items() if "img" not in name}
    config = {"config": json.dumps({"multitalk": {"clip": "none"}})}
    check(file(shapes, "base.safetensors", metadata=config), audio())


def test_base_weights_inside_an_audio_part_are_allowed():
    inside = {"blocks.0.self_attn.q.weight": (5120, 5120), "head.head.bias": (64,)}
    check(base(), audio(inside))


def strange(count, prefix=""):
    return {f"{prefix}strange.{n}.weight": (1,) for n in range(count)}


SPARE = {"blocks.7.extra": (1,), "blocks.0.self_attn.x.weight": (4, 4), "logit_scale": ()}


@pytest.mark.parametrize("dtype", ["BF16", "F32", "F16", "I64", "U8", "BOOL"])
def test_a_few_tensors_more_refuse_no_model_and_are_reported(dtype):
    found = base(SPARE)
    kinds = {name: dtype if name in SPARE else kind for name, kind in found.dtypes.items()}
    found = dataclasses.replace(found, dtypes=kinds)
    check_parameters(found, audio(), RELEASED)
    assert spare_tensors(found) == [*SPARE]
    line = "not used, since the network has no such part: blocks.7.extra, blocks.0.self_attn.x."
    assert line in describe(found)
    assert "not used" not in describe(base())
    beside = audio({"audio_proj.proj4.bias": (1,), "text_embedding.1.weight": (1,)})
    check_parameters(base(), beside, RELEASED)
    assert "audio_proj.proj4.bias, text_embedding.1.weight" in describe(beside)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (strange(9), r"Unexpected: \['strange\.0\.weight'"),
        ({"head.head.bias": (65,)}, r"head\.head\.bias is \[65\], expected \[64\]"),
    ],
)
def test_other_weights_inside_an_audio_part_are_refused(inside, message):
    with pytest.raises(
        ValueError, match=rf"audio\.safetensors is no audio part for this base\. .*{message}"
    ):
        check_parameters(base(), audio(inside), RELEASED)


BASE_DAMAGE = [
    (without(base(), "blocks.7.norm3.bias"), r"Missing: \['blocks\.7\.norm3\.bias'\]\. "),
    (base(strange(9)), r"Unexpected: \['strange\.0\.weight', "),
    (
        base({"blocks.7.ffn.0.weight": (5120, 13824)}),
        r"blocks\.7\.ffn\.0\.weight is \[5120, 13824\], expected \[13824, 5120\]",
    ),
    (base({"blocks.7.modulation": (6, 5120)}), r"is \[6, 5120\], expected \[1, 6, 5120\]"),
    (base({"head.head.bias": (60,)}), r"head\.head\.weight is \[64, 5120\], expected \[60, 5120\]"),
]


@pytest.mark.parametrize(("damaged", "message"), BASE_DAMAGE)
def test_base_parameter_that_is_missing_unexpected_or_wrong_is_named(damaged, message):
    words = rf"base\.safetensors is no complete WAN 2\.1 I2V model\. .*{message}.*Download"
    with pytest.raises(ValueError, match=words):
        check_parameters(damaged, audio(), RELEASED)


@pytest.mark.parametrize("name", ["blocks.0.ffn.0.bias", "text_embedding.0.weight"])
def test_base_whose_sizes_cannot_be_told_names_what_is_missing(name):
    message = rf"base\.safetensors is no complete WAN 2\.1 model: '{name}' is missing or damaged"
    with pytest.raises(ValueError, match=message):
        check_parameters(without(base(), name), audio(), RELEASED)


AUDIO_DAMAGE = [
    (without(audio(), "audio_proj.proj2.bias"), r"Missing: \['audio_proj\.proj2\.bias'\]"),
    (audio(strange(9, "audio_proj.")), r"Unexpected: \['audio_proj\.strange\.0\.weight', "),
    (
        audio({"blocks.39.audio_cross_attn.kv_linear.weight": (768, 10240)}),
        r"kv_linear\.weight is \[768, 10240\], expected \[10240, 768\]",
    ),
]


@pytest.mark.parametrize(("damaged", "message"), AUDIO_DAMAGE)
def test_audio_parameter_that_is_missing_unexpected_or_wrong_is_named(damaged, message):
    words = rf"audio\.safetensors is no complete audio part\. .*{message}.*Download"
    for refuse in (
        lambda: check_parameters(base(), damaged, RELEASED),
        lambda: check_audio_parameters(damaged, RELEASED),
    ):
        with pytest.raises(ValueError, match=words):
            refuse()


def test_audio_part_inside_a_base_is_checked_too():
    shapes = {**base_shapes(), **audio_shapes()}
    del shapes["blocks.3.norm_x.bias"]
    whole = file(shapes, "whole.safetensors")
    with pytest.raises(ValueError, match=r"whole\.safetensors is no complete audio part"):
        check_parameters(whole, whole, RELEASED)


def test_message_about_many_parameters_stays_short():
    shapes = {
        name + ("x" if "proj.weight" in name or "q_linear" in name else ""):
        (*shape, 1) if "kv_linear" in name else shape
        for name, shape in audio_shapes().items()
    }  # fmt: skip
    found = file(shapes, "wan2.1_infiniteTalk_single_fp16.safetensors")
    with pytest.raises(ValueError, match="is no complete audio part") as error:
        check_audio_parameters(found, RELEASED)
    message = str(error.value)
    assert message.count("q_linear.weightx'") + message.count("q_linear.biasx'") >= 5
    assert message.count(", expected [") == 3
    assert len(message) < 1500


@pytest.mark.parametrize("dtype", ["I8", "F8_E4M3"])
def test_quanto_audio_part_has_the_sizes_of_the_released_one(dtype):
    found = tensors(quanto(audio_shapes(), dtype), "audio.safetensors")
    assert audio_part_config(found) == RELEASED
    check_parameters(base(), found, RELEASED)


def test_scaled_audio_part_has_the_sizes_of_the_released_one():
    found = tensors(scaled(audio_shapes()), "audio.safetensors")
    assert audio_part_config(found) == RELEASED
    check_parameters(base(), found, RELEASED)


def test_gguf_audio_part_has_the_sizes_of_the_released_one():
    found = file(audio_shapes(), "audio.gguf", "Q8_0", format="GGUF")
    assert audio_part_config(found) == RELEASED
    check_parameters(base(), found, RELEASED)


def packed(columns):
    """An audio part of the host with matrices of several values in a byte."""
    found, layers = {}, {}
    for name, shape in audio_shapes().items():
        module = name.removesuffix(".weight")
        if "audio_cross_attn" not in name or len(shape) != 2:
            found[name] = ("BF16", shape)
            continue
        layers[module] = {"format": "nvfp4"}
        found[name] = ("U8", (shape[0] * columns, shape[1] // 2))
        found[f"{module}.weight_scale"] = ("F8_E4M3", (shape[0], shape[1] // 16))
        found[f"{module}.weight_scale_2"] = ("F32", ())
    text = json.dumps({"layers": layers})
    return tensors(found, "audio.safetensors", metadata={"_quantization_metadata": text})


def test_packed_audio_part_is_compared_by_its_rows():
    assert audio_part_config(packed(1)) == RELEASED
    check_audio_parameters(packed(1), RELEASED)
    message = r"q_linear\.weight is \[10240, -1\], expected \[5120, 5120\]"
    with pytest.raises(ValueError, match=message):
        check_audio_parameters(packed(2), RELEASED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 7}, "contradict each other: width 5120, 7 heads"),
        ({"num_heads": 0}, "contradict each other: width 5120, 0 heads"),
        ({"num_heads": "40"}, r"sizes cannot be read \(num_heads is '40' in its metadata\)"),
        ({"num_heads": -40}, r"\(num_heads is -40 in its metadata\)"),
        ({"num_heads": 40.0}, r"\(num_heads is 40\.0 in its metadata\)"),
        ({"num_heads": None}, r"\(num_heads is None in its metadata\)"),
        ({"num_heads": True}, r"\(num_heads is True in its metadata\)"),
        ({"encoder_layers": 13}, "contradict each other: .* 9216 speech features per frame"),
        ({"encoder_layers": 0}, r"sizes cannot be read \(integer division or modulo by zero\)"),
        ({"encoder_layers": [12]}, r"\(encoder_layers is \[12\] in its metadata\)"),
        ({"encoder_layers": 10**30}, "contradict each other"),
    ],
)
def test_damaged_numbers_in_the_metadata_are_refused(settings, message):
    metadata = {"config": json.dumps({"multitalk": settings})}
    found = header(audio_shapes(), name="audio.safetensors", metadata=metadata)
    with pytest.raises(
        ValueError, match=rf"audio\.safetensors .*{message}.*Choose|{message}.*Downlo"
    ):
        audio_part_config(found)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"multitalk": []}', "NaN"])
def test_unreadable_metadata_leave_the_sizes_to_the_shapes(text):
    assert audio_part_config(header(audio_shapes(), metadata={"config": text})) == RELEASED


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("audio_proj.proj1.weight", (512,)),
        ("audio_proj.proj1.weight", ()),
        ("audio_proj.norm.weight", ()),
        ("audio_proj.norm.weight", (0,)),
        ("audio_proj.proj3.weight", ()),
        ("blocks.0.norm_x.weight", ()),
    ],
)
def test_sizes_that_shapes_do_not_tell_are_refused(name, shape):
    with pytest.raises(
        ValueError, match=r"audio\.safetensors is no complete audio part: its sizes"
    ):
        audio_part_config(audio({name: shape}))
