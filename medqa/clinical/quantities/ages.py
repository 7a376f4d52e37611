"""Ages: of people, and of a pregnancy."""

import re
from fractions import Fraction

from medqa.clinical.notation.units import Unit, read_compound
from medqa.clinical.quantities.quantity import Quantity, Range
from medqa.clinical.quantities.ratios import SIGHT_OR_MIX
from medqa.clinical.quantities.scan import Found, Scan, read_bound

# Age of a pregnancy: "32+4 weeks", "GA 32 weeks", "38 weeks' gestation", "34 2/7 weeks pregnant".
GESTATION = re.compile(
    r"(?P<weeks>[1-4]?[0-9])(?P<of>(?:\+(?P<of_days>[0-6]))?/40(?![0-9/])(?! ?(?:mg"
    r"|mmhg)))?(?:(?: ?\+ ?| weeks?,? (?:and )?(?=[0-6] days?))(?P<days>[0-6])(?: "
    r"days?)?(?P<plus>(?<=\+[0-6]) ?w(?:ee)?ks?)?| (?P<sevenths>[0-6])/7)?"
    r"(?P<unit>[ -]?(?:completed )?(?:weeks?|wks?|w)(?![a-z])'?)?(?P<after>(?: of)? ?(?:gestation\w*"
    r"|pregnan\w*|ga(?![a-z])))?"
)
GESTATION_BEFORE = re.compile(
    r"\b(?:ga|gestation(?:al age)?|pregnan\w+)(?: is| was| of| at|:|,)?(?: about)? $|\bga[:=] ?$"
)
# "Over 65s", "the under-6s"; "infuse over 30s" are seconds
AGE_GROUP = re.compile(r"[1-9][0-9]?s(?![a-z0-9])")
AGE_GROUP_BEFORE = re.compile(
    r"\b(?P<bound>under|over)-$|(?:^|[.;:(] ?|\b(?:the|for|in|most|all) )(?P<plain>under|over) $"
)
YEARS = Unit("month", "long time", 12)
AGE_AFTER = re.compile(r"[ -]?(?:old\b|of age\b)")
AGE_SHORT = re.compile(r"[ -]?y/?o\b")
AGE_BEFORE = re.compile(
    r"\b(?:aged?|ages)(?: of| at| is| was| between| from)?(?: (?:over|under|above|below|at least|about"
    r"|around))? $"
    r"|\bage [<>≥≤]=? ?$|\b(?:older|younger) than (?:age )?$"
)
PEOPLE_BEFORE = re.compile(
    r"\b(?:adults?|child(?:ren)?|people|persons?|women|men|woman|man|patients?|those|anyone|infants?"
    r"|boys|girls|baby|toddlers?|neonates?|newborns?|infant"
    r"|individuals|babies|teenagers|adolescents)(?: who are| aged| ages| from)?"
    r"(?P<bound> over| under| above| below| older than| younger than| [<>≤≥]=?)?(?: the age of)? $"
)
OLDER_AFTER = re.compile(
    r" ?(?:years? |months? )?(?:or|and) (?:older|over|above|younger|under)(?![a-z])(?! [0-9])"
)


def read_gestation(scan: Scan, start: int) -> Found | None:
    """Read the age of a pregnancy: "32+4 weeks"."""
    weeks = GESTATION.match(scan.text, start)
    if weeks is None:
        return None
    of_forty = weeks["of"] and not SIGHT_OR_MIX.search(scan.text[max(0, start - 60) : weeks.end() + 25])
    plain = (weeks["unit"] or weeks["days"]) and GESTATION_BEFORE.search(scan.before(start))
    if not (weeks["after"] or weeks["plus"] or of_forty or plain):
        return None
    days = int(weeks["days"] or weeks["of_days"] or weeks["sevenths"] or 0)
    age = int(weeks["weeks"]) + Fraction(days, 7)
    pregnancy = Quantity("amount", "week of pregnancy", ((age, age),), start=start, end=weeks.end())
    return [pregnancy], weeks.end()


def kind_of_time(scan: Scan, start: int, end: int, unit: Unit) -> tuple[str, int]:
    """ "amount", "duration" or "age" ("65 years old", "children under 5 years"), and where its words end."""
    if unit.dimension not in ("time", "long time"):
        return "amount", end
    after = AGE_AFTER.match(scan.text, end)
    if after is not None:
        return "age", after.end()
    before = scan.before(start)
    people = unit.name == "month" and PEOPLE_BEFORE.search(before)
    # The words "or older" have been read already, as a bound.
    older = OLDER_AFTER.search(scan.text, end - 14, end)
    return ("age" if people or older or AGE_BEFORE.search(before) else "duration"), end


def read_age_group(scan: Scan, start: int) -> Found | None:
    """Read people by their age: "over 65s", "the under-6s"."""
    group = AGE_GROUP.match(scan.text, start)
    before = AGE_GROUP_BEFORE.search(scan.before(start)) if group else None
    if before is None:
        return None
    age = int(group.group()[:-1])
    bound = "<" if (before["bound"] or before["plain"]) == "under" else ">"
    months = (age * YEARS.factor,) * 2
    return [
        Quantity("age", YEARS.name, (months,), bound, start=start, end=group.end(), number=age)
    ], group.end()


def read_age(scan: Scan, start: int, end: int, values: Range) -> Found | None:
    """ "aged 9 to 12", "adults over 65", "65 or older", "a 65 y/o man": the unit years is implied."""
    short = AGE_SHORT.match(scan.text, end)
    people = PEOPLE_BEFORE.search(scan.before(start))
    explicit = short or OLDER_AFTER.match(scan.text, end) or AGE_BEFORE.search(scan.before(start))
    if not (explicit or (people and people.group("bound"))) or values[1] > 120:
        return None
    if read_compound(scan.text, scan.raw, end) is not None:
        return None
    bound, end = read_bound(scan, start, short.end() if short else end)
    months = (values[0] * YEARS.factor, values[1] * YEARS.factor)
    return [Quantity("age", YEARS.name, (months,), bound, start=start, end=end, number=values[0])], end
