"""Parts of speech: by spaCy's small English model where both are installed, else by neighbors.

They tell heteronyms apart (I read, I have read); misaki's own class uses the same. The words come
from our own reading of the text, so that written forms are read as everywhere.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
from collections.abc import Callable, Sequence

from .clitics import split_clitic

logger = logging.getLogger("kokoro")

MODEL = "en_core_web_sm"
NEEDS = ("spacy", MODEL)
MAX_WORDS = 200  # of a piece that is tagged at once
# Words and marks in order to Penn Treebank tags.
Tagger = Callable[[Sequence[str]], list[str]]

# What the word before says about how this one is used, in the dictionaries' terms.
_USES_AFTER = {
    # Those after whom the present has an s: he reads, he read.
    "VBD": frozenset({
        "he", "she", "who", "nobody", "somebody", "everybody", "someone", "everyone",
    }),
    "VBN": frozenset({
        "have", "has", "had", "was", "were", "been", "be", "being", "is", "are", "having", "i've",
        "you've", "we've", "they've", "hasn't", "haven't", "hadn't", "wasn't", "weren't",
    }),
    "VERB": frozenset({
        "not", "to", "will", "would", "can", "could", "should", "must", "may", "might", "shall",
        "do", "does", "did", "don't", "doesn't", "didn't", "won't", "can't", "cannot", "couldn't",
        "wouldn't", "shouldn't", "i", "you", "we", "they", "let's", "please", "i'll", "you'll",
        "we'll", "they'll", "i'd", "you'd", "we'd", "they'd",
    }),
    "NOUN": frozenset({
        "the", "a", "an", "my", "your", "his", "its", "our", "their", "this", "that", "these",
        "those", "of", "no", "some", "any", "each", "every", "in", "on", "for", "with", "from",
        "by", "at",
    }),
}  # fmt: skip


def find_tagger() -> Tagger | None:
    """SpaCy's tagger, or None if it or its model is not installed or does not start."""
    if any(importlib.util.find_spec(name) is None for name in NEEDS):
        return None
    try:
        return _load()
    except (ImportError, OSError, ValueError) as error:
        logger.warning("spaCy's model %s cannot be used: %s", MODEL, error)
        return None


@functools.cache
def _load() -> Tagger:
    spacy = importlib.import_module("spacy")
    doc_of = importlib.import_module("spacy.tokens").Doc
    language = spacy.load(MODEL, enable=["tok2vec", "tagger"])

    def tag(words: Sequence[str]) -> list[str]:
        doc = doc_of(language.vocab, words=list(words))
        for _, part in language.pipeline:
            doc = part(doc)
        return [token.tag_ for token in doc]

    return tag


def tag_words(words: Sequence[str], tagger: Tagger | None) -> list[str]:
    """Tags of words and marks; a word with an end such as 's has that of what is before it.

    They are empty without a tagger.
    """
    if tagger is None:
        return [""] * len(words)
    pieces: list[str] = []
    places: list[int] = []
    for word in words:
        places.append(len(pieces))
        clitic = split_clitic(word) if word else None
        pieces += clitic or [word or ","]
    tags: list[str] = []
    for start in range(0, len(pieces), MAX_WORDS):
        tags += tagger(pieces[start : start + MAX_WORDS])
    return [tags[place] for place in places]


def uses_of(tag: str) -> tuple[str, ...]:
    """A tag in the dictionaries' terms, best first: VBD is VBD, else a VERB."""
    # A verb in the present is a plain one; the dictionaries have it like the past.
    kinds = {"VB": "VERB", "NN": "NOUN", "JJ": "ADJ", "RB": "ADV"}
    own = () if tag == "VBP" else (tag,)
    kind = kinds.get(tag[:2])
    return (*own, kind) if kind else own


def uses_after(word: str) -> tuple[str, ...]:
    """What a word in small letters suggests of the next one: a part of speech, or nothing."""
    likely = next((use for use, words in _USES_AFTER.items() if word in words), None)
    return (likely,) if likely else ()
