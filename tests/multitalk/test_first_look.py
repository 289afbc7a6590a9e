from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.config import WindowSize
from pack.multitalk.film import FilmPlan
from pack.multitalk.first_look import cut_window, shown_plan
from pack.multitalk.generate import VideoWindow
from pack.multitalk.runs.report import describe_look
from pack.multitalk.windows import end_with_video, plan_exact

WHOLE = FilmPlan(
    shots=(plan_exact(24, WindowSize(window=9, overlap=5)),)
)  # windows at 0, 4, 8, 12 and 16


def window(plan, index):
    """What the loop gives of a window: frames that are their numbers."""
    kept = plan.kept(index)
    start = plan.starts[index] + kept.start
    frames = torch.arange(start, plan.starts[index] + kept.stop)[:, None, None, None].byte()
    return VideoWindow(
        index=index, start=start, frames=frames, drift=0.0, left_drift=0.0, made=True
    )


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(
    frames=st.integers(2, 120),
    hundredths=st.integers(1, 500),
    size=st.sampled_from([(9, 5), (9, 1), (13, 5)]),
    lead=st.booleans(),
    has_end=st.booleans(),
)
def test_the_first_look_has_exactly_the_first_frames_of_the_whole(
    frames, hundredths, size, lead, has_end
):
    plan = plan_exact(
        frames, WindowSize(window=size[0], overlap=size[1]), lead=size[1] if lead else 0
    )
    plan = FilmPlan(shots=(end_with_video(plan) if has_end else plan,))
    look = shown_plan(plan, hundredths / 100)
    whole = [window(plan, index) for index in range(plan.num_windows)]
    shown = [cut_window(w, look.num_frames) for w in whole[: look.num_windows]]
    wanted = [n for n in range(frames) if Fraction(n, 25) < Fraction(hundredths, 100)]
    assert torch.cat([w.frames for w in shown]).flatten().tolist() == wanted
    assert look.num_frames == len(wanted)
    assert len(shown[-1].frames) > 0
    assert [look.kept(i) for i in range(look.num_windows - 1)] == [
        plan.kept(i) for i in range(look.num_windows - 1)
    ]


@pytest.mark.parametrize("seconds", [0.0, 0.96, 1.0, 3600.0])
def test_nothing_or_as_much_as_there_is_means_the_whole(seconds):
    assert shown_plan(WHOLE, seconds) is WHOLE


def test_the_report_tells_what_the_whole_takes():
    look = shown_plan(WHOLE, 0.5)
    assert (look.num_frames, look.num_windows) == (13, 2)
    assert describe_look(look, WHOLE, (1, 60.0)) == (
        "first look: 0.52 of 0.96 s, 2 of 5 windows; by the pace of window 1 (1 min, with loading) "
        "the whole takes about 5 min"
    )
    assert describe_look(look, WHOLE, None) == "first look: 0.52 of 0.96 s, 2 of 5 windows"
