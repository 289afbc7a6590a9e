"""Nodes of the host between the loader and our samplers: each acts as in the host, or is named.

With an audio strength of 0 and an audio guidance of 1, our guider on a MODEL must give what the
host's own guider gives there, whatever node stands before it.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.small import SIZES, SMALL

pytestmark = pytest.mark.host

# Node of the host, its values, whether a text guidance of 1 leaves nothing to see.
GUIDANCE_NODES = {
    "CFGZeroStar": {},
    "CFGNorm": {"strength": 0.8, "pre_cfg": False},
    "CFGNorm ": {"strength": 0.8, "pre_cfg": True},
    "RescaleCFG": {"multiplier": 0.7},
    "Mahiro": {},
    "TCFG": {},
    "APG": {"eta": 0.5, "norm_threshold": 3.0, "momentum": -0.5},
    "FreSca": {"scale_low": 0.8, "scale_high": 1.4, "freq_cutoff": 1},
    "SkipLayerGuidanceDiT": {
        "double_layers": "1", "single_layers": "", "scale": 2.0, "start_percent": 0.0,
        "end_percent": 1.0, "rescaling_scale": 0.3,
    },
    "SkipLayerGuidanceDiTSimple": {
        "double_layers": "1", "single_layers": "", "start_percent": 0.0, "end_percent": 1.0,
    },
    "EpsilonScaling": {"scaling_factor": 1.05},
    "TemporalScoreRescaling": {"tsr_k": 0.8, "tsr_sigma": 1.0},
    "PerturbedAttentionGuidance": {"scale": 2.0},
    "VideoLinearCFGGuidance": {"min_cfg": 2.0},
    "VideoTriangleCFGGuidance": {"min_cfg": 2.0},
    "LatentApplyOperationCFG": {"operation": lambda latent: latent * 0.9},
    "CFGOverride": {"cfg": 1.0, "start_percent": 0.3, "end_percent": 1.0},
    "CFGOverride ": {"cfg": 7.0, "start_percent": 0.0, "end_percent": 0.5},
}  # fmt: skip
OTHER_NODES = {
    "ScaleROPE": {
        "scale_x": 1.2, "shift_x": 0.0, "scale_y": 1.0, "shift_y": 0.0, "scale_t": 0.7,
        "shift_t": 0.0,
    },
    "EasyCacheNode": {
        "reuse_threshold": 50.0, "start_percent": 0.0, "end_percent": 1.0, "verbose": False,
    },
    "LazyCacheNode": {
        "reuse_threshold": 50.0, "start_percent": 0.0, "end_percent": 1.0, "verbose": False,
    },
    "WanContextWindowsManualNode": {
        "context_length": 9, "context_overlap": 4, "context_schedule": "standard_static",
        "context_stride": 1, "closed_loop": False, "fuse_method": "pyramid", "freenoise": False,
    },
    "ModelSamplingSD3": {"shift": 3.0},
}  # fmt: skip
# Nodes that have no place in this network, so that the host's own sampler does not change either.
# These change nothing in the host's own sampler either.
IDLE = ("PerturbedAttentionGuidance", "ModelSamplingSD3")
# Those with something to do where the host runs no negative prompt.
AT_ONE = (
    "CFGZeroStar", "CFGNorm", "Mahiro", "APG", "SkipLayerGuidanceDiT", "SkipLayerGuidanceDiTSimple",
    "EpsilonScaling", "CFGOverride ", "LazyCacheNode",
)  # fmt: skip
MODULES = (
    "advanced_samplers", "apg", "cfg", "context_windows", "custom_sampler", "easycache", "eps",
    "differential_diffusion", "fresca", "mahiro", "model_advanced", "pag", "post_processing",
    "latent", "rope", "slg", "tcfg", "video_model",
)  # fmt: skip
STEPS = 4


@pytest.fixture(scope="module")
def bench(host, tmp_path_factory):
    """A small float32 MODEL with an audio part, and a window of three latent frames."""
    import comfy.sd
    import folder_paths
    from toy import build_base

    from pack.multitalk.model.model_files import AudioFile
    from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio
    from pack.nodes.loading.audio_part import load_audio_part

    base, metadata = build_base(dtype=torch.float32, **SIZES)
    path = tmp_path_factory.mktemp("base") / "float32.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in base.items()}, path, metadata)
    model = comfy.sd.load_diffusion_model(str(path), {"dtype": torch.float32})
    file = folder_paths.get_full_path_or_raise("model_patches", SMALL["audio_part"])
    part = load_audio_part(AudioFile.read(Path(file)), torch.float32)
    attached = AttachedAudio(name="toy", family="multitalk", config=part.model.config)
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    values = {
        "concat_latent_image": draw(1, 16, 5, 4, 4),
        "concat_mask": torch.ones(1, 1, 5, 4, 4),
    }
    text = draw(1, 5, 64)
    return SimpleNamespace(
        model=attach_audio(model, part, attached),
        positive=[[text, values]],
        negative=[[draw(1, 5, 64), values]],
        noise=draw(1, 16, 5, 4, 4),
        speech=draw(1, 17, 5, 2, 64),
    )


@cache
def hosts_nodes():
    """Node classes of the host's extra files by id; the tests' host loads few of these files."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"comfy_extras.nodes_{name}")
        found |= getattr(module, "NODE_CLASS_MAPPINGS", {})
        for value in vars(module).values():
            if isinstance(value, type) and hasattr(value, "define_schema"):
                found[value.__name__] = value
    return found


def apply(model, name, values):
    """The MODEL after a node of the host."""
    node = hosts_nodes()[name.strip()]
    if hasattr(node, "define_schema"):
        return node.execute(model, **values).args[0]
    return getattr(node(), node.FUNCTION)(model, **values)[0]


def sigmas():
    from pack.multitalk.schedule import shifted_sigmas

    return shifted_sigmas(STEPS, 3.0)


def sample(guider, bench, name="euler"):
    import comfy.samplers

    return guider.sample(
        bench.noise,
        torch.zeros_like(bench.noise),
        comfy.samplers.sampler_object(name),
        sigmas(),
        disable_pbar=True,
        seed=1,
    )


def hosts(bench, model, text, name="euler"):
    """What the host's own guider makes of it."""
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(bench.positive, bench.negative)
    guider.set_cfg(text)
    return sample(guider, bench, name)


@pytest.fixture(scope="module")
def plain(bench):
    """What it makes of the MODEL without any node, made once for each guidance."""
    return cache(lambda text: hosts(bench, bench.model, text))


def ours(bench, model, text, audio=1.0, *, strength=0.0, single=False, apg=None, name="euler"):
    from pack.multitalk.guidance import plan_guidance
    from pack.nodes.sampling.talk_guider import AudioInputs, TalkGuider

    guider = TalkGuider(
        model,
        bench.positive,
        bench.negative,
        AudioInputs(speech=bench.speech, cells=None, strength=strength),
        plan_guidance(text, audio, apg=apg),
        single_passes=single,
    )
    return sample(guider, bench, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, 4.0) for name in (*GUIDANCE_NODES, *OTHER_NODES)] + [(name, 1.0) for name in AT_ONE],
)
def test_node_acts_as_before_the_hosts_own_guider(bench, plain, name, text):
    values = {**GUIDANCE_NODES, **OTHER_NODES}[name]
    expected = hosts(bench, apply(bench.model, name, values), text)
    if text > 1 and name not in IDLE:
        assert not torch.allclose(expected, plain(text), atol=1e-3)
    # Made anew: some of these nodes remember the run before.
    found = ours(bench, apply(bench.model, name, values), text)
    assert torch.allclose(found, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["euler_cfg_pp", "res_multistep_cfg_pp"])
@pytest.mark.parametrize("text", [4.0, 1.0])
def test_samplers_of_cfg_plus_plus_see_the_negative_prompt(bench, name, text):
    expected = hosts(bench, bench.model, text, name)
    assert torch.allclose(ours(bench, bench.model, text, name=name), expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("apg", [False, True])
@pytest.mark.parametrize("text", [3.0, 1.0])
def test_audio_guidance_is_added_after_what_other_nodes_do(bench, text, apg, single):
    """A node that changes nothing leaves the result as it is without it, at any scales."""
    from pack.multitalk.config import ApgConfig

    given = {"apg": ApgConfig(norm_threshold=2.0) if apg else None, "strength": 1.0}
    expected = ours(bench, bench.model, text, 2.5, **given)
    neutral = apply(bench.model, "EpsilonScaling", {"scaling_factor": 1.0})
    found = ours(bench, neutral, text, 2.5, single=single, **given)
    assert torch.allclose(found, expected, atol=2e-4, rtol=1e-4)
    changed = apply(bench.model, "EpsilonScaling", {"scaling_factor": 1.2})
    assert not torch.allclose(ours(bench, changed, text, 2.5, **given), expected, atol=1e-3)


def test_functions_see_the_prompt_with_audio_against_the_negative_prompt_with_audio(bench):
    seen = []

    def look(args):
        seen.append(args)
        return args["denoised"]

    model = bench.model.clone()
    model.set_model_sampler_post_cfg_function(look)
    ours(bench, model, 3.0, 3.0, strength=1.0)  # without the node: no pass `negative`
    assert len(seen) == STEPS
    for args in seen:
        assert args["cond_scale"] == 3.0
        pair = args["uncond_denoised"], args["cond_denoised"]
        assert torch.allclose(args["denoised"], torch.lerp(*pair, 3.0), atol=1e-4)
        tokens = [
            args[name][0]["model_conds"]["multitalk_tokens"].cond for name in ("cond", "uncond")
        ]
        assert torch.equal(*tokens)
        assert tokens[0].any()


def check(model, **changes):
    from pack.nodes.sampling.other_nodes import check_other_nodes

    return check_other_nodes(model, **{"apg": False, "step_cache": False, **changes})


def test_report_names_what_acts_and_what_does_not(bench):
    model = bench.model
    assert check(model) == []
    for name in ("CFGZeroStar", "Mahiro", "CFGOverride"):
        model = apply(model, name, GUIDANCE_NODES[name])
    model = apply(model, "DifferentialDiffusion", {"strength": 1.0})
    model.model_options["sampler_of_tomorrow"] = print
    through, override, idle, unknown = check(model)
    assert through == "text guidance passes through CFGZeroStar and Mahiro"
    assert override.startswith("CFG Override sets text guidance")
    assert idle.startswith("Differential Diffusion changes nothing here")
    assert unknown == "not applied: 'sampler_of_tomorrow', which another node left on the MODEL"


@pytest.mark.parametrize(
    ("name", "setting", "words"),
    [
        ("RescaleCFG", "apg", "apg is on, and RescaleCFG on the MODEL"),
        ("CFGOverride", "step_cache", "CFG Override on the MODEL changes which passes run"),
        ("SkipLayerGuidanceDiTSimple", "step_cache", "SkipLayerGuidanceDiTSimple on the MODEL"),
        ("EasyCacheNode", "step_cache", "already has the host's EasyCache; only one cache"),
        ("LazyCacheNode", "step_cache", "already has the host's LazyCache; only one cache"),
    ],
)
def test_what_excludes_each_other_is_refused(bench, name, setting, words):
    model = apply(bench.model, name, {**GUIDANCE_NODES, **OTHER_NODES}[name])
    check(model)
    with pytest.raises(ValueError, match=words):
        check(model, **{setting: True})


def settings(shift):
    from pack.multitalk.settings import GuidanceSettings, RunSettings
    from pack.multitalk.windows import WindowSize

    guidance = GuidanceSettings(steps=8, shift=shift, text_guidance=1.0, audio_guidance=1.0)
    size = WindowSize(window=81, overlap=9)
    return RunSettings(
        height=64, width=64, guidance=guidance, size=size, family="multitalk", seed=1,
        sampler="euler",
    )  # fmt: skip


def test_the_shift_of_a_model_sampling_node_wins_and_is_reported(bench):
    from pack.nodes.sampling.other_nodes import follow_sampling

    plain = settings(7.0)
    assert follow_sampling(bench.model, plain) == (plain, [])
    model = apply(bench.model, "ModelSamplingSD3", {"shift": 3.0})
    found, (note,) = follow_sampling(model, plain)
    assert found == settings(3.0)
    assert note == "shift 3 comes from the model sampling node before this one, instead of 7"


def test_connected_sigmas_stay_whatever_shift_a_node_sets(bench):
    from pack.nodes.sampling.other_nodes import follow_sampling

    given = replace(settings(7.0), sigmas=(1.0, 0.5, 0.0))
    model = apply(bench.model, "ModelSamplingSD3", {"shift": 3.0})
    assert follow_sampling(model, given) == (given, [])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ModelSamplingAuraFlow", {"shift": 3.0}),
        ("ModelSamplingFlux", {"max_shift": 1.1, "base_shift": 0.5, "width": 64, "height": 64}),
        (
            "ModelSamplingContinuousEDM",
            {"sampling": "v_prediction", "sigma_max": 120.0, "sigma_min": 0.002},
        ),
        ("ModelSamplingDiscrete", {"sampling": "eps", "zsnr": False}),
    ],
)
def test_another_kind_of_sampling_is_refused(bench, name, values):
    from pack.nodes.sampling.other_nodes import check_sampling

    with pytest.raises(ValueError, match=r"another kind of sampling .* use ModelSamplingSD3"):
        check_sampling(apply(bench.model, name, values))
