from __future__ import annotations

import pytest
import torch

from pack.multitalk import timeline
from pack.multitalk.speakers import COLORS
from pack.multitalk.timeline import Span, axis_ticks, draw_timeline, row_px, time_px


def color_at(picture, speaker, time_s, length_s, rise_px=14):
    """Colour at a time, near the upper edge of the speaker's bars, where no words are.

    Times of ticks have a line in rows that are silent.
    """
    pixel = picture[row_px(speaker) - rise_px, round(time_px(time_s, length_s))]
    return tuple((pixel * 255).round().int().tolist())


def span(speaker, start_s, end_s, text=""):
    return Span(speaker=speaker, start_s=start_s, end_s=end_s, text=text)


@pytest.mark.parametrize("num_speakers", [1, 2, 6])
def test_picture_has_a_row_per_speaker(num_speakers):
    picture = draw_timeline(["Anna"] * num_speakers, [], 1.0)
    assert picture.shape == (40 + 52 * num_speakers, 1200, 3)
    assert picture.dtype == torch.float32
    assert 0 <= picture.min() < picture.max() <= 1


def test_bars_have_the_colour_of_their_speaker_at_their_time():
    turns = [span(index, index + 0.1, index + 0.9, "Hello there, you") for index in range(6)]
    picture = draw_timeline("ABCDEF", turns, 6.0)
    for speaker in range(6):
        for second in range(6):
            here = color_at(picture, speaker, second + 0.4, 6.0)
            assert here == (COLORS[speaker] if speaker == second else timeline.ROW)
            assert color_at(picture, speaker, second + 0.05, 6.0) == timeline.ROW
            assert color_at(picture, speaker, second + 0.95, 6.0) == timeline.ROW


def test_overlap_is_seen_in_both_rows():
    picture = draw_timeline(["A", "B"], [span(0, 0, 2.1), span(1, 1.7, 4)], 4.0)
    assert color_at(picture, 0, 1.9, 4.0) == COLORS[0]
    assert color_at(picture, 1, 1.9, 4.0) == COLORS[1]
    assert color_at(picture, 1, 1.4, 4.0) == timeline.ROW
    assert color_at(picture, 0, 2.3, 4.0) == timeline.ROW


def test_speaker_who_never_speaks_has_an_empty_row():
    picture = draw_timeline(["A", "B"], [span(0, 0, 4)], 4.0)
    row = picture[row_px(1) - 14, timeline.NAMES_PX + 2 : -timeline.MARGIN_PX - 2]
    colors = {tuple(c) for c in (row * 255).round().int().tolist()}
    assert timeline.ROW in colors
    assert not colors & set(COLORS)


def test_words_are_written_where_they_fit():
    narrow, wide = ([span(0, 0, end_s, "Hello you")] for end_s in (0.1, 3.0))
    for turns, end_s, expected in ((narrow, 0.1, False), (wide, 3.0, True)):
        picture = draw_timeline(["A"], turns, 10.0)
        first, last = (round(time_px(time_s, 10.0)) for time_s in (0, end_s))
        bar = picture[row_px(0) - 8 : row_px(0) + 8, first + 3 : last - 3]
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
    row = (picture[row_px(0), timeline.NAMES_PX :] * 255).round()
    near = (row - row.new_tensor(COLORS[0])).abs().amax(-1)
    assert 1 <= int((near < 1).sum()) <= 3


@pytest.mark.parametrize(
    ("length_s", "labels"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (10.4, [f"{index} s" for index in range(11)]),
        (45.0, [f"{index} s" for index in range(0, 46, 5)]),
        (60.0, [f"0:{index:02d}" for index in range(0, 60, 5)] + ["1:00"]),
        (601.0, [f"{index}:00" for index in range(11)]),
        (7200.0, ["0:00", "10:00"]),
        (1e6, ["0:00", "24:00:00"]),
        (0.0, ["0 s"]),
    ],
)
def test_axis_has_round_times_and_not_too_many(length_s, labels):
    ticks = axis_ticks(length_s)
    shown = [label for _, label in ticks]
    assert shown[: len(labels)] == labels
    assert len(shown) == len(labels) or length_s > 1000
    assert len(shown) <= 13
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
    colors = {tuple(c) for c in (after[row_px(0)] * 255).round().int().tolist()}
    assert colors == {timeline.ROW}


def test_time_line_without_length_is_drawn():
    picture = draw_timeline(["A"], [span(0, 0, 0, "x")], 0.0)
    assert color_at(picture, 0, 0, 0.0, 0) == COLORS[0]
