"""Numbers as English words."""

from __future__ import annotations

from dataclasses import dataclass

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ("thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
MAX_DIGITS = 18  # longer ones are read digit by digit; nobody knows their names
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Currency:
    """Names of a currency."""

    one: str
    many: str
    small_one: str | None = None  # the hundredth; None where there is none in use
    small_many: str | None = None


DOLLAR = Currency(one="dollar", many="dollars", small_one="cent", small_many="cents")
CURRENCIES = {
    "$": DOLLAR,
    "\u20ac": Currency(one="euro", many="euros", small_one="cent", small_many="cents"),
    "\u00a3": Currency(one="pound", many="pounds", small_one="penny", small_many="pence"),
    "\u00a5": Currency(one="yen", many="yen"),
    "\u20b9": Currency(one="rupee", many="rupees", small_one="paisa", small_many="paise"),
    "\u20bd": Currency(one="rouble", many="roubles", small_one="kopeck", small_many="kopecks"),
    "\u20a9": Currency(one="won", many="won"),
    "\u00a2": Currency(one="cent", many="cents"),
}


def cardinal(number: int) -> list[str]:
    """A whole number in words.

    Args:
        number: Any whole number; beyond 18 digits it is read digit by digit.

    Returns:
        Words, with "and" before the last two digits: 105 is one hundred and five.
    """
    if number < 0:
        return ["minus", *cardinal(-number)]
    if number >= 10**MAX_DIGITS:
        return digits(str(number))
    if number < 1000:
        return _below_thousand(number)
    words: list[str] = []
    groups = []
    while number:
        number, rest = divmod(number, 1000)
        groups.append(rest)
    for index in range(len(groups) - 1, 0, -1):
        if groups[index]:
            words += [*_below_thousand(groups[index]), SCALES[index - 1]]
    if groups[0]:
        words += ["and"] * (groups[0] < 100) + _below_thousand(groups[0])
    return words


def _below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [ONES[hundreds], "hundred"] if hundreds else []
    if rest or not hundreds:
        words += ["and"] * bool(hundreds) + _below_hundred(rest)
    return words


def _below_hundred(number: int) -> list[str]:
    if number < 20:
        return [ONES[number]]
    tens, ones = divmod(number, 10)
    return [TENS[tens]] + [ONES[ones]] * bool(ones)


def ordinal(number: int) -> list[str]:
    """A place in an order: 21 is twenty first."""
    *head, last = cardinal(number)
    if last in ORDINALS:
        last = ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th" if not last.endswith("t") else "h"
    return [*head, last]


def digits(text: str) -> list[str]:
    """Digit by digit; other characters are passed over."""
    return [ONES[int(c)] for c in text if c.isdecimal()]


def year(number: int) -> list[str]:
    """A year in words: 1905 is nineteen oh five, 2026 twenty twenty six."""
    high, low = divmod(number, 100)
    if not 1000 <= number <= 9999 or (high % 10 == 0 and low < 10):
        return cardinal(number)
    if low == 0:
        return [*_below_hundred(high), "hundred"]
    return [*_below_hundred(high), *(["oh", ONES[low]] if low < 10 else _below_hundred(low))]


def decade(number: int) -> list[str]:
    """The years from a round one on: 1980 is nineteen eighties, 2000 two thousands."""
    words = year(number) if number >= 100 else _below_hundred(number)
    last = words[-1]
    return [*words[:-1], last[:-1] + "ies" if last.endswith("y") else last + "s"]


def decimal(text: str) -> list[str]:
    """A number with or without decimals, commas between thousands allowed.

    Args:
        text: Such as 1,234.50, -3 or .5.

    Returns:
        Words; decimals are read digit by digit.
    """
    sign = ["minus"] if text.startswith("-") else []
    whole, _, decimals = text.lstrip("+-").replace(",", "").partition(".")
    if len(whole) > 1 and whole.startswith("0"):
        words = digits(whole)
    elif len(whole) > MAX_DIGITS:
        words = digits(whole)  # int() refuses thousands of digits
    else:
        words = cardinal(int(whole)) if whole else ["zero"] * bool(decimals)
    if decimals:
        words += ["point", *digits(decimals)]
    return sign + words


def fraction(above: int, below: int) -> list[str]:
    """A fraction: 3/4 is three quarters."""
    if below in (0, 1) or below >= 10**6:
        return [*cardinal(above), "over", *cardinal(below)]
    if below in FRACTIONS:
        return [*cardinal(above), FRACTIONS[below][above != 1]]
    *head, last = ordinal(below)
    return [*cardinal(above), *head, last + "s" * (above != 1)]


def money(amount: str, currency: Currency) -> list[str]:
    """An amount of money: 3.50 in dollars is three dollars and fifty cents.

    Args:
        amount: The digits, commas between thousands and decimals (after a point or comma) allowed.
        currency: The names.

    Returns:
        Words.
    """
    if len(amount) > 2 and amount[-3] == ",":
        amount = amount[:-3] + "." + amount[-2:]
    whole, _, decimals = amount.replace(",", "").partition(".")
    if decimals and (len(decimals) != 2 or currency.small_one is None):
        return [*decimal(amount), currency.many]
    words: list[str] = []
    small = int(decimals or 0)
    whole = whole.lstrip("0")
    if whole or not small:
        words = [*decimal(whole or "0"), currency.one if whole == "1" else currency.many]
    if small:
        name = currency.small_one if small == 1 else currency.small_many
        words += ["and"] * bool(words) + [*_below_hundred(small), str(name)]
    return words


def clock(hours: int, minutes: int, seconds: int | None = None) -> list[str]:
    """A time of day: 3:05 is three oh five, 10:00 ten o'clock."""
    words = cardinal(hours)
    if minutes or seconds is not None:
        words += ["oh", ONES[minutes]] if 0 < minutes < 10 else cardinal(minutes)
    else:
        words += ["o'clock"] if 0 < hours <= 12 else ["hundred", "hours"]
    if seconds is not None:
        words += ["and", *cardinal(seconds), "second" if seconds == 1 else "seconds"]
    return words
