"""What negates a term from behind: "pneumonia was ruled out", "aspirin should be avoided", "oedema: none"."""

import re

from medqa.clinical.terms.negation import BOUND

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
# What replaces a medicine or patch and is the same one: "by a new patch", "with a modified-release tablet"
_SAME_IN_ANOTHER_FORM = (
    "new|fresh|modified|sustained|slow|prolonged|extended|immediate|long|once|twice|liquid|generic|same"
    "|single|lower|higher|smaller|larger|weekly|daily"
)
_REJECTED = (
    r"(?:ruled out|excluded|absent|unlikely(?! to (?!be (?:present|the cause)))"
    r"|negative(?! for| to)|contra-?indicated|avoided"
    r"|stopped(?! (?:after|gradually|slowly|step by step|early|(?:if|once|when) (?:the )?cultures)(?![a-z]))"
    r"|(?:discontinued|withdrawn)(?! (?:after|gradually|slowly)(?![a-z]))|halted|suspended(?! in)"
    r"|withheld|omitted|missing|refused|declined|interrupted|dropped|skipped|left out"
    r"|given up(?! to)|put on hold"
    r"|kept away|kept off|held back|on hold|c/i|out of bounds|off the table|cancelled|called off"
    r"|banned|barred"
    r"|taken off"
    r"|replaced(?: (?:by|with)(?! (?:levo)?thyroxine| hydrocortisone| insulin| oral | iv "
    rf"| (?:an? |the )?(?:{_SAME_IN_ANOTHER_FORM})(?![a-z]))|(?= *(?:[.;,:)\n]|$)))"
    r"|unnecessary|unavailable|unsafe|unsuitable|undetectable"
    r"|undetected|forbidden|prohibited|disproved|refuted|improbable|implausible|denied|ceased"
    r"|superfluous|redundant|dispensed with|dispensable|inappropriate|inadvisable|held|resolved|paused"
    r"|off limits|out of the question"
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
    # What is not known of a thing says nothing against it.
    r"|studied|investigated|evaluated|assessed|researched|explored|characteri[sz]ed|determined"
    # What must not be done to a tablet says nothing against it.
    r"|(?:crush|chew|split|halv|open|dissolv|doubl|exceed|miss|squeez|suck|divid|shak|massag|swallow)ed"
    # What becomes of a medicine in the body says nothing against it either.
    r"|(?:absorb|adsorb|metaboli[sz]|excret|eliminat|remov|dialy[sz]|activat|bind)ed"
    r"|(?:broken|cut|shaken|frozen)(?![a-z]))"
    r"(?:seen|present|found|likely|evident|taken"
    rf"|given(?! (?!{_WITH_GIVEN})[a-z])"
    r"|necessary|appropriate|safe|possible|advisable|feasible|sensible|wise|visible|shown|felt|heard|palpable"
    r"|apparent|helpful|effective|suitable|prescribe|\w+ed)"
    r"(?! (?:any|an?|alone|on its own|by itself|evidence|signs?|further"
    r"|to (?:cause|lead|increase|raise|harm|affect|work|help|reduce|prevent)) )"
    rf"(?!{BOUND})"
)
_ENDED = (
    r"(?:has|have|had) (?:now |since )?(?:been gone|stopped|ceased|resolved|subsided|settled|disappeared"
    r"|gone(?! on| up| down| from| to)|cleared|ended|finished)"
    r"|(?:is|are) (?:now )?gone(?! on| up| down| from| to)"
)
# "Paracetamol is fine, whereas aspirin is not."
_ELIDED = (
    r"(?:(?:is|are|was|were|should|must|can|may|do|does)(?: not|n't)|cannot|can't|(?:has|have) to go)"
    r"(?= *[.;,:)\n]| *$| (?:as|because|since)(?![a-z]))"
)
ENDED_AFTER = re.compile(rf" (?:{_ENDED})(?![a-z])")
# What negates backwards: "pneumonia was ruled out", "oedema: none", "aspirin should be avoided".
NEGATED_AFTER = re.compile(
    r"(?:-[0-9]+)?(?:, (?:which|who|including|especially|such as) [^.;:,!?\n]{1,60},"
    r"|,(?= (?:is|are|was|were|should|must) ))?(?:"
    rf"[^.;:,!?\n]{{0,30}}? (?:{_BE} {_ADVERB}{_REJECTED}|{_NOT} {_ADVERB}{_ACCEPTED}|{_ENDED}|{_ELIDED}"
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
    rf"|(?:no|negative|denied|denies|\(-\)|not {_ACCEPTED})(?= *[.;,\n]| *$))"
    # "metformin: withhold for 48 h", "aspirin - omit"
    r"| ?(?:[:=]|-(?= )) ?(?:withhold|omit|stop|hold|pause|discontinue|skip|leave out)"
    r"(?= *[.;,)\n]| *$| [0-9]"
    r"| (?:in|on|for|during|from|before|until|while|if|when|pre|this|next|today|tonight|tomorrow|now"
    r"|temporarily)(?![a-z]))"
    r"| (?:none|nil|no)(?= *[.;,\n]| *$)| an? (?:miss|poor choice|bad choice)"
    # "Chest pain: she has not had any"
    r"|[:,-]? (?:-? ?)(?:she|he|they|i) (?:has|have|had|do|does|did)(?: not|n't) (?:had|have|got"
    r"|feel|felt|report(?:ed)?) any)"
    r"(?![a-z])"
)
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
# "Group O negative"; "until MRSA was excluded", where something else than the term before it is denied
BLOOD_GROUP = re.compile(
    r"(?: group)?:? (?:(?:is|was|are) )?(?:ab|[abo])(?: ?rh(?:esus)?(?: ?\(?d\)?)?)?[ -]negative(?![a-z])"
)
OTHER_SUBJECT = re.compile(
    r" (?:until|unless|because|whereas|although|while|so that) (?:the |a |an )?(?!it |they |this "
    r"|used |taken |given |in )"
    r"[a-z-]+ (?:[a-z-]+ ){0,3}?(?:is|was|are|were|has|have|had)(?![a-z])"
    r"| (?:when|if|once|after) (?:the |her |his |your )?[a-z-]+ (?:has|have|had)(?![a-z])"
)


def negated_after(text: str, end: int, is_test: bool = False) -> int | None:
    """Where the words end that negate the term that ends at `end`; None when nothing after it does.

    A test that is negative has been done, and what it looks for is denied.
    """
    match = NEGATED_AFTER.match(text, end)
    if (
        match is None
        or BLOOD_GROUP.match(text, end)
        or OTHER_SUBJECT.search(match.group())
        or (is_test and RESULT.search(match.group()))
        or OTHER_STATEMENT.search(match.group())
        or OF_ANOTHER.match(text, end)
    ):
        return None
    left_open = _OPEN_AFTER.match(text, end)
    return None if left_open and left_open.end() >= match.end() - 2 else match.end()
