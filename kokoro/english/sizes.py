"""Fractions, sizes, heights, powers and rates as words."""

from __future__ import annotations

import re

from . import numbers
from .abbreviations import RATES
from .amounts import CURRENCY_SIGNS, unit_name
from .reading import UNIT, Form, after, before, is_adjective, pair


def _read_fraction(found: re.Match[str]) -> list[str]:
    whole, above, below = found["whole"], int(found["above"]), int(found["below"])
    unit = found["fraction_unit"]
    if not whole and _is_pair(above, below):
        return [*numbers.cardinal(above), *numbers.cardinal(below)]
    if not whole and _is_share(found, above, below):
        return [*numbers.cardinal(above), "out", "of", *numbers.cardinal(below)]
    said = numbers.fraction(above, below)
    name = unit_name(unit, one=not whole or is_adjective(found)) if unit else []
    if not whole:
        return said + name
    part = ["a", *said[1:]] if said[0] == "one" else said
    return [*numbers.decimal(whole), "and", *part, *name]


def _is_pair(above: int, below: int) -> bool:
    """Whether two numbers are said one after the other: 50/50, 24/7."""
    if (above, below) in ((24, 7), (9, 11)):
        return True
    return above >= below >= 10 != above


def _is_share(found: re.Match[str], above: int, below: int) -> bool:
    """Whether a fraction is a rating or a page: 4/5 stars, 10/10."""
    counted = re.match(r"\s(?:stars|points)\b", after(found))
    page = re.search(r"\b(?:page|part|step|slide|level|score|rating|rated)\s$", before(found), re.I)
    return above == below > 1 or counted is not None or page is not None


def _read_size(found: re.Match[str]) -> list[str]:
    parts = re.findall(r"\d+(?:\.\d+)?", found["sides"])
    large = all(part.isdecimal() and 100 <= int(part) < 10_000 for part in parts)
    product = " \u00d7 " in found["sides"] and not large and not found["size_unit"]
    join = "times" if product or re.match(r"\s?=", after(found)) else "by"
    said = [pair(part) if large else numbers.decimal(part) for part in parts]
    words = said[0]
    for side in said[1:]:
        words = [*words, join, *side]
    unit = found["size_unit"]
    return [*words, *(unit_name(unit, one=is_adjective(found)) if unit else [])]


def _read_lines(found: re.Match[str]) -> list[str]:
    rate = numbers.decimal(found["rate_of"]) if found["rate_of"] else []
    return [*pair(found["num_lines"]), found["scan"].upper(), *rate]


def _read_version(found: re.Match[str]) -> list[str]:
    first, *rest = (numbers.decimal(part) for part in found[0].split("."))
    return first + [word for part in rest for word in ("point", *part)]


def _read_height(found: re.Match[str]) -> list[str]:
    feet, inches = (numbers.cardinal(int(found[part])) for part in ("feet", "inches"))
    name = "foot" if is_adjective(found) else "feet"
    return [*feet, name, *inches, *["inches"] * found[0].endswith(('"', "''"))]


def _read_power(found: re.Match[str]) -> list[str]:
    if not re.search(r"(?:\d|\)|(?<![^\W\d_])[^\W\d_]{1,2})$", before(found)):
        return []  # a footnote
    power = found["to_power"]
    short = {"2": ["squared"], "3": ["cubed"]}.get(power)
    return short or ["to", "the", "power", "of", *numbers.decimal(power)]


_RATE = "|".join(re.escape(unit) for unit in sorted(RATES, key=len, reverse=True))
FORMS: dict[str, Form] = {
    "height": (
        r"\b(?P<feet>\d)'\s?(?P<inches>\d|1[01])(?:\"|''|(?!\w))",
        _read_height,
    ),
    "feet_inches": (
        r"\b(?P<feet_in>\d{1,2})\s?ft\.?\s?(?P<inches_ft>\d|1[01])\s?in\b(?:\.(?=\s+[a-z]))?",
        lambda m: [
            *numbers.cardinal(int(m["feet_in"])), "feet",
            *numbers.cardinal(int(m["inches_ft"])), "inches",
        ],
    ),
    "fraction": (
        r"(?<![\d/.])(?:(?P<whole>\d{1,3})[ -])?(?P<above>\d{1,3})/"
        rf"(?P<below>\d{{1,3}}|\d0{{3}})(?!\d|[/.]\d)(?:\s?(?P<fraction_unit>{UNIT})(?!\w))?",
        _read_fraction,
    ),
    "lines": (
        r"\b(?P<num_lines>240|360|480|540|576|720|1080|1440|2160|4320)(?P<scan>[piP])(?P<rate_of>\d\d)?\b",
        _read_lines,
    ),
    "size": (
        r"(?<![\w.])(?P<sides>\d{1,5}(?:\.\d{1,4})?(?:\s?[x\u00d7]\s?\d{1,5}(?:\.\d{1,4})?){1,3})"
        rf"(?!\d)(?:\s?(?P<size_unit>{UNIT})(?!\w))?",
        _read_size,
    ),
    "version": (r"\d+(?:\.\d+){2,}", _read_version),
    "power": (r"\^(?P<to_power>-?\d{1,4}|[a-z]\b)", _read_power),
    "rate": (
        rf"(?<=[\w%\u00b0.\"{CURRENCY_SIGNS}])\s?/\s?(?P<per>{_RATE})\b(?!\w)",
        lambda m: ["per", *RATES[m["per"]].split()],
    ),
}  # fmt: skip
# Those that begin with a digit.
NUMBERED = ("height", "feet_inches", "fraction", "lines", "size", "version")
