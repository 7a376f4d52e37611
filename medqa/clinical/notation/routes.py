"""Routes by which a medicine is given: "by mouth", "orally" and "PO" are one route."""

import re
from collections.abc import Iterable


def _at(prepositions: str, places: str) -> str:
    """The ways of saying where something goes: "into_vein", for "into the vein" and "into her vein"."""
    return " ".join(f"{where}_{place}" for where in prepositions.split() for place in places.split())


def _into(organ: str) -> str:
    """The ways of saying that something is put into an eye or ear: "into your left eye", "in both eyes"."""
    sides = ("left", "right", "affected", "worse", "sore", "infected", "each", "one")
    places = [organ, f"{organ}s", f"both_{organ}s", f"both_of_{organ}s", f"{organ}_canal"]
    places += [f"{side}_{organ}" for side in sides]
    forms = f"{organ}_drop {organ}_drops {organ}drop {organ}drops {organ}_ointment"
    return f"{_at('into in to', ' '.join(places))} {forms}"


# route → ways of writing it, "_" for a space, without articles and possessives.
WRITTEN = {
    "by mouth": "oral orally by_mouth per_os po per_oral through_mouth via_mouth perorally peroral swallowed "
    "swallow swallows by_oral_route via_oral_route",
    "intravenous": "by_drip as_drip in_drip on_drip intravenous intravenously iv by_vein into_bloodstream "
    + _at("into through via by", "vein veins peripheral_vein central_vein arm_vein drip drip_line iv_line "
          "cannula venous_cannula central_line central_venous_line central_venous_catheter picc_line picc"),
    "intramuscular": "intramuscular intramuscularly im anterolateral_thigh "
    + _at("into in", "muscle muscles gluteal_muscle large_muscle deltoid deltoid_muscle thigh_muscle "
          "outer_thigh outer_thigh_muscle upper_arm_muscle buttock_muscle")
    + " into_thigh into_buttock into_buttocks into_upper_outer_thigh",
    "subcutaneous": "subcutaneous subcutaneously sc sq subq subcut subcutan under_skin beneath_skin "
    + _at("into", "fat fatty_tissue abdominal_fat belly_fat tummy_fat fatty_layer fat_layer "
          "subcutaneous_tissue"),
    "sublingual": "sublingual sublingually sl " + _at("under beneath below underneath", "tongue"),
    "buccal": "buccal buccally oromucosal between_gum_and_cheek between_cheek_and_gum "
    "between_upper_lip_and_gum " + _at("into inside against", "cheek gum"),
    "rectal": "rectally per_rectum pr rectal_suppository rectal_suppositories rectal_diazepam rectal_gel "
    "rectal_enema rectal_solution rectal_tube as_suppository by_suppository "
    "as_suppositories as_enema by_enema "
    + _at("into via through up", "rectum back_passage bottom anus rectal_route"),
    "vaginal": "vaginally intravaginal intravaginally pv per_vaginam vaginal_cream vaginal_tablet "
    "vaginal_tablets vaginal_ring vaginal_gel vaginal_suppository vaginal_pessary vaginal_pessaries "
    "vaginal_estrogen vaginal_oestrogen pessary pessaries into_vagina into_front_passage",
    "topical": "topical topically cutaneously rub_in rubbed_in rubbed_into rub_into massaged_into "
    "applied_thinly apply_thinly apply_thin applied_locally spread_thinly smeared_on dabbed_on "
    + _at("to onto", "skin affected_skin affected_area affected_areas itchy_areas"),
    "transdermal": "transdermal transdermally skin_patch skin_patches through_skin",
    "inhaled": "inhaled inhale inhales inhaling by_inhalation by_inhaler via_inhaler through_inhaler "
    "nebulised nebs neb "
    "nebulized breathed_in breathe_in breathes_in breathing_in per_inhalation through_spacer via_spacer "
    "through_mouthpiece " + _at("by via through in with from", "nebuliser nebulizer"),
    "nasal": "intranasal intranasally nasal_spray nasal_sprays nasally sniffed nose_drops nose_spray "
    "nasal_drops up_nose into_nose "
    + _at("up into in to", "nostril nostrils each_nostril one_nostril both_nostrils left_nostril "
          "right_nostril"),
    "into the eye": "ophthalmic into_conjunctival_sac " + _into("eye"),
    "into the ear": "otic " + _into("ear"),
    "intradermal": "intradermal intradermally into_skin",
    "intrathecal": "intrathecal intrathecally "
    + _at("into", "spinal_fluid spinal_canal cerebrospinal_fluid csf thecal_sac subarachnoid_space"),
    "epidural": "epidural epidurally peridural peridurally extradural extradurally "
    + _at("into in", "epidural_space extradural_space"),
    "intraosseous": "intraosseous intraosseously io " + _at("into through", "bone bone_marrow marrow"),
    "into a joint": "intra-articular intraarticular intra-articularly "
    + _at("into", "joint knee_joint shoulder_joint hip_joint joint_space"),
    "intravitreal": "intravitreal intravitreally into_vitreous",
    "into the bladder": "intravesical intravesically into_bladder",
    "intraperitoneal": "intraperitoneal intraperitoneally "
    + _at("into", "peritoneal_cavity abdominal_cavity peritoneum"),
    "by feeding tube": "nasogastric nasogastrically ng_tube peg_tube by_tube "
    + _at("by via through down per into", "tube feeding_tube ng_tube nasogastric_tube ng peg peg_tube "
          "stomach_tube gastrostomy gastrostomy_tube nasojejunal_tube"),
    "by injection": "injected by_injection as_injection parenteral parenterally by_jab",
}  # fmt: skip
ARTICLES = frozenset({"the", "a", "an", "your", "her", "his", "my", "their", "its", "our", "this", "that"})
# What is injected, without a word of where: no contradiction of any of these.
INJECTIONS = frozenset({
    "by injection", "intravenous", "intramuscular", "subcutaneous", "intradermal", "intrathecal", "epidural",
    "intraosseous", "into a joint", "intravitreal", "into the eye", "intraperitoneal",
})  # fmt: skip
ON_THE_SKIN = frozenset({"topical", "transdermal"})
PHRASES = {name.replace("_", " "): route for route, names in WRITTEN.items() for name in names.split()}
# Routes of one word, which may stand between an amount and how often: "5 mg intravenously each night".
ROUTE_WORDS = frozenset(phrase for phrase in PHRASES if " " not in phrase)
FIRST_WORDS = {phrase.split()[0] for phrase in PHRASES}
# The first two words of those of several: most places where a preposition stands name no route.
BEGINNINGS = {tuple(phrase.split()[:2]) for phrase in PHRASES if " " in phrase}
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
        " (?:and|rehydration|cavit|health|hygiene|cancer|thrush|candid|ulcer|mucos|lesion|herpes|sex"
        "|surg|leuko|exam"
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
    "inhale": re.compile(" (?:smoke|dust|fumes|deeply|slowly)"),
    "inhaling": re.compile(" (?:smoke|dust|fumes|deeply|slowly)"),
    "into skin": re.compile(" (?:where|which|that|surface|and)"),
    "intra-articular": re.compile(" fracture"),
    "under skin": re.compile(" (?:surface|that|which|and can)"),
    "pr": re.compile(" interval"),
    "iv": re.compile(" (?:access|line|cannula|catheter)(?![a-z])"),
    "intravenous": re.compile(" (?:access|line|cannula|catheter)(?![a-z])"),
}
# "Seek help if swallowed", "unable to swallow", "a barium swallow": nothing is taken by mouth.
NO_SWALLOWING = re.compile(
    r"\b(?:if|when|to be|(?:un)?able to|can|could|cannot|can't|couldn't"
    r"|(?:hard|difficult|painful|easier|safe) to"
    r"|(?:trouble|difficulty) (?:to|with)|barium|an?|his|her|the|accidentally) $"
)
# "IV" is also the Roman four.
ROMAN_BEFORE = re.compile(
    r"\b(?:stages?|rome|class|types?|grades?|phase|factors?|nerves?|groups?|level|category|iii|collagen|cn)"
    r"(?: or| and| to|,|-)? $|[-/]$"
)
WORD = re.compile(r" ?([a-z]+(?:-[a-z]+)?)")
DOTTED = re.compile(r"[a-z](?:\.[a-z])+\.?")


def exclude(one: str, other: str) -> bool:
    """Whether two routes contradict each other; "injected" leaves open where."""
    injected = "by injection" in (one, other) and {one, other} <= INJECTIONS
    return bool(one and other) and one != other and not injected and not {one, other} <= ON_THE_SKIN


def most_precise(routes: Iterable[str]) -> str:
    """The first route that says where, else the first, "" for none."""
    found = list(routes)
    return next((route for route in found if route != "by injection"), found[0] if found else "")


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
        position = word.end()
        if words and word.group(1) in ARTICLES:
            continue
        words.append(word.group(1))
        ends.append(position)
        if words[0] not in FIRST_WORDS:
            return None
        if len(words) == 2 and tuple(words) not in BEGINNINGS:
            break
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
        if phrase.startswith("swallow") and NO_SWALLOWING.search(text, max(0, start - 30), start):
            return None
        return PHRASES[phrase], end
    return None
