from __future__ import annotations

import dataclasses

import pytest

from pack.kokoro.script.turns import Turn, schedule_turns


def turn(speaker=0, **changes):
    blank = Turn(
        speaker=speaker, name="ABCDEF"[speaker], text="x", pause_s=0.0, together=False, voice=None,
        speed=None, language=None, line=1, column=1,
    )  # fmt: skip
    return dataclasses.replace(blank, **changes)


@pytest.mark.parametrize(
    ("second", "third", "expected"),
    [
        ({}, {}, [0, 100, 150]),
        ({"pause_s": 0.2}, {"pause_s": 1.0}, [0, 120, 270]),
        ({"pause_s": -0.3}, {}, [0, 70, 120]),
        ({"pause_s": -1.0}, {}, [0, 0, 100]),  # the third waits for the first
        ({"together": True}, {}, [0, 0, 100]),
        ({"together": True, "pause_s": 0.8}, {}, [0, 80, 130]),
        ({"together": True}, {"together": True, "pause_s": 0.1}, [0, 0, 10]),
    ],
)
def test_turns_begin_when_the_script_says(second, third, expected):
    turns = [turn(0), turn(1, **second), turn(2, **third)]
    assert schedule_turns(turns, [100, 50, 10], 100) == expected


@pytest.mark.parametrize(
    ("second", "third", "expected"),
    [
        ({}, {}, [5, 122, 194]),  # silences as the voices have them
        ({"exact": True}, {"exact": True, "pause_s": 1.0}, [5, 105, 255]),
        ({"exact": True, "pause_s": -0.3}, {}, [5, 75, 147]),
        ({"exact": True, "pause_s": -0.9}, {}, [5, 15, 127]),  # the first is quiet last
        ({"exact": True, "together": True}, {}, [5, 5, 127]),
    ],
)
def test_what_is_written_counts_between_sounds(second, third, expected):
    turns = [turn(0), turn(1, **second), turn(2, **third)]
    silences = [(5, 10), (7, 10), (12, 3)]
    assert schedule_turns(turns, [100, 50, 10], 100, silences) == expected


def test_first_pause_delays_everything():
    assert schedule_turns([turn(pause_s=0.5)], [10], 24_000) == [12_000]


def test_pause_is_the_number_as_written():
    turns = [turn(0), turn(0, pause_s=0.29)]
    assert schedule_turns(turns, [0, 0], 100) == [0, 29]  # 0.29 * 100 is below 29


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([turn(0), turn(1, pause_s=-1.5, line=3, column=7)],
         "Line 3, column 7: the overlap of 1.5 s is longer than the 1.00 s that it can overlap"),
        ([turn(0, pause_s=-0.5)], "the overlap of 0.5 s is longer than the 0.00 s"),
        ([turn(0), turn(1, pause_s=-0.5), turn(0, pause_s=-0.9, line=9)],
         "Line 9, column 1: A would begin while still speaking"),
    ],
)  # fmt: skip
def test_impossible_overlap_is_refused(turns, message):
    with pytest.raises(ValueError, match=message):
        schedule_turns(turns, [100] * len(turns), 100)
