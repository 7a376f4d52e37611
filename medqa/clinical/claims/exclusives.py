"""What excludes each other: rows of alternatives, with the words that name each of them."""

import re

from medqa.clinical.notation.numbers import COUNTS

PLACES = (
    "eyes?|ears?|legs?|arms?|knees?|hips?|lungs?|kidneys?|breasts?|hands?|foot|feet|shoulders?|ankles?"
    "|wrists?|elbows?|testis|testes|testicles?|ovar(?:y|ies)|sides?|lower|upper|iliac|flank|lobe|nostril"
    "|hemisphere|thigh|calf|calves|groin|heels?|toes?|big toe|great toe|thumb|fingers?|index|little|middle"
    "|ring|forearm|forefoot|hindfoot|shin|buttock|cheek|temple|tonsil|parotid|submandibular|axill(?:a|ae|ary)"
    "|clavicle|collarbone|scapula|rib|humer(?:us|al)|radi(?:us|al)|ulnar?|fem(?:ur|oral)|tibial?|fibular?"
    "|patella|carotid|subclavian|jugular|brachial|popliteal|renal|ovarian|testicular|adrenal|tubal|fallopian"
    "|ureter(?:ic)?|hemithorax|hemicolon|pleural?|bronchus|main|pupil|retina|cornea|optic|orbit|lens|eyelid"
    "|mastoid|tympanic|vocal|facial|face|hemiparesis|hemiplegia|temporal|parietal|frontal|occipital|thalamus"
    "|cerebral|cerebellar|vertebral|middle|anterior|posterior|inguinal|fem|hypochondrium|loin|ventricle|atrium"
    "|ventricular|atrial|coronary|pulmonary|basal|apical|mid|sciatic|median|peroneal|saphenous|great|nipple"
    "|ear|antrum|maxillary|mandible|maxilla|achilles|acl|cruciate|bundle|sacroiliac"
    "|[a-z]+(?:ectomy|otomy|ostomy|plasty|oscopy|thorax|paresis|plegia)|rotator|biceps|hallux|deltoid|gluteal|gluteus"
)
_REGIONS = (
    "limbs?|lobes?|poles?|quadrant|eyelid|abdomen|lip|arms?|legs?|gi|gastrointestinal|back|jaw|teeth|molars?"
)
_FOOD = (
    "(?:(?:a |an |the |your |her |his |each |every |all )?(?:full |large |main |heavy |light |evening "
    ")?(?:food"
    "|meals?|eating|breakfast|lunch|dinner|supper|(?:you|she|he|they) (?:eats?|ha(?:ve|s) eaten)|having "
    "eaten))"
)
# After these, "ac" and "pc" are before and after meals.
_OFTEN = "(?:[bt]d|[tq]ds|[btq]id|od|daily|m?c?g|ml|min|minutes?|tablets?|capsules?)"
_LONG_TIME = rf"(?:[0-9]{{1,3}}|{'|'.join(COUNTS)}|an?) (?:weeks?|months?|years?)"
_TIME = (
    rf"(?:(?:[0-9]{{1,3}}|{'|'.join(COUNTS)}|an?|another|several) (?:days|weeks?|months?|years?|fortnight))"
)
_BY = r"(?:autosomal|x-linked)[ -]"
_TRAIT = r"(?:trait|inheritance|manner|pattern|way|transmission|fashion)s?\b"
_ENDS = r"(?:(?:stopp?|discontinu|reduc|withdraw)(?:e?d|ing|e|n)?|withdrew|come off)"
_ABRUPTLY = "(?:abruptly|suddenly|overnight|from one day to the next|all at once)"
# Row → its alternatives; a text that names one of a row contradicts a text that names another.
EXCLUSIVE = {
    "side": {
        "left": rf"(?<![a-z])left(?:-sided|[ -](?:{PLACES})(?![a-z]))",
        "right": rf"(?<![a-z])right(?:-sided|[ -](?:{PLACES})(?![a-z]))",
    },
    "food": {
        "with food": rf"\b(?:with|after|during|once(?! an? ))(?: or (?:just |shortly )?after)? {_FOOD}\b"
        rf"|\bp\.c\.|\b{_OFTEN} pc\b",
        "without food": rf"\b(?:on an )?empty stomach\b|\b(?:before|without|ahead of|prior to) {_FOOD}\b"
        rf"|\bbetween meals\b|\ba\.c\.|\b{_OFTEN} ac\b|\btaken? fasting\b|\bwhile fasting\b",
    },
    "meals or bedtime": {
        "at meals": r"\b(?:before|with|after|at) (?:(?:each|every|all|the) )?(?:main )?meals\b"
        r"|\b(?:before|with|after|at) (?:each|every) (?:main )?meal\b|\bat mealtimes\b",
        "at bedtime": r"\b(?:bedtime|nocte|(?:before|when|on) (?:going to )?(?:bed|sleep)"
        r"|last thing at night)\b",
    },
    "time of day": {
        "morning": r"\b(?:mornings?|mane|breakfast|on (?:waking|rising|awakening|getting up))\b",
        "evening": r"\b(?:evenings?|nocte|at night|nightly|bedtime|dinner|supper"
        r"|(?:before|on|when) (?:going to )(?:bed|sleep)|before bed|on retiring)\b",
    },
    "length": {
        "for life": r"\b(?:life-?long|for life|for good|permanently|indefinitely|for (?:the rest of"
        r"|all) (?:[a-z]+ ){1,2}li(?:fe|ves))\b",
        "for a time": r"\b(?:taken|tak(?:es?|ing)|continued?|given|treat\w*|needed|used|lasts?|therapy"
        r"|course)"
        rf" (?:[a-z]+ ){{0,3}}?(?:for|of|lasts?) (?:about |only )?{_TIME}\b|\bstop(?:ped)? after {_TIME}\b"
        rf"|\bfor (?:about |only )?{_LONG_TIME}(?=[ .]*$)",
    },
    "change": {
        "more": r"\b(?:was|were|is|are|be|been) (?:increased|raised|doubled)\b"
        r"|\b(?:increase|raise|double|step up) the dos(?:e|age)\b"
        r"|\b(?:rose|risen|rises|increased|climbed|raised|went up|gone up) (?:[a-z]+ ){0,2}(?:from|to)\b",
        "less": r"\b(?:was|were|is|are|be|been) (?:reduced|lowered|decreased|halved)\b|\b(?:reduce"
        r"|lower|halve|decrease|cut|step down) the dos(?:e|age)\b|\bdos(?:e|age) reduction\b"
        r"|\b(?:fell|fallen|falls|decreased|dropped|reduced|lowered|declined|came down"
        r"|went down) (?:[a-z]+ ){0,2}(?:from|to)\b",
    },
    "need": {
        "when needed": r"(?<!not )\b(?:only (?:when|if) (?:needed|required|necessary)"
        r"|as (?:needed|required)|when (?:needed|required)"
        r"|p\.?r\.?n\b|on demand)",
        "regularly": r"\b(?:(?:taken?|used?|given?|applied|continued) regularly|on a regular basis"
        r"|regularly(?=[ .]*$)"
        r"|not (?:(?:just|only) )?(?:as (?:needed|required)|prn|when (?:needed|required)|on demand)"
        r"|round[ -]the[ -]clock"
        r"|even without symptoms|at (?:fixed|regular) (?:times|intervals))\b",
    },
    "weight": {
        "gain": r"\b(?:gain(?:s|ed|ing)?|put on) (?:about |around |over |more than )?"
        r"[0-9.]+ ?(?:kg|kilo|lb|pound)",
        "loss": r"\b(?:lost|los(?:es?|ing)|shed) (?:about |around |over |more than )?"
        r"[0-9.]+ ?(?:kg|kilo|lb|pound)",
    },
    "course of doses": {
        "single": r"\b(?:as|in|by) (?:a |one )single (?:[a-z]+ )?(?:dose|injection|infusion)\b|\bone-off\b"
        r"|\bonce only\b|\bstat\b",
        "repeated": r"\b(?:daily|a day|[bt]d|tds|bid|tid|weekly|hourly) for [a-z0-9]+ (?:day|week|month)s"
        r"|\b(?:once|twice|three times) (?:daily|a day|each day|every day|weekly)\b|\bevery day\b",
    },
    "certainty": {
        "suspected": r"\b(?:suspected|possible|probable|presumed|query)\b",
        "proven": r"(?<!not )(?<!yet )(?<!be )(?<!un)\b(?:proven|confirmed|definite)\b",
    },
    "stability": {
        "unchanged": r"\bno change\b|\bunchanged\b|\bnot changed\b|n't changed\b|\b(?:remains?"
        r"|remained) stable\b",
        "changed": r"\b(?:has|have|had) (?:changed|worsened|deteriorated|declined)\b|\bfor the worse\b",
    },
    "together": {
        "apart": r"\bhours? (?:apart|between|(?:before|after)(?! (?:the |your |her |his |an? |any )?"
        r"(?:surg|operat|procedure|scan|test|birth|delivery|bedtime|exposure|onset|admission|intervention"
        r"|an?esthe|dialysis|biops|[a-z]*scopy)))\b",
        "together": r"\b(?:together with|at the same (?:time as|moment)|simultaneously with|along with)\b",
    },
    "withdrawal": {
        "gradual": r"\b(?:taper|wean)(?:ed|ing|s)?\b"
        rf"|\b{_ENDS} (?:[a-z]+ ){{0,3}}?(?:gradually|slowly)\b|\bgradual(?:ly)? {_ENDS}\b",
        "abrupt": rf"\b{_ENDS} (?:[a-z-]+ ){{0,3}}?{_ABRUPTLY}\b|\b(?:abruptly|suddenly) {_ENDS}\b",
    },
    "result": {
        "positive": r"(?<!not )(?<!n't )\bpositive\b|(?<!\w)not negative\b"
        r"|\b(?:cultures?|swabs?|samples?|blood|urine|sputum|fluid|csf|pus)"
        r" (?:(?:has|have|had) )?(?:grew|grown|yielded) (?!no|any)"
        r"|(?<!no )\b(?:organism|pathogen|bacteri[a-z]+)s? (?:was|were|has been)"
        r" (?:grown|isolated|cultured)\b",
        "negative": r"\bnegative\b|\bnot positive\b|\bno growth\b|\bgrew (?:no|any)"
        r"|\bnothing (?:has |had |was )?gr[eo]wn?\b"
        r"|\bcultures? (?:[a-z]+ ){0,3}sterile\b|\bsterile (?:on|in) culture\b"
        r"|\b(?:swabs?|cultures?|samples?) (?:is|was|are|were|came back|remained) clear\b"
        r"|\b(?:is|was|were|are|stayed|remained) sterile\b",
    },
    "tolerance": {
        "good": r"(?<!not )\b(?:well|good|happily|easily)[ -]tolerated\b|\btolerated? (?:[a-z]+ ){0,3}well\b",
        "bad": r"\b(?:poorly|badly|not)(?: well)?[ -]tolerated\b"
        r"|\btolerated? (?:[a-z]+ ){0,3}(?:badly|poorly)\b",
    },
    "smoking": {
        "never": r"\bnever (?:been a )?smok(?:ed|er)|\blifelong non-?smoker|\bnever-smoker",
        "formerly": r"\b(?:ex|former)[ -]smokers?\b|\bused to smoke|\b(?:gave up|given up|quit|stopped"
        r"|has stopped) (?:smoking|cigarettes)",
        "still": r"\b(?:still|currently) smok|\bcurrent smoker|\bsmokes\b",
    },
    "speed": {
        "fast": r"\b(?:rapid(?:ly)?|fast|quick(?:ly)?) (?:(?:iv|intravenous) )?(?:bolus|push|injection)\b"
        r"|\b(?:given|injected|pushed) (?:rapidly|fast|quickly)\b",
        "slow": r"\bslow(?:ly)? (?:(?:iv|intravenous) )?(?:bolus|push|injection|infusion)\b"
        r"|\b(?:given|injected|infused|intravenously|iv) slowly\b|\bslowly (?:into|intravenously|iv)\b",
    },
    "tumour": {
        "benign": r"\bbenign\b",
        "malignant": r"(?<!no )(?<!not )(?<!non-)(?<!without )(?<!evidence of )(?<!for )\bmalignan(?:t|cy)\b",
    },
    "displacement": {
        "displaced": r"(?<!not )(?<![a-z-])displaced\b",
        "in place": r"\b(?:un|non-?)displaced\b|\bnot displaced\b|\b(?:no|without) displacement\b",
    },
    "rupture": {
        "ruptured": r"(?<!not )(?<![a-z-])ruptured\b",
        "whole": r"\b(?:un|non-?)ruptured\b|\bnot ruptured\b|\b(?:no|without) rupture\b",
    },
    "complications": {
        "complicated": r"(?<!not )(?<![a-z-])complicated\b",
        "uncomplicated": r"\b(?:un|non-?)complicated\b|\bnot complicated\b|\b(?:no|without) complications?\b",
    },
    "course": {"acute": r"\bacute\b", "chronic": r"\bchronic\b"},
    "height": {
        "upper": rf"\bupper (?:{_REGIONS})\b", "lower": rf"\blower (?:{_REGIONS})\b",
    },
    "front": {"anterior": r"\banterior\b", "posterior": r"\bposterior\b"},
    "middle": {"medial": r"\bmedial\b", "lateral": r"\blateral\b"},
    "distance": {"proximal": r"\bproximal\b", "distal": r"\bdistal\b"},
    "vessel": {
        "arterial": r"\barterial\b(?! (?:blood )?(?:pressure|hypertension|line|catheter|access))",
        "venous": r"\bvenous\b(?! (?:pressure|line|catheter|access|cannula))",
    },
    "risk": {
        "low": r"\blow[ -](?:pre-?test )?(?:probability|risk|likelihood)\b",
        "high": r"(?<!very )\bhigh[ -](?:pre-?test )?(?:probability|risk|likelihood)\b",
    },
    "inheritance": {
        "dominant": rf"\b{_BY}dominant(?! negative)\b|\bdominant {_TRAIT}|\bdominantly inherited\b",
        "recessive": rf"\b{_BY}recessive\b|\brecessive {_TRAIT}|\brecessively inherited\b",
    },
    "chromosome": {
        "autosome": r"\bautosomal[ -](?:dominant|recessive)\b",
        "X": r"\b(?:x|sex)-linked\b",
        "mitochondria": r"\b(?:mitochondrial|maternal) (?:pattern of )?inheritance\b"
        r"|\b(?:in|has|shows) a (?:mitochondrial|maternal) (?:pattern|manner)",
    },
    "both sides": {"unilateral": r"\bunilateral(?:ly)?\b", "bilateral": r"\bbilateral(?:ly)?\b"},
}  # fmt: skip
# One of these is in every text that names an alternative of the row: a quick look before the patterns.
HINTS = {
    "side": ("left", "right"), "food": (
        "food", "meal", "eat", "breakfast", "dinner", "supper", "lunch", "stomach",
        "fasting", "c.", " pc", " ac",
    ),
    "meals or bedtime": ("meal", "bed", "sleep", "nocte", "last thing"),
    "length": (
        "life", "for good", "permanent", "long", "indefinitely", "live", " for ", "stop", "last", "course",
    ),
    "time of day": (
        "morning", "mane", "breakfast", "waking", "rising", "awakening", "getting up",
        "evening", "bed", "sleep", "retiring", "noct", "night", "bedtime", "dinner", "supper",
    ),
    "change": ("increas", "rais", "doubl", "rose", "ris", "climb", "up ", "reduc", "lower", "decreas",
               "halved", "fell", "fall", "drop", "declin", "down "),
    "need": ("need", "requir", "necessary", "prn", "p.r.n", "demand", "regular", "clock", "symptoms"),
    "risk": ("risk", "probability", "likelihood"),
    "weight": ("gain", "put on", "lost", "los", "shed"),
    "course of doses": ("single", "one-off", "once", "stat", " for "),
    "certainty": ("suspected", "possible", "probable", "presumed", "query", "proven",
                  "confirmed", "definite"),
    "stability": ("change", "stable", "worse", "deteriorat", "declin"),
    "together": ("hour", "together", "same", "simultaneous", "along"),
    "withdrawal": ("abrupt", "sudden", "overnight", "one day to", "at once", "taper",
                   "gradual", "slowly", "wean"),
    "result": ("tive", "grew", "growth", "grown", "sterile", "clear", "yielded", "isolated",
               "cultured"), "smoking": ("smok", "cigarettes"),
    "tolerance": ("tolerate",), "speed": ("rapid", " fast", "quick", "slow"),
    "tumour": ("benign", "malignan"),
    "displacement": ("displace",), "rupture": ("rupture",), "complications": ("complicat",),
    "course": ("acute", "chronic"),
    "height": ("upper", "lower"), "front": ("terior",), "middle": ("medial", "lateral"),
    "inheritance": ("dominant", "recessive"), "chromosome": ("autosomal", "-linked", "inherit", "mitochond"),
    "distance": ("proximal", "distal"), "vessel": ("arterial", "venous"), "both sides": ("lateral",),
}  # fmt: skip
ROW_OF_HINT = [(hint, row) for row, hints in HINTS.items() for hint in hints]
PATTERNS = {
    row: {label: re.compile(pattern) for label, pattern in labels.items()}
    for row, labels in EXCLUSIVE.items()
}
