"""The share of each specialty that enters training: by settings, by recommendations, by hand."""

import difflib
import json
import math
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medqa.artifacts import history_csv
from medqa.artifacts.atomic_io import read_whole
from medqa.data import dataset_io
from medqa.data.dataset_io import SPLITS
from medqa.data.iterations import Iteration
from medqa.runtime.errors import UserError

# Largest training_recommendations.json that is read, in bytes: one of 1,000 specialties has 1 MB.
LARGEST_RECOMMENDATIONS = 64_000_000
ADVICE = "training_recommendations.json"
# Longest part of its summary that is shown, in characters.
LONGEST_SUMMARY = 500
# Mistakes that are listed at once.
MOST_PROBLEMS = 20
ONLY_GROWS = "Shares are only raised in a folder, so that iterations can be compared:"


class Requests(NamedTuple):
    """Shares that are requested in addition to the settings."""

    shares: dict[str, Mapping[str, Any]]  # source of a request → specialty → share
    history: list[history_csv.Row]  # comes with the recommendations
    summary: str  # of the recommendations


def read_recommendations(path: Path) -> tuple[dict[str, Any], list[history_csv.Row], str]:
    """Specialty → recommended share, the history and the summary, from a training_recommendations.json.

    Raises:
        UserError: the file does not exist, or is something else.
    """
    expected = f"{path} should be the {ADVICE} that evaluation.py wrote"
    if path.is_dir() or not os.path.lexists(path):
        inside = path / ADVICE if (path / ADVICE).is_file() else Path("evaluation_results", ADVICE)
        state = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{expected}, but it {state}. Type: --RECOMMENDATIONS {shlex.quote(str(inside))}")
    try:
        content = json.loads(read_whole(path, LARGEST_RECOMMENDATIONS).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{expected}: it cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{expected}: it is not JSON ({str(error)[:200]}).") from None
    shares = content.get("recommended_sample_increases") if isinstance(content, dict) else None
    if not isinstance(shares, dict):
        raise UserError(
            f'{expected}: it has no "recommended_sample_increases" with a share for each specialty.'
        )
    summary = " ".join(str(content.get("summary", "")).split())[:LONGEST_SUMMARY]
    return shares, history_csv.checked(content.get("history", []), path), summary


def requested_shares(recommendations: str, adjustments: Mapping[str, float]) -> Requests:
    """The shares that are requested by recommendations and in Python.

    Args:
        recommendations: path of a training_recommendations.json; "": none.
        adjustments: shares given in Python, which take precedence.
    """
    by_hand = {"specialty_adjustments": adjustments}
    if not recommendations:
        return Requests(by_hand, [], "")
    recommended, rows, summary = read_recommendations(Path(recommendations))
    return Requests({recommendations: recommended, **by_hand}, rows, summary)


def about_recommendations(
    recommendations: str, requests: Requests, before: Iteration | None, folder: Path
) -> list[str]:
    """Warnings about recommendations that change nothing, or that an evaluation of other data gave.

    Args:
        recommendations: path of a training_recommendations.json; "": none.
        requests: from `requested_shares`.
        before: the last iteration of `folder`.
        folder: OUTPUT_DIR.
    """
    if not recommendations:
        return []
    found = []
    asked = requests.shares[recommendations]
    if not asked:
        summary = f' Its summary: "{requests.summary}"' if requests.summary else ""
        found.append(f"{recommendations} recommends no share, so it changes nothing.{summary}")
    elif before and all(before.shares.get(name) == share for name, share in asked.items()):
        found.append(f"the shares that {recommendations} recommends are in use already.")
    if before and requests.history:
        here = history_csv.holdout_name(dataset_io.ids(folder / SPLITS["holdout"]))
        if all(row["holdout"] != here for row in requests.history):
            found.append(
                f"{recommendations} comes from an evaluation of another holdout than that of {folder}, so "
                "its shares may not fit these data. Check that both are of the same data."
            )
    return found


def next_shares(
    specialties: Iterable[str],
    before: Iteration | None,
    initial: float,
    own: Mapping[str, float],
    requests: Mapping[str, Mapping[str, Any]],
) -> dict[str, float]:
    """The share of each specialty in this iteration.

    A specialty keeps its share unless a changed setting or one of `requests` gives another. A specialty whose
    share was INITIAL_TRAIN_PERCENTAGE gets the new value when that setting is raised.

    Args:
        specialties: those that have a file.
        before: the last iteration of this folder.
        initial, own: INITIAL_TRAIN_PERCENTAGE and SPECIALTY_SAMPLE_PERCENTAGES.
        requests: source of the request → specialty → share; later ones take precedence.

    Raises:
        UserError: unknown specialties, shares outside 0 to 1, shares below what is in train; one line each.
    """
    shares = dict.fromkeys(sorted(specialties), initial)
    known = {**shares, **(before.shares if before else {})}
    problems = []
    if before:
        was = before.settings["INITIAL_TRAIN_PERCENTAGE"]
        shares |= {name: initial if share == was else share for name, share in before.shares.items()}
        own_before = before.settings["SPECIALTY_SAMPLE_PERCENTAGES"]
        own = {name: share for name, share in own.items() if own_before.get(name) != share}
        if initial < was:
            shares |= before.shares
            problems.append(
                f"INITIAL_TRAIN_PERCENTAGE = {initial:g} is below the {was:g} that is in train already. "
                f"{ONLY_GROWS} keep --INITIAL_TRAIN_PERCENTAGE {was:g}, or give another --OUTPUT_DIR."
            )
    for source, asked in {"SPECIALTY_SAMPLE_PERCENTAGES": own, **requests}.items():
        if not isinstance(asked, Mapping):
            problems.append(f'{source} is {asked!r}; expected shares by specialty: {{"cardiology": 0.8}}.')
            continue
        for name, share in asked.items():
            if name not in known:
                hint = _nearest(str(name)[:80], known)
                problems.append(f"{source} names the specialty {name!r:.80}, which has no file. {hint}")
            elif isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                value = f"{share!r:.80}"
                problems.append(f"{source}: the share of {name} is {value}; expected a number from 0 to 1.")
            else:
                shares[name] = float(share)
    for name, share in (before.shares if before else {}).items():
        if shares[name] < share and not math.isclose(shares[name], share):
            problems.append(
                f"the share of {name} would become {shares[name]:g}, but {share:g} is in train already. "
                f"{ONLY_GROWS} give at least {share:g}, or another --OUTPUT_DIR."
            )
    if problems:
        more = len(problems) - MOST_PROBLEMS
        problems[MOST_PROBLEMS:] = [f"… and {more:,} more."] if more > 0 else []
        raise UserError("\n       ".join(problems))
    return shares


def _nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known specialty whose name is nearest in any letter case, else with all of them."""
    in_any_case = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), in_any_case, n=1, cutoff=0.5)
    return f"Did you mean {in_any_case[near[0]]}?" if near else f"There are: {', '.join(known)}."
