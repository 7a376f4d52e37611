"""The units that medical answers use: how each is written, what it measures, how it converts, exactly.

Factors are fractions, so that 0.1 mg = 100 mcg is an equality and not a matter of rounding. Only conversions
between two systems (pounds, °F, kPa) do not meet in round numbers; their results are rounded.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from medqa.clinical.notation.numbers import parse, quotient
from medqa.clinical.notation.routes import ROUTE_WORDS

# dimension → (its own unit, {factor to it: spellings}). "s?" is an optional plural, "(er|re)" American or
# British, "_" a space or hyphen; a factor with "~" crosses systems. All in lower case; see EXACT_CASE.
WRITTEN: dict[str, tuple[str, dict[str, str]]] = {
    "mass": ("mg", {
        "1": "mgs? mgms? milligrams? milligrammes?", "1000": "g gms? gr grams? grammes?",
        "1000000": "kgs? kgms? kilos? kilograms? kilogrammes?",
        "1/1000": "mcgs? mcgms? microgs? µg µgs ug ugs micrograms? microgrammes?",
        "1/1000000": "ng ngs nanogs? nanograms? nanogrammes?", "1/1000000000": "pg picograms? picogrammes?",
        "~45359237/100": "lbs? pounds?", "~28349523125/1000000": "oz ounces?", "~635029318/100": "stones?",
    }),
    "volume": ("mL", {
        "1": "mls? ccs? millilit(er|re)s? cm3 cm³ cm^3 cubic_centimet(er|re)s?", "1000": "l ls lit(er"
        "|re)s? ltrs?",
        "100": "dl decilit(er|re)s?", "10": "cl centilit(er|re)s? dessertspoons? dessertspoonfuls?",
        "1/1000": "µl ul mcl microlit(er|re)s? mm3 mm³ mm^3 cmm cu_mm cubic_millimet(er|re)s? cubic_mm",
        "1/1000000000000": "fl femtolit(er|re)s?", "5": "tsps? teaspoons? teaspoonfuls?",
        "15": "tbsps? tablespoons? tablespoonfuls?", "240": "cups?", "30": "fl_oz fluid_ounces?",
    }),
    "length": ("mm", {
        "1": "mm millimet(er|re)s?", "10": "cms? centimet(er|re)s?", "1000": "m met(er|re)s?",
        "1/1000": "µm microns? micromet(er|re)s?", "1/1000000": "nm nanomet(er|re)s?",
        "1000000": "km kilomet(er|re)s?", "~254/10": "inch inches", "~3048/10": "ft foot feet",
        "~1609344": "miles?",
    }),
    "area": ("m2", {"1": "m2 m² m^2 square_met(er|re)s?", "1/10000": "cm2 cm² square_centimet(er|re)s?"}),
    "pressure": ("mmHg", {
        "~750062/100000": "kpa kilopascals?",
        "1": "mmhg mm_hg millimet(er|re)s?_of_mercury torr", "~75006/100000": "hpa",
        "~73556/100000": "cm_h2o cmh2o cm_of_water centimet(er|re)s?_of_water cms_of_water mbar millibars?",
    }),
    "substance": ("mmol", {
        "1": "mmols? millimoles?", "1000": "mol moles?", "1/1000": "µmols? umols? mcmols? micromols? "
        "micromoles?",
        "1/1000000": "nmols? nanomols? nanomoles?", "1/1000000000": "pmols? picomols? picomoles?",
    }),
    "charge": ("mEq", {"1": "meqs? mvals? milliequivalents? milli-equivalents?", "1000": "eq"}),
    "activity": ("IU", {
        "1": "ius? ui ie units? u unités? unidades international_units? i_units? usp_units? usp "
             "elisa_units? lipase_units? anti-xa_units? anti-xa_iu allergan_units? speywood_units?",
        "1/1000": "miu mu milliunits? milli-units? milli_international_units?", "1000": "ku kiu kilounits?",
        "1/1000000": "µiu uiu µu uu microunits? micro-units? micro_international_units?",
        "1000000": "megaunits? mega_units? mega-units?", "~60": "µkat ukat microkatals?",
    }),
    "osmoles": ("mOsm", {"1": "mosms? mosmols? milliosmoles? milliosmols?"}),
    "energy": ("kcal", {
        "1": "kcals? calories kilocalories? kilocals?", "~1000/4184": "kj kilojoules?",
        "~1000000/4184": "megajoules?",
    }),
    "decay": ("MBq", {"1": "mbq megabecquerels?", "37": "mci millicuries?", "1000": "gbq gigabecquerels?"}),
    "radiation": ("Gy", {"1": "gy grays?", "1/100": "cgy", "1/1000": "mgy"}),
    "radiation dose": ("mSv", {"1": "msv millisieverts?", "1000": "sv sieverts?"}),
    "shock": ("J", {"1": "j joules?"}),
    "sound": ("dB", {"1": "db decibels?"}),
    "oscillation": ("Hz", {"1": "hz hertz", "1000": "khz", "1000000": "mhz"}),
    "voltage": ("mV", {"1": "mv millivolts?", "1000": "volts?"}),
    "current": ("mA", {"1": "ma milliamps? milliamperes?"}),
    "proportion": ("%", {"1": "% percent per_cent pct percentage_points?", "1/10000": "ppm", "1/10": "‰"}),
    "temperature": ("°C", {
        "1": "°c ° degrees? degrees?_c degrees?_celsius degrees?_centigrade deg_c c celsius",
    }),
    "fahrenheit": ("°F", {"1": "°f degrees?_f degrees?_fahrenheit deg_f f fahrenheit"}),
    "time": ("day", {
        "1": "d days? nights?", "7": "wks? weeks?", "14": "fortnights?", "1/24": "h hrs? hours?",
        "1/1440": "mins? minutes?", "1/86400": "s secs? seconds?",
    }),
    # Intervals of the ECG are measured values and not durations of a treatment.
    "interval": ("ms", {"1": "ms msecs? milliseconds?"}),
    # Months and years are a dimension of their own: 4 weeks are not a month, 12 months are a year.
    "long time": ("month", {"1": "mos? mths? months?", "12": "yrs? years?", "120": "decades?"}),
    "weeks of pregnancy": ("week of pregnancy", {
        "1": "weeks?_of_gestation weeks?_gestation weeks?_of_pregnancy weeks?_pregnant gestational_weeks? "
             "weeks?_gestational wks?_gestation weeks?_of_gestational",
    }),
    "tablets": ("tablet", {"1": "tablets? tabs? pills? caplets?"}),
    "capsules": ("capsule", {"1": "capsules? caps?"}),
    "puffs": ("puff", {"1": "puffs? inhalations? actuations? press presses"}),
    "drops": ("drop", {"1": "drops? gtts?"}),
    "sprays": ("spray", {"1": "sprays?"}),
    "patches": ("patch", {"1": "patch patches"}),
    "sachets": ("sachet", {"1": "sachets? packets?"}),
    "lozenges": ("lozenge", {"1": "lozenges?"}),
    "suppositories": ("suppository", {"1": "suppository suppositories pessary pessaries"}),
    "vials": ("vial", {"1": "vials? ampoules? ampules? amps? nebules? respules?"}),
    "pens": ("pen", {"1": "pens? autoinjectors?"}),
    "implants": ("implant", {"1": "implants?"}),
    "doses": ("dose", {"1": "doses? divided_doses? equal_doses? equally_divided_doses?"}),
    "injections": ("injection", {"1": "injections? shots?"}),
    "smoking": ("pack-year", {"1": "pack_years?"}),
    "cigarettes": ("cigarette", {"1": "cigarettes?"}),
    "drinks": ("drink", {"1": "drinks? standard_drinks? alcoholic_drinks?"}),
    "colonies": ("CFU", {"1": "cfus? colony_forming_units?"}),
    # Things whose name adds nothing to their number per minute or per litre.
    "count": ("", {
        "1": "beats? breaths? compressions? cells? white_cells platelets? leukocytes? neutrophils? "
             "eosinophils? lymphocytes? cd4_cells copies copy",
        "1000000000": "gpt giga", "1000000000000": "tpt",
    }),
    "count/time": ("/h", {"60": "bpm"}),
    "volume/time": ("mL/h", {"60000": "lpm slpm"}),
    "multiple": ("times", {
        "1": "fold times_the times_more times_higher times_greater times_as",
    }),
}  # fmt: skip

# Short spellings that are a unit only in this case: "5 U" of insulin, but nothing in "5 u".
EXACT_CASE = {"c": "C", "f": "F", "j": "J", "g": "g", "h": "h", "d": "d", "s": "s", "ma": "mA", "fl": "fL",
              "mu": "mU", "eq": "Eq", "ms": "ms", "db": "dB", "ie": "IE"}  # fmt: skip
# Spellings that mean something else in these letters: mega-units, not milli-units.
OTHER_CASE = {"MU": 10**6, "MIU": 10**6, "MUI": 10**6}
# "20 G/L" of platelets: 20 · 10⁹/L
GIGA = 10**9
# Letters that are a unit only under a fraction bar or glued to the number: "38c", but not "38 c".
GLUED = {"f", "c"}
# Units under the fraction bar are normalized to these, as in "7 mmol/L" and "65 mL/h".
BELOW = {
    "volume": ("L", 1000),
    "mass": ("kg", 1_000_000),
    "time": ("h", Fraction(1, 24)),
    "substance": ("mol", 1000),
}
# Things that people take or count in whole numbers; "1 or 2 tablets" is the range 1 to 2.
COUNTED = {
    "tablets", "capsules", "puffs", "drops", "sprays", "patches", "sachets", "lozenges", "suppositories",
    "vials", "pens", "implants", "doses", "injections", "cigarettes", "drinks",
}  # fmt: skip


def _spellings() -> tuple[dict[str, tuple[str, Fraction, bool]], set[str]]:
    """Each spelling: (dimension, factor, whether it rounds); and the first words of those of several."""
    found: dict[str, tuple[str, Fraction, bool]] = {}
    for dimension, (_, by_factor) in WRITTEN.items():
        for factor, names in by_factor.items():
            for name in names.split():
                variants = [name.replace("_", " ")]
                if "(er|re)" in name:
                    variants = [variants[0].replace("(er|re)", ending) for ending in ("er", "re")]
                for variant in variants:
                    for plural in ("s", ""):
                        exact = quotient(Fraction(factor.lstrip("~")), 1)
                        meaning = (dimension, exact, factor.startswith("~"))
                        found[variant.replace("s?", plural)] = meaning
    return found, {name.split()[0] for name in found if " " in name}


SPELLINGS, FIRST_OF_SEVERAL = _spellings()

# What one of them contains or one administration gives: "15 mg/kg/dose" is 15 mg/kg.
PER_ITEM = COUNTED - {"cigarettes", "drinks"}
# The spellings of things that contain an amount, each with its name: "amps" are vials.
ITEM_SPELLINGS = {
    spelling: WRITTEN[dimension][0]
    for spelling, (dimension, _, _) in SPELLINGS.items()
    if dimension in PER_ITEM - {"doses", "injections"}
}
_LONGEST_FIRST = sorted(ITEM_SPELLINGS, key=len, reverse=True)
ANY_ITEM = rf"(?:{'|'.join(map(re.escape, _LONGEST_FIRST))})"

WORD = re.compile(r"[ -]?(%|‰|° ?[cf](?![a-z])|°|[a-zµ][a-z0-9µ²³^]*)")
# What may follow a unit: under the bar, "per", or "a"/"each"/"every" before a time ("5 mg a day").
BAR = re.compile(
    r" ?(?:/|\bper\b|\b(?:a|an|each|every)(?= (?:day|night|week|fortnight|month|year|hour|minute)\b)"
    r"|\b(?:in)?to (?:each|every|one|an?|1) (?=lit(?:er|re)|l(?![a-z]))|\bin (?=5 ?ml(?![a-z]))|\bin (?:each"
    r"|every|one|an?|1)(?= (?:mls?|millilit(?:er|re)|l|lit(?:er|re)|puff|spray|tablet"
    r"|capsule)\b)"
    r"|\b(?:(?:for|with|in|from|at) )?(?:each|every)(?= (?:dose|puff|tablet|capsule|spray|injection"
    r"|inhalation|actuation)\b)|\b(?:for|per) (?:each|every)(?= k(?:g|ilo))) ?"
    r"|-(?:an?|per)-(?=(?:hour|minute|day|week|kilo)[a-z]*(?![a-z]))"
)
# "10 mmol of potassium per hour", "1 g protein per kg", "2 mg of lidocaine in one mL"
_NO_GAP = (
    f"times |doses? |{ANY_ITEM} |once |twice |thrice |(?:day|night|morning|evening)s? |over "
    "|in (?!total|all)|within |for |during |after |every |then |and |or |half |quarter "
)
OF_PER = re.compile(
    rf" (?:of )?(?:(?!{_NO_GAP})[a-z]+[+]? ){{1,3}}?"
    r"(?:(?:per|an?|every|each) (?=(?:hour|minute)(?![a-z]))"
    r"|(?:per|for (?:each|every)) (?=k(?:g|ilo)|square met(?:er|re)|m2|m²)"
    r"|(?:in|per|with) (?:each|every|one|an?|1) (?=(?:puff|spray"
    r"|tablet|capsule|actuation)(?![a-z]))|(?:per|(?:in|to|into) (?:each|every|one|an?|1))"
    r" (?=(?:[0-9.]+ ?)?(?:m(?:l|illilit(?:er|re))|lit(?:er|re))s?"
    r"(?![a-z]| (?:ampoule|ampule|vial|syringe)s?(?![a-z]))))"
    # The route of "5 mg intravenously each night" is read by itself.
    rf"| (?:of )?(?:(?!{_NO_GAP})(?!into |via |by |under |through )[a-z]+[+]? ){{0,2}}?"
    rf"(?!{_NO_GAP})(?!(?:{'|'.join(sorted(ROUTE_WORDS))}) )[a-z]+[+]? "
    "(?:per|an?|every|each) (?=(?:day|week|night)(?![a-z]))"
)
# After a kilogram of body weight.
BODY = re.compile(r" ?(?:of )?(?:body[ -]?(?:weight|wt|mass)|bw|bodyweight)(?![a-z])")
# "3 x ULN", "ten times the upper limit of normal", "1.5 times baseline"
LIMIT = re.compile(
    r"(?:[ -]?(?:fold|x|times))? ?(?:above |over )?(?:the |their |its )?"
    r"(?:(?P<limit>uln|upper limits?(?: of (?:the )?normal(?: range)?)?|upper normal limit"
    r"|(?<=times )normal(?! saline))"
    r"|(?<=times )baseline|(?<=twice )baseline|(?<=fold )baseline|(?<=x )baseline)(?![a-z])"
)
# "18 units per kg and hour"
AND_PER = re.compile(r" and (?:per |an? )?(?=(?:h|hr|hour|min|minute|day)(?![a-z]))")
BELOW_NUMBER = re.compile(r"(1\.73|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:\.[0-9]+)?)(?= ?[a-zµ])")


# Where "m" means metres: "m/s", "1.78 m tall", "height 1.78 m".
METRES_AFTER = re.compile("/s| (?:tall|high|long|wide|away)(?![a-z])")
METRES_BEFORE = re.compile(
    r"\b(?:height|tall|walk\w*|distance|length)"
    r"(?: (?:is|was|of|test|about|came|comes|to|measured))*:? [0-9.]+$"
)


@dataclass(slots=True)
class Unit:
    """A unit, simple or compound.

    Attributes:
        name: as normalised: "mg", "mg/kg/h"; "" for a plain number.
        dimension: what it measures; two units of one dimension convert.
        factor: to `name`.
        rounds: whether the conversion crosses systems, so that its result is rounded.
        item: what one of them contains it: "tablets" of "500 mg/tablet", "" for none.
        per: "day" or "month" when the unit ends in "per day", "per week", "per year" …
        times: how often in that time the unit says: "5 mg/day" once a day.
    """

    name: str
    dimension: str
    factor: Fraction
    rounds: bool = False
    item: str = ""
    per: str = ""
    times: Fraction = 0


class _Simple(NamedTuple):
    """A simple unit in a text: its spelling, what it measures, its factor, and where it ends."""

    spelling: str
    dimension: str
    factor: Fraction
    rounds: bool
    end: int


def _read_simple(text: str, raw: str, start: int, below: bool = False) -> _Simple | None:
    """Read one simple unit at `start`, after an optional space or hyphen; `below`: under a bar."""
    if text.startswith((" of a ", " of one "), start):
        start = text.index(" ", start + 4)  # "half of a milligram"
    words, ends, position = [], [], start
    while len(words) < 3 and (found := WORD.match(text, position)):
        words.append(found.group(1).replace("° ", "°"))
        ends.append(found.end())
        position = found.end()
        if words[0] not in FIRST_OF_SEVERAL:
            break
    for count in range(len(words), 0, -1):
        name, end = " ".join(words[:count]), ends[count - 1]
        if name not in SPELLINGS:
            continue
        written = raw[end - len(name) : end]
        if name == "g" and written == "G" and text.startswith("/l", end):
            return _Simple(name, "count", GIGA, False, end)
        if name in EXACT_CASE and written not in (EXACT_CASE[name], *OTHER_CASE):
            continue
        if name in GLUED and not below and end - start > len(name):
            continue
        if name == "m" and not METRES_AFTER.match(text, end) and not METRES_BEFORE.search(text[:start][-30:]):
            continue  # minutes, months or million
        dimension, factor, rounds = SPELLINGS[name]
        return _Simple(name, dimension, OTHER_CASE.get(written, factor), rounds, end)
    return None


def read_limit(text: str, start: int) -> tuple[Unit, int] | None:
    """Read "x ULN", "times the upper limit of normal" or "times baseline" as a unit."""
    limit = LIMIT.match(text, start)
    if limit is None:
        return None
    return Unit("x ULN" if limit["limit"] else "x baseline", "multiple of a limit", 1), limit.end()


def read_compound(text: str, raw: str, start: int) -> tuple[Unit, int] | None:
    """Read a unit with everything under its bar: "mg/kg/day", "mL/min/1.73 m2", "mg per 5 mL", "a day".

    A part "per day", "per week" or "per year" at the end is not part of the unit but a frequency, given in
    `per` and `times`, because "10 mg/day", "10 mg daily" and "10 mg once a day" say the same.

    Args:
        text: lower case, as `numbers.even` makes it.
        raw: the same text with its own letter case.
        start: where the unit, or the space or hyphen before it, begins.
    """
    limit = read_limit(text, start)
    if limit is not None:
        return limit
    first = _read_simple(text, raw, start)
    if first is None and not BAR.match(text, start):
        return None
    # Without a unit above the bar: "60 per minute", "3 per day".
    above = first or _Simple("", "count", 1, False, start)
    unit, end = Unit(WRITTEN[above.dimension][0], above.dimension, above.factor, above.rounds), above.end
    while not unit.per and (
        bar := BAR.match(text, end)
        or (unit.name and "time" not in unit.dimension and OF_PER.match(text, end))
        or (unit.name.endswith("/kg") and AND_PER.match(text, end))
    ):
        number = BELOW_NUMBER.match(text, bar.end())
        lower = _read_simple(text, raw, number.end() if number else bar.end(), below=True)
        amount = parse(number.group(1).replace(",", "")) if number else 1
        # Neither is "875/1250 mg" a number per 1250 mg, nor "875 mg/125 mg" a quotient.
        if lower is None or not amount or (first is None and number):
            break
        if lower.dimension == unit.dimension and number and "/" in bar.group():
            break
        if lower.dimension == "time" and amount != 1 and lower.factor * amount < 1 and bar.group() == " / ":
            break  # "50 mL/kg / 4 h": over four hours
        body = BODY.match(text, lower.end) if lower.dimension == "mass" else None
        unit, end = _under(unit, lower, amount), body.end() if body else lower.end
    return (unit, end) if end > start else None


def _under(unit: Unit, lower: _Simple, amount: Fraction) -> Unit:
    """A unit with `amount` of another under its bar."""
    if lower.dimension == "area" and amount == Fraction("1.73"):
        return unit  # clearance is given with or without the surface that it is normalised to
    if lower.dimension in PER_ITEM and amount == 1 and unit.name:
        return replace(unit, item=lower.dimension)
    length = lower.factor * amount
    if lower.dimension == "long time":
        return replace(unit, per="month", times=quotient(1, length))
    if lower.dimension == "time" and length >= 1:  # a day or more; "per 24 h" is a day
        return replace(unit, per="day", times=quotient(1, length))
    own, scale = BELOW.get(lower.dimension, (WRITTEN[lower.dimension][0], 1))
    return replace(
        unit,
        name=f"{unit.name}/{own}",
        dimension=f"{unit.dimension}/{lower.dimension}",
        factor=quotient(unit.factor * scale, length),
    )
