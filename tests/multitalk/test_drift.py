"""States of windows, repeated windows, and what holds colors and faces over many windows."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.color import color_statistics, match_statistics
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.settings import DriftControl
from pack.multitalk.windows import plan_exact
from pack.tests.multitalk.test_generate import SILENCE, SIZES, Colourful, coloured, numbered


def windows_of(plan, family, *, drift=None, **options):
    painter = Colourful(plan)
    finished = generate(
        plan,
        Scene(source=coloured, tracks=[numbered(plan.num_frames)], silence=SILENCE),
        painter.models,
        SeededNoise(3),
        family=family,
        drift=drift or DriftControl(),
        **options,
    )
    return finished, painter


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_state_is_all_that_the_later_windows_need(family, index):
    plan = plan_exact(80, SIZES["toy"])
    finished, whole = windows_of(plan, family)
    states = [window.state for window in finished]
    rest, painter = windows_of(plan, family, after=states[index])
    for window, state in zip(rest, states[index + 1 :], strict=True):
        assert window.index == state.index
        assert torch.equal(window.state.tail, state.tail)
        assert torch.equal(window.state.noise, state.noise)
        assert torch.equal(window.state.colors, state.colors)
    later = whole.requests[index + 1 :]
    for request, expected in zip(painter.requests, later, strict=True):
        assert torch.equal(request.noise, expected.noise)
        assert torch.equal(request.condition, expected.condition)


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
def test_a_repeated_window_gets_the_same_random_numbers(family):
    plan = plan_exact(80, SIZES["toy"])
    finished, painter = windows_of(plan, family)
    assert len(list(finished)) == plan.num_windows
    expected = [request.noise for request in painter.requests]

    def twice(make):
        make()
        return make()

    repeated, again = windows_of(plan, family, attempt=twice)
    assert [window.index for window in repeated] == list(range(plan.num_windows))
    assert len(again.requests) == 2 * plan.num_windows
    for first, second, noise in zip(
        again.requests[::2], again.requests[1::2], expected, strict=True
    ):
        assert torch.equal(first.noise, noise)
        assert torch.equal(second.noise, noise)


@pytest.mark.parametrize(("tokens", "first"), [("window", False), ("picture", True)])
def test_image_tokens_are_those_of_the_window_or_always_of_the_picture(tokens, first):
    plan = plan_exact(80, SIZES["toy"])
    finished, painter = windows_of(plan, "multitalk", drift=DriftControl(image_tokens=tokens))
    list(finished)
    assert len(painter.pictures) == (1 if first else plan.num_windows)  # the same is seen once
    seen = [request.picture_embedding[1] for request in painter.requests]
    same = [torch.equal(painter.pictures[number - 1], coloured(0)) for number in seen]
    assert same == [True] + [first] * (plan.num_windows - 1)


def test_colours_follow_the_reference_that_was_chosen():
    plan = plan_exact(80, SIZES["toy"])
    targets = {}
    for reference in ("picture", "source frame", "running mean"):
        drift = DriftControl(color_reference=reference)
        finished, painter = windows_of(plan, "infinitetalk", drift=drift)
        windows = list(finished)
        own = [color_statistics(frames) for frames in painter.decoded]
        start = color_statistics(coloured(0))
        wanted = {
            "picture": lambda k, start=start: start,
            "source frame": lambda k: color_statistics(coloured(plan.starts[k])),
            "running mean": lambda k, own=own, start=start: torch.stack([start, *own[:k]]).mean(0),
        }[reference]
        for index, window in enumerate(windows):
            matched = match_statistics(painter.decoded[index], wanted(index), strength=1.0)
            assert torch.equal(window.frames, matched[plan.kept(index)])
            assert torch.equal(window.state.colors, torch.stack(own[: index + 1]))
        targets[reference] = windows[-1].frames
    assert not torch.equal(targets["picture"], targets["running mean"])


def test_drift_is_the_colour_distance_to_the_picture_before_and_after_matching():
    plan = plan_exact(60, SIZES["toy"])
    finished, painter = windows_of(plan, "multitalk")
    start = color_statistics(coloured(0))
    for index, window in enumerate(finished):
        own = color_statistics(painter.decoded[index])
        assert window.drift == pytest.approx(float((own[0] - start[0]).norm()))
        assert window.left_drift < 0.1 * window.drift
