"""Who speaks with which voice: the list of MultiTalk Dialogue."""

from __future__ import annotations

import pytest

from pack.kokoro.dialogue import read_cast


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
