# ruff: noqa: RUF001 - phonemes look like letters.
"""Contractions and possessives, with misaki's dictionaries and without."""

from __future__ import annotations

import sys

import pytest

from pack.kokoro.english.clitics import split_clitic
from pack.kokoro.english.lexicon import Lexicon, data_folder
from pack.kokoro.english.pronunciation import EnglishPhonemes
from pack.kokoro.phonemizers import choose_phonemizer


def read(engine, text):
    return "".join((t.phonemes or "") + " " * t.blank for t in engine.tokens(text)).strip()


def engine_with(known, *, british=False, **gold):
    def fallback(words):
        return [known.get(word, "") for word in words]

    lexicon = Lexicon(gold=gold, silver={}, british=british)
    return EnglishPhonemes(lexicon=lexicon, name="test", fallback=fallback)


@pytest.mark.parametrize(
    ("name", "ending", "said"),
    [
        ("zɔɹb", "'s", "z"), ("zɔɹk", "'s", "s"), ("zɔɹɪʧ", "'s", "ᵻz"), ("zˈɑɹə", "'s", "z"),
        ("zˈɑθ", "'s", "s"), ("zˈɑð", "'s", "z"), ("blˈɪks", "'s", "ᵻz"), ("kwˈɑʒ", "'s", "ᵻz"),
        ("zˈɔɹbɪs", "'", ""), ("zˈɔɹbɪs", "'s", "ᵻz"), ("zˈɑɹə", "'ll", "l"), ("zɔɹk", "'ll", "əl"),
        ("zˈɑɹə", "'d", "d"), ("zɔɹk", "'d", "əd"), ("zˈɑɹt", "'d", "ᵻd"), ("zɔɹk", "'ve", "əv"),
        ("zˈɑɹə", "'re", "əɹ"), ("zɔɹk", "'m", "əm"), ("zɔɹb", "'S", "z"),
    ],
)  # fmt: skip
def test_the_end_of_an_unknown_name_follows_its_last_sound(name, ending, said):
    engine = engine_with({"Zorbs": name})
    assert read(engine, f"Zorbs{ending}") == name + said


def test_british_ends_have_their_own_vowel():
    engine = engine_with({"Zorb": "zɔːbɪʧ"}, british=True)
    assert read(engine, "Zorb's Zorb're") == "zɔːbɪʧɪz zɔːbɪʧə"


def test_what_changes_with_its_end_is_asked_for_as_a_whole():
    known = {"don't": "dˈOnt", "he's": "hiz", "O'Brien": "ObɹˈIən", "I'll": "Il"}
    engine = engine_with(known)
    assert read(engine, "don't he's I'll O'Brien's") == "dˈOnt hiz Il ObɹˈIənz"


def test_capitals_with_an_end_are_not_torn():
    engine = engine_with({"GPU": "ʤˌipˌijˈu", "FBI": "ˌɛfbˌiˈI", "NASA": "nˈæsə", "ANNA": "ˈænə"})
    text = "the GPUs, FBI's, NASA's. So ANNA'S, GPUs'"
    assert read(engine, text).split()[1:] == [
        "ʤˌipˌijˈuz,", "ˌɛfbˌiˈIz,", "nˈæsəz.", "ˈænəz,", "ʤˌipˌijˈuz",
    ]  # fmt: skip


def test_what_has_no_such_end_is_not_split():
    for word in ("O'Brien", "goin'", "o'clock", "'s", "boss", "Paris", "rock'n'roll"):
        assert split_clitic(word) is None


TEXT = (
    "I don't know, he's not my brother's friend. They're Anna's, aren't they? She'd've said it's "
    "five o'clock, wouldn't she? We'll see what's there. You can't, I won't, let's go, ma'am. "
    "The boys' car; the boss's car. I'm sure you've been. 'Tis so. Didn't, doesn't, isn't."
)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_contractions_without_misaki_are_as_with_it(monkeypatch, letter):
    if data_folder() is None:
        pytest.skip("misaki is not installed (it has no release for Python 3.13)")
    with_misaki = choose_phonemizer(letter).tokens(TEXT)
    monkeypatch.setitem(sys.modules, "misaki", None)
    without = choose_phonemizer(letter).tokens(TEXT)
    assert [t.text for t in without] == [t.text for t in with_misaki]
    pairs = [
        (ours.text, len(ours.phonemes), len(theirs.phonemes))
        for ours, theirs in zip(without, with_misaki, strict=True)
        if "'" in ours.text
    ]
    assert len(pairs) == 24
    # Spelled out, each would have three or more sounds too many.
    assert [pair for pair in pairs if abs(pair[1] - pair[2]) > 2] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("don't brother's Anna's", "dˈOnt bɹˈʌðəɹz ˈænəz"),
        ("won't I've boss's boys'", "wˈOnt Iv bˈɔsᵻz bˈYz"),
        ("rock'n'roll TVs", "ɹˈɑknɹOl tˌivˈiz"),
    ],
)
def test_without_misaki_no_letter_is_spelled(monkeypatch, text, said):
    monkeypatch.setitem(sys.modules, "misaki", None)
    assert read(choose_phonemizer("a"), text) == said


def test_a_dropped_g_is_not_a_name():
    engine = engine_with({}, going="ɡˈOɪŋ", cabin="kˈæbən")
    assert read(engine, "goin' 'the cabin'") == "ɡˈOɪn ðə kˈæbən"
