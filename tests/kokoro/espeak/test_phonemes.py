from __future__ import annotations

import pytest

from pack.kokoro.espeak.phonemes import EspeakPhonemes, split_pieces
from pack.kokoro.symbols import SYMBOLS


@pytest.mark.parametrize(
    ("language", "text", "phonemes"),
    [
        ("es", "\u00bfQu\u00e9 chico?", "k\u02c8e \u02a7\u02c8iko?"),
        ("it", "pizza, zio", "p\u02c8i\u02a6\u02d0a, \u02a3\u02c8io"),
        ("fr-fr", "\u00ab Bonjour \u00bb", "\u201c b\u0254\u0303\u0292\u02c8u\u0281 \u201d"),
        ("hi", "\u0928\u092e\u0938\u094d\u0924\u0947\u0964", "n\u0259m\u02c8\u028cste\u02d0."),
    ],
)
def test_other_languages_become_symbols_of_the_model(language, text, phonemes):
    tokens = EspeakPhonemes(language=language).tokens(text)
    said = "".join((t.phonemes or "") + " " * t.blank for t in tokens).strip()
    assert said == phonemes
    assert set(said) <= SYMBOLS


def test_words_keep_their_phonemes_where_numbers_are_several():
    tokens = EspeakPhonemes(language="es").tokens("Tengo 25 casas.")
    assert [token.text for token in tokens] == ["Tengo", "25", "casas", "."]
    assert tokens[2].phonemes == "k\u02c8asas"
    assert [token.blank for token in tokens] == [True, True, False, False]


def test_pieces_are_words_and_single_marks():
    pieces = split_pieces("Hola!!! 1.234,5 -- a.b (c)...")
    assert [(p.text, p.mark, p.blank) for p in pieces] == [
        ("Hola", False, False),
        ("!", True, True),
        ("1.234,5", False, True),
        ("\u2014", True, True),
        ("a.b", False, True),
        ("(", True, False),
        ("c", False, False),
        (")", True, False),
        ("\u2026", True, False),
    ]
