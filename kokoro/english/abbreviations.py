"""Short forms of written English and what is said for them."""

from __future__ import annotations

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# By the short form in small letters with its last full stop.
ABBREVIATIONS = {
    "mr.": "mister", "mrs.": "Mrs", "ms.": "miz", "dr.": "doctor", "prof.": "professor",
    "jr.": "junior", "sr.": "senior", "gen.": "general", "capt.": "captain", "lt.": "lieutenant",
    "sgt.": "sergeant", "col.": "colonel", "maj.": "major", "gov.": "governor", "sen.": "senator",
    "rep.": "representative", "pres.": "president", "rev.": "reverend", "hon.": "honorable",
    "inc.": "incorporated", "ltd.": "limited", "corp.": "corporation", "co.": "company",
    "dept.": "department", "est.": "established", "approx.": "approximately", "vs.": "versus",
    "etc.": "etc", "e.g.": "for example", "i.e.": "that is", "cf.": "compare",
    "ave.": "avenue", "blvd.": "boulevard", "rd.": "road", "mt.": "mount", "apt.": "apartment",
    "fig.": "figure", "vol.": "volume", "pp.": "pages", "ch.": "chapter",
    "min.": "minutes", "sec.": "seconds", "hrs.": "hours", "no.": "number",
    "w/o.": "without", "sept.": "September", "tues.": "Tuesday", "thurs.": "Thursday",
    **{f"{name[:3].lower()}.": name for name in (*MONTHS, *DAYS) if name != "May"},
}  # fmt: skip
# Words of their own as well: short forms only before a number, or as a title before a name.
BEFORE_NUMBER = "no|min|sec|mar|sat|wed|fig|jun|ch|mon|pp|sep|dec|fri|sun|aug|jan|oct"
BEFORE_NAME = "Gen|Hon|Rep|Sen|Gov|Col|Maj|Capt|Lt|Sgt|Rev|Pres|Mt|Ed"
CLOSERS = "etc|inc|ltd|corp|jr|sr"  # may end a sentence
WITHOUT_STOP = "Mr|Mrs|Ms|Dr|Prof|vs|etc|w/o"
NAMES_WITH_NUMBERS = frozenset({
    "Alexander", "Benedict", "Catherine", "Charles", "Edward", "Elizabeth", "Francis",
    "Frederick", "George", "Gregory", "Henry", "Innocent", "Ivan", "James", "John", "Leo",
    "Louis", "Mary", "Napoleon", "Nicholas", "Paul", "Peter", "Philip", "Pius", "Richard",
    "Robert", "Urban", "Victor", "William",
})  # fmt: skip
# With (s) where many of them have an s; many a foot are feet.
UNITS = {
    "%": "percent", "\u00b0C": "degree(s) Celsius", "\u00b0F": "degree(s) Fahrenheit",
    "\u00b0": "degree(s)", "kg": "kilogram(s)", "g": "gram(s)", "mg": "milligram(s)",
    "lb": "pound(s)", "lbs": "pound(s)", "oz": "ounce(s)", "km": "kilometer(s)", "m": "meter(s)",
    "cm": "centimeter(s)", "mm": "millimeter(s)", "mi": "mile(s)", "ft": "foot", "yd": "yard(s)",
    "km/h": "kilometer(s) per hour", "kmh": "kilometer(s) per hour",
    "kph": "kilometer(s) per hour", "mph": "mile(s) per hour", "m/s": "meter(s) per second",
    "m2": "square meter(s)", "km2": "square kilometer(s)", "m3": "cubic meter(s)",
    "sq ft": "square foot", "l": "liter(s)", "L": "liter(s)", "ml": "milliliter(s)",
    "mL": "milliliter(s)", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "KB": "kilobyte(s)", "kB": "kilobyte(s)", "MB": "megabyte(s)",
    "GB": "gigabyte(s)", "TB": "terabyte(s)", "W": "watt(s)", "kW": "kilowatt(s)",
    "kWh": "kilowatt hour(s)", "V": "volt(s)", "dB": "decibel(s)", "px": "pixel(s)",
    "fps": "frame(s) per second", "ms": "millisecond(s)", "min": "minute(s)", "hr": "hour(s)",
    "hrs": "hour(s)", "h": "hour(s)", "s": "second(s)", "x": "times",
}  # fmt: skip
SYMBOLS_SAID = {
    "&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number",
    "\u00b0": "degrees", "\u00d7": "times", "\u00f7": "divided by", "<": "less than",
    ">": "greater than", "\u2264": "less than or equal to", "\u2265": "greater than or equal to",
    "\u2248": "approximately", "\u2260": "not equal to", "\u00b1": "plus or minus",
    "\u221a": "square root of", "\u221e": "infinity", "\u00a7": "section", "$": "dollars",
    "\u20ac": "euros", "\u00a3": "pounds", "\u00a5": "yen", "\u20b9": "rupees", "\u00a2": "cents",
}  # fmt: skip
