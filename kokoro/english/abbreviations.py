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
    "etc.": "etc", "e.g.": "for example", "i.e.": "that is", "cf.": "compare", "et al.": "et al",
    "ave.": "avenue", "blvd.": "boulevard", "rd.": "road", "hwy.": "highway", "ln.": "lane",
    "mt.": "mount", "ft.": "fort", "apt.": "apartment", "ext.": "extension", "tel.": "telephone",
    "fig.": "figure", "figs.": "figures", "vol.": "volume", "pp.": "pages", "p.": "page",
    "ch.": "chapter", "art.": "article", "para.": "paragraph", "ed.": "edition", "eq.": "equation",
    "no.": "number", "nos.": "numbers", "min.": "minimum", "max.": "maximum", "avg.": "average",
    "incl.": "including", "excl.": "excluding", "govt.": "government", "misc.": "miscellaneous",
    "asst.": "assistant", "assoc.": "association", "univ.": "university", "bros.": "brothers",
    "c.": "circa", "ca.": "circa", "w/o.": "without", "w/.": "with", "c/o.": "care of",
    "b/c.": "because", "a.k.a.": "A.K.A.", "ph.d.": "P.H.D.", "b.sc.": "B.S.C.",
    "m.sc.": "M.S.C.", "sec.": "section", "hrs.": "hours", "yrs.": "years", "wks.": "weeks",
    "lbs.": "pounds", "sept.": "September", "tues.": "Tuesday", "thur.": "Thursday",
    "thurs.": "Thursday",
    **{f"{name[:3].lower()}.": name for name in (*MONTHS, *DAYS) if name != "May"},
}  # fmt: skip
# Words of their own as well: short forms only before a number, or as a title before a name.
BEFORE_NUMBER = (
    "no|nos|min|max|sec|mar|sat|wed|fig|figs|jun|ch|mon|pp|p|sep|dec|fri|sun|aug|jan|oct|apr|feb"
    "|jul|nov|tue|thu|c|ca|art|para|ext|eq|ed"
)
BEFORE_NAME = "Gen|Hon|Rep|Sen|Gov|Col|Maj|Capt|Lt|Sgt|Rev|Pres|Mt|Ed|Ft"
CLOSERS = "etc|inc|ltd|corp|jr|sr"  # may end a sentence
WITHOUT_STOP = "Mr|Mrs|Ms|Dr|Prof|Ph\\.D|vs|etc|w/o|c/o|b/c|w/(?=\\s)"
# What no sentence ends in.
INSIDE = frozenset([
    "mr.", "mrs.", "ms.", "dr.", "prof.", "e.g.", "i.e.", "vs.", "cf.", "approx.", "no.", "c.",
    "ca.", "st.", "incl.", "excl.", "fig.", "figs.", "p.", "pp.",
])  # fmt: skip
# Words in capitals that begin a sentence rather than go on with a name.
STARTERS = (
    "A", "After", "All", "Also", "An", "And", "Another", "Any", "Are", "As", "At", "Because",
    "Before", "But", "By", "Can", "Could", "Did", "Do", "Does", "Don't", "Each", "Even", "Every",
    "Everyone", "Finally", "First", "For", "From", "He", "He's", "Her", "Here", "His", "How",
    "However", "I", "I'd", "I'll", "I'm", "I've", "If", "In", "Is", "It", "It's", "Its", "Just",
    "Let", "Let's", "Many", "Maybe", "Most", "My", "Next", "No", "Nobody", "Not", "Nothing", "Now",
    "Of", "On", "Once", "One", "Only", "Or", "Our", "Perhaps", "Please", "She", "She's", "Should",
    "Since", "So", "Some", "Someone", "Something", "Still", "Such", "Thank", "Thanks", "That",
    "That's", "The", "Their", "Then", "There", "There's", "These", "They", "They're", "This",
    "Those", "Though", "Thus", "To", "Today", "Tomorrow", "Too", "Under", "Until", "Was", "We",
    "We'll", "We're", "Well", "Were", "What", "What's", "When", "Where", "Which", "While", "Who",
    "Why", "Will", "With", "Would", "Yes", "Yesterday", "Yet", "You", "You're", "Your",
)  # fmt: skip
NAMES_WITH_NUMBERS = frozenset({
    "Alexander", "Benedict", "Catherine", "Charles", "Edward", "Elizabeth", "Francis",
    "Frederick", "George", "Gregory", "Henry", "Innocent", "Ivan", "James", "John", "Leo",
    "Louis", "Mary", "Napoleon", "Nicholas", "Paul", "Peter", "Philip", "Pius", "Richard",
    "Robert", "Urban", "Victor", "William",
})  # fmt: skip
# With (s) where many of them have an s; many a foot are feet.
_UNITS = {
    "%": "percent", "\u2030": "per mille", "\u00b0C": "degree(s) Celsius",
    "\u00b0F": "degree(s) Fahrenheit", "\u00b0": "degree(s)", "deg": "degree(s)",
    "kg": "kilogram(s)", "g": "gram(s)", "mg": "milligram(s)", "\u00b5g": "microgram(s)",
    "\u03bcg": "microgram(s)", "mcg": "microgram(s)", "lb": "pound(s)", "lbs": "pound(s)",
    "oz": "ounce(s)", "km": "kilometer(s)", "m": "meter(s)", "cm": "centimeter(s)",
    "mm": "millimeter(s)", "\u00b5m": "micrometer(s)", "\u03bcm": "micrometer(s)",
    "nm": "nanometer(s)", "mi": "mile(s)", "ft": "foot", "yd": "yard(s)", "yds": "yard(s)",
    "km/h": "kilometer(s) per hour", "kmh": "kilometer(s) per hour",
    "kph": "kilometer(s) per hour", "mph": "mile(s) per hour", "m/s": "meter(s) per second",
    "sq ft": "square foot", "sq. ft": "square foot", "sq mi": "square mile(s)",
    "sq m": "square meter(s)", "sq km": "square kilometer(s)", "cu ft": "cubic foot",
    "cu. ft": "cubic foot", "ha": "hectare(s)", "l": "liter(s)", "L": "liter(s)",
    "ml": "milliliter(s)", "mL": "milliliter(s)", "cl": "centiliter(s)", "dl": "deciliter(s)",
    "gal": "gallon(s)", "qt": "quart(s)", "tbsp": "tablespoon(s)", "tsp": "teaspoon(s)",
    "cal": "calorie(s)", "kcal": "kilocalorie(s)", "J": "joule(s)", "kJ": "kilojoule(s)",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "kB": "kilobyte(s)",
    "KB": "kilobyte(s)", "MB": "megabyte(s)", "GB": "gigabyte(s)", "TB": "terabyte(s)",
    "PB": "petabyte(s)", "KiB": "kibibyte(s)", "MiB": "mebibyte(s)", "GiB": "gibibyte(s)",
    "TiB": "tebibyte(s)", "kbps": "kilobit(s) per second", "Mbps": "megabit(s) per second",
    "Gbps": "gigabit(s) per second", "kbit/s": "kilobit(s) per second",
    "Mbit/s": "megabit(s) per second", "MB/s": "megabyte(s) per second",
    "GB/s": "gigabyte(s) per second", "MP": "megapixel(s)", "W": "watt(s)", "kW": "kilowatt(s)",
    "MW": "megawatt(s)", "GW": "gigawatt(s)", "Wh": "watt hour(s)", "kWh": "kilowatt hour(s)",
    "MWh": "megawatt hour(s)", "V": "volt(s)", "kV": "kilovolt(s)", "mA": "milliamp(s)",
    "mAh": "milliamp hour(s)", "hp": "horsepower", "rpm": "revolution(s) per minute",
    "bpm": "beat(s) per minute", "psi": "P.S.I.", "kPa": "kilopascal(s)", "dB": "decibel(s)",
    "ppm": "part(s) per million", "dpi": "dot(s) per inch", "px": "pixel(s)", "pt": "point(s)",
    "pts": "point(s)", "fps": "frame(s) per second", "ms": "millisecond(s)",
    "\u00b5s": "microsecond(s)", "\u03bcs": "microsecond(s)", "ns": "nanosecond(s)",
    "min": "minute(s)", "mins": "minute(s)", "sec": "second(s)", "secs": "second(s)",
    "hr": "hour(s)", "hrs": "hour(s)", "h": "hour(s)", "s": "second(s)", "yr": "year(s)",
    "yrs": "year(s)", "wk": "week(s)", "wks": "week(s)", "mo": "month(s)", "mos": "month(s)",
    "x": "times",
}  # fmt: skip
_LENGTHS = {
    "m": "meter(s)", "km": "kilometer(s)", "cm": "centimeter(s)", "mm": "millimeter(s)",
    "ft": "foot", "mi": "mile(s)", "in": "inch(es)", "yd": "yard(s)",
}  # fmt: skip
UNITS = _UNITS | {
    f"{short}{sign}{power}": f"{kind} {name}"
    for short, name in _LENGTHS.items()
    for power, kind in ((2, "square"), (3, "cubic"))
    for sign in ("", "^")
}
# What stands after a stroke: 5 dollars per month.
RATES = {
    "month": "month", "mo": "month", "year": "year", "yr": "year", "day": "day", "week": "week",
    "wk": "week", "hour": "hour", "hr": "hour", "h": "hour", "minute": "minute", "min": "minute",
    "second": "second", "sec": "second", "s": "second", "person": "person", "night": "night",
    "unit": "unit", "user": "user", "kg": "kilogram", "lb": "pound", "oz": "ounce", "g": "gram",
    "gal": "gallon", "GB": "gigabyte", "MB": "megabyte", "km": "kilometer", "mile": "mile",
    "mi": "mile", "kWh": "kilowatt hour", "m": "meter", "m2": "square meter", "m^2": "square meter",
    "m3": "cubic meter", "m^3": "cubic meter",
    "cm": "centimeter", "liter": "liter", "litre": "liter", "L": "liter", "l": "liter",
    "piece": "piece", "hectare": "hectare", "ha": "hectare", "ml": "milliliter",
    "mL": "milliliter", "dl": "deciliter", "dL": "deciliter",
}  # fmt: skip
SYMBOLS_SAID = {
    "&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number",
    "\u00b0": "degrees", "\u00d7": "times", "\u00f7": "divided by", "<": "less than",
    ">": "greater than", "\u2264": "less than or equal to", "\u2265": "greater than or equal to",
    "\u2248": "approximately", "\u2260": "not equal to", "\u00b1": "plus or minus",
    "\u221a": "square root of", "\u221e": "infinity", "\u00a7": "section", "$": "dollars",
    "\u20ac": "euros", "\u00a3": "pounds", "\u00a5": "yen", "\u20b9": "rupees", "\u00a2": "cents",
}  # fmt: skip
