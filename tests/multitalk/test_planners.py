"""Every frame, sample and cell exactly once, and every index in range, at any size.

Examples are drawn by hypothesis, always the same ones: nothing is stored, nothing is timed.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pack.multitalk.config import (
    FAMILIES,
    MAX_SPEAKERS,
    WINDOW_SIZES,
    AudioPartConfig,
    WindowSize,
)
from pack.multitalk.frames import (
    BUCKETS,
    bucket_size,
    count_frames,
    count_latent_frames,
    fit_frames,
    fit_masks,
)
from pack.multitalk.generate import Models, Scene, generate
from pack.multitalk.model.audio_attention import group_by_latent_frame, speaker_axis
from pack.multitalk.noise import SeededNoise
from pack.multitalk.schedule import shifted_sigmas
from pack.multitalk.settings import DriftControl
from pack.multitalk.sound.audio import (
    Sound,
    Track,
    encoder_waveform,
    fit_sound,
    place_tracks,
    start_times,
)
from pack.multitalk.speakers import (
    Box,
    half_masks,
    latent_masks,
    masks_from_boxes,
    token_masks,
)
from pack.multitalk.windows import check_window_size, plan_exact, plan_reference, window_speech

same_examples = settings(derandomize=True, deadline=None, database=None, max_examples=150)
few_examples = settings(same_examples, max_examples=40)

RATES = (1, 7, 8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000)
SILENCE = -1.0


@st.composite
def any_sizes(draw):
    """Any window and a smaller overlap, 4n+1 or not."""
    window = draw(st.integers(2, 100))
    return WindowSize(window=window, overlap=draw(st.integers(1, window - 1)))


@st.composite
def wan_sizes(draw):
    """What the nodes accept: 4n+1 both."""
    window = draw(st.integers(1, 100))
    return WindowSize(window=4 * window + 1, overlap=4 * draw(st.integers(0, window - 1)) + 1)


def numbers_of(plan):
    """Numbers of the frames that the windows put into the video, in order."""
    frames = []
    for index in range(plan.num_windows):
        sampled = range(plan.window_frames(index))
        frames += [plan.starts[index] + frame for frame in sampled[plan.kept(index)]]
    return frames


def numbered(frames):
    """Features [F, 1, 1] that are the frame numbers."""
    return torch.arange(float(frames))[:, None, None]


@same_examples
@given(frames=st.integers(1, 3000), size=st.one_of(any_sizes(), wan_sizes()))
def test_exact_plan_gives_every_frame_once(frames, size):
    plan = plan_exact(frames, size)
    assert numbers_of(plan) == list(range(frames))
    assert list(plan.starts) == [i * (size.window - size.overlap) for i in range(plan.num_windows)]
    assert plan.starts[-1] + size.window >= frames
    assert all(start + size.window < frames for start in plan.starts[:-1])
    assert {plan.window_frames(index) for index in range(plan.num_windows)} == {size.window}


@same_examples
@given(frames=st.integers(1, 3000), size=wan_sizes())
def test_short_last_window_gives_every_frame_once(frames, size):
    check_window_size(size)
    plan = plan_exact(frames, size, short_last_window=True)
    assert numbers_of(plan) == list(range(frames))
    assert plan.starts == plan_exact(frames, size).starts
    assert plan.last_window % 4 == 1
    assert plan.starts[-1] + plan.last_window - frames in range(4)
    assert plan.last_window <= size.window
    assert plan.num_windows == 1 or plan.last_window > size.overlap


@same_examples
@given(
    lengths=st.lists(st.integers(1, 1500), min_size=1, max_size=MAX_SPEAKERS),
    size=wan_sizes(),
    family=st.sampled_from(["multitalk", "infinitetalk"]),  # FlashTalk refuses this length
    max_frames=st.integers(1, 1200),
)
def test_reference_plan_gives_frames_without_gap_or_refuses(lengths, size, family, max_frames):
    if min(lengths) <= size.window:
        with pytest.raises(ValueError, match="reference mode needs more than one window"):
            plan_reference(lengths, size, family=family, max_frames=max_frames)
        return
    plan = plan_reference(lengths, size, family=family, max_frames=max_frames)
    assert numbers_of(plan) == list(range(plan.num_frames))
    assert 1 <= plan.num_frames <= max_frames
    tracks = [numbered(length) for length in lengths]
    for index in range(plan.num_windows):
        speech = window_speech(plan, index, tracks, None)
        assert speech.shape == (len(lengths), plan.window_frames(index), 5, 1, 1)
        for row, length in zip(speech, lengths, strict=True):
            assert 0 <= row.min() <= row.max() < length


@few_examples
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=MAX_SPEAKERS),
    size=st.one_of(any_sizes(), wan_sizes()),
    short=st.booleans(),
)
def test_every_window_hears_its_own_frames_and_silence_after_the_end(lengths, size, short):
    assume(not short or size.window % 4 == 1)
    plan = plan_exact(max(lengths), size, short_last_window=short)
    tracks = [numbered(length) for length in lengths]
    for index in range(plan.num_windows):
        start, frames = plan.starts[index], plan.window_frames(index)
        speech = window_speech(plan, index, tracks, torch.tensor([[SILENCE]]))
        assert speech.shape == (len(lengths), frames, 5, 1, 1)
        heard = torch.arange(start, start + frames)[:, None] + torch.arange(-2, 3)
        for row, length in zip(speech[..., 0, 0], lengths, strict=True):
            expected = torch.where(heard < length, heard.clamp(min=0).float(), SILENCE)
            assert torch.equal(row, expected)


@few_examples
@given(latent_frames=st.integers(1, 40), start=st.integers(2, 500))
def test_latent_frames_hear_all_frames_in_order(latent_frames, start):
    frames = 4 * (latent_frames - 1) + 1
    around = torch.arange(start, start + frames)[:, None] + torch.arange(-2, 3)
    first, later = group_by_latent_frame(around[None, :, :, None, None])
    assert count_latent_frames(frames) == latent_frames
    assert first.flatten().tolist() == list(range(start - 2, start + 3))
    assert later.shape[:3] == (1, latent_frames - 1, 8)
    for number, row in enumerate(later[0, :, :, 0, 0].tolist()):
        begin = start + 4 * number + 1
        assert row == list(range(begin - 2, begin + 6))


@few_examples
@given(
    frames=st.integers(1, 60),
    size=st.builds(lambda n, o: WindowSize(window=4 * n + 5, overlap=4 * min(n, o) + 1),
                   st.integers(0, 6), st.integers(0, 6)),
    family=st.sampled_from(FAMILIES),
    short=st.booleans(),
)  # fmt: skip
def test_window_loop_yields_every_frame_once_and_asks_for_frames_in_range(
    frames, size, family, short
):
    plan = plan_exact(frames, size, short_last_window=short)
    asked, encoded = [], []

    def source(number):
        asked.append(number)
        return torch.zeros(1, 16, 16, 3)

    def encode(pixels):
        encoded.append(pixels[: size.overlap, 0, 0, 0].tolist())
        return torch.zeros(1, 16, count_latent_frames(len(pixels)), 2, 2)

    def denoise(request):
        assert request.noise.shape == request.condition.shape
        return torch.full_like(request.noise, float(request.index))

    def decode(latents):  # a frame's value is its number in the video
        start = plan.starts[int(latents[0, 0, 0, 0, 0])]
        count = 4 * (latents.shape[2] - 1) + 1
        return (start + torch.arange(float(count)))[:, None, None, None].expand(-1, 16, 16, 3)

    models = Models(encode=encode, decode=decode, embed_picture=lambda _: None, denoise=denoise)
    joined = []
    for window in generate(
        plan,
        Scene(source=source, tracks=[numbered(frames)], silence=torch.tensor([[SILENCE]])),
        models, SeededNoise(1), family=family, drift=DriftControl(color_strength=0.0),
    ):  # fmt: skip
        assert window.start == len(joined)
        joined += window.frames[:, 0, 0, 0].tolist()
    assert joined == list(range(frames))
    assert set(asked) <= set(plan.starts)
    begins = [list(range(start, start + size.overlap)) for start in plan.starts[1:]]
    assert [begin for begin in begins if begin not in encoded] == []


@same_examples
@given(
    rate=st.sampled_from(RATES),
    frames=st.integers(1, 100_000),
    more=st.integers(-1, 1) | st.integers(0, 10_000),
)
@example(rate=16_000, frames=7, more=0)  # 0.28 * 25 > 7 in floating point
@example(rate=44_100, frames=29, more=0)
def test_video_covers_the_sound_and_not_a_frame_more(rate, frames, more):
    samples = max(1, frames * rate // 25 + more)  # often to the sample as long as its frames
    frames = count_frames(Fraction(samples, rate))
    assert frames == -(-samples * 25 // rate)
    assert Fraction(frames - 1, 25) < Fraction(samples, rate) <= Fraction(frames, 25)


@st.composite
def placed_sounds(draw):
    """One to six sounds at one rate, and when they begin."""
    rate = draw(st.sampled_from((25, 441, 8000)))
    lengths = draw(st.lists(st.integers(1, 400), min_size=1, max_size=MAX_SPEAKERS))
    channels = [draw(st.integers(1, 2)) for _ in lengths]
    sounds = [
        Sound(waveform=torch.full((c, n), float(2**i)), sample_rate=rate)
        for i, (c, n) in enumerate(zip(channels, lengths, strict=True))
    ]
    durations = [sound.duration_s for sound in sounds]
    if draw(st.booleans()):
        gap = draw(st.floats(0, 0.5))
        return sounds, start_times(durations, in_turn=draw(st.booleans()), gap_s=gap)
    return sounds, [draw(st.fractions(0, 2, max_denominator=1000)) for _ in sounds]


@same_examples
@given(placed=placed_sounds())
def test_tracks_hold_every_sample_once_at_its_place(placed):
    sounds, starts = placed
    tracks = place_tracks(sounds, starts)
    rate = sounds[0].sample_rate
    ends = [start + sound.duration_s for sound, start in zip(sounds, starts, strict=True)]
    assert tracks.num_frames == math.ceil(max(ends) * 25)
    assert tracks.mix.waveform.shape[-1] == math.ceil(max(ends) * rate)
    mix = tracks.mix.waveform.clone()
    for sound, start in zip(sounds, starts, strict=True):
        begin = round(start * rate)
        mix[:, begin : begin + sound.waveform.shape[-1]] -= sound.waveform.mean(0)
    assert not mix.any()
    heard = fit_sound(tracks.mix, tracks.num_frames)
    assert heard.waveform.shape[-1] == round(Fraction(tracks.num_frames * rate, 25))


@few_examples
@given(
    samples=st.integers(1, 20_000),
    start=st.fractions(0, 3, max_denominator=48_000),
    more=st.integers(0, 50),
)
def test_encoder_hears_640_samples_per_frame_and_all_of_the_track(samples, start, more):
    sound = Sound(waveform=torch.ones(1, samples), sample_rate=16_000)
    track = Track(sound=sound, start_s=start)
    frames = count_frames(track.end_s) + more
    waveform = encoder_waveform(track, frames, loudness_lufs=None)
    assert len(waveform) == 640 * frames
    begin = round(start * 16_000)
    kept = min(samples, len(waveform) - begin)  # rounding may push the last sample out
    assert kept in (samples, samples - 1)
    assert waveform[begin : begin + kept].all()
    assert int(waveform.sum()) == kept


@same_examples
@given(
    height=st.integers(1, 10_000),
    width=st.integers(1, 10_000),
    size=st.sampled_from(["480", "720"]),
)
def test_bucket_is_the_nearest_shape_and_the_network_holds_it(height, width, size):
    found = bucket_size(height, width, size=size)
    assert all(side % 64 == 0 for side in found)
    labels = {shape: label for label, shape in BUCKETS[size]}
    ratio = height / width
    assert abs(labels[found] - ratio) == min(abs(label - ratio) for label in labels.values())


@few_examples
@given(
    rows=st.integers(1, 90), columns=st.integers(1, 90),
    height=st.integers(1, 12), width=st.integers(1, 12),
)  # fmt: skip
def test_pictures_and_masks_fill_the_whole_video(rows, columns, height, width):
    height, width = 16 * height, 16 * width
    assume(rows * 12 > columns and columns * 12 > rows)
    frames = fit_frames(torch.ones(2, rows, columns, 3), height, width)
    assert frames.shape == (2, height, width, 3)
    assert frames.min() == 1.0
    masks = fit_masks(torch.ones(3, rows, columns), height, width)
    assert masks.shape == (3, height, width)
    assert masks.all()


places = st.floats(-20, 60) | st.integers(-10, 100).map(float) | st.floats(-1e9, 1e9)
lengths = st.floats(0.2, 200) | st.integers(1, 100).map(float) | st.floats(-1e9, 1e9)


@same_examples
@given(
    boxes=st.lists(
        st.builds(Box, x=places, y=places, width=lengths, height=lengths),
        min_size=1, max_size=MAX_SPEAKERS,
    ),
    height=st.integers(1, 120),
    width=st.integers(1, 120),
)  # fmt: skip
def test_box_becomes_exactly_its_pixels_inside_the_picture_or_is_refused(boxes, height, width):
    def inside(begin, length, end):
        return range(end)[max(0, round(begin)) : max(0, round(begin + length))]

    places = [(inside(b.y, b.height, height), inside(b.x, b.width, width)) for b in boxes]
    if not all(rows and columns for rows, columns in places):
        with pytest.raises(ValueError, match="holds no pixel of the picture"):
            masks_from_boxes(boxes, height, width)
        return
    masks, _ = masks_from_boxes(boxes, height, width)
    for mask, (rows, columns) in zip(masks, places, strict=True):
        assert mask.sum() == len(rows) * len(columns)
        assert mask[rows.start : rows.stop, columns.start : columns.stop].all()


@same_examples
@given(height=st.integers(2, 300), width=st.integers(4, 300))
def test_halves_share_no_pixel_and_nobody_is_without(height, width):
    left, right = half_masks(height, width)
    assert left.any()
    assert right.any()
    assert not (left * right).any()
    assert left.sum() == right.sum()


@few_examples
@given(
    speakers=st.integers(1, MAX_SPEAKERS),
    rows=st.integers(1, 8),
    columns=st.integers(1, 8),
    seed=st.integers(0, 10**6),
)
def test_every_token_is_a_speakers_or_the_background(speakers, rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = (torch.rand(speakers, 40, 40, generator=generator) > 0.6).float()
    cells = latent_masks(masks, 16 * rows, 16 * columns)
    assert cells.shape == (speakers + 1, 2 * rows, 2 * columns)
    tokens = token_masks(cells)
    assert tokens.shape == (speakers + 1, rows * columns)
    for grid in (cells, tokens):
        taken = grid[:-1].sum(0)
        assert torch.equal(grid[-1] > 0, taken == 0)


@pytest.mark.parametrize("speakers", range(2, MAX_SPEAKERS + 1))
def test_speakers_lie_apart_on_the_speaker_axis(speakers):
    config = AudioPartConfig(dim=128, num_heads=2, num_layers=1)
    positions = speaker_axis(speakers, config).key_positions
    assert len(set(positions)) == speakers
    assert all(0 <= position <= config.class_range for position in positions)


@same_examples
@given(steps=st.integers(1, 200), shift=st.floats(0.1, 100))
def test_noise_levels_fall_from_one_to_zero(steps, shift):
    sigmas = shifted_sigmas(steps, shift)
    assert len(sigmas) == steps + 1
    assert float(sigmas[0]) == pytest.approx(1, abs=1e-6)  # float32
    assert sigmas[-1] == 0.0
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_trained_windows_are_among_those_that_are_checked_here(family):
    check_window_size(WINDOW_SIZES[family])
