"""Negation in clinical English: which words negate, what they do not negate, and how far they reach.

After NegEx (Chapman et al., 2001): a trigger negates the terms that follow within a few words of its clause
(`NEGATION_WORDS`), or the term before it (`NEGATED_AFTER`). Advice counts as well: what is to be avoided,
stopped or is contraindicated is negated. What is only possible is not.
"""

import re

from medqa.clinical.words import words

# Words that begin a negation, beside all that end in "n't"; some only with the words after them.
NEGATION_WORDS = words(
    "no not non nothing without never neither nor none cannot dont doesnt isnt wasnt cant wont shouldnt "
    "denies denied deny "
    "denying exclusion absence absent lack lacks lacking lacked free negative excludes exclude excluding "
    "excluded ruled rules rule "
    "avoid avoids avoiding avoidance discontinuation withdrawal cessation replaces replacing come "
    "coming came away stop stops stopping discontinue discontinuing withhold withholding omit "
    "omitting hold refrain "
    "interrupt interrupting pause pausing skip skipping leave leaving "
    "contraindicated contraindicates contraindicate preclude precludes precluded "
    "instead rather unlikely forbid forbidden clear "
    "refuse refuses nil prohibited replaced off against quit quits quitting nobody unable gave ex former "
    "forbids prohibits break held comes abstain abstains abstained abstaining abstinence"
)
_NEEDS_AFTER = {
    "absence": " of ", "exclusion": " of ", "lack": " of ", "lacks": " ", "lacking": " ", "absent": " ",
    "free": (" of ", " from "),
    "negative": " for ",
    "instead": " of ", "rather": " than ",
    "refrain": " from ", "abstain": " from ", "abstains": " from ", "abstained": " from ",
    "abstaining": " from ", "abstinence": " from ", "unlikely": (" to ", " that "), 
    "contraindicated": " to ",
    "unable": " to ", "gave": " up ", "ex": "-", "former": (" smok", " drink", " user", " alcohol"),
    "avoidance": " of ", "clear": " of ", "off": " ",
    "discontinuation": " of ", "withdrawal": " of ", "cessation": " of ",
    "away": " from ", "come": " off ", "comes": " off ", "coming": " off ", "came": " off ", "held": " back ",
    "replaces": " ", "replacing": " ",
    "break": " from ", "nil": " ", "none": (" of ", " had ", " showed "), "excluded": " ",
}  # fmt: skip
# "Leave the statin out", "rules thrombolysis out"
_SPLIT_OUT = re.compile(r" (?:(?!it )[a-z-]+ ){0,4}?out(?! of (?:hand|hospital))(?![a-z])")
_SPLIT = dict.fromkeys(("leave", "leaving", "rule", "rules", "ruled"), _SPLIT_OUT)
# Triggers that undo another: "do not stop aspirin".
UNDOING = words(
    "quit quits quitting denied deny stopped discontinued withheld avoided omitted "
    "discontinuation withdrawal cessation come coming refuse refused "
    "interrupt interrupting interrupted pause paused stop stopping discontinue discontinuing "
    "withhold withholding omit omitting avoid hold exclude skip skipping skipped leave leaving"
)
# Verbs of handling: "do not crush the tablets" says nothing against the tablets.
_HANDLE = (
    r"(?:be )?(?:crush|chew|open|split|break|broken|cut|halve|dissolve|double|exceed|miss|skip|rub|scratch"
    r"|share|mix|shake|freeze|squeeze|touch|bend|massage|suck|divide)(?:ed|ing|d|n|s)?"
)
# "Vitamin K does not affect apixaban" denies what it does, not the medicine.
_RELATES = (
    r"(?:affect|explain|influence|interfere with|account for|(?:the cause|because) of|due to|responsible for)"
)
# "Antibiotics will not help a cold" denies what they do, not the cold.
_TREATS = (
    r"(?:help(?: with)?|treat|cure|prevent|relieve|shorten|kill|fight|heal|work (?:for|against|on|in))"
    r"(?= (?:a |an |the |your |any |against )?[a-z])"
)
# "Do not rely on the pill alone" denies the pill nothing but that it is enough.
_ALONE = (
    r"(?:(?! for )[^.;,:]){0,40}? (?:alone|(?:on|by) (?:its own|their own|itself|themselves))"
    r"(?= *(?:[.;,:)\n]|$|as |if |when |while |in |with |during ))"
)
# "It does not mean that breastfeeding must be given up" denies only that it follows.
_FOLLOWS = (
    r"(?:do |does |did )?(?:it |this |that )?(?:mean|imply|signify|remove (?:that|the"
    r"|this) (?:need|duty|risk))"
)
# "No reason to put off the vaccine", "unlikely that the cough is due to ramipril"
_NO_REASON = (
    r"(?:(?:an?|any|good|valid|real) ){0,2}reasons? (?:to|for) (?:put(?:ting)? off|postpon(?:e|ing)"
    r"|delay(?:ing)?|defer(?:ring)?)|that (?:[a-z'-]+ ){1,5}?(?:is|was|are|were) (?:due to|caused by"
    r"|the cause|because of|related to|linked to)"
)
# "Should not be infused through a peripheral line faster than 10 mmol/h" denies only the higher rate.
BOUND = (
    r"(?: (?!(?:if|when|whenever|where|while|unless|until|who|whose|which|with|without|patients?|people"
    r"|those|older|younger"
    r"|than|and|or|but|in|to|of)(?![a-z]))[a-z-]+){0,6}?"
    r" (?:(?:more|less|faster|slower|longer|later|sooner|earlier|higher|lower|further) than"
    r"|(?:more|less) (?:often|frequently|rapidly|quickly|slowly) than|in excess of|anything (?:over|above)"
    r"|(?:continued?|extend(?:ed)?|prolong(?:ed)?) beyond)"
    r" (?:(?:a|the|every|about|day|week|total|maximum) ){0,3}?"
    r"(?:[0-9]|one|two|three|four|five|six|seven|eight|nine|ten|twelve|once|twice|half|hour|day|week|month)"
)
# What looks like a negation and is none.
_NOT_NEGATED = re.compile(
    r"[ -](?:(?:any |an? |the )?(?:absolute |strict |formal )?(?:barrier|problem|objection|obstacle|harm|bar"
    r"|contra-?indications?|concern|worry|worries|hesitation|difficulty)"
    rf"|{_RELATES}|{_TREATS}|{_NO_REASON}|{_FOLLOWS}|{_ALONE}"
    r"|(?:the |a |this |body |target )(?:body |target )?(?:temperature|position|breath)"
    r"|stand in the way|be an? (?:obstacle|reason)"
    r"|(?:further |routine )?(?:(?:dose|dosage|dosing) )?(?:adjustments?|modifications?|titration)|only|just"
    r"|merely|necessarily|increase"
    r"|decrease|change|(?:be )?(?:(?:be |take |taken |give |given |use |used |have |had |get |drink "
    r"|apply |inject |swallow |receive |exceed |infuse |do (?:(?:this|that|it|so) )?"
    r"|be (?:infused|run|injected|administered) |run |last |stay |go )?(?:on )?(?:for )?(?:any )?)?"
    r"(?:more|less|later|earlier|fewer|sooner|longer|shorter|faster|slower|older|younger) than"
    r"|be certain|certain|(?:be )?den(?:y|ied)|(?:yet )?(?:be |been )?(?:rule|ruled|excluded?)(?: out)?"
    r"|doubt|until|(?:but|other than)(?= [a-z])|(?:be )?(?:delayed|postponed|deferred|put off)"
    r"|preclude|prohibit|forbid|to (?:worry|fear|be (?:concerned|worried|afraid))"
    # "Does not make enough insulin", "no way to remove the chromosome"
    r"|(?:produce|make|secrete|release|get|have|receive|absorb|contain|provide|drink|eat|use)"
    r" (?:enough|sufficient|adequate)|(?:known )?(?:ways?|means|methods?) to"
    r"|uncommon|uncommonly|unusual"
    r"|unusually|rare|rarely|always|matter|all|every|enough|sure|know|known(?! to (?:be|have))"
    r"|contraindicat\w+|forget|hesitate|delay|trouble|ill effects"
    r"|(?:lower|higher|greater|smaller|worse|better) than|exceed\w*|below|above|over(?!-the)|under"
    r"|unreasonable|unlikely|different|interruption|harmful|dangerous|hazardous|unsafe|by mouth"
    rf"|{_HANDLE})(?![a-z])"
)
# Compounds that begin with "non" and deny nothing.
_NON = re.compile(
    r"[ -](?:small|steroid|hodgkin|invasive|insulin|alcoholic|st(?![a-z])|q(?![a-z])|specific"
    r"|prescription|pharma"
    r"|opioid|hdl|drug|dihydro|selective|surgical|verbal|complian|adheren|healing|union)"
)
_BOUND = re.compile(BOUND)
# "No lifting over 10 lb"
_NOTHING_ABOVE = re.compile(
    r" [a-z]+ing (?:of )?(?:anything |more than |heavier than |over |above |beyond ){1,2}[0-9]"
)
COMBINED = re.compile(r"\b(?:combin[a-z]+|together|concurrent[a-z]*|concomitant[a-z]*|co-?prescri[a-z]+)\b")
# A verb of several things: "HBV and HIV tests were all negative"
SEVERAL = re.compile(r"\b(?:tests|were|are|all|both)\b")
# "Not increase" denies a change; what changes is not denied.
CHANGES_NOT = re.compile(
    r"(?:no|not|never|without|[a-z]+n't) (?:be )?"
    r"(?:(?:increase|decrease|change|worsen|improve|alter|affect)s?d?"
    r"|(?:further |routine )?(?:(?:dose|dosage|dosing) )?(?:adjustments?|modifications?|titration)"
    rf"|{_RELATES}|{_HANDLE}|{_TREATS})(?![a-z])"
)
# "No link between the vaccine and autism" denies only the second.
RELATION = re.compile(
    r" (?:[a-z]+ ){0,2}?(?:link|association|relation(?:ship)?|connection|correlation|interaction"
    r"|cross-reactivity) between "
)
# What negates what is before it, not the agent after it: "hypoglycaemia is not caused by metformin".
PASSIVE = re.compile(r"(?:not|n't|never|[a-z]+n't) (?:usually |directly )?[a-z]+(?:ed|en) by ")
# "Milk should not be drunk with doxycycline" denies the milk only.
TAKEN_WITH = re.compile(
    r"(?:not|n't|never|[a-z]+n't) (?:be )?(?:taken|drunk|eaten|consumed|swallowed|ingested|mixed|used|given)"
    r" (?:together |at the same time )?(?:with|alongside|as) "
)
# "No evidence that statins lead to dementia" denies what comes after the verb.
EVIDENCE_THAT = re.compile(
    r" (?:[a-z]+ ){0,2}?(?:evidence|proof|indication|sign) that (?:the |this |these )?[a-z-]+"
    r" (?:[a-z]+ ){0,2}?(?:causes?|leads? to|increases?|raises?|triggers?|provokes?|worsens?|harms?|helps?"
    r"|prevents?|brings? on)(?![a-z])"
)
# Words that end what a negation reaches.
CLAUSE_END = words(
    "but however although though yet except unless which who because since while whereas then therefore so "
    "still instead and if when until despite once"
)
# Words that end it once a term has been negated: "no aspirin in children", "no wheeze on the left".
PREPOSITIONS = words("for to with from at by on within among of")
# Words that begin another statement there: "no pain as long as she takes paracetamol".
SUBJECTS = words("she he they we you")
# Words that end it after any word: "do not start it in pregnancy".
CIRCUMSTANCES = words("in during before after until ahead prior")
# Words before "for" that say what is not: "bed rest is not recommended for back pain" denies no pain.
ADVICE = words(
    "recommended advised indicated needed required used necessary suitable appropriate effective licensed "
    "approved prescribed given helpful useful stopped withheld discontinued interrupted avoided omitted"
)
# Words before a term that only says where or when, so that nothing after it negates it.
ASIDE = words("in during with after before while when on taking")
# Triggers whose list goes on after "and": "denies fever and chills".
LISTING = words("exclusion deny denies denied denying negative avoid avoids avoiding stop stopping withhold")
# How many words a negation reaches, counted anew after each negated term.
NEGATION_REACH = 6
# "non-diabetic" reaches one word.
PREFIX_REACH = 1
# Adjectives that deny in one word, and what they deny; "non" before a term does so, too.
DENYING_WORDS = {
    "afebrile": "fever", "apyrexial": "fever", "apyretic": "fever", "apyrexic": "fever",
    "anicteric": "jaundice",
    "acyanotic": "cyanosis", "normotensive": "hypertension", "euglycemic": "hyperglycemia",
    "nonsmoker": "smoking",
    "nontender": "tenderness", "seronegative": "antibody", "asymptomatic": "symptomatic",
    "atraumatic": "trauma", "nulliparous": "childbirth", "teetotal": "alcohol", "teetotaller": "alcohol",
    "abstinent": "alcohol", "immunocompetent": "immunosuppression", "unvaccinated": "vaccination",
    "nonpregnant": "pregnancy", "painless": "pain", "symptomless": "symptomatic", "odorless": "odor",
}  # fmt: skip


# "Stop clopidogrel after 12 months" says how long it is taken.
ENDING = words("stop stopping discontinue discontinuing come coming came withdraw withdrawing")
BEFORE_IT = ("before ", "before you ", "before they ", "before she ", "before he ")
ENDS_THEN = re.compile(
    r"[^.;,:]{0,60}? (?:gradually|slowly|step by step|stepwise|in steps|bit by bit)(?![a-z])|"
    r" (?:the |your |her |his )?[a-z-]+ (?:after|at|on|in) (?:about )?"
    r"(?:(?:[a-z]+|[0-9]+)[ -](?:hour|day|week|month|year)|day [0-9])"
)


# "Cannot be excluded without an MRI" asks for one, "not excluded by MRI" has one.
NOT_WITHOUT = re.compile(r"(?:\b(?:not|cannot|never)|n't) [^.;,\n]*$")


# "Without treatment the infection spreads" denies no infection.
WITHOUT_SO = re.compile(r" [a-z]+ (?:the|this|these|it|they|she|he|your|his|her|most|many|patients) ")
# "Big brother had a stiff neck": a finding of somebody else
RELATIVE = re.compile(
    r" ?(?:(?:his|her|the|their|your|my|an?|big|little|older|younger|elder|another) ){0,2}(?:brother|sister"
    r"|sibling|mother|father|mum|mom|dad|uncle|aunt|cousin|grandmother|grandfather|wife|husband|classmate"
    r"|neighbour)s? "
    r"(?:had|has|have|is|was|were|died|suffer(?:s|ed)|got|developed)(?![a-z])"
)
FAMILY = re.compile(
    r"\b(?:famil\w+|relatives?|brothers?|sisters?|siblings?|mother|father|parents?|maternal|paternal)\b"
)
_NO_PASSIVE = re.compile(r"(?<!is )(?<!was )(?<!are )(?<!were )(?<!be )(?<!been )(?<!being )$")
# What makes of these words negations: "keep it off the face", but not "a day off"; "replaced amlodipine".
ONLY_AFTER = {
    "break": re.compile(r"\b(?:take|takes|taking|took|have|having) (?:a|an) (?:[a-z]+ )?$"),
    "away": re.compile(r"\b(?:keep|keeps|keeping|kept|stay|stays|staying|steer|shy)(?: [a-z]+){0,4} $"),
    "off": re.compile(
        r"\b(?:keep|keeps|keeping|kept|stay|stays|staying)(?: [a-z]+)? $"
        r"|(?:\b(?:is|was|are|were|been)|'s) (?:now )?$"
    ),
    "rule": re.compile(r"(?<!to )$"),
    "ruled": _NO_PASSIVE,
    "excluded": _NO_PASSIVE,
    "against": re.compile(
        r"\b(?:advis|advice|recommend|counsel|warn|caution|decid|decision)[a-z]*(?: [a-z]+){0,2} $"
    ),
    "replaced": _NO_PASSIVE,
}


# "Sudden withdrawal of clonidine must be avoided" is advice for it.
ENDING_NOUNS = words(
    "withdrawal discontinuation cessation avoidance stopping discontinuing withholding omitting"
)
AVOIDED_END = re.compile(
    r" (?:of )?(?:[a-z-]+ ){1,6}?(?:isn't (?:necessary|needed|required|allowed|advised|recommended)"
    r"|(?:must|should|is|are|to) (?:to )?"
    r"(?:(?:not|never) (?:be )?(?:recommended|advised|stopped|done|necessary|needed|required|allowed)"
    r"|be avoided|dangerous|unsafe|harmful|contra-?indicated)"
    r"|(?:can|may|might) (?:cause|lead|trigger|provoke))"
    r"(?![a-z])"
)


# "Skip a day between tablets" and "hold it in the mouth" are about the day and the place.
HANDLED = {
    **dict.fromkeys(
        words("skip skips skipping"),
        re.compile(r" (?:a|one|every|alternate|the next)(?: other)? days?(?![a-z])"),
    ),
    **dict.fromkeys(
        words("hold holds holding"),
        re.compile(
            r" (?:(?!if|when|once|unless|until|while|in|for"
            r"|during)[a-z0-9-]+ ){1,6}?(?:under (?:the |your |his |her )?tongue|inside|against"
            r"|upright|still|in place|between|near"
            r"|in (?:the|your|his|her|one|both|a) (?:mouth|hands?|cheek|fist|palm|position))(?![a-z])"
            r"| (?:your |the |his |her |their )?breath(?![a-z])"
            r"| (?:[a-z]+ ){1,4}?(?:at|above|below|between) [0-9.]+ ?(?:°|%|mm|degrees|cm|bar|and|to)"
        ),
    ),
}


def negates(text: str, word: str, start: int) -> bool:
    """Whether a word of negation negates here: not in "not only", and "free" only in "free of"."""
    end = start + len(word)
    if word in UNDOING and text.startswith((" all ", " every "), end):
        return True
    if word in ENDING and text.endswith(BEFORE_IT, 0, start):
        return False  # "ask your doctor before you stop taking it"
    if word == "nobody":
        return True
    if word in HANDLED and HANDLED[word].match(text, end):
        return False
    if (_NON if word == "non" else _NOT_NEGATED).match(text, end) and not text.startswith("no known", start):
        return False
    if (word in ("not", "never", "cannot") or word.endswith("n't")) and _BOUND.match(text, end):
        return False
    if word == "no" and _NOTHING_ABOVE.match(text, end):
        return False
    if word in ("without", "excluded", "exclude", "ruled", "rule", "denied") and NOT_WITHOUT.search(
        text, max(0, start - 60), start
    ):
        return False
    if word == "without" and WITHOUT_SO.match(text, end):
        return False
    if word in ENDING and ENDS_THEN.match(text, end):
        return False
    if word in ONLY_AFTER and not ONLY_AFTER[word].search(text, max(0, start - 40), start):
        return False
    if word in _SPLIT and not _SPLIT[word].match(text, end):
        return False
    if AVOIDED_END.match(text, end) and word in ENDING_NOUNS:
        return False
    following = _NEEDS_AFTER.get(word)
    return following is None or text.startswith(following, end)


# Faculties that are intact, and what the text denies by that; organs of a size that is not remarkable.
_INTACT = re.compile(
    r" (?:(?:is|was|are|were|remains?|remained|stays?|stayed) )?(?:[a-z]+ly )?"
    r"(?:intact|preserved|unaffected|normal|unimpaired)(?![a-z])"
)
_NOT_ENLARGED = re.compile(
    r" (?:(?:is|was|are|were) )?(?:not|isn't|wasn't|aren't|weren't) (?:enlarged|swollen|palpable)(?![a-z])"
)
INTACT = {
    "vision": ("vision loss", _INTACT), "hearing": ("hearing loss", _INTACT),
    "appetite": ("appetite loss", _INTACT), "sensation": ("numbness", _INTACT),
    "thyroid gland": ("goiter", _NOT_ENLARGED), "liver": ("hepatomegaly", _NOT_ENLARGED),
    "spleen": ("splenomegaly", _NOT_ENLARGED), "heart": ("cardiomegaly", _NOT_ENLARGED),
    "lymph node": ("lymphadenopathy", _NOT_ENLARGED),
}  # fmt: skip


def denied_by_health(term: str, text: str, end: int) -> str:
    """What a text denies that calls healthy what ends at `end`: "vision is unaffected"; "" for nothing."""
    loss, healthy = INTACT.get(term, ("", _INTACT))
    return loss if loss and healthy.match(text, end) else ""
