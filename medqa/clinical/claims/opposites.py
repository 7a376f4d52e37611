"""What excludes each other: sides, routes, times of day, before and after."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product, zip_longest

from medqa.clinical.claims.claims import Claim, Found
from medqa.clinical.claims.exclusives import PATTERNS, ROW_OF_HINT
from medqa.clinical.notation.routes import INJECTIONS, exclude, most_precise
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.quantity import amounts_meet
from medqa.clinical.quantities.quantity_reader import read

# Right and left eye, in capitals: "OD" is once daily elsewhere.
EYES = re.compile(r"(?<![A-Za-z])(?:(?P<right>OD|RE)|(?P<left>OS|LE))(?![A-Za-z])")
EYE = re.compile(
    r"\b(?:drops?|gtts?|eye|eyes|ophthalm\w*|instil\w*|fundoscopy|tropicamide|cataract|intraocular"
    r"|retina\w*|iop|glaucoma|ocular|[a-z]{3,}oprost|tafluprost|(?:dor|brin)zolamide|brimonidine"
    r"|apraclonidine|timolol|betaxolol|levobunolol|pilocarpine|cyclopentolate|fluorometholone|olopatadine|ketotifen"
    r"|hypromellose|carbomer|ranibizumab|aflibercept|visual acuity)\b"
)
# Right and left ear, in capitals.
EARS = re.compile(r"(?<![A-Za-z])(?:(?P<right>AD)|(?P<left>AS))(?![A-Za-z])")
CODES = re.compile("[OARL](?<![A-Za-z].)(?:(?<=[OA])[DS]|(?<=[RL])E)(?![A-Za-z])")
EAR = re.compile(r"\b(?:ears?|eardrops|otic|otitis|aural)\b")
# "before surgery", "postoperatively": what comes before or after what.
ORDER = re.compile(
    r"\b(?:(?P<before>before|prior to|ahead of|preceding)|(?P<after>after|following)) (?:the |her |his "
    r"|your |each |every |a |an )?"
    r"(?P<what>[a-z]{5,}|scan|meal|[0-9.]+ (?:weeks?|days?|months?|years?|hours?)(?! later| after))"
)
# "Afterwards it was 102": a text that compares two times says nothing about what has to come first.
BEFORE = re.compile(r"\b(?:before(?:hand)?|prior to|ahead of|pre-?op[a-z]*|previously|earlier|baseline)\b")
AFTER = re.compile(r"\b(?:after(?:wards?)?|following|post-?op[a-z]*|later)\b")
# Routes that are not mistaken for one another when a text names both.
APART = {
    "intravenous", "intramuscular", "intrathecal", "subcutaneous", "by mouth", "epidural", "topical",
    "intradermal", "rectal", "vaginal", "sublingual", "inhaled", "nasal", "transdermal",
    "into the eye", "into the ear", "buccal", "by feeding tube", "by injection", "intraosseous",
    "into a joint", "intravitreal", "into the bladder", "intraperitoneal",
}  # fmt: skip
# "A normal ECG does not exclude it", "could not be ruled out"
LEFT_OPEN = re.compile(
    r"(?:\b(?:not|never|nor|cannot|unable|impossible|insufficient)|n't)\b[^.;:,]{0,40}? (?:exclud[a-z]+"
    r"|rul(?:e|ed|ing)(?: (?!out)[a-z]+){0,4} out)\b(?![^.;]* (?:without|unless) )"
)
# "Has been excluded", "the CT ruled it out"; "to be excluded", "until it is ruled out" leave it open.
EXCLUDED = re.compile(
    r"(?:(?<=can be )|(?<=can )|(?<=could be )|(?<=safely be )|(?<!be )(?<!be completely )(?<!to )(?<!must )"
    r"(?<!should ))(?:excludes?d?|rule[sd]?(?: (?!out)[a-z]+){0,5} out)\b"
)
UNTIL = re.compile(
    r"\b(?:if|once|until|unless|when|before|after|provided|not|no|never|may|might)\b[^.;,]*$|n't [^.;,]*$"
)
# Rows whose alternatives a text can deny.
DENIED = frozenset(
    {"tumour", "certainty", "course", "both sides", "stability", "risk", "inheritance", "chromosome"}
)
DENIES = re.compile(r"(?:\b(?:no|not|never|neither|without)|n't)(?: [a-z]+){0,3} $")
NO_NEED = re.compile(
    r"(?:\bnot|n't) (?:necessary|needed|required|(?:need|have) to)\b|\bno need\b|\bneed(?: not|n't)"
)
# Rows that settle whether two texts say the same, however each negates it.
SETTLING = ("result", "withdrawal", "smoking", "displacement", "rupture", "complications")
IN_ONE_WORD = ("displacement", "rupture", "complications")
# Rows of two alternatives of which a text that denies the one, or warns of it, names the other.
TURNED = {
    "together": {"together": "apart", "apart": "together"},
    "withdrawal": {"gradual": "abrupt", "abrupt": "gradual"},
    "speed": {"slow": "fast", "fast": "slow"},
}
# Row → alternative → how a text names the other one in words that are too common to contradict.
NAMED_ELSE = {
    "vessel": {"arterial": re.compile(r"\bveins?\b"), "venous": re.compile(r"\barter(?:y|ies)\b")},
}
TURNS = re.compile(r"(?:\b(?:no(?! more| less)|not|never|avoid|cannot|without)\b|n't\b)[^.;,:]{0,40}$")
# "If it is stopped suddenly", but not "when the taper is over"
WARNED_OF = frozenset({"together", "abrupt", "fast"})
WARNS = re.compile(r"\b(?:if|when)\b[^.;,:]{0,40}$")
TURNS_AFTER = re.compile(
    r"[^.;,]{0,30}?(?:\b(?:none|no|not|avoided|dangerous|unnecessary|unsafe|risky|harmful|superfluous"
    r"|contra-?indicated|(?:(?:can|may|might) )?(?:cause|lead|trigger|provoke|risk)s?)\b|n't\b)"
)
# "Half an hour later comes breakfast", "wait half an hour with breakfast": nothing is taken with it.
WAITS = re.compile(
    r"\b(?:wait\w*|hold off|delay\w*|postpon\w*)[^.;]{0,40} with [a-z ]{0,12}(?:breakfast|food|meals?)\b"
    r"|\bwith [a-z ]{0,12}(?:breakfast|food|meals?) (?:no (?:sooner|earlier)"
    r"|(?:not|only) (?:before|after|until)|following|(?:[a-z0-9]+ ){1,5}(?:later|afterwards))\b"
)
INSULIN = re.compile(r"\b(?:insulin|aspart|lispro|glulisine|novorapid|humalog)\b")
# What a "not" does not forbid: "oral B12 is not as effective as injections", "not only intravenous"
_COMPARED = (
    r"(?! (?:as|so|more|less|better|worse|inferior|superior|needed|necessary|required|only|always"
    r"|available)\b)"
)
# What forbids the route before it: "intravenous haloperidol should be withheld".
FORBIDDEN_AFTER = re.compile(
    r"[^.;,]{0,60}?(?:\b(?:withheld|avoided|contra-?indicated|omitted|forbidden|prohibited|fatal|lethal|deadly"
    rf"|kills?|cannot|(?:must|should|may|can|is|are) not)\b|n't\b){_COMPARED}"
)
# What makes the route of a sentence the only one, and what forbids it.
ONLY = re.compile(r"\b(?:only|solely|exclusively|must be given|never|not be given)\b")
FORBIDDEN = re.compile(
    rf"(?:\b(?:never|not|avoid|cannot|contraindicated|forbids|prohibits)\b|n't(?= )){_COMPARED}"
    r"(?:(?!without|unless)[^.;,]){0,40}$"
)

# Between what forbids and the route that it forbids: "must not be given" by injection.
THAT_WAY = re.compile(r" (?:be )?(?:(?:given|used|taken|administered|put|go|gone) )?(?:as |by )?")


def names_way(text: str) -> bool:
    """Whether a text names one of what excludes each other, or a route."""
    ways = _ways(text)
    return bool(ways.rows or ways.routes or ways.forbidden)


def wrong_way(
    reference: str, hypothesis: str, ours: Sequence[Claim], theirs: Sequence[Claim]
) -> Iterator[Found]:
    """(subject, kind, words of the reference, words of the answer) of a side, time or route that contradicts.

    Rule: each text names one alternative of a row, and not the same. A route contradicts when the other text
        forbids it, when it is not the only one that the other allows, or when the same amount, or no amount,
        is given by another route.
    """
    mine, other = _ways(reference), _ways(hypothesis)
    for row, (label, written) in mine.rows.items():
        other_label, other_written = other.rows.get(row, (label, ""))
        if label != other_label:
            yield row, row, written, other_written
    for one, two in ((mine, other), (other, mine)):
        for route in one.forbidden.keys() & two.routes.keys() - one.routes.keys():
            texts = one.forbidden[route], two.routes[route]
            yield "route", "route", *(texts if one is mine else texts[::-1])
            return
    pairs = product(mine.routes, other.routes)
    apart = len(mine.routes) == 1 and other.routes and all(exclude(*pair) for pair in pairs)
    if apart and (mine.only or (len(other.routes) == 1 and _same_amounts(ours, theirs))):
        yield "route", "route", *mine.routes.values(), next(iter(other.routes.values()))


def leaves_open(text: str) -> bool:
    """Whether a text does not exclude something: "cannot be ruled out"."""
    lower = forms(text)[2]
    return ("exclud" in lower or " out" in lower) and LEFT_OPEN.search(lower) is not None


def in_one_way(one: str, other: str) -> bool:
    """Whether two texts name the same result, or way of ending: "grew nothing", "sterile".

    A complication that both deny in one word explains no other negation: "uncomplicated".
    """
    rows, others = (_ways(text).rows for text in (one, other))
    return any(
        row in rows
        and row in others
        and rows[row][0] == others[row][0]
        and not (row in IN_ONE_WORD and rows[row][1].lower() == others[row][1].lower())
        for row in SETTLING
    )


def _is_denied(lower: str, label: str, match: re.Match[str]) -> bool:
    """Whether a text denies a way of doing something, or warns of it."""
    before = TURNS.search(lower, 0, match.start())
    before = before or (WARNS.search(lower, 0, match.start()) if label in WARNED_OF else None)
    return (before or TURNS_AFTER.match(lower, match.end())) is not None


def _same_amounts(ours: Sequence[Claim], theirs: Sequence[Claim]) -> bool:
    """Whether two texts give an amount in common, or one of them none: then they are about one regimen."""
    mine, others = (
        [claim.quantity for claim in side if claim.quantity.kind == "amount" and claim.dose]
        for side in (ours, theirs)
    )
    return not (mine and others) or any(amounts_meet(one, two) for one in mine for two in others)


class _Ways:
    """The ways that a text names.

    Attributes:
        rows: row → (alternative, its words), for each row of which the text names one only.
        routes, forbidden: route → its words.
        only: whether a route is said to be the only one.
    """

    def __init__(self, text: str) -> None:
        original, raw, lower = forms(text)
        self.rows: dict[str, tuple[str, str]] = {}
        self.routes: dict[str, str] = {}
        self.forbidden: dict[str, str] = {}
        coded = CODES.search(raw) is not None
        hinted = {row for hint, row in ROW_OF_HINT if hint in lower} | ({"side"} if coded else set())
        for row, patterns in PATTERNS.items():
            if row not in hinted:
                continue
            found = {label: match for label, pattern in patterns.items() if (match := pattern.search(lower))}
            if row in TURNED:  # "should not be stopped abruptly", "no tapering is needed"
                found = {
                    TURNED[row][label] if _is_denied(lower, label, match) else label: match
                    for label, match in found.items()
                }
            if row == "food" and (NO_NEED.search(lower) or WAITS.search(lower)):
                continue  # "it is not necessary to take them with food"
            if row == "food" and any(FORBIDDEN.search(lower, 0, match.start()) for match in found.values()):
                continue  # "never on an empty stomach"
            if row in NAMED_ELSE and len(found) == 1 and NAMED_ELSE[row][next(iter(found))].search(lower):
                continue  # "arterial 7.41, from the vein 7.22"
            if row in DENIED and any(DENIES.search(lower, 0, match.start()) for match in found.values()):
                continue  # "does not look malignant"
            if row == "food" and INSULIN.search(lower):
                continue  # with a meal is right before it
            if "single" in found and any(quantity.kind == "frequency" for quantity in read(text)):
                continue  # the single dose of one medicine, the repeated one of another
            for organ, codes in ((EYE, EYES), (EAR, EARS)) if row == "side" and coded else ():
                if codes.search(raw) and organ.search(lower):
                    found |= {match.lastgroup: match for match in codes.finditer(raw)}
            other = {"left": "right", "right": "left"}.get(next(iter(found), ""))
            if len(found) == 1 and not (other and re.search(rf"\b{other}\b", lower)):
                ((label, match),) = found.items()
                self.rows[row] = label, original[match.start() : match.end()]
        if "exclud" in lower or ("rul" in lower and " out" in lower):
            sure = EXCLUDED.search(certain := LEFT_OPEN.sub("", lower))
            left_open = LEFT_OPEN.search(lower)
            if sure and not left_open and not UNTIL.search(certain, 0, sure.start()):
                self.rows["exclusion"] = "excluded", sure.group()
            elif left_open and not sure:
                self.rows["exclusion"] = "left open", left_open.group()
        orders: dict[str, dict[str, re.Match[str]]] = {}
        for match in ORDER.finditer(lower):
            orders.setdefault(match["what"], {})["before" if match["before"] else "after"] = match
        both = len(orders) > 0 and BEFORE.search(lower) and AFTER.search(lower)
        for what, found in orders.items():
            if len(found) == 1 and not both:
                ((label, match),) = found.items()
                self.rows[f"order of {what}"] = label, original[match.start() : match.end()]
        self._read_routes(text)
        self.only = bool(self.routes) and ONLY.search(lower) is not None

    def _read_routes(self, text: str) -> None:
        """Take in the routes that a text names, and those that it forbids."""
        original, _, lower = forms(text)
        named = [one for one in read(text) if one.kind == "route" and one.unit in APART]
        for quantity, following in zip_longest(named, named[1:]):
            before = lower[max(0, quantity.start - 60) : quantity.start]
            if before.endswith(("from ", "from the ")):
                continue  # "from i.v. to tablets"
            # "By mouth and must not be injected" forbids the second.
            end = following.start if following else len(lower)
            after = FORBIDDEN_AFTER.match(lower, quantity.end, end)
            of_next = after and following and THAT_WAY.fullmatch(lower, after.end(), end)
            forbids = FORBIDDEN.search(before) or (after and not of_next)
            into = self.forbidden if forbids else self.routes
            into[quantity.unit] = original[quantity.start : quantity.end].strip()
        if most_precise(self.routes) in INJECTIONS - {"by injection"}:
            self.routes.pop("by injection", None)  # "injected into the muscle"


@lru_cache(maxsize=KEPT_TEXTS)
def _ways(text: str) -> _Ways:
    return _Ways(text)
