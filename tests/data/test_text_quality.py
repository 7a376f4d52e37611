"""Texts that need attention are counted, with a masked example."""

import pytest

from medqa.data import text_quality
from medqa.data.cleaning import Record, clean_pair
from medqa.data.text_quality import measure

ENGLISH = [
    (f"What is disease {n}?", f"It is a disease of the joints that is treated with drug {n} for some weeks.")
    for n in range(40)
]


def quality(*pairs: tuple[str, str]) -> dict:
    """What `measure` finds in English pairs and some others."""
    records = [clean_pair(question, answer, "one") for question, answer in [*ENGLISH, *pairs]]
    assert all(isinstance(record, Record) for record in records)
    return measure(records)


def test_ordinary_texts_are_not_reported() -> None:
    found = quality(
        ("Is p < 0.05 & n > 3 enough?", "Yes: 5 µg at 37 °C, ≥ 3 × daily – “quoted” – naïve café, β-blocker α₁ → ½."),
        ("What is Ménière's disease?", "Sjögren’s and Guillain–Barré are others; a <5 % risk."),
        ("Which drugs?", "Amoxicillin, clarithromycin, omeprazole."),
        ("How often?", "Twice."),
    )  # fmt: skip
    assert [found[name]["pairs"] for name in found] == [0, 0, 0, 0]
    assert found["other_language"]["main"] == "en"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("html", "<p>It is a disease.</p>"),
        ("html", "Fever &amp; rash"),
        ("html", "one<br/>two"),
        ("mojibake", "5 Âµg at 37 Â°C"),
        ("mojibake", "the patientâ€™s knee"),
        ("mojibake", "dÃ©bit cardiaque"),
        ("mojibake", "GrÃ¼nde f�r"),
        ("mojibake", "Břrn fĺr 4 mg pĺ dagen"),
        ("mojibake", "Barn skall fĺ 4 mg"),
        ("mojibake", "A criança năo dorme"),
        ("mojibake", "duas injeçőes por dia"),
        ("mojibake", "kaksi kertaa p‰iv‰ss‰"),
        ("mojibake", "Give 5 ćg daily"),
        ("mojibake", "Keep it below 37 ¡C"),
        ("other_language", "Die Gicht ist eine Entzündung der Gelenke durch Harnsäurekristalle."),
        ("other_language", "痛风是一种由尿酸结晶引起的关节炎，常见于男性。"),
        ("other_language", "La gota es una inflamación de las articulaciones que se trata con colchicina."),
    ],
)
def test_texts_that_need_attention_are_counted_with_an_example(name: str, answer: str) -> None:
    found = quality(("What is it?", answer))
    assert found[name]["pairs"] == 1
    assert answer[:20] in found[name]["example"]


@pytest.mark.parametrize(
    "answer",
    [
        "Bolesť v kĺbe, hĺbka a dĺžka jabĺk, stĺp a mĺkvy vĺčik.",  # Slovak
        "Vnitřní tření při předávání, tři staří a křeč.",  # Czech
        "Nu mănâncă după masă, flăcăi, rău, nouă oaie şi ţine cont.",  # Romanian
        "Időeltolódás, erőelosztás, tetőelem.",  # Hungarian
        "Der Alkohol lag bei 0,5‰, also 5 ‰ und 3‰ig.",
        "¿Qué dosis? ¡Cuidado! «Sí» – 5 µg à 37 °C.",
        "Der Wert ¬ p, 5 ± 2 mg, “quoted” and 3×4.",
    ],
)  # fmt: skip
def test_letters_of_other_languages_are_no_broken_characters(answer: str) -> None:
    assert quality(("What is it?", answer))["mojibake"]["pairs"] == 0


def test_identifiers_are_counted_and_masked() -> None:
    found = quality(
        ("What has Mrs. Miller got?", "Gout; mail mona@clinic.org."), ("Who?", "<b>Mr. Stone</b>")
    )
    assert found["identifiers"]["pairs"] == 2
    assert found["identifiers"]["kinds"] == {"e-mail": 1, "name": 2}
    for one in found.values():
        assert "Miller" not in one["example"] and "Stone" not in one["example"]
        assert "mona@" not in one["example"]


def test_a_corpus_of_several_languages_has_no_main_language() -> None:
    german = [
        (f"Was ist Krankheit {n}?", "Die Krankheit ist eine Entzündung der Gelenke.") for n in range(40)
    ]
    assert quality(*german)["other_language"] == {"pairs": 0, "example": "", "main": "", "judged": 80}
    assert measure([])["other_language"]["main"] == ""


def test_of_many_answers_a_share_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_quality, "MOST_JUDGED", 10)
    german = [(f"Warum {n}?", "Die Krankheit ist eine Entzündung der Gelenke.") for n in range(20)]
    found = quality(*german)["other_language"]
    assert 0 < found["pairs"] < 10 and found["pairs"] < found["judged"] < 30
