"""Words and names that others wrote: shown without effect, and stored as names, never as paths."""

from __future__ import annotations

import re
import unicodedata

# A terminal obeys these or lays them out of order: control and format characters (escape codes,
# right-to-left marks), ends of lines, halves of characters.
ACTIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")
JOINERS = (0x200C, 0x200D)  # format characters that only shape Persian letters, and emoji
NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*]')  # Windows; a colon also begins a hidden stream there
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\xb9\xb2\xb3]) *(\.|$)", re.I)
NAME_BYTES, SUFFIX_BYTES = 180, 20  # file systems have 255; a number and `.part` come on top
UNNAMED = "unnamed"


def _is_active(letter: str) -> bool:
    return unicodedata.category(letter) in ACTIVE and ord(letter) not in JOINERS


def shown(text: object) -> str:
    r"""Escape what a terminal would obey instead of show: `\x1b`, `\n`, `\u202e`."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(repr(c)[1:-1] if _is_active(c) else c for c in plain)


def brief(text: object, most: int) -> str:
    """Cut a text to so many characters; three dots say so."""
    plain = str(text)
    return plain if len(plain) <= most else plain[: most - 4] + " ..."


def sentence(text: object) -> str:
    """End a text with a full stop, if nothing ends it: another sentence follows."""
    plain = str(text).rstrip()
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."


def plain_name(text: str) -> str:
    """Make a file name, valid on every system and never hidden, of what may be a path.

    It is the last part; letters that a system forbids become `_`, as does the first dot.
    """
    last = re.split(r"[/\\]", text)[-1]
    name = NOT_IN_NAMES.sub("_", "".join("_" if _is_active(c) else c for c in last))
    name = name.strip().rstrip(". ")
    if not name:
        return UNNAMED
    if name[0] in ".-~" or DEVICES.match(name):
        name = f"_{name.lstrip('.')}"
    return _shortened(name)


def _shortened(name: str) -> str:
    if len(name.encode()) <= NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > SUFFIX_BYTES:
        stem, dot, suffix = name, "", ""
    return stem.encode()[:NAME_BYTES].decode(errors="ignore") + dot + suffix
