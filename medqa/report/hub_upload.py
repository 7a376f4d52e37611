"""Uploads the tuned model of a finished evaluation, with its model card, to a private repository of the Hub.

In: the folder of the evaluation. Out: one commit, and a line in `uploads.jsonl` that names it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medqa.artifacts import atomic_io, hub, output_dir, run_manifest
from medqa.artifacts.csv_io import read_table
from medqa.modeling.adapter import ADAPTER_CONFIG
from medqa.report import evaluation_output, hub_files
from medqa.report.how_to_use import EXAMPLE, with_folder
from medqa.runtime.console import counted, print_rank0, shows_progress
from medqa.runtime.errors import Failed, UserError, first_line, require_package

UPLOADS = "uploads.jsonl"
README = "README.md"
# Settings that may differ from those of the evaluation.
OWN = ("OUTPUT_DIR", "PUSH_TO_HUB")
AGAIN = "Evaluate it again (the answers are reused) with: python evaluation.py"


def push(folder: Path, name: str, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Upload the model that was evaluated, and return the content of training_recommendations.json.

    Args:
        folder: output folder of the evaluation.
        name: the repository, owner/name; it is created, private, if it does not exist.
        settings: of this run, from `runtime.cli.given_and_default`.

    Raises:
        UserError: no access, no complete evaluation, another model, a public repository, or a file that may
            hold questions or answers. Nothing was sent.
        Failed: the model is worse than the adapter that it was merged from, or the upload was interrupted.
    """
    from medqa.analysis import pairing  # which loads numpy

    _require_access(name)
    manifest = evaluation_output.finished(folder)
    values = evaluation_output.evaluated_values(folder, manifest["settings"], settings, OWN, "PUSH_TO_HUB")
    advice = json.loads((folder / "training_recommendations.json").read_text(encoding="utf-8"))
    if evaluation_output.CARD not in manifest["outputs"] or "verdict" not in advice:
        raise UserError(
            f"{folder} has no model card with a verdict: it is an evaluation of a part of the holdout, or by "
            "an earlier version. Evaluate the whole holdout with: python evaluation.py"
        )
    model = Path(values["FINETUNED_MODEL_PATH"])
    _require_evaluated(folder, model, manifest["inputs"])
    if paired := advice.get("paired"):
        pairing.require_equivalent(paired)
    paths = hub_files.files_to_upload(model)
    card = with_folder((folder / evaluation_output.CARD).read_text(encoding="utf-8"), name)
    _require_no_text(folder, Path(values["DATASET_DIR"]), paths, card)
    _warn_of_local_base(model)
    with output_dir.output_dir_lock(folder, "evaluation"):
        record = _upload(name, paths, card)
        record |= {"uploaded": run_manifest.now(), "verdict": advice["verdict"]["headline"]}
        with open(folder / UPLOADS, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    print_rank0(
        f"Uploaded: {record['url']} (recorded in {folder / UPLOADS})",
        "The repository is private. Read its card, and settle the rights to base and data, before you "
        "publish it.",
    )
    return advice


def _require_access(name: str) -> None:
    """Refuse an upload that cannot begin, before anything is read.

    Raises:
        UserError: no package, offline mode, no repository's name, or no token.
    """
    require_package("huggingface_hub", "PUSH_TO_HUB")
    from huggingface_hub import get_token
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    if hub.forbidden():
        raise UserError(
            f"--PUSH_TO_HUB has to go online, and {' or '.join(hub.OFFLINE_SWITCHES)} forbids it. Unset it."
        )
    try:
        validate_repo_id(name)
        whole = name.count("/") == 1
    except HFValidationError:
        whole = False
    if not whole:
        raise UserError(f"PUSH_TO_HUB {name!r:.200} should be the name of a repository: owner/name")
    if not get_token():
        raise UserError(
            "--PUSH_TO_HUB needs a token that may write. Log in with: hf auth login (or set HF_TOKEN)"
        )


def _require_evaluated(folder: Path, model: Path, inputs: Mapping[str, str]) -> None:
    """Refuse a model that is not the one of the evaluation.

    Raises:
        UserError: it was written by another program, or has changed since.
    """
    name = output_dir.MERGED
    if not (model / name).is_file():
        name = run_manifest.MANIFEST
        run_manifest.require_finished(model, "fine_tuning", "python fine_tuning.py")
    if run_manifest.recorded_input(inputs, model / name) != atomic_io.sha256_of_file(model / name):
        raise UserError(f"{model} is not the model that the evaluation in {folder} recorded. {AGAIN}")


def _require_no_text(folder: Path, datasets: Path, paths: list[Path], card: str) -> None:
    """Refuse to upload a file that holds a question or an answer.

    Raises:
        UserError: the file and the words, or the datasets have changed or are missing.
    """
    run_manifest.require_finished(datasets, "dataset_preparation", "python dataset_preparation.py")
    contents = {README: [card.replace(EXAMPLE, "")]}
    contents |= {path.name: hub_files.texts_in(path) for path in paths}
    if found := hub_files.find_text(contents, _texts(folder, datasets)):
        raise UserError(
            f"{found[0]} holds words of a question or an answer of the data ({found[1]!r}). Nothing was "
            "sent. Take them out of the text that the file shows, such as the system message or the chat "
            "template, and run the three steps again."
        )


def _texts(folder: Path, datasets: Path) -> Iterator[str]:
    """The questions and answers of the data, and the answers of both models."""
    from medqa.data import dataset_io  # which loads numpy

    for split in dataset_io.load_splits(datasets).values():
        for column in ("question", "response"):
            yield from split[column]
    for role in ("base", "finetuned"):
        yield from read_table(folder / f"{role}_model_results.csv", evaluation_output.TEXTS)["hypothesis"]


def _warn_of_local_base(model: Path) -> None:
    """Print that others cannot load an adapter whose base is a folder of this machine."""
    if (model / ADAPTER_CONFIG).is_file():
        content = json.loads((model / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        if Path(base := content["base_model_name_or_path"]).is_dir():
            print_rank0(
                f"Note: {ADAPTER_CONFIG} names the base by a folder of this machine ({base}). Before others "
                "can use the adapter, name the base on the Hub there and in the card."
            )


def _upload(name: str, paths: list[Path], card: str) -> dict[str, Any]:
    """Commit the files and the card at once, and remove what an earlier upload had in addition.

    Large files are sent before the commit. A file that the Hub already has is not sent again.

    Returns:
        `repository`, `commit`, `url`, and `files`: SHA-256 by name.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.utils import disable_progress_bars

    if not shows_progress():
        disable_progress_bars()
    api = HfApi()
    added = [CommitOperationAdd(README, card.encode())]
    added += [CommitOperationAdd(path.name, path) for path in paths]
    size = sum(operation.upload_info.size for operation in added)
    print_rank0(f"Uploading {counted(len(added), 'file')}, {size / 1e6:,.1f} MB, to {api.endpoint}/{name}")
    try:
        api.create_repo(name, private=True, exist_ok=True)
        there = api.model_info(name)
        if not there.private:
            raise UserError(
                f"{name} is a public repository, and PUSH_TO_HUB uploads to private ones only. Nothing was "
                "sent. Make it private in its settings, or name another."
            )
        names = {operation.path_in_repo for operation in added}
        old = [
            file.rfilename
            for file in there.siblings or ()
            if hub_files.named(file.rfilename, hub_files.UPLOADED)
        ]
        removed = [CommitOperationDelete(other) for other in old if other not in names]
        done = api.create_commit(
            name, [*removed, *added], commit_message="Model, and its card with an evaluation"
        )
    except UserError:
        raise
    except Exception as error:  # httpx, huggingface_hub and hf_xet raise many types
        reason = first_line(error)
        if getattr(getattr(error, "response", None), "status_code", 0) in (401, 403):
            raise UserError(
                f"the Hub refuses the token for {name} ({reason}). Log in with a token that may write there: "
                "hf auth login"
            ) from None
        raise Failed(
            f"the upload to {name} did not finish ({reason}). The same command finishes it; what the Hub "
            "has is not sent again."
        ) from None
    files = {operation.path_in_repo: operation.upload_info.sha256.hex() for operation in added}
    return {"repository": name, "commit": done.oid, "url": done.commit_url, "files": files}
