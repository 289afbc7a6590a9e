"""Schedule, and samplers and noise levels of the host's own nodes, on the sampling nodes."""

from __future__ import annotations

import pytest
import torch

from pack.tests.nodes.stops import fail_in, frames_of, prompt_of, report_of, run, runs, video_of
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
SHORT = {"seconds": 0.3, "size__width": 32, "size__height": 32}


def with_levels(prompt, levels):
    prompt["levels"] = node("ManualSigmas", sigmas=levels)
    prompt["sampler"]["inputs"]["sigmas"] = ["levels", 0]
    return prompt


def with_sampler(prompt, name):
    prompt["solver"] = node("KSamplerSelect", sampler_name=name)
    prompt["sampler"]["inputs"]["custom_sampler"] = ["solver", 0]
    return prompt


def test_schedule_and_connected_levels_and_samplers_do_what_they_say(host):
    trained = frames_of(host, talk(**SHORT, preset__steps=4, preset__shift=1.0))
    even = frames_of(host, talk(**SHORT, preset__steps=4, preset__shift=1.0, schedule="even"))
    assert not torch.equal(trained, even)
    # Numbers that float32 holds exactly; steps, shift and schedule do not count beside them.
    given = with_levels(talk(**SHORT, preset__steps=9, schedule="even"), "1, 0.75, 0.5, 0.25, 0")
    assert torch.equal(frames_of(host, given), even)
    chosen = frames_of(host, with_levels(talk(**SHORT, sampler="lcm"), "1, 0.75, 0"))
    connected = with_sampler(with_levels(talk(**SHORT), "1, 0.75, 0"), "lcm")
    assert torch.equal(frames_of(host, connected), chosen)
    report = report_of(host, connected)
    assert "sampling: 2 steps of 2 passes, lcm, sigmas as connected, text 1" in report
    assert "\nsigmas: 1 0.75 0\n" in report


def test_the_hosts_scheduler_on_the_same_model(host):
    # The one step typed here, too few for uni_pc, does not count beside the levels to come.
    prompt = talk(**SHORT, sampler="uni_pc", preset__steps=1)
    prompt["levels"] = node(
        "BasicScheduler", model=["model", 0], scheduler="simple", steps=3, denoise=1.0
    )
    prompt["sampler"]["inputs"]["sigmas"] = ["levels", 0]
    assert "sampling: 3 steps of 2 passes, uni_pc, sigmas as connected" in report_of(host, prompt)


def test_growing_file_takes_them_too(host):
    prompt = talk(**SHORT)
    del prompt["video"]
    prompt["sampler"]["class_type"] = "MultiTalkSampleToVideo"
    _, result = video_of(host, with_sampler(with_levels(prompt, "1, 0.5, 0"), "heun"))
    assert "2 steps of 2 passes, heun, sigmas as connected" in result.outputs["sampler"][1][0]


def test_flashtalk_with_a_connected_lcm_is_flashtalk(host):
    prompt = prompt_of(voices=1, seconds=0.32, rule="flashtalk", preset="FlashTalk")
    usual = frames_of(host, prompt)
    assert torch.equal(frames_of(host, with_sampler(prompt, "lcm")), usual)


@pytest.mark.parametrize(
    ("first", "then", "goes_on"),
    [
        (("lcm", "1, 0.75, 0"), ("lcm", "1, 0.75, 0"), True),
        (("lcm", "1, 0.75, 0"), ("lcm", "1, 0.5, 0"), False),
        (("lcm", "1, 0.75, 0"), ("euler", "1, 0.75, 0"), False),
    ],
)
def test_run_is_known_again_by_levels_and_sampler(host, first, then, goes_on):
    def prompt(sampler, levels):
        made = prompt_of(voices=1, seconds=0.5, keep_progress=True)
        return with_sampler(with_levels(made, levels), sampler)

    fail_in("decode", 1, 1, RuntimeError("stop"))
    assert not run(host, prompt(*first)).ok
    assert len(list(runs().glob("*/window_*.json"))) == 1
    assert ("continues an earlier run" in report_of(host, prompt(*then))) is goes_on


REFUSED = {
    "preset with steps of its own": (
        lambda: with_levels(talk(preset="full"), "1, 0"),
        "sigmas is connected, and preset full brings steps and shift of its own",
    ),
    "sampler with other guidance": (
        lambda: talk(sampler="euler_cfg_pp"),
        "sampler is euler_cfg_pp; the samplers whose names end in _cfg_pp guide by the negative",
    ),
    "connected sampler with other guidance": (
        lambda: with_sampler(talk(), "dpmpp_2m_cfg_pp"),
        "custom_sampler is dpmpp_2m_cfg_pp; ",
    ),
    "connected levels that end too early": (
        lambda: with_levels(talk(), "1, 0.5"),
        "sigmas go from 1 to 0.5; a whole video is made",
    ),
    "connected levels and step cache": (
        lambda: with_levels(talk(step_cache=0.2), "1, 0.5, 0"),
        "sigmas holds 2 steps and step_",
    ),
    "too few steps": (
        lambda: talk(sampler="dpm_fast", preset__steps=3),
        "steps is 3, and sampler dpm_fast needs 4 or more. Raise steps",
    ),
    "noise left in the picture": (
        lambda: talk(sampler="dpm_adaptive", schedule="even"),
        "sampler dpm_adaptive stops at the last noise level above 0, which is 0.75 here",
    ),
}


@pytest.mark.parametrize(("prompt", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_the_base_is_read(host, prompt, message):
    assert message in refuse(host, prompt())


def test_sampler_in_the_list_does_not_count_beside_a_connected_one(host):
    prompt = with_sampler(talk(**SHORT, sampler="euler_cfg_pp"), "euler")
    assert "2 steps of 2 passes, euler," in report_of(host, prompt)


def test_schedule_auto_suits_the_sampler_and_left_out_is_as_trained(host):
    def frames(**choice):
        return frames_of(host, talk(**SHORT, sampler="uni_pc", preset__steps=4, **choice))

    trained, even = frames(schedule="as trained"), frames(schedule="even")
    assert not torch.equal(trained, even)
    assert torch.equal(frames(schedule="auto"), even)
    assert torch.equal(frames(), trained)  # as in prompts and graphs of before it was there


def test_six_steps_at_shift_eleven_in_one_pass(host):
    prompt = talk(
        **SHORT, preset__steps=6, preset__shift=11.0, preset__audio_guidance=1.0,
        sampler="dpmpp_2m_sde", schedule="auto",
    )  # fmt: skip
    said = "sampling: 6 steps of 1 pass, dpmpp_2m_sde, shift 11, even, text 1, audio 1"
    assert said in report_of(host, prompt)
