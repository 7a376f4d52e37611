"""Compounds of organs and disorders, classes of medicines, results and answered questions in other words."""

import clinical_reading
import pytest

from medqa.clinical import MedicalLexicon


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# A sentence, the same with the terms in other words, another sentence
TERMS = """
α-blockers ease the symptoms of an enlarged prostate.
Alpha blockers ease the symptoms of benign prostatic hyperplasia.
β-blockers ease the symptoms of benign prostatic hyperplasia.

Supplementary O₂ is needed in pneumonia with low saturation.
Pneumonia with a low saturation calls for oxygen.
Pneumonia with a low saturation calls for antibiotics.

Oral prednisolone relieves polymyalgia rheumatica.
Polymyalgia rheumatica responds to prednisolone by mouth.
Temporal arteritis responds to methotrexate by mouth.

Inflammation of the pancreas is often due to gallstones.
Pancreatitis is often caused by gallstones.
Pancreatic cancer is often accompanied by jaundice.

His tonsils were removed because of sleep apnoea.
Sleep apnoea was the reason for his tonsillectomy.
Sleep apnoea was the reason for his tracheostomy.

An inflamed parotid follows mumps.
Parotitis follows mumps.
Orchitis follows mumps.

Enlargement of the spleen is typical of malaria.
Splenomegaly is typical of malaria.
Hepatomegaly is typical of malaria.

A broken hip is treated by surgery.
The treatment of a hip fracture is surgery.
The treatment of a hip dislocation is surgery.

Ramipril often causes a dry cough.
A dry cough is often due to an ACE inhibitor.
A dry cough is often due to asthma.

Statins such as simvastatin can cause muscle pain.
Muscle pain may come from a statin.
Muscle pain may come from fibromyalgia.

Naproxen can trigger peptic ulcers.
NSAIDs can trigger peptic ulcers.
Antibiotics can trigger diarrhoea.

An overdose of digoxin causes yellow vision and bradycardia.
Too much digoxin slows the heart and makes vision yellow: bradycardia.
Hypothyroidism causes bradycardia and constipation.

Treat a diazepam overdose with flumazenil.
Flumazenil is given for diazepam poisoning.
Naloxone is given for morphine poisoning.

Cirrhotic patients develop ascites.
Ascites is a consequence of cirrhosis.
Ascites is a consequence of ovarian cancer.

Latent syphilis is treated with benzathine penicillin.
Dormant syphilis is treated with benzathine penicillin.
Gonorrhoea is treated with ceftriaxone.

Haematuria may be due to stones in the bladder.
Bladder stones may cause blood in the urine.
Bladder cancer may cause blood in the urine.

An aneurysm in the brain can burst.
A cerebral aneurysm can rupture.
An aortic aneurysm can rupture.

Bleeding into a joint is common in haemophilia.
Haemarthrosis is common in haemophilia.
Arthritis is common in psoriasis.

A gliflozin can cause thrush.
SGLT2 inhibitors can cause thrush.
DPP-4 inhibitors can cause pancreatitis.

Empagliflozin lowers the risk of heart failure.
Jardiance, an SGLT2 inhibitor, lowers the risk of heart failure.
Pioglitazone raises the risk of bladder cancer.

Loop diuretics such as furosemide relieve oedema.
Loop diuretics relieve oedema.
Loop diuretics such as furosemide cause hypokalaemia and hearing loss.

Her kidneys are failing because of lupus.
Lupus has led to renal failure.
Lupus has led to heart failure.

The meninges are inflamed.
Meningitis.
Encephalitis.

She had her ovaries removed for endometriosis.
Oophorectomy was done for endometriosis.
Hysterectomy was done for fibroids.

Lisinopril is contraindicated in angioedema.
An ACE inhibitor such as lisinopril is contraindicated in angioedema.
A calcium channel blocker such as amlodipine is contraindicated in aortic stenosis.

Bisphosphonates such as risedronate must be taken upright.
Risedronate must be taken upright.
Levothyroxine must be taken fasting.

Inflammation of the gums bleeds easily.
Gingivitis bleeds easily.
Stomatitis is painful.

Nephrolithiasis presents with flank pain and haematuria.
Stones in the kidneys show themselves by pain in the flank and blood in the urine.
Cancer of the kidneys shows itself by blood in the urine.

A torn meniscus is repaired by arthroscopy.
Meniscal tears are repaired by arthroscopy.
A torn cruciate ligament is repaired by arthroscopy.

Chronic obstructive pulmonary disease (COPD) is treated with tiotropium.
In COPD give Spiriva, i.e. tiotropium.
In asthma give Flovent, i.e. fluticasone.

Splenectomised patients need vaccination against pneumococcus.
After removal of the spleen, vaccinate against pneumococcus.
After removal of the kidney, avoid NSAIDs.

Myocardial infarction is treated with PCI and dual antiplatelet therapy.
A heart attack is treated with angioplasty plus aspirin and clopidogrel.
Pulmonary embolism is treated with heparin and warfarin.

Hepatomegaly and jaundice suggest hepatitis.
An enlarged liver and yellow skin (jaundice) point to inflammation of the liver.
An enlarged spleen and anaemia point to malaria.

Metformin may cause lactic acidosis in renal failure.
In kidney failure, Glucophage can lead to lactic acidosis.
In liver failure, paracetamol can lead to encephalopathy.

Gonococcal urethritis is treated with ceftriaxone.
Inflammation of the urethra from gonorrhoea is treated with ceftriaxone.
Chlamydial cervicitis is treated with doxycycline.

Osteoarthritis of the knee: topical diclofenac before oral NSAIDs.
Knee osteoarthritis: rub in diclofenac gel before taking anti-inflammatory painkillers by mouth.
Gout of the knee: colchicine.

Endometrial cancer presents with postmenopausal bleeding.
Cancer of the womb lining shows itself by bleeding after the menopause.
Ovarian cancer presents with ascites.

Raised γ-GT suggests alcohol misuse.
An elevated gamma-GT points to alcohol abuse.
An elevated troponin points to a heart attack.

Carotid stenosis is treated by endarterectomy.
Narrowing of the carotid artery is treated by endarterectomy.
Aortic stenosis is treated by valve replacement.

Optic neuritis may be the first sign of multiple sclerosis.
Inflammation of the optic nerve may be the first sign of MS.
Peripheral neuropathy may be the first sign of diabetes.

ARBs are an alternative when ACE inhibitors cause cough.
Losartan is an alternative when ramipril causes cough.
Losartan is contraindicated in pregnancy.

Diabetic foot ulcers need debridement.
Foot ulcers of diabetics need debridement.
Venous leg ulcers need compression.

Trigeminal neuralgia responds to carbamazepine.
Tegretol helps in nerve pain of the face (trigeminal neuralgia).
Migraine responds to sumatriptan.

Hyponatraemia may be caused by thiazides.
A low sodium may come from water tablets such as bendroflumethiazide.
A low potassium may come from laxatives.

Epistaxis: pinch the nose and lean forward.
For a nosebleed lean forward and pinch the soft part of the nose.
For a toothache take paracetamol.

Deep vein thrombosis is diagnosed by ultrasound.
A blood clot in a deep vein of the leg is found by an ultrasound scan.
Cellulitis is diagnosed clinically.

Xerostomia is common with amitriptyline.
A dry mouth is common with tricyclics such as amitriptyline.
Diarrhoea is common with metformin.

Pulmonary fibrosis is a late effect of amiodarone.
Scarring of the lungs is a late effect of amiodarone.
Thyroid disease is a late effect of lithium.

Oesophageal stricture causes dysphagia.
Narrowing of the gullet makes swallowing difficult (dysphagia).
Pharyngitis causes a sore throat.

Renal colic is treated with diclofenac.
Pain from a stone in the ureter (renal colic) is treated with an NSAID such as diclofenac.
Biliary colic is treated with a cholecystectomy.

Cor pulmonale is a complication of COPD.
Right heart failure from lung disease (cor pulmonale) can complicate COPD.
Lung cancer can complicate smoking.

Postherpetic neuralgia is treated with gabapentin.
Nerve pain after shingles is treated with gabapentin.
Trigeminal neuralgia is treated with carbamazepine.

Otitis media with effusion causes conductive hearing loss.
Glue ear causes hearing loss.
Ménière's disease causes vertigo.

Myasthenia gravis causes ptosis and diplopia.
In MG the eyelids droop (ptosis) and people see double (diplopia).
In MS the optic nerve is inflamed.

Hepatic steatosis is linked to obesity.
A fatty liver is linked to obesity.
Gallstones are linked to obesity.

Rhabdomyolysis can follow statin overdose.
Muscle breakdown (rhabdomyolysis) can follow too many statins.
Muscle weakness can follow steroids.

Thrombocytopenia is a side effect of heparin.
A low platelet count is a side effect of heparin.
A low white cell count is a side effect of clozapine.

Streptococcal pharyngitis is treated with phenoxymethylpenicillin.
Strep throat is treated with penicillin V.
Scarlet fever needs isolation.

Bone marrow failure causes pancytopenia.
When the bone marrow fails, all blood cells are low (pancytopenia).
When the liver fails, bleeding occurs.

Cerebral oedema is treated with mannitol.
Swelling of the brain is treated with mannitol.
A brain abscess is treated with antibiotics.

Nephrectomy is the treatment of renal cell carcinoma.
Kidney cancer is treated by removing the kidney.
Bladder cancer is treated by BCG.

Subconjunctival haemorrhage resolves without treatment.
Bleeding under the conjunctiva goes away by itself.
Acute glaucoma needs emergency treatment.
"""

# A statement, the same in other words, another statement
STATEMENTS = """
Anti-HBc total non-reactive, HCV antibody not detected, syphilis serology negative.
The blood showed no hepatitis C and no syphilis.
The blood showed hepatitis C but no syphilis.

HIV antigen/antibody non-reactive.
No HIV was found.
HIV was found.

Stool: norovirus negative, salmonella negative, campylobacter positive.
Campylobacter grew from the stool; neither norovirus nor salmonella was there.
Salmonella is present in the stool; no campylobacter.

Dipstick: ketones negative, nitrites positive.
Nitrites are present on the dipstick, no ketones.
Ketones are present on the dipstick, no nitrites.

Throat swab: no growth of streptococci.
The throat swab was negative.
The throat swab grew streptococci.

The blood film was negative for malaria.
There was no malaria on the blood film.
The blood film showed malaria.

Allergies: NKDA.
She is not allergic to any medicine.
She is allergic to penicillin.

Modified-release nifedipine must not be crushed or chewed.
Swallow the nifedipine whole without crushing or chewing it.
Modified-release nifedipine may be crushed or chewed.

Potassium chloride tablets must not be broken or sucked.
Swallow potassium chloride tablets without breaking or sucking them.
Potassium chloride tablets may be broken or sucked.

Alcohol should be avoided during treatment with metronidazole.
Can I drink alcohol while I take metronidazole? No, leave it out until two days after the last tablet.
Can I drink alcohol while I take metronidazole? Yes, a glass is fine.

You can breastfeed while taking paracetamol.
Q: Can I breastfeed while taking paracetamol?
Can I breastfeed while taking paracetamol? No.

Aspirin must not be given to children with a fever.
Should I give my child with a fever aspirin? No. Aspirin is not for children with a fever.
Should I give aspirin to my feverish child? Yes, aspirin suits children with a fever.

Clozapine must not be started until the neutrophil count is known.
Know the neutrophil count before you start clozapine.
It isn't necessary to wait for the neutrophil count before starting clozapine.

Antibiotics should not be given before the blood cultures have been taken.
Take blood cultures before the antibiotics are given.
There is no need to wait for the blood cultures before giving antibiotics.

Undisplaced fracture of the radial head.
The radial head is broken but not displaced.
Displaced fracture of the radial head.

The aneurysm had not ruptured.
Unruptured aneurysm.
Ruptured aneurysm.

Uncomplicated diverticulitis.
Diverticulitis without complications.
Complicated diverticulitis.

Ibuprofen and naproxen must be avoided after a gastric bleed.
After a gastric bleed neither ibuprofen nor naproxen may be used.
After a gastric bleed you may safely use ibuprofen, but not naproxen.

Simvastatin and itraconazole: concomitant use is contraindicated.
Avoid itraconazole in patients who take simvastatin.
Simvastatin and itraconazole can be used concomitantly.

Sildenafil with nitrates: the combination is not recommended.
Avoid sildenafil in someone who takes nitrates.
Sildenafil may be taken with nitrates.

No pedal oedema, chest clear.
There was no swelling of the ankles and the chest was clear.
Both ankles show oedema, chest clear.

The pregnancy test was negative.
The pregnancy test is negative.
The pregnancy test was positive.

Wound swab: MRSA not detected.
There was no MRSA in the wound.
MRSA was found in the wound.

Mantoux test negative.
The tuberculin skin test was negative.
The tuberculin skin test was positive.

COVID-19 PCR: not detected.
She doesn't have COVID.
She has COVID.

Chlamydia NAAT negative, gonorrhoea NAAT positive.
The test found gonorrhoea but no chlamydia.
The test found chlamydia but no gonorrhoea.

Anti-nuclear antibodies negative, rheumatoid factor positive.
Rheumatoid factor was present; antinuclear antibodies were absent.
Antinuclear antibodies were present; rheumatoid factor was absent.

Is it safe to take ibuprofen while on lithium? No, it can raise the lithium level.
Ibuprofen is not safe while on lithium.
Ibuprofen is safe while on lithium.

Do I have to stop aspirin before the extraction? No, carry on as usual.
Aspirin need not be stopped before the tooth extraction.
Aspirin must be stopped before the tooth extraction.

Can a pregnant woman take warfarin? No.
Warfarin must not be taken in pregnancy.
Warfarin may be taken in pregnancy.

May he fly after his pneumothorax? Yes, from next week.
He may fly after his pneumothorax from next week.
He must not fly after his pneumothorax.

Bisphosphonate tablets are swallowed whole, never sucked or chewed.
Do not suck or chew the bisphosphonate tablet.
You may suck or chew the bisphosphonate tablet.

Omeprazole capsules may be opened but the pellets must not be crushed.
You can open the omeprazole capsule; don't crush the pellets.
You must not open the omeprazole capsule.

The hernia is irreducible.
The hernia cannot be reduced.
The hernia is reducible.

The patient is unvaccinated against hepatitis B.
She has not been vaccinated against hepatitis B.
She is vaccinated against hepatitis B.

The lesion is non-blanching.
The lesion does not blanch.
The lesion blanches on pressure.

The fracture is unstable.
The fracture is not stable.
The fracture is stable.

The tumour is unresectable.
The tumour cannot be resected.
The tumour is resectable.

Do not start lamotrigine before the rash has settled.
Wait until the rash has settled before starting lamotrigine.
There's no need to wait for the rash to settle before starting lamotrigine.

You may safely use paracetamol with warfarin.
Paracetamol is safe with warfarin.
Paracetamol must be avoided with warfarin.

Pupils equal and reactive, no nystagmus, no focal deficit.
Both pupils react equally; neither nystagmus nor any focal deficit was seen.
Both pupils react equally; nystagmus was seen, no focal deficit.

HBsAg came back negative.
She does not have hepatitis B.
HBsAg came back positive.

The troponin was negative twice.
Two troponins were normal.
The troponin was positive twice.

Breastfeeding is not recommended while taking lithium.
Avoid breastfeeding while on lithium.
You may safely breastfeed while on lithium.

Clopidogrel and omeprazole: avoid concomitant use.
Do not give omeprazole to patients on clopidogrel.
Omeprazole can be given to patients on clopidogrel.

The cervical smear showed no dyskaryosis.
The Pap smear was negative for dyskaryosis.
The Pap smear came back positive for dyskaryosis.

Is alcohol allowed with tinidazole? No.
Alcohol is not allowed with tinidazole.
Alcohol is allowed with tinidazole.

Faecal occult blood was negative.
There was no blood in the stool.
There was blood in the stool.
"""

# Names of one thing in lay and in Greek or Latin order
COMPOUNDS = """
cholecystitis = an inflamed gall bladder = inflammation of her gallbladder
tonsillectomy = removal of the tonsils = tonsils removed
splenomegaly = an enlarged spleen = enlargement of the spleen
kidney failure = failing kidneys
aortic stenosis = narrowing of the aortic valve = stenosis of the aortic valve
renal artery stenosis = narrowing of the renal artery
mitral regurgitation = a leaky mitral valve
haemarthrosis = bleeding into the joint
intracranial aneurysm = an aneurysm in the brain
lithium poisoning = an overdose of lithium = too much lithium = a lithium overdose
cirrhosis = a cirrhotic liver
viral hepatitis = hepatitis, viral
ptosis = drooping eyelids
"""


def flagged(kind, reference, answer, lexicon):
    return bool(clinical_reading.errors({"kind": kind, "reference": reference, "answer": answer}, lexicon))


@pytest.mark.parametrize(
    ("kind", "lines"),
    [("K10", lines) for lines in TERMS.strip().split("\n\n")]
    + [("K9", lines) for lines in STATEMENTS.strip().split("\n\n")],
)
def test_the_same_in_other_words_raises_no_alarm_and_another_sentence_does(kind, lines, lexicon):
    sentence, same, other = lines.splitlines()
    assert not flagged(kind, sentence, same, lexicon) and not flagged(kind, same, sentence, lexicon)
    assert flagged(kind, sentence, other, lexicon) and flagged(kind, other, sentence, lexicon)


@pytest.mark.parametrize("line", COMPOUNDS.strip().splitlines())
def test_a_compound_is_one_term_in_any_order_of_its_parts(line, lexicon):
    terms = [lexicon.terms(f"He has {name}.") for name in line.split(" = ")]
    assert all(len(found) == 1 and found == terms[0] for found in terms)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("kidney stones", ["kidney stone"]),
        ("bleeding, joint pain and fever", ["bleeding", "joint pain", "fever"]),
        ("oral aciclovir", ["aciclovir"]),
        ("take it by mouth", []),
        ("an oral ulcer", ["mouth ulcer"]),
        ("his eyelids droop", ["ptosis"]),
        ("an infected toe and a broken rib", ["infection", "toe", "rib fracture"]),
        ("a dry mouth", ["dry mouth"]),
        ("α-blockers and β-blockers", ["alpha blocker", "beta blocker"]),
        ("5 µg of calcitriol", ["calcitriol"]),
    ],
)
def test_compounds_come_before_their_parts_and_a_route_is_no_organ(text, terms, lexicon):
    assert lexicon.terms(text) == terms


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("An ACE inhibitor", "ramipril", 1.0),
        ("An ACE inhibitor", "amlodipine", 0.0),
        ("A statin", "a statin such as simvastatin", 1.0),
        ("A statin such as atorvastatin", "a statin such as simvastatin", 0.5),
        ("No NSAID", "no ibuprofen", 1.0),
        ("No NSAID", "ibuprofen", 0.0),
    ],
)
def test_a_medicine_matches_its_class_and_no_other(reference, answer, score, lexicon):
    assert lexicon.token_f1(reference, answer) == score
