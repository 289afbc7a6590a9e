"""Times, dates, years, days and lengths of time as words."""

from __future__ import annotations

import re

from . import numbers
from .abbreviations import DAYS, MONTHS
from .reading import DASH, SENTENCE_END, Form, before, is_adjective

_MONTH = "|".join([*MONTHS, *(rf"{m[:3]}\.?" for m in MONTHS if m != "May"), r"Sept\.?"])
_SHORT_DAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_DAY = "|".join([*DAYS, _SHORT_DAY])
_HALF = rf"(?:\.?[mM]{SENTENCE_END}|\.[mM]\.|[mM]\b)"
_CLOCK_AFTER = re.compile(r"\b(?:at|by|until|till|from|since|before|after|around)\s$", re.I)


def _half(letter: str | None) -> list[str]:
    return [f"{letter.upper()}.M."] if letter else []


def _read_time(found: re.Match[str]) -> list[str]:
    hours, minutes = int(found["hours"]), int(found["minutes"])
    seconds = int(found["seconds"]) if found["seconds"] else None
    half = _half(found["half"])
    if seconds is not None and not half and hours <= 12 and not _CLOCK_AFTER.search(before(found)):
        return numbers.duration(hours, minutes, seconds)
    if not minutes and seconds is None and half:
        return numbers.cardinal(hours) + half
    return numbers.clock(hours, minutes, seconds) + half


def _read_hour(found: re.Match[str]) -> list[str]:
    hours, minutes = int(found["at"]), int(found["at_minutes"] or 0)
    said = numbers.clock(hours, minutes) if minutes else numbers.cardinal(hours)
    return said + _half(found["half_only"])


def _read_date(found: re.Match[str]) -> list[str]:
    parts = re.findall(r"\d+", found["days"])
    month, day, year = map(int, parts)
    if len(parts[0]) == 4:  # 2026-03-01
        year, month, day = month, day, year
    elif month > 12:  # 25/12/2026
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return [word for part in parts for word in numbers.decimal(part)]
    said = [MONTHS[month - 1], *numbers.ordinal(day), *numbers.year(year)]
    if found["iso_hours"]:
        said += ["at", *numbers.clock(int(found["iso_hours"]), int(found["iso_minutes"]))]
    return said


def _month(text: str) -> str:
    return next(name for name in MONTHS if name.startswith(text[:3]))


def _day_name(text: str) -> str:
    return next(name for name in DAYS if name.startswith(text[:3]))


def _ordinals(first: str, last: str | None) -> list[str]:
    said = numbers.ordinal(int(first))
    return [*said, "to", *numbers.ordinal(int(last))] if last else said


def _read_day_month(found: re.Match[str]) -> list[str]:
    article = [] if re.search(r"\b(?:the|of)\s$", before(found), re.I) else ["the"]
    days = _ordinals(found["first_day"], found["last_day"])
    return [*article, *days, "of", _month(found["month_after"])]


def _read_months(found: re.Match[str]) -> list[str]:
    return [_month(found["first_month"]), "to", _month(found["last_month"])]


def _read_days(found: re.Match[str]) -> list[str]:
    return [_day_name(found["from_day"]), "to", _day_name(found["until_day"])]


def _read_compound(found: re.Match[str]) -> list[str]:
    hours, minutes, seconds = (int(found[part] or 0) for part in ("in_h", "in_m", "in_s"))
    if "h" in found[0] and not found["in_unit"] and hours >= 13:
        return numbers.clock(hours, minutes)  # 17h30
    return numbers.duration(hours, minutes, seconds)


def _read_decade(found: re.Match[str]) -> list[str]:
    number = int(re.sub(r"\D", "", found[0]))
    if number < 100 and "'" not in found[0]:
        named = re.search(r"\b(?:the|his|her|their|my|your|our|early|late|mid)[ -]$", before(found))
        if number < 20 or named is None:  # 30s of sound
            return [*numbers.cardinal(number), "second" if is_adjective(found) else "seconds"]
    return numbers.decade(number)


FORMS: dict[str, Form] = {
    "date": (
        r"\b(?P<days>\d{1,2}(?P<between>[/.-])\d{1,2}(?P=between)(?:\d{4}|\d\d)"
        r"|\d{4}(?P<ymd>[/.-])\d\d(?P=ymd)\d\d)"
        r"(?:T(?P<iso_hours>[01]\d|2[0-4]):(?P<iso_minutes>[0-5]\d)(?::\d\d(?:\.\d{1,9})?)?"
        r"(?:Z|[+-]\d\d:?\d\d)?)?\b(?![./-]\d)",
        _read_date,
    ),
    "time": (
        r"\b(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?"
        rf"(?![\d:])(?:\s?(?P<half>[aApP]){_HALF})?",
        _read_time,
    ),
    "hour": (
        rf"\b(?P<at>1?\d)(?:\.(?P<at_minutes>[0-5]\d))?\s?(?P<half_only>[aApP]){_HALF}",
        _read_hour,
    ),
    "compound": (
        r"\b(?:(?P<in_h>\d{1,3})\s?(?:h|hrs?)\s?(?P<in_m>[0-5]?\d)\s?(?P<in_unit>m|mins?)?"
        r"(?:\s?(?P<in_s>[0-5]?\d)\s?(?:s|secs?))?|(?P<only_m>\d{1,3})m\s?(?P<only_s>[0-5]?\d)s)\b",
        lambda m: (
            numbers.duration(0, int(m["only_m"]), int(m["only_s"]))
            if m["only_m"]
            else _read_compound(m)
        ),
    ),
    "minutes_seconds": (
        r"\b(?P<clock_m>2[5-9]|[3-9]\d|[1-9]\d\d):(?P<clock_s>[0-5]\d)(?![\d:])",
        lambda m: numbers.duration(0, int(m["clock_m"]), int(m["clock_s"])),
    ),
    "till": (
        # Between two times, ordinals: the first has been read.
        rf"(?<=[\dmM.]){DASH}(?=(?:[01]?\d|2[0-4])(?::[0-5]\d|(?:\.[0-5]\d)?\s?[aApP]\.?[mM]\b)"
        r"|noon\b|midnight\b)"
        rf"|(?<=[dht]){DASH}(?=\d{{1,3}}(?:st|nd|rd|th)\b)"
        rf"|(?<=:\d\d){DASH}(?=\d{{1,2}}\b)|(?<=\d){DASH}(?=(?:{_MONTH})\s\d)"
        rf"|(?<=[a-z]){DASH}(?=\d{{1,2}}\s(?:{_MONTH})\b)",
        lambda m: ["to"],
    ),
    "month_range": (
        rf"\b(?P<first_month>{_MONTH})\s?{DASH}\s?(?P<last_month>{_MONTH})(?!\w)",
        _read_months,
    ),
    "day_range": (
        rf"\b(?P<from_day>{_DAY})\.?\s?{DASH}\s?(?P<until_day>{_DAY})\b(?:\.(?!\s*$|\s+[A-Z]))?",
        _read_days,
    ),
    "month_day": (
        rf"\b(?P<month>{_MONTH})\s(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?"
        rf"(?:\s?{DASH}\s?(?P<until>[12]?\d|3[01])(?:st|nd|rd|th)?)?(?![\d:.,]\d|\d|\w)",
        lambda m: [_month(m["month"]), *_ordinals(m["day"], m["until"])],
    ),
    "day_month": (
        rf"\b(?P<first_day>[12]?\d|3[01])(?:st|nd|rd|th)?(?:\s?{DASH}\s?(?P<last_day>[12]?\d|3[01])"
        rf"(?:st|nd|rd|th)?)?\s(?:of\s)?(?P<month_after>{_MONTH})(?!\w)",
        _read_day_month,
    ),
    "weekday": (
        rf"\b(?P<named_day>(?:{_SHORT_DAY})(?:\.,?|,)?(?=\s(?:\d{{1,2}}\b|{_MONTH}))"
        r"|(?<!\A)(?<![.!?]\s)(?:Tues?|Wed|Thu(?:rs?)?|Fri)\b|Mon\b(?=,|\s(?:and|or|to|through)\b))"
        r"(?:\.(?=\s[a-z]|,))?",
        lambda m: [_day_name(m["named_day"])],
    ),
    "decade": (
        r"(?:'|\b)(?:\d{3}|\d)0'?s\b",
        _read_decade,
    ),
    "ordinal": (
        r"\b\d{1,3}(?:,?\d{3}){0,5}(?:st|nd|rd|th|ST|ND|RD|TH)\b",
        lambda m: numbers.ordinal(int(m[0][:-2].replace(",", ""))),
    ),
}
# Those that begin with a digit, and those that begin with a name.
NUMBERED = (
    "date", "time", "hour", "compound", "minutes_seconds", "day_month", "decade", "ordinal",
)  # fmt: skip
NAMED = ("month_range", "day_range", "month_day", "weekday")
