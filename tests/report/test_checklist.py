"""The reporting checklist: what the manifests know is filled in, the rest is marked."""

from evaluations import config, evaluation, published

from medqa.artifacts import run_manifest
from medqa.report.checklist import checklist


def test_the_checklist_is_filled_from_the_manifests_or_left_open(tmp_path):
    found = evaluation()
    folder = published(tmp_path / "results", found)
    text = (folder / "reporting_checklist.md").read_text(encoding="utf-8")
    assert found.advice["verdict"]["headline"] in text and found.advice["methods"]["text"] in text
    assert "- Size of the test set: 12 held-out questions" in text
    assert "- Fine-tuning: *to be written by the authors*" in text  # no folder of the model
    data = tmp_path / "datasets"
    data.mkdir()
    run_manifest.write_manifest(
        data, "dataset_preparation", {"given": {}, "default": {}}, run_manifest.now(), inputs={"a/b.json": "c" * 64},
        iteration=2, changes=[], shares={}, short_of_pairs={}, train_samples={"a": 3, "b": 4}, growth=[], command="",
        chat_template_sha256="c", system_message="Be brief.",
    )  # fmt: skip
    settings = vars(config(folder)) | {"DATASET_DIR": str(data)}
    text = checklist(
        found.advice,
        settings,
        12,
        {"reviewers": 2, "questions": 9, "estimates": {"questions": 12, "rated": 9}},
    )
    for part in (
        "7 pairs, iteration 2",
        "b.json (cccccccccccc)",
        "'Be brief.'",
        "2 reviewers, 9 questions",
        "all 12 questions from 9",
    ):
        assert part in text
