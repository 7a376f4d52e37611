"""Routes by which a medicine is given: "by mouth", "orally" and "PO" are one route."""

import re


def _into(organ: str) -> str:
    """The ways of saying that something is put into an eye or ear: "into your left eye", "in both eyes"."""
    which = ("", *(f"{one}_" for one in ("left", "right", "affected", "worse", "sore")))
    whose = [f"{one}_{side}{organ}" for one in ("the", "your", "her", "his", "my") for side in which]
    whose += [
        f"each_{organ}",
        f"one_{organ}",
        f"both_{organ}s",
        f"the_{organ}s",
        f"left_{organ}",
        f"right_{organ}",
    ]
    return " ".join(f"{into}_{name}" for into in ("into", "in", "to") for name in whose)


# route → ways of writing it, "_" for a space.
WRITTEN = {
    "by mouth": "oral orally by_mouth per_os po per_oral through_the_mouth",
    "intravenous": "through_a_vein through_a_drip by_drip via_a_drip intravenous intravenously iv "
    "into_a_vein into_the_vein by_vein",
    "intramuscular": "intramuscular intramuscularly im into_a_muscle into_the_muscle "
    "into_the_gluteal_muscle into_the_thigh into_a_large_muscle into_the_deltoid into_the_thigh_muscle "
    "into_the_outer_thigh_muscle into_the_outer_thigh anterolateral_thigh",
    "subcutaneous": "into_the_fat subcutaneous subcutaneously sc sq subq subcut under_the_skin",
    "sublingual": "sublingual sublingually sl under_the_tongue",
    "buccal": "buccal buccally oromucosal between_the_gum_and_cheek between_gum_and_cheek inside_the_cheek",
    "rectal": "into_the_rectum into_the_back_passage rectally per_rectum pr rectal_suppository "
    "rectal_suppositories rectal_diazepam rectal_gel "
    "rectal_enema",
    "vaginal": "into_the_vagina vaginally intravaginal intravaginally pv vaginal_cream vaginal_tablet "
    "vaginal_tablets "
    "vaginal_ring vaginal_gel vaginal_suppository vaginal_pessary vaginal_estrogen vaginal_oestrogen",
    "topical": "topical topically applied_to_the_skin to_the_skin",
    "transdermal": "transdermal transdermally",
    "inhaled": "inhaled by_inhalation by_inhaler via_inhaler via_an_inhaler nebulised nebulized by_nebuliser "
    "by_nebulizer",
    "nasal": "intranasal intranasally nasal_spray into_each_nostril in_each_nostril to_each_nostril",
    "into the eye": "ophthalmic eye_drop eye_drops eyedrops " + _into("eye"),
    "into the ear": "otic ear_drop ear_drops eardrops " + _into("ear"),
    "intradermal": "intradermal intradermally",
    "intrathecal": "intrathecal intrathecally",
    "epidural": "epidural epidurally",
    "intraosseous": "intraosseous intraosseously io",
    "into a joint": "intra-articular intraarticular",
    "intravitreal": "intravitreal intravitreally",
    "by feeding tube": "nasogastric nasogastrically by_feeding_tube via_feeding_tube ng_tube",
}
PHRASES = {name.replace("_", " "): route for route, names in WRITTEN.items() for name in names.split()}
FIRST_WORDS = {phrase.split()[0] for phrase in PHRASES}
LONGEST = max(len(phrase.split()) for phrase in PHRASES)

# Abbreviations that are a route only in capitals or with full stops: "im" and "po" are parts of other words.
CAPITALS = {"po", "iv", "im", "sc", "sq", "sl", "pr", "pv", "io"}
# Also in small letters soon after an amount: "40 mg po".
AFTER_AMOUNT = {"po", "iv", "im", "sc", "sq", "sl", "pr"}
# "given iv", "inject it im"
GIVEN_BEFORE = re.compile(
    r"\b(?:given|give|gives|administered|infused|injected|inject|injection|taken|dosed?|slow|slowly|only|route|either|or)"
    r"(?: (?:it|them|this|only|always|slowly|strictly))? $"
)
# Right eye, left eye, both eyes; "OD" is also once daily.
EYES = {"od", "os", "ou"}
EYE_BEFORE = re.compile(r"(?:drops?|gtts?|eye|ophthalmic|ointment|instil\w*)[^.;\n]{0,25}$")
# What the same adjective says of a place, not of a route: "oral cancer", "inhaled smoke", "PR interval".
PLACE = {
    "oral": re.compile(
        " (?:and|cavit|health|hygiene|cancer|thrush|candid|ulcer|mucos|lesion|herpes|sex|surg|leuko|exam"
        "|care|temper|problem|infection|disease|symptom|tissue|pain|sore|manifest|finding|history|squamous"
        "|soft|bacteria|lichen)"
    ),
    "subcutaneous": re.compile(
        " (?:fat|tissue|nodule|emphysema|layer|swelling|oedema|edema|lipoma|cyst|mass|tumou?r|bleed)"
    ),
    "sublingual": re.compile(" (?:gland|varic)"),
    "buccal": re.compile(" (?:mucosa|cavity|surface|swab)"),
    "inhaled": re.compile(
        " (?:smoke|particle|dust|fume|allergen|foreign|toxin|chemical|irritant|object|into)"
    ),
    "ophthalmic": re.compile(" (?:artery|zoster|nerve|exam)"),
    "epidural": re.compile(" (?:abscess|h(?:a)?ematoma|space)"),
    "intra-articular": re.compile(" fracture"),
    "under the skin": re.compile(" (?:surface|that|which|and can)"),
    "pr": re.compile(" interval"),
}
# "IV" is also the Roman four.
ROMAN_BEFORE = re.compile(
    r"\b(?:stages?|rome|class|types?|grades?|phase|factors?|nerves?|groups?|level|category|iii|collagen|cn)"
    r"(?: or| and| to|,|-)? $|[-/]$"
)
WORD = re.compile(r" ?([a-z]+(?:-[a-z]+)?)")
DOTTED = re.compile(r"[a-z](?:\.[a-z])+\.?")


def read_eye(text: str, raw: str, start: int, end: int) -> bool:
    """Whether a word is OD, OS or OU of an eye: after drops, not "once daily"."""
    return (
        text[start:end] in EYES
        and raw[start:end].isupper()
        and EYE_BEFORE.search(text, max(0, start - 40), start) is not None
    )


def read_route(text: str, raw: str, start: int, after_amount: bool) -> tuple[str, int] | None:
    """The route that begins at `start` of an evened text, and where its words end; None for none."""
    dotted = DOTTED.match(text, start)
    if dotted is not None:
        phrase = dotted.group().replace(".", "")
        return (PHRASES[phrase], dotted.end()) if phrase in CAPITALS else None
    words: list[str] = []
    ends: list[int] = []
    position = start
    while len(words) < LONGEST and (word := WORD.match(text, position)) is not None:
        words.append(word.group(1))
        position = word.end()
        ends.append(position)
        if words[0] not in FIRST_WORDS:
            return None
    for count in range(len(words), 0, -1):
        phrase = " ".join(words[:count])
        if phrase not in PHRASES:
            continue
        end = ends[count - 1]
        in_small_letters = phrase in AFTER_AMOUNT and (
            after_amount or GIVEN_BEFORE.search(text, max(0, start - 30), start) is not None
        )
        if phrase in CAPITALS and not (raw[start:end].isupper() or in_small_letters):
            return None
        if phrase == "iv" and ROMAN_BEFORE.search(text, max(0, start - 16), start):
            return None
        if phrase in PLACE and PLACE[phrase].match(text, end):
            return None
        return PHRASES[phrase], end
    return None
