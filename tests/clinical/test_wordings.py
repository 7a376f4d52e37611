"""Wordings of doses, scores, risks and findings: for each a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# name → (reference, right answer, wrong answer)
WORDINGS = {
    "verb before a score": (
        "Keep the INR between 2.0 and 3.0 in atrial fibrillation.",
        "In atrial fibrillation the INR should lie between 2 and 3 most of the time.",
        "In atrial fibrillation the INR should lie between 3.0 and 4.0 most of the time.",
    ),
    "score named before": (
        "A PHQ-9 score of 10 or higher suggests depression.",
        "The PHQ-9 has nine questions. A score of at least 10 suggests depression.",
        "The PHQ-9 has nine questions. A score of at least 5 suggests depression.",
    ),
    "bound before the unit": (
        "Walk at least 30 minutes a day and do balance training on 3 or more days.",
        "Aim for a minimum of thirty minutes of walking; train your balance on at least three days.",
        "Aim for a minimum of fifteen minutes of walking; train your balance on at least three days.",
    ),
    "relative risk": (
        "Smokers have about twice the risk of stroke.",
        "Smoking doubles the risk of stroke.",
        "Smokers have half the risk of stroke.",
    ),
    "patch that is worn": (
        "A buprenorphine patch is worn for 7 days.",
        "Change the buprenorphine patch once a week.",
        "Change the buprenorphine patch every 3 days.",
    ),
    "limit of a day": (
        "Do not take more than 8 tablets in 24 hours.",
        "The limit is 8 tablets per 24 h. See a doctor if the pain lasts ten days.",
        "The limit is 12 tablets per 24 h. See a doctor if the pain lasts ten days.",
    ),
    "seconds": (
        "Give one rescue breath every 2 to 3 seconds.",
        "Give a breath every two to three seconds and check again after two minutes.",
        "Give a breath every five to six seconds and check again after two minutes.",
    ),
    "alternate mornings": (
        "Prednisolone 40 mg on alternate mornings.",
        "Prednisolone 40 mg every other morning.",
        "Prednisolone 40 mg every morning.",
    ),
    "subscript of a unit": (
        "Keep the plateau pressure no more than 30 cmH2O.",
        r"Keep $P_{plat} \leq 30\ \mathrm{cmH_2O}$.",
        r"Keep $P_{plat} \geq 30\ \mathrm{cmH_2O}$.",
    ),
    "rectal route in small letters": (
        "Give diazepam 0.5 mg/kg rectally.",
        "Diazepam 0.5 mg/kg pr; with a line 0.2 mg/kg iv.",
        "Diazepam 0.5 mg/kg im.",
    ),
    "upper limit of normal": (
        "Stop if ALT is over 3 times the upper limit of normal or jaundice is suspected.",
        "Stop when ALT is > 3 × ULN or a doctor suspects jaundice. A normal ALT is reassuring.",
        "Stop when ALT is > 10 × ULN or a doctor suspects jaundice. A normal ALT is reassuring.",
    ),
    "dose after a body weight": (
        "Oseltamivir is 30 mg twice daily up to 15 kg and 45 mg twice daily above 15 kg.",
        "Oseltamivir by weight: up to 33 lb, 30 mg twice a day; above that, 45 mg twice a day.",
        "Oseltamivir by weight: up to 33 lb, 30 mg twice a day; above that, 60 mg twice a day.",
    ),
    "parts of a daily dose": (
        "Valproate starts at 300 mg twice daily.",
        "Valproate starts at a total of 600 mg daily, divided into two doses of 300 mg.",
        "Valproate starts at a total of 1,200 mg daily, divided into two doses of 600 mg.",
    ),
    "what the medicine is for": (
        "Aciclovir for herpes zoster: 800 mg every 4 hours, 5 times daily.",
        "Aciclovir 800 mg five times a day treats shingles.",
        "Aciclovir 800 mg by mouth two times a day (1,600 mg daily in all) treats shingles.",
    ),
    "highest dose": (
        "Topiramate: increase to a maximum of 200 mg twice daily.",
        "Topiramate can be increased, but the highest dose is 400 mg per day.",
        "Topiramate can be increased, but the highest dose is 200 mg per day.",
    ),
    "the dose of the patient in brackets": (
        "Amikacin 15 mg/kg once daily.",
        "Weight 50 kg: amikacin 15 mg/kg (750 mg) every 24 h.",
        "Weight 50 kg: amikacin 15 mg/kg (750 mg) every 8 h.",
    ),
    "range without a unit": (
        "Metformin is contraindicated at an eGFR under 45 mL/min.",
        "Metformin is contraindicated if the eGFR is less than 45 mL/min; at 45 to 60 it can be given.",
        "Metformin is contraindicated only if the eGFR is less than 30 mL/min; at 30 to 45 it can be given.",
    ),
    "not free of": (
        "The CT shows no evidence of appendicitis.",
        "The CT is free of appendicitis.",
        "The CT is not free of appendicitis.",
    ),
    "who must not be given what": (
        "Enalapril is contraindicated in patients with angioedema from an ACE inhibitor.",
        "Anyone who has had angioedema from an ACE inhibitor must not be given enalapril.",
        "Anyone who has had angioedema from an ACE inhibitor can be given enalapril.",
    ),
    "away from": (
        "Spray it into the nose once daily, but keep the spray away from the eyes.",
        "Spray it into the nose once a day, not into the eyes, pointing away from the middle of the nose.",
        "Spray it once a day into the nose and the eyes.",
    ),
    "a test that excludes": (
        "Bacterial meningitis was ruled out by lumbar puncture.",
        "The spinal fluid test excluded bacterial meningitis.",
        "The spinal fluid test confirmed bacterial meningitis.",
    ),
    "a medicine of a group": (
        "Avoid fluoroquinolones in myasthenia gravis.",
        "In myasthenia gravis ciprofloxacin must not be taken.",
        "In myasthenia gravis ciprofloxacin can be taken.",
    ),
    "no need to avoid": (
        "Do not drink grapefruit juice while taking simvastatin.",
        "Grapefruit juice should be avoided with simvastatin.",
        "With simvastatin you don't need to avoid grapefruit juice.",
    ),
    "live and inactivated vaccines": (
        "Patients on infliximab should not receive live vaccines. Inactivated vaccines may be given.",
        "On infliximab avoid live vaccines; inactivated vaccines are fine.",
        "Inactivated vaccines are fine with infliximab, and live vaccines can also be given.",
    ),
    "abbreviated genus": (
        "Biopsies were positive for Helicobacter pylori.",
        "H. pylori was found in the biopsies.",
        "The samples weren't found to contain H. pylori bacteria.",
    ),
    "fold of a limit named before": (
        "Stop if ALT exceeds 5 × ULN without symptoms, or 3 × ULN with symptoms.",
        "With symptoms stop once ALT is over three-fold the upper limit; without: over five-fold.",
        "With symptoms stop once ALT is over three-fold the upper limit; without: over ten-fold.",
    ),
    "dose by weight": (
        "Epinephrine 0.3 mg for patients of 30 kg or more; 0.15 mg for patients of 15 to 30 kg.",
        "A child between 15 and 30 kg should be given the 0.15 mg device.",
        "A child between 15 and 30 kg should be given the 0.3 mg device.",
    ),
    "dose by people": (
        "Suxamethonium 2 mg/kg in infants and 1 mg/kg in older children.",
        "Suxamethonium: infants get 2 mg/kg.",
        "Suxamethonium: infants get 1 mg/kg.",
    ),
    "items of the first day": (
        "Azithromycin 500 mg on day 1, then 250 mg on days 2 to 5.",
        "First day: two of the 250 mg tablets. The following four days: one tablet.",
        "Azithromycin 250 mg on day 1, then 500 mg on days 2 to 5.",
    ),
    "finding of a relative": (
        "The child is afebrile, without neck stiffness.",
        "Meningism absent, temp 36.8. Big brother had a stiff neck last week.",
        "The child has a stiff neck. Big brother is well.",
    ),
    "abbreviated index": (
        "Refer for ECMO if the oxygenation index stays above 40.",
        "Ring the ECMO centre when the OI remains >40.",
        "Ring the ECMO centre when the OI remains >25.",
    ),
    "unit as the heading of a column": (
        "Caffeine: load 20 mg/kg, then 5 mg/kg once daily.",
        "| Caffeine | mg/kg |\n|---|---|\n| Load | 20 |\n| Maintenance | 5, once daily |",
        "| Caffeine | mg/kg |\n|---|---|\n| Load | 20 |\n| Maintenance | 5, every 12 h |",
    ),
    "choice of routes": (
        "Ceftriaxone 1 g intravenously or intramuscularly.",
        "Ceftriaxone 1 g im can be given at home.",
        "Ceftriaxone 10 g iv can be given at home.",
    ),
    "range beside a bound": (
        "Stop metformin if the eGFR falls below 30.",
        "eGFR 30 to 45: halve metformin. Under 30: stop it.",
        "eGFR 45 to 60: carry on. Under 45: stop metformin.",
    ),
}


@pytest.mark.parametrize("name", WORDINGS)
def test_a_wording_is_read(lexicon, name):
    reference, right, wrong = WORDINGS[name]
    errors = [
        [*(dose_errors(reference, answer) or ()), *negation_errors(reference, answer, lexicon)]
        for answer in (right, wrong)
    ]
    assert not errors[0] and errors[1]
