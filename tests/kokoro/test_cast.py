"""Who speaks with which voice: the list of MultiTalk Dialogue."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from pack.kokoro.dialogue import check_voices, read_cast
from pack.kokoro.script.reader import parse_script


@pytest.mark.parametrize(
    ("text", "cast"),
    [
        ("Anna = af_bella", {"Anna": "af_bella"}),
        ("Anna: f4\nBen : m1", {"Anna": "f4", "Ben": "m1"}),
        ("Anna = af_heart:0.7, am_adam:0.3", {"Anna": "af_heart:0.7, am_adam:0.3"}),
        ("Anna\nBen = am_adam\n\n", {"Anna": "", "Ben": "am_adam"}),
    ],
)
def test_names_and_voices_are_told_by_either_sign(text, cast):
    assert read_cast(text) == cast


@pytest.mark.parametrize("text", ["Anna =", "Anna:", "= f4", ": f4"])
def test_half_a_line_names_the_field_and_the_way(text):
    with pytest.raises(
        ValueError, match=r"voices, line 1: .* Write Name = voice, or the name alone; for example"
    ):
        read_cast(text)


class OneVoice:
    """Knows one voice."""

    def check_voice(self, voice):
        if voice not in ("", "one"):
            raise ValueError(f"There is no voice {voice!r}.")


@pytest.mark.parametrize(
    ("cast", "script", "message"),
    [
        ("Anna = two", "Anna: Hi", "^voices, Anna: There is no voice 'two'"),
        ("Anna = one", "Anna: Hi\nAnna [voice=two]: Hi", "^Line 2, column 1: There is no voice"),
        ("Anna = one\nBen", "Anna [voice=one]: Hi\nBen: Hi", None),
    ],
)
def test_voices_are_looked_for_before_anything_is_said(cast, script, message):
    wanted = read_cast(cast)
    turns = parse_script(script, tuple(wanted)).turns
    refused = nullcontext() if message is None else pytest.raises(ValueError, match=message)
    with refused:
        check_voices(OneVoice(), turns, wanted)
