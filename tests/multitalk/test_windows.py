from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import WindowSize
from pack.multitalk.windows import (
    WindowPlan,
    check_window_size,
    plan_exact,
    plan_reference,
    window_speech,
)
from pack.tests.multitalk.toy_encoder import Results

MULTITALK = WindowSize(window=81, overlap=25)
INFINITETALK = WindowSize(window=81, overlap=9)
TOY = WindowSize(window=33, overlap=9)


def numbered(frames, first=0):
    """Features [F, 1, 1] that are the frame numbers."""
    return torch.arange(float(first), float(first + frames))[:, None, None]


def centres(speech):
    """Frame numbers in the middle of each neighbourhood: [S][F]."""
    return speech[:, :, 2, 0, 0].int().tolist()


@pytest.mark.parametrize("size", [MULTITALK, INFINITETALK, TOY, WindowSize(window=5, overlap=1)])
def test_windows_of_4n_plus_1_are_possible(size):
    check_window_size(size)


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [
        (80, 9, "window is 80; it must be a multiple of 4, plus 1. Use 77 or 81"),
        (82, 9, "window is 82; .* Use 81 or 85"),
        (0, 1, "window is 0; .* Use 1 or 5"),
        (-3, 1, "window is -3; .* Use 1 or 5"),
        (81, 8, "overlap is 8; it must be a multiple of 4, plus 1. Use 5 or 9"),
        (81, 81, "overlap is 81 and window is 81; .* Use an overlap of at most 77"),
        (9, 13, "overlap is 13 and window is 9; .* at most 5"),
    ],
)
def test_other_windows_are_refused(window, overlap, message):
    with pytest.raises(ValueError, match=message):
        check_window_size(WindowSize(window=window, overlap=overlap))


@pytest.mark.parametrize(
    ("size", "frames", "starts"),
    [
        (MULTITALK, 1, (0,)),
        (MULTITALK, 81, (0,)),
        (MULTITALK, 82, (0, 56)),
        (MULTITALK, 137, (0, 56)),
        (MULTITALK, 138, (0, 56, 112)),
        (INFINITETALK, 153, (0, 72)),
        (INFINITETALK, 154, (0, 72, 144)),
        (TOY, 33, (0,)),
        (TOY, 57, (0, 24)),
        (TOY, 58, (0, 24, 48)),
    ],
)
def test_last_window_is_the_first_that_reaches_the_end(size, frames, starts):
    plan = plan_exact(frames, size)
    assert plan.starts == starts
    assert plan.num_windows == len(starts)
    assert plan.num_frames == frames
    assert {plan.window_frames(index) for index in range(plan.num_windows)} == {size.window}


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("size", [MULTITALK, INFINITETALK, TOY, WindowSize(window=8, overlap=4)])
def test_kept_frames_join_without_gap_at_every_length(size, short):
    for frames in range(1, 4 * size.window):
        plan = plan_exact(frames, size, short_last_window=short)
        joined = [
            plan.starts[index] + position
            for index in range(plan.num_windows)
            for position in range(*plan.kept(index).indices(plan.window_frames(index)))
        ]
        assert joined == list(range(frames))


@pytest.mark.parametrize(
    ("frames", "last"),
    [(1, 1), (2, 5), (30, 33), (33, 33), (34, 13), (37, 13), (38, 17), (57, 33)],
)
def test_short_last_window_is_the_smallest_4n_plus_1_that_is_enough(frames, last):
    plan = plan_exact(frames, TOY, short_last_window=True)
    assert plan.last_window == plan.window_frames(plan.num_windows - 1) == last
    assert plan.starts == plan_exact(frames, TOY).starts
    if plan.num_windows > 1:
        assert plan.window_frames(0) == 33


def test_speech_of_a_window_is_centred_on_its_frames():
    plan = plan_exact(60, TOY)
    speech = window_speech(plan, 1, [numbered(60), numbered(60, 1000)], numbered(1, -1)[0])
    assert speech.shape == (2, 33, 5, 1, 1)
    assert centres(speech) == [list(range(24, 57)), list(range(1024, 1057))]


def test_silence_follows_the_end_of_the_sound():
    plan = plan_exact(40, TOY)
    silence = torch.full((1, 1), -1.0)
    speech = window_speech(plan, 1, [numbered(40)], silence)
    assert centres(speech) == [list(range(24, 40)) + [-1] * 17]
    assert speech[0, 15, :, 0, 0].tolist() == [37, 38, 39, -1, -1]
    assert speech[0, -1, :, 0, 0].tolist() == [-1] * 5


def test_silence_is_also_the_neighbour_of_the_last_frame():
    speech = window_speech(plan_exact(33, TOY), 0, [numbered(33)], torch.full((1, 1), -1.0))
    assert speech[0, -1, :, 0, 0].tolist() == [30, 31, 32, -1, -1]
    assert speech[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 2]


def test_without_silence_the_last_frame_is_repeated():
    speech = window_speech(plan_exact(40, TOY), 1, [numbered(40)], None)
    assert centres(speech) == [list(range(24, 40)) + [39] * 17]


def test_speech_of_a_short_window_is_short():
    plan = plan_exact(36, TOY, short_last_window=True)
    speech = window_speech(plan, 1, [numbered(36)], torch.full((1, 1), -1.0))
    assert centres(speech) == [[*range(24, 36), -1]]


def test_tracks_are_not_changed_by_a_window():
    track = numbered(40)
    window_speech(plan_exact(40, TOY), 1, [track], torch.full((1, 1), -1.0))
    assert torch.equal(track, numbered(40))


def neighbourhoods(plan, index, tracks, silence):
    """Speech of a window from whole tracks that are first made as long as is needed."""
    start, frames = plan.starts[index], plan.window_frames(index)
    rows = []
    for number, track in enumerate(tracks):
        whole = track
        if plan.mirrored and index == plan.num_windows - 1:
            whole = torch.cat([whole, whole.flip(0)[: plan.mirrored[number]]])
        if silence is not None and not plan.mirrored:
            whole = torch.cat([whole, silence.expand(start + frames + 2, -1, -1)])
        index_of = torch.arange(start, start + frames)[:, None] + torch.arange(-2, 3)
        rows.append(whole[index_of.clamp(0, len(whole) - 1)])
    return torch.stack(rows)


def random_tracks(*lengths):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, 2, 3, generator=generator) for length in lengths]


@pytest.mark.parametrize("with_silence", [True, False])
@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("frames", [1, 2, 31, 33, 34, 57, 58, 90])
def test_exact_speech_is_cut_from_the_whole_tracks(frames, short, with_silence):
    plan = plan_exact(frames, TOY, short_last_window=short)
    tracks = random_tracks(frames, max(1, frames - 40), frames + 7)
    silence = torch.randn(2, 3) if with_silence else None
    for index in range(plan.num_windows):
        speech = window_speech(plan, index, tracks, silence)
        assert torch.equal(speech, neighbourhoods(plan, index, tracks, silence))


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
@pytest.mark.parametrize("limit", [33, 50, 1000])
@pytest.mark.parametrize("lengths", [[34], [57, 58], [90, 35], [60, 200]])
def test_reference_speech_is_cut_from_the_whole_tracks(lengths, limit, family):
    plan = plan_reference(lengths, TOY, family=family, max_frames=limit)
    tracks, silence = random_tracks(*lengths), torch.ones(2, 3)
    for index in range(plan.num_windows):
        speech = window_speech(plan, index, tracks, silence)
        assert torch.equal(speech, neighbourhoods(plan, index, tracks, silence))


@pytest.mark.parametrize("start", [0, 1, 39, 40, 42, 43, 100])
def test_window_may_begin_anywhere_in_a_track(start):
    plan = WindowPlan(size=TOY, starts=(start,), num_frames=33, last_window=33, mirrored=())
    tracks = random_tracks(40)
    for silence in (None, torch.ones(2, 3)):
        speech = window_speech(plan, 0, tracks, silence)
        assert torch.equal(speech, neighbourhoods(plan, 0, tracks, silence))


@pytest.mark.parametrize("frames", [33, 40, 4000])
def test_no_window_copies_more_than_it_needs(frames):
    exact = plan_exact(frames, TOY)
    plans = [exact]
    if frames > 33:
        plans.append(plan_reference([frames], TOY, family="infinitetalk", max_frames=9999))
    for plan in plans:
        track = numbered(frames)
        with Results() as results:
            speech = window_speech(plan, plan.num_windows - 1, [track], torch.ones(1, 1))
        assert results.largest == speech.numel() == 33 * 5


@pytest.mark.parametrize("lengths", [[81], [200, 81], [10, 500]])
def test_reference_needs_more_than_a_window(lengths):
    with pytest.raises(ValueError, match=f"shortest track has {min(lengths)} frames; reference"):
        plan_reference(lengths, MULTITALK, family="multitalk", max_frames=1000)


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
@pytest.mark.parametrize(("limit", "frames"), [(81, 81), (50, 50)])
def test_reference_of_one_window_mirrors_nothing(family, limit, frames):
    plan = plan_reference([82, 83], MULTITALK, family=family, max_frames=limit)
    assert (plan.starts, plan.num_frames, plan.mirrored) == ((0,), frames, (0, 0))
    assert plan.kept(0) == slice(0, frames)


@pytest.mark.parametrize(
    ("family", "size", "length", "starts", "frames", "mirrored"),
    [
        ("multitalk", MULTITALK, 82, (0, 56), 79, 58),
        ("multitalk", MULTITALK, 137, (0, 56), 134, 3),
        ("multitalk", MULTITALK, 138, (0, 56, 112), 135, 58),
        ("infinitetalk", INFINITETALK, 82, (0, 72), 82, 74),
        ("infinitetalk", INFINITETALK, 154, (0, 72, 144), 154, 74),
    ],
)
def test_reference_mirrors_the_tail(family, size, length, starts, frames, mirrored):
    plan = plan_reference([length], size, family=family, max_frames=1000)
    assert (plan.starts, plan.num_frames, plan.mirrored) == (starts, frames, (mirrored,))
    first = window_speech(plan, 0, [numbered(length)], None)
    assert centres(first) == [list(range(81))]
    last = window_speech(plan, len(starts) - 1, [numbered(length)], None)
    end = [*range(starts[-1], length), *reversed(range(length - mirrored, length))]
    assert centres(last) == [end[:81]]


def test_reference_ends_at_the_limit():
    plan = plan_reference([2000], INFINITETALK, family="infinitetalk", max_frames=1000)
    assert (plan.num_windows, plan.num_frames, plan.mirrored) == (14, 1000, (0,))
    assert plan.kept(13) == slice(9, 1000 - 936)


def test_advice_for_a_window_of_one_frame_is_possible():
    with pytest.raises(ValueError, match=r"Use a window of at least 5\."):
        check_window_size(WindowSize(window=1, overlap=1))
