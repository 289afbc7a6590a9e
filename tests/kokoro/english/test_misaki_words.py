"""Our dictionary path against what misaki's own class said (tools/make/misaki_words.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pack.kokoro.english.lexicon import Lexicon, data_folder
from pack.kokoro.english.pronunciation import EnglishPhonemes

RECORDED = json.loads(Path(__file__).with_name("misaki_words.json").read_text())


# Measured 913 of 917 and 879 of 898: the rest are "the" and "lived" alone, rare stems, and British
# -y before an ending.
@pytest.mark.parametrize(("key", "floor"), [("us", 0.995), ("gb", 0.975)])
def test_words_are_said_as_misaki_says_them(key, floor):
    if data_folder() is None:
        pytest.skip("misaki is not installed (it has no release for Python 3.13)")
    lexicon = Lexicon.load(data_folder(), british=key == "gb")
    engine = EnglishPhonemes(lexicon=lexicon, name="dictionaries")
    words = RECORDED[key]
    assert len(words) > 800
    same = sum(
        "".join(token.phonemes or "" for token in engine.tokens(word)) == phonemes
        for word, phonemes in words.items()
    )
    assert same / len(words) >= floor
