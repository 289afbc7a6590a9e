# ruff: noqa: RUF001 - phonemes look like letters.
from __future__ import annotations

import itertools
import logging

import pytest

from pack.kokoro.english.lexicon import Lexicon, data_folder, first_is_vowel
from pack.kokoro.english.pronunciation import EnglishPhonemes
from pack.kokoro.symbols import STRESSES

BARE = str.maketrans("", "", STRESSES)


@pytest.fixture(scope="module")
def lexicons():
    folder = data_folder()
    assert folder is not None
    return {british: Lexicon.load(folder, british=british) for british in (False, True)}


@pytest.fixture(scope="module")
def american(lexicons):
    return EnglishPhonemes(lexicon=lexicons[False], name="dictionaries")


@pytest.fixture(scope="module")
def british(lexicons):
    return EnglishPhonemes(lexicon=lexicons[True], name="dictionaries")


def read(engine, text):
    return "".join((t.phonemes or "") + " " * t.blank for t in engine.tokens(text)).strip()


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Hello, world!", "həlˈO, wˈɜɹld!"),
        ("The apple, the dog.", "ði ˈæpᵊl, ðə dˈɔɡ."),
        ("to eat, to go, where to?", "tʊ ˈit, tə ɡˌO, wˌɛɹ tu?"),
        ("A dog, vitamin A. An hour.", "ə dˈɔɡ, vˈITəmən ˈA. ən ˈWəɹ."),
        ("I used to use used cars", "ˈI jˈust tə jˈuz jˈuzd kˈɑɹz"),
        ("I have read what you will read", "ˈI hæv ɹˈɛd wˌʌt ju wɪl ɹˈid"),
        ("They record a record", "ðA ɹəkˈɔɹd ə ɹˈɛkəɹd"),
        ("I live for live music", "ˈI lˈɪv fɔɹ lˈIv mjˈuzɪk"),
        ("Is it by? By it.", "ɪz ɪt bˈI? bI ɪt."),
        ("writing better", "ɹˈITɪŋ bˈɛTəɹ"),
    ],
)
def test_words_in_context(american, text, phonemes):
    assert read(american, text) == phonemes


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("cat's dog's horse's", "kˈæts dˈɔɡz hˈɔɹsᵻz"),
        ("the cats' boss's", "ðə kˈæts bˈɔsᵻz"),
        ("walked wanted planned", "wˈɔkt wˈɑntᵻd plˈænd"),
        ("well-known", "wˈɛlnˈOn"),
        ("twenty-one", "twˌɛntiwˈʌn"),
        ("don't we've shouldn't've", "dˈOnt wiv ʃˈʊdᵊntəv"),
        ("Rock'n'roll", "ɹˈɑkənɹˈOl"),
        ("NASA and the FBI", "nˈæsə ænd ði ˌɛfbˌiˈI"),
        ("GPUs, the FBI's", "ʤˌipˌijˈuz, ði ˌɛfbˌiˈIz"),
        ("the U.S. Army", "ðə jˌuˈɛs ˈɑɹmi"),
        ("IT is us. US is the US", "ˌItˈi ɪz ˌʌs. jˌuˈɛs ɪz ðə jˌuˈɛs"),
        ("I LOVE IT", "ˈI lˈʌv ɪt"),
        ("London, london, LONDON", "lˈʌndən, lˈʌndən, lˈʌndən"),
        ("$5", "fˈIv dˈɑləɹz"),
        ("a b c", "A bˈi sˈi"),
    ],
)
def test_forms_of_words(american, text, phonemes):
    assert read(american, text) == phonemes


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("I re-read it", "ˈI ɹˌiɹˈid ɪt"),
        ("I have re-read it", "ˈI hæv ɹiɹˈɛd ɪt"),
        ("re-sign, resign", "ɹisˈIn, ɹəzˈIn"),
        ("re-record and re-use", "ɹˌiɹəkˈɔɹd ænd ɹijˈuz"),
        ("co-op anti-war un-American", "kˈOˌɑp ˌæntiwˈɔɹ ˌʌnəmˈɛɹəkən"),
        ("non-stop RE-ELECT", "nˌɑnstˈɑp ɹˌiəlˈɛkt"),
    ],
)
def test_prefixes_with_a_hyphen(american, text, phonemes):
    assert read(american, text) == phonemes


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("The water was better.", "ðə wˈɔːtə wɒz bˈɛtə."),
        ("hurried, wanted, boxes", "hˈʌɹɪd, wˈɒntɪd, bˈɒksɪz"),
        ("no goat", "nˈQ ɡˈQt"),
    ],
)
def test_british_words(british, text, phonemes):
    assert read(british, text) == phonemes


def test_tokens_keep_the_written_words_and_their_blanks(american):
    tokens = american.tokens("Hi, I owe $3.50!")
    assert [(token.text, token.blank) for token in tokens] == [
        ("Hi", False),
        (",", True),
        ("I", True),
        ("owe", True),
        ("$3.50", False),
        ("!", True),
    ]


def test_a_word_that_nothing_knows_goes_to_the_fallback_once(lexicons):
    asked = []

    def fallback(words):
        asked.append(list(words))
        return ["zˈɔɹb"] * len(words)

    engine = EnglishPhonemes(lexicon=lexicons[False], name="test", fallback=fallback)
    assert read(engine, "The zorbic cat's zorbic Blarfish-like hat") == (
        "ðə zˈɔɹb kˈæts zˈɔɹb zˈɔɹblˈIk hˈæt"
    )
    assert asked == [["Blarfish", "zorbic"]]


def test_without_a_fallback_unknown_words_are_guessed_and_it_is_said(american, caplog):
    with caplog.at_level(logging.WARNING, logger="kokoro"):
        assert read(american, "framerate xq") == "fɹˈAmɹˌAt ˌɛkskjˈu"
    assert "pip install espeakng-loader" in caplog.text


@pytest.mark.parametrize(
    ("word", "stem_form"),
    [
        ("qwxs", None),
        ("dogs", "dˈɔɡz"),
        ("churches", "ʧˈɜɹʧᵻz"),
        ("knives", "nˈIvz"),
        ("tries", "tɹˈIz"),
        ("stopped", "stˈɑpt"),
        ("panicked", "pˈænɪkt"),
        ("rated", "ɹˈAɾᵻd"),
        ("tying", "tˈIɪŋ"),
        ("making", "mˌAkɪŋ"),
        ("happily", "hˈæpəli"),
        ("basically", "bˈAsəkᵊli"),
        ("terribly", "tˈɛɹəbli"),
    ],
)
def test_endings_of_known_stems(lexicons, word, stem_form):
    assert lexicons[False].derive(word) == stem_form


# The dictionaries' own entries are what is compared with, as misaki itself cannot run here. Gold is
# the stricter: what it holds is mostly the exceptions.
@pytest.mark.parametrize(
    ("is_british", "grade", "exact", "without_stress"),
    [
        (False, "gold", 0.84, 0.855),
        (False, "silver", 0.825, 0.85),
        (True, "gold", 0.865, 0.885),
        (True, "silver", 0.85, 0.88),
    ],
)
def test_derived_words_agree_with_hidden_entries(
    lexicons, record_property, is_british, grade, exact, without_stress
):
    lexicon = lexicons[is_british]
    entries = getattr(lexicon, grade)
    if grade == "gold":
        lexicon = Lexicon(gold=entries, silver={}, british=is_british)
    pairs = [
        (entry, derived)
        for word, entry in entries.items()
        if isinstance(entry, str) and word.isalpha() and word.islower()
        if (derived := lexicon.derive(word)) is not None
    ]
    assert len(pairs) > 1000
    same = sum(entry == derived for entry, derived in pairs) / len(pairs)
    sounds = sum(e.translate(BARE) == d.translate(BARE) for e, d in pairs) / len(pairs)
    record_property("agreement", f"{same:.3f} exact, {sounds:.3f} without stress")
    assert same >= exact
    assert sounds >= without_stress


def test_entries_come_out_as_they_are(lexicons):
    for lexicon in lexicons.values():
        for word in itertools.islice(lexicon.gold, 0, None, 97):
            entry = lexicon.gold[word]
            if isinstance(entry, str):
                assert lexicon.find(word) == entry
            elif isinstance(entry["DEFAULT"], str):
                assert lexicon.find(word) == entry["DEFAULT"]


def test_gold_goes_before_silver_and_spelling_before_case():
    lexicon = Lexicon(gold={"Polish": "pO", "polish": "pɑ"}, silver={"polish": "x"}, british=False)
    assert lexicon.find("Polish") == "pO"
    assert lexicon.find("polish") == "pɑ"
    assert lexicon.find("POLISH") == "pɑ"


def test_vowel_sounds_are_told_by_phonemes():
    assert first_is_vowel("ˈWəɹ")
    assert not first_is_vowel("jˈunət")
    assert not first_is_vowel("")
