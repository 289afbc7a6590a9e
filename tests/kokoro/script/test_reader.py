from __future__ import annotations

import random

import pytest

from pack.kokoro.script.reader import parse_reference_script, parse_script
from pack.kokoro.script.turns import Turn
from pack.tests.limits import count_calls, no_endless_loop

DANA, YOSSI = "\u05d3\u05e0\u05d4", "\u05d9\u05d5\u05e1\u05d9"  # Hebrew
NOOR = "\u0646\u0648\u0631"  # Arabic
ANNA_SAYS_HI = Turn(
    speaker=0, name="Anna", text="Hi", pause_s=0.0, together=False, voice=None, speed=None,
    language=None, line=1, column=1,
)  # fmt: skip
SHALOM = "\u05e9\u05dc\u05d5\u05dd"


def said(script):
    """Who says what: [(name, text), ...]."""
    return [(turn.name, turn.text) for turn in script.turns]


def timing(script):
    """[(pause_s, together), ...]."""
    return [(turn.pause_s, turn.together) for turn in script.turns]


def places(script):
    return [(turn.line, turn.column) for turn in script.turns]


def test_names_at_the_beginning_of_lines_make_turns():
    script = parse_script("Anna: Hello!\nBen: Hi, Anna: how are you?\n\nAnna: Fine.\n")
    assert script.speakers == ("Anna", "Ben")
    assert said(script) == [
        ("Anna", "Hello!"),
        ("Ben", "Hi, Anna: how are you?"),
        ("Anna", "Fine."),
    ]
    assert [turn.speaker for turn in script.turns] == [0, 1, 0]
    assert places(script) == [(1, 1), (2, 1), (4, 1)]


def test_turn_that_asks_for_nothing_carries_nothing():
    assert parse_script("Anna: Hi").turns == (ANNA_SAYS_HI,)


def test_line_without_a_name_goes_on():
    script = parse_script("Anna:\nHello\n  there.\n\nAll of you.\nBen: Hi")
    assert said(script) == [("Anna", "Hello\nthere.\n\nAll of you."), ("Ben", "Hi")]


def test_plain_text_is_one_turn_of_one_speaker():
    script = parse_script("Just words.\nAnd more, said at 12:30.")
    assert script.speakers == ("s1",)
    assert said(script) == [("s1", "Just words.\nAnd more, said at 12:30.")]


def test_plain_text_is_spoken_by_the_first_of_the_listed_names():
    script = parse_script("Just words.", ("Anna", "Ben"))
    assert script.speakers == ("Anna", "Ben")
    assert said(script) == [("Anna", "Just words.")]


def test_marks_are_read_anywhere():
    script = parse_script("(s1) One (s2)Two\nthree ( S1 ) four (2) five")
    assert said(script) == [("s1", "One"), ("s2", "Two\nthree"), ("s1", "four (2) five")]
    assert places(script) == [(1, 1), (1, 10), (2, 7)]


def test_mark_gives_the_number_of_the_speaker():
    script = parse_script("(s3) I am third.")
    assert script.speakers == ("s1", "s2", "s3")
    assert [turn.speaker for turn in script.turns] == [2]


def test_marks_count_the_listed_names():
    script = parse_script("(s2) Hi.\nANNA: Yes?\nS2: Bye.", ("Anna", "Ben", "Carl"))
    assert script.speakers == ("Anna", "Ben", "Carl")  # Carl listens
    assert said(script) == [("Ben", "Hi."), ("Anna", "Yes?"), ("Ben", "Bye.")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna: Well [1.5s] yes.", [0, 1.5]),
        ("Anna: Well [500ms] yes.", [0, 0.5]),
        ("Anna: Well\n[ pause ]\nyes.", [0, 0.5]),
        ("Anna: Well [Pause 2s] yes.", [0, 2]),
        ("Anna: Well [pause 2] yes.", [0, 2]),
        ("Anna: Well [0,25 s] yes.", [0, 0.25]),
        ("Anna: Well [60s] yes.", [0, 60]),
        ("[1s] Anna: Well\n[2s]\nBen: yes.", [1, 2]),
        ("Anna: [1s] Well [1s]\nBen [1s]: [0.5s] yes.", [1, 2.5]),
        ("(s1) Well [-0.5s] (s2) yes.", [0, -0.5]),
        ("(s1) Well (s2) [\u22120.5s] yes.", [0, -0.5]),
        ("(s1) Well (s2)[\u2013500ms] yes.", [0, -0.5]),
    ],
)
def test_pauses_and_overlaps_are_seconds_before_what_follows(text, expected):
    script = parse_script(text)
    assert timing(script) == [(seconds, False) for seconds in expected]
    assert [text.split()[0] for _, text in said(script)] == ["Well", "yes."]


@pytest.mark.parametrize(
    "text",
    [
        "Anna: Stop\nBen: [together] Stop",
        "Anna: Stop\nBen [TOGETHER]: Stop",
        "Anna: Stop\n[together] Ben: Stop",
    ],
)
def test_together_begins_with_the_turn_before(text):
    assert timing(parse_script(text)) == [(0, False), (0, True)]


def test_together_with_a_pause_begins_later_than_the_turn_before():
    assert timing(parse_script("Anna: Stop\nBen: [together][0.2s] Stop"))[1] == (0.2, True)


def test_pause_at_the_end_is_kept():
    script = parse_script("Anna: Bye. [1s]\n[pause]\n")
    assert (said(script), script.end_pause_s) == ([("Anna", "Bye.")], 1.5)


@pytest.mark.parametrize(
    ("text", "exact", "end_exact"),
    [
        ("Anna: Hi.\nBen: Hi.", [False, False], False),
        ("Anna: [0s] Hi.\nBen: [0s] Hi. [0s]", [True, True], True),
        ("Anna: Hi. [1s]\nBen: Hi.\nAnna: [-0.2s] Hi.", [False, True, True], False),
        ("Anna: Stop\nBen: [together] Stop [1s]", [False, True], True),
        ("Anna: Well [1s]. [1s] Yes", [False, True], False),
    ],
)
def test_what_is_written_is_told_from_what_is_not(text, exact, end_exact):
    script = parse_script(text)
    assert ([turn.exact for turn in script.turns], script.end_exact) == (exact, end_exact)


def test_part_after_a_pause_is_placed_where_it_stands():
    assert places(parse_script("Anna: One [1s]\n  two [1s] three")) == [(1, 1), (2, 3), (2, 12)]


def test_full_stop_after_a_pause_is_no_turn_of_its_own():
    script = parse_script("Anna: Well [1s]. [1s] Yes")
    assert said(script) == [("Anna", "Well."), ("Anna", "Yes")]
    assert timing(script) == [(0, False), (2, False)]


@pytest.mark.parametrize(
    "text",
    [
        "Anna [voice=af_bella, speed=1.2, language=b]: Hi [1s] there",
        "Anna: [voice=af_bella,speed=1.2,language=b] Hi [1s] there",
        "Anna [Speed = 1,2, LANGUAGE=b, voice = af_bella]: Hi [1s] there",
        "(s1)[voice=af_bella, speed=1.2, language=b] Hi [1s] there",
        "[voice=af_bella, speed=1.2, language=b] Hi [1s] there",
    ],
)
def test_options_hold_for_every_part_of_their_turn(text):
    script = parse_script(text)
    assert [text for _, text in said(script)] == ["Hi", "there"]
    for part in script.turns:
        assert (part.voice, part.speed, part.language) == ("af_bella", 1.2, "b")


def test_options_end_with_their_turn():
    script = parse_script("Anna [speed=0.5]: One\nAnna: Two")
    assert [turn.speed for turn in script.turns] == [0.5, None]


def test_backslash_makes_words_of_names_marks_and_brackets():
    script = parse_script("Anna: One\n\\Note: two \\[1s] \\(s2) \\[speed=2] C:\\x \\n")
    assert said(script) == [("Anna", "One\nNote: two [1s] (s2) [speed=2] C:\\x \\n")]


def test_other_brackets_are_words():
    text = "[laughs] See [1], [Kokoro](/kokoro/) [a=b] {x} (y) [[ ]] [no end ( {"
    assert said(parse_script("Anna: Ha " + text)) == [("Anna", "Ha " + text)]
    assert said(parse_script("Anna: [word](/p=q/)")) == [("Anna", "[word](/p=q/)")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Anna: Hi\n\n  Ben [voise=x]: Hi", r"^Line 3, column 8: \[voise=...\] is no option; known "
         r"are voice, speed, language. Use one of these. The line is: Ben \[voise=x\]: Hi$"),
        ("Anna [laughing]: Hi", r"^Line 1, column 7: \[laughing\] is no option; known are voice"),
        ("Anna: [volume=2] Hi", r"^Line 1, column 8: \[volume=...\] is no option"),
        ("Anna [speed=fast]: Hi", "^Line 1, column 7: speed is fast; it can be 0.5 to 2"),
        ("Anna [voice=a, speed=9]: Hi", "^Line 1, column 16: speed is 9; it can be 0.5 to 2"),
        ("Anna [speed=nan]: Hi", "speed is nan; it can be"),
        ("Anna [voice=]: Hi", r"column 7: voice has no value. Write for example \[voice=af_"),
        ("Anna [voice=a, voice=b]: Hi", "column 16: voice is given twice"),
        ("Anna [voice=a]: [speed=1] Hi", "column 17: Options stand once in a turn"),
        ("Anna: Hi [speed=1] you", "column 10: Options stand once in a turn, right after the name"),
        ("Anna: Hi [1.5s and on", r"^Line 1, column 10: \[1.5s has no closing bracket"),
        ("Anna: Hi [pause [1s]", r"column 10: \[pause has no closing bracket"),
        ("Anna [speed=1: Hi", r"column 6: \[speed=1: has no closing bracket"),
        ("Anna: Hi [61s] you", r"column 10: \[61s\] is too long; pauses are 0 to 60 s"),
        ("Anna: Hi [-60001ms] you", r"\[-60001ms\] is too long"),
        ("Anna: Hi [40s][40s] you", "column 15: The pauses here add up to more than 60 s"),
        ("Anna: Hi [1.5] you", r"\[1.5\] has no unit. Write for example \[1.5s\]"),
        ("Anna: [-1s] Hi", "column 7: There is nothing before it to overlap"),
        ("Anna: [together] Hi", "column 7: There is nothing before it to overlap"),
        ("Anna: Hi [-1s] you", "column 10: Anna cannot speak over their own words"),
        ("Anna: Hi\nAnna: [together] you", "Line 2, column 7: Anna cannot speak over their own"),
        ("Anna: Hi\nBen: [together][-1s] Hi", "begins with the turn before it, not earlier"),
        ("Anna: Hi\nBen: Hi [-1s]", "Line 2, column 9: No turn follows that could overlap"),
        ("Anna: Hi\nBen: Hi [together]", "Line 2, column 9: No turn follows"),
        ("Anna: \nBen: Hi", "^Line 1, column 1: Anna has nothing to say here"),
        ("Anna: Hi\nBen: [1s]", "^Line 2, column 1: Ben has nothing to say here"),
        ("(s1) (s2) hello", "^Line 1, column 1: s1 has nothing to say here"),
        ("\n  Hear them!\nAnna: Hi", "^Line 2, column 3: This comes before the first speaker"),
        ("Well [1s] (s1) Hi", "^Line 1, column 1: This comes before the first speaker"),
        ("[speed=1]\nAnna: Hi", "^Line 1, column 1: This comes before the first speaker"),
        ("(s1) Hi (s7) Hi", r"^Line 1, column 9: \(s7\) would be speaker 7; up to 6 are possible"),
        ("(s0) Hi", r"^Line 1, column 1: \(s0\) is no speaker; the first one is \(s1\)"),
        ("Anna: Hi\n(s1) Hi", "^Line 2, column 1: Marks like .* and names like Anna: are mixed"),
        ("(s1) Hi\nAnna: Hi", "^Line 2, column 1: Marks like .* and names like Anna: are mixed"),
        ("", "The script has no words"),
        (" \n [1s] \n", "The script has no words"),
    ],
)  # fmt: skip
def test_error_says_where_and_what(text, message):
    with pytest.raises(ValueError, match=message):
        parse_script(text)


def test_error_shows_the_neighbourhood_in_a_long_line():
    with pytest.raises(
        ValueError, match=r"Line 1, column 1007: .* is: \.\.\.a{20,30} .*Z{20,30}\.\.\.$"
    ):
        parse_script("a" * 1000 + "      [1s " + "Z" * 1000)


def test_seventh_speaker_is_named():
    lines = [f"{name}: Hi" for name in ("Anna", "Ben", "Carl", "Dora", "Emil", "Fay", "Gus")]
    assert parse_script("\n".join(lines[:6])).speakers[-1] == "Fay"
    with pytest.raises(ValueError, match='Line 7, column 1: "Gus" is the seventh speaker'):
        parse_script("\n".join(lines))


def test_unseen_characters_are_dropped():
    script = parse_script(
        "\ufeffAn\x00na: He\x07llo\r\nBe\u200bn: \u202bHi\ud800\x1b[1s]\rthere\x85you"
    )
    assert said(script) == [("Anna", "Hello"), ("Ben", "Hi"), ("Ben", "there\nyou")]
    assert places(script) == [(1, 1), (2, 1), (3, 1)]


def test_right_to_left_names_are_names():
    script = parse_script(f"\u200f{DANA}: {SHALOM}\n{YOSSI} [1s]: {SHALOM}!\n{NOOR}: {SHALOM}")
    assert script.speakers == (DANA, YOSSI, NOOR)
    assert said(script) == [(DANA, SHALOM), (YOSSI, f"{SHALOM}!"), (NOOR, SHALOM)]


MAX_CALLS_PER_CHARACTER = 30
HOSTILE = {
    "words": "hello there, my friend. " * 4200,
    "turns": "Anna: Hi\nBen: Yes [1s] no\n" * 1300,
    "marks": "(s1) x " * 14_000,
    "brackets": "[" * 100_000,
    "bracket and blanks": "[" + " " * 100_000,
    "name and blanks": "Anna" + " " * 100_000 + "[",
    "pause and blanks": "[pause" + " " * 100_000 + "]",
    "round brackets": "( " * 50_000,
    "backslashes": "\\" * 100_000,
    "digits": "[" + "1" * 100_000,
    "mark digits": "(s" + "1" * 100_000 + ")",
    "no pauses": "[0s]" * 8_000,
    "cut words": "a[0s]" * 6_000,
    "cut stops": "a" + "[0s]." * 6_000,
    "open brackets in lines": "\n [" * 10_000,
    "colons": ":" * 100_000,
    "stars": "*" * 100_000,
    "options": "Anna [voice=" + "a," * 50_000 + "]: x",
    "empty lines": "\n" * 100_000,
    "controls": "\x00\x1b" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_30_to_100_kb_are_read_or_refused_at_once(text):
    message = ""
    # What grows with the square of the length makes calls by the billion, or a search for minutes.
    with no_endless_loop(), count_calls() as count:
        try:
            num_turns = len(parse_script(text).turns)
        except ValueError as error:
            num_turns, message = 0, str(error)
    assert count.calls < MAX_CALLS_PER_CHARACTER * len(text)
    assert (num_turns > 0) != (0 < len(message) < 300)


def test_no_text_breaks_the_reader():
    pieces = [
        "Anna", "ben", ":", " ", "\n", "[", "]", "(s1)", "(s2)", "1.5s", "-", "speed=1", "\\",
        "together", "pause", ",", DANA, "\u200f", "\r", "\x00", "*", "(", ")", ".", "\uff1a", "_",
    ]  # fmt: skip
    chance = random.Random(0)
    num_read = 0
    for _ in range(5000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 30)))
        try:
            script = parse_script(text, chance.choice([(), ("Anna", "Ben")]))
        except ValueError:
            continue
        num_read += 1
        assert all(turn.text.strip() == turn.text != "" for turn in script.turns)
        assert all(script.speakers[turn.speaker] == turn.name for turn in script.turns)
    assert 500 < num_read < 4500


def test_reference_mode_knows_its_own_marks_only():
    script = parse_reference_script("lost (s2) a\n [1s] (S1) b (s9)  c (s1)d\n ")
    assert script.speakers == ("s1", "s2")
    assert said(script) == [("s2", "a\n [1s] (S1) b"), ("s9", "c"), ("s1", "d\n ")]
    assert places(script) == [(1, 6), (2, 14), (2, 22)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Anna: Hi", r"The script has no mark; .* Write \(s1\)"),
        ("(s1) a\n(s2) ", r"Line 2, column 1: \(s2\) has no text"),
    ],
)
def test_reference_mode_refuses_what_the_reference_fails_at(text, message):
    with pytest.raises(ValueError, match=message):
        parse_reference_script(text)


@pytest.mark.parametrize(
    "text",
    [
        "(s1) do you know? (s2) yes, I know it! (s1) Me too.",
        "(s2) first me\n(s1) then you\nand again",
        "(s1)One.(s1)Two.(s2) price (2) items: three",
    ],
)
def test_script_of_the_reference_means_the_same_to_both_readers(text):
    ours, theirs = parse_script(text), parse_reference_script(text)
    assert ours.turns == theirs.turns
    assert ours.speakers == theirs.speakers


def test_reference_mode_lets_others_be_silent():
    assert len(parse_reference_script("(s1) a (s3)").turns) == 2
