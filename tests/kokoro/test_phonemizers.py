from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pack.kokoro.english.pronunciation import EnglishPhonemes
from pack.kokoro.espeak.phonemes import EspeakPhonemes
from pack.kokoro.phonemizers import LANGUAGES, MisakiPhonemes, choose_phonemizer, language_of


def test_the_phonemizer_of_a_language_names_itself():
    assert choose_phonemizer("a").name == "misaki's dictionaries and espeak-ng for other words"
    assert isinstance(choose_phonemizer("bf_emma"), EnglishPhonemes)
    spanish = choose_phonemizer("es")
    assert isinstance(spanish, EspeakPhonemes)
    assert (spanish.name, spanish.language, spanish.english) == ("espeak-ng", "es", False)


@pytest.mark.parametrize(
    ("given", "letter"),
    [
        ("a", "a"),
        ("en-us", "a"),
        ("EN_GB", "b"),
        ("British English", "b"),
        ("af_heart", "a"),
        ("zm_yunxi", "z"),
        ("pt-br", "p"),
        ("fr", "f"),
    ],
)
def test_a_language_is_told_by_letter_code_name_or_voice(given, letter):
    assert language_of(given) == letter
    assert letter in LANGUAGES


@pytest.mark.parametrize("given", ["", "x", "de", "xf_nobody", "heart"])
def test_an_unknown_language_is_refused(given):
    with pytest.raises(ValueError, match=r"speech model knows a \(American English\)"):
        language_of(given)


@pytest.mark.parametrize(
    ("language", "missing", "message"),
    [
        ("e", ["espeakng_loader"], r"Spanish needs espeak-ng.*pip install espeakng-loader"),
        (
            "a",
            ["espeakng_loader", "misaki"],
            r"--no-deps --ignore-requires-python misaki.*espeakng-loader",
        ),
        ("j", [], r'missing here: fugashi.*pip install "misaki\[ja\]"'),
        ("z", [], r'missing here: jieba.*pip install "misaki\[zh\]"'),
    ],
)
def test_what_is_missing_is_named(monkeypatch, language, missing, message):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match=message):
        choose_phonemizer(language)


def test_misaki_itself_is_never_imported():
    choose_phonemizer("a").tokens("Hello world")
    assert not [name for name in sys.modules if name.split(".")[0] == "misaki"]


def test_tokens_of_misakis_own_class_are_taken_over():
    words = [
        SimpleNamespace(text="better", phonemes="b\u02c8\u025b\u027e\u0259\u0279", whitespace=" "),
        SimpleNamespace(text="\u2753", phonemes=None, whitespace=""),
        SimpleNamespace(text=".", phonemes=".", whitespace=""),
    ]
    engine = MisakiPhonemes(
        name="misaki", english=True, british=False, read=lambda text: ("", words)
    )
    tokens = engine.tokens("better \u2753.")
    assert [(t.text, t.phonemes, t.blank) for t in tokens] == [
        ("better", "b\u02c8\u025bT\u0259\u0279", True),
        ("\u2753", None, False),
        (".", ".", False),
    ]
    other = MisakiPhonemes(
        name="misaki",
        english=False,
        british=False,
        read=lambda text: ("ko\u0272\u0272i\u02a8i\u03b2a\u2047", None),
    )
    assert [t.phonemes for t in other.tokens("\u3053\u3093\u306b\u3061\u306f")] == [
        "ko\u0272\u0272i\u02a8i\u03b2a"
    ]
    assert other.tokens("") != []
