"""Amounts as words: money, measures, plain numbers, and ranges of any of these."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import numbers
from .abbreviations import UNITS
from .reading import (
    DASH,
    LETTER,
    NUMBER,
    UNIT,
    Form,
    is_adjective,
    is_year,
    number_in_context,
)

_SCALES = {
    "k": "thousand", "m": "million", "mn": "million", "mln": "million", "b": "billion",
    "bn": "billion", "t": "trillion", "tn": "trillion",
}  # fmt: skip
_LETTER_SIZES = ("2K", "4K", "5K", "6K", "8K", "12K", "16K")  # of pictures and runs
CURRENCY_SIGNS = "".join(re.escape(sign) for sign in numbers.CURRENCIES if len(sign) == 1)
_CODE = "|".join(code for code in (*numbers.CURRENCIES, *numbers.CODES) if code.isalpha())
_WORD_SCALE = r"\s?(?:thousand|million|billion|trillion)\b"
_MONEY_SCALE = rf"(?:{_WORD_SCALE}|[kKmMbBtT]n?\b|mln\b|\s(?:bn|mn|tn|mln)\b)"
_SCALE = rf"(?:{_WORD_SCALE}|[kKMB]\b(?!\s[A-Z])|(?:bn|mn|tn|mln)\b|\s(?:bn|tn|mln)\b)"
# 12,50 is twelve and a half, and so is 1.012,50 with a thousand more.
_MONEY = rf"(?:\d+,\d\d(?![\d,])|\d{{1,3}}(?:\.\d{{3}})+,\d\d(?!\d)|{NUMBER}|\.\d\d(?!\d))"


def _amount(name: str) -> str:
    """An amount with or without currency or unit; its groups carry a name."""
    return (
        rf"(?:(?P<{name}_minus>(?<![\w)])[-+])?"
        rf"(?:(?P<{name}_sign>(?:\b(?:US|AU?|CA?|NZ|HK|S|R)(?=\$))?[{CURRENCY_SIGNS}]|\b(?:{_CODE})(?=\s?\d)|\bRs\.?(?=\s?\d))"
        rf"\s?(?P<{name}_money>{_MONEY})(?P<{name}_scale>{_MONEY_SCALE})?"
        rf"|(?P<{name}_paid>{_MONEY})(?P<{name}_paid_scale>{_MONEY_SCALE})?"
        rf"\s?(?P<{name}_currency>[{CURRENCY_SIGNS}]|(?:{_CODE})\b|p\b(?!\.\w))"
        rf"|(?P<{name}_bare>(?<={LETTER})\d+(?:\.\d+)?)"  # B2B, MP3s
        rf"|(?P<{name}_number>\d{{1,6}},\d{{1,2}}(?=\s?(?:{UNIT})(?!\w))|{NUMBER}|(?<!\w)\.\d+)"
        rf"(?P<{name}_size>{_SCALE})?"
        # A short form before more words keeps no full stop.
        rf"(?:\s?(?P<{name}_unit>(?:{UNIT})(?!\w)|(?<=\s)in(?=\.(?!\w))|in(?=\.(?!\w)))"
        rf"(?:\.(?=\s+[a-z\d(]|[,;:\u2014-]))?)?))"
    )


_AMOUNT, _FROM, _UNTIL = map(_amount, ("one", "low", "high"))


_LONGEST_YEARS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """An amount as it is written."""

    number: str
    sign: str  # "-", "+" or empty
    scale: str  # such as million; may be empty
    currency: numbers.Currency | None
    unit: str  # one of UNITS, or empty

    @classmethod
    def of(cls, found: re.Match[str], name: str) -> Amount:
        """Take the groups of one name from a match."""
        parts = {
            key: next((text for kind in kinds if (text := found[f"{name}_{kind}"])), "").strip()
            for key, kinds in _PARTS.items()
        }
        number, scale, currency = parts["number"], parts["scale"].lower(), parts["currency"]
        if re.search(r"(?:^|\.)\d+,\d{1,2}$", number):
            number = number.replace(".", "").replace(",", ".")
        return cls(
            number=number,
            sign=parts["sign"],
            scale=_SCALES.get(scale, scale),
            currency=_CURRENCIES.get(numbers.CODES.get(currency, currency)),
            unit=parts["unit"],
        )

    def is_bare(self) -> bool:
        """Whether this is nothing but a number."""
        return not (self.currency or self.unit or self.scale)

    def is_exact(self) -> bool:
        """Whether this is money with cents."""
        return self.currency is not None and "." in self.number and not self.scale

    def sign_words(self) -> list[str]:
        """What is said for the sign."""
        return {"-": ["minus"], "+": ["plus"]}.get(self.sign, [])

    def count(self) -> list[str]:
        """Sign, number and scale in words."""
        return [*self.sign_words(), *numbers.decimal(self.number), *self.scale.split()]

    def name(self, *, one: bool) -> list[str]:
        """Currency or unit in words."""
        if self.currency:
            return (self.currency.one if one else self.currency.many).split()
        return unit_name(self.unit, one=one) if self.unit else []

    def words(self, *, adjective: bool = False) -> list[str]:
        """The amount with its currency or unit; as an adjective these have no plural."""
        if self.currency and not self.scale and (self.is_exact() or not adjective):
            return [*self.sign_words(), *numbers.money(self.number, self.currency)]
        one = adjective or (self.number == "1" and not self.scale)
        return [*self.count(), *self.name(one=one)]


# Groups of an amount's expression, by what they are for.
_PARTS = {
    "number": ("money", "paid", "number", "bare"),
    "scale": ("scale", "paid_scale", "size"),
    "currency": ("sign", "currency"),
    "sign": ("minus",),
    "unit": ("unit",),
}
_CURRENCIES = numbers.CURRENCIES | {"p": numbers.Currency("penny", "pence")}


def unit_name(unit: str, *, one: bool) -> list[str]:
    """The name of a unit in words: kilometer or kilometers."""
    name = UNITS.get(unit, "inch(es)")
    if one:
        return re.sub(r"\(e?s\)", "", name).split()
    return re.sub(r"\((e?s)\)", r"\1", name).replace("foot", "feet").split()


def _read_amount(found: re.Match[str]) -> list[str]:
    amount = Amount.of(found, "one")
    written = found["one_number"]
    if written and f"{written}{(found['one_size'] or '').strip()}" in _LETTER_SIZES:
        return [*numbers.decimal(written), "K"]
    if not amount.is_bare():
        return amount.words(adjective=is_adjective(found))
    if amount.sign:
        return amount.count()
    return number_in_context(amount.number, found)


def _read_range(found: re.Match[str]) -> list[str]:
    low, high = Amount.of(found, "low"), Amount.of(found, "high")
    if low.is_bare() and high.is_bare():
        return _read_plain_range(low, high, found)
    adjective = is_adjective(found)
    if low.is_exact() or high.is_exact() or _are_different(low, high):
        return [*low.words(), "to", *high.words(adjective=adjective)]
    name = high.name(one=adjective) or low.name(one=adjective)
    return [*low.count(), "to", *high.count(), *name]


def _are_different(low: Amount, high: Amount) -> bool:
    """Whether both ends of a range need their own currency or unit: 5 ft-2 m."""
    pairs = ((low.currency, high.currency), (low.unit, high.unit))
    return any(first and first != last for first, last in pairs if first and (last or high.unit))


def _read_plain_range(low: Amount, high: Amount, found: re.Match[str]) -> list[str]:
    first, last = low.number, high.number
    if is_year(first) and is_year(last) and 0 <= int(last) - int(first) < _LONGEST_YEARS:
        return [*numbers.year(int(first)), "to", *numbers.year(int(last))]
    if is_year(first) and re.fullmatch(r"\d\d", last):  # 1914-18
        end = numbers.cardinal(int(last)) if last[0] != "0" else ["oh", numbers.ONES[int(last)]]
        return [*numbers.year(int(first)), "to", *end]
    if first == last and not low.sign:  # 50-50
        return [*numbers.decimal(first), *numbers.decimal(last)]
    start, end = (number_in_context(text, found) for text in (first, last))
    return [*low.sign_words(), *start, "to", *high.sign_words(), *end]


FORMS: dict[str, Form] = {
    "range": (
        rf"(?<![\w\-]){_FROM}(?:(?<=\d){DASH}|:(?=\d)|(?<=[\w%\u00b0.{CURRENCY_SIGNS}]){DASH}){_UNTIL}"
        r"(?!\w|-\d|\s?[aApP]\.?[mM]\b)",
        _read_range,
    ),
    "amount": (_AMOUNT, _read_amount),
}
