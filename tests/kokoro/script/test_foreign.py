"""Scripts as other programs write them."""

from __future__ import annotations

import contextlib
import json

import pytest

from pack.kokoro.script.reader import parse_script
from pack.tests.limits import count_calls

HI = [("Anna", "Hello!"), ("Ben", "Hi.")]


def said(script):
    return [(turn.name, turn.text) for turn in script.turns]


@pytest.mark.parametrize(
    "text",
    [
        "[Anna] Hello!\n[Ben] Hi.",
        "[Anna]: Hello!\n[Ben]: Hi.",
        "[Anna]\nHello!\n\n[Ben]\nHi.",
        "[Anna] Hello! [Ben] Hi.",
        "**[Anna]** Hello!\n**[Ben]** Hi.",
        "<Anna> Hello!\n<Ben> Hi.",
        "<Anna>Hello!</Anna>\n<Ben>Hi.</Ben>",
        "<v Anna>Hello!</v>\n<v Ben>Hi.",
        "(Anna) Hello!\n(Ben) Hi.",
        "{Anna} Hello!\n{Ben} Hi.",
        "Anna - Hello!\nBen - Hi.",
        "Anna \u2013 Hello!\nBen \u2014 Hi.",
        "Anna | Hello!\nBen | Hi.",
        "Anna> Hello!\nBen> Hi.",
        "Anna\tHello!\nBen\tHi.",
        "**Anna:** Hello!\n**Ben:** Hi.",
        "**Anna**\nHello!\n**Ben**\nHi.",
        "## Anna\nHello!\n## Ben\nHi.",
        "1. Anna: Hello!\n2. Ben: Hi.",
        "- [Anna] Hello!\n- [Ben] Hi.",
        "Anna -> Hello!\nBen => Hi.",
        "\u3010Anna\u3011Hello!\n\u3010Ben\u3011 Hi.",
        '<speaker name="Anna">Hello!</speaker>\n<speaker name="Ben">Hi.</speaker>',
        '```json\n[["Anna", "Hello!"], ["Ben", "Hi."]]\n```',
        "[00:01] Anna: Hello!\n(0:00:02) Ben: Hi.",
        "00:01 Anna: Hello!\n00:02.500 Ben: Hi.",
        "1\n00:00:01,000 --> 00:00:02,000\nAnna: Hello!\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\nBen: Hi.",
        "WEBVTT - x\n\n00:01.000 --> 00:02.000 align:start\n<v Anna>Hello!</v>\n\n"
        "00:03.000 --> 00:04.000\n<v.loud Ben><i>Hi.</i>",
        '[{"speaker": "Anna", "text": "Hello!"}, {"speaker": "Ben", "text": "Hi."}]',
        '{"turns": [{"role": "Anna", "content": "Hello!"}, {"role": "Ben", "content": "Hi."}]}',
        '{"name": "Anna", "line": "Hello!"}\n{"name": "Ben", "line": "Hi."}\n',
        '[["Anna", "Hello!"], ["Ben", "Hi."]]',
    ],
)  # fmt: skip
def test_scripts_of_other_programs_are_turns(text):
    assert said(parse_script(text)) == HI
    assert said(parse_script(text, ("Anna", "Ben"))) == HI


@pytest.mark.parametrize(
    "text",
    [
        "ANNA\nHello!\n\nBEN\nHi.",
        "ANNA (V.O.)\nHello!\nBEN (CONT'D)\nHi.",
        "**ANNA**\nHello!\n**BEN**\nHi.",
        "[ANNA] Hello!\n[BEN] Hi.",
    ],
)
def test_names_in_capitals_are_those_of_the_list(text):
    assert said(parse_script(text)) == [("ANNA", "Hello!"), ("BEN", "Hi.")]
    assert said(parse_script(text, ("Anna", "Ben"))) == HI


@pytest.mark.parametrize(
    "text",
    [
        "[S1] Hello! [S2] Hi. [s1] Bye",
        "[S1]\nHello!\n[S2]\nHi.\n[S1]\nBye",
        "<S1> Hello!\n<S2> Hi.\n<S1> Bye",
        "<s1>Hello!</s1><s2>Hi.</s2><s1>Bye</s1>",
        "S1: Hello!\nS2: Hi.\nS1: Bye",
        "(s1): Hello!\n(s2): Hi.\n(s1): Bye",
        "<|speaker:1|> Hello!<|speaker:2|> Hi.<|speaker:1|> Bye",
    ],
)
def test_numbered_tags_are_marks(text):
    assert said(parse_script(text)) == [("s1", "Hello!"), ("s2", "Hi."), ("s1", "Bye")]


def test_numbered_names_alone_are_speakers():
    numbered = parse_script("Speaker 1\nHello!\nSpeaker 2\nHi.")
    assert said(numbered) == [("Speaker 1", "Hello!"), ("Speaker 2", "Hi.")]


@pytest.mark.parametrize(
    "text",
    [
        "[laughs] Hello!\n[sighs] Hi.",
        "[Laughs] Hello!",
        "[Kokoro](/ko/) talks.",
        "[1] foot, [Anna](http://a.b)",
        "STOP\nnow please",
        "CHAPTER ONE\nOnce\n\nCHAPTER TWO\nThen",
        "Paris - a city of light.\nIt is nice.",
        "I went - then\nHe came - too",
        "\\[Anna] is a tag",
        "Is 3 > 2 so?\nYes <3",
    ],
)
def test_what_names_nobody_stays_words(text):
    script = parse_script(text)
    assert said(script) == [("s1", text.removeprefix("\\"))]


def test_with_names_and_colons_other_tags_are_words():
    script = parse_script("Anna: Hi\n[Softly] yes - Ben\n[Anna] no\nNO\nnever")
    assert said(script) == [("Anna", "Hi\n[Softly] yes - Ben"), ("Anna", "no\nNO\nnever")]


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("[Bob] Hi", ("Anna",), '^Line 1, column 1: "Bob:" is not among the names in voices: Anna'),
        ("[narrator] Hi\n[anna] Yes", (), "Line 1.* could be a speaker .* add it to voices"),
        ('[{"speaker": "Bob", "text": "Hi"}]', ("Anna",), "Bob is not among the names in voices"),
        ('[{"speaker": "Anna", "text": "Hi"', (), "begins like JSON and is none: .* Anna: Hello"),
        ("[{'speaker': 'Anna', 'text': 'Hi'}]", (), "begins like JSON and is none"),
        ("<|speaker:0|> Hi", (), r"\(s0\) is no speaker; the first one is \(s1\)"),
        ('[{"text": "Hi"}]', (), r'Turn 1 of the script has no speaker .*\[\{"speaker": "Anna"'),
        ('[{"speaker": "Anna", "text": 5}]', (), "Turn 1 of the script has no speaker or no text"),
        ('[{"speaker": "A", "text": "x"}, 5]', (), "Turn 2 of the script is no turn"),
        ('{"Anna": "Hi"}', (), "Turn 1 of the script has no speaker"),
        ('[{"speaker": "Anna", "text": " "}]', (), "Line 1.*: Anna has nothing to say here"),
        ('[{"speaker": "Anna", "text": "x", "speed": 9}]', (), "speed is 9; it can be 0.5 to 2"),
        ('[{"speaker": "Anna", "text": "x", "voice": []}]', (), "voice is no name or number"),
        (json.dumps([{"speaker": "x" * 99, "text": "x"}]), (), "is no name; it has up to 30"),
        ('[["a", ' + "[" * 50_000, (), "nested too deeply|is none"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused_with_the_form_that_is(text, names, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_script(text, names)
    assert len(str(error.value)) < 400


def test_turns_in_json_may_have_options_and_pauses():
    turns = [
        {"speaker": "user", "text": "Note: well [1s] yes", "voice": "a, b", "speed": 1.2},
        {"speaker": 1, "text": "No\ud800\u200b!", "language": "b", "start": 3.5},
    ]
    script = parse_script(json.dumps(turns))
    assert said(script) == [("user", "Note: well"), ("user", "yes"), ("Speaker 1", "No!")]
    assert [(t.voice, t.speed, t.language, t.pause_s) for t in script.turns] == [
        ("a,b", 1.2, None, 0), ("a,b", 1.2, None, 1), (None, None, "b", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "piece",
    ["A ", "[A", "[A] ", "<v ", "A\t", "A - ", "*", "(", "A\n", "[A] x\n", "A - x\n", "[00:01] ",
     "00:01 --> 00:02\n", "<s1>", " ", '{"a":', '["', "\t", "1. "],
)  # fmt: skip
def test_four_times_the_script_makes_four_times_the_calls(piece):
    calls = []
    for size in (2000, 8000):
        with count_calls() as count, contextlib.suppress(ValueError):
            parse_script(("A" + piece * (size // len(piece)))[:size])
        calls.append(count.calls)
    assert calls[1] <= 5 * calls[0] + 100
