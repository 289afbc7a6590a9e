from __future__ import annotations

import pytest

from pack.kokoro.script.reader import parse_script

ACCENTED = "Zo\u00eb"


@pytest.mark.parametrize(
    "name",
    [
        "Anna", "A", "ANNA", "Anna Maria", "Jean-Luc", "O'Neil", "Speaker 2", "Guest2",
        "J. R. Ewing", "J.R. Ewing", "Dr. Smith", "Martin King Jr.", ACCENTED,
        "\u041e\u043b\u044c\u0433\u0430", "\u30cf\u30ca\u3055\u3093",
        "\u0906\u0928\u094d\u0928\u093e",  # Cyrillic, kana, Devanagari with signs
    ],
)  # fmt: skip
def test_capitalised_words_are_a_name(name):
    script = parse_script(f"{name}: Hello\nQ: Yes")
    assert script.speakers == (name, "Q")


@pytest.mark.parametrize(
    "line",
    [
        "Anna : Hello", "Anna:Hello", "  Anna: Hello", "Anna\uff1aHello", "**Anna:** Hello",
        "**Anna**: Hello", "- Anna: Hello", "\u2022 *Anna*: Hello", "Anna\u00a0: Hello",
        "anna: Hello",
    ],
)  # fmt: skip
def test_label_may_be_written_in_many_ways(line):
    script = parse_script(f"Anna: First\nBen: Second\n{line}")
    assert [(turn.name, turn.text) for turn in script.turns][2] == ("Anna", "Hello")


@pytest.mark.parametrize(
    "line",
    [
        "There are only three things: a, b, c", "at 12:30", "Chapter 3:16 says", "https://a.b",
        "C:\\files", "Thanks :)", "Thanks :-(", "Thanks:D", "\"Quoted\": x", "Yes, Anna: x",
        "1st: x", ": x", "Stop! Anna: x", "std::vector", "Anna :x",
        "Abcdefghijklmnopqrstuvwxyzabcdefgh: x",
    ],
)  # fmt: skip
def test_words_before_another_colon_are_spoken(line):
    script = parse_script(f"Zoe: Hi\n{line}")
    assert [turn.text for turn in script.turns] == [f"Hi\n{line}"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("Note: mind the gap", "For a speaker, add it to voices; for words, write "),
        ("PS: bye", ""),
        ("Step 1: go", ""),
        ("listen: now", "For a speaker, capitalise every word or add it to voices"),
        ("Listen carefully: now", "capitalise every word"),
        ("Ludwig van Beethoven: hm", "capitalise every word"),
        ("Stop. Anna: x", ""),
    ],
)
def test_doubtful_label_is_refused_unless_it_is_listed_or_escaped(line, hint):
    name = line.partition(":")[0]
    text = f"Anna: Hi\n{line}"
    with pytest.raises(ValueError, match=f'Line 2, column 1: "{name}:" could be .*{hint}'):
        parse_script(text)
    assert parse_script(text, ("Anna", name)).turns[1].name == name
    assert parse_script(f"Anna: Hi\n\\{line}").turns[0].text == f"Hi\n{line}"


def test_listed_names_are_the_only_ones():
    names = ("Anna", "the man with no name", "R2-D2 & co")
    script = parse_script("The Man With  No Name: Hi\nr2-d2 & co: Beep\nSo here it is: x", names)
    assert [turn.speaker for turn in script.turns] == [1, 2]
    assert script.speakers == names
    with pytest.raises(
        ValueError, match='"Ana:" is not among the names in voices: Anna, the man with no name'
    ):
        parse_script("Ana: Hi", names)
    with pytest.raises(ValueError, match=r"\(s4\) is speaker 4, but voices names only"):
        parse_script("(s4) Hi", names)


def test_one_name_in_two_spellings_is_one_speaker():
    script = parse_script(f"{ACCENTED}: a\nZoe\u0308: b\nZO\u00cb: c")
    assert script.speakers == (ACCENTED,)
    assert len(script.turns) == 3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A", "B", "C", "D", "E", "F", "G"], "voices names 7 speakers; up to 6 .* Remove G"),
        ([*list("ABCDEF"), "x" * 999], f"up to 6 .* Remove {'x' * 60}[.]$"),
        (["Anna", " "], "Name 2 in voices is ''; a name has 1 to 30 characters"),
        (["Anna: Maria"], "Name 1 in voices is 'Anna: Maria'; .* no colon, bracket or asterisk"),
        (["x" * 31], "a name has 1 to 30 characters"),
        (["y" * 999], f"Name 1 in voices is '{'y' * 40}'; a name has 1 to 30 characters"),
        (["Anna", "ANNA"], "voices has one name twice: Anna, ANNA"),
    ],
)
def test_impossible_list_of_names_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        parse_script("Hi", names)
