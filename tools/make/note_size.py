"""How high a note must be, so that all of its text is seen in both modes of the editor.

The classic editor scrolls a text that is longer than its note; Nodes 2.0 makes the node higher
than it was saved, over whatever lies below. Nodes 2.0 also writes larger, so its height is the one
to keep. It is reckoned, not measured: letters are taken as wide as in the widest usual font.
"""

from __future__ import annotations

import re
import unicodedata

LINE_PX, CODE_LINE_PX = 16, 17
CHARACTER_PX, WIDE_PX, CODE_PX, CODE_EDGE_PX = 5.2, 10.0, 6.02, 12.0
"""Widths of a letter, of a Chinese one, of one in a typewriter's font, and of its frame."""
SIDES_PX, FOOT_PX = 24, 18
"""What of a note is not text: left and right, above and below."""
INDENT_PX = 32
PARAGRAPH_PX, ITEM_PX = 5, 8
"""Gaps below a paragraph, and around an item of a list."""
ITEM = re.compile(r"(?:-|\d+\.) +")
CODE = re.compile(r"`([^`]*)`")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
PIECE = re.compile(r"\s+|[^\s-]+-*|-+")


def note_height(text: str, width: int) -> int:
    """Compute the height that a note needs.

    Args:
        text: Markdown: paragraphs, lists, links, code.
        width: Of the note in pixels.

    Returns:
        Pixels, without the title.
    """
    height, gap = 0, 0
    for is_item, block in _blocks(text):
        room = width - SIDES_PX - (INDENT_PX if is_item else 0)
        above = ITEM_PX if is_item else 0
        lines = sum(_count_lines(line, room) for line in block)
        line_px = CODE_LINE_PX if any(CODE.search(line) for line in block) else LINE_PX
        height += (max(gap, above) if height else 0) + lines * line_px
        gap = ITEM_PX if is_item else PARAGRAPH_PX
    return height + (gap if gap == ITEM_PX else 0) + FOOT_PX


def _blocks(text: str) -> list[tuple[bool, list[str]]]:
    """Paragraphs and items of lists, each with its lines."""
    blocks: list[tuple[bool, list[str]]] = []
    begins = True
    for line in text.splitlines():
        item = ITEM.match(line)
        if item:
            blocks.append((True, [line[item.end() :]]))
        elif line.strip():
            if begins:
                blocks.append((False, []))
            blocks[-1][1].append(line)
        begins = not line.strip()
    return blocks


def _count_lines(line: str, room: int) -> int:
    """Lines that a text of one line takes in a room of so many pixels."""
    lines, x = 1, 0.0
    for index, part in enumerate(CODE.split(LINK.sub(r"\1", line.replace("*", "")))):
        code = index % 2 == 1
        x += CODE_EDGE_PX if code else 0
        for piece in _pieces(part):
            width = _width(piece, code=code)
            if x + width <= room or (piece.isspace() and x):
                x += width
                continue
            lines += 1 if x else 0
            x = width
            while x > room:  # a name too long for a line breaks anywhere
                lines, x = lines + 1, x - room
    return lines


def _pieces(text: str) -> list[str]:
    """What stays on one line: words, and each Chinese letter."""
    pieces = []
    for piece in PIECE.findall(text):
        if any(_is_wide(letter) for letter in piece):
            pieces.extend(re.findall(r"[\x21-\x7e]+|.", piece))
        else:
            pieces.append(piece)
    return pieces


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _width(text: str, *, code: bool) -> float:
    letter_px = CODE_PX if code else CHARACTER_PX
    return sum(WIDE_PX if _is_wide(letter) else letter_px for letter in text)
