"""Texts as other programs write them: markdown and tags, of which nothing but the words is said."""

from __future__ import annotations

import re

_MOST = 200  # characters in brackets; a longer stretch is text
_FENCE = re.compile(r"\s*(?:```|~~~)")
_SOUNDS = re.compile(rf"\[([^\[\]\n]{{1,{_MOST}}})\]\([^()\n]{{0,{_MOST}}}\)")
_LINE_STEPS = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"^\s*(?:>\s?)+(?=[^\s\d>])", ""),  # quotes
        (r"^\s*[-*+\u2022]\s+(?:\[[ xX]\]\s+)?", ""),  # lists
        (r"^#{1,6}\s+", ""),  # headings
        (r"(?<=\S)\s+#+$", ""),
    )
)
_STEPS = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        # Links and pictures; [word](/sounds/) and [word](+1) are for the voice.
        (rf"!?\[\[?([^\[\]\n]{{1,{_MOST}}})\]?\]\((?!/[^/()\n]{{0,{_MOST}}}/\)|[+-]?\d)"
         rf"[^()\n]{{0,{2 * _MOST}}}\)", r"\1"),
        (rf"\[([^\[\]\n]{{1,{_MOST}}})\]\[[^\[\]\n]{{0,{_MOST}}}\]", r"\1"),
        (r"\[\^[^\[\]\s]{1,40}\]:?", ""),
        (r"<((?:https?|mailto):[^<>\s]{1,2000})>", r"\1"),
        (r"<br\s?/?>", "\n"),
        (rf"</?[A-Za-z][^<>\n]{{0,{_MOST}}}>", ""),
        # Emphasis: signs beside a word, never between numbers or blanks.
        (r"\\([*_`~#])", r"\1"),
        (r"(?<![\w*])\*+(?=[^\s*])|(?<=[^\s*\d])\*+", ""),
        (r"(?<=\d)\*{2,3}(?!\s?\d)|(?<=\d)\*(?![\s\d*])", ""),
        (r"(?<![\w_])_+(?=[^\W_])|(?<=[^\W_])_+(?!\w)", ""),
        (r"~~", ""),
        (r"(?<!\w)`+|`+(?!\w)", ""),
    )
)  # fmt: skip


def drop_markup(text: str, *, keep_sounds: bool = True) -> str:
    """A text without the marks of markdown and tags; what they stand around is kept.

    `[word](/sounds/)` and `[word](+1)` stay, or become the word.
    """
    lines = [_read_line(line) for line in text.split("\n") if not _FENCE.match(line)]
    text = "\n".join(lines)
    for pattern, put in _STEPS:
        text = pattern.sub(put, text)
    return text if keep_sounds else _SOUNDS.sub(r"\1", text)


def _read_line(line: str) -> str:
    bare = "".join(line.split())
    if len(bare) >= 3 and (set(bare) <= {"-"} or set(bare) in ({"*"}, {"_"}, {"="})):
        return ""  # a line across the page
    if bare.startswith("|") and bare.endswith("|") and len(bare) > 2:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        return "" if set(bare) <= set("|-:") else ", ".join(cell for cell in cells if cell)
    for pattern, put in _LINE_STEPS:
        line = pattern.sub(put, line)
    return line
