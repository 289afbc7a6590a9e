from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.dubbing.source import Cut, frames_in_memory, read_frames, read_sound
from pack.multitalk.dubbing.times import plan_dub
from pack.tests.multitalk.dubbing.films import RATE_HZ, film, read

MS = Fraction(1, 1000)  # Matroska's time stamps
RATES = [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30),
         Fraction(50), Fraction(60)]  # fmt: skip


def numbers(frames):
    """What every frame of 25 per second shows."""
    plan = plan_dub(frames.times.num_frames, None, shorter="hold", longer="cut")
    return [read(frames.kept[plan.frame(k, frames.times)]) for k in range(plan.num_frames)]


def seen(starts, time):
    """The frame that a player shows at a time: the last one that has begun."""
    return max((k for k, start in enumerate(starts) if start <= time), default=0)


@given(st.sampled_from(RATES), st.integers(1, 40), st.booleans())
@settings(max_examples=15, deadline=None)
def test_every_rate_shows_the_frame_of_its_time(rate, count, mp4):
    starts = [Fraction(k) / rate for k in range(count)]
    if mp4:
        how = {"format": "mp4", "codec": "libx264", "base": Fraction(1, 30000)}
        if rate.numerator % 24 == 0:
            how["base"] = Fraction(1, 24000)
    else:
        how, starts = {}, [Fraction(round(start / MS)) * MS for start in starts]
    frames = read_frames(film(starts, rate=rate, **how), Cut())
    shown = numbers(frames)
    assert shown == [seen(starts, Fraction(k, 25)) for k in range(len(shown))]
    rounding = 0 if mp4 else 2 * MS
    assert len(shown) - 1 < 25 * (count / rate + rounding)
    assert len(shown) >= 25 * (count / rate - rounding)


@given(st.lists(st.integers(3, 130), min_size=1, max_size=30), st.integers(0, 500))
@settings(max_examples=15, deadline=None)
def test_frames_of_varying_length_are_seen_at_their_times(gaps_ms, first_ms):
    starts = [first_ms * MS]
    for gap in gaps_ms:
        starts.append(starts[-1] + gap * MS)
    frames = read_frames(film(starts), Cut())
    shown = numbers(frames)
    zero = [start - starts[0] for start in starts]
    assert frames.zero_s == starts[0]
    assert shown == [seen(zero, Fraction(k, 25)) for k in range(len(shown))]
    used = {frames.times.shown_at(Fraction(k, 25)) for k in range(len(shown))}
    assert set(frames.kept) == used  # nothing else is held


@pytest.mark.parametrize(("limit", "last"), [(1, 0), (10, 21), (None, 57)])
def test_nothing_behind_the_end_is_read(limit, last):
    held = []
    starts = [Fraction(k, 60) for k in range(60)]
    frames = read_frames(film(starts, rate=60), Cut(), limit=limit, check=lambda *s: held.append(s))
    assert max(frames.kept) == last
    assert len(frames.kept) == len(held) == (limit or 25)
    assert frames.times.num_frames >= (limit or 25)


def test_a_part_of_a_file_begins_at_its_own_time():
    starts = [Fraction(k, 30) for k in range(60)]
    frames = read_frames(film(starts, rate=30), Cut(start_s=Fraction(1, 2), duration_s=Fraction(1)))
    assert frames.times.num_frames == 25
    expected = [15 + seen(starts, Fraction(k, 25)) for k in range(25)]
    assert numbers(frames) == expected


def test_a_looped_source_begins_again_at_its_own_end():
    starts = [Fraction(k, 30) for k in range(10)]  # 0.333 s
    frames = read_frames(film(starts, rate=30), Cut(), loops=True)
    plan = plan_dub(frames.times.num_frames, 20, shorter="loop", longer="cut")
    end = frames.times.end
    shown = [read(frames.kept[plan.frame(k, frames.times)]) for k in range(plan.num_frames)]
    assert shown == [seen(starts, Fraction(k, 25) % end) for k in range(20)]


def test_frames_in_memory_lie_evenly():
    images = torch.arange(30.0)[:, None, None, None].expand(30, 2, 2, 3)
    frames = frames_in_memory(images, Fraction(30))
    assert frames.times.num_frames == 25
    shown = [float(frames.kept[frames.times.shown_at(Fraction(k, 25))][0, 0, 0]) for k in range(25)]
    assert shown == [k * 30 // 25 for k in range(25)]


@pytest.mark.parametrize("side", [0, 200, 48])
def test_the_longer_side_can_be_brought_down(side):
    frames = read_frames(film([Fraction(0), Fraction(1, 25)]), Cut(), longest_side=side)
    expected = (4, 48, 3) if side == 48 else (8, 96, 3)
    assert frames.kept[0].shape == expected
    images = torch.zeros(2, 8, 96, 3)
    held = frames_in_memory(images, Fraction(25), longest_side=side)
    assert held.kept[1].shape == expected


@pytest.mark.parametrize("first", [Fraction(0), Fraction(3, 25)])
@pytest.mark.parametrize("begin", [Fraction(0), Fraction(2, 25), Fraction(1, 5)])
def test_sound_is_exact_to_the_sample(first, begin):
    samples = np.arange(1, 2401, dtype=np.int16)
    starts = [first + Fraction(k, 25) for k in range(10)]
    source = film(starts, sound=(begin, samples))
    frames = read_frames(source, Cut())
    sound = read_sound(source, Cut(), frames.zero_s, Fraction(1, 4))
    got = (sound.waveform[0] * 32768).round().int().numpy()
    time = np.arange(len(got)) - round((begin - first) * RATE_HZ)
    expected = np.where((time >= 0) & (time < 2400), time + 1, 0)
    assert sound.sample_rate == RATE_HZ
    assert len(got) <= RATE_HZ // 4
    assert (got == expected).all()


def test_what_is_no_video_is_refused():
    with pytest.raises(ValueError, match="video cannot be read"):
        read_frames(io.BytesIO(b"no video at all" * 50), Cut())
    assert read_sound(film([Fraction(0)]), Cut(), Fraction(0), Fraction(1)) is None
