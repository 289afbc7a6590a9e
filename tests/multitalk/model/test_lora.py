from __future__ import annotations

import re

import pytest
from safetensors import safe_open

from pack.multitalk.model.diffusers_names import diffusers_name
from pack.multitalk.model.lora import match_lora
from pack.multitalk.model.lora_forms import FORMS
from pack.multitalk.model.lora_report import describe_match, require_match

DIM, FFN, TEXT, BLOCKS = 48, 80, 24, 4
Q = "diffusion_model.blocks.0.self_attn.q"
PATH = "blocks.0.self_attn.q"


def linear(name, rows, columns):
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def block(index, dim, ffn):
    at = f"blocks.{index}."
    shapes = {
        f"{at}modulation": (1, 6, dim),
        f"{at}norm3.weight": (dim,),
        f"{at}norm3.bias": (dim,),
    }
    attention = [f"self_attn.{name}" for name in "qkvo"]
    for name in (*attention, "cross_attn.q", "cross_attn.k_img", "cross_attn.v_img"):
        shapes |= linear(at + name, dim, dim)
    shapes |= linear(f"{at}ffn.0", ffn, dim) | linear(f"{at}ffn.2", dim, ffn)
    shapes |= linear(f"{at}audio_cross_attn.kv_linear", 2 * dim, 20)
    return shapes | {f"{at}self_attn.norm_q.weight": (dim,)}


def model(dim=DIM, ffn=FFN):
    """Parameters of a small WAN with audio part, as many kinds of names as the real one."""
    shapes = {
        "patch_embedding.weight": (dim, 36, 1, 2, 2), "patch_embedding.bias": (dim,),
        "head.modulation": (1, 2, dim),
        **linear("head.head", 64, dim), **linear("text_embedding.0", dim, TEXT),
        **linear("audio_proj.proj1", 12, 240),
    }  # fmt: skip
    for index in range(BLOCKS):
        shapes |= block(index, dim, ffn)
    return shapes


MODEL = model()
LINEAR = [
    name.removesuffix(".weight")
    for name, shape in MODEL.items()
    if name.endswith(".weight") and len(shape) == 2
]


def pair(stem, rows=DIM, columns=DIM, rank=4, up=".lora_up.weight", down=".lora_down.weight"):
    return {stem + up: (rows, rank), stem + down: (rank, columns)}


def pairs(stem=lambda path: "diffusion_model." + path, parameters=MODEL, **suffixes):
    """A pair for every linear layer of a model; `stem` spells its name."""
    out = {}
    for path in LINEAR:
        out |= pair(stem(path), *parameters[f"{path}.weight"], **suffixes)
    return out


def changed_parameters(match):
    return {
        f"{name.removesuffix('.diff_b')}.bias"
        if name.endswith(".diff_b")
        else next(p for path, p in match.targets.items() if name.startswith(path + "."))
        for name in match.names.values()
    }


PEFT = {"up": ".lora_B.weight", "down": ".lora_A.weight"}
NAMED = {"up": ".lora_B.my-name.weight", "down": ".lora_A.my-name.weight"}
DEFAULT = {"up": ".lora_B.default.weight", "down": ".lora_A.default.weight"}


@pytest.mark.parametrize(
    ("style", "stem", "suffixes"),
    [
        ("ComfyUI", lambda p: "diffusion_model." + p, {}),
        ("ComfyUI", lambda p: "model.diffusion_model." + p, {}),
        ("ComfyUI", lambda p: p, {"up": ".lora.up.weight", "down": ".lora.down.weight"}),
        ("ComfyUI", lambda p: p, {"up": "_lora.up.weight", "down": "_lora.down.weight"}),
        ("PEFT", lambda p: "diffusion_model." + p, PEFT),
        ("PEFT", lambda p: "transformer." + p, PEFT),
        ("PEFT", lambda p: "diffusion.model." + p, PEFT),
        ("PEFT", lambda p: "base_model.model." + p, PEFT),
        ("PEFT", lambda p: "base_model.model.diffusion_model." + p, PEFT),
        ("PEFT", lambda p: "pipe.dit." + p, DEFAULT),
        ("PEFT", lambda p: p, {"up": ".lora_B", "down": ".lora_A"}),
        ("PEFT", lambda p: "dit." + p, PEFT),
        ("PEFT", lambda p: "model." + p, PEFT),
        ("PEFT", lambda p: "base_model.model.dit." + p, NAMED),
        ("PEFT", lambda p: "_orig_mod.module.transformer." + p, NAMED),
        ("PEFT", lambda p: "pipe.transformer." + p, NAMED),
        ("ComfyUI", lambda p: "unet." + p, {}),
        ("kohya", lambda p: "lora_transformer_" + p.replace(".", "_"), {}),
        ("kohya", lambda p: "lora_dit_" + p.replace(".", "_"), {}),
        ("kohya", lambda p: "lora_unet_diffusion_model_" + p.replace(".", "_"), {}),
        ("LyCORIS", lambda p: "lycoris_model_" + p.replace(".", "_"), {}),
        ("kohya", lambda p: "lora_unet_" + p.replace(".", "_"), {}),
        ("kohya", lambda p: "lora_unet_" + re.sub(r"\.(\d+)\.", r"_\1.", p), {}),
        ("Fun", lambda p: "lora_unet__" + p.replace(".", "_"), {}),
        ("LyCORIS", lambda p: "lycoris_" + p.replace(".", "_"), {}),
    ],
)
def test_every_style_finds_every_layer(style, stem, suffixes):
    shapes = pairs(stem, **suffixes)
    match = match_lora(shapes, MODEL)
    assert match.style == style
    assert sorted(match.applied) == sorted(LINEAR)
    assert not match.partly
    assert not match.ignored
    assert match.targets == {path: f"{path}.weight" for path in LINEAR}
    assert {n: shapes[key] for key, n in match.names.items()} == pairs(lambda path: path)
    assert match.rank == 4


@pytest.mark.parametrize(
    ("style", "stem"),
    [
        ("diffusers", lambda p: "transformer." + p),
        ("kohya+diffusers", lambda p: "lora_unet_" + p.replace(".", "_")),
        ("LyCORIS+diffusers", lambda p: "lycoris_" + p.replace(".", "_")),
    ],
)
def test_diffusers_names_find_the_same_layers(style, stem):
    paths = [path for path in LINEAR if diffusers_name(path)]
    shapes = {}
    for path in paths:
        shapes |= pair(stem(diffusers_name(path)), *MODEL[f"{path}.weight"], **PEFT)
    match = match_lora(shapes, MODEL)
    assert match.style == style
    assert sorted(match.applied) == sorted(paths)
    assert len(match.names) == 2 * len(paths)


FILES = ("updown", "updown_alpha", "peft", "kohya", "kohya_double", "full", "modulation")


@pytest.mark.parametrize("file", FILES)
def test_golden_files_change_the_weights_that_the_golden_lists(goldens_dir, file):
    def shapes(name):
        with safe_open(goldens_dir / f"{name}.safetensors", "pt") as opened:
            return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118

    weights = shapes("denoiser_weights").items()
    parameters = {key[2:]: shape for key, shape in weights if key.startswith("w.")}
    merged = {tuple(key.split("::")) for key in shapes("lora_standard_merge")}
    keys = shapes(f"lora_{file}")
    match = match_lora(keys, parameters)
    assert set(match.names) == set(keys)
    assert not match.partly
    assert not match.ignored
    assert changed_parameters(match) == {n for run, n in merged if run == f"lora_{file}"}


@pytest.mark.parametrize("suffixes", [(".diff", ".diff_b"), (".w_norm", ".b_norm")])
def test_changes_of_a_norm_go_to_its_weight_and_bias(suffixes):
    match = match_lora({f"blocks.1.norm3{suffix}": (DIM,) for suffix in suffixes}, MODEL)
    assert sorted(match.names.values()) == ["blocks.1.norm3.diff", "blocks.1.norm3.diff_b"]
    assert match.targets == {"blocks.1.norm3": "blocks.1.norm3.weight"}
    assert match.applied == ("blocks.1.norm3",)
    assert match.rank is None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_complete_set_of_suffixes_is_handed_on(form):
    sizes = {".oft_blocks": (8, 6, 6), ".diff": (DIM, DIM), ".set_weight": (DIM, DIM)}
    sizes |= {".lora_up.weight": (DIM, 4), ".lora_down.weight": (4, DIM)}
    sizes |= {".lora_mid.weight": (4, 4, 1, 1), ".reshape_weight": (2,)}
    sizes |= {".alpha": (), ".dora_scale": (DIM, 1)}
    for parts in form.complete:
        suffixes = (*parts, *form.optional, *form.shared)
        match = match_lora({Q + s: sizes.get(s, (8, 8)) for s in suffixes}, MODEL)
        assert match.applied == (PATH,), (parts, match)
        assert match.names == {Q + s: PATH + s for s in suffixes}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_lone_suffix_of_several_is_not_handed_on(form):
    for parts in form.complete:
        for suffix in parts if len(parts) > 1 else ():
            match = match_lora({Q + suffix: (DIM, 4)}, MODEL)
            assert match.names == {}
            assert " without " in match.ignored[PATH]


def test_rank_is_the_most_common_one():
    shapes = pairs(lambda path: path) | pair("blocks.0.ffn.0", FFN, DIM, rank=16)
    assert match_lora(shapes, MODEL).rank == 4


def test_files_without_image_layers_are_complete():
    match = match_lora({k: shape for k, shape in pairs().items() if "_img" not in k}, MODEL)
    assert len(match.applied) == len(LINEAR) - 2 * BLOCKS
    assert not match.ignored


CONV = "patch_embedding"


@pytest.mark.parametrize(
    "shapes",
    [
        pair(CONV, DIM, 144),
        {f"{CONV}.lora_up.weight": (DIM, 4, 1, 1, 1), f"{CONV}.lora_down.weight": (4, 36, 1, 2, 2)},
        pair(CONV, DIM, 36) | {f"{CONV}.lora_mid.weight": (4, 4, 2, 2)},
        {f"{CONV}.diff": (DIM, 36, 1, 2, 2)},
        # More input channels than the layer has: the host pads the weight.
        pair(CONV, DIM, 208) | {f"{CONV}.reshape_weight": (5,)},
    ],
)
def test_convolutions_are_compared_flattened(shapes):
    match = match_lora(shapes, MODEL)
    assert match.applied == (CONV,)
    assert match.reshaped == {}


@pytest.mark.parametrize("suffix", [".diff", ".set_weight"])
def test_a_change_of_equal_size_and_other_shape_is_to_be_reshaped(suffix):
    match = match_lora({CONV + suffix: (DIM, 144), "head.head.diff_b": (1, 64)}, MODEL)
    assert match.reshaped == {CONV + suffix: (DIM, 36, 1, 2, 2), "head.head.diff_b": (64,)}


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({Q + ".lora_up.weight": (DIM, 4)}, "lora_up without lora_down"),
        ({Q + ".lora_A.weight": (4, DIM)}, "lora_down without lora_up"),
        ({Q + ".alpha": ()}, "alpha without lora_up and lora_down"),
        ({Q + ".hada_w1_a": (DIM, 4)}, "hada_w1_a without hada_w1_b and hada_w2_a and hada_w2_b"),
        ({Q + s: (8, 8) for s in (".lokr_w2_a", ".lokr_w2_b")},
         "lokr_w2_a and lokr_w2_b without lokr_w1"),
        (pair(Q, rows=96), "made for another size: lora_up has 96 rows, the layer 48"),
        (pair(Q, columns=32), "made for another size: lora_down has 32 columns, the layer 48"),
        ({Q + ".lora_up.weight": (48, 4), Q + ".lora_down.weight": (8, 48)},
         "lora_up has rank 4, lora_down 8"),
        ({Q + ".lora_up.weight": (48,), Q + ".lora_down.weight": (4, 48)},
         "lora_up is 48, lora_down 4x48; both must be matrices"),
        (pair(Q) | {Q + ".lora_mid.weight": (4, 4, 1, 1, 1)},
         "lora_mid is 4x4x1x1x1; it must have four axes, two of them the rank"),
        (pair(Q) | {Q + ".alpha": (2,)}, "alpha is 2, not a number"),
        (pair(Q) | {Q + ".dora_scale": (48,)}, "dora_scale is 48, which fits no layer of 48x48"),
        ({Q + ".diff": (48, 32)}, "made for another size: diff is 48x32, the layer 48x48"),
        ({Q + ".diff_b": (32,)}, "made for another size: diff_b has 32 values, the bias 48"),
        ({Q + ".oft_blocks": (2, 8, 6, 6)},
         "oft_blocks is 2x8x6x6; OFT has three axes, BOFT four and an alpha"),
        ({Q + ".magnitude": (48,)}, "unknown suffix .magnitude"),
    ],
)  # fmt: skip
def test_layers_that_cannot_be_changed_are_ignored_with_the_reason(shapes, reason):
    match = match_lora(shapes, MODEL)
    assert match.names == match.targets == {}
    assert match.ignored == {PATH: reason}


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({Q + ".lora_magnitude": (DIM,)}, "unknown suffix .lora_magnitude"),
        ({Q + ".diff_b": (32,)}, "made for another size: diff_b has 32 values, the bias 48"),
        ({Q + ".diff": (DIM, DIM)}, "diff beside LoRA, a weight takes one change"),
        ({Q + ".hada_w1_a": (DIM, 4)}, "LoHa beside LoRA, a weight takes one change"),
        ({Q + ".lora_A.weight": (8, DIM), Q + ".lora_B.weight": (DIM, 8)},
         "lora_B beside another lora_up; lora_A beside another lora_down"),
    ],
)  # fmt: skip
def test_keys_left_out_beside_a_good_pair_are_told(extra, reason):
    match = match_lora(pair(Q) | extra, MODEL)
    assert match.partly == {PATH: reason}
    assert match.applied == ()
    assert match.ignored == {}
    assert match.names == {key: key.removeprefix("diffusion_model.") for key in pair(Q)}


def test_a_bias_for_a_layer_without_one_is_left_out():
    stem = "blocks.0.self_attn.norm_q"
    match = match_lora({f"{stem}.diff": (DIM,), f"{stem}.diff_b": (DIM,)}, MODEL)
    assert match.partly == {stem: "diff_b for a layer without bias"}
    assert match.names == {f"{stem}.diff": f"{stem}.diff"}


def test_the_bias_of_lora_b_is_a_change_of_the_bias():
    shapes = pair(Q, **PEFT) | {Q + ".lora_B.bias": (DIM,)}
    assert match_lora(shapes, MODEL).names[Q + ".lora_B.bias"] == PATH + ".diff_b"


def test_the_bias_of_lora_b_is_left_out_beside_an_alpha():
    shapes = pair(Q, **PEFT) | {Q + ".lora_B.bias": (DIM,), Q + ".alpha": ()}
    match = match_lora(shapes, MODEL)
    assert match.partly == {PATH: "lora_B.bias beside alpha, which the host cannot scale"}
    assert Q + ".lora_B.bias" not in match.names


def test_an_unpaired_half_beside_a_complete_set_is_left_out():
    shapes = {Q + s: (DIM, 4) for s in (".lokr_w1", ".lokr_w2", ".lokr_w1_a")}
    assert match_lora(shapes, MODEL).partly == {PATH: "unpaired lokr_w1_a"}


@pytest.mark.parametrize(
    ("name", "suffix", "reason"),
    [
        ("vace_blocks.0.ffn.0", ".lora_up.weight", "no such layer in WAN 2.1 I2V"),
        ("lora_unet_blocks_9_ffn_0", ".lora_up.weight", "no such layer in WAN 2.1 I2V"),
        ("lora_te_text_model_encoder", ".alpha", "belongs to a text encoder"),
        ("text_encoders.umt5xxl.logit_scale", "", "belongs to a text encoder"),
        ("lora_key", "", "unknown suffix"),
    ],
)
def test_keys_of_other_things_are_ignored(name, suffix, reason):
    match = match_lora(pair(Q) | {name + suffix: (DIM, 4)}, MODEL)
    assert match.applied == (PATH,)
    assert match.ignored == {name: reason}


def test_a_layer_named_by_two_styles_takes_the_first():
    match = match_lora(pair(Q) | pair("lora_unet_blocks_0_self_attn_q", rank=8), MODEL)
    assert match.names == {key: key.removeprefix("diffusion_model.") for key in pair(Q)}
    assert match.applied == (PATH,)
    assert match.rank == 4
    reason = f"its layer is named twice; {Q} is used"
    assert match.ignored == {"lora_unet_blocks_0_self_attn_q": reason}


def test_several_styles_in_a_file_are_all_named():
    shapes = pairs(lambda p: p, **PEFT) | {"lora_unet_blocks_0_norm3.diff": (DIM,)}
    assert match_lora(shapes, MODEL).style == "PEFT+kohya"


def test_a_matching_lora_is_let_through():
    require_match(match_lora(pair(Q), MODEL), "style.safetensors")


def test_a_lora_of_another_size_is_refused_with_both_sizes():
    match = match_lora(pairs(parameters=model(1536, 8960)), model(5120, 13824))
    wanted = (
        r"^small.safetensors changes only 1 of its \d+ layers in this model: it was made for a WAN "
        r"of width 1536 \(1.3B\), this model has width 5120 \(14B\)\. Not used are for example "
        r"head.head, text_embedding.0, blocks.0.self_attn.q\. Choose"
    )
    # The audio part's first layer has the same size in every model.
    assert match.applied == ("audio_proj.proj1",)
    with pytest.raises(ValueError, match=wanted):
        require_match(match, "small.safetensors")


@pytest.mark.parametrize(
    ("shapes", "hint"),
    [
        ({}, "changes nothing in this model: it holds no tensors. Choose"),
        (pair("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"),
         "its layers are those of another model family. Not used are for example lora_unet_input"),
        (pair("transformer.double_blocks.0.img_attn.qkv"), "those of another model family"),
        (pair("lora_te1_x"), "those of another model family"),
        (pair("diffusion_model.layers.0.q"), "nothing in this model: no such layer in WAN 2.1"),
        (pair(Q, columns=32), "lora_down has 32 columns, the layer 48"),
    ],
)  # fmt: skip
def test_a_lora_that_changes_nothing_is_refused_with_a_hint(shapes, hint):
    match = match_lora(shapes, MODEL)
    assert match.num_changed == 0
    with pytest.raises(ValueError, match=re.escape(hint)):
        require_match(match, "other.safetensors")


def test_the_report_folds_blocks_and_groups_by_reason():
    shapes = pairs()
    shapes |= {f"diffusion_model.blocks.{i}.ffn.0.extra": (1,) for i in (0, 1, 3)}
    shapes |= pair("vace_blocks.0.q") | pair("vace_blocks.1.q") | pair("vace_proj")
    report = describe_match(match_lora(shapes, MODEL), "style.safetensors", 0.8).splitlines()
    assert report == [
        f"style.safetensors: ComfyUI style, rank 4, strength 0.8; {len(LINEAR)} layers changed.",
        "partly: blocks.0-1,3.ffn.0 (unknown suffix .extra)",
        "ignored: vace_blocks.0-1.q, vace_proj (no such layer in WAN 2.1 I2V)",
    ]


def test_the_report_of_one_layer_without_rank():
    report = describe_match(match_lora({"head.head.diff_b": (64,)}, MODEL), "x", 1.0)
    assert report == "x: ComfyUI style, strength 1.0; 1 layer changed."


def test_the_report_stays_short():
    shapes = {f"diffusion_model.blocks.0.self_attn.q.extra{i}.x": (1,) for i in range(40)}
    shapes |= pairs(lambda path: "unknown" + path)
    for index, path in enumerate(LINEAR):
        shapes |= pair(path, *(2 + index + x for x in MODEL[f"{path}.weight"]))
    report = describe_match(match_lora(shapes, MODEL), "x", 1.0).splitlines()
    assert len(report) <= 21
    assert any(re.search(r" and \d+ more \(no such layer", line) for line in report)
    assert re.fullmatch(r"ignored: \d+ more reasons", report[-1])
