"""A made-up evaluation with hostile texts."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from config import EvaluationConfig
from medqa.analysis.by_specialty import by_specialty
from medqa.analysis.comparison import compare
from medqa.analysis.methods import describe
from medqa.analysis.paired_scores import add_primary_score
from medqa.analysis.recommendations import Thresholds, recommend
from medqa.analysis.verdicts import judge
from medqa.artifacts import run_manifest
from medqa.clinical import dose_errors
from medqa.generation.settings import GenerationSettings
from medqa.report import evaluation_output
from medqa.runtime.cli import given_and_default, select
from medqa.runtime.console import WarningLog

METRICS = ("ROUGE-L", "token_f1", "dose_error", "answer_loss")
PRIMARY = ("ROUGE-L", "token_f1")
LESS = {"dose_error", "answer_loss"}
# Texts that would do harm, or vanish, in a page that does not escape them.
HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "{{7*7}} and {% if true %}branch{% endif %}",
    "</textarea><img src=x onerror=\"document.title = 'taken'\">",
    "</script></details>&lt;b&gt; \" ' & &amp;",
)


def evaluation(questions: int = 12, specialties: int = 3, nli: bool = False) -> evaluation_output.Results:
    """Results of a made-up holdout; question 0 has dose errors, 1 an empty answer, 2 one that was cut off."""
    random = np.random.default_rng(questions)
    names = [f"specialty_{number % specialties:02d}" for number in range(questions)]
    asked = [f"{HOSTILE[number % len(HOSTILE)]} number {number}?" for number in range(questions)]
    reference = [f"Give aspirin 100 mg daily for {number} days." for number in range(questions)]
    tables = {}
    for role, dose in (("base", 100), ("finetuned", 1000)):
        answers = [
            f"Take aspirin 100 mg {role[0]} daily. {HOSTILE[number % len(HOSTILE)]}"
            for number in range(questions)
        ]
        answers[0] = f"Give aspirin {dose} mg daily."
        finish = ["length" if number == 2 else "stop" for number in range(questions)]
        if role == "base" and questions > 1:
            answers[1] = ""
        table = {"question": asked, "reference": reference, "hypothesis": answers, "specialty": names}
        table |= {metric: random.random(questions).round(3) for metric in METRICS}
        table["dose_error"] = [float(dose == 1000 and number == 0) for number in range(questions)]
        if nli:
            table["nli_contradicted"] = [float(role == "base" and number == 3) for number in range(questions)]
        table |= {"id": [f"id{number}" for number in range(questions)], "finish": finish}
        table |= {"new_tokens": [9] * questions, "repetition": [0.0] * questions}
        tables[role] = pd.DataFrame(table | {"prompt_cut": [False] * questions})
    metrics = [*METRICS, *["nli_contradicted"] * nli]
    less = LESS | {"nli_contradicted"}
    used = add_primary_score(tables, PRIMARY, less)
    pair = reference[0], tables["finetuned"]["hypothesis"][0]
    evaluation_output.add_dose_errors(tables, {pair: dose_errors(*pair)})
    comparison = compare(*tables.values(), metrics, less, 0)
    performance, spread = by_specialty(*tables.values(), metrics, 0.02)
    half, pool = (dict.fromkeys(performance["specialty"], value) for value in (0.5, 40))
    thresholds = select(EvaluationConfig(), Thresholds)
    advice = recommend(performance, spread, comparison, half, pool, 0, thresholds)
    advice |= {"bertscore_model": "some/encoder, layer 3", "lexicon": {"terms": 5, "sha256": "ab" * 32}}
    advice |= {"iteration": 1, "versions": {"python": "3"}, "primary_metrics": used}
    advice |= {"corpus_bleu": {"base": 0.1, "finetuned": 0.2, "signature": "nrefs:1"}}
    advice |= {"verdict": asdict(judge(comparison))}
    advice["methods"] = describe(select(EvaluationConfig(), GenerationSettings), tables["base"], advice)
    warnings = WarningLog()
    warnings.add("metric <b>own</b> failed on 1 of 12 pairs.")
    return evaluation_output.Results(
        tables, comparison, performance, json.loads(json.dumps(advice)), warnings
    )


def config(folder: Path | str, **settings: object) -> EvaluationConfig:
    """A config that publishes into a folder."""
    return EvaluationConfig(OUTPUT_DIR=str(folder), DATASET_DIR="no_datasets", **settings)


def published(folder: Path, found: evaluation_output.Results, **settings: object) -> Path:
    """Publish an evaluation as evaluation.py does, and return its folder."""
    data = {"chat_template_sha256": "c" * 64, "iteration": 1}
    evaluation_output.publish(found, given_and_default(config(folder, **settings)), data, run_manifest.now())
    return folder
