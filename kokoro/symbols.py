# ruff: noqa: RUF001 - phonetic symbols look like other letters; here they are meant.
"""The alphabet of the speech model: its symbols, and what other alphabets become in it.

Only this file of the package is not ASCII: others take the names from here, or write escapes.
Capital letters are diphthongs (A as in day, I my, O go, Q British go, W now, Y boy), T is the
American flap.

Source: kokoro.md sections 5 and 6.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

PRIMARY, SECONDARY = "ˈ", "ˌ"
STRESSES = PRIMARY + SECONDARY
SCHWA, FAINT_SCHWA, BARRED_I, LONG, FLAP = "ə", "ᵊ", "ᵻ", "ː", "ɾ"
ENG, ETH, TURNED_R, SMALL_I, SMALL_U = "ŋ", "ð", "ɹ", "ɪ", "ʊ"
# The model has no other marks: a voice pauses, rises and falls by these.
MARKS = ';:,.!?—…"()“”'
VOWELS = "AIOQWYaeiouyæøœɐɑɒɔəɚɛɜɤɨɪɯʊʌᵊᵻ"
CONSONANTS = "bcdfhjklmnpqrstvwxzSTçðŋβɕɖɟɡɥɰɲɳɴɸɹɻɽɾʁʂʃʈʋʎʒʔʝʣʤʥʦʧʨꭧɣχθ"
MODIFIERS = "\u0303ᵝːʰʲ↓→↗↘"
SYMBOLS = frozenset(MARKS + " " + STRESSES + VOWELS + CONSONANTS + MODIFIERS)

VOICELESS = "ptkfθ"
SIBILANTS = "szʃʒʧʤ"

# Written marks that are not the model's own.
WRITTEN_MARKS = str.maketrans({
    "«": "“", "»": "”", "„": "“", "‟": "“", "‹": "“", "›": "”", "「": "“", "」": "”",
    "『": "“", "』": "”", "〝": "“", "〞": "”",
    "[": "(", "]": ")", "{": "(", "}": ")", "【": "(", "】": ")", "（": "(", "）": ")",
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "ʼ": "'", "＇": "'", "′": "'",
    "–": "—", "―": "—", "‒": "—", "−": "-", "‐": "-", "‑": "-", "﹣": "-", "－": "-",
    "、": ",", "，": ",", "،": ",", "。": ".", "．": ".", "।": ".", "॥": ".", "۔": ".",
    "！": "!", "？": "?", "؟": "?", "：": ":", "；": ";", "؛": ";", "‼": "!", "⁇": "?", "⁈": "?",
    "⁉": "!", "¡": " ", "¿": " ", "•": " ", "·": " ", "\u00ad": "", "\u200b": "", "\ufeff": "",
})  # fmt: skip

JOINERS = "\u200c\u200d"  # invisible, but Hindi and others write with them
# espeak-ng's IPA, with ^ where its tie is: diphthongs and affricates become one symbol.
TIED = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "ɔ^ɪ": "Y",
    "t^ʃ": "ʧ", "d^ʒ": "ʤ", "t^s": "ʦ", "d^z": "ʣ", "t^ɕ": "ʨ", "d^ʑ": "ʥ", "ʈ^ʂ": "ꭧ",
    "t^ʲ": "ʧ", "d^ʲ": "ʤ",
}  # fmt: skip
# Symbols of espeak-ng that the model lacks: the nearest that it has.
NEAREST = str.maketrans({
    "g": "ɡ", "ɫ": "l", "ɭ": "l", "ɬ": "l", "ɮ": "l", "ʟ": "l", "ʍ": "w", "ħ": "h", "ɦ": "h",
    "ʜ": "h", "ʢ": "ʔ", "ʕ": "ʔ", "ɱ": "m", "ʑ": "ʒ", "ʐ": "ʒ", "ʀ": "ʁ", "ɓ": "b", "ɗ": "d",
    "ɠ": "ɡ", "ʄ": "ɟ", "ɢ": "ɡ", "ʙ": "b", "ɺ": "ɾ", "ʉ": "u", "ɵ": "ø", "ɘ": "ə", "ɞ": "ɜ",
    "ʏ": "y", "ɶ": "œ", "ɝ": "ɚ", "ʱ": "ʰ", "ˑ": "ː", "ⁿ": "n", "ˠ": "", "ˤ": "",
    "ᵐ": "m", "ᵑ": "ŋ", "ʷ": "w",
})  # fmt: skip
# What English as misaki writes it does with espeak-ng's symbols; longer keys first.
ENGLISH = {
    "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə", "ɬ": "l", "\u0303": "", "ʲ": "j", "œ": "ɜ", "y": "i",
    "ø": "ɜ", "χ": "k", "ʁ": "ɹ", "ɣ": "ɡ", "ɲ": "nj", "c": "k", "q": "k", "β": "v", "e": "A",
}  # fmt: skip
AMERICAN = {
    "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ɚɹ": "əɹ", "ɚ": "əɹ", "əʊ": "O", "Q": "O", "ː": "",
    "ɔɹɹ": "ɔɹ", "ɒ": "ɑ", "o": "O", "a": "ɑ",
}  # fmt: skip
BRITISH = {
    "ɚ": "ə", "iə": "ɪə", "eə": "ɛː", "ɛə": "ɛː", "əʊ": "Q", "O": "Q", "ɾ": "t", "ʔ": "t",
    "æ": "a", "ᵻ": "ɪ", "o": "ɔ",
}  # fmt: skip
FLAPS = str.maketrans({FLAP: "T", "ʔ": "t"})


_LOOKS = ("<wide>", "<narrow>", "<font>", "<circle>", "<square>", "<compat>")
_OWN_LOOKS = "…‥№"
_MOST_MARKS = 10  # on one letter


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A word or a mark of a text with its phonemes."""

    text: str  # as written
    phonemes: str | None  # None: nothing is said
    blank: bool  # followed by a blank


def drop_unsaid(text: str) -> str:
    """Any text composed, without emoji or surrogates; control characters are blanks, lines stay.

    Wide, narrow, bold, circled and joined forms of letters and digits become the plain ones.
    """
    folded = text if text.isascii() else _each(_plain_form, text)
    return _each(_said, unicodedata.normalize("NFC", few_marks(folded)))


def _each(change: Callable[[str], str], text: str) -> str:
    """A text with each of its characters changed, every kind of them looked at once."""
    return text.translate({ord(c): change(c) for c in set(text)})


def few_marks(text: str) -> str:
    """A text without the marks on one letter that are more than any language has.

    To put marks in order takes the square of their number.
    """
    if text.isascii() or len(text) <= _MOST_MARKS:
        return text
    kept, run = [], 0
    for c in text:
        run = run + 1 if unicodedata.combining(c) else 0
        if run <= _MOST_MARKS:
            kept.append(c)
    return "".join(kept)


def _plain_form(c: str) -> str:
    # Not raised and small ones: some are symbols of the model, and 2 squared is not 22.
    if c.isascii() or not unicodedata.decomposition(c).startswith(_LOOKS) or c in _OWN_LOOKS:
        return c
    plain = unicodedata.normalize("NFKC", c)
    return c if plain[:1].isspace() else plain


def _said(c: str) -> str:
    kind = unicodedata.category(c)
    if kind == "Cc":
        return c if c == "\n" else " "
    if kind == "Cf":
        return c if c in JOINERS else ""
    variation = "\ufe00" <= c <= "\ufe0f" or "\U0001f3fb" <= c <= "\U0001f3ff"
    picture = kind == "So" and c not in "°№"
    return "" if kind in ("Cs", "Co", "Cn", "Me") or picture or variation else c


def fold_marks(text: str) -> str:
    """Write the marks of a text with the model's own."""
    text = text.translate(WRITTEN_MARKS)
    return re.sub(r"\.{2,}", "\u2026", re.sub(r"-{2,}", "\u2014", text))


def keep_symbols(phonemes: str) -> str:
    """Drop what the model has no symbol for; the rest is in decomposed form."""
    if SYMBOLS.issuperset(phonemes) and len(phonemes) <= _MOST_MARKS:
        return phonemes
    return "".join(c for c in decompose(phonemes) if c in SYMBOLS)


def decompose(phonemes: str) -> str:
    """Take accents off their letters, except the cedilla of a letter of the alphabet."""
    return unicodedata.normalize("NFD", few_marks(phonemes)).replace("c\u0327", "ç")


def fold_espeak(ipa: str) -> str:
    """Put espeak-ng's IPA, `^` as tie, into the model's alphabet, for others than English."""
    ipa = decompose(ipa.replace("\u0361", "^"))
    ipa = re.sub(r"(\S)\u0329", FAINT_SCHWA + r"\1", ipa)  # a syllable without a vowel
    for tied, symbol in TIED.items():
        ipa = ipa.replace(tied, symbol)
    return keep_symbols(ipa.translate(NEAREST))


def fold_english(ipa: str, *, british: bool) -> str:
    """Put espeak-ng's English IPA, `^` as tie, into misaki's alphabet; flaps stay as such."""
    phonemes = fold_espeak(ipa)
    for old, new in ((BRITISH if british else AMERICAN) | ENGLISH).items():
        phonemes = phonemes.replace(old, new)
    return phonemes


def shift_stress(phonemes: str, steps: float) -> str:
    """Raise or lower the stress of one word.

    The levels are none, secondary, primary; any number of steps beyond one counts as two.
    """
    level = 2 if PRIMARY in phonemes else 1 if SECONDARY in phonemes else 0
    moved = min(2, math.ceil(abs(steps)))
    wanted = min(2, max(0, level + (moved if steps > 0 else -moved)))
    mark = ("", SECONDARY, PRIMARY)[wanted]
    if wanted == level:
        return phonemes
    if level == 0:  # before the first vowel, as the dictionaries have it
        return re.sub(f"(?=[{VOWELS}])", mark, phonemes, count=1)
    if wanted == 2:
        return phonemes.replace(SECONDARY, mark, 1)
    return phonemes.replace(SECONDARY, "").replace(PRIMARY, mark)
