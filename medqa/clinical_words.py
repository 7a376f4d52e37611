"""Word lists of our own writing: names of medicines and measures, clinical affixes, words of negation."""

import re

# Different names of one medicine, so that "adrenaline 0.5 mg" and "epinephrine 5 mg" are compared.
SAME_MEDICINE = {
    "acetaminophen": "paracetamol", "tylenol": "paracetamol", "epinephrine": "adrenaline", "epipen": "adrenaline",
    "norepinephrine": "noradrenaline", "albuterol": "salbutamol", "ventolin": "salbutamol", "lasix": "furosemide",
    "frusemide": "furosemide", "glyburide": "glibenclamide", "asa": "aspirin", "meperidine": "pethidine",
    "rifampin": "rifampicin", "cyclosporin": "ciclosporin", "cyclosporine": "ciclosporin",
    "acyclovir": "aciclovir", "valacyclovir": "valaciclovir", "amoxycillin": "amoxicillin",
    "cephalexin": "cefalexin", "coumadin": "warfarin", "eliquis": "apixaban", "xarelto": "rivaroxaban",
    "pradaxa": "dabigatran", "plavix": "clopidogrel", "lipitor": "atorvastatin", "zocor": "simvastatin",
    "glucophage": "metformin", "ozempic": "semaglutide", "wegovy": "semaglutide", "keppra": "levetiracetam",
    "advil": "ibuprofen", "motrin": "ibuprofen", "aleve": "naproxen", "valium": "diazepam", "ativan": "lorazepam",
    "zofran": "ondansetron", "benadryl": "diphenhydramine", "narcan": "naloxone", "synthroid": "levothyroxine",
    "thyroxine": "levothyroxine", "lignocaine": "lidocaine", "phenobarbitone": "phenobarbital",
    "beclometasone": "beclomethasone", "oestradiol": "estradiol", "sulphasalazine": "sulfasalazine",
    "mesalamine": "mesalazine", "trimethoprim-sulfamethoxazole": "co-trimoxazole", "tmp-smx": "co-trimoxazole",
    "cotrimoxazole": "co-trimoxazole", "bactrim": "co-trimoxazole", "augmentin": "co-amoxiclav",
    "amoxicillin-clavulanate": "co-amoxiclav", "colecalciferol": "cholecalciferol",
    "tpa": "alteplase", "glyceryl": "nitroglycerin", "gtn": "nitroglycerin", "hydroxycarbamide": "hydroxyurea",
}  # fmt: skip

# Medicines whose ending does not give them away.
MEDICINES = frozenset(
    """
    abatacept acarbose acetazolamide acetylcysteine acitretin adenosine adrenaline alendronate alfentanil
    allopurinol alteplase amantadine amiloride aminophylline amiodarone amphotericin anakinra antivenom apomorphine
    aspirin atropine azathioprine baclofen benzoyl betahistine bicarbonate bismuth bleomycin bosentan botulinum
    bromocriptine bupivacaine buprenorphine bupropion buspirone cabergoline caffeine calcipotriol calcitonin
    calcitriol cannabidiol capsaicin captopril carbamazepine carbidopa carbimazole carbocisteine carboplatin
    charcoal chloramphenicol chlorambucil chlorhexidine chlorpheniramine chlorpromazine chlortalidone cholecalciferol
    cholestyramine ciclosporin cisplatin clindamycin clonidine clopidogrel clozapine co-amoxiclav co-trimoxazole
    codeine colchicine colestyramine colistin cyclophosphamide cyproterone cytarabine dacarbazine danazol dantrolene
    dapsone deferasirox deferoxamine desferrioxamine desmopressin dexamethasone dexmedetomidine dextrose diclofenac
    digoxin dihydroergotamine diltiazem dimenhydrinate diphenhydramine dipyridamole disulfiram dobutamine domperidone
    donepezil dopamine doxapram dronedarone droperidol duloxetine edrophonium entacapone ephedrine ergometrine
    ergotamine erythropoietin esmolol estradiol ethambutol ethanol ethosuximide etomidate etoposide ezetimibe
    fentanyl ferrous finasteride flecainide fludrocortisone flumazenil fluorouracil folate folic fomepizole
    fosfomycin fosphenytoin fulvestrant furosemide gabapentin galantamine ganciclovir gentamicin glibenclamide
    gliclazide glimepiride glipizide glucagon glucosamine glycopyrronium griseofulvin guaifenesin haloperidol heparin
    hydralazine hydrocortisone hydroxocobalamin hydroxychloroquine hydroxyurea hydroxyzine hyoscine ibuprofen iloprost
    immunoglobulin indapamide indometacin indomethacin insulin interferon iodine ipratropium iron isoniazid
    isosorbide isotretinoin ivabradine ivermectin ketamine ketorolac labetalol lacosamide lactulose lamotrigine
    leflunomide letrozole leucovorin levetiracetam levodopa levonorgestrel levothyroxine lidocaine linezolid
    liothyronine lithium loperamide loratadine macrogol magnesium mannitol mebeverine medroxyprogesterone mefloquine
    melatonin memantine menthol mercaptopurine mesalazine metamizole metformin methadone methimazole methocarbamol
    methotrexate methyldopa methylphenidate metoclopramide metronidazole mianserin midodrine mifepristone minoxidil
    mirtazapine misoprostol modafinil montelukast morphine mupirocin mycophenolate nalbuphine naloxone naltrexone
    naproxen neostigmine niacin nicardipine nicorandil nicotine nifedipine nitrofurantoin nitroglycerin nitroprusside
    noradrenaline norethisterone nystatin octreotide oestrogen estrogen ondansetron orlistat oseltamivir oxybutynin
    oxycodone oxygen oxytocin paliperidone pancreatin paracetamol penicillamine penicillin pentamidine permethrin
    pethidine phenelzine phenobarbital phentolamine phenylephrine phenytoin physostigmine phytomenadione pilocarpine
    pioglitazone piperacillin piracetam podophyllotoxin polymyxin potassium pralidoxime prednisolone prednisone pramipexole prazosin
    praziquantel pregabalin primaquine primidone probenecid procarbazine progesterone promethazine propofol
    propylthiouracil protamine pseudoephedrine psyllium pyrazinamide pyridostigmine pyridoxine quetiapine quinine
    racecadotril ranolazine rasburicase remdesivir retinol ribavirin rifampicin rifaximin riluzole rivastigmine
    ropinirole ropivacaine sacubitril salbutamol salicylic salmeterol selegiline semaglutide senna sertraline
    sevelamer sildenafil simethicone spironolactone streptokinase strontium sucralfate sugammadex sulfasalazine
    sulpiride sumatriptan suxamethonium tacrolimus tadalafil tamoxifen tamsulosin tazobactam tenecteplase terbutaline
    teriflunomide teriparatide testosterone tetrabenazine tetracycline thalidomide theophylline thiamine thiopental
    tigecycline timolol tinidazole tiotropium tizanidine tobramycin tolterodine topiramate tramadol tranexamic
    trastuzumab trazodone tretinoin trientine trimethoprim tropicamide urea ursodeoxycholic valproate vancomycin
    varenicline vasopressin venlafaxine verapamil vigabatrin vincristine vitamin warfarin xylometazoline zinc
    zoledronate zoledronic zolpidem zopiclone zonisamide
    """.split()
) | frozenset(SAME_MEDICINE)

# The stems that the World Health Organization gives to groups of medicines (INN stems), at the end of a word.
MEDICINE_ENDING = re.compile(
    r"\b[a-z-]{2,}(?:cillin|mycin|micin|floxacin|cycline|conazole|nidazole|bendazole|prazole|vir"
    r"|vudine|citabine|statin|pril|prilat|sartan|olol|dipine|zepam|zolam|tidine|setron|triptan"
    r"|gliptin|gliflozin|glutide|glitazone|formin|mab|tinib|rafenib|ciclib|parib|zomib|limus|parin|xaban|gatran"
    r"|grel|grelor|solone|nisone|asone|metasone|betasol|begron|zolomide|parinux|onide|ticasone|caine|barbital"
    r"|phylline|terol|tropium|thiazide|semide|renone|lactone|oxetine|ipramine|triptyline|azepine|azine|apine"
    r"|idone|piprazole|profen|oxicam|coxib|dronate|dronic|fibrate|platin|rubicin|taxel|trexate|fungin|quine"
    r"|penem|vancin|rizine|tadine|curium|curonium|fentanil|codone|morphone|stigmine|relin|relix|estradiol|tropin"
    r"|cept|kinra|leukin|grastim|poetin|plase|feron|afil|osin|steride|lukast|gabalin|racetam|oxin|sulfan|mustine)s?\b"
    r"|\b(?:cef|sulfa)[a-z]{4,}\b"
)
# General words that end like a medicine.
NOT_MEDICINES = frozenset(
    "april accept concept except precept percept intercept alternate dioxin toxin neurotoxin endotoxin exotoxin "
    "antitoxin mycotoxin magazine april engine routine mab cocaine outline prescript deadline".split()
)

# What is measured, by the words for it; values of one measure are compared. Longest first when read.
MEASURES = {
    name: measure
    for measure, names in {
        "blood pressure": "blood pressure|bp|systolic|diastolic|systolic blood pressure|arterial pressure"
        "|mean arterial pressure",
        "heart rate": "heart rate|pulse|pulse rate|ventricular rate",
        "breathing rate": "respiratory rate|breathing rate|respiration rate",
        "chest compressions": "chest compressions|chest compression|compressions",
        "temperature": "temperature|fever|body temperature|hypothermia",
        "oxygen saturation": "oxygen saturation|spo2|sao2",
        "transferrin saturation": "transferrin saturation|tsat",
        "HbA1c": "hba1c|a1c|glycated haemoglobin|glycated hemoglobin|hemoglobin a1c|haemoglobin a1c",
        "fasting glucose": "fasting glucose|fasting plasma glucose|fasting blood glucose|fasting blood sugar",
        "2-hour glucose": "2-hour glucose|two-hour glucose|2-hour plasma glucose",
        "glucose": "glucose|blood glucose|plasma glucose|blood sugar|sugar",
        "haemoglobin": "haemoglobin|hemoglobin|hb",
        "creatinine": "creatinine|serum creatinine",
        "eGFR": "egfr|gfr|glomerular filtration rate|creatinine clearance",
        "serum potassium": "serum potassium|potassium level|hyperkalaemia|hyperkalemia|hypokalaemia|hypokalemia",
        "serum sodium": "serum sodium|sodium level|hyponatraemia|hyponatremia|hypernatraemia|hypernatremia|sodium",
        "calcium": "calcium|serum calcium|calcium level|hypercalcaemia|hypercalcemia|hypocalcaemia|hypocalcemia",
        "IgE": "ige|total ige",
        "LDL": "ldl|ldl cholesterol|ldl-cholesterol|low-density lipoprotein",
        "HDL": "hdl|hdl cholesterol",
        "cholesterol": "cholesterol|total cholesterol",
        "triglycerides": "triglycerides|triglyceride",
        "TSH": "tsh|thyroid-stimulating hormone|thyroid stimulating hormone",
        "ferritin": "ferritin|serum ferritin",
        "urate": "urate|uric acid|serum urate",
        "bilirubin": "bilirubin",
        "lactate": "lactate",
        "platelets": "platelets|platelet count|platelet",
        "white cells": "white cell count|white blood cell count|leukocytes|wbc",
        "neutrophils": "neutrophils|neutrophil count|anc",
        "CD4": "cd4|cd4 count|cd4 cells",
        "CRP": "crp|c-reactive protein",
        "troponin": "troponin",
        "NT-proBNP": "nt-probnp|bnp|natriuretic peptide",
        "PSA": "psa|prostate-specific antigen",
        "BMI": "bmi|body mass index",
        "INR": "inr",
        "pH": "ph",
        "ejection fraction": "ejection fraction|lvef",
        "ketones": "ketones|ketone|beta-hydroxybutyrate",
        "albumin-creatinine ratio": "albumin-creatinine ratio|albumin creatinine ratio|acr|uacr",
        "intraocular pressure": "intraocular pressure|eye pressure",
        "GCS": "gcs|glasgow coma scale",
        "urine output": "urine output",
        "salt": "salt",
        "fluid": "crystalloid|saline|ringer's",
    }.items()
    for name in names.split("|")
}  # fmt: skip

# Words whose ending or beginning makes them clinical. Each must leave at least three other letters.
CLINICAL_ENDING = re.compile(
    r"[a-z-]{3,}(?:itis|itides|osis|oses|emia|emic|oma|omas|omata|opathy|opathies|opathic|ectomy|ectomies|otomy|otomies"
    r"|ostomy|ostomies|plasty|plasties|oscopy|oscopies|oscopic|algia|algias|uria|penia|penic|philia|plegia|plegic"
    r"|paresis|paretic|rrhea|rrhagia|rrhage|rrhages|rrhagic|megaly|sclerosis|stenosis|stenoses|trophy|trophic|plasia"
    r"|plastic|kinesia|phagia|phasia|pnea|cardia|cardiogram|encephalogram|cytosis|cyte|cytes|cytic|blastoma|sarcoma"
    r"|carcinoma|lithiasis|ptosis|edema|spasm|spasms|toxicity|ectasia|ectasis|ischemia|globulin|globulins"
    r"|gland|derma|dermal|cerebral|vascular|ventricular|arterial|venous|cardial|cardiac|pulmonary|hepatic|renal|gastric"
    r"|thoracic|lumbar|pelvic|cranial|spinal|ocular|retinal|corneal|aural|nasal|enteric|colonic|rectal|vaginal|uterine"
    r"|prandial|partum|natal|febrile|genic|lytic|viral|bacterial|microbial|fungal|parasitic|biotic|biotics|ceptive"
    r"|ceptives|tension|tensive|glycemia|glycemic|kalemia|natremia|thyroid|thyroidism|pituitary|cortical|gonadism)"
)
CLINICAL_BEGINNING = re.compile(
    r"(?:hyper|hypo|brady|tachy|dys|cardio|gastro|hepat|nephro|neuro|osteo|hemato|hemo|onco|pneumo|encephal|arthr"
    r"|thromb|immuno|myelo|chondro|cholecyst|cyst|derma|entero|esophag|laryng|pharyng|rhino|oto|ophthalm|retino|radio"
    r"|chemo|cyto|bronch|angio|vaso|phleb|lymph|spleno|thyr|adren|gluco|lipo|pyelo|uro|procto|colo|mening|myo|tendo"
    r"|spondyl|trache|pleur|periton|pericard|endocard|myocard|electrocardio|echocardio|electroencephalo)[a-z]{4,}"
)

# Words so general in medicine that sharing them says nothing; they are never terms.
GENERIC = frozenset(
    word.replace("_", " ")
    for word in """
    disease disorder condition illness symptom sign treatment therapy medicine medication drug patient body organ
    health care healthcare doctor physician provider nurse hospital clinic cause risk factor person people adult
    child study research trial diagnosis test testing result effect side problem type form part system agent
    substance procedure process complication dose injection prescription specialist examination state attack
    ill_health medical_care medical_procedure medical_aid adulthood malfunction disability
    """.split()
)
# Everyday words that are clinical here, although WordNet knows them better in another sense ("a headache for the
# government"), or not at all.
EVERYDAY_TERMS = """
    abdominal, abdominal pain, ache, addiction, adrenal, allergic reaction, antibiotic, antiseptic, anxiety, appetite,
    back pain, bedwetting, biopsy, birth, bite, bleeding, blister, bloating, blood clot, blood count, blood pressure,
    blood sugar, blood test, breastfeeding, breathing, bruise, burn, cancer, catheter, chest compressions, chest pain,
    chills, clot, clotting, confusion, cough, counselling, counseling, cramp, deafness, dehydration, delirium,
    depression, dialysis, discharge, dizziness, emergency surgery, fainting, fatigue, flushing, follow-up, fracture,
    hallucination, headache, hearing, hearing loss, heart rate, imaging, immunisation, immunization, implant, infant,
    inhaler, insomnia, itch, itching, jaundice, joint, joint pain, lesion, lump, memory loss, menopause, menstruation,
    miscarriage, mobility, monitoring, muscle weakness, mutation, nail, newborn, numbness, obesity, overdose,
    overweight, oxygen, oxygen saturation, pacemaker, painkiller, palpitation, physiotherapy, poisoning, pregnancy,
    pregnant, prosthesis, puberty, radiation, radiotherapy, rehabilitation, rupture, saline, scan, scar, scarring,
    screening, self-harm, shivering, shock, shortness of breath, sleep, smoking, sore, sore throat, sprain, stent,
    stiffness, stroke, swallowing, sweating, swelling, thirst, tingling, tiredness, transfusion, transplant,
    transplantation, tremor, ultrasound, vaccination, ventilator, vision, vision loss, vomiting, weakness,
    weight gain, weight loss, wheezing, withdrawal, wound, x-ray, yawning
""".replace("\n", " ").split(",")
# Two names of one thing that WordNet lists apart.
SAME_TERM = {
    "myocardial infarction": "heart attack", "cerebrovascular accident": "stroke", "apoplexy": "stroke",
    "hypertension": "high blood pressure", "elevated blood pressure": "high blood pressure",
    "raised blood pressure": "high blood pressure", "blood sugar": "blood glucose", "plasma glucose": "blood glucose",
    "breathlessness": "dyspnea", "shortness of breath": "dyspnea", "difficulty breathing": "dyspnea",
    "itching": "itch", "pruritus": "itch", "tiredness": "fatigue", "throwing up": "vomiting", "emesis": "vomiting",
    "jaundiced": "jaundice", "icterus": "jaundice", "counseling": "counselling", "immunisation": "vaccination",
    "immunization": "vaccination", "roentgenogram": "x-ray", "radiograph": "x-ray", "heart failure": "heart failure",
    "congestive heart failure": "heart failure", "kidney failure": "kidney failure", "renal failure": "kidney failure",
    "belly pain": "abdominal pain", "stomach ache": "abdominal pain", "high temperature": "fever",
    "pyrexia": "fever", "febrility": "fever", "adrenalin": "adrenaline", "pulse rate": "heart rate",
}  # fmt: skip

# Abbreviations that count only in capitals, and the term that they stand for.
ACRONYMS = {
    "AIDS": "acquired immune deficiency syndrome", "HIV": "human immunodeficiency virus", "TB": "tuberculosis",
    "COPD": "chronic obstructive pulmonary disease", "MRI": "magnetic resonance imaging",
    "CT": "computed tomography", "ECG": "electrocardiogram", "EKG": "electrocardiogram",
    "EEG": "electroencephalogram", "DVT": "deep vein thrombosis", "PE": "pulmonary embolism",
    "MI": "myocardial infarction", "UTI": "urinary tract infection", "COVID": "covid", "HPV": "papillomavirus",
    "NSAID": "nonsteroidal anti-inflammatory", "NSAIDS": "nonsteroidal anti-inflammatory",
    "ICU": "intensive care unit", "IBS": "irritable bowel syndrome", "IBD": "inflammatory bowel disease",
    "GERD": "gastroesophageal reflux", "GORD": "gastroesophageal reflux", "SLE": "lupus", "MS": "multiple sclerosis",
    "ADHD": "attention deficit hyperactivity disorder", "PTSD": "posttraumatic stress disorder",
    "CPR": "cardiopulmonary resuscitation", "CSF": "cerebrospinal fluid", "ESR": "erythrocyte sedimentation rate",
    "CRP": "c-reactive protein", "TSH": "thyroid-stimulating hormone", "PSA": "prostate-specific antigen",
    "DNA": "dna", "RNA": "rna", "ECT": "electroconvulsive therapy", "RSV": "respiratory syncytial virus",
}  # fmt: skip

# Negation: the words that begin it; of some only with the word after them.
NEGATION_WORDS = frozenset(
    "no not without never neither nor none cannot doesn't don't didn't isn't aren't wasn't weren't hasn't haven't "
    "won't can't denies denied deny absence absent lack lacks lacking free negative excludes exclude excluding".split()
)
NEEDS_OF = {
    "absence": " of ", "lack": " of ", "lacks": " ", "lacking": " ", "free": (" of ", " from "), "absent": " ",
    "negative": " for ",
}  # fmt: skip
# What looks like a negation and is none.
NO_NEGATION = re.compile(
    r"no(?:t)? (?:only|just|merely|necessarily|increase|decrease|change|longer|(?:more|less|later|earlier) than"
    r"|be certain|certain|rule out|ruled out|exclude|been excluded|doubt|until|uncommon|unusual|rare|always|matter"
    r"|all|every|enough|sure|know|known)(?![a-z])|without (?:delay|doubt)(?![a-z])"
)
# What negates backwards: "pneumonia was ruled out", "sepsis is unlikely".
NEGATED_AFTER = re.compile(
    r"[^.;:,!?\n]{0,30}? (?:(?:is|was|are|were|been|be) (?:ruled out|excluded|absent|unlikely|not (?:seen|present"
    r"|found|likely|detected|evident|recommended|indicated|needed|required))|unlikely|absent)(?![a-z])"
)
# Words that end what a negation reaches.
CLAUSE_END = frozenset(
    "but however although though yet except unless which who because since while whereas then therefore so still "
    "instead and if when".split()
)
# How many words a negation reaches, counted anew after each negated term.
NEGATION_REACH = 5
