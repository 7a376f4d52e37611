"""Numbers without a unit that are quantities all the same: 140/90, 1:1000, "1 in 4", "INR of 2 to 3"."""

import re
from dataclasses import replace
from fractions import Fraction
from math import gcd

from medqa.clinical.notation.names import medicine
from medqa.clinical.notation.numbers import FRACTION, MOST_DIGITS, quotient, read_number
from medqa.clinical.notation.units import PER_ITEM, Unit, read_compound
from medqa.clinical.quantities.quantity import Quantity, Range
from medqa.clinical.quantities.scan import Found, Scan, read_bound, read_upper

PAIR = re.compile(
    r"([0-9]{1,3})(?:-([0-9]{2,3}))? ?(/|over ) ?([0-9]{1,4})(?:-([0-9]{2,3}))?(?![0-9/]|\.[0-9])"
)
JOINED_NAMES = re.compile(r"(?<![a-z])([a-z]{5,20}) ?/ ?([a-z]{5,20})(?: inhaler| tablets?)? $")
INHALED = re.compile(r"\b(?:inhal[a-z]*|puffs?|actuations?)\b")
PRESSURE_NEAR = re.compile(r"\b(?:bp|pressures?|hypertens\w*|systolic|diastolic)\b")
SIGHT_OR_MIX = re.compile(r"\b(?:vision|visual|acuity|sight|see|insulin|mix\w*)\b")
RATIO = re.compile(r"([0-9]+) ?: ?([0-9]{1,3}(?:,[0-9]{3}| 000)+|[0-9]+)(?![0-9:])")
# Before a number that counts something else than what follows: "day 1 and 20 mg".
NUMBERED = re.compile(
    r"\b(?:days?|weeks?|months?|stages?|grades?|types?|phases?|steps?|cycles?|table|figure|class|factor"
    r"|chapter|visit) $"
)
CLOCK_BEFORE = re.compile(r"\b(?:at|by|from|until|till|before|after|around) $")
_COUNT = "(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,9})"
ONE_IN = re.compile(
    rf"([0-9]{{1,3}}|[a-z]+)(?:(?:-| to )([0-9]{{1,3}}|[a-z]+))?"
    r"(?: (?:persons?|people|patients?|wom[ae]n|m[ae]n|child(?:ren)?|cases?|births|infants|adults))? "
    r"(in|out of|of|per)(?: every)? "
    rf"({_COUNT}|(?:[a-z]+|[0-9]+)(?: (?:hundred|thousand|million))?)"
    rf"(?:(?:-| to )({_COUNT}))?(?![0-9a-z]|,[0-9]|\.[0-9])"
)

# "one part concentrate to nine parts of water"
PARTS = re.compile(
    r"([0-9]{1,3}|[a-z]+) parts? (?:of )?(?:[a-z]+ ){0,2}?(?:to|in|with|and) ([0-9]{1,4}"
    r"|[a-z]+)(?: [a-z]+)? parts?(?![a-z])"
)

# Scores, and how each is written beside its name: "_" for a space, "?" after what may be missing.
SCORES = {
    "INR": "inr", "pH": "ph", "GCS": "gcs glasgow_coma", "Apgar": "apgar", "MMSE": "mmse", "MoCA": "moca",
    "MELD": "meld(-na)?", "qSOFA": "qsofa", "SOFA": "sofa", "AUDIT": "audit(-c)?", "Wells": "wells",
    "CHA2DS2-VASc": "cha2ds2-?_?vasc chads2?-?vasc chads-?vasc", "CHADS2": "chads2?", "HAS-BLED": "has-?bled",
    "CURB-65": "curb-?65 crb-?65", "NEWS": "news2?", "NIHSS": "nihss", "PHQ-9": "phq-?9", "GAD-7": "gad-?7",
    "Child-Pugh": "child-pugh", "Ranson": "ranson('s)?", "Geneva": "geneva", "Centor": "centor mcisaac",
    "APACHE": "apache(_ii)?", "Bishop": "bishop", "ECOG": "ecog", "ABCD2": "abcd2", "Blatchford":
    "glasgow-blatchford blatchford", "Rockall": "rockall", "Alvarado": "alvarado", "Epworth": "epworth ess",
    "DAS28": "das-?28", "TIMI": "timi", "GRACE": "grace", "IPSS": "ipss", "Braden": "braden",
    "OI": "oi oxygenation_index", "ABI": "abi ankle-brachial_index",
    "FIB-4": "fib-?4", "Kt/V": "kt/v spkt/v ekt/v",
    "RASS": "rass", "4Ts": "4ts?", "EDSS": "edss", "MASCC": "mascc",
    "EPDS": "epds edinburgh_postnatal_depression", "ASA": "asa_class", "T-score": "t-score", "Z-score":
    "z-score", "PASI": "pasi", "mRS": "mrs", "CIWA": "ciwa(-ar)?", "HEART": "heart_score",
    "score": "scores? scored", "index": "index", "gravity": "gravity",
}  # fmt: skip
# Values that mostly come without their unit: names → the unit, or "unit of small values < limit < others".
IMPLIED_UNITS = {
    "lactate serum_lactate potassium serum_potassium sodium serum_sodium k na": "mmol/l",
    "bmi body_mass_index": "kg/m2", "egfr gfr": "ml/min", "crp": "mg/l", "ferritin": "µg/l",
    "hba1c a1c": "%",
    "spo2 sao2 lvef ef ejection_fractions? oxygen_saturations? saturations? sats fio2 "
    "ha?ematocrit hct": "100 % < 2 < %",
    "cd4\\+?(_t)?(_cells?)?": "cells/µl", "qtc? qtcf qrs": "1000 ms < 10 < ms",
    "map mean_arterial_pressure sbp dbp systolic(_bp|_blood_pressure|_pressure)? "
    "diastolic(_bp|_blood_pressure|_pressure)?": "mmhg",
    "hr heart_rates? pulse(_rate)? resting_heart_rate": "bpm", "rr respiratory_rates?": "breaths/min",
    "platelets? plt": "1000 cells/µl < 1000 < cells/µl",
    "anc neutrophils?": "1000 cells/µl < 50 < cells/µl",
    "ha?emoglobin hb hgb": "g/dl < 25 < g/l", "creatinine": "mg/dl < 20 < µmol/l",
    "albumin": "g/dl < 10 < g/l", "urate uric_acid": "mg/dl < 25 < µmol/l",
    "(fasting_|blood_|plasma_)?glucose blood_sugar": "mmol/l < 35 < mg/dl",
    "(total_|ldl_|hdl_)?cholesterol ldl hdl": "mmol/l < 15 < mg/dl",
}  # fmt: skip
# Names that are other words in small letters.
CAPITAL_SCORES = {
    "oi", "abi", "rass",
    "inr", "ph", "gcs", "mmse", "moca", "meld", "qsofa", "sofa", "audit", "has", "news", "grace", "ess",
    "map",
    "k", "na", "ef", "hr", "rr", "mrs", "heart", "ecog", "asa", "geneva", "bishop", "wells", "child",
}  # fmt: skip


# "The PHQ-9 has nine questions": no value.
PARTS_OF_SCORE = re.compile(
    r" (?:questions|items|components|parts|criteria|variables|domains|categories|factors|letters"
    r"|points? (?:each|for))(?![a-z])"
)
# "CURB-65 helps to decide: admit from a score of 3 on": which score.
ONLY_SCORE = re.compile(r"(?:(?<![a-z])(?:an?|the|this|that|any|total|if|with|by|at|to)|[.:;(]|^) ?$")
# What may follow the name: "Wells' risk score", "CD4 cell count".
NAME_END = (
    "(?:'s|[+⁺])?(?:[ -](?:risk |cell |stroke )?"
    "(?:scores?|scale|index|criteria|counts?|intervals?|levels?|points))?(?![a-z0-9])"
)


FIRSTS = {
    "(fasting_|blood_|plasma_)?glucose": {"fasting", "blood", "plasma", "glucose"},
    "(total_|ldl_|hdl_)?cholesterol": {"total", "ldl", "hdl", "cholesterol"},
    "ha?emoglobin": {"haemoglobin", "hemoglobin"},
    "ha?ematocrit": {"haematocrit", "hematocrit"},
}


def _names() -> dict[str, list[tuple[re.Pattern[str], str, str]]]:
    """First word → (pattern of the whole name, "score" or "unit", which score or unit)."""
    found: dict[str, list[tuple[re.Pattern[str], str, str]]] = {}
    rows = [("score", score, name) for score, names in SCORES.items() for name in names.split()]
    rows += [("unit", unit, name) for names, unit in IMPLIED_UNITS.items() for name in names.split()]
    for kind, meaning, name in rows:
        pattern = re.compile(f"(?:{name.replace('_', ' ')}){NAME_END}")
        # Each way in which it can begin: "news2?" with "news2" and "news".
        for word in FIRSTS.get(name) or _firsts(name):
            found.setdefault(word, []).append((pattern, kind, meaning))
    return found


def _firsts(name: str) -> set[str]:
    first = re.match("[a-z0-9]+", name).group()
    # Without a letter that may be missing ("saturations?", "news2?").
    return {first, first[:-1]} if name[len(first) :].startswith("?") else {first}


NAMED = _names()
UNNAMED_SCORES = {"score", "index", "gravity"}
SCORE_MENTIONED = re.compile(
    "(?<![a-z0-9-])(?:"
    + "|".join(
        f"(?P<s{number}>{names.replace(' ', '|').replace('_', ' ')})"
        for number, (score, names) in enumerate(SCORES.items())
        if score not in UNNAMED_SCORES
    )
    + ")(?![a-z0-9-])"
)
# "from a CHA2DS2-VASc of 3"
FROM = re.compile(r"\bfrom (?:an? )?$")
# "the NEWS2 adds up to 12"
ADDS = re.compile(" (?:adds?|sums?) up to ")
# Words allowed between a name and its value.
LINK = re.compile(
    # "target INR for a first thrombosis is", "SpO2 goal in COPD:"
    r"(?: (?:(?:goal|target|range|aim) )?(?:for|in|after|with) (?:[a-z-]+ ){1,8}?(?:is|are)(?= )"
    r"|(?: [a-z-]+){1,7}(?= ?:))?"
    r"(?: (?:is|was|are|of|at|to|the|a|score|scores|value|values|level|levels|range|target|goal"
    r"|between|from|or"
    r"|should|must|be|been|has|have|held|maintained|anywhere|somewhere|falls?|fallen|drops?|rises?|risen|reach(?:es)?|stays?|remains?|kept"
    r"|scale|index"
    r"|less|more|greater|higher|lower|than|below|beneath|above|over|under|least|most|no|not|about|around|equal"
    r"|within|only|total|maximum|minimum"
    r"|exceed(?:s|ed|ing)?|threshold|cut-?off|persistently|consistently|measured|if|when|by|up|down"
    r"|hits?|pass(?:es|ed)?|gets?|adds?|sums?|totals?|dips?|sinks?|currently"
    r"|s[ie]ts?|lies?|lay|settles?|settled|hovers?|hovered|runs?"
    r"|counts?|there|got|goes|went|came|comes|back|out|now|today|this|morning|on|with|in|for|patients?|remains?"
    r"|returned|reads?|went|shows?"
    r")\b| ?[=:<>≥≤,(])* ?"
    r"(?=[0-9.]|-[0-9]|(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|ninety)\b)"
)
NEGATIVE_TO = re.compile(r"(?: to | and | ?- ?)-(?=[0-9])")
# "scoring 2 or more on the CURB-65"
SCORE_AFTER = re.compile(
    r"(?: points?)?(?: (?:or|and) (?P<bound>more|higher|above|less|lower|fewer|below))?(?: points?)?"
    r" (?:on|in) (?:the |an? |his |her )?(?P<name>[a-z][a-z0-9-]+)"
)
# A bound that includes its value; "below 9" does not.
INCLUSIVE = re.compile(
    r"[≥≤=]|\b(?:equal|(?:up|down)wards?|onwards?|at|or|up to|no|not|never|within|m(?:in|ax)\w*)\b|\+"
    r"|\band (?:above|over|below|under|more|less|higher|lower)\b"
)


def read_pair(scan: Scan, start: int) -> Found | list[Range] | None:
    """ "140/90 mmHg", "130-139/80-89", "140 over 90", "20/40 vision", "70/30 insulin"

    Of "500/125 mg" the two ranges, whose unit is the reader's business.
    """
    match = PAIR.match(scan.text, start)
    if match is None or FRACTION.match(scan.text, start):
        return None
    low, low_end, sign, second, second_end = match.groups()
    values = ((int(low), int(low_end or low)), (int(second), int(second_end or second)))
    end = match.end()
    compound = read_compound(scan.text, scan.raw, end)
    if compound is not None and compound[0].name != "mmHg":
        if sign == "/" and compound[0].dimension in PER_ITEM:
            return [], end  # "co-codamol 30/500 tablets"
        time = compound[0].dimension in ("time", "long time")
        return None if sign != "/" or low_end or second_end or time else list(values)
    if sign == "/" and _is_product(scan, start):
        return list(values)
    near = scan.text[max(0, start - 60) : end + 25]
    plausible = 40 <= values[0][0] <= 300 and 20 <= values[1][1] < values[0][0]
    # Without such a word, 300/150 are the strengths of tablets.
    alone = 90 <= values[0][0] < 250
    if compound is not None or (plausible and (alone or PRESSURE_NEAR.search(near))):
        bound, end = read_bound(scan, start, compound[1] if compound else end)
        return [Quantity("pressure", "mmHg", values, bound, start=start, end=end, number=values[0][0])], end
    if sign == "/" and SIGHT_OR_MIX.search(near):
        return [Quantity("ratio", "/", values, start=start, end=end, number=values[0][0])], end
    return None


def pair_end(scan: Scan, start: int) -> int:
    """Where the numbers of a pair end."""
    return PAIR.match(scan.text, start).end()


def _is_product(scan: Scan, start: int) -> bool:
    """Whether the names of two medicines are before a pair: "beclometasone/formoterol 100/6"."""
    names = JOINED_NAMES.search(scan.text, max(0, start - 60), start)
    return names is not None and all(map(medicine, names.groups()))


def unit_of_product(scan: Scan, start: int) -> tuple[Unit, int]:
    """The unit that the strengths of a product have where none is written, and where the pair ends."""
    unit, _ = read_compound("mg", "mg", 0)
    if INHALED.search(scan.text):
        unit = replace(read_compound("mcg", "mcg", 0)[0], item="puffs")
    return unit, pair_end(scan, start)


def read_ratio(scan: Scan, start: int) -> Found | None:
    """ "1:1000", "1:10,000", but no time of day ("at 8:30")"""
    match = RATIO.match(scan.text, start)
    if match is None or max(len(part) for part in match.groups()) > 12:
        return None
    if match[0][-len(match[2]) - 1] == " " and (
        NUMBERED.search(scan.before(start)) or read_compound(scan.text, scan.raw, match.end())
    ):
        return None  # "Week 1: 30 mg"
    if len(match.group(2)) == 2 and CLOCK_BEFORE.search(scan.before(start)):
        return [], match.end()
    first, second = (_count(part) for part in match.groups())
    return _proportion(start, match.end(), (first, first), (second, second))


def read_one_in(scan: Scan, start: int) -> Found | None:
    """ "1 in 10,000" is 1:10000; "one out of four", "3 to 4 in 10", "2 of 11", "5 per 100,000" """
    if (parts := PARTS.match(scan.text, start)) is not None:
        low, high = map(_count, parts.groups())
        if low and high:
            # One part and nine parts of water are "1:9" or "1 in 10".
            return _proportion(start, parts.end(), (low, low), (high, low + high))
    match = ONE_IN.match(scan.text, start)
    if match is None:
        return None
    link = match.group(3)
    if match.group(1) == "one" and link == "of" and not scan.text.startswith(" ", match.end()):
        return None  # "a bilirubin of 260 and one of 180"
    if match.group(1) == "one" and link in ("in", "of") and scan.before(start).endswith("the "):
        return None  # "the one in 12", by the number of a bed
    low, low_end, high, high_end = (_count(part) for part in match.group(1, 2, 4, 5))
    if (match.group(2) and low_end is None) or (match.group(5) and high_end is None):
        return None  # "two-fold in forty hours"
    if low is None or high is None or low >= high or (link == "per" and high < 100):
        return None
    # "5 in 2010" is a year; "1 in 2000" a proportion.
    if link == "in" and low != 1 and 1900 <= high < 2100 and "," not in match.group(4):
        return None
    if read_compound(scan.text, scan.raw, match.end()) is not None:
        return None
    return _proportion(start, match.end(), (low, low_end or low), (high, high_end or high))


def _count(written: str | None) -> Fraction | None:
    if written is None or len(written) > MOST_DIGITS:
        return None
    written = written.removeprefix("a ")
    if written[0].isalpha() or written[-1].isalpha():
        number = read_number(written, 0)
        return number[0] if number is not None and number[1] == len(written) else None
    return int(written.replace(",", "").replace(" ", ""))


def _proportion(start: int, end: int, first: Range, second: Range) -> Found:
    """The quantity 1:4 for "1 in 4" and for "2:8"; a range is not reduced."""
    common = 1
    if first[0] == first[1] and second[0] == second[1]:
        common = max(1, gcd(int(first[0]), int(second[0])))
    values = tuple((quotient(low, common), quotient(high, common)) for low, high in (first, second))
    return [Quantity("ratio", ":", values, start=start, end=end, number=first[0])], end


def read_named_value(scan: Scan, start: int, name_end: int) -> Found:
    """ "INR of 2 to 3", "pH below 7.35", "a Wells score of 4 or more", "T-score of -2.5", "BMI of 30" """
    nothing: Found = ([], name_end)
    word = scan.text[start:name_end]
    if word in CAPITAL_SCORES and scan.raw[start:name_end].islower():
        return nothing
    names = ((pattern.match(scan.text, start), kind, meaning) for pattern, kind, meaning in NAMED[word])
    name, kind, meaning = max(names, key=lambda found: found[0].end() if found[0] else 0)
    link = LINK.match(scan.text, name.end()) if name else None
    if link is None:
        return nothing
    if meaning == "score":
        meaning = _score_mentioned(scan, start) or meaning
    negative = scan.text.startswith("-", link.end())
    first = read_number(scan.text, link.end() + negative)
    if first is None or PAIR.match(scan.text, link.end()):
        return nothing
    value, end = first
    upper = read_upper(scan, link.end(), end)
    high = value
    low_only = upper is None
    if upper is not None and upper[0] >= value:
        high, end = upper
    below = NEGATIVE_TO.match(scan.text, end) if kind == "score" and upper is None else None
    if below is not None:  # "-4 to -5", "0 to -2"
        other, end = read_number(scan.text, below.end())
        value, high, negative, low_only = *sorted((value if negative else -value, other)), True, False
    if kind == "score" and PARTS_OF_SCORE.match(scan.text, end):
        return nothing
    if read_compound(scan.text, scan.raw, end) is not None:
        return nothing  # it has a unit, and is read as any amount
    if kind == "score" and scan.text.startswith(" points", end):
        end += len(" points")
    bound, end = read_bound(scan, link.end(), end)
    if kind == "score":
        begins = not bound and low_only and FROM.search(scan.before(start)) is not None
        bound = ">" if begins else "" if ADDS.match(scan.text, name.end()) and bound == "<" else bound
        values = (-high, -value) if negative else (value, high)
        strict = bool(bound) and not begins and INCLUSIVE.search(scan.text, name.end(), end) is None
        found = Quantity(
            "score", meaning, (values,), bound, strict=strict, start=start, end=end, number=value
        )
        return [found], end
    unit, factor = _implied_unit(meaning, high)
    values = (value * factor, high * factor)
    return [Quantity("amount", unit.name, (values,), bound, start=link.end(), end=end, number=value)], end


def read_score(scan: Scan, start: int) -> Found | None:
    """Read a score before its name: "2 or more on the CURB-65"."""
    number = read_number(scan.text, start)
    after = SCORE_AFTER.match(scan.text, number[1]) if number else None
    name = SCORE_MENTIONED.match(scan.text, after.start("name")) if after else None
    if name is None or (name.group() in CAPITAL_SCORES and scan.raw[slice(*name.span())].islower()):
        return None
    bound, _ = read_bound(scan, start, number[1])
    strict = bool(bound) and not after["bound"] and INCLUSIVE.search(scan.before(start)[-15:]) is None
    if after["bound"]:
        bound = ">" if after["bound"] in ("more", "higher", "above") else "<"
    score = list(SCORES)[int(name.lastgroup[1:])]
    sign = -1 if scan.before(start).endswith(("-", "minus ")) else 1
    values = ((sign * number[0],) * 2,)
    found = Quantity(
        "score", score, values, bound, strict=strict, start=start, end=number[1], number=number[0]
    )
    return [found], name.end()


def _score_mentioned(scan: Scan, start: int) -> str:
    """The score that the text last named before "a score of 3", else ""."""
    if ONLY_SCORE.search(scan.before(start)) is None:
        return ""
    found = ""
    for match in SCORE_MENTIONED.finditer(scan.text, 0, start):
        first = re.match("[a-z]+", match.group()).group()
        if first not in CAPITAL_SCORES or not scan.raw[match.start() : match.end()].islower():
            found = list(SCORES)[int(match.lastgroup[1:])]
    return found


def _implied_unit(meaning: str, value: Fraction) -> tuple[Unit, Fraction]:
    """The unit in which a value is always given, and its factor: BMI in kg/m², platelets of 62 in 10⁹/L.

    A saturation or an ejection fraction of 0.4 is 40 %.
    """
    small, _, others = meaning.partition(" < ")
    limit, _, large = others.partition(" < ")
    written = large if limit and value >= int(limit) else small
    times, _, rest = written.rpartition(" ")
    unit = read_compound(rest, rest, 0)[0]
    return unit, unit.factor * int(times or 1)
