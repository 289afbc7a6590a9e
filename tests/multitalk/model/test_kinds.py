from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pack.multitalk.model.kinds import (
    KINDS,
    VARIANTS,
    base_variant,
    contradicts,
    describe,
    encoder_variant,
    guess_family,
    kind_of,
    layout_words,
)
from pack.multitalk.model.naming import ModelHeader
from pack.multitalk.model.naming import read_model_header as read_header
from pack.tests.weights.published import (
    audio_shapes,
    base_shapes,
    encoder_shapes,
    expand,
    header,
    is_audio_matrix,
    kokoro_shapes,
    manifest,
    quanto,
    scaled,
    tensors,
)

HOST_NOTE = {"format": "pt", "_quantization_metadata": '{"layers": {}}'}


def umt5(style):
    official = expand("umt5_xxl_encoder_official", count=24)
    if style == "official":
        return official
    if style == "GGUF":
        return {"token_embd.weight": (256384, 4096), "enc.blk.0.attn_q.weight": (4096, 4096)}
    names = manifest("umt5_xxl_encoder_official")["map_to_host"]
    return {names.get(name, name): shape for name, shape in official.items()}


def clip(style):
    if style == "official":
        return expand("clip_vit_h_visual_official", "visual.transformer.{i}.", 32)
    return {"vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14)}


def vae():
    return {name: tuple(shape) for name, shape in manifest("wan21_vae_official")["keys"].items()}


def lora():
    return expand("lora_lightx2v_i2v_rank64", "diffusion_model.blocks.{i}.")


def whole():
    return {**base_shapes(), **audio_shapes()}


def pretrained():
    heads = manifest("wav2vec2_base")["pretraining_head_keys_to_ignore"]
    return {**encoder_shapes("wav2vec2."), **{name: tuple(s) for name, s in heads.items()}}


# Header, kind, words of its report, slot and folder.
FILES = {
    "base": (
        header(base_shapes()), "WAN base model",
        ["WAN I2V, 40 blocks of width 5120", "1303 tensors", ": bfloat16"],
        "base of MultiTalk Load Model", "diffusion_models",
    ),
    "scaled base": (
        tensors(scaled(base_shapes(), "F16", which=lambda n: n.endswith("ffn.0.weight"))),
        "WAN base model", ["40 blocks of width 5120", "fp8 with scales (float16, fp8 e4m3fn"],
        "base of MultiTalk Load Model", "diffusion_models",
    ),
    "fp8 base": (
        header(base_shapes(), lambda n: "F8_E5M2" if n.endswith("q.weight") else "BF16"),
        "WAN base model", ["fp8 without scales (bfloat16, fp8 e5m2)"],
        "base of MultiTalk Load Model", "diffusion_models",
    ),
    "base of the host": (
        header(base_shapes(), lambda n: "F8_E4M3" if n.endswith("q.weight") else "F16",
               metadata=HOST_NOTE),
        "WAN base model", ["quantised in ComfyUI's format (float16, fp8 e4m3fn)"],
        "base of MultiTalk Load Model", "diffusion_models",
    ),
    "GGUF base": (
        header(base_shapes(), lambda n: "Q4_K" if n.endswith("q.weight") else "F32", format="GGUF"),
        "WAN base model", ["1303 tensors", "GGUF: GGUF (F32, Q4_K)", "WAN I2V, 40 blocks"],
        "base of MultiTalk Load Model", "diffusion_models",
    ),
    "audio part": (
        header(audio_shapes(), lambda n: "BF16" if ".norm_x." in n else "F32",
               "multitalk.safetensors"),
        "audio part",
        ["40 blocks of width 5120", "by its name this is multitalk", "330 tensors",
         "float32, bfloat16"],
        "audio_part of MultiTalk Load Model or MultiTalk Attach", "model_patches",
    ),
    "scaled audio part": (
        tensors(scaled(audio_shapes()), "InfiniteTalk-Single_fp8.safetensors"), "audio part",
        ["by its name this is infinitetalk", "451 tensors",
         "fp8 with scales (float32, fp8 e4m3fn)"],
        "audio_part", "model_patches",
    ),
    "quanto audio part": (
        tensors(quanto(audio_shapes())), "audio part",
        ["40 blocks of width 5120", "optimum-quanto (bfloat16, int8)"],
        "audio_part", "model_patches",
    ),
    "whole model of quanto": (
        tensors(quanto(whole()), "dit_model_int8.safetensors"), "whole model",
        ["WAN I2V, 40 blocks of width 5120; audio part of 40 blocks", "optimum-quanto (bfloat16,"],
        "audio_part '(in base)'", "diffusion_models",
    ),
    "LoRA": (
        header(lora()), "LoRA", ["1749 tensors", "bfloat16"], "loras of MultiTalk Load Model",
        "loras",
    ),
    "speech encoder": (
        header(encoder_shapes()), "speech encoder", ["wav2vec2-base", "211 tensors"],
        "MultiTalk Load Speech Encoder", "audio_encoders",
    ),
    "pretrained speech encoder": (
        header(pretrained(), "F16"), "speech encoder", ["wav2vec2-base", "218 tensors", "float16"],
        "MultiTalk Load Speech Encoder", "audio_encoders",
    ),
    "large speech encoder": (
        header(encoder_shapes("wav2vec2.", 1024, 24)), "speech encoder", ["wav2vec2-large"],
        "MultiTalk Load Speech Encoder", "audio_encoders",
    ),
    "other speech encoder": (
        header(encoder_shapes(width=64, layers=4)), "speech encoder", ["4 layers of 64"],
        "MultiTalk Load Speech Encoder", "audio_encoders",
    ),
    "Kokoro": (
        header(kokoro_shapes(), "F32", "kokoro-v1_0.pth", format="PyTorch"), "Kokoro model",
        ["PyTorch: float32"], "MultiTalk Load Kokoro", "kokoro",
    ),
    "Kokoro voice": (
        header({"tensor": (510, 1, 256)}, "F32", "af_heart.pt", format="PyTorch"), "Kokoro voice",
        ["PyTorch: float32"], "voice of MultiTalk Speak", "kokoro/<model>/voices",
    ),
    "VAE": (header(vae(), "F32"), "WAN VAE", ["float32"], "Load VAE", "vae"),
    "CLIP": (header(clip("official")), "CLIP vision", [], "Load CLIP Vision", "clip_vision"),
    "CLIP of the host": (header(clip("host")), "CLIP vision", [], "CLIP Vision", "clip_vision"),
    "T5": (header(umt5("official")), "text encoder", [], "Load CLIP, type wan", "text_encoders"),
    "T5 of the host": (header(umt5("host")), "text encoder", [], "type wan", "text_encoders"),
    "T5 GGUF": (
        header(umt5("GGUF"), "Q8_0", format="GGUF"), "text encoder", ["GGUF (Q8_0)"], "type wan",
        "text_encoders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_published_files_are_told_and_described(name):
    found, kind, words, slot, folder = FILES[name]
    assert kind_of(found) == kind
    report = describe(found)
    assert report.startswith(f"{found.name}: {kind}\n")
    for word in (*words, slot, f"folder models/{folder}"):
        assert word in report
    assert "not used" not in report
    assert "needs WAN" not in report


def test_every_row_of_kinds_is_met_by_a_published_file():
    assert {row.kind for row in KINDS} == {kind for _, kind, *_ in FILES.values()}
    met = {key for found, *_ in FILES.values() for key in found.shapes}
    keys = {key for row in KINDS for key in row.keys}
    others = {"bert.embeddings.word_embeddings.weight", "decoder.norm_out.gamma"}
    assert keys - met == others


@pytest.mark.parametrize("key", sorted({key for row in KINDS for key in row.keys}))
def test_each_key_of_a_kind_suffices(key):
    row = next(row for row in KINDS if key in row.keys and not row.also)
    assert kind_of(header({key: (1,), "other": (2,)})) == row.kind


def variant_shapes(variant):
    """Shapes of a model of 40 blocks that a row of the table tells."""
    width = variant.width or 5120
    shapes = dict(base_shapes())
    shapes["head.modulation"] = (1, 2, width)
    shapes["patch_embedding.weight"] = (width, variant.in_channels or 36, 1, 2, 2)
    if variant.out_channels is not None:
        shapes["head.head.bias"] = (4 * variant.out_channels,)
    if variant.key is not None:
        shapes[variant.key] = (1,)
    if variant.image is False:
        return {name: shape for name, shape in shapes.items() if "img" not in name}
    return shapes


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: f"{row.label}, {row.key}, {row.width}")
def test_other_wan_models_are_named(row):
    found = header(variant_shapes(row))
    assert kind_of(found) == "WAN base model"
    assert base_variant(found) is row
    name = row.label if row.label.startswith("WAN") else f"WAN {row.label}"
    width = row.width or 5120
    words = f"\n{name}, 40 blocks of width {width}"
    refused = "; MultiTalk needs WAN I2V 14B"
    assert (words + ("" if row.taken else refused)) in describe(found)
    assert (refused in describe(found)) is not row.taken
    assert row.advice in describe(found)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Phantom-Wan-14B_fp16.safetensors", "by its name Phantom: its pictures"),
        ("Wan2_1-I2V-ATI-14B_fp8.safetensors", "by its name ATI: its drawn tracks"),
        ("Wan2.1-Fun-14B-InP_bf16.safetensors", "by its name Fun InP: shaped like I2V"),
        ("Wan2.1-Fun-14B-Control.safetensors", ""),
        ("animation_14B.safetensors", ""),
    ],
)
def test_models_of_the_same_shape_are_told_by_their_names(name, words):
    found = describe(header(base_shapes(), name=name))
    assert words in found
    assert ("by its name" in found) == bool(words)


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors", "x", "the high-noise expert"),
        ("Wan2.2-I2V-A14B-LowNoise-Q4_K_M.gguf", "x", "the low-noise expert"),
        ("Wan2_2-I2V-A14B-HIGH_fp8_e4m3fn_scaled_KJ.safetensors", "x", "the high-noise expert"),
        ("diffusion_pytorch_model.safetensors", "low_noise_model", "the low-noise expert"),
        ("wan22_lowest_highlights.safetensors", "x", "does not tell which expert"),
    ],
)
def test_expert_is_told_by_name_or_folder(name, folder, words):
    row = next(row for row in VARIANTS if row.label == "WAN 2.2 I2V")
    shapes = variant_shapes(row)
    file = Path(folder, name)
    found = ModelHeader(
        name=name, shapes=shapes, dtypes={}, metadata={}, sources={n: (file, n) for n in shapes}
    )
    assert words in describe(found)


def test_base_of_1_3b_has_no_audio_part():
    row = next(row for row in VARIANTS if row.label == "T2V")
    shapes = {**variant_shapes(row), "head.modulation": (1, 2, 1536)}
    assert "of width 1536; a 1.3B model, for which there is no" in describe(header(shapes))


def test_base_that_says_it_needs_no_clip_is_i2v_without_image_embedding():
    config = json.dumps({"multitalk": {"clip": "none"}})
    shapes = {name: shape for name, shape in base_shapes().items() if "img" not in name}
    assert base_variant(header(shapes, metadata={"config": config})).label == "I2V"


@pytest.mark.parametrize("shape", [(), (5120,)])
def test_base_with_a_damaged_patch_embedding_is_unknown(shape):
    found = base_variant(header({"patch_embedding.weight": shape}))
    assert (found.label, found.taken) == ("unknown variant", False)


@pytest.mark.parametrize("rows", [510, 1])
def test_kokoro_voice_is_told_by_its_shape(rows):
    found = header({"tensor": (rows, 1, 256)}, "F32", "af_heart.pt")
    assert kind_of(found) == "Kokoro voice"
    assert "af_heart.pt: Kokoro voice" in describe(found)


@pytest.mark.parametrize(
    "shapes", [{"a": (510, 1, 128)}, {"a": (1, 256)}, {"a": (510, 1, 256), "b": ()}]
)
def test_other_shapes_are_no_voice(shapes):
    assert kind_of(header(shapes)) == "unknown"


def test_unknown_file_is_described_by_its_first_tensors():
    found = header({f"layer.{i}.weight": (2,) for i in range(9)}, "F16")
    report = describe(found)
    assert report.startswith("some.safetensors: an unknown kind of file\n")
    assert "layer.0.weight, layer.1.weight" in report
    assert "layer.4.weight" in report
    assert "layer.5.weight" not in report
    assert "goes into" not in report


def test_file_without_tensors_is_described():
    assert kind_of(header({})) == "unknown"
    assert "0 tensors, 0.00 GB, safetensors: no tensors" in describe(header({}))
    assert "its first tensors: none" in describe(header({}))


def test_report_tells_files_sizes_and_tensors_that_are_not_used():
    sources = {n: (Path(f"{i % 3}.safetensors"), n) for i, n in enumerate(base_shapes())}
    fields = {"sources": sources, "num_bytes": 32_800_000_000, "other_parts": ("vae.a", "vae.b")}
    report = describe(header(base_shapes(), **fields))
    assert "1303 tensors, 32.80 GB in 3 files, safetensors: bfloat16" in report
    assert "also 2 tensors of other models, which are not used" in report


def test_family_of_the_metadata_is_told_as_such():
    config = json.dumps({"multitalk": {"family": "infinitetalk"}})
    found = header(audio_shapes(), metadata={"config": config})
    assert guess_family(found) == "infinitetalk"
    assert "by its metadata this is infinitetalk" in describe(found)


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_file_is_a_lora_if_half_of_its_names_are(share):
    names = list(base_shapes())[:100]
    pair = (".lora_A.weight", ".lora_B.weight")
    found = {f"x.{i}{pair[i % 2]}": (1, 1) for i in range(int(100 * share / (1 - share)))}
    found |= dict.fromkeys(names, (1,))
    assert (kind_of(header(found)) == "LoRA") is (share > 0.5)


def test_encoder_without_a_width_has_none():
    assert encoder_variant(header({"encoder.layer_norm.bias": ()})) == "wav2vec2, 0 layers of 0"


def test_dtype_without_a_word_is_told_as_it_is():
    assert layout_words(header({"a": (1,), "b": (1,)}, lambda n: "I64" if n == "a" else "F64")) == (
        "I64, float64"
    )


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_files_are_told_from_disk(tmp_path, prefix):
    path = tmp_path / "x.pth"
    torch.save({prefix + name: torch.zeros(1) for name in ("head.modulation", "b")}, path)
    assert kind_of(read_header(path)) == "WAN base model"
    torch.save({"bert": {"module.embeddings.word_embeddings.weight": torch.zeros(1)}}, path)
    assert kind_of(read_header(path)) == "Kokoro model"


def test_quanto_file_for_a_node_of_the_host_is_described_as_unreadable_there():
    found = {"token_embedding.weight": ("BF16", (256384, 4096)),
             "blocks.0.attn.q.weight._data": ("I8", (4096, 4096)),
             "blocks.0.attn.q.weight._scale": ("BF16", (4096, 1))}  # fmt: skip
    report = describe(tensors(found, "t5_int8.safetensors"))
    assert "t5_int8.safetensors: text encoder" in report
    assert "does not read optimum-quanto files: choose an fp8 or 16 bit file" in report


def test_audio_matrices_of_the_published_file_are_120():
    assert sum(map(is_audio_matrix, audio_shapes())) == 120


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("models/SoulX-FlashTalk-14B/diffusion_pytorch_model-00001-of-00004.safetensors",
         "flashtalk"),
        ("models/flash_talk/dit.safetensors", "flashtalk"),
        ("models/Flash-Talk-14B-fp8.safetensors", "flashtalk"),
        ("models/flashtalk/InfiniteTalk-Single.safetensors", "infinitetalk"),
        ("models/flashtalk/multitalk.safetensors", "multitalk"),
        ("flashtalk/diffusion_models/dit.safetensors", "multitalk"),
        ("models/InfiniteTalk/single.safetensors", "multitalk"),
        ("models/dit_model_int8.safetensors", "multitalk"),
    ],
)  # fmt: skip
def test_family_by_the_name_of_the_file_or_for_flashtalk_of_its_folder(path, family):
    shapes = {**base_shapes(), **audio_shapes()}
    place = Path(path)
    found = header(shapes, name=place.name, sources={name: (place, name) for name in shapes})
    assert guess_family(found) == family
    words = describe(found)
    assert f"is {family}" in words
    assert ("for preset FlashTalk of MultiTalk Sampler" in words) is (family == "flashtalk")


def test_choice_against_the_name_is_said():
    found = header(audio_shapes(), name="FlashTalk.safetensors")
    assert contradicts(found, "auto") == contradicts(found, "flashtalk") == ""
    assert contradicts(found, "multitalk") == (
        "family multitalk was chosen and counts; by its name FlashTalk.safetensors is flashtalk"
    )
    assert contradicts(header(audio_shapes(), name="model.safetensors"), "flashtalk") == ""
