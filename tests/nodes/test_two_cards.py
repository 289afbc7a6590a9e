"""Guidance passes on two cards by the host's own node: each on its card, and bits as on one."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from pack.tests.nodes.small import SMALL

pytestmark = pytest.mark.host
STEPS = 2


@pytest.fixture(scope="module")
def bench(host):
    """A window to sample, and what its passes are told."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    image = {"concat_latent_image": draw(1, 16, 3, 4, 4), "concat_mask": torch.ones(1, 1, 3, 4, 4)}
    return SimpleNamespace(
        positive=[[draw(1, 5, 64), image]],
        negative=[[draw(1, 5, 64), image]],
        noise=draw(1, 16, 3, 4, 4),
        speech=draw(2, 9, 5, 2, 64),
        cells=torch.stack([torch.ones(4, 4).tril(), torch.ones(4, 4).triu(1), torch.zeros(4, 4)]),
    )


@pytest.fixture(scope="module")
def cards(host):
    """Two cards, and what is copied between devices."""
    from pack.tools.host.stand_in_cards import stand_in_cards

    with torch.inference_mode(), stand_in_cards() as noted:
        yield noted


@pytest.fixture(scope="module")
def base(cards):
    """The small base on the first card, and what is said of its audio part."""
    from pack.nodes.loading.base_model import load_base
    from pack.nodes.loading.model_files import find_model_files

    found = find_model_files(SMALL["base"], SMALL["audio_part"], None)
    return load_base(found, "default"), found.audio


def attach(base):
    """As the node MultiTalk Attach."""
    from pack.nodes.loading.attaching import with_audio

    return with_audio(*base, "auto", "default")


@pytest.fixture(scope="module")
def model(base):
    """The small model with its audio part."""
    return attach(base)


def split(model):
    """As the host's node MultiGPU CFG Split, which trips over loaded models that are gone.

    Those that are there are held meanwhile: Python may look for circles at any moment.
    """
    import comfy.model_management
    import comfy.multigpu

    loaded = comfy.model_management.current_loaded_models
    held = [(entry, entry.model) for entry in loaded]
    loaded[:] = [entry for entry, there in held if there is not None]
    return comfy.multigpu.create_multigpu_deepclones(model, 2, reuse_loaded=True)


def watched(model, calls):
    """The model with a note of where each pass runs, and whether its weights lie there."""
    from comfy.patcher_extension import WrappersMP

    def note(executor, x, timestep, context, clip_fea, time_dim_concat, options, **tokens):
        owners = options["multitalk_run"].parts[x.device], executor.class_obj
        places = {weight.device for owner in owners for weight in owner.parameters()}
        calls.append((x.device.index, tuple(options["cond_or_uncond"]), places == {x.device}))
        return executor(x, timestep, context, clip_fea, time_dim_concat, options, **tokens)

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
    return clone


def sample(bench, model, *, levels=(1.0, 0.0), text=2.0, audio=1.0, singly=False, cache=None):
    """A window: one step, with two passes."""
    from comfy.samplers import sampler_object

    from pack.multitalk.guidance import plan_guidance
    from pack.nodes.sampling.experts import talk_guider
    from pack.nodes.sampling.talk_guider import AudioInputs

    guider = talk_guider(
        model,
        bench.positive,
        bench.negative,
        AudioInputs(speech=bench.speech, cells=bench.cells),
        plan_guidance(text, audio),
        cache=cache,
        single_passes=singly,
    )
    more = {"disable_pbar": True, "seed": 1}
    latent, sigmas = torch.zeros_like(bench.noise), torch.tensor(levels)
    out = guider.sample(bench.noise, latent, sampler_object("euler"), sigmas, **more)
    assert guider.lean
    return out.cpu()


def changed(model):
    """The model with a LoRA on base and audio part."""
    from pack.nodes.loading.loras import add_lora

    random = torch.Generator().manual_seed(0)
    state = {
        f"diffusion_model.blocks.0.{layer}.lora_{part}.weight": torch.randn(*size, generator=random)
        for layer in ("self_attn.q", "audio_cross_attn.proj")
        for part, size in (("down", (2, 64)), ("up", (64, 2)))
    }
    return add_lora(model, state, "test", 1.0)


@pytest.fixture(scope="module")
def alone(bench, model):
    """Two passes one after the other on one card."""
    return sample(bench, model, singly=True)


def test_each_pass_runs_on_its_card_and_what_stays_crosses_once(bench, cards, model):
    levels = (1.0, 0.5, 0.0)
    expected = sample(bench, model, levels=levels, singly=True)
    calls = []
    copies = split(watched(model, calls))
    cards.clear()
    assert torch.equal(sample(bench, copies, levels=levels), expected)
    assert sorted(calls) == STEPS * [(0, (0,), True)] + STEPS * [(1, (1,), True)]
    between = [copy for copy in cards if "cpu" not in (copy.source.type, copy.target.type)]
    latent = tuple(bench.noise.shape)
    assert [copy.shape for copy in between if copy.target.index == 0] == STEPS * [latent]
    there = Counter(copy.shape for copy in between if copy.target.index == 1)
    assert there.pop(latent) == STEPS
    large = {shape: number for shape, number in there.items() if math.prod(shape) > len(levels)}
    # Condition latents, text and speech; the rest are levels of noise.
    assert large == {(1, 20, 3, 4, 4): 1, (1, 5, 64): 1, (1, 2, 3, 8, 64): 1}


def test_three_passes_share_two_cards_and_a_card_may_take_one_at_a_time(bench, model):
    calls = []
    copies = split(watched(model, calls))
    pairs = sample(bench, copies, audio=3.0)
    assert sorted((card, len(rows)) for card, rows, _ in calls) == [(0, 2), (1, 1)]
    calls.clear()
    singly = sample(bench, copies, audio=3.0, singly=True)
    assert sorted((card, len(rows)) for card, rows, _ in calls) == [(0, 1), (0, 1), (1, 1)]
    assert len({rows for _, rows, _ in calls}) == 3
    torch.testing.assert_close(pairs, singly, rtol=1e-5, atol=1e-5)


def test_the_report_says_how_passes_are_dealt_out(model):
    from pack.multitalk.guidance import plan_guidance
    from pack.nodes.sampling.pass_cards import describe_cards

    copies = split(model)
    assert describe_cards(model, plan_guidance(5.0, 4.0)) == []
    said = describe_cards(copies, plan_guidance(5.0, 4.0))
    assert said == ["3 passes of a step on 2 cards, at most 2 on each"]
    assert "nothing is gained" in describe_cards(copies, plan_guidance(1.0, 1.0))[0]


def test_a_lora_and_the_audio_part_may_come_after_the_split(bench, base, model, alone):
    expected = sample(bench, changed(model), singly=True)
    assert not torch.equal(expected, alone)
    assert torch.equal(sample(bench, changed(split(model))), expected)
    late = attach((split(base[0]), base[1]))
    assert torch.equal(sample(bench, late), alone)


def test_both_experts_use_both_cards(bench, model):
    from pack.nodes.loading.experts import join_experts

    high, low = [], []

    def joined(change):
        other = watched(changed(model), low)
        return join_experts(change(watched(model, high)), other)

    levels = (1.0, 0.5, 0.0)
    expected = sample(bench, joined(lambda model: model), levels=levels, singly=True)
    assert len(high) == len(low) == 2
    for model_on_both in (split(joined(lambda model: model)), joined(split)):
        high.clear()
        low.clear()
        assert torch.equal(sample(bench, model_on_both, levels=levels), expected)
        assert sorted(high) == sorted(low) == [(0, (0,), True), (1, (1,), True)]


def test_the_step_cache_remembers_each_pass_on_its_card(bench, cards, model):
    from pack.multitalk.stepcache import StepCachePlan
    from pack.nodes.sampling.block_cache import RunCache

    def cached(**options):
        cache = RunCache(None)
        cache.plan = StepCachePlan(compute=(True, False), distances=(), accumulated=())
        return sample(bench, cache=cache, levels=(1.0, 0.5, 0.0), **options)

    expected = cached(model=model, singly=True)
    cards.clear()
    assert torch.equal(cached(model=split(model)), expected)
    tokens = [c for c in cards if c.source.type == c.target.type and c.shape[-2:] == (12, 64)]
    assert not tokens
