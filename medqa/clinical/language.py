"""How words show that they are clinical, and how English negates."""

import re

from medqa.clinical.words import words

# The stems that the World Health Organization gives to groups of medicines (INN stems), at the end of a word.
MEDICINE_ENDING = re.compile(
    "[a-z-]{2,}(?:"
    "cillin|mycin|micin|floxacin|cycline|conazole|nidazole|bendazole|prazole|vir|vudine|citabine|fungin|quine|penem"
    "|vancin|statin|pril|prilat|sartan|olol|dipine|thiazide|semide|renone|lactone|fibrate|parin|parinux|xaban|gatran"
    "|grel|grelor|zepam|zolam|barbital|oxetine|ipramine|triptyline|azepine|azine|apine|idone|piprazole|gabalin"
    "|racetam|tidine|setron|triptan|gliptin|gliflozin|glutide|glitazone|formin|mab|tinib|rafenib|ciclib|parib|zomib"
    "|limus|platin|rubicin|taxel|trexate|zolomide|mustine|solone|nisone|asone|methasone|betasol|onide|caine|curium"
    "|curonium|fentanil|codone|morphone|stigmine|phylline|terol|tropium|lukast|begron|osin|steride|afil|profen|oxicam"
    "|coxib|dronate|dronic|rizine|tadine|relin|relix|estradiol|tropin|cept|kinra|leukin|grastim|poetin|plase|feron"
    "|oxin|sulfan"
    ")s?|(?:cef|sulfa)[a-z]{4,}"
)
# Other words that end so.
NOT_MEDICINES = words(
    "concept except precept percept intercept accept dioxin toxin neurotoxin endotoxin exotoxin antitoxin "
    "mycotoxin magazine april outline elvir"
)

# What makes a word clinical, beside at least three other letters; of general words that look so see
# is_general.
CLINICAL_ENDING = re.compile(
    "[a-z-]{3,}(?:"
    "itis|itides|osis|oses|emia|emic|oma|omas|omata|opathy|opathies|opathic|ectomy|ectomies|otomy|otomies|ostomy"
    "|ostomies|plasty|plasties|oscopy|oscopies|oscopic|algia|algias|uria|penia|penic|philia|plegia|plegic|paresis"
    "|paretic|rrhea|rrhagia|rrhage|rrhages|rrhagic|megaly|sclerosis|stenosis|stenoses|trophy|trophic|plasia|plastic"
    "|kinesia|phagia|phasia|pnea|cardia|cardiogram|encephalogram|cytosis|cyte|cytes|cytic|blastoma|sarcoma|carcinoma"
    "|lithiasis|ptosis|edema|spasm|spasms|toxicity|ectasia|ectasis|ischemia|globulin|globulins|gland|derma|dermal"
    "|cerebral|vascular|ventricular|arterial|venous|cardial|cardiac|pulmonary|hepatic|renal|gastric|thoracic|lumbar"
    "|pelvic|cranial|spinal|ocular|retinal|corneal|aural|nasal|enteric|colonic|rectal|vaginal|uterine|prandial|partum"
    "|natal|febrile|genic|lytic|viral|bacterial|microbial|fungal|parasitic|biotic|biotics|ceptive|ceptives|tension"
    "|tensive|glycemia|glycemic|kalemia|natremia|thyroid|thyroidism|pituitary|cortical|gonadism"
    ")"
)
CLINICAL_BEGINNING = re.compile(
    "(?:"
    "hyper|hypo|brady|tachy|dys|cardio|gastro|hepat|nephro|neuro|osteo|hemato|hemo|onco|pneumo|encephal|arthr|thromb"
    "|immuno|myelo|chondro|cholecyst|cyst|derma|entero|esophag|laryng|pharyng|rhino|oto|ophthalm|retino|radio|chemo"
    "|cyto|bronch|angio|vaso|phleb|lymph|spleno|thyr|adren|gluco|lipo|pyelo|uro|procto|colo|mening|myo|tendo|spondyl"
    "|trache|pleur|periton|pericard|endocard|myocard|electrocardio|echocardio|electroencephalo"
    ")[a-z]{4,}"
)

# Words that begin a negation; some only with the word after them ("free of", not "free").
NEGATION_WORDS = words(
    "no not without never neither nor none cannot can't doesn't don't didn't isn't aren't wasn't weren't "
    "hasn't haven't won't denies denied deny absence absent lack lacks lacking free negative excludes "
    "exclude excluding"
)
NEEDS_AFTER = {
    "absence": " of ", "lack": " of ", "lacks": " ", "lacking": " ", "absent": " ",
    "free": (" of ", " from "), "negative": " for ",
}  # fmt: skip
# What looks like a negation and is none.
NO_NEGATION = re.compile(
    "not? (?:only|just|merely|necessarily|increase|decrease|change|longer|(?:more|less|later|earlier) than"
    "|be certain|certain|rule out|ruled out|exclude|been excluded|doubt|until|uncommon|unusual|rare|always"
    "|matter|all|every|enough|sure|know|known)(?![a-z])"
    "|without (?:delay|doubt)(?![a-z])"
)
# What negates backwards: "pneumonia was ruled out", "sepsis is unlikely".
NEGATED_AFTER = re.compile(
    r"[^.;:,!?\n]{0,30}? (?:(?:is|was|are|were|been|be) (?:ruled out|excluded|absent|unlikely"
    r"|not (?:seen|present|found|likely|detected|evident|recommended|indicated|needed|required))"
    r"|unlikely|absent)(?![a-z])"
)
# Words that end what a negation reaches.
CLAUSE_END = words(
    "but however although though yet except unless which who because since while whereas then therefore so "
    "still instead and if when"
)
# How many words a negation reaches, counted anew after each negated term.
NEGATION_REACH = 5
