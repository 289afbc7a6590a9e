"""Numbers as English words."""

from __future__ import annotations

import re
from typing import NamedTuple

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = tuple(zip(
    (10**15, 10**12, 10**9, 10**6, 1000, 100),
    ("quadrillion", "trillion", "billion", "million", "thousand", "hundred"),
    strict=True,
))  # fmt: skip
MAX_DIGITS = 18  # longer ones are read digit by digit; nobody knows their names
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


class Currency(NamedTuple):
    """Names of a currency."""

    one: str
    many: str
    small_one: str = ""  # the hundredth; empty where there is none in use
    small_many: str = ""


CURRENCIES = {
    "$": Currency("dollar", "dollars", "cent", "cents"),
    "\u20ac": Currency("euro", "euros", "cent", "cents"),
    "\u00a3": Currency("pound", "pounds", "penny", "pence"),
    "\u00a5": Currency("yen", "yen"),
    "\u20b9": Currency("rupee", "rupees", "paisa", "paise"),
    "\u20bd": Currency("rouble", "roubles", "kopeck", "kopecks"),
    "\u20a9": Currency("won", "won"),
    "\u00a2": Currency("cent", "cents"),
    "\u20ba": Currency("lira", "lira"),
    "\u20aa": Currency("shekel", "shekels"),
    "\u20ab": Currency("dong", "dong"),
    "\u20b1": Currency("peso", "pesos"),
    "\u20b4": Currency("hryvnia", "hryvnias"),
    "\u20a6": Currency("naira", "naira"),
    "\u20bf": Currency("bitcoin", "bitcoins"),
    "CHF": Currency("franc", "francs"),
    "CNY": Currency("yuan", "yuan"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "NZD": Currency("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HKD": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "SGD": Currency("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "US$": Currency("U.S. dollar", "U.S. dollars", "cent", "cents"),
    "SEK": Currency("Swedish krona", "Swedish kronor"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner"),
    "DKK": Currency("Danish krone", "Danish kroner"),
    "PLN": Currency("zloty", "zlotys"),
    "BRL": Currency("real", "reais"),
}
# Other names of these.
CODES = {
    "USD": "$", "EUR": "\u20ac", "GBP": "\u00a3", "JPY": "\u00a5", "RMB": "CNY", "INR": "\u20b9",
    "RUB": "\u20bd", "KRW": "\u20a9", "ILS": "\u20aa", "BTC": "\u20bf", "AU$": "AUD", "A$": "AUD",
    "CA$": "CAD", "C$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "R$": "BRL",
    "Rs": "\u20b9", "Rs.": "\u20b9",
}  # fmt: skip


def cardinal(number: int) -> list[str]:
    """A whole number in words: 105 is one hundred and five; over 18 digits are read one by one."""
    if number < 0:
        return ["minus", *cardinal(-number)]
    if number >= 10**MAX_DIGITS:
        return digits(str(number))
    for size, name in SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            words = [*cardinal(many), name, *["and"] * (0 < rest < 100)]
            return words + cardinal(rest) if rest else words
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
        return [*cardinal(high), "hundred"]
    return [*cardinal(high), *(["oh", ONES[low]] if low < 10 else cardinal(low))]


def year_before_era(number: int) -> list[str]:
    """A year that AD or BC follows: 476 is four seventy six."""
    high, low = divmod(number, 100)
    if high > 9 or low == 0:
        return year(number) if low or high % 10 else cardinal(number)
    return [ONES[high], *(["oh", ONES[low]] if low < 10 else cardinal(low))]


def decade(number: int) -> list[str]:
    """The years from a round one on: 1980 is nineteen eighties, 2000 two thousands."""
    *head, last = year(number)
    return [*head, last[:-1] + "ies" if last.endswith("y") else last + "s"]


def decimal(text: str) -> list[str]:
    """A number such as 1,234.50, -3 or .5 in words; decimals are read digit by digit."""
    sign = ["minus"] if text.startswith("-") else []
    whole, _, decimals = text.lstrip("+-").replace(",", "").partition(".")
    if len(whole) > MAX_DIGITS or (len(whole) > 1 and whole.startswith("0")):
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

    Commas between thousands and decimals after a point or comma are fine.
    """
    amount = re.sub(r",(\d\d)$", r".\1", amount)
    whole, _, decimals = amount.replace(",", "").partition(".")
    many = currency.many.split()
    if decimals and (len(decimals) != 2 or not currency.small_one):
        return [*decimal(amount), *many]
    whole, small = whole.lstrip("0"), int(decimals or 0)
    large_words = [*decimal(whole or "0"), *(currency.one.split() if whole == "1" else many)]
    if not small:
        return large_words
    small_words = [*cardinal(small), currency.small_one if small == 1 else currency.small_many]
    return [*large_words, "and", *small_words] if whole else small_words


def duration(hours: int, minutes: int, seconds: int) -> list[str]:
    """A length of time: 2:05:13 is two hours five minutes and thirteen seconds."""
    parts = [
        [*cardinal(count), unit + "s" * (count != 1)]
        for count, unit in ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
        if count
    ]
    *head, last = parts or [["zero", "seconds"]]
    return [*(word for part in head for word in part), *["and"] * bool(head), *last]


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
