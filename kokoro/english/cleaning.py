"""An English text before it is read: signs of other scripts and other programs made plain."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from ..symbols import drop_unsaid, fold_marks

MAX_WORD = 100  # letters; a longer run is no word and is said in pieces
_RAISED = {
    c: str(unicodedata.digit(c)) for c in "\u2070\xb9\xb2\xb3\u2074\u2075\u2076\u2077\u2078\u2079"
} | {"\u207b": "-"}
_NUMBERS = frozenset(["Nd", "No", "Nl"])  # categories of characters
_AMOUNT_END = r"(?:(?<=[\d%\u00b0])|(?<=[ap]m)|(?<=[AP]M)|(?<=[ap]\.m\.))"
_STEPS = (
    (r"\u2116\s?|\bN[\u00ba\u00b0]\s?(?=\d)", "No. "),
    (r"(?<=\d)\u00ba", "\u00b0"),
    # Thousands with a narrow or a hard blank; with a plain one only 000.
    (r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))|(?<=\d) (?=000(?!\d))", ","),
    (
        rf"{_AMOUNT_END} [-\u2013] (?=[$\u20ac\u00a3\u00a5]?\d)(?!\d{{1,15}}(?:\.\d{{1,15}})?\s?=)",
        "-",
    ),
    (r"(?<=\d) ?[-\u2212] ?(?=\d{1,15}(?:\.\d{1,15})?\s?=)", " minus "),
)
_FOLDED_STEPS = (
    # A lone hyphen between blanks is a dash; a bracket around nothing is nothing.
    (r"(?<=\s)-(?=\s)", "\u2014"),
    (r"\(\s*\)", " "),
    (r"(?<![\w/])[:;]-?[()DP](?!\w)", " "),  # :-)
    # espeak-ng and the dictionaries know no endless words.
    (rf"(\w{{{MAX_WORD}}})(?=\w)", r"\1 "),
)


def clean(text: str) -> str:
    """A text with plain digits, fractions as 1/2, powers as ^2, and the speech model's marks."""
    text = drop_unsaid(text)
    kinds = {c: unicodedata.category(c) for c in set(text) if not c.isascii()}
    if not _NUMBERS.isdisjoint(kinds.values()):
        text = _plain_numbers(text, kinds)
    for pattern, put in _STEPS:
        text = re.sub(pattern, put, text)
    text = fold_marks(text)
    for pattern, put in _FOLDED_STEPS:
        text = re.sub(pattern, put, text)
    return text


def _plain_numbers(text: str, kinds: Mapping[str, str]) -> str:
    plain: list[str] = []
    power = False
    for c in text:
        kind = kinds.get(c)
        raised = c in _RAISED
        if raised:
            plain.append(_RAISED[c] if power else "^" + _RAISED[c])
        elif kind == "Nd":
            plain.append(str(unicodedata.digit(c)))
        elif kind in ("No", "Nl"):
            piece = unicodedata.normalize("NFKC", c).replace("\u2044", "/")
            after_digit = "/" in piece and plain and plain[-1].isdecimal()
            plain.append(" " + piece if after_digit else piece)
        else:
            plain.append(c)
        power = raised
    return "".join(plain)
