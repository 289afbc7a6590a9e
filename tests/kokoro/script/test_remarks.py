from __future__ import annotations

import pytest

from pack.kokoro.script.reader import parse_script
from pack.kokoro.script.remarks import scene_lines
from pack.multitalk.spans import read_spans


def remarks(text):
    return [(turn.name, turn.text, turn.remark) for turn in parse_script(text).turns]


@pytest.mark.parametrize(
    "text",
    [
        "Anna (laughing): Hi",
        "Anna(laughing) : Hi",
        "Anna ( laughing ) [speed=1.2]: Hi",
        "Anna [speed=1.2] (laughing): Hi",
        "**Anna** (laughing): Hi",
        "**Anna (laughing):** Hi",
        "- Anna (laughing): Hi",
        "Anna \uff08laughing\uff09\uff1aHi",
        "[Anna, laughing] Hi",
        "[Anna (laughing)] Hi",
        "[Anna] (laughing): Hi",
        '[{"speaker": "Anna", "text": "Hi", "direction": "laughing"}]',
    ],
)
def test_what_stands_in_brackets_after_a_name_is_no_speech(text):
    assert remarks(text) == [("Anna", "Hi", "laughing")]


@pytest.mark.parametrize(
    "text", ["ANNA (laughing)\nHi\n\nBEN\nNo", "ANNA (laughing) - Hi\nBEN - No"]
)
def test_so_it_is_in_scripts_of_other_programs(text):
    assert remarks(text) == [("ANNA", "Hi", "laughing"), ("BEN", "No", "")]


def test_a_remark_is_for_all_pieces_of_its_turn_and_no_other():
    text = "Anna (she laughs, 3 people): Hi [1s] yes\nBen (V.O.): No\nAnna: Oh (well)\nBen ( ): So"
    assert remarks(text) == [
        ("Anna", "Hi", "she laughs, 3 people"),
        ("Anna", "yes", "she laughs, 3 people"),
        ("Ben", "No", ""),
        ("Anna", "Oh (well)", ""),
        ("Ben", "So", ""),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna: Hi\nAnna (laughing: No", "^Line 2, column 1: What Anna does .* bracket is open"),
        ("Anna (a (b)): Hi", "is one bracket of up to 200 characters with no other inside"),
        (f"Anna ({'x' * 201}): Hi", "is one bracket of up to 200 characters"),
    ],
)
def test_a_bracket_that_would_be_spoken_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_script(text)


@pytest.mark.parametrize("text", ["Hello (note: this) you", r"\Anna (laughing: Hi", "Say (that"])
def test_other_brackets_are_words(text):
    assert remarks(text) == [("s1", text, "")]


def test_lines_of_the_scene_have_the_times_of_the_turns():
    turns = parse_script(
        "Anna (laughing): a [1s] b\nBen: c\nAnna (laughing): d\nBen (bows): [together] e"
    ).turns
    lines = scene_lines(turns, [0, 3000, 5000, 6000, 6000], [2000, 1500, 500, 3000, 2000], 2000)
    assert lines == (
        "0-2.25: Anna, laughing\n3-4: Anna, laughing; Ben, bows\n4-4.5: Anna, laughing"
    )
    assert [span.text for span in read_spans(lines)][-1] == "Anna, laughing"
    assert scene_lines(parse_script("Anna: a").turns, [0], [9], 2000) == ""
