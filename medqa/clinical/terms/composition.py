"""Compounds of an organ and a disorder or procedure: "inflamed gallbladder" is cholecystitis.

Greek and Latin parts make one word of both, "cholecyst-" and "-itis". Lay words keep them apart, in many
orders: "inflammation of the gallbladder", "her gallbladder was removed". `compounds` pairs the parts; `PARTS`
gives one form to the words that can be such a part.
"""

from collections.abc import Container, Iterator

from medqa.clinical import words as word_lists
from medqa.clinical.notation.word_forms import CLINICAL_ENDING, canonical

# Participles and adjectives, and the noun that each counts as inside a compound; other names of a part.
PARTS = {
    "inflamed": "inflammation", "infected": "infection", "removed": "removal", "excised": "removal",
    "resected": "removal", "enlarged": "enlargement", "ruptured": "rupture", "perforated": "perforation",
    "obstructed": "obstruction", "dislocated": "dislocation", "transplanted": "transplant",
    "replaced": "replacement", "failing": "failure", "failed": "failure", "cancerous": "cancer",
    "painful": "pain", "paralyzed": "paralysis", "paralysed": "paralysis", "fractured": "fracture",
    "broken": "fracture", "bled": "bleeding", "bleed": "bleeding",
    "narrowing": "stenosis", "narrowed": "stenosis", "narrow": "stenosis", "leaking": "regurgitation",
    "leaky": "regurgitation", "leak": "regurgitation", "wasting": "atrophy", "shrunken": "atrophy",
    "removing": "removal", "remove": "removal", "difficult": "difficulty", "trouble": "difficulty",
    "dormant": "latent", "inactive": "latent", "intracranial": "brain",
    "swollen": "swelling", "swell": "swelling", "puffy": "swelling", "torn": "tear", "burst": "perforation",
    "deficient": "deficiency", "congested": "congestion",
    "collapsed": "collapse", "thickened": "hypertrophy", "stiff": "stiffness",
    "ache": "pain", "aching": "pain", "hurt": "pain", "hurting": "pain", "damaged": "damage",
    "raised": "high", "elevated": "high", "increased": "high", "rising": "high", "rose": "high",
    "fast": "high", "rapid": "high", "racing": "high", "overactive": "high", "reduced": "low",
    "decreased": "low", "lowered": "low", "dropped": "low", "drop": "low", "fell": "low", "falling": "low",
    "broke": "fracture", "break": "fracture", "tore": "tear", "removes": "removal",
    "replacing": "replacement", "slow": "low", "underactive": "low", "big": "enlargement",
}  # fmt: skip
# Endings of adjectives, and those of the nouns of the same disorders: "cirrhotic", "anaemic".
ADJECTIVES = (
    ("otic", "osis"),
    ("itic", "itis"),
    ("iatic", "iasis"),
    ("emic", "emia"),
    ("oscopic", "oscopy"),
    ("coccal", "coccus"),
)
# Verbs among them, whose object has an article: "removing the kidney".
VERBS = word_lists.words(
    "removing remove removed removes broke break breaks fractured tore tears ruptured dislocated replaced "
    "replacing"
)
# Two words that say what was done to an organ.
PHRASES = {
    ("taken", "out"): "removal", ("took", "out"): "removal", ("cut", "out"): "removal",
    ("taken", "away"): "removal", ("comes", "away"): "detachment", ("came", "away"): "detachment",
    ("come", "away"): "detachment", ("gives", "way"): "instability",
}  # fmt: skip
# Between the parts of a compound in the other order: "cancer of the lung".
LINKS = word_lists.words("of in to into within inside around affecting")
DETERMINERS = word_lists.words("the a an your her his my their our both one each")
SIDES = word_lists.words("left right upper lower")
# Between an organ and what it has or what was done to it: "both ankles show oedema", "tonsils were removed".
AUXILIARIES = word_lists.words(
    "is are was were be been being has have had gets got show shows showed showing develop developed"
    " not never can may might could will would become becomes became becoming get getting run runs running"
    " ran go goes went going turn turns turned seem seems seemed look looks looked appear appears appeared"
    " remain remains remained stay stays stayed found to which who that"
)
# What may come between them and the finding.
ADVERBS = word_lists.words(
    "badly often also both all very quite rather too more always then now still again so"
)
# What is said of a substance beside how much there is of it: "the potassium level was low".
LEVELS = word_lists.words("level count concentration value reading number rate")
MOST_AUXILIARIES = 5
# "Too few platelets", "too much calcium"
TOO = {"few": "low", "little": "low", "many": "high", "much": "high"}
# "Overdose of paracetamol", "too much paracetamol", "paracetamol overdose"
POISONED = word_lists.words("overdose overdoses overdosed overdosage poisoning intoxication")
POISONED_BY = word_lists.words("of with by from on")
# Words that end the name of an organ and that its disorders do without: "mitral valve", "mitral stenosis".
ORGAN_WORDS = ("artery", "valve", "gland", "nerve", "duct", "vein", "bone", "muscle")
# Among them, what denies the compound: "the gallbladder has not been removed".
DENIALS = word_lists.words("not never")
# Nouns after "spinal" that leave it an anaesthetic.
ANESTHESIA = word_lists.words("block blocks anaesthetic anesthetic anaesthesia anesthesia")
# Nouns after "oral" that make it the mouth and no route.
OF_THE_MOUTH = word_lists.words(
    "cavity mucosa mucosal hygiene health ulcer ulcers ulceration lesion lesions sores pain surgery cancer "
    "cancers tumour tumours tumor tumors examination membrane membranes swab cavities infection infections"
)

# Beside "discharge" where it is the end of a stay in hospital.
WHEN = word_lists.words("at on before after until since upon pre post planned early safe home")
AFTER_DISCHARGE = word_lists.words("letter summary home date plan planning medication medications note")


def levels() -> Iterator[tuple[str, str, str]]:
    """(substance, "low" or "high", the term for that), for all of `words/levels.txt`."""
    for substance, low, high in word_lists.lines("levels"):
        yield substance, "low", low
        yield substance, "high", high


def compounds(listed: Container[str]) -> Iterator[tuple[str, str, str]]:
    """(organ, disorder, the word of Greek or Latin parts that names both), for all that have such a word."""
    disorders = list(word_lists.lines("disorders"))
    for organ, *roots in word_lists.lines("organs"):
        for ending, *nouns in disorders:
            words = [root + ending for root in roots]
            found = next((word for word in words if word in listed), "")
            found = found or next(filter(CLINICAL_ENDING.fullmatch, words), "")
            if found:
                yield from ((organ, noun, found) for noun in nouns)


def noun_of(word: str, listed: Container[str]) -> str:
    """The listed noun of a disorder whose adjective a word is, "cirrhosis" of "cirrhotic", else the word."""
    word = word.removesuffix("ally") if word.endswith("oscopically") else word
    if word.endswith("ic") and word not in listed:
        for ending, of_noun in ADJECTIVES:
            noun = word.removesuffix(ending) + of_noun
            if word.endswith(ending) and noun in listed:
                return noun
    return word


def is_adjective(word: str) -> bool:
    """Whether a disorder before its organ is an adjective: "cirrhotic liver", "inflamed joint"."""
    return word in PARTS or word.endswith(("ic", "ed", "al"))


def is_between(word: str) -> bool:
    """Whether a word can come between an organ and what is said of it: "is", "has often", "slightly"."""
    return (
        word in AUXILIARIES
        or word in ADVERBS
        or canonical(word) in LEVELS
        or (word.endswith("ly") and len(word) > 5)
    )


def participles(verb: str) -> tuple[str, ...]:
    """The forms in "-ing" that a word may have: "droop" and "drooping", "race" and "racing"."""
    return (f"{verb}ing", f"{verb[:-1]}ing" if verb.endswith("e") else f"{verb}{verb[-1]}ing")


def is_no_term(tokens: list[tuple[str, int]], place: int, length: int) -> bool:
    """Whether the word at `place` is no term there: a route, "secondary to", "spinal" of the spine."""
    word = tokens[place][0]
    if length > 1:
        return False
    if word == "secondary":  # the noun has a plural: "secondaries"
        return True
    following = "".join(word for word, _ in tokens[place + 1 : place + 2])
    before = "".join(word for word, _ in tokens[max(0, place - 1) : place])
    if word == "discharge" and (before in WHEN or following in AFTER_DISCHARGE):
        return True  # "on discharge", "the discharge letter"
    if word == "spinal":  # "under spinal", "a spinal was given"; "spinal tuberculosis"
        noun = following[:1].isalpha() and following not in AUXILIARIES and following not in LINKS
        return noun and following not in ANESTHESIA
    return word in ("oral", "mouth") and is_route(tokens, place)


def is_route(tokens: list[tuple[str, int]], place: int) -> bool:
    """Whether "oral" or "mouth" says how a medicine is taken: "oral aciclovir", "by mouth"."""
    word = tokens[place][0]
    if word == "oral":
        return place + 1 == len(tokens) or tokens[place + 1][0] not in OF_THE_MOUTH
    return word == "mouth" and place > 0 and tokens[place - 1][0] == "by"


# One of them is in all that says that somebody cannot do something.
CANNOT = ("cannot", "can't", "couldn't", "not")


def cannot(tokens: list[tuple[str, int]], place: int) -> int:
    """Where "cannot", "could not" or "was not able to" ends that begins at `place`; 0 for none."""
    first, second, third, fourth = ([word for word, _ in tokens[place : place + 4]] + [""] * 4)[:4]
    if first in ("cannot", "can't", "couldn't"):
        return place + 1
    if first in ("can", "could") and second == "not":
        return place + 2
    if first == "not" and (second, third) == ("able", "to"):
        return place + 3
    return place + 4 if second == "not" and (third, fourth) == ("able", "to") else 0
