"""Short forms of written English and what is said for them."""

from __future__ import annotations

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
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
    "jan.": "January", "feb.": "February", "mar.": "March", "apr.": "April", "jun.": "June",
    "jul.": "July", "aug.": "August", "sep.": "September", "sept.": "September",
    "oct.": "October", "nov.": "November", "dec.": "December",
    "mon.": "Monday", "tue.": "Tuesday", "tues.": "Tuesday", "wed.": "Wednesday",
    "thu.": "Thursday", "thurs.": "Thursday", "fri.": "Friday", "sat.": "Saturday",
    "sun.": "Sunday",
    "w/o.": "without",
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
_PER_HOUR = ("kilometer per hour", "kilometers per hour")
# One and many.
UNITS = {
    "%": ("percent", "percent"), "\u00b0C": ("degree Celsius", "degrees Celsius"),
    "\u00b0F": ("degree Fahrenheit", "degrees Fahrenheit"), "\u00b0": ("degree", "degrees"),
    "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"), "mg": ("milligram", "milligrams"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "km": ("kilometer", "kilometers"), "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"), "mi": ("mile", "miles"), "ft": ("foot", "feet"),
    "yd": ("yard", "yards"), "km/h": _PER_HOUR, "kmh": _PER_HOUR, "kph": _PER_HOUR,
    "mph": ("mile per hour", "miles per hour"), "m/s": ("meter per second", "meters per second"),
    "m2": ("square meter", "square meters"), "km2": ("square kilometer", "square kilometers"),
    "m3": ("cubic meter", "cubic meters"), "sq ft": ("square foot", "square feet"),
    "l": ("liter", "liters"), "L": ("liter", "liters"), "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"), "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
    "KB": ("kilobyte", "kilobytes"), "kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"), "V": ("volt", "volts"),
    "dB": ("decibel", "decibels"), "px": ("pixel", "pixels"),
    "fps": ("frame per second", "frames per second"), "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"),
    "h": ("hour", "hours"), "s": ("second", "seconds"), "x": ("times", "times"),
}  # fmt: skip
SYMBOLS_SAID = {
    "&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number",
    "\u00b0": "degrees", "\u00d7": "times", "\u00f7": "divided by", "<": "less than",
    ">": "greater than", "\u2264": "less than or equal to", "\u2265": "greater than or equal to",
    "\u2248": "approximately", "\u2260": "not equal to", "\u00b1": "plus or minus",
    "\u221a": "square root of", "\u221e": "infinity", "\u00a7": "section", "$": "dollars",
    "\u20ac": "euros", "\u00a3": "pounds", "\u00a5": "yen", "\u20b9": "rupees", "\u00a2": "cents",
}  # fmt: skip
