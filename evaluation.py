"""Stage 3: both models answer the holdout; the answers are scored and compared, and data is recommended.

    python evaluation.py
    python evaluation.py --LIMIT 20 --MAX_NEW_TOKENS 128 --OUTPUT_DIR evaluation_look
    accelerate launch --num_processes 4 evaluation.py
    python evaluation.py --REVIEW ratings.json
    python evaluation.py --ASK "What are the symptoms of angina?"

Answers are stored as they finish; the same command run again generates only the missing ones.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from config import LIMITS, EvaluationConfig, TrainingConfig
from medqa import clinical
from medqa.artifacts import history_csv, run_manifest
from medqa.clinical.notation.word_forms import user_terms
from medqa.generation.settings import GenerationSettings
from medqa.metrics import model_based, wordnet
from medqa.metrics.runner import metric_metadata, metric_names, require_metrics, results_tables
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import apply_chat_template
from medqa.modeling.device import Device, prepare_device
from medqa.report import evaluation_output, first_checks, hub_upload, retention, terminal
from medqa.runtime.cli import checked, given_and_default, next_command, parse, replaced, select
from medqa.runtime.console import WarningLog, elapsed, print_rank0
from medqa.runtime.distributed import rank
from medqa.runtime.entrypoint import run_script


class AutomaticMetrics:
    """The metrics of an answer against its reference, each a column in every table.

    The function that a method calls documents range, direction, formula, source and limits of the metric.

    To add a metric, write a method `compute_NAME(self, reference, hypothesis)` that returns a number, None
    where the metric does not apply, or a dict of several columns. For a metric that takes all pairs at once,
    write `score_NAME(self, references, hypotheses)` that returns a dict of lists.
    """

    # For all other metrics, higher is better.
    LOWER_IS_BETTER = ("answer_loss", "dose_error", "nli_contradicted")
    # Computed on all cores; compute_dose_error collects errors on `self`, so it runs in this process.
    IN_PARALLEL = ("bleu", "rouge", "meteor", "exact_match", "token_f1")

    def __init__(self, config: EvaluationConfig, answers: Iterable[str], warnings: WarningLog) -> None:
        cache = Path(config.OUTPUT_DIR) / "predictions" / "bertscore"
        judges = model_based.load(config.BERTSCORE_MODEL, config.BERTSCORE_LAYER, cache, warnings)
        self.bertscore, self.entailment, self.left_out = judges
        self.lexicon = clinical.MedicalLexicon(answers, config.LEXICON)
        self.dose_errors: dict[tuple[str, str], list[dict[str, str]]] = {}  # by (reference, hypothesis)
        self.wordnet = wordnet.find_wordnet()  # None: METEOR counts no synonyms, and its column says so

    def __getstate__(self) -> dict[str, Any]:
        """The attributes that the methods of IN_PARALLEL use: no encoder, because it may be on a GPU."""
        return {"lexicon": self.lexicon, "wordnet": self.wordnet}

    def compute_bleu(self, reference: str, hypothesis: str) -> dict[str, float]:
        """BLEU-1 to BLEU-4: shared n-grams, with a penalty for short answers."""
        from medqa.metrics import lexical

        return lexical.bleu(reference, hypothesis)

    def compute_rouge(self, reference: str, hypothesis: str) -> dict[str, float]:
        """ROUGE-1, ROUGE-2, ROUGE-L: F measure of shared words, word pairs, longest common subsequence."""
        from medqa.metrics import lexical

        return lexical.rouge(reference, hypothesis)

    def compute_meteor(self, reference: str, hypothesis: str) -> dict[str, float]:
        """METEOR: aligned words (same, same stem, synonym), with a penalty for fragmented alignments."""
        from medqa.metrics import lexical

        return lexical.meteor(reference, hypothesis, self.wordnet)

    def score_bertscore(self, references: list[str], hypotheses: list[str]) -> dict[str, list[float]]:
        """BERTScore precision, recall, F1: similarity of word pieces in an encoder's hidden layer."""
        return {} if self.bertscore is None else self.bertscore.score(references, hypotheses)

    def score_entailment(self, references: list[str], hypotheses: list[str]) -> dict[str, list[float | None]]:
        """Shares of the reference's statements that the answer entails, and that it contradicts."""
        return {} if self.entailment is None else self.entailment.score(references, hypotheses)

    def compute_exact_match(self, reference: str, hypothesis: str) -> dict[str, float | None]:
        """Exact match of factual spans (doses, quantities, frequencies), with precision, recall, F1."""
        return clinical.exact_match(reference, hypothesis, self.lexicon)

    def compute_token_f1(self, reference: str, hypothesis: str) -> float | None:
        """F1 over medical terms."""
        return self.lexicon.token_f1(reference, hypothesis)

    def compute_dose_error(self, reference: str, hypothesis: str) -> int | None:
        """Number of quantities that contradict the reference."""
        errors = clinical.dose_errors(reference, hypothesis)
        # The report lists reversed statements as well; they are no quantities, so they are not counted.
        listed = [*(errors or ()), *clinical.negation_errors(reference, hypothesis, self.lexicon)]
        if listed:
            self.dose_errors[reference, hypothesis] = listed
        return None if errors is None else len(errors)


def evaluate(config: EvaluationConfig) -> dict[str, Any]:
    """Evaluate both models and return the recommendations.

    Raises:
        UserError: invalid settings, unfinished or edited inputs, models that are missing or do not fit.
    """
    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, EvaluationConfig, LIMITS)
    if config.REVIEW or config.PUSH_TO_HUB:  # needs no model in memory
        return use_finished(config) if rank() == 0 else {}
    output, warnings = Path(config.OUTPUT_DIR), WarningLog()

    # 1. Check the inputs before any model is loaded.
    from medqa.analysis import local_judge, pairing, round_history

    judge = local_judge.LocalJudge(select(config, local_judge.JudgeSettings), output / "predictions")
    data, models = check(config, warnings)
    from medqa.data import dataset_io
    from medqa.generation import ask, runner, shards

    settings = select(config, GenerationSettings)
    if config.ASK:
        ask.ask(config.ASK, settings, *models, data, apply_chat_template)
        return {}
    with shards.writer_lock(output, shards.parse(config.SHARD)):
        if rank() == 0 and not config.SHARD:
            evaluation_output.require_place(output, config.LIMIT)

        # 2. Generate the answers of both models; answers of an earlier run are reused.
        records = dataset_io.load_splits(Path(config.DATASET_DIR), config.LIMIT)
        asked = retention.with_questions(records, config.RETENTION_FILE, apply_chat_template, data)
        other = pairing.read_other(config.COMPARE_WITH, records["holdout"], config.FINETUNED_MODEL_PATH)
        known = round_history.known_rows(config.HISTORY, settings, data, warnings)
        texts = asked, data, apply_chat_template
        answers, losses, made = runner.generate_answers(settings, models, *texts, warnings)
        config = replaced(config, **made)
        if rank() != 0 or config.SHARD:
            return {}

        # 3. Score every answer.
        print_rank0("Scoring")
        metrics, tables = score(config, answers, losses, records, warnings)

        # 4. Compare the models, overall and by specialty, and recommend training data.
        results = compare(config, data, metrics, tables, losses, records, known, started, warnings)
        judge.add(results.tables, results.advice, warnings)
        results = retention.add(results, config.RETENTION_FILE, asked, answers, losses, config.SEED)
        pairing.add(other, vars(config) | data, results, metrics.LOWER_IS_BETTER)

        # 5. Write everything; the manifest comes last.
        evaluation_output.publish(results, given_and_default(config), data, started)
    print_rank0("", f"Evaluated both models in {elapsed(time.monotonic() - clock)}.")
    terminal.print_summary(output, results, terminal.in_folder(data["command"], config.DATASET_DIR))
    pairing.require_equivalent(results.advice.get("paired"))
    return results.advice


def check(config: EvaluationConfig, warnings: WarningLog) -> tuple[dict, tuple[BaseModel, Device] | None]:
    """The manifest of the datasets; base model and device, or None where SCORE_ONLY needs no model."""
    folder = Path(config.DATASET_DIR)
    data = run_manifest.require_finished(folder, "dataset_preparation", "python dataset_preparation.py")
    from medqa.generation import model_pair

    user_terms(config.LEXICON)
    first_checks.check(config, AutomaticMetrics, data, EvaluationConfig.BERTSCORE_MODEL)
    if config.SCORE_ONLY and not config.ASK:
        return data, None
    base = BaseModel(config.BASE_MODEL_PATH, "BASE_MODEL_PATH")
    model_pair.check_tuned(config.FINETUNED_MODEL_PATH, base, data, warnings)
    return data, (base, prepare_device(base, "evaluation.py", config.CPU_PRECISION, config.GPU_MEMORY_GB))


def score(
    config: EvaluationConfig, answers: dict, losses: dict, records: dict, warnings: WarningLog
) -> tuple[AutomaticMetrics, dict[str, Any]]:
    """The metrics, and the results table of each model with every metric of every answer."""
    # Train and pool together are the same in every iteration, so the lexicon and its scores are too.
    lexicon_texts = chain(records["train"]["response"], records["pool"]["response"])
    metrics = AutomaticMetrics(config, lexicon_texts, warnings)
    own = retention.holdout_answers(answers, records)
    tables = results_tables(metrics, own, losses, records["holdout"], warnings)
    evaluation_output.add_dose_errors(tables, metrics.dose_errors)
    return metrics, tables


def use_finished(config: EvaluationConfig) -> dict[str, Any]:
    """Upload the model of the finished evaluation in OUTPUT_DIR, or add review files; returns its advice."""
    output, settings = Path(config.OUTPUT_DIR), given_and_default(config)
    if config.PUSH_TO_HUB:
        return hub_upload.push(output, config.PUSH_TO_HUB, settings)
    from medqa.report.review import adding

    return adding.add_review(output, config.REVIEW, settings).advice


def compare(
    config: EvaluationConfig, data: dict, metrics: AutomaticMetrics, tables: dict, losses: dict,
    records: dict, rows: list[history_csv.Row], started: str, warnings: WarningLog,
) -> evaluation_output.Results:  # fmt: skip
    """Overall and specialty tables, recommendations, and the history of evaluations on this holdout."""
    from medqa.analysis import contamination, methods, paired_scores, recommendations, round_history, verdicts
    from medqa.analysis.by_specialty import by_specialty, loss_by_specialty, mean_loss
    from medqa.analysis.comparison import compare as compare_models
    from medqa.analysis.precision_gap import precision_gap
    from medqa.data.dataset_stats import pool_sizes
    from medqa.generation.model_pair import training_if_outdated

    datasets, tuned, primary = config.DATASET_DIR, config.FINETUNED_MODEL_PATH, config.PRIMARY_METRICS
    names, lower = metric_names(tables["base"]), metrics.LOWER_IS_BETTER
    require_metrics(type(metrics), primary, names)
    metadata = metric_metadata(metrics, tables)
    metadata["primary_metrics"] = used = paired_scores.add_primary_score(tables, primary, lower)
    paired_scores.warn_of_gaps(*tables.values(), primary, used, warnings)
    compared = partial(compare_models, metrics=names, lower_is_better=lower, seed=config.SEED)
    comparison = compared(*tables.values())
    overlap = Path(datasets), Path(tuned), records["holdout"], tables
    near = contamination.check_contamination(*overlap, compared, warnings)
    eval_loss = loss_by_specialty(records["eval"], losses["finetuned"])
    performance, spread = by_specialty(*tables.values(), names, config.LOW_MARGIN, data["shares"], eval_loss)
    settings = select(config, GenerationSettings)
    this = round_history.this_evaluation(settings, data, metadata, started)
    earlier_low = [row["low"] for row in round_history.earlier(rows, this)]
    again = training_if_outdated(settings, config.BASE_MODEL_PATH, tuned, data["iteration"])
    train_first = next_command("fine_tuning.py", TrainingConfig, again) if again else ""
    evidence = performance, spread, comparison, data["shares"], pool_sizes(Path(datasets))
    limits = config.SEED, select(config, recommendations.Thresholds), bool(config.LIMIT)
    advice = recommendations.recommend(*evidence, *limits, earlier_low, train_first)
    advice |= metadata | {"near_training": near, "iteration": data["iteration"]}
    advice |= {"versions": run_manifest.versions(), "verdict": asdict(verdicts.judge(comparison))}
    here = mean_loss(records["eval"]["id"], losses["finetuned"])
    advice["precision_gap"] = precision_gap(Path(tuned), config.BASE_PRECISION, here)
    advice["methods"] = methods.describe(settings, tables["base"], advice)
    if earlier_low:
        warnings.add(advice["holdout_use"]["note"])
    if not config.LIMIT:
        rows = history_csv.merged(rows, [this | round_history.result_columns(comparison, advice, here)])
    advice["history"] = [row for row in rows if row["holdout"] == this["holdout"]]
    return evaluation_output.Results(tables, comparison, performance, advice, warnings, rows)


if __name__ == "__main__":
    kept = "Finished answers are kept; run the same command again to generate the missing ones."
    run_script(lambda: evaluate(parse(EvaluationConfig, __doc__, first_checks.arguments())), kept)
