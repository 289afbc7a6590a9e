from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.audio_attention import build_audio_part
from pack.multitalk.model.fit import (
    audio_part_config,
    check_base,
    check_encoder_fit,
    check_fit,
    encoder_settings,
    encoder_sizes,
    has_audio_part,
)
from pack.multitalk.model.kinds import guess_family, kind_of, needs_clip
from pack.multitalk.model.naming import ModelHeader as Header
from pack.multitalk.model.naming import read_model_header as read_header
from pack.multitalk.sound.wav2vec2 import BASE_CONFIG

RELEASED = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)
TOY = AudioPartConfig(
    dim=24, num_heads=2, num_layers=2, encoder_layers=2, encoder_channels=6, hidden=10,
    num_tokens=3, token_width=8,
)  # fmt: skip


def header(shapes, name="some.safetensors", **multitalk):
    metadata = {"config": json.dumps({"multitalk": multitalk})} if multitalk else {}
    return Header(name=name, shapes=shapes, dtypes={}, metadata=metadata)


def base(*extra, channels=36, clip=True, dim=5120, layers=40):
    """Header of a WAN transformer: the names that tell kinds apart, at any size."""
    shapes = {
        "patch_embedding.weight": (dim, channels, 1, 2, 2),
        "head.modulation": (1, 2, dim),
        **{f"blocks.{index}.modulation": (1, 6, dim) for index in range(layers)},
        **({"img_emb.proj.0.bias": (1280,)} if clip else {}),
        **dict.fromkeys(extra, (1,)),
    }
    return header(shapes, "wan.safetensors")


def audio_part(config=RELEASED, **multitalk):
    """Header of an audio part with the real names and shapes, without its data."""
    state = build_audio_part(config, device="meta").state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return header(shapes, "multitalk.safetensors", **multitalk)


def encoder(layers=12, width=768, prefix=""):
    names = [f"encoder.layers.{i}.final_layer_norm.bias" for i in range(layers)]
    return header(
        {prefix + n: (width,) for n in ("encoder.layer_norm.bias", *names)}, "wav2vec2.safetensors"
    )


def write(path, tensors):
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, path)
    return path


def test_header_has_names_shapes_dtypes_and_metadata(tmp_path):
    path = tmp_path / "some.safetensors"
    tensors = {"a.weight": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}
    save_file(tensors, path, {"config": '{"multitalk": {"num_heads": 2}}'})
    found = read_header(path)
    assert found.name == "some.safetensors"
    assert found.shapes == {"a.weight": (2, 3), "b": (4,)}
    assert found.dtypes == {"a.weight": "F32", "b": "BF16"}
    assert found.config("multitalk") == {"num_heads": 2}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model.", "model."])
@pytest.mark.parametrize("key", ["head.modulation", "audio_proj.proj1.weight"])
def test_known_prefixes_are_taken_off(tmp_path, prefix, key):
    path = write(tmp_path / "x.safetensors", {prefix + key: (1,), prefix + "blocks.0.b": (1,)})
    assert set(read_header(path).shapes) == {key, "blocks.0.b"}


def test_prefix_of_another_kind_of_file_stays(tmp_path):
    path = write(tmp_path / "x.safetensors", {"model.layers.0.weight": (1,)})
    assert set(read_header(path).shapes) == {"model.layers.0.weight"}


def test_file_without_tensors_is_unknown(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert kind_of(read_header(path)) == "unknown"


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"short",
        b"<!DOCTYPE html> the page of a login",
        (1000).to_bytes(8, "little") + b"{}",
        (6).to_bytes(8, "little") + b"{'a':1",
        (4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc",
    ],
    ids=["empty", "few bytes", "text", "header cut", "no JSON", "no text"],
)
def test_other_files_are_refused(tmp_path, contents):
    path = tmp_path / "other.safetensors"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"other\.safetensors is no safetensors file"):
        read_header(path)


def test_truncated_file_is_refused_with_both_sizes(tmp_path):
    path = write(tmp_path / "cut.safetensors", {"a": (10,)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    message = f"cut.safetensors is truncated: it has {len(whole) - 1} bytes, .* {len(whole)}. Down"
    with pytest.raises(ValueError, match=message):
        read_header(path)


def test_file_with_bytes_after_its_end_is_refused(tmp_path):
    path = write(tmp_path / "long.safetensors", {"a": (10,)})
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    message = f"long.safetensors is damaged: it has {len(whole) + 1} bytes, .* {len(whole)}. Down"
    with pytest.raises(ValueError, match=message):
        read_header(path)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, {}),
        ({"config": "{}"}, {}),
        ({"config": '{"multitalk": 3}'}, {}),
        ({"config": '{"vae": {"a": 1}}'}, {}),
        ({"config": '{"multitalk": {"a": 1}}'}, {"a": 1}),
    ],
)
def test_missing_section_of_the_metadata_is_empty(metadata, expected):
    found = Header(name="x", shapes={}, dtypes={}, metadata=metadata)
    assert found.config("multitalk") == expected


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("audio_proj.proj1.weight", "audio part"),
        ("audio_proj.proj1.weight._data", "audio part"),
        ("head.modulation", "WAN base model"),
        ("encoder.layer_norm.bias", "speech encoder"),
        ("wav2vec2.encoder.layer_norm.bias", "speech encoder"),
        ("decoder.head.0.gamma", "WAN VAE"),
        ("vision_model.embeddings.patch_embedding.weight", "CLIP vision"),
        ("encoder.final_layer_norm.weight", "text encoder"),
        ("shared.weight", "text encoder"),
        ("token_embedding.weight", "text encoder"),
        ("diffusion_model.blocks.0.self_attn.q.lora_down.weight", "LoRA"),
        ("blocks.0.self_attn.q.lora_A.weight", "LoRA"),
        ("blocks.0.self_attn.q.lora_A.default.weight", "LoRA"),
        ("lora_unet_blocks_0_self_attn_q.lora_up.weight", "LoRA"),
        ("something.weight", "unknown"),
    ],
)
def test_kind_is_told_by_one_name(key, kind):
    assert kind_of(header({"other": (1,), key: (1,)})) == kind


@pytest.mark.parametrize(
    "good",
    [
        base(),
        base(dim=24, layers=2),
        header(base(clip=False).shapes, clip="none"),
        base("audio_proj.proj1.weight"),
        base(clip=False),
        base("img_emb.emb_pos"),
    ],
    ids=["released", "small", "toy", "with audio part inside", "WAN 2.2", "first and last frame"],
)
def test_image_to_video_base_is_taken(good):
    check_base(good)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (base(channels=16, clip=False, dim=1536), r"1\.3B model \(T2V\), .* 1536 wide.*14B"),
        (base("vace_patch_embedding.weight", channels=16, clip=False, dim=1536), r"\(VACE\), "),
        (base(channels=48, clip=False, dim=3072), r"\(WAN 2.2 5B, 48 input channels\).* Narrower"),
        (base(channels=48, clip=False), r"\(WAN 2.2 Fun Control, 48 input channels\)"),
        (base(channels=48), r"\(Fun Control, 48 input channels\).* It has inputs of its own"),
        (base(channels=52, clip=False), r"\(WAN 2.2 Fun Control, 52"),
        (base("ref_conv.weight"), r"\(Fun Control, 36"),
        (base("control_adapter.conv.weight"), r"\(Fun Camera, 36"),
        (base("control_adapter.conv.weight", clip=False), r"\(WAN 2.2 Fun Camera, 36"),
        (base("casual_audio_encoder.encoder.final_linear.weight"), r"\(WAN 2.2 S2V, 36"),
        (base("face_adapter.fuser_blocks.0.k_norm.weight"), r"\(WAN 2.2 Animate, 36"),
        (audio_part(), "multitalk.safetensors is an audio part; base takes a WAN 2.1 I2V model"),
        (encoder(), "wav2vec2.safetensors is a speech encoder; base takes a WAN base model"),
        (header({"x": (1,)}), "some.safetensors is an unknown kind of file; base takes a WAN"),
        (header({"x.lora_A.weight": (1,)}), "some.safetensors is a LoRA; base takes"),
    ],
)
def test_everything_else_is_refused_as_base(given, message):
    with pytest.raises(ValueError, match=message):
        check_base(given)


@pytest.mark.parametrize("extra", [(), ("vace_patch_embedding.weight",)])
def test_bases_without_an_image_beside_the_noise_are_taken(extra):
    check_base(base(*extra, channels=16, clip=False))


def test_base_wants_clip_if_it_has_an_image_embedding():
    assert needs_clip(base())
    assert not needs_clip(base(clip=False))


def test_released_audio_part_is_known_by_shapes_alone():
    assert audio_part_config(audio_part()) == RELEASED


def test_metadata_tells_what_shapes_do_not():
    assert audio_part_config(audio_part(TOY, num_heads=2, encoder_layers=2)) == TOY


def test_one_head_is_enough():
    found = audio_part_config(audio_part(TOY, num_heads=1, encoder_layers=1))
    assert (found.num_heads, found.encoder_layers, found.encoder_channels) == (1, 1, 12)


def test_audio_part_file_gives_back_its_sizes(tmp_path):
    path = tmp_path / "toy.safetensors"
    settings = {"multitalk": {"num_heads": 2, "encoder_layers": 2, "family": "infinitetalk"}}
    save_file(build_audio_part(TOY).state_dict(), path, {"config": json.dumps(settings)})
    found = read_header(path)
    assert kind_of(found) == "audio part"
    assert audio_part_config(found) == TOY
    assert guess_family(found) == "infinitetalk"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (base(), "wan.safetensors is a WAN base model; audio_part takes an"),
        (encoder(), "is a speech encoder; audio_part takes an audio part. .* multitalk.safetens"),
        (header({"x": (1,)}), "is an unknown kind of file; audio_part takes"),
        (header({"audio_proj.proj1.weight": (1, 1)}), "is no complete audio part: its sizes"),
        (audio_part(TOY), "contradict each other: width 24, 0 heads"),
        (audio_part(TOY, num_heads=2, encoder_layers=5), "2 heads, 12 speech features per frame"),
    ],
    ids=["base", "encoder", "unknown", "incomplete", "no head", "layers"],
)
def test_everything_else_is_refused_as_audio_part(given, message):
    with pytest.raises(ValueError, match=message):
        audio_part_config(given)


def test_parts_of_one_size_fit():
    check_fit(base(), RELEASED, "multitalk.safetensors")
    check_fit(base(dim=24, layers=2), TOY, "toy.safetensors")


@pytest.mark.parametrize(("dim", "layers"), [(1536, 30), (5120, 30), (1536, 40)])
def test_parts_of_two_sizes_do_not_fit(dim, layers):
    message = f"of 40 blocks of width 5120; wan.safetensors has {layers} of width {dim}"
    with pytest.raises(ValueError, match=message):
        check_fit(base(dim=dim, layers=layers), RELEASED, "multitalk.safetensors")


@pytest.mark.parametrize(
    ("name", "stated", "expected"),
    [
        ("multitalk.safetensors", {}, "multitalk"),
        ("Wan2_1-InfiniteTalk-Single_fp16.safetensors", {}, "infinitetalk"),
        ("renamed.safetensors", {}, "multitalk"),
        ("renamed.safetensors", {"family": "infinitetalk"}, "infinitetalk"),
        ("infinitetalk.safetensors", {"family": "multitalk"}, "multitalk"),
        ("infinitetalk.safetensors", {"family": "other"}, "infinitetalk"),
    ],
)
def test_family_is_stated_or_in_the_name(name, stated, expected):
    assert guess_family(header({}, name, **stated)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (audio_part(), True),
        (base("audio_proj.proj1.weight"), True),
        (base("audio_proj.proj1.weight._data"), True),
        (base(), False),
        (encoder(), False),
        (header({}), False),
    ],
)
def test_audio_part_is_found_alone_and_inside_a_base(given, expected):
    assert has_audio_part(given) is expected


@pytest.mark.parametrize("prefix", ["", "wav2vec2."])
@pytest.mark.parametrize("sizes", [(12, 768), (4, 64)])
def test_encoder_sizes_are_layers_and_width(prefix, sizes):
    assert encoder_sizes(encoder(*sizes, prefix)) == sizes


@pytest.mark.parametrize("name", ["encoder.layer_norm.bias", "encoder.layer_norm.bias._data"])
def test_encoder_without_a_width_has_none(name):
    assert encoder_sizes(header({name: ()})) == (0, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (encoder(24, 1024), r"is wav2vec2-large \(24 layers of 1024\); MultiTalk was trained with"),
        (base(), "wan.safetensors is a WAN base model; the speech encoder takes a speech encoder"),
        (header({"x": (1,)}), "is an unknown kind of file; the speech encoder takes"),
    ],
)
def test_other_encoders_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        encoder_sizes(given)


def settings_of(folder, metadata=None, **beside):
    """Settings of an encoder file with this metadata and these JSON files beside it."""
    for name, text in beside.items():
        (folder / f"{name}.json").write_text(text)
    save_file({"encoder.layer_norm.bias": torch.zeros(4)}, folder / "x.safetensors", metadata)
    return encoder_settings(read_header(folder / "x.safetensors"))


OWN = '{"model_type": "wav2vec2", "hidden_size": 5}'


@pytest.mark.parametrize(
    ("metadata", "beside", "width", "normalize"),
    [
        ({}, {}, None, False),
        ({"config": '{"hidden_size": 4}'}, {"config": OWN}, 4, False),
        ({"config": '{"hidden_size": 4}', "do_normalize": "true"}, {}, 4, True),
        ({}, {"config": OWN}, 5, False),
        ({}, {"config": OWN, "preprocessor_config": '{"do_normalize": true}'}, 5, True),
        (
            {"do_normalize": "false"},
            {"config": OWN, "preprocessor_config": '{"do_normalize": true}'},
            5,
            False,
        ),
        ({}, {"config": '{"model_type": "bert", "hidden_size": 5}'}, None, False),
        ({}, {"preprocessor_config": '{"do_normalize": true}'}, None, False),
    ],
)
def test_settings_come_from_the_file_then_its_folder(tmp_path, metadata, beside, width, normalize):
    found = settings_of(tmp_path, metadata, **beside)
    assert (found.config is BASE_CONFIG) is (width is None)
    assert width is None or found.config["hidden_size"] == width
    assert found.do_normalize is normalize


@pytest.mark.parametrize("text", ["", "{", "3", "[1]"])
def test_damaged_settings_in_the_folder_are_refused(tmp_path, text):
    message = rf"config\.json in the folder {tmp_path.name} cannot be read\. Download it again"
    with pytest.raises(ValueError, match=message):
        settings_of(tmp_path, config=text)


def test_encoder_of_the_right_size_fits():
    check_encoder_fit(12, 768, RELEASED, "multitalk.safetensors")
    check_encoder_fit(2, 6, TOY, "toy.safetensors")


@pytest.mark.parametrize(
    ("layers", "width", "message"),
    [
        (4, 64, "gives 4 layers of 64 values; multitalk.safetensors reads 12 layers of 768. Load"),
        (24, 768, "gives 24 layers of 768 values"),
        (24, 1024, "reads 12 layers of 768. This is wav2vec2-large. Load the encoder"),
    ],
)
def test_encoder_of_another_size_does_not_fit(layers, width, message):
    with pytest.raises(ValueError, match=message):
        check_encoder_fit(layers, width, RELEASED, "multitalk.safetensors")


@pytest.mark.parametrize("config", ["[1]", "null", "not json"])
def test_foreign_config_metadata_is_no_section(config):
    found = Header(name="x", shapes={}, dtypes={}, metadata={"config": config})
    assert found.config("multitalk") == {}
