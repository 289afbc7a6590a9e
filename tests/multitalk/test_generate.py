from __future__ import annotations

import dataclasses
from fractions import Fraction
from functools import cache

import pytest
import torch

from pack.multitalk.config import WindowSize
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.settings import DriftControl
from pack.multitalk.sound.audio import Sound, Track, Tracks, fit_sound
from pack.multitalk.windows import plan_exact, plan_reference
from pack.tests.multitalk.colors import match_colors
from pack.tests.multitalk.stand_ins import STEPS, CountedNoise, Painter

SIZES = {
    "multitalk": WindowSize(window=81, overlap=25),
    "infinitetalk": WindowSize(window=81, overlap=9),
    "toy": WindowSize(window=33, overlap=9),
}
FAMILIES = [
    ("multitalk", "multitalk"),
    ("infinitetalk", "infinitetalk"),
    ("multitalk", "toy"),
    ("infinitetalk", "toy"),
]
SILENCE = torch.full((1, 1), -1.0)


def numbered(frames):
    """Features [F, 1, 1] that are the frame numbers."""
    return torch.arange(float(frames))[:, None, None]


def source(number):
    """Frames darker than one: -1 - number, so that no painted frame looks like them."""
    return torch.full((1, 16, 16, 3), -1.0 - number)


def run(plan, family, painter=None, noise=None, *, silence=SILENCE, picture=source, color=0.0):
    painter = painter or Painter(plan)
    finished = generate(
        plan,
        Scene(source=picture, tracks=[numbered(plan.num_frames)], silence=silence),
        painter.models,
        noise or SeededNoise(0),
        family=family,
        drift=DriftControl(color_strength=color),
    )
    return finished, painter


def painted(frames):
    """The number in each frame; the whole frame must show it."""
    numbers = frames[:, 0, 0, 0]
    assert (frames == numbers[:, None, None, None]).all()
    return numbers.int().tolist()


@pytest.mark.parametrize("short", [False, True], ids=["full", "short"])
@pytest.mark.parametrize(("family", "size"), FAMILIES)
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("seconds", ["0.3", "3.24", "3.25", "10", "61"])
def test_every_frame_comes_once_and_in_order(seconds, rate, family, size, short):
    samples = int(Fraction(seconds) * rate)
    sound = Sound(waveform=torch.zeros(1, 1).expand(1, samples), sample_rate=rate)
    tracks = Tracks(tracks=(Track(sound=sound, start_s=Fraction(0)),), mix=sound)
    num_frames = tracks.num_frames
    assert num_frames == -(-samples * 25 // rate)

    assert fit_sound(sound, num_frames).duration_s == Fraction(num_frames, 25)
    check_frames(num_frames, family, size, short=short)


@cache  # most rates give as many frames
def check_frames(num_frames, family, size, *, short):
    plan = plan_exact(num_frames, SIZES[size], short_last_window=short)
    finished, painter = run(plan, family)
    numbers, indices = [], []
    for window in finished:
        assert window.frames.shape[1:] == (16, 16, 3)
        assert window.start == len(numbers)
        numbers += painted(window.frames)
        indices.append(window.index)
    assert numbers == list(range(num_frames))
    assert indices == list(range(plan.num_windows))
    for request in painter.requests:
        start, frames = plan.starts[request.index], plan.window_frames(request.index)
        heard = request.speech[0, :, 2, 0, 0].int().tolist()
        wanted = range(start, start + frames)
        assert heard == [number if number < num_frames else -1 for number in wanted]


@pytest.mark.parametrize(
    ("family", "size", "length", "frames"),
    [
        ("multitalk", "multitalk", 82, 79),
        ("multitalk", "multitalk", 1000, 997),
        ("multitalk", "multitalk", 1500, 1000),
        ("infinitetalk", "infinitetalk", 154, 154),
        ("infinitetalk", "infinitetalk", 1500, 1000),
    ],
)
def test_reference_length_joins_without_gap_too(family, size, length, frames):
    plan = plan_reference([length], SIZES[size], family=family, max_frames=1000)
    painter = Painter(plan)
    finished = generate(
        plan, Scene(source=source, tracks=[numbered(length)], silence=None),
        painter.models, SeededNoise(0), family=family, drift=DriftControl(color_strength=0.0),
    )  # fmt: skip
    assert painted(torch.cat([window.frames for window in finished])) == list(range(frames))


def test_windows_are_made_when_they_are_asked_for():
    finished, painter = run(plan_exact(60, SIZES["toy"]), "multitalk")
    assert not painter.requests
    assert next(finished).index == 0
    assert len(painter.requests) == 1


def test_first_window_knows_the_picture_and_then_grey():
    finished, painter = run(plan_exact(33, SIZES["toy"]), "multitalk")
    list(finished)
    (given,) = painter.encoded
    assert given.shape == (33, 16, 16, 3)
    assert torch.equal(given[:1], source(0))
    assert (given[1:] == 0.5).all()
    (request,) = painter.requests
    assert request.condition.shape == request.noise.shape == (1, 16, 9, 2, 2)
    assert request.speech.shape == (1, 33, 5, 1, 1)
    assert request.known_latent_frames == 1
    assert request.picture_embedding == ("embedding", 1)


@pytest.mark.parametrize("size", ["multitalk", "toy"])
def test_multitalk_continues_from_the_last_frames_of_the_window_before(size):
    window, overlap = SIZES[size].window, SIZES[size].overlap
    plan = plan_exact(3 * window, SIZES[size])
    finished, painter = run(plan, "multitalk")
    list(finished)
    assert len(painter.encoded) == plan.num_windows > 2
    assert painter.requests[0].motion is None
    for index in range(1, plan.num_windows):
        given, request = painter.encoded[index], painter.requests[index]
        start = plan.starts[index]
        assert given.shape == (window, 16, 16, 3)
        assert painted(given[:overlap]) == list(range(start, start + overlap))
        assert (given[overlap:] == 0.5).all()
        known = (overlap + 3) // 4
        assert request.known_latent_frames == known
        assert torch.equal(request.motion.latents, request.condition[:, :, :known])
        assert request.motion.latents[0, 0, :, 0, 0].tolist() == [
            start + 4 * latent for latent in range(known)
        ]
        assert request.motion.noise is not None
        assert painted(painter.pictures[index]) == [start + overlap - 1]


def test_infinitetalk_knows_one_frame_of_the_source_in_every_window():
    plan = plan_exact(100, SIZES["toy"])
    finished, painter = run(plan, "infinitetalk")
    list(finished)
    assert len(painter.encoded) == 2 * plan.num_windows - 1
    conditions = [painter.encoded[0], *painter.encoded[1::2]]
    for index, given in enumerate(conditions):
        assert given.shape == (33, 16, 16, 3)
        assert torch.equal(given[:1], source(plan.starts[index]))
        assert (given[1:] == 0.5).all()
        assert torch.equal(painter.pictures[index], source(plan.starts[index]))
        assert painter.requests[index].known_latent_frames == 1


@pytest.mark.parametrize("begins", [False, True])
def test_every_window_begins_from_the_source_frames_of_its_own_time(begins):
    plan = plan_exact(100, SIZES["toy"])
    painter = Painter(plan)
    scene = Scene(source=source, tracks=[numbered(100)], silence=SILENCE, begins_from_source=begins)
    how = {"family": "infinitetalk", "drift": DriftControl(color_strength=0.0)}
    finished = list(generate(plan, scene, painter.models, SeededNoise(0), **how))
    assert len(finished) == len(painter.requests) == 4
    for request in painter.requests:
        assert (request.start is not None) == begins
        if begins:
            times = plan.starts[request.index] + 4.0 * torch.arange(9)
            assert torch.equal(request.start[0, 0, :, 0, 0], -1 - times)
            assert request.start.shape == request.noise.shape


def test_a_still_picture_is_encoded_once_for_all_windows_of_a_length():
    plan = plan_exact(85, SIZES["toy"], short_last_window=True)
    finished, painter = run(plan, "infinitetalk", picture=lambda _frame: source(0))
    list(finished)
    assert [len(given) for given in painter.encoded] == [33, 9, 9, 13, 9]  # 9: the tails
    first, *later, last = (request.condition for request in painter.requests)
    assert all(torch.equal(first, one) for one in later)
    assert torch.equal(last, first[:, :, : last.shape[2]])


def test_infinitetalk_begins_with_the_source_and_goes_on_with_its_own_frames():
    plan = plan_exact(100, SIZES["toy"])
    finished, painter = run(plan, "infinitetalk")
    list(finished)
    first, *later = painter.requests
    assert torch.equal(first.motion.latents, first.condition[:, :, :1])
    assert first.motion.noise is None
    for request, tail in zip(later, painter.encoded[2::2], strict=True):
        start = plan.starts[request.index]
        assert painted(tail) == list(range(start, start + 9))  # no grey
        assert request.motion.latents[0, 0, :, 0, 0].tolist() == [start, start + 4, start + 8]
        assert request.motion.noise is None


def test_short_window_is_short_everywhere():
    plan = plan_exact(36, SIZES["toy"], short_last_window=True)
    finished, painter = run(plan, "multitalk")
    list(finished)
    assert len(painter.encoded[1]) == 13
    assert painter.requests[1].noise.shape == (1, 16, 4, 2, 2)
    assert painter.requests[1].speech.shape == (1, 13, 5, 1, 1)


def test_multitalk_draws_before_every_model_call_and_once_after():
    noise = CountedNoise()
    finished, painter = run(plan_exact(80, SIZES["toy"]), "multitalk", noise=noise)
    list(finished)
    window, motion = ("window", (1, 16, 9, 2, 2)), ("motion", (1, 16, 3, 2, 2))
    assert noise.draws == [window] + 2 * [window, *[motion] * (STEPS + 1)]
    assert [float(r.noise[0, 0, 0, 0, 0]) for r in painter.requests] == [1, 2, 3 + STEPS + 1]


def test_infinitetalk_draws_once_per_window():
    noise = CountedNoise()
    finished, _ = run(plan_exact(80, SIZES["toy"]), "infinitetalk", noise=noise)
    list(finished)
    assert noise.draws == [("window", (1, 16, 9, 2, 2))] * 3


class Generous(Painter):
    """Decodes three frames more than the latents stand for."""

    def decode(self, latents):
        frames = super().decode(latents)
        return torch.cat([frames, frames[-1:].expand(3, -1, -1, -1)])


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
def test_frames_beyond_the_window_are_dropped(family):
    plan = plan_exact(60, SIZES["toy"])
    finished, _ = run(plan, family, Generous(plan))
    assert painted(torch.cat([window.frames for window in finished])) == list(range(60))


def test_missing_silence_repeats_the_end_of_the_speech():
    finished, painter = run(plan_exact(30, SIZES["toy"]), "multitalk", silence=None)
    list(finished)
    assert painter.requests[0].speech[0, :, 2, 0, 0].tolist() == [*range(30), 29, 29, 29]


class Colourful(Painter):
    """Decodes to random pictures instead of numbers."""

    def decode(self, latents):
        seed = int(latents[0, 0, 0, 0, 0])
        frames = 4 * (latents.shape[2] - 1) + 1
        random = torch.Generator().manual_seed(seed)
        self.decoded.append(torch.rand(frames, 16, 16, 3, generator=random))
        return self.decoded[-1].clone()


def coloured(number):
    random = torch.Generator().manual_seed(1000 + number)
    return 0.3 + 0.4 * torch.rand(1, 16, 16, 3, generator=random)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
def test_every_window_is_matched_to_source_frame_zero_before_the_next(family, strength):
    plan = plan_exact(70, SIZES["toy"])
    finished, painter = run(plan, family, Colourful(plan), picture=coloured, color=strength)
    windows = list(finished)
    matched = [match_colors(f, coloured(0)[0], strength=strength) for f in painter.decoded]
    for window in windows:
        kept = plan.kept(window.index)
        assert torch.equal(window.frames, matched[window.index][kept])
    tails = painter.encoded[1:] if family == "multitalk" else painter.encoded[2::2]
    for tail, before in zip(tails, matched, strict=False):
        assert torch.equal(tail[:9], before[-9:])
    assert len(tails) == plan.num_windows - 1


@pytest.mark.parametrize("overlap", [5, 21, 29])
def test_next_window_sees_matched_frames_for_any_overlap(overlap):
    plan = plan_exact(80, WindowSize(window=33, overlap=overlap))
    finished, painter = run(plan, "multitalk", Colourful(plan), picture=coloured, color=1.0)
    list(finished)
    for tail, frames in zip(painter.encoded[1:], painter.decoded, strict=False):
        matched = match_colors(frames, coloured(0)[0], strength=1.0)
        assert torch.equal(tail[:overlap], matched[-overlap:])


def test_colours_are_matched_where_the_models_say():
    plan = plan_exact(33, SIZES["toy"])
    painter = Colourful(plan)
    finished = generate(
        plan, Scene(source=coloured, tracks=[numbered(33)], silence=SILENCE),
        dataclasses.replace(painter.models, device=torch.device("cpu")), SeededNoise(0),
        family="multitalk", drift=DriftControl(),
    )  # fmt: skip
    (window,) = finished
    assert torch.equal(
        window.frames, match_colors(painter.decoded[0], coloured(0)[0], strength=1.0)
    )


def test_changing_yielded_frames_does_not_reach_the_next_window():
    finished, painter = run(plan_exact(60, SIZES["toy"]), "multitalk")
    for window in finished:
        window.frames.zero_()
    assert painted(painter.encoded[1][:9]) == list(range(24, 33))


def test_seed_decides_the_noise():
    shape = (1, 16, 2, 2, 2)
    first, same, other = (SeededNoise(seed) for seed in (7, 7, 8))
    drawn = first.window(shape)
    assert drawn.shape == shape
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, torch.randn(shape, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(same.window(shape), drawn)
    assert not torch.equal(other.window(shape), drawn)


def test_window_and_motion_noise_are_one_stream_apart_from_the_global_one():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    noise, random = SeededNoise(7), torch.Generator().manual_seed(7)
    for draw in (noise.window, noise.motion, noise.window):
        assert torch.equal(draw((3, 4)), torch.randn(3, 4, generator=random))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
def test_same_seed_gives_the_same_requests(family):
    plan, drawn = plan_exact(60, SIZES["toy"]), []
    for _ in range(2):
        finished, painter = run(plan, family, noise=SeededNoise(3))
        list(finished)
        drawn.append([request.noise for request in painter.requests])
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))
    assert not torch.equal(drawn[0][0], drawn[0][1])
