from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from pack.multitalk.model.lora import match_lora
from pack.multitalk.model.lora_report import describe_match
from pack.multitalk.model.lora_scale import read_scale
from pack.multitalk.model.naming import read_model_header
from pack.tests.limits import no_waiting
from pack.tests.weights.published import header

DIM = 48
MODEL = {
    "head.modulation": (1, 2, DIM),
    **{f"blocks.{i}.self_attn.{x}.weight": (DIM, DIM) for i in (0, 1) for x in "qk"},
    **{f"blocks.{i}.self_attn.{x}.bias": (DIM,) for i in (0, 1) for x in "qk"},
}
PATHS = [name.removesuffix(".weight") for name in MODEL if name.endswith(".weight")]
PEFT = (".lora_B.weight", ".lora_A.weight")
KOHYA = (".lora_up.weight", ".lora_down.weight")


def state(suffixes=PEFT, rank=16, prefix="", paths=PATHS):
    up, down = suffixes
    return {
        name: shape for path in paths for name, shape in
        ((prefix + path + up, (DIM, rank)), (prefix + path + down, (rank, DIM)))
    }  # fmt: skip


def factors(metadata, shapes=None):
    """Path -> factor, of a file with this header."""
    shapes = state() if shapes is None else shapes
    match = match_lora(shapes, MODEL, read_scale(header(shapes, metadata=metadata)))
    return {match.names[k].removesuffix(".lora_up.weight"): f for k, f in match.factors.items()}


def adapter(**settings):
    return {
        "lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in settings.items()})
    }


@pytest.mark.parametrize(
    ("metadata", "factor"),
    [
        ({"transformer.lora_alpha": "64", "transformer.r": "16"}, 4),
        ({"lora_alpha": "64", "r": "16"}, 4),
        ({"lora_alpha": "64"}, 4),  # the rank is that of the tensors
        ({"lora_alpha": "8.0", "lora_rank": "16"}, 0.5),
        ({"alpha": "64", "rank": "32"}, 2),
        (adapter(r=16, lora_alpha=64), 4),
        (adapter(r=16, lora_alpha=64, use_rslora=False), 4),
        (adapter(r=16, lora_alpha=64, use_rslora=True), 16),
        ({"transformer.lora_alpha": "64", "transformer.use_rslora": "True"}, 16),
        ({"lora_adapter_metadata": '{"r": 16, "lora_alpha": 64}'}, 4),
        ({"lora_adapter_metadata": '{"transformer": {"r": 16, "lora_alpha": 64}}'}, 4),
        ({"lora_config": '{"r": 16, "lora_alpha": 64, "target_modules": ["q"]}'}, 4),
        ({"peft_config": '{"default": {"r": 16, "lora_alpha": 64}}'}, 4),
        ({"x": '{"mine": {"peft_type": "LORA", "r": 16, "lora_alpha": 64}}'}, 4),
        # Other models of the pipeline have settings of their own.
        ({"text_encoder.lora_alpha": "1", "transformer.lora_alpha": "64"}, 4),
        ({"x": '{"text_encoder.lora_alpha": 1, "transformer.lora_alpha": 64}'}, 4),
        # Tensors that were padded keep the factor of their training.
        ({"transformer.lora_alpha": "64", "transformer.r": "8"}, 8),
    ],
)  # fmt: skip
def test_the_scale_of_the_header_is_the_factor(metadata, factor):
    assert factors(metadata) == dict.fromkeys(PATHS, factor)


@pytest.mark.parametrize(
    "metadata",
    [
        {}, {"format": "pt"}, {"alpha": "64"}, {"text_encoder.lora_alpha": "64"}, {"r": "16"},
        {"note": "{lora_alpha"}, {"note": '"lora_alpha"'}, {"note": '{"x": {"lora_alpha": 4}}'},
        {"config": "[" * 5000 + "lora_alpha"}, {"lora_alpha": "16", "r": "16"},
        {"note": "{" + '"lora_alpha":{' * 5000},
    ],
    ids=str,
)  # fmt: skip
def test_other_headers_change_nothing(metadata):
    assert factors(metadata) == {}


@pytest.mark.parametrize(
    ("metadata", "factor"),
    [
        ({"ss_network_alpha": "64.0", "ss_network_dim": "16"}, 4),
        ({"ss_network_alpha": "4", "ss_network_dim": "16"}, 0.25),
        ({"ss_network_alpha": "4"}, 0.25),
        ({"ss_network_alpha": "4", "ss_network_dim": "Dynamic"}, 0.25),
        ({"ss_network_alpha": "None", "ss_network_dim": "16"}, None),
        ({"ss_network_alpha": "Dynamic", "ss_network_dim": "Dynamic"}, None),
        ({"ss_network_alpha": "0", "ss_network_dim": "16"}, None),
    ],
)
def test_the_alpha_of_kohyas_header_counts_where_no_tensor_has_it(metadata, factor):
    shapes = state(KOHYA)
    found = factors(metadata, shapes)
    assert found == ({} if factor is None else dict.fromkeys(PATHS, factor))
    with_alpha = shapes | {f"{path}.alpha": () for path in PATHS}
    assert factors(metadata, with_alpha) == {}
    # musubi-tuner's converter puts alpha into the numbers of PEFT's names and keeps the header.
    assert factors(metadata, state(PEFT)) == {}


@pytest.mark.parametrize("key", ["blocks.1.self_attn.q", "blocks.1.attn1.to_q"])
@pytest.mark.parametrize("prefix", ["", "transformer.", "base_model.model."])
def test_patterns_give_layers_an_alpha_and_a_rank_of_their_own(prefix, key):
    found = adapter(
        r=16, lora_alpha=64, alpha_pattern={key: 8}, rank_pattern={"self_attn.k": 32, "to_k": 32}
    )
    wanted = {"blocks.0.self_attn.q": 4, "blocks.0.self_attn.k": 2, "blocks.1.self_attn.q": 0.5,
              "blocks.1.self_attn.k": 2}  # fmt: skip
    assert factors(found, state(prefix=prefix)) == wanted


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        (r"blocks\.0\..*", PATHS[:2]),
        ("^blocks.0.self_attn.q", PATHS[:1]),
        (r"blocks\.\d+\.self_attn\.(q|v)", PATHS[::2]),
        ("attn.q", []),  # a whole name, or the end of one after a dot
        ("blocks.0", []),
        ("self_attn.q", PATHS[::2]),
    ],
)
def test_patterns_match_as_peft_matches_them(pattern, paths):
    found = factors(adapter(r=16, lora_alpha=16, alpha_pattern={pattern: 64}))
    assert found == dict.fromkeys(paths, 4)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"lora_alpha": "many"}, "lora_alpha is 'many', not a number"),
        ({"lora_alpha": "nan"}, "lora_alpha is 'nan', not a number"),
        ({"lora_alpha": "inf"}, "lora_alpha is 'inf', not a number"),
        ({"lora_alpha": "-4"}, "lora_alpha is '-4', not a number"),
        (adapter(lora_alpha=4, r=True), "r is 'True', not a number"),
        (adapter(lora_alpha=4, r=[16]), r"r is '\[16\]', not a number"),
        (adapter(lora_alpha=4, alpha_pattern=[1]), r"alpha_pattern is '\[1\]', not a list by name"),
        (adapter(lora_alpha=4, alpha_pattern={"(a+)+$": 1}), "alpha_pattern in its header"),
        (adapter(lora_alpha=4, alpha_pattern={".*" * 9: 1}), "alpha_pattern in its header"),
        (adapter(lora_alpha=4, rank_pattern={"a" * 999: 1}), "rank_pattern in its header"),
        (adapter(lora_alpha=4, init_lora_weights="pissa_niter_16"), "beside a changed base .pissa"),
        (adapter(lora_alpha=4, init_lora_weights="olora"), "beside a changed base"),
        (adapter(lora_alpha=4, use_dora=True), "says DoRA, but it holds no lengths"),
    ],
)
def test_what_cannot_be_understood_is_refused(metadata, message):
    with no_waiting(), pytest.raises(ValueError, match=rf"^some\.safetensors: .*{message}.*Choose"):
        factors(metadata)


def test_the_bias_of_lora_b_has_the_same_scale():
    shapes = state(paths=PATHS[:1]) | {f"{PATHS[0]}.lora_B.bias": (DIM,)}
    match = match_lora(shapes, MODEL, read_scale(header(shapes, metadata={"lora_alpha": "64"})))
    assert match.factors == {f"{PATHS[0]}.lora_B.weight": 4, f"{PATHS[0]}.lora_B.bias": 4}


def test_loha_has_its_scale_too():
    loha = {f".hada_w{n}_{x}": (DIM, 8) if x == "a" else (8, DIM) for n in (1, 2) for x in "ab"}
    shapes = {PATHS[0] + suffix: shape for suffix, shape in loha.items()}
    match = match_lora(shapes, MODEL, read_scale(header(shapes, metadata={"lora_alpha": "16"})))
    assert match.factors == {f"{PATHS[0]}.hada_w1_a": 2}


def test_differences_are_not_scaled():
    shapes = state(paths=PATHS[1:]) | {f"{PATHS[0]}.diff": (DIM, DIM)}
    match = match_lora(shapes, MODEL, read_scale(header(shapes, metadata={"lora_alpha": "64"})))
    assert set(match.factors) == {f"{path}.lora_B.weight" for path in PATHS[1:]}


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "other.safetensors"])
def test_the_configuration_of_peft_beside_its_file_counts(tmp_path, name):
    save_file({k: torch.zeros(shape) for k, shape in state().items()}, tmp_path / name)
    settings = {"peft_type": "LORA", "r": 16, "lora_alpha": 64, "alpha_pattern": {}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    scale = read_scale(read_model_header(tmp_path / name))
    assert (scale is not None) == (name == "adapter_model.safetensors")
    if scale is not None:
        assert scale.factor(PATHS[:1], 16) == 4
        (tmp_path / "adapter_config.json").write_text("{")
        with pytest.raises(ValueError, match=r"^adapter_model\.safetensors: .*Choose another"):
            read_scale(read_model_header(tmp_path / name))


def test_the_report_says_what_the_header_says():
    def lines(metadata, shapes):
        scale = read_scale(header(shapes, metadata=metadata))
        return describe_match(match_lora(shapes, MODEL, scale), "x", 1.0).splitlines()

    said = adapter(r=16, lora_alpha=64, alpha_pattern={"self_attn.k": 16})
    assert lines(said, state())[1:] == [
        "its header says: alpha 64, rank 16, own values for some layers; scaled by 1 to 4"
    ]
    assert lines({"lora_alpha": "64", "use_rslora": "true"}, state())[1:] == [
        "its header says: alpha 64, rslora; scaled by 16"
    ]
    kohya = {"ss_network_alpha": "64", "ss_network_dim": "16"}
    assert lines(kohya, state())[1:] == [
        "its header says: alpha 64, rank 16; not used, its tensors have their own scale"
    ]
    assert lines({}, state())[1:] == []
