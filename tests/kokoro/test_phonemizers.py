from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from pack.kokoro.english import tags
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


def test_what_misakis_own_class_says_is_one_token():
    engine = MisakiPhonemes(read=lambda text: ("ko\u0272\u0272i\u02a8i\u03b2a\u2047", None))
    assert [t.phonemes for t in engine.tokens("\u3053\u3093\u306b\u3061\u306f")] == [
        "ko\u0272\u0272i\u02a8i\u03b2a"
    ]
    assert engine.tokens("") != []


def spacy_that_calls(tag_of):
    """Stand-ins for spaCy and its model: every word gets the tag of a table, else NN."""
    spacy, tokens = ModuleType("spacy"), ModuleType("spacy.tokens")
    tokens.Doc = lambda vocab, words: [SimpleNamespace(text=word, tag_="") for word in words]
    given = []

    def tag(doc):
        given.append([token.text for token in doc])
        for token in doc:
            token.tag_ = tag_of.get(token.text, "NN")
        return doc

    spacy.load = lambda name, enable: SimpleNamespace(vocab=None, pipeline=[("tagger", tag)])
    return {"spacy": spacy, "spacy.tokens": tokens, "en_core_web_sm": ModuleType("model")}, given


def test_with_spacy_written_forms_are_ours_and_tags_tell_heteronyms(monkeypatch):
    modules, given = spacy_that_calls({"read": "VBD", "desert": "VBP", "wound": "VBD", "I": "PRP"})
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    tags._load.cache_clear()
    try:
        text = "Anna's $20-$30 book, I read; they desert. He wound it at 2:05:13"
        engine = choose_phonemizer("a")
        assert engine.name == (
            "misaki's dictionaries and spaCy for parts of speech and espeak-ng for other words"
        )
        said = {token.text: token.phonemes for token in engine.tokens(text)}
    finally:
        tags._load.cache_clear()
    assert given == [[
        "Anna", "'s", "twenty", "to", "thirty", "dollars", "book", ",", "I", "read", ";", "they",
        "desert", ".", "He", "wound", "it", "at", "two", "oh", "five", "and", "thirteen", "seconds",
    ]]  # fmt: skip
    assert said["$20-$30"].replace(" ", "").endswith("d\u02c8\u0251l\u0259\u0279z")
    assert said["read"] == "\u0279\u02c8\u025bd"
    assert said["desert"] == "d\u0259z\u02c8\u025c\u0279t"
    assert said["wound"] == "w\u02c8Wnd"


def test_a_model_that_does_not_start_is_done_without(monkeypatch, caplog):
    modules, _ = spacy_that_calls({})

    def load(name, enable):
        raise OSError("[E050] Can't find model")

    modules["spacy"].load = load
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    tags._load.cache_clear()
    engine = choose_phonemizer("a")
    assert engine.tagger is None
    assert "en_core_web_sm cannot be used" in caplog.text
