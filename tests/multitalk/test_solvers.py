from __future__ import annotations

import dataclasses
import re

import pytest

from pack.multitalk.settings import GuidanceSettings, RunSettings
from pack.multitalk.solvers import check_levels, choose_schedule, describe_solver
from pack.multitalk.trained import resolve_sampler
from pack.multitalk.windows import WindowSize

RUN = RunSettings(
    height=32, width=32, family="multitalk", seed=1, sampler="euler",
    guidance=GuidanceSettings(steps=4, shift=5.0, text_guidance=1, audio_guidance=1),
    size=WindowSize(window=17, overlap=5),
)  # fmt: skip
EARLY = (1.0, 0.5, 0.0)  # the last step begins at much noise
SHARP = (1.0, 0.8, 0.6, 0.01, 0.0)


def run(sampler, **changes):
    return dataclasses.replace(RUN, sampler=sampler, **changes)


@pytest.mark.parametrize("connected", [False, True])
def test_samplers_with_a_guidance_of_their_own_are_refused(connected):
    words = "is res_multistep_cfg_pp; the samplers whose names end in _cfg_pp .* to res_multistep"
    with pytest.raises(ValueError, match=words):
        resolve_sampler(
            {"preset": "custom"}, "multitalk", "res_multistep_cfg_pp", connected=connected
        )


@pytest.mark.parametrize(
    ("choice", "sampler", "schedule"),
    [
        ("auto", "euler", "as trained"),
        ("auto", "lcm", "as trained"),
        ("auto", "dpmpp_2s_ancestral", "as trained"),
        ("auto", "dpm_adaptive", "as trained"),
        ("auto", "dpmpp_2m_sde", "even"),
        ("auto", "unipc_bh2", "even"),  # as the host calls it behind a socket
        ("as trained", "uni_pc", "as trained"),
        ("even", "euler", "even"),
    ],
)
def test_auto_is_even_for_samplers_that_look_back(choice, sampler, schedule):
    assert choose_schedule(choice, sampler) == schedule


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (run("dpm_adaptive", schedule="even"), "which is 0.62 here, .* Choose schedule auto, or"),
        (run("dpm_fast", sigmas=(1.0, 0.8, 0.7, 0.5, 0.0)), "Choose noise levels whose"),
        (run("dpm_adaptive", sigmas=EARLY), "which is 0.5 here, .* Choose noise levels whose"),
        (
            run("dpm_fast", guidance=dataclasses.replace(RUN.guidance, shift=100.0)),
            "which is 0.091 here, .* Choose a smaller shift, or",
        ),
        (
            run("dpm_fast", guidance=dataclasses.replace(RUN.guidance, steps=3)),
            "steps is 3, and sampler dpm_fast needs 4 or more",
        ),
        (
            run("uni_pc", guidance=dataclasses.replace(RUN.guidance, steps=1)),
            "steps is 1, and sampler uni_pc needs 2 or more",
        ),
    ],
)
def test_levels_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        check_levels(settings)


@pytest.mark.parametrize(
    "settings",
    [
        run("euler", schedule="even", sigmas=EARLY),
        run("dpm_adaptive"),
        run("dpm_adaptive", sigmas=SHARP),
        run("dpm_fast"),
    ],
)
def test_levels_that_work_pass(settings):
    check_levels(settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (run("dpmpp_2m"), "one of these 4 steps is tiny, .*: schedule auto or even suits it"),
        (run("uni_pc"), "looks back at earlier steps"),
        (run("uni_pc", sigmas=SHARP), "the connected noise levels fall to 2% in one step"),
        (run("ddpm"), "its noise is that of models of another kind"),
        (run("dpmpp_2m", schedule="even"), None),
        (run("dpmpp_2m", sigmas=(1.0, 0.0)), None),
        (run("dpmpp_2m", sigmas=EARLY), None),
        (run("euler"), None),
        (run("dpmpp_2s_ancestral"), None),
    ],
)
def test_report_says_what_spoils_a_video(settings, words):
    notes = describe_solver(settings)
    if words is None:
        assert notes == []
    else:
        (note,) = notes
        assert re.search(words, note)
