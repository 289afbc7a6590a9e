from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from pack.multitalk.sound.audio import (
    Sound,
    Track,
    check_sound,
    encoder_waveform,
    fit_sound,
    parse_offsets,
    place_tracks,
    resample,
    start_times,
    to_mono,
)
from pack.multitalk.sound.loudness import normalize_loudness
from pack.tests.multitalk.sound.tones import RATE, tone
from pack.tests.multitalk.tolerances import close


def constant(value, samples, rate=RATE, *, channels=1):
    return Sound(waveform=torch.full((channels, samples), value), sample_rate=rate)


def test_duration_is_exact():
    assert constant(0.0, 1, 44100).duration_s == Fraction(1, 44100)
    assert constant(0.0, 48000, 44100, channels=2).duration_s == Fraction(480, 441)


def test_track_ends_a_duration_after_its_start():
    assert Track(sound=constant(0.0, 8000), start_s=Fraction("0.1")).end_s == Fraction("0.6")


def test_one_sample_is_a_sound():
    check_sound(constant(0.0, 1), "audio")


@pytest.mark.parametrize("shape", [(1, 0), (0, 5)])
def test_sound_without_samples_is_refused(shape):
    with pytest.raises(ValueError, match="speaker_2 is empty: it has no samples"):
        check_sound(Sound(waveform=torch.zeros(shape), sample_rate=RATE), "speaker_2")


def test_sound_with_bad_samples_is_refused():
    waveform = torch.tensor([[0.0, math.nan, math.inf], [-math.inf, 0.0, 0.0]])
    with pytest.raises(ValueError, match="audio has 3 samples that are not finite numbers"):
        check_sound(Sound(waveform=waveform, sample_rate=RATE), "audio")


def test_mono_is_the_mean_of_the_channels():
    mono = to_mono(torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, -0.5]]))
    assert torch.equal(mono, torch.tensor([0.5, 0.0, 0.0]))


def test_same_rate_is_returned_unchanged():
    waveform = tone(0.01)
    assert resample(waveform, RATE, RATE) is waveform


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("samples", [441, 1000, 4410])
def test_resampled_length_is_the_ceiling(rate, samples):
    out = resample(torch.zeros(2, samples), rate, RATE)
    assert out.shape == (2, -(-samples * RATE // rate))
    assert out.dtype == torch.float32


def test_resampled_length_counts_as_librosa_does():
    assert resample(torch.ones(1, 147), 22050, 48000).shape == (1, 321)  # 147 * 2.1768... > 320


def test_rows_of_any_shape_are_resampled_one_by_one():
    waves = torch.randn(2, 3, 1000, generator=torch.Generator().manual_seed(1))
    alone = [resample(wave, 24000, RATE) for wave in waves.reshape(6, 1000)]
    assert torch.equal(resample(waves, 24000, RATE), torch.stack(alone).view(2, 3, -1))


def test_resampled_tone_is_the_tone_at_the_other_rate():
    out = resample(tone(0.5, 48000), 48000, RATE)
    inner = slice(1000, -1000)  # the filter rings at both ends
    assert float((out - tone(0.5, RATE))[:, inner].abs().max()) < 1e-4


def test_speakers_begin_together():
    assert start_times([Fraction(3), Fraction(1, 3)], in_turn=False, gap_s=2.0) == [0, 0]


@pytest.mark.parametrize(("gap", "expected"), [(0.0, [0, 2, 5]), (0.5, [0, Fraction(5, 2), 6])])
def test_speakers_begin_in_turn_after_a_gap(gap, expected):
    durations = [Fraction(2), Fraction(3), Fraction(1)]
    assert start_times(durations, in_turn=True, gap_s=gap) == expected


def test_nobody_begins():
    assert start_times([], in_turn=True) == start_times([], in_turn=False) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0, 2.5", [0, Fraction(5, 2)]),
        ("0.1,1e1", [Fraction(1, 10), 10]),
        (" 3 ,, 4 ,", [3, 4]),
    ],
)
def test_offsets_are_read_exactly(text, expected):
    assert parse_offsets(text, 2) == expected


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        ("0", 2, "offsets has 1 number for 2 speakers; .* Write for example: 0, 2.5$"),
        ("", 3, "offsets has 0 numbers for 3 speakers; .* example: 0, 2.5, 5$"),
        ("0; 1", 2, "offsets has 1 number for 2"),
        ("0, soon", 2, "offsets contains 'soon'; only numbers of seconds"),
        ("0, nan", 2, "offsets contains 'nan'; only numbers"),
        ("1/0, 0", 2, "offsets contains '1/0'; only numbers"),
        ("0, -0.5", 2, "offsets contains -0.5; a start cannot be negative"),
        ("0, 3600.1", 2, "offsets contains 3600.1; a start is at most 3600 s. Use less."),
        ("0, 1e99", 2, "offsets contains 1e99; a start is at most 3600 s"),
        ("0, 1e999999999", 2, "offsets contains '1e999999999'; only numbers"),
        ("1e-999999999, 0", 2, "offsets contains '1e-999999999'; only numbers"),
        (f"0, {'9' * 5000}", 2, f"offsets contains '{'9' * 40}'; only numbers"),
    ],
)
def test_bad_offsets_are_refused(text, count, message):
    with pytest.raises(ValueError, match=message):
        parse_offsets(text, count)


@pytest.mark.parametrize(("count", "message"), [(0, "0 speakers are"), (7, "7 speakers are")])
def test_one_to_six_speakers_are_possible(count, message):
    for possible in (1, 6):
        placed = place_tracks([constant(0.1, 9)] * possible, [Fraction(0)] * possible)
        assert len(placed.tracks) == possible
    with pytest.raises(ValueError, match=f"{message} connected; 1 to 6 are possible"):
        place_tracks([constant(0.1, 9)] * count, [Fraction(0)] * count)


def test_unusable_speaker_is_named():
    with pytest.raises(ValueError, match="speaker_2 is empty"):
        place_tracks([constant(0.1, 9), constant(0.1, 0)], [Fraction(0)] * 2)


def test_mix_is_the_sum_at_the_starts_and_is_not_limited():
    sounds = [constant(0.75, 4, 4), constant(0.5, 4, 4)]
    placed = place_tracks(sounds, [Fraction(0), Fraction(1, 2)])
    assert placed.mix.sample_rate == 4
    assert placed.mix.waveform.tolist() == [[0.75, 0.75, 1.25, 1.25, 0.5, 0.5]]
    assert [track.sound for track in placed.tracks] == sounds


def test_longest_placed_track_decides_the_number_of_frames():
    sounds = [constant(0.1, 640), constant(0.1, 1281)]
    assert place_tracks(sounds, [Fraction(0)] * 2).num_frames == 3
    assert place_tracks(sounds, [Fraction(4), Fraction(0)]).num_frames == 101


def test_mono_is_spread_and_stereo_stays_stereo():
    stereo = Sound(waveform=torch.tensor([[0.5] * 4, [-0.25] * 4]), sample_rate=4)
    mix = place_tracks([constant(0.125, 4, 4), stereo], [Fraction(0)] * 2).mix
    assert mix.waveform.tolist() == [[0.625] * 4, [-0.125] * 4]


def test_mix_has_the_highest_rate():
    low, high = tone(0.5, 8000, channels=2), tone(0.25, 48000)
    placed = place_tracks(
        [
            Sound(waveform=low, sample_rate=8000),
            Sound(waveform=high, sample_rate=48000),
        ],
        [Fraction(0), Fraction(1, 2)],
    )
    assert placed.mix.sample_rate == 48000
    assert placed.mix.waveform.shape == (2, 36000)
    close(placed.mix.waveform[:, :24000], resample(low, 8000, 48000))
    assert torch.equal(placed.mix.waveform[:, 24000:], high.expand(2, -1))


def test_start_between_two_samples_loses_at_most_one():
    sounds = [constant(1.0, 3, 4), constant(1.0, 5, 5)]
    placed = place_tracks(sounds, [Fraction(0), Fraction(1, 2)])
    assert placed.mix.waveform.shape == (1, 8)  # 1.5 s at 5 Hz, rounded up


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_encoder_hears_640_samples_per_frame(rate):
    track = Track(sound=constant(0.1, rate, rate, channels=2), start_s=Fraction(0))
    heard = encoder_waveform(track, 30, loudness_lufs=None)
    assert heard.shape == (30 * 640,)
    assert heard.dtype == torch.float32
    assert heard[:16000].all()
    assert not heard[16000:].any()


def test_encoder_hears_silence_before_the_start():
    track = Track(sound=constant(0.5, 320), start_s=Fraction(1, 50))
    heard = encoder_waveform(track, 2, loudness_lufs=None)
    assert torch.equal(heard, torch.tensor([0.0, 0.5, 0.0, 0.0]).repeat_interleave(320))


def test_encoder_hears_nothing_after_the_video():
    track = Track(sound=constant(0.5, 2000), start_s=Fraction(0))
    assert torch.equal(encoder_waveform(track, 1, loudness_lufs=None), torch.full((640,), 0.5))
    late = Track(sound=constant(0.5, 2000), start_s=Fraction(1))
    assert not encoder_waveform(late, 25, loudness_lufs=None).any()


def test_speech_is_levelled_before_silence_is_added():
    speech = tone(0.5)
    track = Track(sound=Sound(waveform=speech, sample_rate=RATE), start_s=Fraction(1))
    heard = encoder_waveform(track, 100, loudness_lufs=-23.0)
    levelled, _ = normalize_loudness(speech, RATE)
    assert torch.equal(heard[16000:24000], levelled[0])
    assert heard[:16000].count_nonzero() == heard[24000:].count_nonzero() == 0


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("num_frames", [1, 8, 81, 82, 1525])
@pytest.mark.parametrize("change", [-7, 0, 7])
def test_sound_is_exactly_as_long_as_the_video(rate, num_frames, change):
    length = num_frames * rate // 25
    given = constant(0.5, length + change, rate, channels=2)
    fitted = fit_sound(given, num_frames)
    assert fitted.sample_rate == rate
    assert fitted.waveform.shape == (2, length)
    assert fitted.duration_s == Fraction(num_frames, 25)
    assert fitted.waveform.count_nonzero() == 2 * min(length, length + change)


def test_fitted_sound_is_a_copy():
    given = constant(0.5, 640)
    fitted = fit_sound(given, 1)
    fitted.waveform.zero_()
    assert given.waveform.all()


@pytest.mark.parametrize(
    ("gap", "frames", "samples"),
    [(0.2, 55, 35200), (0.4, 60, 38400), (0.8, 70, 44800), (0.1, 53, 33600)],
)
def test_gap_is_as_exact_as_typed(gap, frames, samples):
    sounds = [Sound(waveform=torch.zeros(1, 16000), sample_rate=16000)] * 2
    starts = start_times([s.duration_s for s in sounds], in_turn=True, gap_s=gap)
    placed = place_tracks(sounds, starts)
    assert starts[1] == 1 + Fraction(str(gap))
    assert (placed.num_frames, placed.mix.waveform.shape[1]) == (frames, samples)
