"""Videos that end on a picture: the last frame is the one, whatever length, windows and rule."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.color import color_statistics
from pack.multitalk.config import FAMILIES, WINDOW_SIZES, WindowSize
from pack.multitalk.ending import match_towards
from pack.multitalk.frames import count_latent_frames
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings, plan_video
from pack.multitalk.windows import end_with_video, plan_exact
from pack.tests.multitalk.stand_ins import Painter
from pack.tests.multitalk.test_generate import SILENCE, numbered, painted, source

END = torch.full((1, 16, 16, 3), -5000.0)


def near(one, other):
    """Whether statistics are the same but for 0.05 in Lab; with pale colors none is cut off."""
    return torch.allclose(one, other, rtol=0, atol=0.05)


def pale(number, *, light=0.5, frames=1, tint=(1.0, 1.0, 1.0)):
    """Pictures of little contrast, [F, 16, 16, 3]."""
    random = torch.Generator().manual_seed(number)
    noise = torch.rand(frames, 16, 16, 3, generator=random) - 0.5
    return (light + 0.1 * noise) * torch.tensor(tint)


class Ending(Painter):
    """Paints frames that are known as the end image with that, all others with their number."""

    def decode(self, latents):
        frames = super().decode(latents)
        known = self.requests[-1].known_end_frames
        if known:
            frames[-known:] = END
        return frames


def run_settings(family, size, **changes):
    guidance = GuidanceSettings(steps=1, shift=1.0, text_guidance=1.0, audio_guidance=1.0)
    settled = RunSettings(
        height=16, width=16, guidance=guidance, size=size, family=family, seed=0, sampler="euler"
    )
    return dataclasses.replace(settled, **changes)


def run(plan, family, painter, *, end=END, color=0.0, picture=source, **options):
    return generate(
        plan,
        Scene(source=picture, tracks=[numbered(plan.num_frames)], silence=SILENCE, end=end),
        options.pop("models", painter.models),
        SeededNoise(0),
        family=family,
        drift=DriftControl(color_strength=color),
        **options,
    )


@st.composite
def plans(draw):
    """Family, windows 4n+1 and a length, with the plan of its video up to an end image."""
    family = draw(st.sampled_from(FAMILIES))
    overlap = 4 * draw(st.integers(0, 3)) + 1
    window = overlap + 4 * draw(st.integers(1, 5))
    short = draw(st.booleans())
    num_frames = draw(st.integers(2, 4 * window))
    size = WindowSize(window=window, overlap=overlap)
    made = run_settings(family, size, short_last_window=short)
    without = plan_video(made, num_frames, 1)
    return family, plan_video(made, num_frames, 1, has_end=True), without


@settings(max_examples=25, deadline=None)
@given(plans())
def test_the_last_frame_is_the_end_image_and_all_others_come_once_and_in_order(drawn):
    family, plan, without = drawn
    painter = Ending(plan)
    numbers = []
    models = dataclasses.replace(painter.models, join_embeddings=lambda *pair: pair)
    for window in run(plan, family, painter, models=models):
        assert window.start == len(numbers)
        numbers += painted(window.frames)
    assert numbers == [*range(plan.num_frames - 1), -5000]
    assert (plan.num_windows, plan.last_window) == (without.num_windows, without.last_window)
    *others, last = painter.requests
    assert not any(request.known_end_frames for request in others)
    assert last.known_end_frames == plan.last_window - plan.end
    assert last.end_latents is None
    heard = last.speech[0, :, 2, 0, 0].int().tolist()
    assert heard[plan.end] == plan.num_frames - 1


@settings(max_examples=25, deadline=None)
@given(plans())
def test_without_training_for_it_the_end_image_fills_the_last_latent_frame_of_the_video(drawn):
    family, plan, _ = drawn
    painter = Ending(plan)
    numbers = painted(torch.cat([window.frames for window in run(plan, family, painter)]))
    shown = numbers.count(-5000)
    assert 1 <= shown <= 4
    assert numbers == [*range(plan.num_frames - shown), *[-5000] * shown]
    assert shown == 4 or plan.num_windows == 1
    request = painter.requests[-1]
    first = plan.last_window - request.known_end_frames
    assert first % 4 == 1
    assert first <= plan.end
    known = request.end_latents.shape[2]
    assert known == request.known_end_frames // 4 == request.noise.shape[2] - (first + 3) // 4
    assert (request.end_latents == -5000).all()
    assert (request.condition[:, :, -known + 1 :] == -5000).all() or known == 1


@settings(max_examples=25, deadline=None)
@given(plans())
def test_the_last_of_several_windows_ends_with_the_video_and_with_a_latent_frame(drawn):
    _, plan, without = drawn
    last = plan.num_windows - 1
    if last:
        assert plan.end == plan.last_window - 1
        assert plan.end % 4 == 0
        assert len(range(*plan.kept(last).indices(plan.last_window))) == (
            plan.last_window - plan.size.overlap
        )
        assert plan.kept(last - 1).stop > plan.kept(last - 1).start
    else:
        assert plan == without
    assert plan.starts[:-1] == without.starts[:-1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.4])
def test_frames_between_the_known_ones_are_grey(family, seconds):
    size = WINDOW_SIZES[family]
    plan = plan_video(run_settings(family, size), round(25 * seconds), 1, has_end=True)
    painter = Ending(plan)
    list(run(plan, family, painter))
    encoded = [frames for frames in painter.encoded if len(frames) == plan.last_window]
    condition, known = encoded[-1], painter.requests[-1].known_latent_frames
    last = plan.last_window - painter.requests[-1].known_end_frames
    first = size.overlap if family == "multitalk" and plan.num_windows > 1 else 1
    assert known == count_latent_frames(first)
    assert torch.equal(condition[last:], END.expand(plan.last_window - last, -1, -1, -1))
    assert (condition[first:last] == 0.5).all()
    assert not (condition[:first] == 0.5).any()
    if family == "multitalk" and plan.num_windows > 1:
        assert painted(condition[:first]) == list(range(plan.starts[-1], plan.starts[-1] + first))


def test_a_video_of_one_frame_and_the_reference_length_have_no_end_image():
    with pytest.raises(ValueError, match=r"1 frame, which cannot show both image and end_image"):
        end_with_video(plan_exact(1, WindowSize(window=9, overlap=5)))
    made = run_settings("multitalk", WindowSize(window=9, overlap=5), reference_length=True)
    assert plan_video(made, 40, 1).num_frames == 37
    with pytest.raises(ValueError, match=r"no end image\. Set length to exact, or leave end_image"):
        plan_video(made, 40, 1, has_end=True)


def test_an_embedding_of_the_end_image_comes_along_where_the_network_takes_it():
    plan = end_with_video(plan_exact(40, WindowSize(window=33, overlap=9)))
    alone, both = Ending(plan), Ending(plan)
    list(run(plan, "infinitetalk", alone))
    assert [request.picture_embedding for request in alone.requests] == [
        ("embedding", 1), ("embedding", 2),
    ]  # fmt: skip
    models = dataclasses.replace(both.models, join_embeddings=lambda *pair: pair)
    list(run(plan, "infinitetalk", both, models=models))
    assert both.requests[0].picture_embedding == ("embedding", 1)
    assert both.requests[1].picture_embedding == (("embedding", 2), ("embedding", 3))
    assert torch.equal(both.pictures[2], END)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_goes_on_to_the_same_end(family):
    size = WindowSize(window=33, overlap=9)
    plan = plan_video(run_settings(family, size), 71, 1, has_end=True)
    assert plan.starts[-1] == 71 - 33
    whole = Ending(plan)
    windows = list(run(plan, family, whole))
    rest = Ending(plan)
    (last,) = run(plan, family, rest, after=windows[-2].state)
    assert torch.equal(last.frames, windows[-1].frames)
    assert torch.equal(rest.requests[-1].condition, whole.requests[-1].condition)
    assert torch.equal(rest.requests[-1].noise, whole.requests[-1].noise)


@pytest.mark.parametrize("num_frames", [20, 40])
def test_colours_go_over_from_the_window_before_to_those_of_the_end_image(num_frames):
    plan = end_with_video(plan_exact(num_frames, WindowSize(window=33, overlap=9)))
    frames, end = pale(1, frames=33), pale(3, light=0.6, tint=(0.7, 1.0, 1.1))
    start, wanted = color_statistics(pale(0)), color_statistics(end)
    made = match_towards(frames, start, end, plan, skipped=0, strength=1.0)
    kept = plan.kept(plan.num_windows - 1)
    begin = max(0, kept.start - 1)
    assert near(color_statistics(made[plan.end :][:1]), wanted)
    assert near(color_statistics(made[begin:][:1]), start)
    means = torch.stack([color_statistics(frame[None])[0] for frame in made[kept]])
    whole = (wanted - start)[0]
    way = ((means - start[0]) @ whole) / (whole @ whole)
    assert (way.diff() > 0).all()
    assert torch.equal(match_towards(frames, start, end, plan, skipped=0, strength=0.0), frames)


class Pale(Ending):
    """Decodes to random pictures."""

    def decode(self, latents):
        self.decoded.append(pale(len(self.decoded), frames=33))
        return self.decoded[-1].clone()


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_last_window_goes_to_the_colours_of_the_end_image(family):
    plan = plan_video(run_settings(family, WindowSize(window=33, overlap=9)), 71, 1, has_end=True)
    first, end = pale(90), pale(91, light=0.6, tint=(1.1, 0.7, 0.9))
    run_of = run(plan, family, Pale(plan), end=end, color=1.0, picture=lambda _number: first)
    *before, last = run_of
    for window in before:
        shown = color_statistics(window.frames[-1:])
        assert near(shown, color_statistics(first))
    shown = color_statistics(last.frames[-1:])
    assert near(shown, color_statistics(end))
