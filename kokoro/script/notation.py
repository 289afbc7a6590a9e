r"""What can stand in a dialogue script besides words: marks, pauses, options; and where it stands.

All regular expressions look at one line, and none has two neighbouring repetitions that can share
a character: hostile text must not make them slow.

A backslash before a mark or bracket makes it words.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

PAUSE_S = Fraction(1, 2)  # [pause]
MAX_PAUSE_S = 60
MIN_SPEED, MAX_SPEED = 0.5, 2.0
OPTION_NAMES = ("voice", "speed", "language")
CLIP_CHARACTERS = 60  # of a line that an error shows

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Marks of writing direction and the byte order mark: nobody sees them, and they hide names.
_UNSEEN = "\u200b\u200e\u200f\u061c\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

# Behind a name: what is seen meanwhile. Brackets of full width are those of Chinese scripts.
MAX_REMARK = 200  # characters
REMARK = rf"[(\uff08][^()\[\]\uff08\uff09]{{0,{MAX_REMARK}}}[)\uff09]"
MARK = r"\(\s*[sS]\s*(?P<number>\d{1,9})\s*\)"
_LENGTH = r"(?:[-+\u2212\u2013]\s*)?(?:\d+(?:[.,]\d*)?|[.,]\d+)"
_CUE = rf"{_LENGTH}\s*(?:ms|s)\b|pause\b|together\b|(?:{'|'.join(OPTION_NAMES)})\s*="
SPECIAL = re.compile(
    rf"(?P<escape>\\(?=\[|{MARK.replace('P<number>', ':')}))"
    rf"|{MARK}"
    r"|\[(?P<inside>[^\[\]]*)\]"
    rf"|(?P<unclosed>\[\s*(?:{_CUE})[^\[\]]*(?=\[|$))",
    re.IGNORECASE,
)
_SCREENPLAY = r"(?i:v\.?o\.?|o\.?[sc]\.?|cont['\u2019.]?d\.?|continued)"
_PAUSE = re.compile(
    r"(?:(?P<word>pause)\s*(?:[:=]\s*)?)?"
    r"(?:(?:(?P<sign>[-+\u2212\u2013])\s*)?(?P<number>\d{1,9}(?:[.,]\d{0,9})?|[.,]\d{1,9})\s*"
    r"(?P<unit>ms|s|secs?|seconds?)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place in the script, as an editor counts it; invisible characters are not counted."""

    line: int  # from 1
    column: int  # from 1
    text: str  # the whole line

    def error(self, sentence: str) -> ValueError:
        """An error that says where it is and shows the line."""
        first = max(0, min(self.column - 1 - CLIP_CHARACTERS // 2, len(self.text) - 1))
        clip = self.text[first : first + CLIP_CHARACTERS]
        before = "..." if first else ""
        after = "..." if first + CLIP_CHARACTERS < len(self.text) else ""
        shown = f"{before}{clip.strip()}{after}"
        return ValueError(f"{describe(self.line, self.column)}: {sentence} The line is: {shown}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a turn asks for besides its words; None leaves it to the speaker."""

    voice: str | None = None
    speed: float | None = None  # 1 is the voice's own
    language: str | None = None


def join_remarks(*brackets: str | None) -> str:
    """What is to be seen, of brackets after a name; empty if they say nothing.

    Marks of screenplays say where a voice comes from, or that it goes on.
    """
    remarks = [" ".join((bracket or "")[1:-1].split()) for bracket in brackets]
    return ", ".join(r for r in remarks if r and not re.fullmatch(_SCREENPLAY, r))


def describe(line: int, column: int) -> str:
    """A place in words."""
    return f"Line {line}, column {column}"


def drop_unseen(text: str) -> str:
    """Text with plain line ends, without control characters, halves of pairs and unseen marks."""
    text = _LINE_ENDS.sub("\n", text)
    dropped = [
        character
        for character in set(text)
        if character in _UNSEEN
        or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")
    ]
    return text.translate(dict.fromkeys(map(ord, dropped)))


def parse_pause(inside: str, place: Place) -> Fraction | None:
    """Seconds of a pause: "1.5s", "500 ms", "-0,5s", "pause", "pause 2s"; below zero: an overlap.

    None if the inside of a bracket is no pause ("1" may be a footnote).

    Raises:
        ValueError: If it is longer than allowed, or has no unit although it can only be a pause.
    """
    found = _PAUSE.fullmatch(inside.strip())
    if found is None or not (found["word"] or found["number"]):
        return None
    if not found["number"]:
        return PAUSE_S
    if not (found["word"] or found["unit"]):
        if found["number"].isdigit() and not found["sign"]:
            return None
        raise place.error(
            f"[{inside}] has no unit. Write for example [1.5s] or [500ms]; a backslash before the "
            "bracket makes it words."
        )
    seconds = _seconds(found["number"], found["unit"] or "s")
    if seconds > MAX_PAUSE_S:
        raise place.error(
            f"[{inside}] is too long; pauses are 0 to {MAX_PAUSE_S} s. Make it shorter."
        )
    return seconds if found["sign"] in (None, "+") else -seconds


@functools.lru_cache(maxsize=64)
def _seconds(number: str, unit: str) -> Fraction:
    """Seconds of a number with a decimal point or comma, before or after which digits may lack."""
    whole, _, decimals = number.replace(",", ".").partition(".")
    return Fraction(f"{whole or 0}.{decimals or 0}") / (1000 if unit.lower() == "ms" else 1)


def parse_options(inside: str, place: Place) -> Options:
    """Read the inside of a bracket as options: "voice=af_bella, speed=1.2, language=b".

    A part without "=" belongs to the value before it: "voice=af_bella,af_sky".

    Raises:
        ValueError: If an option is unknown, given twice, empty, or the speed is not possible.
    """
    values: dict[str, list[str]] = {}
    places: dict[str, Place] = {}
    key, position = "", 1  # after the bracket
    for part in inside.split(","):
        column = place.column + position + len(part) - len(part.lstrip())
        here = dataclasses.replace(place, column=column)
        position += len(part) + 1
        name, equals, value = part.partition("=")
        if not equals and key:
            values[key].append(part.strip())
            continue
        key = name.strip().lower()
        if key not in OPTION_NAMES:
            shown = f"[{name.strip()[:20]}=...]" if equals else f"[{part.strip()[:20]}]"
            raise here.error(
                f"{shown} is no option; known are {', '.join(OPTION_NAMES)}. Use one of these."
            )
        if key in values:
            raise here.error(f"{key} is given twice; once is possible. Remove one.")
        if not value.strip():
            raise here.error(f"{key} has no value. Write for example {_EXAMPLES[key]}.")
        values[key], places[key] = [value.strip()], here
    joined = {key: ",".join(parts) for key, parts in values.items()}
    speed = _speed(joined["speed"], places["speed"]) if "speed" in joined else None
    return Options(voice=joined.get("voice"), speed=speed, language=joined.get("language"))


_EXAMPLES = {"voice": "[voice=af_bella]", "speed": "[speed=1.2]", "language": "[language=b]"}


def _speed(text: str, place: Place) -> float:
    try:
        speed = float(text.replace(",", "."))
    except ValueError:
        speed = math.nan
    if not MIN_SPEED <= speed <= MAX_SPEED:
        raise place.error(
            f"speed is {text[:20]}; it can be {MIN_SPEED:g} to {MAX_SPEED:g}. "
            "Write for example 1, the voice's own."
        )
    return speed
