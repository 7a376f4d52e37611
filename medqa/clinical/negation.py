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
    "denying absence absent lack lacks lacking lacked free negative excludes exclude excluding "
    "excluded ruled rules rule "
    "avoid avoids avoiding avoidance discontinuation withdrawal cessation replaces replacing come "
    "coming came away stop stops stopping discontinue discontinuing withhold withholding omit "
    "omitting hold refrain "
    "interrupt interrupting pause pausing skip skipping leave leaving "
    "contraindicated contraindicates contraindicate precludes instead rather unlikely forbid forbidden clear "
    "refuse refuses nil prohibited replaced off against quit quits quitting nobody unable gave ex former "
    "forbids prohibits break"
)
_NEEDS_AFTER = {
    "absence": " of ", "lack": " of ", "lacks": " ", "lacking": " ", "absent": " ",
    "free": (" of ", " from "),
    "negative": " for ",
    "instead": " of ", "rather": " than ",
    "refrain": " from ", "unlikely": (" to ", " that "), 
    "contraindicated": " to ",
    "unable": " to ", "gave": " up ", "ex": "-", "former": (" smok", " drink", " user", " alcohol"),
    "avoidance": " of ", "clear": " of ", "off": " ",
    "discontinuation": " of ", "withdrawal": " of ", "cessation": " of ",
    "away": " from ", "come": " off ", "coming": " off ", "came": " off ", "replaces": " ", "replacing": " ",
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
    "withhold withholding omit omitting avoid hold exclude skip skipping skipped"
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
# "No reason to put off the vaccine", "unlikely that the cough is due to ramipril"
_NO_REASON = (
    r"(?:(?:an?|any|good|valid|real) ){0,2}reasons? (?:to|for) (?:put(?:ting)? off|postpon(?:e|ing)"
    r"|delay(?:ing)?|defer(?:ring)?)|that (?:[a-z'-]+ ){1,5}?(?:is|was|are|were) (?:due to|caused by"
    r"|the cause|because of|related to|linked to)"
)
# What looks like a negation and is none.
_NOT_NEGATED = re.compile(
    r"[ -](?:(?:any |an? |the )?(?:absolute |strict |formal )?(?:barrier|problem|objection|obstacle|harm|bar"
    r"|contra-?indications?|concern|worry|worries|hesitation|difficulty)"
    rf"|{_RELATES}|{_TREATS}|{_NO_REASON}"
    r"|(?:further |routine )?(?:(?:dose|dosage|dosing) )?(?:adjustments?|modifications?|titration)|only|just"
    r"|merely|necessarily|increase"
    r"|decrease|change|(?:be )?(?:(?:be |take |taken |give |given |use |used |have |had |get |drink "
    r"|apply |inject |swallow |receive |exceed |infuse "
    r"|be (?:infused|run|injected|administered) |run |last |stay |go )?(?:on )?(?:for )?(?:any )?)?"
    r"(?:more|less|later|earlier|fewer|sooner|longer|shorter|faster|slower|older|younger) than"
    r"|be certain|certain|(?:be )?den(?:y|ied)|(?:yet )?(?:be |been )?(?:rule|ruled|excluded?)(?: out)?"
    r"|doubt|until|(?:but|other than)(?= [a-z])|(?:be )?(?:delayed|postponed|deferred|put off)"
    r"|preclude|prohibit|forbid|to (?:worry|fear|be (?:concerned|worried|afraid))"
    r"|uncommon|uncommonly|unusual"
    r"|unusually|rare|rarely|always|matter|all|every|enough|sure|know|known(?! to (?:be|have))"
    r"|contraindicat\w+|forget|hesitate|delay"
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
# Parts of NEGATED_AFTER: "was clearly" + "ruled out", "should not be" + "given".
_BE = (
    r"(?:is|was|are|were|been|be|being|has been|have been|tests?(?! (?:excluded|ruled out))|tested|remains?)"
)
# What may follow "given" of the same medicine; a noun there is what is given: "must not be given enalapril".
_WITH_GIVEN = (
    r"(?:to|in|for|with|at|by|as|if|when|while|during|after|before|until|together|again|because|since|and|or"
    r"|but|unless|within|on|alongside|this|either|iv|im|once|twice|without|here|now|yet|via|more|less|than|from"
    r"|then|under|over|every|daily|alone|first|[a-z]+ly)(?![a-z])"
)
_ADVERB = (
    r"(?:\w+ly |best |always |to be |now |also "
    r"|(?:felt|thought|considered|deemed) (?:to (?:be|have been) )?)?"
)
_REJECTED = (
    r"(?:ruled out|excluded|absent|unlikely(?! to (?!be (?:present|the cause)))"
    r"|negative(?! for| to)|contra-?indicated|avoided"
    r"|stopped(?! (?:after|gradually|slowly|step by step|early|(?:if|once|when) (?:the )?cultures)(?![a-z]))"
    r"|(?:discontinued|withdrawn)(?! (?:after|gradually|slowly)(?![a-z]))|halted|suspended(?! in)"
    r"|withheld|omitted|missing|refused|declined|interrupted|dropped|skipped|left out|given up|put on hold"
    r"|kept away|kept off"
    r"|replaced (?:by|with)(?! (?:levo)?thyroxine| hydrocortisone| insulin| oral | iv )"
    r"|unnecessary|unavailable|unsafe|unsuitable|undetectable"
    r"|undetected|forbidden|prohibited|disproved|refuted|improbable|implausible|denied|ceased"
    r"|inappropriate|inadvisable|held|resolved|paused|off limits|out of the question"
    r"|subsided)"
)
_NOT = (
    r"(?:(?:is|was|are|were|been|be|has|have|had|do|does|did|can|could|should|must|may|need|would|will|ought)"
    r"(?: ?not|n't)|cannot|can't|won't|never)(?: to)?(?: have)?(?: been| be)?"
)
_ACCEPTED = (
    # "Not elevated" says nothing against the enzyme itself.
    r"(?!elevated|raised|enlarged|increased|reduced|decreased|changed|altered|associated|impaired"
    r"|limited|affected"
    r"|(?:exceed|need|bleed|feed|proceed|succeed)(?![a-z])|completed|healed|confirmed|established"
    r"|proven|interrupted|stopped|discontinued|withheld"
    r"|avoided|delayed|postponed|omitted|paused|(?!combined)\w+ed (?:by|with) |resolved|controlled"
    r"|treated|cured|prevented|improved|involved|infected|inflamed|displaced"
    r"|ruptured|perforated|spread|progressed"
    # What must not be done to a tablet says nothing against it.
    r"|(?:crush|chew|split|halv|open|dissolv|doubl|exceed|miss|squeez|suck|divid|shak|massag)ed"
    r"|(?:broken|cut|shaken|frozen)(?![a-z]))"
    r"(?:seen|present|found|likely|evident|taken"
    rf"|given(?! (?!{_WITH_GIVEN})[a-z])"
    r"|necessary|appropriate|safe|possible|advisable|feasible|sensible|wise|visible|shown|felt|heard|palpable"
    r"|apparent|helpful|effective|suitable|prescribe|\w+ed)"
    r"(?! (?:any|an?|evidence|signs?|further"
    r"|to (?:cause|lead|increase|raise|harm|affect|work|help|reduce|prevent)) )"
)
_ENDED = (
    r"(?:has|have|had) (?:now |since )?(?:stopped|ceased|resolved|subsided|settled|disappeared"
    r"|gone(?! on| up| down| from| to)|cleared|ended|finished)"
    r"|(?:is|are) (?:now )?gone(?! on| up| down| from| to)"
)
ENDED_AFTER = re.compile(rf" (?:{_ENDED})(?![a-z])")
# What negates backwards: "pneumonia was ruled out", "oedema: none", "aspirin should be avoided".
NEGATED_AFTER = re.compile(
    r"(?:-[0-9]+)?(?:, (?:which|who|including|especially|such as) [^.;:,!?\n]{1,60},"
    r"|,(?= (?:is|are|was|were|should|must) ))?(?:"
    rf"[^.;:,!?\n]{{0,30}}? (?:{_BE} {_ADVERB}{_REJECTED}|{_NOT} {_ADVERB}{_ACCEPTED}|{_ENDED}"
    rf"|{_NOT} {_ADVERB}an? (?:[a-z]+ )?(?:option|choice|idea)"
    r"|(?:is|are)(?: not|n't) (?:meant |intended )?for (?:children|under|anyone|people|babies|infants|adults"
    r"|women|men|patients|those)"
    rf"|(?:not|never) (?:been |be )?{_ACCEPTED}|unlikely(?! to )|improbable|absent|unnecessary"
    r"|(?:stay(?:s|ed)?|remain(?:s|ed)?|comes?|came|(?:is|be|was|were) (?:kept|left|taken)) off"
    r"(?= (?:for|until|till|on|during|after|while|as)(?![a-z])| *[.;,:)\n]| *$))"
    # "HIV and hepatitis C negative"
    r"|(?: (?:and|or) [a-z]+)?(?:[ -][a-z0-9]{1,2})?"
    r"(?: (?:swabs?|tests?|testing|screen(?:ing)?|cultures?|pcr|antigen|serology"
    r"|results?|antibod(?:y|ies)|smears?|ag(?:/ab)?|ab|igg|igm|rna|dna|serum"
    r"|assay)){0,2}(?: (?:is|was|were|are|came back|returned|comes back"
    r"|has been)|:)?(?: all| both)?[ -](?:negative(?! for| to)|non-?reactive|free(?! of| from| to)|na[iï]ve)"
    r"|[ -](?:excluded|ruled out|contra-?indicated|discontinued|withheld|omitted|stopped|withdrawn|ceased)"
    r"(?= *[.;:,)\n]| *$| "
    r"(?:by|on|in|at|as) )"
    # "neurological deficit: none", "rash - no"
    r"|(?:[ -][a-z-]+){0,2} ?(?:[:=]|-(?= )) ?(?:none|absent|nil|no known|none known|nkd?a|unlikely"
    r"|contraindicated"
    r"|avoid(?= *[.;,)\n]| *$| (?:in|during|with|while|if|when|for) )|ruled out|excluded"
    r"|(?:no|negative|denied|denies|\(-\)|not (?:seen|present|found|evident|\w+ed))(?= *[.;,\n]| *$))"
    # "metformin: withhold for 48 h", "aspirin - omit"
    r"| ?(?:[:=]|-(?= )) ?(?:withhold|omit|stop|hold|pause|discontinue|skip|leave out)"
    r"(?= *[.;,)\n]| *$| [0-9]"
    r"| (?:in|on|for|during|from|before|until|while|if|when|pre|this|next|today|tonight|tomorrow|now"
    r"|temporarily)(?![a-z]))"
    r"| (?:none|nil|no)(?= *[.;,\n]| *$))(?![a-z])"
)
COMBINED = re.compile(r"\b(?:combin[a-z]+|together|concurrent[a-z]*|concomitant[a-z]*|co-?prescri[a-z]+)\b")
# A verb of several things: "HBV and HIV tests were all negative"
SEVERAL = re.compile(r"\b(?:tests|were|are|all|both)\b")
# "Blood cultures were negative", "the HIV test was non-reactive"
RESULT = re.compile(r"(?:negative|reactive)$")
# After a statement with a verb another one begins: "furosemide was increased and ramipril was stopped".
OTHER_STATEMENT = re.compile(
    r" (?:is|was|are|were|has|have|had|goes|went|continues|continued|increased|started"
    r"|reduced)(?![a-z]).* and "
    r"[a-z-]+ (?:is|was|are|were|has|have|had|must|should|stopped|withheld|discontinued)(?![a-z])"
)
# "He has diabetes and hypertension was excluded": the verb is of one thing.
OF_ANOTHER = re.compile(r" and [a-z -]{1,25}? (?:is|was|has)(?![a-z])")
# What leaves open: "cannot be excluded", "has not been ruled out", "is not excluded".
_OPEN_AFTER = re.compile(
    r"[^.;:!?\n]{0,30}?(?:not|n't|never) (?!needed|necessary|required|recommended|indicated|advised)"
    r"[^.;:!?\n]{0,30}?(?:without|unless)(?![a-z])|"
    r"[^.;:!?\n]{0,30}?(?:(?:not|n't|cannot|never) (?:yet )?(?:(?:have |need )?to )?"
    r"(?:completely |entirely |fully )?(?:be |been )?(?:yet )?"
    r"(?:ruled out|excluded|contraindicated|stopped|discontinued|withheld|avoided|omitted|interrupted|dropped"
    r"|skipped|left out|given up|unlikely"
    r"|negative|unnecessary)"
    r"|(?:(?<!felt )(?<!thought )(?<!considered )(?<!deemed )to|should|must|needs? to|has to|have to"
    r"|until) (?:be )?"
    r"(?:ruled out|excluded)|not negative)"
)
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
LISTING = words("deny denies denied denying negative avoid avoids avoiding stop stopping withhold")
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
# What makes of these words negations: "keep it off the face", but not "a day off"; "replaced amlodipine".
ONLY_AFTER = {
    "break": re.compile(r"\b(?:take|takes|taking|took|have|having) (?:a|an) (?:[a-z]+ )?$"),
    "away": re.compile(r"\b(?:keep|keeps|keeping|kept|stay|stays|staying|steer|shy)(?: [a-z]+){0,4} $"),
    "off": re.compile(
        r"\b(?:keep|keeps|keeping|kept|stay|stays|staying)(?: [a-z]+)? $"
        r"|(?:\b(?:is|was|are|were|been)|'s) (?:now )?$"
    ),
    "rule": re.compile(r"(?<!to )$"),
    "against": re.compile(
        r"\b(?:advis|advice|recommend|counsel|warn|caution|decid|decision)[a-z]*(?: [a-z]+){0,2} $"
    ),
    "replaced": re.compile(r"(?<!is )(?<!was )(?<!are )(?<!were )(?<!be )(?<!been )(?<!being )$"),
}


# "Sudden withdrawal of clonidine must be avoided" is advice for it.
ENDING_NOUNS = words(
    "withdrawal discontinuation cessation avoidance stopping discontinuing withholding omitting"
)
AVOIDED_END = re.compile(
    r" (?:of )?(?:[a-z-]+ ){1,4}?(?:abruptly |suddenly )?(?:(?:must|should|is|are|to) (?:to )?"
    r"(?:not (?:be )?(?:recommended|advised|stopped|done)"
    r"|be avoided|dangerous|unsafe|harmful|contra-?indicated)"
    r"|(?:can|may|might) (?:cause|lead|trigger|provoke))"
    r"(?![a-z])"
)


def negates(text: str, word: str, start: int) -> bool:
    """Whether a word of negation negates here: not in "not only", and "free" only in "free of"."""
    end = start + len(word)
    if word in UNDOING and text.startswith((" all ", " every "), end):
        return True
    if word in ENDING and text.endswith(BEFORE_IT, 0, start):
        return False  # "ask your doctor before you stop taking it"
    if word == "nobody":
        return True
    if (_NON if word == "non" else _NOT_NEGATED).match(text, end) and not text.startswith("no known", start):
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


def negated_after(text: str, end: int, is_test: bool = False) -> int | None:
    """Where the words end that negate the term that ends at `end`; None when nothing after it does.

    A test that is negative has been done, and what it looks for is denied.
    """
    match = NEGATED_AFTER.match(text, end)
    if (
        match is None
        or (is_test and RESULT.search(match.group()))
        or OTHER_STATEMENT.search(match.group())
        or OF_ANOTHER.match(text, end)
    ):
        return None
    left_open = _OPEN_AFTER.match(text, end)
    return None if left_open and left_open.end() >= match.end() - 2 else match.end()


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
