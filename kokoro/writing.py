"""Which language a text is written in, as far as its letters tell."""

from __future__ import annotations

import unicodedata
from collections import Counter

from .symbols import drop_unsaid

LATIN = "LATIN"
# espeak-ng's codes by the first word of a letter's Unicode name.
LANGUAGES = {
    "CJK": "cmn", "HIRAGANA": "ja", "KATAKANA": "ja", "KATAKANA-HIRAGANA": "ja", "HANGUL": "ko",
    "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "hi",
    "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GUJARATI": "gu", "GURMUKHI": "pa",
    "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "ETHIOPIC": "am", "MYANMAR": "my",
}  # fmt: skip
# Letters that only one of the languages of a script has.
_OWN = {
    "uk": frozenset("\u0456\u0457\u0454\u0491"),
    "fa": frozenset("\u067e\u0686\u0698\u06af"),
}
_WORDY = frozenset(["CJK", "HANGUL", "HIRAGANA", "KATAKANA"])  # a letter is a syllable or a word
_WEIGHT = 3


def language_of_writing(text: str) -> str | None:
    """espeak-ng's code for what most of a text is written in; None for Latin letters or none.

    Japanese is what holds kana, though most of it may be Chinese characters.
    """
    counts: Counter[str] = Counter()
    for letter, count in Counter(drop_unsaid(text).lower()).items():
        if letter.isalpha():
            script = unicodedata.name(letter, "").split(" ")[0]
            counts[script] += count * (_WEIGHT if script in _WORDY else 1)
    if counts["HIRAGANA"] + counts["KATAKANA"] > 0:
        counts["HIRAGANA"] += counts.pop("CJK", 0) + counts.pop("KATAKANA", 0)
    script = max(counts, key=lambda name: counts[name], default=LATIN)
    language = LANGUAGES.get(script)
    family = {"ru": "uk", "ar": "fa"}.get(language or "")
    return family if family and _OWN[family] & set(text.lower()) else language
