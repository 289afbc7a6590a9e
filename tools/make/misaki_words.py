"""Record what misaki's own English class says of single words, in tests/kokoro/english.

Run in an environment of its own, where nothing of this project's is needed:

    python3 -m venv /tmp/misaki && /tmp/misaki/bin/pip install misaki spacy num2words
    /tmp/misaki/bin/python tools/make/misaki_words.py

misaki wants a spaCy model for parts of speech. It is replaced by one that calls every word a noun:
recorded are only words whose dictionary entry does not depend on the part of speech.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import spacy
from spacy.language import Language

SPEECH = Path(__file__).resolve().parents[2] / "tests" / "kokoro" / "english"
NUM_WORDS, NUM_STEMS = 150, 100  # of each dictionary; stems get -s, -ed and -ing


@Language.component("nouns")
def call_nouns(doc):
    for token in doc:
        token.tag_ = "NN" if token.is_alpha else "."
    return doc


def load_nouns(_name, **_options):
    language = spacy.blank("en")
    language.add_pipe("nouns")
    return language


def candidates(gold, text):
    """Words of our sentences, and random ones of the dictionary with endings."""
    plain = [w for w, v in gold.items() if isinstance(v, str) and re.fullmatch("[a-z]{3,12}", w)]
    stems = random.sample(plain, NUM_WORDS)
    words = {word.lower() for word in re.findall(r"[A-Za-z]{3,}", text)}
    words |= set(random.sample(plain, NUM_WORDS))
    words |= {stem + end for stem in stems[:NUM_STEMS] for end in ("s", "ed", "ing")}
    return sorted(word for word in words if not isinstance(gold.get(word), dict))


def main():
    spacy.util.is_package = lambda _name: True
    spacy.load = load_nouns
    from misaki import en

    random.seed(5)
    text = (SPEECH / "sentences.txt").read_text(encoding="utf-8")
    found = {}
    for key, british in (("us", False), ("gb", True)):
        dictionary = Path(en.__file__).parent / "data" / f"{key}_gold.json"
        gold = json.loads(dictionary.read_text(encoding="utf-8"))
        speak = en.G2P(trf=False, british=british, fallback=None)
        said = {word: speak(word) for word in candidates(gold, text)}
        found[key] = {
            word: phonemes
            for word, (phonemes, tokens) in said.items()
            if phonemes and "\u2753" not in phonemes and len(tokens) == 1
        }
    out = json.dumps(found, ensure_ascii=True, indent=0, sort_keys=True)
    (SPEECH / "misaki_words.json").write_text(out + "\n")


if __name__ == "__main__":
    main()
