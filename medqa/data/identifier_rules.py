"""Rules that find identifiers of persons in a text; identifiers.py applies them.

Each rule looks for an identifier in its context (a title before a name, "MRN" before a number), in English,
German, French and Spanish.
"""

import re
from typing import NamedTuple

EMAIL, TELEPHONE, RECORD, BIRTH, NAME, ADDRESS, WEB = KINDS = (
    "e-mail", "telephone number", "record number", "date of birth", "name", "address", "web address",
)  # fmt: skip


class Rule(NamedTuple):
    """A pattern, what must precede it, and a test that excludes most texts."""

    kind: str
    pattern: re.Pattern[str]  # a named group, if one matches, is the identifier
    trigger: str  # an expression of RE2, which is fast, that occurs where the rule finds something
    before: re.Pattern[str] | None = None


def _before(words: str, gap: str) -> re.Pattern[str]:
    return re.compile(rf"(?i:(?<!\w)(?:{words}))(?!\w){gap}$")


# ---- numbers ---------------------------------------------------------------------------------------------

_SEVEN_DIGITS = r"\d(?:[ .\-/()]{0,3}\d){6}"
_TELEPHONE_LABELS = (
    "tel|tlf|telephone|phone|contact|kontakt|ph|mobile|cell|fax|pager|bleep|call|ring|dial|text|whatsapp|"
    "sms|telefon|"
    "telefonnummer|rufnummer|handynummer|handy|mobil|mobilnummer|natel|anrufen|erreichbar unter|téléphone|"
    "portable|"
    "joignable au|teléfono|móvil|llamar|celular"
)
_NUMBER = r"(?:numbers?|nummer|no|nr|num|n°|nº|id|#|número|numéro)\.?"
_RECORD_LABELS = (
    "(?:mrn|nhs|ssn|uhid|nhc|dni|nie|nss|nir|ahv|ohip|chi|urn|fin|imei|s/n|sn|serial|passport|passeport|"
    "pasaporte|"
    "reisepass|personalausweis|medicare|medicaid|aadhaar|health card|driver'?s licen[cs]e|licen[cs]e plate|"
    "dossier|"
    "expediente|tarjeta sanitaria|(?:numéro de )?sécurité sociale|fallnummer|aktenzeichen|aufnahmenummer|"
    r"(?:versicherten|versicherungs|patienten|kranken|sozialversicherungs|pat\.?|kv|serien|geräte)[\w\-]*)"
    rf"(?:[ \-]?{_NUMBER})?|"
    "(?:medical record|record|hospital|patient|case|chart|file|account|member|insurance|policy|health|claim|"
    "encounter|"
    r"visit|registration|reg\.?|device|pacemaker|implant|subject|participant|certificate|licen[cs]e|"
    r"admission|"
    "accession|social security|historia clínica)s?"
    rf"(?: record| identification| serial| card)?[ \-]?{_NUMBER}|"
    "(?:numéro|número|n°|nº) (?:de )?(?:dossier|expediente|historia|série|serie|afiliación)|(?:chart|case) #"
)
_RECORD_GAP = r"(?: n[°ºr]\.?)?\s?[:#=.]?\s?(?:is |was |ist |est |es |: )?"
_BIRTH_LABELS = (
    r"d\. ?o\. ?b\.?|dob|(?:date|day) of birth|birth ?date|birthday|birth|born|geboren|geb\.?(?: ?dat\.?)?|"
    r"gebdat|"
    r"geburtsdatum|geburtstag|née?|né\(e\)|ddn|(?:date de )?naissance|nacid[oa]|(?:fecha de )?nacimiento|"
    r"f(?:echa)?\.? ?(?:de )?nac\.?"
)
_MONTHS = (
    "(?:[Jj]an|[Ff]eb|[Ff]év|[Mm]ar|[Mm]är|[Aa]pr|[Aa]vr|[Aa]br|[Mm]a[iyí]|[Jj]u[nli]|[Aa]ug|[Aa]oû|[Aa]go|"
    "[Ss]ep|"
    r"[Oo][ck]t|[Nn]ov|[Dd][eé][cz]|[Dd]ic|[Ee]ne|JAN|FEB|MAR|APR|MAY|JU[NL]|AUG|SEP|OCT|NOV|DEC)[a-zäéû]*\.?"
)
_DATE = (
    r"(?<![\w.])(?:(?:19|20)\d{6}(?!\d)|\d{1,4} ?[./\-] ?\d{1,2} ?[./\-] ?\d{2,4}(?!\d)|"
    r"\d{1,2} \d{1,2} (?:19|20)\d\d"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|º)?[. \-/]{{0,2}}(?: ?de | ?of )?{_MONTHS},?[ \-/]?(?:de |"
    rf"del )?'?\d{{2,4}}(?!\d)"
    rf"|{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})"
)

# ---- names -----------------------------------------------------------------------------------------------

_CAPITAL = "[A-ZÄÖÜÉÈÁÓÍÑÇ]"
_NAME = rf"{_CAPITAL}[\w'’\-]*[a-zß-ÿ][\w'’\-]*"
_PARTICLES = "(?:(?:von|van|de|der|den|del|la|zu|du|bin|al) )*"
_INITIALS = rf"(?:{_CAPITAL}\. ?)"
_FULL_NAME = rf"{_INITIALS}*{_PARTICLES}{_NAME}(?: {_PARTICLES}{_INITIALS}?{_NAME}){{0,2}}"
# At least two words, or initials and a word: one word alone may be anything.
_TWO_NAMES = (
    rf"(?:{_NAME}, {_NAME}|{_INITIALS}+{_NAME}|{_NAME}(?: {_CAPITAL}\.)? {_PARTICLES}{_NAME}"
    rf"|{_CAPITAL}[A-ZÄÖÜ\-]+, (?:{_NAME}|{_CAPITAL}[A-ZÄÖÜ\-]{{2,}}))(?: {_NAME})?"
)
_TITLES = (
    "Mr|Mrs|Ms|Mx|Miss|Mister|Dr|Dra|Prof|Professor|Docteur|Herrn?|Frau|Fräulein|Schwester|Pfleger|Señora?|"
    "Señorita|Sra?|Srta|Doña|Mme|Mlle|Monsieur|Madame|Mademoiselle|Sister|Nurse"
)
# Labels with a colon: those of names, of which one word is enough, and others at the beginning of a phrase.
_NAME_LABELS = (
    "[Pp]atient(?:en|'s)? ?[Nn]ame|PATIENT NAME|[Nn]ame of (?:the )?[Pp]atient|[Nn]om du patient|"
    "[Nn]ombre del paciente|"
    "[Ff]irst [Nn]ame|[Ll]ast [Nn]ame|[Ss]urname|[Ff]amily [Nn]ame|[Gg]iven [Nn]ames?|Vorname|Nachname|"
    "Familienname|"
    "Prénom|Apellidos?|[Nn]ext of kin|[Mm]aiden [Nn]ame|[Ff]ull [Nn]ame"
)
_PERSON_LABELS = (
    "NAME|Name|PATIENT|Patient(?:in)?|Paciente|Pt|Pat|Nom|Nombre|Patiente|Client|Resident|Mother|Father|"
    "Physician|Surgeon|"
    "Attending|GP|Consultant|Referred by|Signed(?: by)?|Guardian|Contact|Emergency contact"
)
_MY_NAME = "[Mm]y name is|[Ii]ch heiße|[Mm]ein Name ist|[Jj]e m'appelle|[Mm]e llamo|[Mm]i nombre es"
_I_AM = "I am|I'm|[Ii]ch bin|[Jj]e suis|[Yy]o soy|[Tt]his is"
_POSSESSIVES = (
    "[Hh]er|[Hh]is|[Mm]y|[Tt]heir|[Mm]eine?|[Ss]eine?|[Ii]hre?|[Mm]on|[Mm]a|[Ss]on|[Ss]a|[Mm]i|[Ss]u|"
    "patient's"
)
_RELATIONS = (
    "husband|wife|son|daughter|mother|father|brother|sister|partner|boyfriend|girlfriend|uncle|aunt|friend|"
    "neighbou?r|"
    "Mann|Sohn|Vater|Bruder|Tochter|Mutter|Schwester|mari|femme|fils|fille|esposo|esposa|hijo|hija"
)
_GREETINGS = "Dear|Liebe|Lieber|Chère|Cher|Querid[oa]|Estimad[oa]"
_CLOSINGS = "[Rr]egards|[Ss]incerely|Grüße|Grüßen|Cordialement|Saludos"
_AGE = (
    r"(?:is )?(?:(?:aged?|an?|who is|âgée? de|de) )?"
    r"(?:\d{1,3}[ \-]?(?:years?|yrs?|y\.?/?o|Jahre|ans|años)|\(\d{1,3}\))"
)

# ---- places ----------------------------------------------------------------------------------------------

_STREET = (
    "(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd|Court|Crescent|Terrace|Close|Way|Place|"
    "Square|Parkway|"
    "Highway|Gardens|Grove|Mews)"
)
_GERMAN_STREET = "(?:straße|strasse|str\\.|weg|platz|allee|gasse|ufer|damm|ring)"
_ROOM = "(?:[Rr]oom|[Bb]ed|[Ww]ard|Zimmer|Bett|[Cc]hambre|[Hh]abitación|[Cc]ama)"
_LIVES = (
    "wohnt|wohnhaft|[Aa]nschrift:?|[Aa]dresse:?|habite|"
    "domiciliée?|vive|reside|[Dd]irección:?|[Dd]omicilio:?|[Aa]ddress:"
)

# E-mail and web addresses
_WEB = (
    Rule(
        EMAIL,
        re.compile(r"(?<![\w.%+'\-])[\w.%+'\-]{1,64}@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}"),
        "@[A-Za-z0-9]",
    ),
    # "anna.keller (at) example.org", "anna at example dot org"
    Rule(
        EMAIL,
        re.compile(
            r"(?<![\w.%+\-])[\w.%+\-]{2,64} ?(?:[\[({] ?(?i:at|ät|arroba|arobase) ?[\])}]"
            r"|\b(?i:at) (?=[\w\-]+ (?i:dot) )) ?[\w\-]+"
            r"(?: ?(?:\.|[\[({] ?(?i:dot|punkt|point|punto) ?[\])}]|\b(?i:dot)\b) ?[\w\-]+)+"
        ),
        r"(?i)[\[({] ?(?:at|ät|arroba|arobase) ?[\])}]| dot ",
    ),
    Rule(
        WEB,
        re.compile(
            r"(?<!\w)(?:https?://|www\.)\S*[?&/](?:patients?|mrn|users?|members?|persons?|accounts?|"
            r"profiles?|records?|"
            r"uid|pid|token|session)(?:[_\-]?(?:id|no|nr|number))?[=/][\w\-%]{2,}"
            r"|(?<!\w)(?:linkedin\.com/in|facebook\.com|instagram\.com|twitter\.com)/[\w\-.%]+"
        ),
        r"https?://|www\.|\.com/",
    ),
)
# Rules for texts with four digits in a row
_FOUR_DIGITS = (
    # Seven digits or more after a word like "phone"; in international form; in national forms.
    Rule(
        TELEPHONE,
        re.compile(r"(?<![\w.\-/])\(?\+?\(?\d(?:[ .\-/()]{0,3}\d){6,14}(?!\w)"),
        _SEVEN_DIGITS,
        _before(_TELEPHONE_LABELS, r"[^\d\n+(]{0,20}"),
    ),
    Rule(
        TELEPHONE,
        re.compile(r"(?<![\w.+])(?:\+|00)[1-9](?:[ .\-/()]{0,3}\d){7,14}(?![\w%])"),
        r"(?:\+|00)[1-9](?:[ .\-/()]{0,3}\d){7}",
    ),
    Rule(
        TELEPHONE,
        re.compile(
            r"(?<![\w.\-/])(?:\(\d{3,5}\) ?\d{3,4}[ .\-]?\d{3,5}|[2-9]\d\d[\-.][2-9]\d\d[\-.]\d{4}"
            r"|(?!\d{3}-\d\d-\d{4})(?=(?:[ /.\-]?\d){9,12}(?!\d))0[1-9]\d{0,4}(?:[ /.\-]\d{2,8}){1,4}|"
            r"0[67]\d{8,9})(?![\w\-/%])"
        ),
        rf"[2-9(0]{_SEVEN_DIGITS[2:]}|\({_SEVEN_DIGITS}",
    ),
    Rule(
        RECORD,
        re.compile(
            r"(?<![\w.,])(?=(?:[^\d\n]{0,5}\d){4})[A-Z]{0,4}[\-/]?\d(?:[\dA-Z\-/.]| (?=\d)){2,23}(?![\w%])"
        ),
        rf"(?i)(?:{_RECORD_LABELS}){_RECORD_GAP}[A-Z]{{0,4}}[\-/]?\d",
        _before(_RECORD_LABELS, _RECORD_GAP),
    ),
    Rule(
        RECORD,
        re.compile(r"(?<![\w\-])(?:\d{3}-\d{2}-\d{4}|756\.\d{4}\.\d{4}\.\d{2})(?![\w\-])"),
        r"\d{3}-\d{2}-\d{4}|756\.\d{4}",
    ),
)
# Rules for texts with a digit
_DIGIT = (
    Rule(
        BIRTH,
        re.compile(_DATE),
        rf"(?i)(?:{_BIRTH_LABELS})[^\d\n]{{0,33}}\d",
        _before(_BIRTH_LABELS, r"[^\d\n]{0,20}"),
    ),
    Rule(BIRTH, re.compile(r"(?<!\w)\* ?(?P<id>\d{1,2}\.\d{1,2}\.\d{2,4})"), r"\* ?\d{1,2}\.\d"),
    Rule(
        NAME,
        re.compile(
            rf"(?<![\w.] )(?<!\w)(?P<id>{_NAME}(?: {_CAPITAL}\.)? {_PARTICLES}{_NAME}),? {_AGE}(?!\w)"
            rf"|(?:^|(?<=[.\n] ))(?P<id2>{_NAME}(?: {_CAPITAL}\.)? {_NAME}),? {_AGE}(?!\w)"
        ),
        rf"{_CAPITAL}[\pL'’\-]+,? {_AGE}",
    ),
    Rule(
        ADDRESS,
        re.compile(
            rf"(?<![\w.,\-])\d{{1,5}}[A-Za-z]? (?:(?:N|S|E|W)\.? )?(?:{_NAME} ){{1,3}}{_STREET}\b"
            r"|(?<![\w.,\-])\d{1,4},? (?:bis,? )?(?:rue|avenue|boulevard|place) (?:(?:de|du|des|la|le) )*"
            rf"(?:l'|d')?{_NAME}"
        ),
        rf"\d[A-Za-z]? (?:[NSEW]\.? )?(?:[^\s]+ ){{1,3}}{_STREET}|\d,? (?:bis,? )?(?:rue|avenue|boulevard|"
        rf"place) ",
    ),
    Rule(
        ADDRESS,
        re.compile(
            rf"\b[A-ZÄÖÜ][\wäöüß\-]*{_GERMAN_STREET},? \d{{1,4}} ?[a-z]?\b"
            rf"|\b(?:[Cc]alle|C/|Avenida|Avda\.|Plaza|Paseo) ?(?:(?:de|del|la|"
            rf"los) )*{_NAME},? (?:n\.?º ?)?\d{{1,4}}\b"
            r"|\bP\.? ?O\.? Box \d+|\b(?:Apt|Apartment|Flat)\.? #?\d+[A-Z]?\b"
        ),
        rf"{_GERMAN_STREET},? \d|(?:[Cc]alle|C/|Avenida|Avda\.|Plaza|Paseo) ?[^\d\n]+\d|Box \d|(?:Apt|"
        rf"Apartment|Flat)\.? #?\d",
    ),
    # Postal codes of the United Kingdom and the United States, rooms and beds, and what follows "lives at".
    Rule(
        ADDRESS,
        re.compile(
            r"(?<![\w\-])[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?!\w)"
            r"|(?<=[a-z],) ?[A-Z]{2} \d{5}(?:-\d{4})?(?!\d)"
            rf"|(?<!\w){_ROOM}(?: ?(?:[Nn]o\.?|[Nn]r\.?|[Nn]umber|#|"
            rf":))? ?\d{{1,4}}-?[A-Z]?(?![\w.,/%@]*[\d@]| ?[a-z%])"
            r"|(?:[Ll]ives?|[Ll]iving|[Rr]esid(?:es?|ing|ent)) (?:at|in) (?P<id>\d+\w?,? (?:\w+ )?[A-Z]\w+)"
            rf"|(?:{_LIVES}) (?P<id2>(?:au |en |in |im |in der |am |"
            rf"an der )?(?:\d+\w?,? (?:\w+ ){{0,3}}[A-ZÄÖÜ]\w+"
            r"|(?:\w+ ){0,2}[A-ZÄÖÜ]\w+,? \d+\w?)\b)"
        ),
        rf"[A-Z]\d[A-Z\d]? \d[A-Z]{{2}}|, ?[A-Z]{{2}} \d{{5}}|{_ROOM}(?: ?(?:[Nn]o\.?|[Nn]r\.?|[Nn]umber|#|"
        rf":))? ?\d"
        rf"|(?:[Ll]ives?|[Ll]iving|[Rr]esid(?:es?|ing|ent)) (?:at|in) \d|(?:{_LIVES}) [^\n]{{0,60}}\d",
    ),
)
# Names
_NAMES = (
    Rule(
        NAME,
        re.compile(
            rf"(?<!\w)(?:{_TITLES})\b\.?(?: (?:Dr|med|Prof)\b\.?)* (?P<id>{_INITIALS}{{2,3}}(?!\w)"
            rf"|{_INITIALS}*{_PARTICLES}{_NAME}(?: {_PARTICLES}{_NAME})?)"
        ),
        rf"(?:{_TITLES})\.?(?: (?:Dr|med|Prof)\.?)* {_PARTICLES}{_CAPITAL}",
    ),
    # "Patient: Smith, John", "Name: Olga Petrova", "Vorname: Jürgen"
    Rule(
        NAME,
        re.compile(
            rf"(?<!\w)(?:{_NAME_LABELS}|geborene)(?: is| ist| est| es)?\s?[:=]?\s?(?P<id>{_FULL_NAME})"
            rf"|(?:^|(?<=[\n.;,|(\]])|(?<=[\n.;,|(\]] ))(?:{_PERSON_LABELS})\.?\s?[:=]\s*"
            rf"(?P<id2>{_TWO_NAMES}|{_NAME}(?= ?(?:[,;(]|$|\n)))"
        ),
        rf"(?:{_NAME_LABELS}|geborene)(?: is| ist| est| es)?\s?[:=]?\s?{_PARTICLES}{_CAPITAL}"
        rf"|(?:{_PERSON_LABELS})\.?\s?[:=]\s*{_CAPITAL}",
    ),
    Rule(
        NAME,
        re.compile(
            rf"(?<!\w)(?:[Pp]atient(?:in)?|[Pp]t|[Ii]nitials?|"
            rf"Initialen)\.?:? (?P<id>{_INITIALS}{{2,3}})(?![\w.])"
            r"|(?<!\w)(?:[Ii]nitials|Initialen):? (?P<id2>[A-Z]{2,3})(?!\w)"
        ),
        rf"(?:atient(?:in)?|[Pp]t|nitials?|nitialen)\.?:? {_CAPITAL}[A-Z.]",
    ),
    # "my name is Anna", "her husband Peter", "Dear Anna", "John Miller, a 45-year-old"
    Rule(
        NAME,
        re.compile(
            rf"(?<!\w)(?:(?:{_MY_NAME}) (?P<id>{_FULL_NAME})|(?:{_I_AM}) (?P<id2>{_TWO_NAMES})"
            rf"|(?:{_POSSESSIVES}) (?:{_RELATIONS}),? (?:named |called |is )?(?P<id3>{_NAME}(?: {_NAME})?)"
            rf"|(?:patient|man|woman|boy|girl|child|baby|lady|gentleman) (?:named|"
            rf"called) (?P<id4>{_FULL_NAME})"
            rf"|(?:{_GREETINGS}) (?P<id5>{_NAME}(?: {_NAME})?)(?=[,:!\n])"
            rf"|(?:{_CLOSINGS}),?\s+(?P<id6>{_NAME}(?: {_NAME})?))"
        ),
        rf"(?:{_MY_NAME}|{_I_AM}) {_PARTICLES}{_CAPITAL}|(?:{_GREETINGS}) {_CAPITAL}|"
        rf"(?:{_CLOSINGS}),?\s+{_CAPITAL}"
        rf"|(?:{_RELATIONS}),? (?:named |called |is )?{_CAPITAL}|(?:named|called) {_PARTICLES}{_CAPITAL}",
    ),
)


class Group(NamedTuple):
    """Rules, and an expression of RE2 that occurs where one of them finds something."""

    first: str
    rules: tuple[Rule, ...]


# A single expression for all rules would exceed the memory of RE2's fast engine.
GROUPS = (
    Group("|".join(f"(?:{rule.trigger})" for rule in _WEB), _WEB),
    Group("|".join(f"(?:{rule.trigger})" for rule in _NAMES), _NAMES),
    Group(r"\d", _DIGIT),
    Group(r"\d(?:[^\d\n]{0,5}\d){3}", _FOUR_DIGITS),
)
# Words that are no name after a title, a label or a relation.
NOT_NAMES = {
    "Down", "Google", "House", "Who", "What", "When", "Which", "Where", "Why", "How", "Is", "Are", "Can",
    "Should", "Does", "Do", "Did", "Will", "Has", "Have", "Had", "The", "A", "An", "If", "And", "Or",
    "In", "On", "At",
    "But", "My", "Her", "His", "She", "He", "It", "They", "We", "You", "There", "This", "That", "These",
    "With", "For",
    "Practitioner", "Practitioners", "Consultant", "Specialist", "Manager", "Emeritus", "Shopping",
    "Yes", "No", "Hello", "Hi", "Thanks", "Thank", "Please", "Doctor", "Doctors", "Dr", "Mr", "Mrs", "Ms",
    "Sir",
    "Madam", "Colleague", "Colleagues", "Patient", "Patients", "Parents", "Nurse", "Team", "Male",
    "Female", "Adult",
    "Child", "Children", "Unknown", "None", "Not", "Known", "Man", "Woman", "Frau", "Herr", "Kollege",
    "Kollegin",
    "Kollegen", "Damen", "Herren", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    "Sunday",
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November",
    "December", "Information", "Education", "Safety", "History", "Acute", "Chronic", "Elderly", "Diabetic",
}  # fmt: skip
# A name of more words than one ends with none of these: it is that of a disease, a drug or a place.
NOT_LAST_NAMES = {
    "Disease", "Syndrome", "Score", "Scale", "Test", "Sign", "Hospital", "Clinic", "Sclerosis",
    "Diabetes", "Cancer",
    "Lymphoma", "Joseph", "Virus", "Fever", "Index", "Criteria", "Trial", "Study", "Guidelines", "Failure",
    "Infarction", "Infection", "Disorder", "Pain", "Therapy", "Treatment", "Injury", "Stage", "Age", "Mean",
}  # fmt: skip
