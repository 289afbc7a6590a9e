"""FlashTalk's windows: where they lie, what they hear, what they begin with; flashtalk.md."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from pack.multitalk.config import WINDOW_SIZES, ApgConfig, WindowSize
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.schedule import shifted_sigmas, trained_sigmas
from pack.multitalk.settings import (
    DriftControl,
    GuidanceSettings,
    RunSettings,
    plan_video,
)
from pack.multitalk.trained import check_preset, describe_rule, resolve_sampler
from pack.multitalk.windows import plan_exact, window_speech
from pack.tests.multitalk.stand_ins import Painter

TRAINED = WINDOW_SIZES["flashtalk"]
SIZES = [TRAINED, WindowSize(window=17, overlap=9), WindowSize(window=29, overlap=1)]
SILENCE = torch.full((1, 1), -1.0)
STEPS = 4


def settings(size=TRAINED, **changes):
    numbers = GuidanceSettings(steps=STEPS, shift=5.0, text_guidance=1.0, audio_guidance=1.0)
    run = RunSettings(
        height=16, width=16, guidance=numbers, size=size, family="flashtalk", seed=0, sampler="lcm"
    )
    return dataclasses.replace(run, **changes)


def numbered(frames):
    """Features [F, 1, 1] that are the frame numbers."""
    return torch.arange(float(frames))[:, None, None]


def picture(_number):
    return torch.full((1, 16, 16, 3), 0.25)


class Distilled(Painter):
    """A sampler that mixes in noise after every step, as `lcm` does."""

    def denoise(self, request):
        drawn = [request.step_noise() for _ in range(STEPS - 1)]
        self.noises = [*getattr(self, "noises", []), request.noise, *drawn]
        return super().denoise(request)


def run(plan, noise=None, after=None):
    painter = Distilled(plan)
    finished = generate(
        plan, Scene(source=picture, tracks=[numbered(plan.num_frames)], silence=SILENCE),
        painter.models, noise or SeededNoise(0), family="flashtalk",
        drift=DriftControl(color_strength=0.0), after=after,
    )  # fmt: skip
    return list(finished), painter


def numbers(frames):
    """What a painter painted into frames."""
    return frames[:, 0, 0, 0].int().tolist()


def centres(speech):
    """The frame number of the track in the middle of each neighbourhood of one voice."""
    return speech[0, :, 2, 0, 0].int().tolist()


def test_trained_windows_are_33_frames_of_which_28_are_new():
    plan = plan_video(settings(), 100, 1)
    assert plan.starts == (-5, 23, 51, 79)
    assert [plan.kept(index) for index in range(4)] == [*[slice(5, 33)] * 3, slice(5, 21)]


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_as_many_windows_as_the_sound_needs_and_every_frame_once(size, short):
    new = size.window - size.overlap
    for frames in range(1, 3 * new + 3):
        plan = plan_video(settings(size, short_last_window=short), frames, 1)
        assert plan.num_windows == -(-frames // new)
        assert plan.starts == tuple(k * new - size.overlap for k in range(plan.num_windows))
        shown = [
            plan.starts[index] + place
            for index in range(plan.num_windows)
            for place in range(plan.window_frames(index))[plan.kept(index)]
        ]
        assert shown == list(range(frames))
        assert plan.last_window >= size.overlap + 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("frames", [1, 28, 29, 100])
def test_it_is_the_usual_plan_of_a_track_with_silence_in_front(size, frames):
    track, lead = numbered(frames), size.overlap
    plan = plan_video(settings(size), frames, 1)
    prefixed = torch.cat([SILENCE.expand(lead, 1, 1), track])
    usual = plan_exact(frames + lead, size)
    assert usual.num_windows == plan.num_windows
    for index in range(plan.num_windows):
        heard = window_speech(plan, index, [track], SILENCE)
        assert torch.equal(heard, window_speech(usual, index, [prefixed], SILENCE))


@pytest.mark.parametrize("size", SIZES)
def test_every_picture_frame_hears_the_sound_of_its_own_time(size):
    plan = plan_video(settings(size), 70, 1)
    windows, painter = run(plan)
    shown, heard = [], []
    for window, request in zip(windows, painter.requests, strict=True):
        assert window.start == len(shown)
        shown += numbers(window.frames)
        heard += centres(request.speech)[plan.kept(window.index)]
    assert shown == heard == list(range(70))
    first, last = centres(painter.requests[0].speech), centres(painter.requests[-1].speech)
    assert first[: size.overlap] == [-1] * size.overlap  # before the sound: silence
    assert last[plan.kept(plan.num_windows - 1).stop :].count(-1) == plan.starts[-1] + (
        size.window - 70
    )


def test_the_picture_is_encoded_and_seen_once_and_motion_is_clean():
    plan = plan_video(settings(), 80, 1)
    windows, painter = run(plan)
    assert len(windows) == 3
    assert len(painter.pictures) == 1
    assert torch.equal(painter.pictures[0], picture(0))
    assert [len(frames) for frames in painter.encoded] == [33, 5, 5]
    assert torch.equal(painter.encoded[0][:1], picture(0))
    assert (painter.encoded[0][1:] == 0.5).all()
    assert [numbers(frames) for frames in painter.encoded[1:]] == [
        [*range(23, 28)], [*range(51, 56)]
    ]  # fmt: skip
    for request in painter.requests:
        assert request.condition is painter.requests[0].condition
        assert request.known_latent_frames == 1
        assert request.motion.noise is None
    motion = [request.motion.latents for request in painter.requests]
    assert [latents.shape[2] for latents in motion] == [1, 2, 2]
    assert torch.equal(motion[0], painter.requests[0].condition[:, :, :1])
    assert motion[1][0, 0, :, 0, 0].tolist() == [23, 27]


def test_one_stream_of_noise_runs_through_all_windows():
    plan = plan_video(settings(), 80, 1)
    windows, painter = run(plan, SeededNoise(7))
    generator = torch.Generator().manual_seed(7)
    for window in range(3):
        for draw in range(1 + STEPS):  # the last one has weight 0
            wanted = torch.randn(1, 16, 9, 2, 2, generator=generator)
            if draw < STEPS:
                assert torch.equal(painter.noises[window * STEPS + draw], wanted)
    again, resumed = run(plan, SeededNoise(7), after=windows[0].state)
    assert [window.index for window in again] == [1, 2]
    for found, wanted in zip(resumed.noises, painter.noises[STEPS:], strict=True):
        assert torch.equal(found, wanted)


def test_what_two_windows_share_is_matched_in_color_before_it_is_handed_on():
    plan = plan_video(settings(), 60, 1)
    bright = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))

    def matched(strength):
        painter = Distilled(plan)
        made = generate(
            plan, Scene(source=lambda _n: bright, tracks=[numbered(60)], silence=SILENCE),
            painter.models, SeededNoise(0), family="flashtalk",
            drift=DriftControl(color_strength=strength),
        )  # fmt: skip
        windows = list(made)
        return windows, painter.encoded[1]

    for strength in (0.0, 1.0):
        windows, handed_on = matched(strength)
        assert torch.equal(handed_on, windows[0].frames[-5:])
    assert not torch.equal(matched(0.0)[1], handed_on)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8])
def test_only_4_and_2_steps_have_levels_of_their_own(steps):
    found, even = trained_sigmas("flashtalk", steps, 5.0), shifted_sigmas(steps, 5.0)
    assert torch.equal(found, even) is (steps not in (2, 4))
    for family in ("multitalk", "infinitetalk"):
        assert torch.equal(trained_sigmas(family, steps, 5.0), even)


def test_levels_of_4_steps_at_shift_5():
    wanted = torch.tensor([1, 0.9375, 0.833333, 0.625, 0])
    torch.testing.assert_close(trained_sigmas("flashtalk", 4, 5.0), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("preset", "family", "words"),
    [
        ("full", "flashtalk", "full is for MultiTalk or InfiniteTalk weights, and this run follows "
         "FlashTalk. Set preset to FlashTalk or custom"),
        ("lightx2v", "flashtalk", "preset lightx2v is for MultiTalk"),
        ("FlashTalk", "infinitetalk", "FlashTalk is for FlashTalk weights, and this run follows "
         "InfiniteTalk. Set preset to full, FusionX, lightx2v or custom"),
        ("FlashTalk", "multitalk", "this run follows MultiTalk"),
    ],
)  # fmt: skip
def test_preset_of_another_family_is_refused(preset, family, words):
    with pytest.raises(ValueError, match=words):
        check_preset({"preset": preset}, family)


def test_presets_that_fit_and_own_numbers_are_taken():
    check_preset({"preset": "FlashTalk"}, "flashtalk")
    check_preset({"preset": "full"}, "multitalk")
    for family in WINDOW_SIZES:
        check_preset({"preset": "custom"}, family)


@pytest.mark.parametrize(
    ("preset", "family", "sampler", "runs"),
    [
        ("FlashTalk", "flashtalk", "euler", "lcm"),
        ("FlashTalk", "flashtalk", "lcm", "lcm"),
        ("custom", "flashtalk", "euler", "euler"),
        ("custom", "flashtalk", "lcm", "lcm"),
        ("full", "multitalk", "euler", "euler"),
        ("lightx2v", "infinitetalk", "dpmpp_2m", "dpmpp_2m"),
    ],
)
def test_sampler_that_runs(preset, family, sampler, runs):
    assert resolve_sampler({"preset": preset}, family, sampler) == runs


def test_sampler_that_the_preset_cannot_use_is_refused():
    with pytest.raises(ValueError, match="sampler is dpmpp_2m, and preset FlashTalk runs on lcm"):
        resolve_sampler({"preset": "FlashTalk"}, "flashtalk", "dpmpp_2m")


def test_length_of_the_published_program_is_refused():
    with pytest.raises(ValueError, match=r"leaves out up to 1.1 s of the sound .* Set length to"):
        plan_video(settings(reference_length=True), 100, 1)


def test_report_says_what_the_weights_were_not_trained_for():
    assert describe_rule(settings(), "flashtalk", 1) == []
    chosen = describe_rule(settings(sampler="euler", apg=ApgConfig()), "infinitetalk", 2)
    assert [note.partition(":")[0] for note in chosen] == [
        "rule flashtalk was chosen; by the loader these are InfiniteTalk weights",
        "speakers with places of their own",
        "apg",
        "sampler euler",
    ]
    other = dataclasses.replace(settings(), family="multitalk", sampler="euler")
    assert describe_rule(other, "multitalk", 2) == []


def test_connected_euler_is_not_taken_for_as_trained():
    choice = {"preset": "FlashTalk"}
    assert resolve_sampler(choice, "flashtalk", "lcm", connected=True) == "lcm"
    with pytest.raises(ValueError, match="custom_sampler is euler, and preset FlashTalk runs on"):
        resolve_sampler(choice, "flashtalk", "euler", connected=True)
