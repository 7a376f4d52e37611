"""What a text leaves uncertain raises no alarm: to whom a value belongs, what is a warning, a sum or a pause."""

import pytest

from medqa.clinical import dose_errors

# (reference, the same in other words, a real error)
SUBJECTS = [
    # What a sentence ends with does not belong to the name that begins the next.
    ("Ferritin below 30 µg/L shows iron deficiency; the zinc target is 12-18 µmol/L.",
     "We aim for zinc of 12 to 18 µmol/L. If the ferritin is under 30 µg/L, iron is lacking.",
     "We aim for zinc of 12 to 18 µmol/L. If the ferritin is under 300 µg/L, iron is lacking."),
    # The rows of a table are apart.
    ("Carvedilol starts at 3.125 mg, enalapril at 2.5 mg and spironolactone at 25 mg, each once daily.",
     "| Medicine | First dose, once a day |\n|---|---|\n| Spironolactone | 25 mg |\n| Carvedilol | 3.125 mg |\n"
     "| Enalapril | 2.5 mg |\n",
     "| Medicine | First dose, once a day |\n|---|---|\n| Spironolactone | 2.5 mg |\n| Carvedilol | 3.125 mg |\n"
     "| Enalapril | 25 mg |\n"),
    # A name that comes again is not read by its first place only.
    ("Rifampicin for 4 months; levofloxacin 500 mg in the second part (6 months) and 250 mg later.",
     "Levofloxacin 250 mg is for later. Before that, 4 months of rifampicin and 6 months of levofloxacin 500 mg.",
     "Levofloxacin 250 mg is for later. Before that, 4 months of rifampicin and 6 months of levofloxacin 5 g."),
    # "Respectively" pairs what it lists, not the nearest.
    ("Haematocrit fell from 41% to 29%; the platelets rose from 180 to 410.",
     "By then haematocrit 29 %, platelets 410. Before it the figures had been 41 % and 180 respectively.",
     "By then haematocrit 39 %, platelets 410. Before it the figures had been 41 % and 180 respectively."),
    ("On dabigatran: vitamin K 5 mg by mouth.", "On dabigatran: 5 mg vitamin K by mouth.",
     "On dabigatran: 50 mg vitamin K by mouth."),
    ("At most 2 mg/kg of plain bupivacaine, 2.5 mg/kg when adrenaline is added.",
     "**Bupivacaine**\n\nWith adrenaline ≤ 2.5 mg/kg; without it ≤ 2 mg/kg.",
     "**Bupivacaine**\n\nWith adrenaline ≤ 2.5 mg/kg, plain bupivacaine ≤ 20 mg/kg."),
]  # fmt: skip

TIMES = [
    ("Buprenorphine patch 10 micrograms/hour, changed every 7 days.",
     "The buprenorphine patch gives 10 mcg/h, so about 0.24 mg in a day. It is replaced each week.",
     "The buprenorphine patch gives 10 mcg/h. It is replaced every 7 hours."),
    ("Oral aciclovir suspension 5 mL four times daily.", "5 mL of aciclovir after each of three meals and again at bedtime.",
     "5 mL of aciclovir after each of three meals."),
    ("Adalimumab is injected once a week.", "Adalimumab is a weekly injection, never a daily one.",
     "Adalimumab is a daily injection."),
    ("Quinine 10 mg/kg at 0, 8 and 24 hours, then daily.", "Quinine 10 mg/kg on arrival, at 8 h and 24 h, then daily.",
     "Quinine 20 mg/kg on arrival, at 8 h and 24 h, then daily."),
    ("Risedronate 35 mg once a week.", "Risedronate 35 mg on one day in every seven.", "Risedronate 35 mg daily."),
    ("Iron for 3 months.", "Iron for a quarter of a year, three months.", "Iron for half a year."),
    ("Pamidronate over at least 90 minutes.", "Pamidronate shouldn't run in faster than an hour and a half.",
     "Pamidronate over 9 minutes."),
    ("Metronidazole 2 g as a single dose.", "At bedtime take metronidazole 2 g. That is all.",
     "Metronidazole 2 g every night."),
    ("Lactulose 10 mL twice daily.", "Lactulose 10 mL in the morning plus the same again in the evening.",
     "Lactulose 10 mL in the morning only."),
]  # fmt: skip

WAYS = [
    ("Phenytoin by slow IV injection.", "Phenytoin by slow IV injection. Rapid injection causes arrhythmias.",
     "Phenytoin by rapid IV injection."),
    ("Prednisolone is tapered; then 5 mg daily.", "When the taper is over, prednisolone 5 mg daily.",
     "Prednisolone is stopped abruptly; then 5 mg daily."),
    ("Liothyronine 30 minutes before breakfast.", "Liothyronine first; wait half an hour with breakfast.",
     "Liothyronine with breakfast."),
    ("Keep the mean arterial pressure at 70 mmHg.", "MAP 70 mmHg, with a central venous catheter.",
     "MAP 170 mmHg, with a central venous catheter."),
    ("Rectal paraldehyde 5 mL if no IV access is available.", "5 mL of paraldehyde into the back passage without a drip.",
     "50 mL of paraldehyde into the back passage without a drip."),
    ("Suction pressure not above 120 mmHg.", "Suction at 120 mmHg or lower, so as not to hurt the airway.",
     "Suction at 210 mmHg or lower, so as not to hurt the airway."),
]  # fmt: skip

TOTALS = [
    ("Torasemide 10 mg: half a tablet each morning.", "Torasemide 5 mg every morning; break the 10 mg tablet in two.",
     "Torasemide 10 mg every morning."),
    ("Senna 15 mg at night.", "Two senna tablets of 7.5 mg on going to bed.", "Four senna tablets of 7.5 mg on going to bed."),
    ("Take two 0.6 mg tablets of colchicine, then one 0.6 mg tablet an hour later.",
     "Colchicine 0.6 mg tablets: two, and one an hour later. Altogether that is three tablets.",
     "Colchicine 0.6 mg tablets: two, and one an hour later. Altogether that is six tablets."),
    ("Bolus of 20 mL/kg of crystalloid.", "Bolus = 20 mL × weight in kg of crystalloid.",
     "Bolus = 200 mL × weight in kg of crystalloid."),
    ("Ibuprofen 10 mg/kg per dose, not more than 40 mg/kg in a day.", "Ibuprofen 10 mg/kg/dose\nmax 40 mg/kg/24 h",
     "Ibuprofen 10 mg/kg/dose\nmax 400 mg/kg/24 h"),
    ("Paracetamol 12.5 mg/kg per dose, maximum 50 mg/kg daily.", "Each dose: 12.5 mg/kg\nCeiling in 24 h: 50 mg/kg",
     "Each dose: 50 mg/kg\nCeiling in 24 h: 50 mg/kg"),
    ("Lidocaine 2% contains 20 mg/mL, so 10 mL contain 200 mg.",
     "2 % means 2 g in 100 mL, i.e. 20 mg per mL of lidocaine. 10 mL hold 0.2 g.",
     "2 % means 20 g in 100 mL, i.e. 200 mg per mL of lidocaine. 10 mL hold 2 g."),
    ("Cefepime is halved if the creatinine clearance is below 30 mL/min: 1 g daily.",
     "With a creatinine clearance below 30 mL/min, cefepime 1 g daily.",
     "With a creatinine clearance below 30 mL/min, cefepime 2 g daily."),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "same", "other"), [*SUBJECTS, *TIMES, *WAYS, *TOTALS])
def test_only_what_is_certain_is_an_error(reference, same, other):
    assert not dose_errors(reference, same)
    assert dose_errors(reference, other)
