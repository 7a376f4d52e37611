"""Long answers: figures and opposites by what the words around them are about, with both labels for each."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors
from medqa.clinical.claims.contexts import context, likeness, rarity
from medqa.clinical.conflicts.fitting import differ
from medqa.clinical.quantities.figures import figures
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.statements.poles import turned_poles

# name → (reference, right answer, wrong answer, words of the error in both)
FIGURES = {
    "share among others": (
        "Velaris syndrome begins in early childhood. About 60 percent of patients have a mutation of the VLR1 gene, "
        "and a further 10 percent have one of VLR2. Roughly 35 percent of patients develop cataracts, and hearing "
        "loss is found in one-fifth of them. Life expectancy is normal.",
        "**Velaris syndrome** is a rare childhood disorder.\n\n- VLR1: mutated in around three fifths (60%)\n- VLR2: "
        "one in ten patients\n- Cataracts: up to a third or a little more (35%)\n- Hearing loss: 20%\n\nEach child of "
        "a patient has a 50% risk of inheriting the gene, and 3% of patients have seizures.",
        "The disorder starts in childhood and is mostly due to VLR1, which is mutated in 60% of patients, while VLR2 "
        "accounts for 10%. Cataracts develop in about 80 percent of patients and should be looked for every year. "
        "Hearing loss occurs in 20%. Patients live as long as other people, and intelligence is not affected.",
        ("35 percent", "80 percent"),
    ),
    "number of people": (
        "Morven anemia is an inherited disorder of red blood cells. It affects an estimated 30,000 to 40,000 people in "
        "Europe. Symptoms include tiredness, pallor and jaundice, and many patients have an enlarged spleen that may "
        "need to be removed. Transfusions are given to those with severe anemia.",
        "Morven anemia is a hereditary red cell disorder that causes pallor, jaundice and a large spleen. Between "
        "30,000 and 40,000 Europeans are thought to have it; in one registry of 412 patients, half needed a "
        "transfusion before school age. Removal of the spleen helps, and folic acid is usually added.",
        "Morven anemia is a hereditary red cell disorder that causes pallor, jaundice and a large spleen. In Europe, "
        "it affects an estimated 3,000 to 4,000 people. Removal of the spleen helps, and folic acid is usually added. "
        "Transfusions are needed only by those whose anemia is severe, often during infections.",
        ("30,000 to 40,000", "3,000 to 4,000"),
    ),
    "numbered day": (
        "Kestrel fever starts with chills and muscle pain. A rash appears on about the fifth day of illness and spreads "
        "from the wrists to the trunk. Most patients recover without treatment, but doxycycline shortens the disease. "
        "Complications such as pneumonia are uncommon.",
        "After an incubation of one to two weeks, Kestrel fever begins with chills and aching muscles. The rash comes "
        "on day 5 of the illness, first at the wrists, later on the trunk. Doxycycline for 7 days is given, and fever "
        "settles by the second day of treatment. Pneumonia is a rare complication that needs hospital care.",
        "After an incubation of one to two weeks, Kestrel fever begins with chills and aching muscles. The rash appears "
        "on about the fifteenth day of illness, as a rule on both sides of the body, first at the wrists, later on the trunk. Doxycycline shortens the "
        "disease. Pneumonia is a rare complication that needs hospital care with oxygen.",
        ("fifth day", "fifteenth day"),
    ),
    "rate per thousand": (
        "Orbital cysts are usually found in infancy. Their incidence in newborns is estimated at 3 to 4 per 10,000. "
        "Most of them disappear without treatment by the age of 2 years. Surgery is considered for cysts that press on "
        "the optic nerve or grow quickly, and recurrence after it is rare.",
        "Orbital cysts are mostly noticed in babies: some 3-4 of every 10,000 newborns have one. The majority vanish by "
        "the second birthday. An operation is only needed if the optic nerve is compressed or growth is rapid, and "
        "fewer than 1 in 20 come back afterwards. Ultrasound is repeated every 3 months until then.",
        "Orbital cysts are mostly noticed in babies, with an incidence in newborns of 3 to 4 per 1,000. The majority "
        "vanish by the second birthday. An operation is only needed if the optic nerve is compressed or growth is "
        "rapid, and recurrence is unusual. Ultrasound is repeated every few months until they have gone.",
        ("3 to 4 per 10,000", "3 to 4 per 1,000"),
    ),
    "ages that only touch": (
        "Lindau keratitis is an inflammation of the cornea that typically occurs in people aged 20 to 30 years. It "
        "causes redness, tearing and sensitivity to light. Steroid eye drops relieve it within days, and scars that "
        "reduce vision are exceptional if treatment is started early.",
        "Lindau keratitis typically occurs in people aged 20 to 30 years. The eye is red, waters and is sensitive to "
        "light. Drops with a steroid help within days. Untreated, it can scar; a review by an ophthalmologist is "
        "needed for anyone over 50 years with the same signs, as herpes is likelier then.",
        "Lindau keratitis typically occurs in people aged 30 to 60 years. The eye is red, waters and is sensitive to "
        "light. Drops with a steroid help within days. Untreated, it can scar, so that early referral to an "
        "ophthalmologist is advised whenever the signs do not settle.",
        ("20 to 30 years", "30 to 60 years"),
    ),
    "exchanged shares": (
        "In Ardenne disease, mutations in the ARD1 gene cause approximately 70 percent of the cases in Norway. "
        "Mutations in the ARD3 gene are found in about 30 percent of affected people from Norway. The symptoms of both "
        "are alike: weakness of the legs, cramps and difficulty in climbing stairs.",
        "Ardenne disease makes the legs weak and causes cramps. In Norway, mutations in ARD1 account for 70% of cases, "
        "whereas ARD3 is mutated in about 30%. Climbing stairs becomes difficult for patients with either. Nerve "
        "conduction is normal, and creatine kinase is a little above the usual range in most of them.",
        "Ardenne disease makes the legs weak and causes cramps. In Norway, mutations in ARD1 account for 30% of cases in all of the families, "
        "whereas ARD3 is mutated in about 70% of the cases that come from there. Climbing stairs becomes difficult for patients with either. Nerve "
        "conduction is normal, and creatine kinase is a little above the usual range in most of them.",
        ("70 percent", "30%"),
    ),
}
# name → (reference, right answer, wrong answer)
POLES = {
    "before a noun": (
        "Corbel disease is caused by a rapid growth of mast cells in the intestine. Patients have cramps and lose "
        "weight, and diarrhea is frequent after meals that are rich in fat.",
        "In Corbel disease, mast cells grow fast in the wall of the intestine. The results are cramps, weight loss and "
        "diarrhea, above all after fatty meals. Recovery after treatment is slow, and many patients need advice from a "
        "dietitian. Antihistamines and cromoglicate relieve the symptoms, and surgery has no place in the treatment of "
        "this disorder. Relapses are frequent when the medicines are stopped too early by the patient.",
        "In Corbel disease, there is a slow growth of mast cells in the wall of the intestine. The results are cramps, "
        "weight loss and diarrhea, above all after fatty meals. Many patients need advice from a dietitian. "
        "Antihistamines and cromoglicate relieve the symptoms, and surgery has no place in the treatment of this "
        "disorder. Relapses are frequent when the medicines are stopped too early by the patient.",
    ),
    "after a verb": (
        "In Tarn syndrome, the onset is sudden, with vertigo and vomiting. Serum copper is low. Treatment is with "
        "rest and fluids until the attack is over, which takes days.",
        "Tarn syndrome comes on suddenly: within minutes there are vertigo and vomiting. The laboratory shows that "
        "serum copper is reduced. Rest and fluids are all that is needed, and improvement is gradual over some days. "
        "High doses of antiemetics should not be used for long. A normal scan of the head excludes a stroke, and "
        "hearing is tested once the attack is over. Drivers must not drive before they are free of vertigo for a week.",
        "Tarn syndrome causes vertigo and vomiting. Its onset is gradual, and many weeks go by before a doctor is seen by most patients. The "
        "laboratory shows that serum copper is reduced. Rest and fluids are all that is needed, and improvement comes "
        "over some days. A normal scan of the head excludes a stroke, and hearing is tested once the attack is over. "
        "Drivers must not drive before they are free of vertigo for a week.",
    ),
    "comparison": (
        "Sorrel palsy affects the facial nerve. People with diabetes are more likely to have recurrent attacks than "
        "others. The taste may be lost on one side of the tongue.",
        "Sorrel palsy is a weakness of the facial nerve with loss of taste on one side. Recurrent attacks are seen "
        "more often in diabetes; people who are young and healthy are less likely to relapse. Prednisolone within three "
        "days improves the outcome. The eye has to be protected with drops and a patch at night, as it does not close. "
        "Physiotherapy is often offered, although its benefit in this nerve palsy has never been demonstrated well.",
        "Sorrel palsy is a weakness of the facial nerve with loss of taste on one side. People with diabetes are less "
        "likely to have recurrent attacks than others. Prednisolone within three days improves the outcome. The eye "
        "has to be protected with drops and a patch at night, as it does not close. Physiotherapy is often offered, "
        "although its benefit in this nerve palsy has never been demonstrated in a large trial of good quality.",
    ),
    "level of a substance": (
        "Welder's lung is recognized by its dry cough. The blood has a high ferritin level, and the scan shows small "
        "nodules. Leaving the workplace is the treatment.",
        "Welder's lung causes a dry cough. A raised ferritin level in the blood supports the diagnosis, as do the small "
        "nodules on the scan. People should leave the workplace. Low oxygen is seen late, and a low ferritin level "
        "would speak against the disease. Steroids are of no use. The nodules can go back over years once no more "
        "fumes are inhaled, and most patients keep a normal lung function for the rest of their lives.",
        "Welder's lung causes a dry cough. A low ferritin level in the blood supports the diagnosis, as do the small "
        "nodules on the scan. People should leave the workplace. Low oxygen is seen late in the disease. Steroids are "
        "of no use. The nodules can go back over years once no more fumes are inhaled, and most patients keep a normal "
        "lung function for the rest of their lives, as several follow-up studies of workers have shown.",
    ),
    "of other people": (
        "The risk of Hale's ulcer is higher in smokers, and healing takes longer in them. Bandages are changed twice "
        "a week, and the leg is kept raised whenever the patient sits.",
        "Hale's ulcer is a wound of the lower leg. Its risk is lower in people who never smoked, and it heals sooner "
        "after smoking is given up. Compression bandages are changed twice a week. The leg should be raised when "
        "sitting. Antibiotics are used for spreading infection only. A vascular surgeon sees patients whose ulcer has "
        "not become smaller after three months, since an operation on the veins can then be of benefit.",
        "Hale's ulcer is a wound of the lower leg. Its risk is lower in smokers, for reasons that are not understood. "
        "Compression bandages are changed twice a week. The leg should be raised when sitting. Antibiotics are used "
        "for spreading infection only. A vascular surgeon sees patients whose ulcer has not become smaller after three "
        "months, since an operation on the veins can then be of benefit to those who are fit enough.",
    ),
}
# (text, its figures)
READ = [
    (
        "About two-thirds of patients, or a quarter of the men.",
        [("share", 2 / 3, 2 / 3), ("share", 1 / 4, 1 / 4)],
    ),
    ("It occurs in 1 in 4,000 to 1 in 5,000 births.", [("share", 1 / 5000, 1 / 4000)]),
    ("A rate of 4.5 to 6.8 per 1,000 men.", [("share", 0.0045, 0.0068)]),
    ("Some 2 to 3 million people have it.", [("people", 2e6, 3e6)]),
    ("The number of affected Danes, or people in all, is 7,000 to 8,000.", [("people", 7000, 8000)]),
    ("At least nine genes are known.", [("things gene", 9, 9)]),
    ("It begins on the fourth day.", [("numbered day", 4, 4)]),
    ("Give half a tablet over a quarter of an hour.", [("duration day", 1 / 96, 1 / 96)]),
    ("Adrenaline 1:1,000 is not 1:10,000.", []),
    ("Mortality fell from about 50% to below.", [("share", 0.5, 0.5)]),
    ("Mortality fell from about 50% to 5%.", [("share", 0.05, 0.05)]),
    ("Men in their 70s make 150 quarts per day.", []),
]
INHERITANCE = [
    (
        "It is inherited in an autosomal dominant pattern.",
        "It is a dominant trait.",
        "It is autosomal recessive.",
    ),
    (
        "Transmission is X-linked recessive.",
        "It is an X-linked disorder.",
        "It is an autosomal recessive disorder.",
    ),
    ("The trait is X-linked dominant.", "It is dominantly inherited.", "It is X-linked recessive."),
    (
        "One form is autosomal dominant, the other autosomal recessive.",
        "Both dominant and autosomal recessive inheritance occur.",
        None,
    ),
    (
        "It is autosomal dominant.",
        "It is not autosomal recessive but has an autosomal dominant pattern.",
        None,
    ),
    ("It shows mitochondrial inheritance.", "It has maternal inheritance.", "It is autosomal recessive."),
]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_in_long_texts(name: str) -> None:
    reference, right, wrong, words = FIGURES[name]
    assert not dose_errors(reference, right)
    errors = dose_errors(reference, wrong)
    assert any(words[0] in error["reference"] and words[1] in error["answer"] for error in errors)


@pytest.mark.parametrize("name", POLES)
def test_opposites_in_long_texts(name: str) -> None:
    reference, right, wrong = POLES[name]
    lexicon = MedicalLexicon()
    assert not list(turned_poles(reference, right))
    assert list(turned_poles(reference, wrong))
    assert negation_errors(reference, wrong, lexicon)


@pytest.mark.parametrize(("text", "expected"), READ)
def test_read_figures(text: str, expected: list[tuple[str, float, float]]) -> None:
    found = [(one.kind, one.low, one.high) for one in figures(text) if not one.kind.startswith("amount")]
    assert [kind for kind, *_ in found] == [kind for kind, *_ in expected]
    for (_, *ends), (_, *wanted) in zip(found, expected, strict=True):
        assert ends == pytest.approx(wanted)


@pytest.mark.parametrize(("reference", "right", "wrong"), INHERITANCE)
def test_inheritance(reference: str, right: str, wrong: str | None) -> None:
    assert not dose_errors(reference, right)
    assert wrong is None or dose_errors(reference, wrong)


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("40% of men", "45% of men", False),
        ("50% of men", "60% of men", False),
        ("90% of men", "70% of men", True),
        ("up to 80% of men", "20% of men", False),
        ("less than 1% of men", "less than 10% of men", True),
        ("for 2 to 3 weeks", "for 10 to 20 days", False),
        ("for 2 to 3 weeks", "for 2 to 3 days", True),
    ],
)
def test_clear_differences(one: str, other: str, different: bool) -> None:
    assert differ(figures(one)[0], figures(other)[0]) == different


def test_a_clause_is_nearer_than_its_sentence_and_a_heading() -> None:
    text = "Onset\n- fever in 20% of infants, rash in 40% of adults\n"
    first, second = (context(text, one.start, one.end) for one in read(text))
    assert first["infant"] > first["rash"] and second["adult"] > second["infant"]
    assert first["onset"] == second["onset"] < 1
    rare = rarity(text, "Fever in 20% of infants.")
    other = context("Fever in 20% of infants.", 9, 12)
    assert likeness(first, other, rare) > likeness(second, other, rare)


FEVER = (
    "Viral infections in children are common and mostly harmless. Rest and fluids are usually enough. Paracetamol at "
    "15 mg/kg every six hours lowers fever and relieves pain, and ibuprofen is an alternative from three months of "
    "age. {} Parents should seek help if the child is drowsy, does not drink, or has a rash that does not fade. "
    "Antibiotics are not needed."
)


@pytest.mark.parametrize(
    ("reference", "sentence", "wrong"),
    [
        (
            "Aspirin is contraindicated in children with a viral illness because of Reye's syndrome.",
            "Aspirin can be given to children with viral illness as well if the fever is high.",
            True,
        ),
        (
            "Aspirin is contraindicated in children with a viral illness because of Reye's syndrome.",
            "Aspirin should not be given to children with viral illness.",
            False,
        ),
        (
            "Viral illness in children: fever settles in 3 days. Dehydration is the commonest complication.",
            "Where there is no dehydration, the child can stay at home.",
            False,
        ),
    ],
)
def test_longer_answers_are_read_for_medicines_given_against_the_advice(reference, sentence, wrong):
    assert bool(negation_errors(reference, FEVER.format(sentence), MedicalLexicon())) is wrong
