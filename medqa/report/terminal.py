"""What an evaluation prints at its end."""

import shlex
from pathlib import Path

from medqa.report.evaluation_output import Results, notes
from medqa.runtime.cli import beside_this_script
from medqa.runtime.console import print_rank0

# Where datasets are written and looked for unless a setting says otherwise.
DEFAULT_DATASETS = Path("datasets")


def print_summary(output: Path, results: Results, command: str) -> None:
    """Print an example, the verdict, results, warnings, files, and what to do next.

    Args:
        output: the evaluation's output folder.
        results: what was written there.
        command: prepares the next iteration; "": none.
    """
    from medqa.analysis import pairing, verdicts  # which load numpy
    from medqa.report.example import median_example

    print_rank0("", median_example(results.tables), "", verdicts.verdict_text(results.advice["verdict"]))
    if results.review:
        print_rank0("", results.review.text())
    print_rank0("", verdicts.comparison_text(results.comparison), *notes(results))
    if paired := results.advice.get("paired"):
        print_rank0("", pairing.paired_text(paired))
    results.warnings.show()
    path = output / "training_recommendations.json"
    print_rank0("", f"Files: {output}/ (report.html, review_sheet.html, tables, figures, {path.name})")
    if train_first := results.advice.get("train_first"):
        print_rank0(f"Next:  {train_first}")
    elif command and results.advice["recommended_sample_increases"]:
        print_rank0(f"Next:  {command} --RECOMMENDATIONS {shlex.quote(str(path))}")
    else:
        print_rank0(f"Next:  open {shlex.quote(str(output / 'report.html'))} in a browser")


def in_folder(command: str, folder: str) -> str:
    """The recorded command that prepared datasets, for their present folder and the present directory.

    The datasets may be a copy, or have moved. Paths below the present directory become relative to it.

    Args:
        command: "" if none is recorded, which stays.
        folder: the datasets.
    """
    words, name, here = shlex.split(command), "--OUTPUT_DIR", Path.cwd()
    words[1:2] = map(beside_this_script, words[1:2])
    for place, word in enumerate(words[1:], 1):
        if words[place - 1] in ("--DATA_DIR", "--TOKENIZER") and Path(word).is_relative_to(here):
            words[place] = str(Path(word).relative_to(here))
    if name in words:
        words[words.index(name) + 1] = folder
    elif words and Path(folder) != DEFAULT_DATASETS:
        words += [name, folder]
    return shlex.join(words)
