"""Words of direction in clinical English: verbs, nouns and adjectives of more and less, better and worse."""

from functools import lru_cache

from medqa.clinical.words import words

UP, DOWN = 1, -1
# What a direction is of: more and less, better and worse, often and seldom, safe and dangerous, now and
# later.
LEVEL, QUALITY, FREQUENCY, SAFETY = "level", "quality", "frequency", "safety"
TIMING = "timing"
# Verbs of more and less by what they can do: "raises it", "it rises", both.
_TRANSITIVE = {
    UP: "raise elevate enhance boost augment potentiate intensify strengthen amplify heighten magnify "
    "prolong lengthen extend accelerate hasten quicken stimulate induce promote upregulate up-regulate",
    DOWN: "lower reduce diminish lessen weaken blunt attenuate dampen impair suppress inhibit depress "
    "shorten curtail retard slow wean minimise minimize halve hamper hinder downregulate down-regulate curb",
}
_INTRANSITIVE = {
    UP: "rise climb soar surge accumulate recover",
    DOWN: "fall drop decline sink plummet dip plunge dwindle wane",
}
_EITHER = {UP: "increase double triple escalate", DOWN: "decrease shrink"}
# Verbs of better and worse; the first two rows are of symptoms, of which less is better.
_RELIEVING = "relieve ease alleviate soothe mitigate palliate ameliorate reverse counteract"
_AGGRAVATING = "aggravate exacerbate"
_IMPROVING, _WORSENING = "improve", "worsen deteriorate"
_IRREGULAR = {
    "rise": "rise rises rising rose risen", "fall": "fall falls falling fell fallen",
    "sink": "sink sinks sinking sank sunk", "shrink": "shrink shrinks shrinking shrank shrunk",
    "drop": "drop drops dropping dropped", "dip": "dip dips dipping dipped",
}  # fmt: skip


def _forms(verb: str) -> list[str]:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb].split()
    if verb.endswith("e"):
        return [verb, f"{verb}s", f"{verb}d", f"{verb[:-1]}ing"]
    if verb.endswith("fy"):
        return [verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"]
    doubled = f"{verb}r" if verb.endswith("fer") else verb
    return [verb, f"{verb}es" if verb.endswith("s") else f"{verb}s", f"{doubled}ed", f"{doubled}ing"]


def _verbs() -> dict[str, tuple[int, str, bool]]:
    """Form → (direction, its axis, whether a thing can follow it)."""
    rows = [
        *((text, way, LEVEL, True) for way, text in _TRANSITIVE.items()),
        *((text, way, LEVEL, False) for way, text in _INTRANSITIVE.items()),
        *((text, way, LEVEL, True) for way, text in _EITHER.items()),
        (f"{_RELIEVING} {_IMPROVING}", UP, QUALITY, True),
        (f"{_AGGRAVATING} {_WORSENING}", DOWN, QUALITY, True),
        ("expedite", UP, TIMING, True),
        ("proceed", UP, TIMING, False),
        ("delay postpone defer", DOWN, TIMING, True),
    ]
    return {
        form: (way, axis, transitive)
        for text, way, axis, transitive in rows
        for verb in text.split()
        for form in _forms(verb)
    }


VERBS = _verbs()
NOUNS = {
    **dict.fromkeys(words("increase rise elevation climb surge enhancement potentiation prolongation"
                          " lengthening acceleration escalation increment"), (UP, LEVEL)),
    **dict.fromkeys(words("decrease reduction fall drop decline dip lowering shortening attenuation slowing"
                          " decrement lessening"), (DOWN, LEVEL)),
    **dict.fromkeys(words("improvement relief"), (UP, QUALITY)),
    **dict.fromkeys(words("worsening deterioration exacerbation aggravation"), (DOWN, QUALITY)),
}  # fmt: skip
ADJECTIVES = {
    **dict.fromkeys(words("higher high greater larger bigger longer faster quicker stronger more"),
                    (UP, LEVEL)),
    **dict.fromkeys(words("low smaller shorter slower weaker less fewer"), (DOWN, LEVEL)),
    "better": (UP, QUALITY), "worse": (DOWN, QUALITY),
}  # fmt: skip
# After "is" and with nothing after it: "is rare with", "is not uncommon in".
PREDICATES = {
    **dict.fromkeys(words("common frequent"), (UP, FREQUENCY)),
    **dict.fromkeys(words("rare uncommon infrequent unusual"), (DOWN, FREQUENCY)),
    **dict.fromkeys(words("harmless innocuous safe"), (UP, SAFETY)),
    **dict.fromkeys(words("dangerous harmful hazardous unsafe"), (DOWN, SAFETY)),
}
# "Goes up", "pushes it up"; True for verbs that mean a direction with "up" or "down" even without a thing.
PARTICLE_VERBS = {
    **dict.fromkeys(words("go goes going went gone shoot shoots shot creep creeps crept"), False),
    **dict.fromkeys(words("push pushes pushed pushing drive drives driving drove driven bring brings brought"
                          " bringing pull pulls pulled pulling put puts putting send sends sent cut cuts"
                          " cutting come comes coming came"
                          " speed speeds sped speeding step steps stepped"), False),
}  # fmt: skip
PARTICLES = {"up": UP, "down": DOWN}
# Words that only introduce what changes: "the level of", "the risk of", "serum".
TRANSPARENT = words(
    "level levels concentration concentrations serum plasma blood exposure amount amounts value values risk "
    "risks chance chances likelihood probability incidence rate rates frequency effect effects efficacy "
    "effectiveness action activity degree extent severity total bioavailability number numbers reading "
    "readings oral pill pills tablet tablets circulating steady-state trough peak odds potency potential "
    "occurrence"
)
# Beginnings of the words for what of a thing changes, when not its level or its effect.
DIMENSIONS = {
    "dose": "dose", "dosage": "dose", "dosing": "dose", "require": "need", "need": "need",
    "clearance": "clear", "cleared": "clear", "eliminat": "clear", "metabol": "metabol",
    "breakdown": "metabol",
    "excret": "excret", "absor": "absorb", "secret": "secret", "threshold": "threshold",
    "half-life": "half-life", "resistan": "resist", "loss": "loss", "deficit": "loss", "deficien": "loss",
    "synthesis": "synthesis", "production": "synthesis", "sensitiv": "sensitiv", "duration": "duration",
    "onset": "onset", "progress": "progress", "interval": "interval", "reuptake": "reuptake",
    "uptake": "absorb", "intake": "intake", "treatment": "treatment", "therapy": "treatment",
    "withdraw": "loss",
}  # fmt: skip
# One name of a thing that changes.
ONE_THING = {"mortality": "death", "deaths": "death", "relapse": "recur", "sugar": "glucos"}
# Of these more is better, so that "improves" is "increases".
BENEFITS = (
    "surviv", "absor", "efficac", "effect", "function", "control", "tolera", "healing", "sensitiv", "adheren",
    "clearance", "uptake", "bioavail",
)  # fmt: skip
NEGATING = words(
    "not no never cannot without prevent prevents prevented preventing neither nor avoid avoids avoiding "
    "against unlikely unaffected hardly barely"
)
LIKELIHOOD = words(
    "likely common frequent often effective efficacious active potent pronounced severe well marked"
)
QUALIFYING = words("important appropriate suitable recent specific accurate useful than so often likely")
AUXILIARIES = words(
    "is are was were be been being has have had can may might will would could should must shall do does did "
    "tend tends tended to get gets getting got become becomes became remain remains remained stay stays "
    "begin begins began start starts started seem seems appear appears need needs needed ought work works"
)
ADVERBS = words(
    "also then often usually further still even markedly significantly slightly gradually rapidly quickly "
    "slowly substantially sharply greatly considerably strongly generally typically commonly frequently "
    "much rather again clearly possibly thereby thus directly mildly modestly subsequently steadily "
    "consequently both soon eventually sometimes dramatically somewhat actually probably too"
)
DETERMINERS = words("the a an your her his their its this these that those any some each my our all")
PRONOUNS = words("it them they this these he she you itself")
PREPOSITIONS = words(
    "in on at to for with by from during after before under over through following since among within into "
    "on upon above below between via despite per alongside against about near towards"
)
CONDITIONS = words("if when as once until unless whenever where while")
STOPS = words(
    "that which who whose because so since therefore hence whereas although though but if when as once until "
    "unless whenever where while make makes making made cause causes causing caused let lets see seen expect "
    "lead leads leading led result results resulting produce produces producing give gives given giving "
    "show shows showed shown showing have has having take takes taking taken add adds adding added keep "
    "keeps use used using uses find found mean means meaning there what how why i.e or than via reported"
)
SPLITTING = words("and but whereas while although though or so because") | {",", ":", "(", ")"}
OPENING = PREPOSITIONS | STOPS | AUXILIARIES
# "Lower limb", "high-dose", "low back pain"
NO_ADJECTIVE_BEFORE = words(
    "back limb limbs lobe lobes pole abdomen abdominal leg legs lip gi gastrointestinal respiratory urinary "
    "tract extremity extremities dose risk grade fibre fiber fat salt power quality flow technology"
)
# Between "is" and a word of direction: "is seen less often", "came back raised", "is made worse".
PERCEIVED = words("seen found reported observed noted diagnosed come comes came made rendered")
NEEDED = words("needed required needs requires need require necessary")
COMMON = (
    words(
        "patient patients person people woman women man men child children adult adults normal usual drug "
        "medicine medication medicines dose doses mg treatment very well more less it its there one two you "
        "we only early other others therapy use used on board typical possible often"
    )
    | AUXILIARIES
    | ADVERBS
    | DETERMINERS
    | PRONOUNS
    | PREPOSITIONS
    | STOPS
    | SPLITTING
    | NEGATING
)
# Words of direction and of grammar, which say nothing about the circumstances.
UNINFORMATIVE = frozenset().union(
    VERBS, ADJECTIVES, PREDICATES, PARTICLE_VERBS, PARTICLES, ADVERBS, AUXILIARIES, STOPS
)


@lru_cache(maxsize=1 << 14)
def dimension_of(word: str) -> str:
    """What of a thing a word names, as "clear" for "clearance" and "cleared"; "" for the thing itself."""
    return next((form for begin, form in DIMENSIONS.items() if word.startswith(begin)), "")
