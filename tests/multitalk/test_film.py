"""Shots and continuations: every frame is where its time says, and begins from what it should.

A painter in place of the network paints the number of every frame.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.config import FAMILIES, WindowSize
from pack.multitalk.film import FilmPlan, generate_film, plan_film
from pack.multitalk.finite import NotFiniteError
from pack.multitalk.generate import Scene
from pack.multitalk.noise import SeededNoise
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings
from pack.multitalk.shots import MIN_SHOT_FRAMES, check_cuts, cut_frame
from pack.multitalk.sound.audio import Sound, fit_sound
from pack.multitalk.windows import plan_exact
from pack.tests.multitalk.stand_ins import CountedNoise, Painter

few_examples = settings(derandomize=True, deadline=None, database=None, max_examples=12)
SILENCE = torch.full((1, 1), -1.0)
GUIDANCE = GuidanceSettings(steps=1, shift=1.0, text_guidance=1.0, audio_guidance=1.0)


def settings_of(family, size, **more):
    return RunSettings(
        height=16, width=16, guidance=GUIDANCE, size=size, family=family, seed=0, sampler="euler",
        **more,
    )  # fmt: skip


def picture_of(shot):
    """A picture that no painted frame looks like: another for every shot."""
    return torch.full((1, 16, 16, 3), -100.0 - shot)


def film(plan, family, *, before=None, after=None, noise=None, color=0.0, drift=None, end=None):
    """All windows of a film whose voice is the frame numbers, and what its painter saw."""
    painter = Painter(plan)
    last = len(plan.shots) - 1
    scenes = [
        Scene(
            source=lambda _number, shot=shot: picture_of(shot),
            tracks=[torch.arange(float(plan.num_frames))[:, None, None]],
            silence=SILENCE,
            before=before if shot == 0 else None,
            end=end if shot == last else None,
        )
        for shot in range(last + 1)
    ]
    windows = generate_film(
        plan, scenes, painter.models, noise or SeededNoise(0), family=family,
        drift=drift or DriftControl(color_strength=color), after=after,
    )  # fmt: skip
    return list(windows), painter


def painted(frames):
    return frames[:, 0, 0, 0].int().tolist()


@st.composite
def sizes(draw):
    window = draw(st.integers(2, 12))
    return WindowSize(window=4 * window + 1, overlap=4 * draw(st.integers(0, window - 1)) + 1)


@st.composite
def films(draw):
    """Frames of a video and cuts in it."""
    least = MIN_SHOT_FRAMES
    lengths = draw(st.lists(st.integers(least, 50), min_size=1, max_size=3))
    begins = [sum(lengths[:number]) for number in range(1, len(lengths))]
    return sum(lengths), begins


@few_examples
@given(
    lengths=films(),
    size=sizes(),
    family=st.sampled_from(FAMILIES),
    short=st.booleans(),
    continues=st.booleans(),
)
def test_every_frame_of_every_shot_is_where_its_time_says(lengths, size, family, short, continues):
    num_frames, cuts = lengths
    chosen = settings_of(family, size, short_last_window=short)
    plan = plan_film(chosen, num_frames, 1, cuts=cuts, continues=continues)
    before = torch.arange(-1.0 * size.overlap, 0)[:, None, None, None].expand(-1, 16, 16, 3)
    windows, painter = film(plan, family, before=before if continues else None)
    assert (plan.num_frames, plan.cuts) == (num_frames, tuple(cuts))
    shown = []
    for index, window in enumerate(windows):
        assert (window.index, window.state.index) == (index, index)
        assert window.start == len(shown)
        shown += painted(window.frames)
        number, within = plan.place(index)
        shot = plan.shots[number]
        last = cuts[number] if number < len(cuts) else num_frames
        assert shown[-1] < last or not len(window.frames)  # cut to the cut
        request, start = painter.requests[index], plan.starts[index]
        heard = request.speech[0, :, 2, 0, 0].int().tolist()
        wanted = range(start, start + plan.window_frames(index))
        assert heard == [f if 0 <= f < num_frames else -1 for f in wanted]  # across cuts
        known = float(request.condition[0, 0, 0, 0, 0])
        pinned = (
            None if request.motion is None else painted(request.motion.latents[0].movedim(0, -1))
        )
        if within == 0 and not (continues and number == 0):
            assert start + shot.lead == (0, *cuts)[number]
            assert known == -100 - number
            assert pinned == (None if family == "multitalk" else [-100 - number])
        else:  # from the frames just before, of this shot or of the video that goes on
            tail = list(range(start, start + size.overlap, 4))
            assert pinned == tail
            assert known == (start if family == "multitalk" else -100 - number)
    assert shown == list(range(num_frames))


@few_examples
@given(
    seconds=st.fractions(Fraction(1, 2), 20, max_denominator=1000),
    rate=st.sampled_from([8000, 11_025, 16_000, 24_000, 44_100, 48_000]),
    share=st.floats(0.1, 0.9),
)
def test_cut_is_the_frame_nearest_to_its_time_and_sound_runs_through(seconds, rate, share):
    samples = int(seconds * rate)
    sound = Sound(waveform=torch.arange(float(samples))[None], sample_rate=rate)
    num_frames, time_s = -(-samples * 25 // rate), float(seconds * 10) * share / 10
    cut = cut_frame(time_s)
    assert abs(Fraction(cut, 25) - Fraction(time_s)) <= Fraction(1, 50)
    try:
        check_cuts([cut], num_frames)
    except ValueError:
        assert cut < MIN_SHOT_FRAMES or cut + MIN_SHOT_FRAMES > num_frames
        return
    size = WindowSize(window=33, overlap=9)
    plan = plan_film(settings_of("multitalk", size), num_frames, 1, cuts=[cut])
    assert [shot.num_frames for shot in plan.shots] == [cut, num_frames - cut]
    heard = fit_sound(sound, plan.num_frames)
    assert heard.duration_s == Fraction(num_frames, 25)
    assert torch.equal(heard.waveform[:, :samples], sound.waveform)  # no cut is in it


@pytest.mark.parametrize("family", FAMILIES)
def test_continued_run_gives_the_same_bits_from_any_window_on(family):
    size = WindowSize(window=9, overlap=5)
    plan = plan_film(settings_of(family, size), 34, 1, cuts=[11, 24])
    drift = DriftControl(color_reference="running mean")
    whole, painter = film(plan, family, drift=drift)
    assert min(shot.num_windows for shot in plan.shots) > 1
    ends_shot = plan.shots[0].num_windows - 1
    for stopped in (ends_shot - 1, ends_shot, ends_shot + 1):
        rest, again = film(plan, family, after=whole[stopped].state, drift=drift)
        assert [window.index for window in rest] == list(range(stopped + 1, plan.num_windows))
        for window, wanted in zip(rest, whole[stopped + 1 :], strict=True):
            assert torch.equal(window.frames, wanted.frames)
            assert torch.equal(window.state.colors, wanted.state.colors)
        for request, wanted in zip(again.requests, painter.requests[stopped + 1 :], strict=True):
            assert torch.equal(request.noise, wanted.noise)


def test_shots_go_on_in_one_stream_of_random_numbers():
    size = WindowSize(window=9, overlap=5)
    plan = plan_film(settings_of("multitalk", size), 30, 1, cuts=[12])
    noise = CountedNoise()
    _, painter = film(plan, "multitalk", noise=noise)
    drawn = [float(request.noise.mean()) for request in painter.requests]
    assert drawn == sorted(set(drawn))
    assert [kind for kind, _ in noise.draws].count("window") == plan.num_windows


def test_colors_and_drift_are_those_of_the_shots_own_picture():
    size = WindowSize(window=9, overlap=5)
    plan = plan_film(settings_of("infinitetalk", size), 30, 1, cuts=[12])
    pictures = [torch.rand(1, 16, 16, 3) * scale for scale in (1.0, 0.3)]
    painter = Painter(plan)
    models = replace(painter.models, decode=lambda x: torch.rand(4 * x.shape[2] - 3, 16, 16, 3))
    scenes = [
        Scene(source=lambda _n, own=own: own, tracks=[torch.zeros(30, 1, 1)], silence=SILENCE)
        for own in pictures
    ]
    windows = list(
        generate_film(
            plan, scenes, models, SeededNoise(0), family="infinitetalk", drift=DriftControl()
        )
    )
    for window in windows:
        shot, within = plan.place(window.index)
        mean = pictures[shot].mean()
        assert window.frames.mean() == pytest.approx(float(mean), abs=0.05)
        assert window.left_drift < 3
        assert len(window.state.colors) == within + 1  # nothing of the shots before


def test_end_image_is_that_of_the_last_shot():
    size = WindowSize(window=9, overlap=5)
    plan = plan_film(settings_of("infinitetalk", size), 33, 1, cuts=[15], has_end=True)
    end = torch.full((1, 16, 16, 3), 0.7)
    windows, painter = film(plan, "infinitetalk", end=end)
    assert plan.shots[0].starts == plan_exact(15, size).starts
    assert plan.starts[-1] + size.window == 33
    held = [request.known_end_frames for request in painter.requests]
    assert [bool(frames) for frames in held] == [False] * (plan.num_windows - 1) + [True]
    assert torch.cat([window.frames for window in windows]).shape[0] == 33


def test_window_of_a_later_shot_is_named_by_its_number_in_the_film():
    size = WindowSize(window=9, overlap=5)
    plan = plan_film(settings_of("multitalk", size), 24, 1, cuts=[13])
    painter = Painter(plan)
    fail = plan.shots[0].num_windows
    models = replace(
        painter.models,
        denoise=lambda r: torch.full_like(r.noise, float("nan") if r.index == fail else 0.0),
    )
    scene = Scene(source=lambda _n: picture_of(0), tracks=[torch.zeros(24, 1, 1)], silence=SILENCE)
    made = generate_film(
        plan, [scene, scene], models, SeededNoise(0), family="multitalk", drift=DriftControl()
    )
    words = f"Window {fail + 1} of {plan.num_windows} stops the run"
    with pytest.raises(NotFiniteError, match=words):
        list(made)


def test_cuts_without_any_are_one_shot():
    size = WindowSize(window=33, overlap=9)
    plan = plan_film(settings_of("multitalk", size), 100, 1)
    assert plan == FilmPlan(shots=(replace(plan_exact(100, size), in_all=plan.num_windows),))
    assert (plan.starts, plan.cuts) == (plan.shots[0].starts, ())


@pytest.mark.parametrize("what", [{"cuts": [50]}, {"continues": True}])
def test_reference_length_knows_neither(what):
    chosen = settings_of("multitalk", WindowSize(window=33, overlap=9), reference_length=True)
    name = "shots" if "cuts" in what else "continue_from"
    with pytest.raises(ValueError, match=f"length is reference, and {name} is connected"):
        plan_film(chosen, 100, 1, **what)
