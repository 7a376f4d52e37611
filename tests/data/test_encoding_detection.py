"""Encodings of texts that are not UTF-8: the right guess, a doubt where there is one, and no guess for binary data."""

import random

import pytest

from medqa.data import encoding_detection as detection

TEXTS = {
    "cp1252": [
        "Børn får 5 mg på dagen, og æg må ikke spises",
        "Barnet bør ligge på siden, og så må vi måle pulsen én gang.",
        "Patienten bör ta två tabletter på morgonen och får inte äta före undersökningen.",
        "A criança não pode tomar a medicação em jejum; são duas injeções.",
        "Sjúklingurinn má ekki drekka áfengi með þessu lyfi, en það er ætlað börnum.",
        "Lääkettä ei pidä käyttää, jos potilaalla on sydämen vajaatoiminta.",
        "De patiënt heeft een coördinatiestoornis, één keer per dag.",
        "This is a dose.\nFür µg see below.\nThe other dose is fine.",
        "The patient’s dose is 5 mg, and it’s given daily.",
        "What is “shock”? It is – briefly – a failure.",
        "Keep it below 37 °C and give 5 µg.",
        "Die Ärztin prüft größere Mengen für Säuglinge.",
        "Le médecin dit : « non » à l’enfant, dont la fièvre a augmenté.",
        "El niño no debe tomar más de dos pastillas. ¿Qué dosis?",
        "Il paziente non può assumere il farmaco perché è allergico.",
        "Sjögren’s syndrome, Ménière's disease and naïve cells",
        "café",
    ],
    "cp1250": [
        "Co to jest żółtaczka? Zażółcenie skóry spowodowane stężeniem bilirubiny we krwi.",
        "Pacient nesmí užívat léky s alkoholem, protože zvyšují riziko krvácení. Kůň.",
        "A beteg nem szedheti a gyógyszert, ha terhes; az időpontot egyeztetni kell, gyűlés.",
        "Bolesnik ne smije uzimati više lijekova, jer može doći do krvarenja; čir.",
    ],
    "iso8859_2": ["Gorączkę i śpiączkę leczy się w szpitalu; żółtaczka wymaga badań źródła zakażenia."],
    "cp852": ["Co to jest żółtaczka? Zażółcenie skóry spowodowane stężeniem bilirubiny we krwi."],
    "cp1251": ["Что такое подагра? Воспаление суставов, вызванное кристаллами мочевой кислоты."],
    "koi8_r": ["Что такое подагра? Воспаление суставов, вызванное кристаллами мочевой кислоты."],
    "cp866": ["Что такое подагра? Воспаление суставов, вызванное кристаллами мочевой кислоты."],
    "cp850": ["Give 5 µg daily.", "Keep it below 37 °C.", "Die Ärztin prüft größere Mengen für Säuglinge."],
    "mac_roman": ["Keep it below 37 °C and rest.", "The patient’s dose is “5 mg”.", "Børn får 5 mg på dagen"],
    "cp1253": ["Τι είναι η ουρική αρθρίτιδα; Φλεγμονή των αρθρώσεων."],
    "cp1254": ["Hasta ilacı aç karnına içmemeli, çünkü ağrı ve şişlik olabilir."],
    "cp1255": ["מהי שיגדון? דלקת מפרקים הנגרמת על ידי גבישי חומצת שתן."],
    "cp1256": ["ما هو النقرس؟ التهاب المفاصل الناجم عن بلورات حمض اليوريك."],
    "cp1257": ["Pacientas neturėtų vartoti vaistų, jei yra alergiškas; žarnų ir širdies liga."],
    "cp874": ["โรคเกาต์คืออะไร ข้ออักเสบที่เกิดจากผลึกกรดยูริก"],
    "cp932": ["痛風とは何ですか？尿酸の結晶によって起こる関節の炎症です。"],
    "euc_jp": ["痛風とは何ですか？尿酸の結晶によって起こる関節の炎症です。"],
    "cp949": ["통풍은 무엇입니까? 요산 결정으로 인한 관절염입니다."],
    "gb18030": ["什么是痛风？痛风是一种由尿酸结晶引起的关节炎，常见于男性。"],
    "big5": ["什麼是痛風？痛風是一種由尿酸結晶引起的關節炎，常見於男性。"],
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name in TEXTS for text in TEXTS[name]])
def test_the_first_reading_gives_the_text(encoding: str, text: str) -> None:
    records = f'[{{"question": "What is it?", "answer": "{text}"}}]'
    for content in (text, records, "An ordinary line of the file.\n" * 9_000 + records):
        content = content.replace("\n", "\\n")
        [first, *_] = detection.readings(content.encode(encoding))
        assert content.encode(encoding).decode(first.encoding) == content


@pytest.mark.parametrize(
    ("content", "names", "samples"),
    [
        (
            "Je to? Příliš".encode("cp1250"),
            ["WINDOWS-1252", "WINDOWS-1250"],
            ["Je to? Pøíliš", "Je to? Příliš"],
        ),
        ("Give 5 µg.".encode("cp850"), ["CP850"], ["Give 5 µg."]),
    ],
)
def test_a_second_reading_is_given_where_it_is_close(
    content: bytes, names: list[str], samples: list[str]
) -> None:
    found = detection.readings(content)
    assert [reading.name for reading in found] == names
    assert detection.samples(found) == samples


def test_a_sample_is_a_part_of_a_line_around_the_letters() -> None:
    text = "A line.\n" + "many words before " * 20 + "der Säugling bekommt " + "and many words after it " * 20
    sample, *_ = detection.samples(detection.readings(text.encode("cp1252")))
    assert "Säugling" in sample and len(sample) <= 60 and sample.isprintable()


@pytest.mark.parametrize("first", [0, 128])
def test_random_bytes_have_no_reading(first: int) -> None:
    chance = random.Random(1)
    for _ in range(20):
        content = bytes(chance.randrange(first, 256) for _ in range(chance.randrange(100, 3_000)))
        assert detection.readings(content) == []
    assert detection.is_binary(b"\x89PNG\r\n\x1a\n" + bytes(40))


def test_a_text_that_is_mostly_utf8_is_recognized() -> None:
    assert detection.mixed_with_utf8("Børn får".encode() + b"\xe5") == 2
    assert detection.mixed_with_utf8("Børn får på".encode("cp1252")) == 0


def test_long_runs_of_bytes_take_linear_time() -> None:
    detection.readings("подагра".encode("cp1251") * 100_000)
