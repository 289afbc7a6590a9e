"""Two experts of WAN 2.2 in one MODEL: which runs when, as the host's own two stages would."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from pack.tests.nodes.test_expert_files import HIGH, LOW
from pack.tests.nodes.test_other_nodes import apply

pytestmark = pytest.mark.host
STEPS = 4


@pytest.fixture(scope="module")
def bench(host, expert_files):
    """Both experts with one audio part, the low-noise one with a LoRA, and a window to sample."""
    import comfy.sd

    from pack.multitalk.model.model_files import AudioFile
    from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio
    from pack.nodes.loading.audio_part import load_audio_part
    from pack.nodes.loading.experts import share_audio

    def load(name):
        path = str(expert_files / "diffusion_models" / name)
        return comfy.sd.load_diffusion_model(path, {"dtype": torch.float32})

    file = expert_files / "model_patches" / "test_random_audio.safetensors"
    part = load_audio_part(AudioFile.read(file), torch.float32)
    attached = AttachedAudio(name="toy", family="multitalk", config=part.model.config)
    high = attach_audio(load(HIGH), part, attached)
    random = torch.Generator().manual_seed(0)

    draw = partial(torch.randn, generator=random)
    low = share_audio(load(LOW), high)
    low.add_patches({"diffusion_model.blocks.0.self_attn.q.weight": ("diff", (draw(128, 128),))})
    image = {"concat_latent_image": draw(1, 16, 3, 4, 4), "concat_mask": torch.ones(1, 1, 3, 4, 4)}
    return SimpleNamespace(
        high=high,
        low=low,
        positive=[[draw(1, 5, 64), image]],
        negative=[[draw(1, 5, 64), image]],
        noise=draw(1, 16, 3, 4, 4),
        speech=draw(1, 9, 5, 4, 64),
        motion=draw(1, 16, 1, 4, 4),
    )


def levels():
    return torch.tensor([1.0, 0.9375, 0.75, 0.5, 0.0])


def sample(guider, noise, latent, sigmas, name="euler", **more):
    from comfy.samplers import sampler_object

    more |= {"disable_pbar": True, "seed": 1}
    return guider.sample(noise, latent, sampler_object(name), sigmas, **more)


def ours(bench, model, *, strength=0.0, text=1.0, motion=None, end=None, name="euler", **more):
    from pack.multitalk.guidance import plan_guidance
    from pack.nodes.sampling.experts import talk_guider
    from pack.nodes.sampling.talk_guider import AudioInputs

    guider = talk_guider(
        model,
        bench.positive,
        bench.negative,
        AudioInputs(speech=bench.speech, cells=None, strength=strength),
        plan_guidance(text, 1.0),
        motion=motion,
        end=end,
    )
    latent = torch.zeros_like(bench.noise)
    return guider, sample(guider, bench.noise, latent, more.pop("sigmas", levels()), name, **more)


def joined(bench, change=lambda model: model):
    from pack.nodes.loading.experts import join_experts

    return join_experts(change(bench.high), change(bench.low))


def hosts_blocks(model):
    """The MODEL with a patch that changes nothing, so that the host's own blocks run."""
    clone = model.clone()
    clone.set_model_patch(lambda args: args, "double_block")
    return clone


def by_hand(bench, name, num_high):
    """Two stages of the host, each with its own guider on one of the experts."""
    import comfy.samplers

    class Velocity(comfy.samplers.CFGGuider):  # rounds as our guidance does
        def predict_noise(self, x, timestep, model_options=None, seed=None):
            clean = super().predict_noise(x, timestep, model_options or {}, seed)
            return x - (x - clean) / timestep * timestep

    noise, latent, sigmas = bench.noise, torch.zeros_like(bench.noise), levels()
    for model, part in ((bench.high, sigmas[: num_high + 1]), (bench.low, sigmas[num_high:])):
        guider = Velocity(model)
        guider.set_conds(bench.positive, bench.negative)
        guider.set_cfg(1.0)
        latent = sample(guider, noise, latent, part, name)
        noise = torch.zeros_like(noise)
    return latent


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m"])
def test_silent_run_is_bit_for_bit_the_hosts_two_stages(bench, name):
    _, found = ours(bench, joined(bench, hosts_blocks), name=name)
    assert torch.equal(found, by_hand(bench, name, 2))
    assert not torch.equal(found, by_hand(bench, name, 1))


def test_each_step_runs_on_its_expert_and_is_told_as_one_run(bench):
    from comfy.patcher_extension import WrappersMP

    calls, told = [], []

    def watched(model, name):
        def note(executor, x, timestep, *args, **kwargs):
            calls.append((name, round(float(timestep[0]))))
            return executor(x, timestep, *args, **kwargs)

        clone = model.clone()
        clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
        return clone

    from pack.nodes.loading.experts import join_experts

    model = join_experts(watched(bench.high, "high"), watched(bench.low, "low"))
    guider, _ = ours(bench, model, callback=lambda step, _d, _x, total: told.append((step, total)))
    assert calls == [("high", 1000), ("high", 938), ("low", 750), ("low", 500)]
    assert told == [(step, STEPS) for step in range(STEPS)]
    assert guider.lean
    calls.clear()
    for sigmas, expert in (([1.0, 0.9, 0.0], "high"), ([0.89, 0.5, 0.0], "low")):
        ours(bench, model, sigmas=torch.tensor(sigmas))
        assert {name for name, _ in calls} == {expert}
        calls.clear()


def test_audio_is_heard_by_both(bench):
    for sigmas in ([1.0, 0.95, 0.9], [0.8, 0.4, 0.0]):
        _, silent = ours(bench, joined(bench), sigmas=torch.tensor(sigmas))
        _, loud = ours(bench, joined(bench), sigmas=torch.tensor(sigmas), strength=1.0)
        assert not torch.allclose(silent, loud, atol=1e-3)


def test_motion_and_its_noise_go_on_over_the_change(bench):
    from pack.multitalk.generate import Motion

    def motion(drawn):
        random = torch.Generator().manual_seed(9)

        def noise():
            drawn.append(torch.randn(bench.motion.shape, generator=random))
            return drawn[-1]

        return Motion(latents=bench.motion, noise=noise)

    drawn, again = [], []
    _, found = ours(bench, joined(bench), motion=motion(drawn), strength=1.0)
    assert torch.equal(found[:, :, :1], bench.motion)
    assert len(drawn) == STEPS
    # Both experts being one network, it is the run of that network: the same noise, step by step.
    _, same = ours(bench, twice(bench.high), motion=motion(again), strength=1.0)
    assert all(map(torch.equal, drawn, again))
    _, single = ours(bench, bench.high, motion=motion([]), strength=1.0)
    assert torch.allclose(same, single, atol=1e-4)


def test_an_end_is_put_in_place_with_the_noise_of_the_window(bench):
    end = torch.randn(bench.motion.shape, generator=torch.Generator().manual_seed(8))
    _, found = ours(bench, twice(bench.high), end=end)
    _, single = ours(bench, bench.high, end=end)
    assert torch.equal(found[:, :, -1:], end)
    assert torch.allclose(found, single, atol=1e-4)


def twice(model):
    """One network in both places, which no node makes."""
    from pack.nodes.loading.experts import LOW_NOISE, LowNoise

    clone = model.clone()
    clone.attachments[LOW_NOISE] = LowNoise(model=model, joined=model)
    return clone


def test_momentum_goes_on_over_the_change(bench):
    from pack.multitalk.config import ApgConfig
    from pack.multitalk.guidance import plan_guidance
    from pack.nodes.sampling.experts import talk_guider
    from pack.nodes.sampling.talk_guider import AudioInputs

    found = []
    for model in (twice(bench.high), bench.high):
        audio = AudioInputs(speech=bench.speech, cells=None)
        plan = plan_guidance(4.0, 3.0, apg=ApgConfig())
        guider = talk_guider(model, bench.positive, bench.negative, audio, plan)
        for _ in range(2):  # and nothing of a window is left for the next
            found.append(sample(guider, bench.noise, torch.zeros_like(bench.noise), levels()))
    assert torch.equal(found[0], found[1])
    assert torch.allclose(found[0], found[2], atol=1e-4)


def test_guidance_of_a_node_behind_the_joining_holds_for_both(bench):
    def rescaled(model):
        return apply(model, "RescaleCFG", {"multiplier": 0.7})

    _, before = ours(bench, joined(bench, rescaled), text=4.0)
    _, behind = ours(bench, rescaled(joined(bench)), text=4.0)
    assert torch.equal(before, behind)
    assert not torch.equal(before, ours(bench, joined(bench), text=4.0)[1])


def test_what_acts_on_one_expert_alone_is_named(bench):
    from pack.nodes.sampling.experts import describe_experts

    settings = SimpleNamespace(sigmas=levels().tolist(), start_strength=1.0)

    def notes(model):
        return describe_experts(model, settings)

    model = joined(bench)
    plain = notes(model)
    assert plain[0].startswith(
        "experts: steps 1-2 of 4 on the high-noise expert, steps 3-4 on the low-noise expert"
    )
    assert len(plain) == 1
    shifted = apply(model, "ModelSamplingSD3", {"shift": 3.0})
    assert notes(apply(shifted, "RescaleCFG", {"multiplier": 0.7})) == plain
    model.add_patches({"diffusion_model.blocks.0.self_attn.q.weight": ("diff", (torch.ones(1),))})
    assert "not applied to the low-noise one: 1 changed weight. Put" in notes(model)[1]
    assert ": 1 function. Put such" in notes(hosts_blocks(joined(bench)))[1]


def test_a_latent_with_a_mask_is_refused(bench):
    with pytest.raises(ValueError, match="noise mask is set, and the MODEL has two experts"):
        ours(bench, joined(bench), denoise_mask=torch.ones(1, 1, 3, 4, 4))


def test_identity_knows_the_second_expert_and_its_lora(bench):
    from pack.nodes.loading.experts import join_experts
    from pack.nodes.sampling.contents import model_digest

    def digest(model):
        return model_digest(model, lambda: None)

    changed = bench.low.clone()
    changed.add_patches({"diffusion_model.head.head.weight": ("diff", (torch.ones(64, 128),))})
    kinds = [bench.high, joined(bench), join_experts(bench.high, changed)]
    assert len({digest(model) for model in kinds}) == 3
    assert digest(joined(bench)) == digest(joined(bench))
