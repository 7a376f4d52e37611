"""Amounts of an item, a dose, a day and a course: what follows raises no alarm, another base does."""

import pytest

from medqa.clinical import dose_errors

# (reference, the same on another base, the number of another base)
BASES = [
    ("Clindamycin 300 mg capsules, two capsules three times a day.",
     "Each time the patient takes 600 mg of clindamycin.", "Each time the patient takes 300 mg of clindamycin."),
    ("Baclofen 10 mg three times daily.", "Over 24 hours 30 mg of baclofen is taken.",
     "Over 24 hours 10 mg of baclofen is taken."),
    ("Aciclovir 10 mg/kg every 8 hours.", "In the course of a day, aciclovir 30 mg/kg.",
     "In the course of a day, aciclovir 10 mg/kg."),
    ("Caspofungin 50 mg once daily for 14 days.", "The cumulative caspofungin dose is 700 mg.",
     "The cumulative caspofungin dose is 50 mg."),
    ("Pyridoxine 25 mg tablets, 2 tablets once daily for 10 days.", "Pyridoxine 50 mg daily, 500 mg for the course.",
     "Pyridoxine 50 mg daily, 900 mg for the course."),
    ("Azithromycin total dose 1 g, given as 250 mg once daily for 4 days.",
     "Azithromycin 250 mg once daily on each of the four days.", "Azithromycin 1 g once daily on each of the four days."),
    ("Mometasone 50 micrograms per spray, two sprays in each nostril once daily.",
     "The daily dose is 200 micrograms of mometasone.", "The daily dose is 900 micrograms of mometasone."),
    ("Slow-release potassium 600 mg tablets contain 8 mmol; one tablet three times daily.",
     "24 mmol of potassium are given per day.", "36 mmol of potassium are given per day."),
    ("Furosemide 0.5 mg/kg per dose four times daily.", "2 mg/kg of furosemide over the day.",
     "0.5 mg/kg of furosemide over the day."),
    ("Rifampicin/isoniazid 150/100 mg tablets: five tablets daily.",
     "That gives him 750 mg of rifampicin and 500 mg of isoniazid.",
     "That gives him 150 mg of rifampicin and 100 mg of isoniazid."),
    ("Cefuroxime 100 mg/kg/day in four divided doses.", "Each of the four daily doses of cefuroxime is 25 mg/kg.",
     "Each of the four daily doses of cefuroxime is 100 mg/kg."),
    ("Tablets contain carbidopa 25 mg and levodopa 100 mg; the daily dose is 3 tablets.",
     "The three tablets provide 300 mg of levodopa per day.", "The three tablets provide 100 mg of levodopa per day."),
    ("Ivermectin 2 tablets twice daily for 3 days (12 tablets in total).", "Ivermectin: twelve tablets altogether.",
     "Ivermectin: twenty tablets altogether."),
]  # fmt: skip

# (reference, the same in another form of numbers and units, another statement in that form)
FORMS = [
    ("Oxybutynin patch 163 micrograms per hour, changed twice a week.",
     "A one-hundred-and-sixty-three-microgram-an-hour oxybutynin patch, changed twice a week.",
     "A one-hundred-and-sixteen-microgram-an-hour oxybutynin patch, changed twice a week."),
    ("Docetaxel 75 mg/m².", "Seventy-five milligrams of docetaxel per square metre.",
     "Fifty-seven milligrams of docetaxel per square metre."),
    ("Senna two tablets at night.", "Senna, a pair of tablets at night.", "Senna, a single tablet at night."),
    ("Clonazepam 0.5 mg twice daily.", "Half a milligram of clonazepam b.d.", "A milligram of clonazepam b.d."),
    ("Creatinine rose to twice baseline.", "Creatinine doubled from baseline.", "Creatinine tripled from baseline."),
    ("Obesity doubles the risk of endometrial cancer.", "The risk of endometrial cancer is twice as high in obesity.",
     "The risk of endometrial cancer is five times as high in obesity."),
    ("Pneumococcal vaccine every 5 years.", "Pneumococcal vaccine twice a decade.",
     "Pneumococcal vaccine once a decade."),
    ("Magnesium should be 0.7 to 1.0 mmol/L.", r"Magnesium target: $0.7 \leq Mg \leq 1.0$ mmol/L.",
     r"Magnesium target: $0.7 \leq Mg \leq 2.0$ mmol/L."),
    ("Primaquine 15 mg on day 1, and 30 mg on days 2 and 3.", "Primaquine 15 mg on day 1; on days 2 and 3, 30 mg.",
     "Primaquine 15 mg on day 1; on days 2 and 3, 60 mg."),
    ("Esmolol starts at 50 and ranges from 25 to 200 micrograms/kg/min.",
     "Esmolol 50 micrograms/kg/min at first; range 25 to 200 micrograms/kg/min.",
     "Esmolol 50 micrograms/kg/min at first; range 25 to 2000 micrograms/kg/min."),
    ("Pregabalin 75 mg daily, increased by 75 mg each week.", "Pregabalin 75 mg daily; the dose rises by 75 mg weekly.",
     "Pregabalin 75 mg daily; the dose rises by 150 mg weekly."),
    ("Ethambutol 15 mg/kg daily, maximum 1,200 mg.", "Ethambutol 15 mg per kg a day, not above 1,200 mg.",
     "Ethambutol 15 mg a day, not above 1,200 mg."),
    ("Rizatriptan 10 mg; no more than 20 mg in 24 hours; repeat after 2 hours.",
     "Rizatriptan 10 mg, the 24-hour limit is 20 mg.", "Rizatriptan 10 mg, the 24-hour limit is 200 mg."),
    ("Immunoglobulin 1 g/kg on two consecutive days.", "Immunoglobulin 1 g/kg for two days in a row.",
     "Immunoglobulin 1 g/kg for five consecutive days."),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "same", "other"), BASES + FORMS)
def test_bases(reference, same, other):
    assert dose_errors(reference, same) == []
    assert dose_errors(reference, other)


def test_phases_are_not_compared():
    reference = "Amiodarone 200 mg three times daily for a week, twice daily for a week, then once daily."
    assert dose_errors(reference, "Amiodarone 600 mg a day at first, at the end 200 mg a day.") == []


def test_the_product_of_another_medicine_is_no_error():
    reference = "Amikacin 15 mg/kg/day plus ceftazidime 100 mg/kg/day."
    assert dose_errors(reference, "Both as stated; at 40 kg that is 600 mg of amikacin daily.") == []


def test_error_quotes_the_texts():
    (error,) = dose_errors("Baclofen 10 mg three times daily.", "Over 24 hours 10 mg of baclofen is taken.")
    assert error == {
        "subject": "baclofen", "kind": "base", "reference": "10 mg three times daily", "answer": "10 mg",
    }  # fmt: skip
