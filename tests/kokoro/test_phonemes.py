# ruff: noqa: RUF001 - phonemes look like letters.
from __future__ import annotations

import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from pack.kokoro.chunks import MAX_PHONEMES
from pack.kokoro.phonemes import phoneme_chunks, read_tokens, speech_chunks, typed_tokens
from pack.kokoro.phonemizers import choose_phonemizer
from pack.kokoro.symbols import (
    SYMBOLS,
    drop_unsaid,
    fold_english,
    fold_espeak,
    keep_symbols,
    shift_stress,
)

SENTENCES = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").split("\n")
# Identifiers of the published vocabulary, kokoro.md section 6.
PUBLISHED = (
    ';:,.!?—…"()“” \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻ'
    "ʁɽ"
    "ʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ"
)


@pytest.fixture(scope="module")
def american():
    return choose_phonemizer("a")


def said(tokens):
    return "".join((t.phonemes or "") + " " * t.blank for t in tokens).strip()


def test_symbols_are_the_published_vocabulary():
    assert len(PUBLISHED) == len(SYMBOLS) == 114
    assert set(PUBLISHED) == SYMBOLS


def asked_at_once(engine, texts):
    """An engine whose espeak-ng has been asked for all words of texts at once: one process."""
    asked = set()

    def note(words):
        asked.update(words)
        return [""] * len(words)

    for text in texts:
        read_tokens(text, replace(engine, fallback=note))
    found = dict(zip(sorted(asked), engine.fallback(sorted(asked)), strict=True))
    return replace(engine, fallback=lambda words: [found[word] for word in words])


@pytest.mark.parametrize("letter", "abefhip")
def test_two_hundred_sentences_become_known_symbols(letter):
    assert len(SENTENCES) >= 200
    engine = choose_phonemizer(letter)
    step = 1 if letter in "ab" else len(SENTENCES)  # a process for each call, so one call
    engine = asked_at_once(engine, SENTENCES) if letter in "ab" else engine
    for start in range(0, len(SENTENCES), step):
        text = "\n".join(SENTENCES[start : start + step])
        tokens = read_tokens(text, engine)
        assert set(said(tokens)) <= SYMBOLS, text
        assert "  " not in said(tokens), text
        letters = any("LATIN" in unicodedata.name(c, "") for c in text)
        assert any(c.isalpha() for c in said(tokens)) == letters, text


def test_sentences_without_espeak_become_known_symbols_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    engine = choose_phonemizer("a")
    assert engine.name == "misaki's dictionaries"
    for text in SENTENCES:
        tokens = read_tokens(text, engine)
        assert set(said(tokens)) <= SYMBOLS, text
        letters = any("LATIN" in unicodedata.name(c, "") for c in text)
        assert any(c.isalpha() for c in said(tokens)) == letters, text


def test_sentences_by_espeak_alone_become_known_symbols_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "misaki", None)
    engine = choose_phonemizer("b")
    assert engine.name == "espeak-ng"
    tokens = read_tokens("\n".join(SENTENCES), engine)
    assert set(said(tokens)) <= SYMBOLS
    hello = engine.tokens("Hello there, the U.S. costs $5.")
    assert said(hello) == "həlˈQ ðˈɛː, ðə jˈuːˈɛs kˈɒsts fˈIv dˈɒləz."


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("[Kokoro](/kˈOkəɹO/) talks.", "kˈOkəɹO tˈɔks."),
        ("I say [word](/g x9/), now.", "ˈI sˈA ɡ x, nˈW."),
        ("a [hot](+2) dog", "ə hˈɑt dˈɔɡ"),
        ("one [word](-1) here", "wˈʌn wˌɜɹd hˈɪɹ"),
        ("one [word](-2) here", "wˈʌn wɜɹd hˈɪɹ"),
        ("rock [and](+1) roll", "ɹˈɑk ˌænd ɹˈOl"),
        ("a 5 [kg](-2) [apple](-1)", "ə fˈIv kAʤi ˌæpᵊl"),
        ("a [link](http://a.b/c) here", "ə lˈɪŋk hˈɪɹ"),
        ("the [apple](none) pie", "ði ˈæpᵊl pˈI"),
        ("no [word](//) here", "nˈO hˈɪɹ"),
    ],
)
def test_brackets_give_phonemes_and_stress(american, text, phonemes):
    assert said(read_tokens(text, american)) == phonemes


@pytest.mark.parametrize("text", ["[word](/kˈO and", "[word", "](/x/)", "[[a]](b", "[](/x/)", "[("])
def test_unbalanced_brackets_are_text(american, text):
    assert set(said(read_tokens(text, american))) <= SYMBOLS


def test_a_typed_word_keeps_its_written_form(american):
    (token, *_) = read_tokens("[Kokoro](/kˈOkəɹO/) talks", american)
    assert (token.text, token.phonemes, token.blank) == ("Kokoro", "kˈOkəɹO", True)


def test_typed_phonemes_are_chunked():
    tokens = typed_tokens("həlˈO, wˈɜɹld! 9")
    assert [(t.phonemes, t.blank) for t in tokens] == [
        ("həlˈO", False),
        (",", True),
        ("wˈɜɹld", False),
        ("!", True),
    ]
    chunks = list(phoneme_chunks("həlˈO\n\n" + "wˈɜɹld. " * 100))
    assert chunks[0].phonemes == "həlˈO"
    assert all(len(chunk.phonemes) <= MAX_PHONEMES for chunk in chunks)
    with pytest.raises(ValueError, match="none of these symbols"):
        list(phoneme_chunks("9 9 \u4f60"))


@pytest.mark.parametrize(
    ("phonemes", "steps", "expected"),
    [
        ("wˈɜɹd", 0, "wˈɜɹd"),
        ("wˈɜɹd", 1, "wˈɜɹd"),
        ("wˈɜɹd", -0.5, "wˌɜɹd"),
        ("kˌɑləfˈɔɹnjə", -1, "kɑləfˌɔɹnjə"),
        ("kˌɑləfˈɔɹnjə", -2, "kɑləfɔɹnjə"),
        ("hˌæd", 1, "hˈæd"),
        ("hˌæd", -1, "hæd"),
        ("ænd", 1, "ˌænd"),
        ("ænd", 2, "ˈænd"),
        ("ænd", -1, "ænd"),
        ("m", 2, "m"),
    ],
)
def test_stress_moves_by_levels(phonemes, steps, expected):
    assert shift_stress(phonemes, steps) == expected


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("ɡˈo^ʊt", "ɡˈOt", "ɡˈQt"),
        ("pɹˈa^ɪs", "pɹˈIs", "pɹˈIs"),
        ("bˈɜːd", "bˈɜɹd", "bˈɜːd"),
        ("wˈɔːɾɚ", "wˈɔɾəɹ", "wˈɔːtə"),
        ("lˈɒx", "lˈɑk", "lˈɒk"),
        ("t^ʃˈɜːt^ʃ", "ʧˈɜɹʧ", "ʧˈɜːʧ"),
        ("bˈʌʔn\u0329", "bˈʌʔᵊn", "bˈʌtᵊn"),
        ("skwˈeə", "skwˈAə", "skwˈɛː"),
    ],
)
def test_espeaks_english_becomes_misakis(ipa, american, british):
    assert fold_english(ipa, british=False) == american
    assert fold_english(ipa, british=True) == british


def test_espeaks_ipa_becomes_symbols():
    assert fold_espeak("t^sˈɐ̃^ʊ̃ ɫaçg") == "ʦˈɐ̃ʊ̃ laçɡ"
    assert keep_symbols("ça9\u0301 ɡ") == "ça ɡ"


def test_text_is_cleaned_of_what_nobody_says():
    assert drop_unsaid("a\x00b\ud800c\U0001f600d\ufeff\u202e\n20°") == "a bcd\n20°"


def test_chunks_hold_whole_sentences(american):
    text = "The quick brown fox jumps over the lazy dog. " * 30
    chunks = list(speech_chunks(text + "\n\nNew line.", american))
    assert len(chunks) > 3
    assert all(chunk.phonemes.endswith(".") for chunk in chunks)
    assert chunks[-1].text == "New line."
    assert all(len(chunk.phonemes) <= MAX_PHONEMES for chunk in chunks)


def test_a_long_sentence_of_another_language_loses_nothing():
    text = "la casa grande " * 60
    kept = list(speech_chunks(text, choose_phonemizer("e")))
    (cut,) = speech_chunks(text, choose_phonemizer("e"), cut_long=False)
    assert len(cut.phonemes) == MAX_PHONEMES
    assert sum(chunk.text.count("casa") for chunk in kept) == 60
    assert all(len(chunk.phonemes) <= MAX_PHONEMES for chunk in kept)


# As long as the nodes take a text.
HOSTILE = {
    "words": "zorbic the 12 " * 4300,
    "dots": "a." * 10_000,
    "digits": "1" * 60_000,
    "slashes": "1/" * 10_000,
    "letters": "x" * 60_000,
    "hyphens": "a-" * 10_000,
    "apostrophes": "a'" * 10_000,
    "addresses": "a@" * 10_000,
    "links": "[w](/" * 7_000,
    "brackets": "[" * 60_000,
    "quotes": '"' * 20_000,
    "signs": "$" * 20_000,
    "blanks": " " * 60_000 + "x",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd hi " * 10_000,
    "surrogates": "\ud800\udfff a" * 30_000,
    "controls": "".join(map(chr, range(160))).replace("\n", "") * 130,
    "all": "".join(map(chr, range(0x20, 0x3000))) * 8,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_20_to_60_kb_of_anything_are_read(american, kind):
    text = HOSTILE[kind]
    chunks = list(speech_chunks(text, american))
    assert all(0 < len(chunk.phonemes) <= MAX_PHONEMES for chunk in chunks)
    assert all(set(chunk.phonemes) <= SYMBOLS for chunk in chunks)


@pytest.mark.parametrize("kind", ["dots", "right to left", "controls", "links"])
def test_2_kb_of_anything_are_read_by_espeak(kind):
    for chunk in speech_chunks(HOSTILE[kind][:2000], choose_phonemizer("f")):
        assert 0 < len(chunk.phonemes) <= MAX_PHONEMES
        assert set(chunk.phonemes) <= SYMBOLS
