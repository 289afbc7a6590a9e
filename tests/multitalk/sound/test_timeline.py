from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from pack.multitalk.sound import timeline
from pack.multitalk.sound.audio import Sound, place_tracks
from pack.multitalk.sound.timeline import (
    Span,
    axis_ticks,
    draw_timeline,
    draw_tracks,
    row_px,
    time_px,
)
from pack.multitalk.speakers import COLORS


def color_at(picture, speaker, time_s, length_s, rise=0.27, *, of=2):
    """Color at a time, near the upper edge of the speaker's bars, where no words are.

    `rise` is the share of a row above its middle, `of` the number of speakers.

    Times of ticks have a line in rows that are silent.
    """
    above = round(rise * timeline.ROWS_PX / of)
    pixel = picture[row_px(speaker, of) - above, round(time_px(time_s, length_s))]
    return tuple((pixel * 255).round().int().tolist())


def span(speaker, start_s, end_s, text=""):
    return Span(speaker=speaker, start_s=start_s, end_s=end_s, text=text)


@pytest.mark.parametrize("num_speakers", [1, 2, 6])
def test_picture_has_a_row_per_speaker(num_speakers):
    picture = draw_timeline(["Anna"] * num_speakers, [], 1.0)
    assert picture.shape == (320, 960, 3)  # 3:1, as wide nodes show it
    assert picture.dtype == torch.float32
    assert 0 <= picture.min() < picture.max() <= 1


def test_bars_have_the_colour_of_their_speaker_at_their_time():
    turns = [span(index, index + 0.1, index + 0.9, "Hello there, you") for index in range(6)]
    picture = draw_timeline("ABCDEF", turns, 6.0)
    for speaker in range(6):
        for second in range(6):
            here = color_at(picture, speaker, second + 0.4, 6.0, of=6)
            assert here == (COLORS[speaker] if speaker == second else timeline.ROW)
            assert color_at(picture, speaker, second + 0.05, 6.0, of=6) == timeline.ROW
            assert color_at(picture, speaker, second + 0.95, 6.0, of=6) == timeline.ROW


def test_overlap_is_seen_in_both_rows():
    picture = draw_timeline(["A", "B"], [span(0, 0, 2.1), span(1, 1.7, 4)], 4.0)
    assert color_at(picture, 0, 1.9, 4.0) == COLORS[0]
    assert color_at(picture, 1, 1.9, 4.0) == COLORS[1]
    assert color_at(picture, 1, 1.4, 4.0) == timeline.ROW
    assert color_at(picture, 0, 2.3, 4.0) == timeline.ROW


def test_speaker_who_never_speaks_has_an_empty_row():
    picture = draw_timeline(["A", "B"], [span(0, 0, 4)], 4.0)
    row = picture[row_px(1, 2) - 30, timeline.NAMES_PX + 2 : -timeline.MARGIN_PX - 2]
    colors = {tuple(c) for c in (row * 255).round().int().tolist()}
    assert timeline.ROW in colors
    assert not colors & set(COLORS)


def test_words_are_written_where_they_fit():
    narrow, wide = ([span(0, 0, end_s, "Hello you")] for end_s in (0.1, 3.0))
    for turns, end_s, expected in ((narrow, 0.1, False), (wide, 3.0, True)):
        picture = draw_timeline(["A"], turns, 10.0)
        first, last = (round(time_px(time_s, 10.0)) for time_s in (0, end_s))
        bar = picture[row_px(0, 1) - 8 : row_px(0, 1) + 8, first + 3 : last - 3]
        inks = (bar - bar.new_tensor(COLORS[0]) / 255).abs().amax(-1)
        assert bool((inks > 0.3).any()) is expected


def test_long_dialogue_keeps_every_bar_and_gap():
    length_s = 600.0
    turns = [span(index % 2, 3 * index + 0.5, 3 * index + 2.9, "Hello") for index in range(200)]
    picture = draw_timeline(["A", "B"], turns, length_s)
    for index in range(200):
        assert color_at(picture, index % 2, 3 * index + 1.7, length_s, 0) == COLORS[index % 2]
        assert color_at(picture, 1 - index % 2, 3 * index + 1.7, length_s, 0) not in COLORS


def test_turn_shorter_than_a_pixel_is_seen():
    picture = draw_timeline(["A"], [span(0, 300, 300.01)], 600.0)
    row = (picture[row_px(0, 1), timeline.NAMES_PX :] * 255).round()
    near = (row - row.new_tensor(COLORS[0])).abs().amax(-1)
    assert 1 <= int((near < 1).sum()) <= 3


@pytest.mark.parametrize(
    ("length_s", "labels"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (10.4, [f"{index} s" for index in range(0, 11, 2)]),
        (45.0, [f"{index} s" for index in range(0, 46, 10)]),
        (60.0, [f"0:{index:02d}" for index in range(0, 60, 10)] + ["1:00"]),
        (601.0, [f"{index}:00" for index in range(0, 11, 2)]),
        (7200.0, ["0:00", "20:00"]),
        (1e6, ["0:00", "47:00:00"]),
        (0.0, ["0 s"]),
    ],
)
def test_axis_has_round_times_and_not_too_many(length_s, labels):
    ticks = axis_ticks(length_s)
    shown = [label for _, label in ticks]
    assert shown[: len(labels)] == labels
    assert len(shown) == len(labels) or length_s > 1000
    assert len(shown) <= 7
    assert all(0 <= time_s <= length_s + 1e-6 for time_s, _ in ticks)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zo\u00eb Mu\u0308ller", "Zoe Muller"),
        ("two\nlines\tand \x00\x1b", "two lines and"),
        ("\u05d3\u05e0\u05d4", ""),
        ("\u4f60\u597d, Anna", ""),
        ("wow \U0001f600 \u201cyes\u201d", "wow \u201cyes\u201d"),
        ("\ud800 half", "half"),
        ("", ""),
    ],
)
def test_text_of_any_script_is_drawn_or_left_out(text, shown):
    given = draw_timeline([text], [span(0, 0, 9, text)], 10.0)
    expected = draw_timeline([shown or "Speaker 1"], [span(0, 0, 9, shown)], 10.0)
    assert torch.equal(given, expected)


def test_long_names_and_words_stay_in_their_place():
    words = [span(0, 0, 5, "word " * 50)]
    short = draw_timeline(["W"], words, 10.0)
    long = draw_timeline(["W" * 300], words, 10.0)
    assert torch.equal(short[:, timeline.NAMES_PX :], long[:, timeline.NAMES_PX :])
    after = long[:, round(time_px(5, 10.0)) + 2 : round(time_px(6, 10.0)) - 2]
    colors = {tuple(c) for c in (after[row_px(0, 1)] * 255).round().int().tolist()}
    assert colors == {timeline.ROW}


def test_time_line_without_length_is_drawn():
    picture = draw_timeline(["A"], [span(0, 0, 0, "x")], 0.0)
    assert color_at(picture, 0, 0, 0.0, 0, of=1) == COLORS[0]


def tracks_of(*waveforms, starts=None, rate=16000):
    sounds = [Sound(waveform=waveform, sample_rate=rate) for waveform in waveforms]
    return place_tracks(sounds, [Fraction(start) for start in starts or ["0"] * len(sounds)])


def voice(seconds, *, level=0.1, channels=1, rate=16000):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(channels, round(seconds * rate), generator=generator) * level


def blend(share):
    return tuple(
        round(back + (color - back) * share)
        for color, back in zip(COLORS[0], timeline.ROW, strict=True)
    )


@pytest.mark.parametrize("num_speakers", [1, 2, 6])
def test_picture_of_tracks_has_a_row_per_speaker(num_speakers):
    picture = draw_tracks(tracks_of(*[voice(1)] * num_speakers))
    assert picture.shape == (320, 960, 3)  # 3:1, as wide nodes show it
    assert picture.dtype == torch.float32
    assert 0 <= picture.min() < picture.max() <= 1


def test_overlap_of_tracks_is_bright_in_both_rows():
    picture = draw_tracks(tracks_of(voice(2), voice(2), starts=["0", "1.5"]))
    for time_s, talks in ((1.0, [True, False]), (1.75, [True, True]), (3.0, [False, True])):
        for speaker in (0, 1):
            bright = color_at(picture, speaker, time_s, 3.5, 0.06) == COLORS[speaker]
            assert bright is talks[speaker], (time_s, speaker)


def height_at(picture, time_s, length_s):
    """Pixels of the first speaker's sound at a time."""
    column = picture[: timeline.MARGIN_PX + timeline.ROWS_PX, round(time_px(time_s, length_s))]
    far = (column - column.new_tensor(timeline.ROW) / 255).abs().amax(-1)
    return int((far[row_px(0, 1) - 96 : row_px(0, 1) + 96] > 0.2).sum())


@pytest.mark.parametrize(
    ("level_db", "height"), [(0, 192), (-15, 144), (-30, 96), (-45, 48), (12, 192)]
)
def test_height_is_the_level_in_decibels(level_db, height):
    wave = torch.full((1, 16000), 10 ** (level_db / 20))
    assert abs(height_at(draw_tracks(tracks_of(wave)), 0.52, 1.0) - height) <= 1


def test_sound_that_is_no_speech_is_dim_and_silence_a_line():
    wave = voice(3)
    wave[:, 16000:32000] *= 0.05
    wave[:, 32000:] = 0
    picture = draw_tracks(tracks_of(wave, voice(1), starts=["0", "0"]))
    assert color_at(picture, 0, 0.55, 3.0, 0.06) == COLORS[0]
    assert color_at(picture, 0, 1.55, 3.0, 0.06) == blend(timeline.QUIET)
    assert color_at(picture, 0, 2.55, 3.0, 0.06) == timeline.ROW
    assert color_at(picture, 0, 2.55, 3.0, 0) != timeline.ROW
    assert color_at(picture, 1, 2.55, 3.0, 0) == timeline.ROW  # no recording there


@pytest.mark.parametrize(
    ("samples", "rate"), [(1, 8000), (3, 44100), (640, 16000), (3_600_000, 1000)]
)
def test_any_length_is_drawn_to_both_ends(samples, rate):
    picture = draw_tracks(tracks_of(voice(samples / rate, rate=rate), rate=rate))
    first, last = timeline.NAMES_PX, timeline.WIDTH_PX - timeline.MARGIN_PX - 1
    for column in (first, (first + last) // 2, last):
        pixel = picture[row_px(0, 1), column]
        assert tuple((pixel * 255).round().int().tolist()) == COLORS[0]


def test_word_shorter_than_a_column_is_seen_in_an_hour():
    wave = torch.zeros(1, 3_600_000)
    wave[:, 1_800_100:1_800_300] = voice(0.2, rate=1000)
    picture = draw_tracks(tracks_of(wave, rate=1000))
    column = round(time_px(1800.2, 3600.0))
    near = picture[row_px(0, 1) - 8, column - 2 : column + 3]
    assert float((near - near.new_tensor(timeline.ROW) / 255).abs().amax()) > 0.1


def words_of(picture):
    """What is written beside the first row."""
    return picture[: timeline.MARGIN_PX + timeline.ROWS_PX // 2, 78 : timeline.NAMES_PX - 2]


def test_loudness_and_time_of_speech_are_written():
    shown = {}
    for name, wave in {
        "loud": voice(3),
        "quiet": voice(3, level=0.01),
        "clips": voice(3, level=0.5),
        "silent": voice(3, level=0.0),
        "short": voice(0.3),
    }.items():
        words = words_of(draw_tracks(tracks_of(wave, voice(3))))
        assert float((words[:, -2:] - words[80, -1]).abs().amax()) < 0.1, f"{name} is cut"
        shown[name] = words
    for name, words in shown.items():
        others = [other for key, other in shown.items() if key != name]
        assert all(not torch.equal(words, other) for other in others)


def test_same_tracks_give_the_same_picture():
    waves = voice(2, channels=2), voice(1, channels=6)
    assert torch.equal(draw_tracks(tracks_of(*waves)), draw_tracks(tracks_of(*waves)))


def test_cuts_run_through_the_voices_and_number_the_shots_below():
    sound = Sound(waveform=torch.zeros(1, 16_000 * 4), sample_rate=16_000)
    tracks = place_tracks([sound, sound], [Fraction(0), Fraction(0)])
    free, cut = draw_tracks(tracks), draw_tracks(tracks, (), [25, 60, 500])
    bottom = timeline.MARGIN_PX + timeline.ROWS_PX
    assert cut.shape == (free.shape[0] + timeline.SHOTS_PX, 960, 3)
    voices = slice(bottom - 4)  # ticks go on to the axis
    drawn = (cut[voices] != free[voices]).any(-1).any(0).nonzero().flatten().tolist()
    columns = [round(time_px(time_s, 4.0)) for time_s in (1.0, 2.4)]  # 20 s is beyond the sound
    assert drawn == [column + step for column in columns for step in (-1, 0)]
    middle = bottom + timeline.SHOTS_PX // 2
    for time_s, index in ((0.2, 0), (1.2, 1), (3.9, 0)):
        pixel = cut[middle, round(time_px(time_s, 4.0))] * 255
        assert tuple(pixel.round().int().tolist()) == timeline.SCENE_COLORS[index]
