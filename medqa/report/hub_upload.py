"""Uploads the tuned model of a finished evaluation, with its model card, to a private repository of the Hub.

In: the folder of the evaluation. Out: one commit, and a line in `uploads.jsonl` that names it.
"""

import json
import os.path
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts import atomic_io, hub, output_dir, run_manifest
from medqa.artifacts.csv_io import read_table
from medqa.modeling.adapter import ADAPTER_CONFIG, read_config
from medqa.report import evaluation_output, hub_files, hub_search
from medqa.report.how_to_use import EXAMPLE, with_folder
from medqa.runtime.console import counted, print_rank0, shows_progress
from medqa.runtime.errors import Failed, UserError, first_line, hinting, require_package

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

UPLOADS = "uploads.jsonl"
README = "README.md"
# Settings that may differ from those of the evaluation.
OWN = ("OUTPUT_DIR", "PUSH_TO_HUB")
AGAIN = "Evaluate it again (the answers are reused) with: python evaluation.py"
HINT = "The same command finishes the upload; what the Hub has is not sent again."


@hinting(HINT)
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
    recorded = _require_evaluated(folder, model, manifest["inputs"])
    if paired := advice.get("paired"):
        pairing.require_equivalent(paired)
    # Read once: what is checked is what is sent.
    contents = hub_files.files_to_upload(model)
    card = with_folder((folder / evaluation_output.CARD).read_text(encoding="utf-8"), name)
    added = _operations({README: card.encode(), **contents})
    _require_recorded(model, added[1:], recorded)
    texts = {file: hub_files.texts_in(file, content) for file, content in contents.items()}
    _require_no_text(folder, Path(values["DATASET_DIR"]), {README: [card.replace(EXAMPLE, "")], **texts})
    _warn_of_local_base(model)
    with output_dir.output_dir_lock(folder, "evaluation"):
        _require_writable(folder / UPLOADS)
        record = _upload(name, added)
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
    if name.partition("/")[0] in ("datasets", "models", "spaces"):
        raise UserError(f"PUSH_TO_HUB {name!r} names no owner. Give the model's name only: owner/name")
    if not (token := get_token()):
        raise UserError(
            "--PUSH_TO_HUB needs a token that may write. Log in with: hf auth login (or set HF_TOKEN)"
        )
    if not re.fullmatch("[!-~]+", token):  # an HTTP header cannot have other characters
        raise UserError(
            "the token has characters that no token has, such as a blank or a quotation mark. Copy it again, "
            "and log in with: hf auth login (or set HF_TOKEN)"
        )


def _require_evaluated(folder: Path, model: Path, inputs: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse a model that is not the one of the evaluation.

    Returns:
        SHA-256 of the model's files by name; empty for a merge by an earlier version, which recorded none.

    Raises:
        UserError: it was written by another program, or has changed since.
    """
    name = output_dir.MERGED
    if (model / name).is_file():
        recorded = json.loads((model / name).read_text(encoding="utf-8")).get("files", {})
    else:
        name = run_manifest.MANIFEST
        recorded = run_manifest.require_finished(model, "fine_tuning", "python fine_tuning.py")["outputs"]
    if run_manifest.recorded_input(inputs, model / name) != atomic_io.sha256_of_file(model / name):
        raise UserError(f"{model} is not the model that the evaluation in {folder} recorded. {AGAIN}")
    return recorded


def _operations(contents: Mapping[str, bytes | Path]) -> list["CommitOperationAdd"]:
    """What the commit adds."""
    from huggingface_hub import CommitOperationAdd

    return [CommitOperationAdd(name, content) for name, content in contents.items()]


def _require_recorded(model: Path, added: list["CommitOperationAdd"], recorded: Mapping[str, str]) -> None:
    """Refuse files that the training or the merge did not write, if it recorded what it wrote.

    Raises:
        UserError: a file was changed or added.
    """
    if not recorded:
        print_rank0(
            f"Note: {model} was merged by an earlier version, which did not record its files, so it is not "
            "known whether they are still those that were evaluated."
        )
    for operation in added if recorded else ():
        name = operation.path_in_repo
        if name != output_dir.MERGED and recorded.get(name) != operation.upload_info.sha256.hex():
            raise UserError(
                f"{model / name} was changed or added after the model was written. Nothing was sent. Restore "
                "the file, or train and evaluate again."
            )


def _require_no_text(folder: Path, datasets: Path, texts: Mapping[str, Iterable[str]]) -> None:
    """Refuse to upload a file that holds a question or an answer.

    Args:
        folder: of the evaluation.
        datasets: of the evaluation.
        texts: of the files, by name.

    Raises:
        UserError: the file and the words, or the datasets have changed or are missing.
    """
    data = run_manifest.require_finished(datasets, "dataset_preparation", "python dataset_preparation.py")
    _require_evaluated_data(folder, datasets)
    searched = _texts(folder, datasets), _answers(folder), data["system_message"]
    if found := hub_search.find_text(texts, *searched):
        raise UserError(
            f"{found[0]} holds words of a question or an answer of the data ({found[1]!r}). Nothing was "
            "sent. Take them out of the text that the file shows, such as the system message or the chat "
            "template, and run the three steps again."
        )


def _require_evaluated_data(folder: Path, datasets: Path) -> None:
    """Refuse datasets with another holdout than the evaluated one: the search would miss the texts.

    Raises:
        UserError: the questions differ.
    """
    from medqa.data import dataset_io  # which loads numpy

    asked = read_table(folder / "base_model_results.csv", evaluation_output.TEXTS)["question"]
    if set(asked) != set(dataset_io.load_splits(datasets)["holdout"]["question"]):
        raise UserError(
            f"{datasets} does not have the questions of the evaluation in {folder}, so the files cannot be "
            "searched for its texts. Nothing was sent. Prepare the data of the evaluation again with: python "
            "dataset_preparation.py"
        )


def _texts(folder: Path, datasets: Path) -> Iterator[str]:
    """The questions and answers of the data, of refused pairs, and of the evaluation's other questions."""
    from medqa.data import dataset_io  # which loads numpy

    for split in dataset_io.load_splits(datasets).values():
        for column in ("question", "response"):
            yield from split[column]
    with open(datasets / "rejected.jsonl", encoding="utf-8") as file:
        for pair in map(dict, map(hub_files.parsed, file)):
            yield from hub_files.strings([pair["question"], pair["answer"]])
    yield from _cells(folder, ("question", "reference"))


def _answers(folder: Path) -> Iterator[str]:
    """The answers of the models."""
    yield from _cells(folder, ("hypothesis",))


def _cells(folder: Path, columns: tuple[str, ...]) -> Iterator[str]:
    """The cells of the columns that begin with one of the names, in all tables of answers."""
    for path in sorted(folder.glob("*_results.csv")):
        table = read_table(path, evaluation_output.TEXTS)
        for column in table.columns:
            if column.startswith(columns):
                yield from map(str, table[column])


def _require_writable(path: Path) -> None:
    """Refuse to upload what could not be recorded.

    Raises:
        UserError: with the reason.
    """
    try:
        path.open("a").close()
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}), so the upload could not be recorded. Nothing was "
            "sent."
        ) from None


def _warn_of_local_base(model: Path) -> None:
    """Print that others cannot load an adapter whose base is a folder of this machine."""
    if (model / ADAPTER_CONFIG).is_file():
        base = str(read_config(model).get("base_model_name_or_path"))
        if os.path.isdir(base):
            print_rank0(
                f"Note: {ADAPTER_CONFIG} names the base by a folder of this machine ({base}). Before others "
                "can use the adapter, name the base on the Hub there and in the card."
            )


def _upload(name: str, added: list["CommitOperationAdd"]) -> dict[str, Any]:
    """Commit the files and the card at once, and remove what an earlier upload had in addition.

    Large files are sent before the commit. A file that the Hub already has is not sent again.

    Returns:
        `repository`, `commit`, `url`, and `files`: SHA-256 by name.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    if not shows_progress():
        disable_progress_bars()
    api = HfApi()
    files = {operation.path_in_repo: operation.upload_info.sha256.hex() for operation in added}
    size = sum(operation.upload_info.size for operation in added)
    print_rank0(f"Uploading {counted(len(added), 'file')}, {size / 1e6:,.1f} MB, to {api.endpoint}/{name}")
    removed = _open_repository(api, name, files)
    try:
        done = api.create_commit(
            name, [*removed, *added], commit_message="Model, and its card with an evaluation"
        )
    except Exception as error:  # httpx, huggingface_hub and hf_xet raise many types
        # A part was sent, so the input is right. A full account is refused in the same way as a token.
        more = " Does the token have write access, and is there storage left?" if _is_refusal(error) else ""
        raise Failed(f"the upload to {name} did not finish ({_reason(error)}).{more} {HINT}") from None
    return {"repository": name, "commit": done.oid, "url": done.commit_url, "files": files}


def _open_repository(api: "HfApi", name: str, files: Mapping[str, str]) -> list["CommitOperationDelete"]:
    """Create the repository if it does not exist, and return what the commit removes from it.

    Raises:
        UserError: the token is refused, or the repository is public. Nothing was sent.
        Failed: the Hub does not answer.
    """
    from huggingface_hub import CommitOperationDelete

    try:
        api.create_repo(name, private=True, exist_ok=True)
        there = api.model_info(name)
    except Exception as error:
        if _is_refusal(error):
            raise UserError(
                f"the Hub refuses the token for {name} ({_reason(error)}). Log in with a token that may "
                "write there: hf auth login"
            ) from None
        raise Failed(f"the upload to {name} did not begin ({_reason(error)}). {HINT}") from None
    if not there.private:
        raise UserError(
            f"{name} is a public repository, and PUSH_TO_HUB uploads to private ones only. Nothing was sent. "
            "Make it private in its settings, or name another."
        )
    old = [file.rfilename for file in there.siblings or ()]
    ours = [other for other in old if hub_files.named(other, hub_files.UPLOADED)]
    return [CommitOperationDelete(other) for other in ours if other not in files]


def _is_refusal(error: Exception) -> bool:
    """Whether the Hub refused access, also to the place of a large file."""
    responses = [getattr(one, "response", None) for one in (error, error.__cause__)]
    return any(getattr(response, "status_code", 0) in (401, 403) for response in responses)


def _reason(error: Exception) -> str:
    """The first line of an error, without the parameters of addresses, which can be signatures."""
    return re.sub(r"\?[^\s']+", "?…", first_line(error))
