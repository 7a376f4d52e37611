"""Units, conversions, rates, schedules and routes: the same in other words raises no alarm, an error does."""

import pytest

from medqa.clinical import dose_errors
from medqa.clinical.quantities.quantity_reader import read

# (reference, the same in another unit, another value)
UNITS = [
    ("The diet provides 30 kcal/kg/day.", "Daily energy: 126 kJ per kilogram.", "Daily energy: 30 kJ per kilogram."),
    ("Body weight 57 kg.", "He weighs 9 stone.", "He weighs 57 stone."),
    ("The baby weighs 3.6 kg.", "Birth weight: 7 lb 15 oz.", "Birth weight: 5 lb 15 oz."),
    ("Radioiodine 370 MBq.", "Radioiodine 10 mCi.", "Radioiodine 37 mCi."),
    ("Mupirocin 2% ointment.", "Mupirocin ointment, 20 mg/g.", "Mupirocin ointment, 2 mg/g."),
    ("Dilute the disinfectant 1 in 20.", "Use a 1:20 dilution of the disinfectant.", "Dilute the disinfectant 1 in 200."),
    ("Pancreatin 10,000 lipase units with each snack.", "10,000 units of pancreatin with each snack.",
     "1,000 units of pancreatin with each snack."),
    ("Insulin detemir 14 units in the evening.", "In the evening detemir 14 IU.", "Detemir 14 mL in the evening."),
    ("Vitamin A 25,000 IU weekly.", "Weekly vitamin A, 25,000 units.", "Weekly retinol, 25,000 mg."),
]  # fmt: skip

# (reference, the same level in another unit, another level)
LEVELS = [
    ("The free T4 was 20 pmol/L.", "Free thyroxine 1.55 ng/dL.", "Free thyroxine 15.5 ng/dL."),
    ("Phenytoin 60 µmol/L.", "The phenytoin level was 15 mg/L.", "The phenytoin level was 25 mg/L."),
    ("Creatinine 133 µmol/L while on lisinopril.", "On lisinopril her creatinine read 1.5 mg/dL.",
     "On lisinopril her creatinine read 3.5 mg/dL."),
    ("The solution contains potassium 5 mmol/L.", "Each litre of the solution carries 5 mEq of potassium.",
     "Each litre of the solution carries 50 mEq of potassium."),
    ("The HbA1c was 86 mmol/mol.", "Her HbA1c has reached 10.0 %.", "Her HbA1c has reached 8.6 %."),
    ("Levetiracetam syrup 100 mg/mL: 5 mL twice daily.", "Levetiracetam 500 mg b.d.", "Levetiracetam 50 mg b.d."),
]  # fmt: skip

# (reference, the same rounded or by another time, another rate)
RATES = [
    ("The clearance was 41.6 mL/min and the weight 58.9 kg.", "Weight 59 kg, creatinine clearance 42 mL/min.",
     "Weight 59 kg, creatinine clearance 52 mL/min."),
    ("Hartmann's 250 mL/h.", "A litre of Hartmann's every four hours.", "A litre of Hartmann's every eight hours."),
    ("The bag of 1,000 mL is given in 10 hours.", "Run the 1,000 mL bag at 100 mL/h.", "Run the 1,000 mL bag at 10 mL/h."),
    ("MAP rose from 54 to 68 mmHg.", "MAP went from 54 to 68 mmHg.", "MAP went from 54 to 86 mmHg."),
    ("Cefalexin 1.5 g daily.", "Cefalexin 1.5 g a day, one third every 8 hours.", "Cefalexin 500 mg once daily."),
    ("At most 90 mg of ketamine lozenges a day.", "Not above 90 mg daily.", "Not above 900 mg daily."),
]  # fmt: skip

# (reference, the same schedule in other words, another schedule)
SCHEDULES = [
    ("Sirolimus on weekdays only, 1 mg.", "Sirolimus 1 mg from Monday to Friday.", "Sirolimus 1 mg at weekends."),
    ("Azithromycin 250 mg three times a week.", "Azithromycin 250 mg Mon/Wed/Fri.", "Azithromycin 250 mg Mon/Fri."),
    ("Infliximab maintenance 5 mg/kg twice a year.", "Infliximab 5 mg/kg half-yearly.", "Infliximab 5 mg/kg yearly."),
    ("Melphalan on four consecutive days.", "Melphalan daily on 4 successive days.", "Melphalan every other day."),
    ("Sunitinib: four weeks on, two weeks off.", "28 days of sunitinib, then a break of two weeks.",
     "Four weeks of sunitinib, then a break of four weeks."),
    ("Ivermectin 12 mg as a single dose.", "A one-off dose of ivermectin, 12 mg.", "Ivermectin 12 mg daily."),
    ("Apixaban is continued lifelong.", "Apixaban has to be taken for good.", "Apixaban is taken for six months."),
    ("Keep sucralfate and phenytoin two hours apart from each other.", "Two hours lie between sucralfate and phenytoin.",
     "Twelve hours lie between sucralfate and phenytoin."),
    ("Leave the lotion on for 8 to 10 hours; repeat after a week.", "After 8 to 10 hours wash the lotion off.",
     "After 8 to 10 minutes wash the lotion off."),
    ("Loading twice daily for one week, then once daily for one week.", "A week twice daily and a week once daily.",
     "A week twice daily and three weeks once daily."),
    ("Domperidone 10 mg before meals.", "Domperidone 10 mg tds a.c.", "Domperidone 10 mg tds p.c."),
    ("Repaglinide with each main meal.", "Repaglinide at mealtimes.", "Repaglinide at bedtime."),
    ("Wait at least 45 minutes before lunch.", "No lunch for 45 minutes or longer.", "Wait at least 15 minutes before lunch."),
]  # fmt: skip

# (reference, the same route in other words, another route)
ROUTES = [
    ("Haloperidol 2 mg intramuscularly each night.", "Haloperidol 2 mg into the thigh muscle each night.",
     "Haloperidol 2 mg intravenously each night."),
    ("Lorazepam 1 mg sublingually.", "Let the 1 mg lorazepam tablet melt under your tongue.", "Swallow lorazepam 1 mg."),
    ("Midazolam 10 mg buccally.", "10 mg midazolam between cheek and gum.", "10 mg midazolam up the nose."),
    ("Enoxaparin 60 mg subcutaneously.", "Enoxaparin 60 mg is injected into the fat of the belly.", "Enoxaparin 60 mg is swallowed."),
    ("Betamethasone cream applied thinly.", "Rub in a little betamethasone cream.", "Betamethasone is injected."),
    ("Ketorolac 0.5% as eye drops.", "Ketorolac 0.5% drops into both eyes.", "Ketorolac 0.5% into the left ear."),
    ("Levobupivacaine was given intrathecally.", "Levobupivacaine went into the spinal canal.",
     "Levobupivacaine went into the epidural space."),
    ("The powder goes down the nasogastric tube.", "Give the powder via her NG tube.", "The powder is taken by mouth."),
    ("The vaccine is given by mouth and must not be injected.", "An oral vaccine, never for injection.",
     "The vaccine is injected into the deltoid."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [*UNITS, *LEVELS, *RATES, *SCHEDULES, *ROUTES],
    ids=lambda text: text[:40],
)
def test_only_the_other_statement_is_an_error(reference, right, wrong):
    assert not dose_errors(reference, right)
    assert dose_errors(reference, wrong)


@pytest.mark.parametrize(
    ("words", "often"),
    [
        ("mane and nocte", "2 a day"),
        ("bis die", "2 a day"),
        ("on waking and at bedtime", "2 a day"),
        ("with all three meals", "3 a day"),
        ("on alternate weeks", "every 14 days"),
        ("on two nights a week", "every 3.5 days"),
        ("semi-annually", "every 6 months"),
        ("three days out of seven", "every 7/3 days"),
        ("twice on the first day", "2 a day"),
    ],
)
def test_spoken_and_latin_schedules(words, often):
    assert [str(one) for one in read(f"Take 5 mg {words}.") if one.kind == "frequency"] == [often]


@pytest.mark.parametrize(
    "text",
    [
        "Seek help if swallowed.",
        "She was unable to swallow.",
        "Oral rehydration was started.",
        "A barium swallow.",
    ],
)
def test_no_route_is_named(text):
    assert not [one for one in read(text) if one.kind == "route"]
