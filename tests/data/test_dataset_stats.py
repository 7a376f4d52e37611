"""Notes and warnings that follow from dataset_stats.json."""

from medqa.data.dataset_stats import notes_for_card


def test_the_card_says_what_the_data_are() -> None:
    stats = {
        "demo_data": True,
        "identifiers": {"pairs": 2, "example": "", "kinds": {"name": 2}, "refused": 3},
    }
    demo, _, identifiers, _ = notes_for_card(stats)
    assert "**demo data**" in demo
    assert "in 2 pairs (name 2); 3 more were refused" in identifiers


def test_the_card_of_older_data_says_nothing_about_them() -> None:
    assert notes_for_card({}) == []
    assert len(notes_for_card({"demo_data": False, "identifiers": {"pairs": 0, "refused": 0}})) == 2
