"""English phonemes: what is said for a text, word by word, in the alphabet of the speech model."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..symbols import ETH, FLAPS, SCHWA, SMALL_U, Token, keep_symbols
from .lexicon import Lexicon, first_is_vowel
from .written import Item, read_text

logger = logging.getLogger("kokoro")

Fallback = Callable[[Sequence[str]], list[str]]
# What the word before says about how this one is used.
BEFORE_VERB = frozenset({
    "to", "will", "would", "can", "could", "should", "must", "may", "might", "shall", "do",
    "does", "did", "don't", "doesn't", "didn't", "won't", "can't", "cannot", "couldn't",
    "wouldn't", "shouldn't", "i", "you", "we", "they", "let's", "please", "i'll", "you'll",
    "we'll", "they'll", "i'd", "you'd", "we'd", "they'd",
})  # fmt: skip
BEFORE_NOUN = frozenset({
    "the", "a", "an", "my", "your", "his", "its", "our", "their", "this", "that", "these",
    "those", "of", "no", "some", "any", "each", "every", "in", "on", "for", "with", "from",
    "by", "at",
})  # fmt: skip
BEFORE_PARTICIPLE = frozenset({
    "have", "has", "had", "was", "were", "been", "be", "being", "is", "are", "having", "i've",
    "you've", "we've", "they've", "hasn't", "haven't", "hadn't", "wasn't", "weren't",
})  # fmt: skip
# Ends of words that the dictionaries lack.
CLITICS = {"'ve": SCHWA + "v", "'re": SCHWA, "'n": SCHWA + "n", "'all": SCHWA + "l"}


@dataclass(frozen=True, kw_only=True, slots=True)
class EnglishPhonemes:
    """Phonemes of American or British English, one token for each written word."""

    lexicon: Lexicon
    name: str
    fallback: Fallback | None = None  # phonemes of words that the lexicon lacks
    english: bool = True

    def tokens(self, text: str) -> list[Token]:
        """Words and marks with their phonemes.

        Args:
            text: Any text.

        Returns:
            Tokens in order; a token may be said as several words (`$5`).
        """
        items = read_text(text)
        loud = _shouted(items)
        # Words in order, with the number of their item; a mark is an empty word.
        words = [
            (index, word.lower() if index in loud and word != "I" else word)
            for index, item in enumerate(items)
            for word in item.words or ("",)
        ]
        missing: dict[str, str] = {}
        for word in {word for _, word in words if word}:
            self._pronounce(word, {}, missing)
        extra = self._look_up(sorted(missing))
        said: list[list[str]] = [[] for _ in items]
        after = ""  # phonemes of the next word; none at a mark and at the end
        for position in range(len(words) - 1, -1, -1):
            index, word = words[position]
            before = words[position - 1][1] if position else ""
            following = words[position + 1][1] if position + 1 < len(words) else ""
            context = _Context(before=before.lower(), after=after, following=following.lower())
            phonemes = word and self._in_context(word, context, extra)
            if phonemes or not word:
                after = phonemes
                said[index].insert(0, phonemes)
        return [
            Token(text=item.text, phonemes=phonemes, blank=item.blank)
            for item, parts in zip(items, said, strict=True)
            if (phonemes := item.text if item.mark else self._finish(" ".join(parts)))
        ]

    def _finish(self, phonemes: str) -> str:
        return keep_symbols(phonemes if self.lexicon.british else phonemes.translate(FLAPS))

    def _look_up(self, words: list[str]) -> dict[str, str]:
        """Words that neither entries nor rules give."""
        found: dict[str, str] = {}
        if words and self.fallback is not None:
            found = dict(zip(words, self.fallback(words), strict=True))
        elif words:
            logger.warning(
                "%d words are not in the dictionary and are guessed or spelled, such as %s. "
                "To have them read: pip install espeakng-loader",
                len(words),
                ", ".join(words[:3]),
            )
        lexicon = self.lexicon
        return {w: found.get(w) or lexicon.compound(w) or lexicon.spell(w) for w in words}

    def _pronounce(self, word: str, extra: Mapping[str, str], missing: dict[str, str]) -> str:
        """A word out of context; what is found nowhere goes into `missing`."""
        known = self._known(word)
        if known:
            return known
        parts = _parts(word)
        if len(parts) > 1:
            return "".join(self._pronounce(part, extra, missing) for part in parts)
        if word not in extra:
            missing[word] = ""
        return extra.get(word, "")

    def _known(self, word: str) -> str | None:
        lexicon = self.lexicon
        if word in CLITICS:
            return CLITICS[word]
        if "." in word:  # U.S.
            return lexicon.spell(word.replace(".", ""))
        plural = re.fullmatch(r"([A-Z]{2,})('?s|')", word)
        if plural:  # GPUs, NASA's
            said = self._capitals(plural[1])
            return said and lexicon.add_s(said)
        if len(word) > 1 and word.isupper():
            return self._capitals(word) or lexicon.find(word)
        return lexicon.find(word) or (lexicon.find(word[1:]) if word[:1] == "'" else None)

    def _capitals(self, word: str) -> str | None:
        """An abbreviation in capitals: as a word if the dictionaries have one, else spelled."""
        if not self.lexicon.is_spelled(word):
            return self.lexicon.entry(word)
        vowels = re.search("[AEIOUY]", word)
        short = len(word) <= 4 or not vowels or word in self.lexicon.gold
        return self.lexicon.spell(word) if short and word.isalpha() else None

    def _in_context(self, word: str, context: _Context, extra: Mapping[str, str]) -> str:
        weak = _weak(word, context)
        if weak:
            return weak
        if isinstance(self.lexicon.gold.get(word.lower()), dict) and not word[1:].isupper():
            said = self.lexicon.entry(word, context.uses(word.lower()))
            if said:
                return said
        return self._pronounce(word, extra, {})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Context:
    before: str  # the word before, in small letters; empty after a mark
    after: str  # phonemes of the next word; empty before a mark
    following: str  # the next word in small letters

    def uses(self, word: str) -> tuple[str, ...]:
        """Parts of speech that the neighbours of a word suggest, best first."""
        uses: list[str] = []
        if word == "used" and self.following == "to":
            uses.append("VBD")
        if self.before in BEFORE_PARTICIPLE:
            uses.append("VBN")
        elif self.before in BEFORE_VERB:
            uses.append("VERB")
        elif self.before in BEFORE_NOUN:
            uses.append("NOUN")
        if not self.after:
            uses.append("None")
        return tuple(uses)


def _weak(word: str, context: _Context) -> str | None:
    """The little words that change with the next sound; None for all others."""
    lower, vowel = word.lower(), first_is_vowel(context.after)
    if not context.after:
        return None
    letters = len(context.following) == 1  # a b c
    if not letters and (word == "a" or (word == "A" and not context.before)):
        return SCHWA
    weak = {
        "an": SCHWA + "n",
        "the": ETH + ("i" if vowel else SCHWA),
        "to": "t" + (SMALL_U if vowel else SCHWA),
    }
    return weak.get(lower)


def _shouted(items: Sequence[Item]) -> frozenset[int]:
    """Items in capitals beside others in capitals: words, not abbreviations."""
    written = [(i, item.words[0]) for i, item in enumerate(items) if not item.mark]
    loud = [(len(w) > 1 and w.isupper() and "." not in w) or w in ("I", "A") for _, w in written]
    found = set()
    for k, (index, word) in enumerate(written):
        beside = [written[j][1] for j in (k - 1, k + 1) if 0 <= j < len(written) and loud[j]]
        if loud[k] and beside and max(map(len, [word, *beside])) > 3:
            found.add(index)
    return frozenset(found)


def _parts(word: str) -> list[str]:
    """Parts of a word that may be known where the whole is not."""
    if "-" in word:
        return word.split("-")
    if "'" in word:
        head, _, tail = word.rpartition("'")
        return [part for part in (head, f"'{tail}" if tail else "") if part]
    return re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[^A-Z]+|[A-Z]", word)
