"""The held-out clips are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from pack.multitalk.config import FRAME_RATE, SAMPLES_PER_FRAME
from pack.tools.lab.cast import Line, load_voices, make_cast, make_clip, make_dialogue
from pack.tools.lab.measures import talks
from pack.tools.toy.clips import WINDOW
from pack.tools.toy.world import TALL, WIDE


def test_voices_are_long_enough_for_a_turn():
    voices = load_voices()
    assert len(voices) == 16
    assert all(len(voice) == 160 * SAMPLES_PER_FRAME for voice in voices)


def test_a_cast_has_all_kinds_and_shapes():
    cast = make_cast(24)
    kinds = [clip.kind for clip in cast]
    counts = [kinds.count(kind) for kind in ("one_face", "turns", "listener", "together")]
    assert counts == [8, 8, 4, 4]
    assert [c.scene.size for c in cast if c.kind == "one_face"] == [WIDE, TALL, WIDE, WIDE] * 2
    assert len({clip.name for clip in cast}) == 24
    assert {clip.num_frames for clip in cast} == {WINDOW}


@pytest.mark.parametrize("kind", ["one_face", "turns", "listener", "together"])
def test_a_clip_is_the_same_every_time(kind):
    first, again = make_clip(kind, 3), make_clip(kind, 3)
    np.testing.assert_array_equal(first.tracks, again.tracks)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert not np.array_equal(first.picture, make_clip(kind, 4).picture)


@pytest.mark.parametrize("number", range(8))
def test_turns_give_each_a_part_of_the_window(number):
    clip = make_clip("turns", number)
    first, second = clip.lines
    assert talks(clip.openings).all()
    assert first.start == 0
    assert len(first.waveform) < second.start * SAMPLES_PER_FRAME
    assert second.start * SAMPLES_PER_FRAME + len(second.waveform) == clip.tracks.shape[1]


def test_a_listener_says_nothing_on_either_side():
    sides = []
    for number in range(2):
        clip = make_clip("listener", number)
        sides.append(int(talks(clip.openings).argmin()))
        assert not clip.tracks[sides[-1]].any()
        assert not clip.openings[sides[-1]].any()
    assert sorted(sides) == [0, 1]


def test_both_talk_at_the_end_of_a_dialogue():
    clip = make_dialogue(20 * FRAME_RATE)
    ends = [line.start * SAMPLES_PER_FRAME + len(line.waveform) for line in clip.lines]
    assert max(ends) == clip.num_frames * SAMPLES_PER_FRAME
    assert talks(clip.openings[:, -10 * FRAME_RATE :]).all()
    assert not (clip.tracks[0] * clip.tracks[1]).any()


@pytest.mark.parametrize("number", range(4))
def test_both_talk_in_a_short_dialogue(number):
    assert talks(make_dialogue(81, number=number).openings).all()


def test_tracks_hold_lines_where_they_begin():
    clip = make_clip("turns", 0)
    line = clip.lines[1]
    assert isinstance(line, Line)
    begin = line.start * SAMPLES_PER_FRAME
    np.testing.assert_array_equal(clip.tracks[1, begin : begin + len(line.waveform)], line.waveform)
    assert not clip.tracks[1, :begin].any()
