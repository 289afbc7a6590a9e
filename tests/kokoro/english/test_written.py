"""Every line of written_forms.txt: a written form and the words that are said for it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pack.kokoro.english.cleaning import clean
from pack.kokoro.english.written import find_forms, join_forms, read_text

LINES = Path(__file__).with_name("written_forms.txt").read_text(encoding="utf-8").split("\n")
FORMS = [line.split(" => ") for line in LINES if line and not line.startswith(("# ", "## "))]


def test_there_are_many_forms():
    assert len(FORMS) > 250
    assert len({written for written, _ in FORMS}) == len(FORMS)


def test_every_written_form_is_said_as_the_list_has_it():
    read = {written: read_text(written) for written, _ in FORMS}
    assert {
        written: " ".join(word for item in items for word in item.words)
        for written, items in read.items()
    } == dict(FORMS)
    for items in read.values():  # no two words are glued
        assert all(a.blank or a.mark or b.mark for a, b in itertools.pairwise(items))


def test_no_form_is_missed_by_looking_at_the_first_character():
    """One expression of all forms, tried at every character, finds the same."""
    whole, forms = join_forms(), [written for written, _ in FORMS]
    shuffled = [[a[: len(a) // 2] + b[len(b) // 2 :], b + a] for a, b in itertools.pairwise(forms)]
    signs = "".join(map(chr, range(0x20, 0x2400)))
    for text in map(clean, (*forms, *itertools.chain(*shuffled), signs, ". 1".join(signs))):
        read = [(found.span(), found.lastgroup) for found in find_forms(text)]
        assert read == [(found.span(), found.lastgroup) for found in whole.finditer(text)]


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("He works at Acme Inc.", "."),
        ("It took 20 sec.", "."),
        ("It took 20 sec. Then", "."),
        ("It took 20 sec. of", ""),
        ("45 min. and", ""),
        ("in Washington, D.C. The", ",."),
        ("the U.S. Army", ""),
        ("on 5th Ave. The", "."),
        ("Open Mon.-Fri.", "."),
        ("See you Sat.", "."),
        ("See you Sat. We go", "."),
        ("He sat. Then", "."),
        ("(at 5 p.m.)", "(.)"),
        ('"It is 5 p.m." He', "\u201c.\u201d"),
        ("Dr. The", ""),
        ("e.g. The", ""),
    ],
)
def test_a_short_form_that_ends_a_sentence_keeps_its_full_stop(text, marks):
    assert "".join(item.text for item in read_text(text) if item.mark) == marks
