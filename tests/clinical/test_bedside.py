"""Statements as clinicians write them at the bedside: the same statement raises no alarm, another one does."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# (reference, the same in another notation, another statement in that notation)
NOTATIONS = [
    ("Levothyroxine 12.5 micrograms daily.", r"Levothyroxine $12{,}5\,\mu\mathrm{g}$ once daily.",
     r"Levothyroxine $125\,\mu\mathrm{g}$ once daily."),
    ("Morphine 2.5 mg IV.", r"Morphine \SI{2.5}{mg} IV.", r"Morphine \SI{25}{mg} IV."),
    ("Neostigmine 2.5 mg.", "Neostigmine：２．５　mg slowly.", "Neostigmine：５　mg slowly."),
    ("Platelets must be at least 80 × 10⁹/L before an epidural.",
     "Before an epidural, platelets of 80 G/L or more are required.",
     "Before an epidural, platelets of 20 G/L or more are required."),
    ("Transfuse when platelets fall below 10 × 10⁹/L.", "Transfuse when platelets fall below 10 x 109/L.",
     "Transfuse when platelets fall below 50 x10E9/L."),
    ("Dopamine 5 micrograms/kg/min.", "Dopamine 5 µg per kg and minute.", "Dopamine 5 µg per kg and hour."),
    ("Benzylpenicillin 4 million units every 4 hours.", "Benzylpenicillin 4 Mio. I.E. every 4 hours.",
     "Benzylpenicillin 10 Mio. I.E. every 4 hours."),
    ("Fulvestrant 500 mg intramuscularly monthly.", "Fulvestrant 250 mg into each buttock once a month.",
     "Fulvestrant 500 mg into each buttock once a month."),
    ("An ICD is considered when the ejection fraction is 35% or less.", "ICD: LVEF ≤ 0.35.", "ICD: LVEF ≤ 0.53."),
    ("Start with an FiO2 of 40%.", "FiO2 0.4 to begin with.", "FiO2 0.8 to begin with."),
    ("Transfuse below a haemoglobin of 7 g/dL.", "Transfuse when Hb is below 4.3 mmol/L.",
     "Transfuse when Hb is below 5.6 mmol/L."),
    ("Heparin: bolus of 60 units/kg, then start at 12 units/kg/hour.",
     "60 U/kg bolus. Continue at 12 U/kg/h.", "60 U/kg bolus. Continue at 12 U/kg/min."),
    ("IV paracetamol for children above 10 kg: 15 mg/kg every 6 hours.",
     "Weight 22 kg, IV paracetamol 330 mg 6-hourly.", "Weight 22 kg, IV paracetamol 660 mg 6-hourly."),
    ("Nitrofurantoin 100 mg twice daily for 3 days.", "Nitrofurantoin 100 mg BD × 3 days. Review within 48 hours.",
     "Nitrofurantoin 100 mg BD × 10 days. Review within 48 hours."),
]  # fmt: skip

# (reference, the same by other times, tablets or words, another regimen)
REGIMENS = [
    ("Prednisolone 15 mg every other day.", "Alternate-day prednisolone: 15 mg at breakfast.",
     "Prednisolone 15 mg daily at breakfast."),
    ("Alendronate 70 mg once a week.", "Alendronate 70 mg before breakfast once a week.",
     "Alendronate 70 mg before breakfast every day."),
    ("Levodopa 400 mg daily in divided doses.",
     "Levodopa 100 mg on getting up, 100 mg at 11 am, 100 mg at 3 pm and 100 mg at 7 pm.",
     "Levodopa 200 mg on getting up, 200 mg at 11 am, 200 mg at 3 pm and 200 mg at 7 pm."),
    ("Hydrocortisone 20 mg daily in divided doses.",
     "Hydrocortisone 10 mg at 7 am, 5 mg at noon and 5 mg at 4 pm.",
     "Hydrocortisone 20 mg at 7 am, 10 mg at noon and 10 mg at 4 pm."),
    ("Dexamethasone 8 mg once daily.",
     "Dispense dexamethasone 2 mg and let him swallow four tablets at once in the morning.",
     "Dispense dexamethasone 2 mg and let him swallow two tablets at once in the morning."),
    ("Methotrexate 15 mg weekly.", "Methotrexate 2.5 mg: take 6 tablets together once a week.",
     "Methotrexate 2.5 mg: take 6 tablets together once a day."),
    ("Furosemide 80 mg daily.", "Lasix 40 mg, two tablets in the morning.", "Lasix 40 mg, three tablets in the morning."),
    ("Bisoprolol 2.5 mg twice daily.", "Bisoprolol 2.5 mg 1-0-1.", "Bisoprolol 2.5 mg 1-0-0."),
    ("Trimethoprim 6 mg/kg/day in two doses.", "TMP 3 mg/kg every 12 hours, given as co-trimoxazole.",
     "TMP 6 mg/kg every 12 hours, given as co-trimoxazole."),
    ("Switch to oral metronidazole after 48 hours.",
     "After two days metronidazole was changed from intravenous to tablets.",
     "After two days metronidazole was changed from tablets to intravenous."),
    ("Bupivacaine is for epidural use here; intravenous injection is lethal.",
     "Bupivacaine goes into the epidural space.", "Give the bupivacaine by intravenous injection."),
    ("Rifater: a patient of 50 kg or more takes 5 tablets daily.", "Weight 55 kg: five tablets of Rifater daily.",
     "Weight 55 kg: three tablets of Rifater daily."),
]  # fmt: skip

# (reference, the same criterion or a patient beside it, another criterion)
CRITERIA = [
    ("The target INR after a pulmonary embolism treated with warfarin is 2.5.", "Target INR 2.5.", "Target INR 3.5."),
    ("A Wells score of 5 or more makes an embolism likely.", "Wells adds up to five or more: embolism likely.",
     "Embolism likely once the Wells score adds up to twelve or higher."),
    ("CURB-65 of 3 or more: admit.", "Admit from a CURB-65 of three points upwards.",
     "Admit from a CURB-65 of four points upwards."),
    ("Women with AF and a CHA2DS2-VASc score of 3 or more need anticoagulation.",
     "Women with AF: anticoagulate from a CHA2DS2-VASc of 3.",
     "Women with AF: anticoagulate from a CHA2DS2-VASc of 5 points on."),
    ("The red cell transfusion threshold is 70 g/L.", "Transfuse when the haemoglobin sinks below 70 g/L.",
     "Transfuse when the haemoglobin sinks below 100 g/L."),
    ("Vancomycin must not be infused faster than 10 mg/min.",
     "Creatinine 90 µmol/L. Infusion rate at most 10 mg/min.", "Creatinine 90 µmol/L. Infusion rate at most 30 mg/min."),
    ("Treat hypertension if blood pressure is above 140/90 mmHg.", "His BP today is 128/76, so no tablets.",
     "Treat once BP is above 160/100."),
    ("Apixaban is reduced if weight ≤ 60 kg or creatinine ≥ 133 micromol/L.",
     "She weighs 74 kg, her creatinine is 88: no reduction.", "Reduce apixaban at a creatinine of 96."),
    ("Transfuse below a haemoglobin of 70 g/L.", "Her haemoglobin is 95 g/L, so we do not transfuse.",
     "Her haemoglobin is 95 g/L, so we transfuse."),
    ("Thrombolysis is contraindicated if blood pressure exceeds 185/110 mmHg.",
     "BP brought down to 168/92, so alteplase could go ahead.", "Alteplase only once BP is above 185/110."),
    ("Metformin is stopped if eGFR falls below 30 mL/min.", "His eGFR is 62 today, so metformin goes on.",
     "Metformin is stopped once the eGFR is 60."),
    ("Stop the statin if creatine kinase exceeds ten times the upper limit of normal.",
     "CK normal. Atorvastatin continues; it should be stopped only if CK is > 10 × ULN.",
     "CK above 10 × ULN: atorvastatin may continue."),
    ("Sulfonylureas can cause hypoglycaemia.", "Doing well on gliclazide, no hypos reported.",
     "Sulfonylureas do not cause hypoglycaemia."),
    ("Statins can cause myalgia.", "On atorvastatin for a year without muscle pain.", "Statins do not cause myalgia."),
    ("Amiodarone carries a risk of hyperthyroidism.", "On amiodarone since March. No hyperthyroidism noted.",
     "Amiodarone causes no hyperthyroidism."),
]  # fmt: skip

# (reference, the same way of stopping or taking, another one)
WAYS = [
    ("Clonidine must not be stopped suddenly.", "Clonidine is withdrawn gradually.",
     "You can stop clonidine overnight."),
    ("Paroxetine should be tapered.", "If stopped abruptly, paroxetine can cause dizziness.",
     "Paroxetine needs no tapering: stop it from one day to the next."),
    ("Do not give iron at the same time as levothyroxine.", "Iron and levothyroxine: four hours apart.",
     "Iron can be swallowed at the same time as levothyroxine."),
    ("Leave two hours between alendronate and calcium.", "Alendronate is not taken together with calcium.",
     "Alendronate is taken at the same time as calcium."),
]  # fmt: skip


# (reference, the same dose by strengths and numbers of items, another dose)
STRENGTHS = [
    ("Take warfarin 8 mg tonight.", "Tonight: one 5 mg (pink) tablet and three 1 mg (brown) tablets of warfarin.",
     "Tonight: one 5 mg (pink) tablet and four 1 mg (brown) tablets of warfarin."),
    ("Tacrolimus 3.5 mg twice daily.", "Tacrolimus twice a day: three 1 mg capsules and one 0.5 mg capsule.",
     "Tacrolimus twice a day: three 1 mg capsules and three 0.5 mg capsules."),
    ("Warfarin 4 mg today.", "Warfarin today: 2 mg tablet + 1 mg tablet + 1 mg tablet.",
     "Warfarin today: 2 mg tablet + 1 mg tablet."),
    ("Each tablet contains trimethoprim 80 mg and sulfamethoxazole 400 mg; the dose is two tablets.",
     "Two tablets, i.e. trimethoprim 160 mg with sulfamethoxazole 800 mg.",
     "Two tablets, i.e. trimethoprim 160 mg with sulfamethoxazole 400 mg."),
    ("Budesonide 800 micrograms a day, half in the morning and half at night.",
     "Budesonide 200 mcg inhaler: two puffs in the morning and two at night.",
     "Budesonide 200 mcg inhaler: four puffs in the morning and four at night."),
    ("Fluticasone 500 micrograms daily.", "Fluticasone 125 mcg/puff, two puffs morning and two puffs evening.",
     "Fluticasone 125 mcg/puff, one puff morning and one puff evening."),
    ("Gabapentin 900 mg a day in three doses.", "Gabapentin capsules of 300 mg, one capsule three times a day.",
     "Gabapentin capsules of 300 mg, two capsules three times a day."),
    ("Terbutaline inhaler 250 micrograms per puff, two puffs.",
     "Two puffs of terbutaline (500 micrograms altogether).", "Two puffs of terbutaline (750 micrograms altogether)."),
    ("Carbocisteine 2.25 g daily, split into three.", "Three times a day, two 375 mg carbocisteine capsules.",
     "Three times a day, one 375 mg carbocisteine capsule."),
    ("Sumatriptan 50 mg for the attack.", "One 50 mg sumatriptan tablet for the attack.",
     "Six 50 mg sumatriptan tablets for the attack."),
    ("Levetiracetam 1,250 mg at night.", "Levetiracetam at night: 1,000 mg + 250 mg (one tablet of each).",
     "Levetiracetam at night: 1,000 mg + 500 mg (one tablet of each)."),
    ("Prednisone 45 mg a day.", "Daily prednisone: two 20 mg tablets and one 5 mg tablet.",
     "Daily prednisone: one 40 mg tablet and two 5 mg tablets."),
    ("Dispense 56 perindopril 4 mg tablets; take one daily.", "Perindopril 4 mg once a day, 56 tablets supplied.",
     "Perindopril 8 mg once a day, 56 tablets supplied."),
    ("Immunoglobulin 2 g/kg over five days.", "0.4 g/kg of immunoglobulin daily for five days.",
     "2 g/kg of immunoglobulin daily for five days."),
    ("Budesonide/formoterol 200/6, two puffs twice daily.",
     "Two inhalations of budesonide/formoterol 200/6 morning and evening.",
     "Two inhalations of salmeterol/fluticasone 50/250 morning and evening."),
    ("Over 6 hours, 1.5 L of saline.", "Saline at 250 mL/h for six hours.", "Saline at 500 mL/h for six hours."),
    ("Insulin pen: 300 units in 3 mL.", "Each mL of the insulin pen has 100 units.",
     "Each mL of the insulin pen has 300 units."),
    ("Cortisone 25 mg on waking and 12.5 mg at 4 pm.", "Cortisone 25 mg on waking and 12.5 mg at 16:00.",
     "Cortisone 12.5 mg on waking and 12.5 mg at 16:00."),
]  # fmt: skip


# (reference, the same times or limits, others)
RHYTHMS = [
    ("Phenobarbital 6 mg/kg/day, i.e. 3 mg/kg twice daily.", "Phenobarbital 6 mg/kg/day, meaning 3 mg/kg twice daily.",
     "Phenobarbital 6 mg/kg/day, meaning 6 mg/kg twice daily."),
    ("Bumetanide 2 mg per day as two doses of 1 mg.", "Give bumetanide 1 mg both in the morning and at midday.",
     "Give bumetanide 2 mg both in the morning and at midday."),
    ("Give epoetin on Tuesday, Thursday and Saturday.", "Epoetin is given three times a week.",
     "Give epoetin twice a day, every day."),
    ("Each glipizide tablet holds 5 mg; take one with breakfast and one with supper.",
     "Glipizide 5 mg: take one with breakfast and one with supper.",
     "Glipizide 5 mg: take three with breakfast and three with supper."),
    ("The maximum single dose of loperamide is 4 mg; the daily maximum is 16 mg.",
     "Loperamide may be taken up to 4 mg in a single dose.", "Loperamide may be taken up to 16 mg in a single dose."),
    ("Valaciclovir 1 g three times a day for 7 days.", "Valaciclovir\n- dose: 1 g\n- times per day: 3\n- days: 7",
     "Valaciclovir\n- dose: 1 g\n- times per day: 1\n- days: 7"),
    ("Each puff of olodaterol delivers 2.5 micrograms; the daily dose is 5 micrograms.",
     "One puff of olodaterol delivers 2.5 mcg and the daily dose is 5 mcg.",
     "Olodaterol: the daily dose is 2.5 mcg."),
    ("The INR target with a mechanical aortic valve is 2 to 3.", "A mechanical aortic valve calls for an INR of 2-3.",
     "A mechanical aortic valve calls for an INR of 3-4."),
    ("The bicarbonate was 12 mEq/L.", "Serum bicarbonate measured 12 mmol/L.", "Serum bicarbonate measured 22 mmol/L."),
    ("Bumetanide 1 mg at 7 am and 1 pm.", "Bumetanide 1 mg at 07:00 and 13:00.", "Bumetanide 1 mg at 7 pm and 1 am."),
    ("Lacosamide 50 mg tablets: two tablets in the morning and one at night.", "Lacosamide 100 mg mane and 50 mg nocte.",
     "Lacosamide 50 mg mane and 50 mg nocte."),
    ("Use the ointment nightly for six weeks.", "The ointment goes on every night for 6/52.",
     "The ointment goes on every night for 6/12."),
    ("Take it at 9 p.m.", "Take it at 21:00.", "Take it at 9 a.m."),
    ("Start insulin when glucose is above 12 mmol/L.", "Two readings above 216 mg/dL: start insulin.",
     "Two readings above 120 mg/dL: start insulin."),
    ("Lipase 25,000 units with each of three meals.", "Lipase 75,000 units in total across the day's three meals.",
     "Lipase 25,000 units in total across the day's three meals."),
]  # fmt: skip

# (reference, the same for each of several things in another order, two of them exchanged)
SEVERAL = [
    ("On the ward she takes atenolol 50 mg and lisinopril 5 mg daily. Bumetanide 1 mg only on days of swelling.",
     "Daily: lisinopril 5 mg; atenolol 50 mg. On days of swelling, bumetanide 1 mg.",
     "Daily: lisinopril 50 mg; atenolol 5 mg. On days of swelling, bumetanide 1 mg."),
    ("Continuation phase: rifampicin 450 mg, isoniazid 300 mg daily.",
     "In the continuation phase he takes isoniazid 300 mg and rifampicin 450 mg every day.",
     "In the continuation phase he takes isoniazid 450 mg and rifampicin 300 mg every day."),
    ("Platelets 210 x 10^9/L, white cells 7 x 10^9/L.", "White cells 7, platelets 210 (x 10^9/L).",
     "White cells 21, platelets 70 (x 10^9/L)."),
    ("Controlled oxygen by a 24% Venturi mask; target saturation in COPD 88-92%.",
     "As he has COPD, a 24% Venturi mask is used with a target of 88 to 92%.",
     "As he has COPD, a 24% Venturi mask is used with a target of 94 to 98%."),
    ("Acenocoumarol: 4 mg on Tuesdays and Sundays, 3 mg on other days.",
     "3 mg of acenocoumarol daily except Tuesdays and Sundays, when it is 4 mg.",
     "2 mg of acenocoumarol daily except Tuesdays and Sundays, when it is 8 mg."),
    ("The left knee is hot and swollen; the right looks normal.", "Hot, swollen left knee; right knee normal.",
     "Hot, swollen right knee; left knee normal."),
]  # fmt: skip


CASES = NOTATIONS + REGIMENS + STRENGTHS + RHYTHMS + SEVERAL + CRITERIA + WAYS


@pytest.mark.parametrize(("reference", "same", "other"), CASES)
def test_a_notation_changes_nothing_and_another_statement_is_found(reference, same, other, lexicon):
    assert not errors(reference, same, lexicon)
    assert errors(reference, other, lexicon)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ASS", "aspirin"),
        ("Novalgin", "dipyrone"),
        ("Euthyrox", "levothyroxine"),
        ("a lacunar infarct", "an ischaemic stroke"),
        ("throat pain", "a sore throat"),
        ("loss of granulocytes", "agranulocytosis"),
        ("low Hb", "anaemia"),
    ],
)
def test_two_names_are_one_term(one, other, lexicon):
    assert lexicon.terms(one) == lexicon.terms(other) != []


def errors(reference, answer, lexicon):
    return [*(dose_errors(reference, answer) or ()), *negation_errors(reference, answer, lexicon)]
