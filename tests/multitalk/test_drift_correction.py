"""Drift correction: still places stay as the first window has them, all else is left alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pack.multitalk.drift import CHANGED, correct_drift_, measure_look
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.runs.files import pack_state, unpack_state
from pack.multitalk.settings import DriftControl
from pack.multitalk.windows import plan_exact
from pack.tests.multitalk.stand_ins import Painter
from pack.tests.multitalk.test_generate import SILENCE, SIZES, numbered

HEIGHT, WIDTH = 32, 48
WHOLE = DriftControl(color_strength=0, correction=1.0)


def room(frames, *, seed=0):
    """A still room that flickers a little: [F, H, W, 3]."""
    random = torch.Generator().manual_seed(seed)
    still = 0.2 + 0.6 * torch.rand(1, HEIGHT, WIDTH, 3, generator=random)
    return still + 0.01 * torch.randn(frames, HEIGHT, WIDTH, 3, generator=random)


def corrected(frames, first, *, strength):
    """A corrected copy."""
    copy = frames.clone()
    correct_drift_(copy, first, strength=strength)
    return copy


def far(frames, others):
    """Mean distance of the mean frames."""
    return float((frames.mean(0) - others.mean(0)).abs().mean())


def test_a_look_is_mean_and_deviation_over_time():
    frames = room(9)
    look = measure_look(frames)
    assert torch.allclose(look[..., :3], frames.mean(0))
    deviation = (frames - frames.mean(0)).square().sum(-1).mean(0).sqrt()
    assert torch.allclose(look[..., 3], deviation)


def test_what_a_still_room_drifts_by_is_taken_back():
    first = room(9)
    drifted = (first + torch.tensor([0.02, -0.015, 0.01])).clamp(0, 1)
    back = corrected(drifted, measure_look(first), strength=1.0)
    assert far(back, first) < 0.1 * far(drifted, first)
    half = corrected(drifted, measure_look(first), strength=0.5)
    assert far(half, first) == pytest.approx(0.5 * far(drifted, first), rel=0.1)


def test_strength_0_and_a_window_without_drift_stay_as_they_are():
    first = room(9)
    drifted = first + 0.02
    assert torch.equal(corrected(drifted, measure_look(first), strength=0.0), drifted)
    assert torch.allclose(corrected(first, measure_look(first), strength=1.0), first, atol=1e-6)


def test_what_has_changed_on_purpose_stays_changed():
    first = room(9)
    changed = first.clone()
    new = torch.tensor([1.0, 0.0, 1.0])  # as no place of the room is
    changed[:, 8:24, 8:24] = new
    back = corrected(changed, measure_look(first), strength=1.0)
    inside = (back - changed)[:, 12:20, 12:20].abs()
    assert float(inside.max()) < 0.02
    assert torch.allclose(back[:, :, 32:], changed[:, :, 32:], atol=1e-3)


def test_what_moves_is_left_alone():
    first = room(10)
    first[::2, 8:24, 8:24] = 1.0  # something that opens and shuts, such as a mouth
    first[1::2, 8:24, 8:24] = 0.0
    later = first.clone()
    later[:, 8:24, 8:24] = 0.4  # and is shut now
    later[:, :6] += 0.02  # drift beside it
    later[:, 26:] += 0.02
    back = (corrected(later, measure_look(first), strength=1.0) - later).mean(0)
    assert float(back[8:24, 8:24].abs().max()) < 1e-3
    assert float(back[7, 8:24].abs().max()) < 1e-3  # nor is its rim held
    assert float(back[30, 8:24].mean()) == pytest.approx(-0.02, abs=0.003)


@given(
    st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), st.floats(0, 1), st.integers(0, 99)
)
def test_frames_keep_shape_kind_and_limits(frames, rows, columns, strength, seed):
    random = torch.Generator().manual_seed(seed)
    shape = (16 * rows, 16 * columns, 3)
    first, later = (torch.rand(frames, *shape, generator=random) for _ in range(2))
    back = corrected(later, measure_look(first), strength=strength)
    assert back.shape == later.shape
    assert back.dtype == later.dtype
    assert float(back.min()) >= 0
    assert float(back.max()) <= 1
    # No pixel moves further than a difference that counts as drift can lead.
    assert float((back - later).abs().max()) <= CHANGED


class Fading(Painter):
    """Every window is a still room, brighter by `step` than the one it continues from."""

    step = 0.02

    def denoise(self, request):
        self.requests.append(request)
        return torch.full_like(request.noise, float(request.condition[0, 0, 0, 0, 0]))

    def decode(self, latents):
        frames, (height, width) = 4 * (latents.shape[2] - 1) + 1, latents.shape[3:]
        level = float(latents[0, 0, 0, 0, 0]) + self.step
        return torch.full((frames, 8 * height, 8 * width, 3), level)


def fading(drift, *, family="multitalk", after=None, frames=200):
    plan = plan_exact(frames, SIZES["toy"])
    scene = Scene(
        source=lambda _: torch.full((1, 16, 16, 3), 0.3),
        tracks=[numbered(plan.num_frames)], silence=SILENCE,
    )  # fmt: skip
    models = Fading(plan).models
    return list(
        generate(plan, scene, models, SeededNoise(3), family=family, drift=drift, after=after)
    )


def test_drift_adds_up_over_windows_and_does_not_when_it_is_corrected():
    loose = fading(DriftControl(color_strength=0))
    held = fading(WHOLE)
    assert len(loose) > 5
    assert torch.equal(loose[0].frames, held[0].frames)
    first = float(held[0].frames.mean())
    # Without it every window adds a step, as far as white.
    assert float(loose[-1].frames.mean()) == pytest.approx(
        first + 0.02 * (len(loose) - 1), abs=0.02
    )
    assert abs(float(held[-1].frames.mean()) - first) < 0.003
    tail = held[-1].state.tail
    assert torch.equal(tail, held[-1].frames[-len(tail) :])


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
def test_windows_after_a_stop_are_those_of_the_unbroken_run(family):
    whole = fading(WHOLE, family=family)
    for index in range(len(whole) - 1):
        stored = unpack_state(pack_state(whole[index].state), whole[index].state.index)
        rest = fading(WHOLE, family=family, after=stored)
        assert len(rest) == len(whole) - index - 1
        for window, expected in zip(rest, whole[index + 1 :], strict=True):
            assert torch.equal(window.frames, expected.frames)
            for field in dataclasses.fields(window.state):
                found, wanted = (getattr(w.state, field.name) for w in (window, expected))
                assert found == wanted if field.name == "index" else torch.equal(found, wanted)


def test_a_state_holds_no_look_where_nothing_is_corrected():
    (first, *_) = fading(DriftControl(color_strength=0), frames=60)
    assert first.state.look is None
    assert unpack_state(pack_state(first.state), 0).look is None
