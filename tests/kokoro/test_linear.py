"""Readers of what a user types take time that grows with its length, whatever it is."""

from __future__ import annotations

import time

import pytest

from pack.kokoro.english.written import read_text
from pack.kokoro.markup import drop_markup
from pack.kokoro.script.reader import parse_reference_script, parse_script
from pack.kokoro.symbols import drop_unsaid, keep_symbols
from pack.multitalk.sound.timeline import _plain
from pack.tests.limits import count_calls

# Four times as much takes four times as long; the square is sixteen times.
MOST = 9


def read_script(text):
    half = len(text) // 2
    parse_script("\n" * half + text[:half])


def repeat(piece, size):
    return (piece * (size // len(piece) + 1))[: size - size % len(piece)]


COUNTED = {
    drop_markup: ["*", "[", "_a", "<a", "\\*", "[a](", "|a", "\n>"],
    read_script: ["a\n", "a=b\n", "\\[", "\\(s1)", "\\A: b\n", "\nA", "a\n\n\n"],
    read_text: ["1/", "1-", "$1-", "5k", "A.", "(", "'", "Mon.-", "2h", "1x", '5" ', "a-", "^2"],
}


@pytest.mark.parametrize(
    ("read", "piece"),
    [(read, piece) for read, pieces in COUNTED.items() for piece in pieces],
    ids=lambda value: getattr(value, "__name__", ascii(value)[1:-1]),
)
def test_four_times_the_text_makes_about_four_times_the_calls(read, piece):
    calls = []
    for size in (1000, 4000):
        with count_calls() as count:
            read(repeat(piece, size))
        calls.append(count.calls)
    assert calls[1] <= 5 * calls[0] + 100


def seconds(read, text):
    begin = time.process_time()
    read(text)
    return time.process_time() - begin


# Loops of C's own, which no count sees.
@pytest.mark.parametrize(
    ("read", "piece"),
    [
        (drop_unsaid, "\u0301\u0323"), (drop_unsaid, "a\u0301\u0323"),
        (keep_symbols, "\u0301\u0323"), (_plain, "\u0301\u0323"),
        (parse_reference_script, "(s1) a"), (parse_reference_script, "(s1) a\n"),
        (read_text, "St. "), (read_text, "U.S. "), (read_text, "e.g. "), (read_text, "["),
    ],
    ids=lambda value: getattr(value, "__name__", ascii(value)[1:-1]),
)  # fmt: skip
def test_four_times_the_text_takes_about_four_times_as_long(read, piece):
    small, large = (min(seconds(read, repeat(piece, n)) for _ in "ab") for n in (6000, 24_000))
    # What a clock cannot tell apart is fast enough.
    assert large < max(MOST * small, 0.02)
