"""English phonemes: what is said for a text, word by word, in the alphabet of the speech model."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..symbols import ENG, ETH, FLAPS, SCHWA, SMALL_U, Token, keep_symbols
from .clitics import add_clitic, is_contraction, split_clitic
from .lexicon import Lexicon, first_is_vowel
from .prefixes import prefix_sound, without_hyphen
from .tags import Tagger, tag_words, uses_after, uses_of
from .written import Item, read_text

logger = logging.getLogger("kokoro")

Fallback = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnglishPhonemes:
    """Phonemes of American or British English, one token for each written word."""

    lexicon: Lexicon
    name: str
    fallback: Fallback | None = None  # phonemes of words that the lexicon lacks
    english: bool = True
    tagger: Tagger | None = None  # tells how words are used; without it their neighbors do

    def tokens(self, text: str) -> list[Token]:
        """Words and marks with their phonemes; one may be said as several words (`$5`)."""
        items = read_text(text)
        words = self._words(items)
        texts = [word for _, word in words]
        tags = tag_words([word or items[index].text for index, word in words], self.tagger)
        said: list[list[str]] = [[] for _ in items]
        for (index, _), phonemes in zip(words, self._say(texts, tags), strict=True):
            said[index] += [phonemes] * bool(phonemes)
        return [
            Token(text=item.text, phonemes=phonemes, blank=item.blank)
            for item, parts in zip(items, said, strict=True)
            if (phonemes := item.text if item.mark else self._in_alphabet(" ".join(parts)))
        ]

    def _words(self, items: Sequence[Item]) -> list[tuple[int, str]]:
        """Words in order, with the number of their item; a mark is an empty word."""
        shouted = _shouted(items)
        return [
            (index, word.lower() if index in shouted and word != "I" else self._joined(word))
            for index, item in enumerate(items)
            for word in item.words or ("",)
        ]

    def _joined(self, word: str) -> str:
        lexicon = self.lexicon
        return without_hyphen(word, lexicon.entry, british=lexicon.british) if "-" in word else word

    def _in_alphabet(self, phonemes: str) -> str:
        return keep_symbols(phonemes if self.lexicon.british else phonemes.translate(FLAPS))

    def _say(self, words: Sequence[str], tags: Sequence[str]) -> list[str]:
        """Phonemes of words in context, from the last one on, for words hang on the next."""
        parts = {word: tuple(self._parts(word)) for word in {*words} - {""}}
        guessed = self._guess({
            part for pieces in parts.values() for part, known in pieces if known is None
        })  # fmt: skip
        near = ["", *words, ""]
        said: list[str] = []
        after = ""  # phonemes of the next word; none at a mark and at the end
        for position in range(len(words), 0, -1):
            before, word, following = near[position - 1 : position + 2]
            context = _Context(
                before=before.lower(),
                after=after,
                following=following.lower(),
                tag=tags[position - 1],
            )
            said.append(self._in_context(word, context, parts[word], guessed) if word else "")
            if said[-1] or not word:
                after = said[-1]
        return said[::-1]

    def _guess(self, missing: Collection[str]) -> dict[str, str]:
        """Words that neither entries nor rules give."""
        words = sorted(missing)
        found: dict[str, str] = {}
        if words and self.fallback is not None:
            found = dict(zip(words, self.fallback(words), strict=True))
        elif words:
            logger.warning(
                "Not in the dictionary, and guessed or spelled: %s%s. To have such words read: pip "
                "install espeakng-loader",
                ", ".join(words[:3]),
                f" and {len(words) - 3} more" if len(words) > 3 else "",
            )
        lexicon = self.lexicon
        return {w: found.get(w) or lexicon.compound(w) or lexicon.spell(w) for w in words}

    def _parts(self, word: str) -> Iterator[tuple[str, str | None]]:
        """A word, or its parts if only they are known, each with its phonemes out of context.

        An end such as 's is a part without phonemes of its own: see `add_clitic`.
        """
        known = self._known(word)
        if known:
            yield word, known
            return
        clitic = split_clitic(word)
        if clitic and not (self.fallback and is_contraction(*clitic)):
            yield from self._parts(clitic[0])
            yield clitic[1], ""
            return
        prefix, _, rest = word.partition("-")
        sound = prefix_sound(prefix, british=self.lexicon.british) if rest else None
        if sound:  # what follows re- is done
            yield prefix, sound
            verb = self.lexicon.entry(rest, ("VERB",))
            yield from [(rest, verb)] if verb else self._parts(rest)
            return
        parts = [] if clitic else self._split(word)
        if len(parts) > 1:
            for part in parts:
                yield from self._parts(part)
        else:
            yield word, None

    def _split(self, word: str) -> list[str]:
        """Parts of a word that may be known where the whole is not."""
        if "-" in word:
            return word.split("-")
        parts = ["'n" if part == "n" else part for part in word.split("'") if part]  # rock'n'roll
        if len(parts) == 1:
            parts = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[^A-Z]+|[A-Z]", word)
        elif self.fallback and not all(map(self._known, parts)):
            return []  # O'Brien, d'Artagnan
        return parts

    def _known(self, word: str) -> str | None:
        lexicon = self.lexicon
        if word == "'n":
            return SCHWA + "n"
        if "." in word:  # U.S.
            return lexicon.spell(word.replace(".", ""))
        if len(word) > 1 and word.isupper():
            return self._capitals(word) or lexicon.find(word)
        return lexicon.find(word) or self._without_g(word) or lexicon.find(word.strip("'"))

    def _without_g(self, word: str) -> str | None:
        """A word such as goin'."""
        if not word.lower().endswith("in'") or word[:-1].lower() in self.lexicon.gold:
            return None  # in quotes: the cabin'
        whole = self.lexicon.find(word[:-1] + "g")
        return whole[:-1] + "n" if whole and whole.endswith(ENG) else None

    def _capitals(self, word: str) -> str | None:
        """An abbreviation in capitals: as a word if the dictionaries have one, else spelled."""
        if not self.lexicon.is_spelled(word):
            return self.lexicon.entry(word)
        vowels = re.search("[AEIOUY]", word)
        short = len(word) <= 4 or not vowels or word in self.lexicon.gold
        return self.lexicon.spell(word) if short and word.isalpha() else None

    def _in_context(
        self,
        word: str,
        context: _Context,
        parts: Sequence[tuple[str, str | None]],
        guessed: Mapping[str, str],
    ) -> str:
        said = _weak(word, context)
        if isinstance(self.lexicon.gold.get(word.lower()), dict) and not word[1:].isupper():
            said = said or self.lexicon.entry(word, context.uses(word.lower()))
        if said:
            return said
        for part, known in parts:
            if known == "":
                said = add_clitic(self.lexicon, said or "", part)
            else:
                said = (said or "") + (known or guessed[part])
        return said or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Context:
    before: str  # the word before, in small letters; empty after a mark
    after: str  # phonemes of the next word; empty before a mark
    following: str  # the next word in small letters
    tag: str  # part of speech; empty where nobody tells

    def uses(self, word: str) -> tuple[str, ...]:
        """Parts of speech that the neighbours of a word suggest, best first."""
        alone = ["None"] * (not self.after)
        if word == "used":
            return ("VBD",) if self.following == "to" else ()
        if self.tag:
            return (*alone, *uses_of(self.tag))
        return (*uses_after(self.before), *alone)


def _weak(word: str, context: _Context) -> str | None:
    """The little words that change with the next sound; None for all others."""
    lower = word.lower()
    if not context.after or lower not in ("a", "an", "the", "to"):
        return None
    letters = len(context.following) == 1  # a b c
    if not letters and (word == "a" or (word == "A" and not context.before)):
        return SCHWA
    vowel = first_is_vowel(context.after)
    weak = {
        "an": SCHWA + "n",
        "the": ETH + ("i" if vowel else SCHWA),
        "to": "t" + (SMALL_U if vowel else SCHWA),
    }
    return weak.get(lower)


def _shouted(items: Sequence[Item]) -> frozenset[int]:
    """Items in capitals beside others in capitals: words, not abbreviations."""
    written = [(index, item.words[0]) for index, item in enumerate(items) if not item.mark]
    loud = ["", *(word if _is_loud(word) else "" for _, word in written), ""]
    neighbors = zip(loud, loud[1:], loud[2:], strict=False)
    return frozenset(
        index
        for (index, _), near in zip(written, neighbors, strict=True)
        if near[1] and (near[0] or near[2]) and max(map(len, near)) > 3
    )


def _is_loud(word: str) -> bool:
    return word in ("I", "A") or (len(word) > 1 and word.isupper() and "." not in word)
