from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import ApgConfig
from pack.multitalk.guidance import NEGATIVE_PROMPT, NO_AUDIO, PASSES, Guidance, plan_guidance
from pack.tests.multitalk.tolerances import close

SHAPE = (2, 16, 3, 2, 2)
FREE = ApgConfig(momentum=0.0, norm_threshold=0.0, eta=1.0)  # changes nothing: plain guidance


def predictions(seed=0, shape=SHAPE):
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=random) for name in PASSES}


def needed(plan, given):
    """Only what the plan asks for, so that using any other pass fails."""
    return {name: given[name] for name in plan.passes}


def formula(text, audio, given):
    """Both formulas of the papers written out."""
    full, negative, silent, bare = (given[name].double() for name in PASSES)
    if text == 1:
        return (silent + audio * (full - silent)).float()
    return (bare + text * (full - negative) + audio * (negative - bare)).float()


def unit(axis, length=1.0):
    """[1, 16, 1, 1, 1], one value."""
    out = torch.zeros(1, 16, 1, 1, 1)
    out[0, axis] = length
    return out


def test_pass_groups():
    assert PASSES == ("full", "negative", "silent", "bare")
    assert set(NO_AUDIO) | set(NEGATIVE_PROMPT) | {"full"} == set(PASSES)
    assert set(NO_AUDIO) & set(NEGATIVE_PROMPT) == {"bare"}


@pytest.mark.parametrize(
    ("text", "audio", "passes"),
    [
        (1.0, 1.0, ("full",)),
        (1.0, 2.0, ("full", "silent")),
        (1.0, 0.0, ("silent",)),
        (5.0, 5.0, ("full", "bare")),
        (5.0, 1.0, ("full", "negative")),
        (5.0, 4.0, ("full", "negative", "bare")),
        (0.5, 4.0, ("full", "negative", "bare")),
        (0.0, 4.0, ("negative", "bare")),
        (1.0 + 1e-12, 2.0, ("full", "silent")),
    ],
)
def test_only_passes_with_a_weight_run(text, audio, passes):
    plan = plan_guidance(text, audio)
    assert plan.passes == passes
    assert len(plan.weights) == len(passes)
    assert sum(plan.weights) == pytest.approx(1)
    given = predictions()
    out = Guidance(plan).combine(needed(plan, given))
    assert out.shape == SHAPE
    assert out.dtype == torch.float32
    close(out, formula(round(text, 6), audio, given))


def test_no_guidance_is_the_prediction_itself():
    given = predictions()
    assert torch.equal(Guidance(plan_guidance(1.0, 1.0)).combine(given), given["full"])


@pytest.mark.parametrize(
    ("text", "audio", "passes"),
    [
        (1.0, 1.0, ("full",)),
        (1.0, 2.0, ("full", "silent")),
        (5.0, 1.0, ("full", "negative")),
        (5.0, 5.0, ("full", "negative", "bare")),  # no weight cancels under projection
        (5.0, 4.0, ("full", "negative", "bare")),
    ],
)
def test_projection_that_changes_nothing_is_plain_guidance(text, audio, passes):
    plan = plan_guidance(text, audio, apg=FREE)
    assert plan.passes == passes
    given = predictions()
    close(Guidance(plan).combine(needed(plan, given)), formula(text, audio, given))


def test_part_along_the_prediction_is_removed():
    apg = ApgConfig(momentum=0.0, norm_threshold=0.0, eta=0.0)
    plan = plan_guidance(1.0, 3.0, apg=apg)
    full = unit(0, 5.0)
    given = {"full": full, "silent": full - unit(0, 2.0) - unit(1, 3.0)}
    close(Guidance(plan).combine(given), full + 2 * unit(1, 3.0))


@pytest.mark.parametrize("eta", [0.0, 0.25, 1.0])
def test_eta_keeps_a_share_of_the_parallel_part(eta):
    apg = ApgConfig(momentum=0.0, norm_threshold=0.0, eta=eta)
    full = unit(0, 5.0)
    out = Guidance(plan_guidance(1.0, 2.0, apg=apg)).combine(
        {"full": full, "silent": full - unit(0, 4.0)}
    )
    close(out, unit(0, 5.0 + 4.0 * eta))


@pytest.mark.parametrize(("length", "kept"), [(54.0, 54.0), (55.0, 55.0), (110.0, 55.0)])
def test_longer_differences_are_cut_to_the_threshold(length, kept):
    full = unit(0)
    out = Guidance(plan_guidance(1.0, 2.0, apg=ApgConfig())).combine(
        {"full": full, "silent": full - unit(1, length)}
    )
    close(out, unit(0) + unit(1, kept))


def test_norm_and_direction_are_those_of_the_whole_latent():
    full = unit(0, 0.3) + unit(1, 0.4)
    apg = ApgConfig(momentum=0.0, norm_threshold=0.5)
    out = Guidance(plan_guidance(1.0, 2.0, apg=apg)).combine(
        {"full": full, "silent": full - unit(0, 3.0) - unit(2, 4.0)}
    )
    # (3, 0, 4) is cut to (0.3, 0, 0.4), which loses 0.18 times the direction (0.6, 0.8, 0).
    close(out, full + unit(0, 0.3 - 0.18 * 0.6) - unit(1, 0.18 * 0.8) + unit(2, 0.4))


def test_momentum_runs_on_the_uncut_difference():
    state = Guidance(plan_guidance(1.0, 2.0, apg=ApgConfig(momentum=-0.75)))
    full = unit(0)
    given = {"full": full, "silent": full - unit(1, 80.0)}
    lengths = [float(state.combine(given)[0, 1]) for _ in range(3)]
    # Running differences 80, 80 - 60 = 20, 80 - 15 = 65; the threshold is 55.
    assert lengths == pytest.approx([55, 20, 55], rel=1e-5)


def test_text_and_audio_have_their_own_momentum():
    state = Guidance(plan_guidance(2.0, 2.0, apg=ApgConfig(norm_threshold=0.0)))
    full = unit(0)
    negative = full - unit(1, 4.0)
    given = {"full": full, "negative": negative, "bare": negative - unit(2, 8.0)}
    close(state.combine(given), full + unit(1, 4.0) + unit(2, 8.0))
    close(state.combine(given), full + unit(1, 1.0) + unit(2, 2.0))


def test_momentum_starts_anew_with_each_window():
    plan, given = plan_guidance(5.0, 4.0, apg=ApgConfig()), predictions()
    first = Guidance(plan)
    out = first.combine(given)
    assert not torch.equal(first.combine(given), out)
    assert torch.equal(Guidance(plan).combine(given), out)


def test_projection_of_two_rows_is_that_of_each():
    plan, given = plan_guidance(5.0, 4.0, apg=ApgConfig(norm_threshold=3.0)), predictions()
    single = [
        Guidance(plan).combine({name: p[i : i + 1] for name, p in given.items()}) for i in (0, 1)
    ]
    close(Guidance(plan).combine(given), torch.cat(single))


def test_equal_and_zero_predictions_give_no_nan():
    plan = plan_guidance(5.0, 4.0, apg=ApgConfig())
    zero = dict.fromkeys(PASSES, torch.zeros(1, 16, 1, 1, 1))
    assert not Guidance(plan).combine(zero).any()
    same = dict.fromkeys(PASSES, unit(3))
    assert torch.equal(Guidance(plan).combine(same), unit(3))
