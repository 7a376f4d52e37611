"""Stage 3: both models answer the holdout; the answers are scored, compared, and turned into advice.

    python evaluation.py
    python evaluation.py --LIMIT 20 --MAX_NEW_TOKENS 128 --OUTPUT_DIR evaluation_look
    accelerate launch --num_processes 4 evaluation.py
    python evaluation.py --REVIEW ratings.json

Answers are kept as they are made; the same command typed again makes only the missing ones.
"""

import contextlib
import shlex
import time
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from config import LIMITS, EvaluationConfig
from medqa.artifacts import offline_bundle, output_dir, run_manifest
from medqa.metrics.runner import metric_metadata, metric_names, results_tables
from medqa.metrics.wordnet import download_nltk
from medqa.modeling.chat_template import apply_chat_template, template_sha256
from medqa.report import evaluation_output
from medqa.runtime.cli import checked, parse, replaced
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.distributed import rank
from medqa.runtime.entrypoint import run_script


class AutomaticMetrics:
    """The metrics of an answer against its reference, each a column in every table.

    Range, direction, formula, source, and what it cannot see stand with the function that each one calls.

    To add one, write a method `compute_NAME(self, reference, hypothesis)` that returns a number, None where
    the metric does not apply, or a dict of several columns. To add one that wants all pairs at once, write
    `score_NAME(self, references, hypotheses)` that returns a dict of lists.
    """

    # Of all others, more is better.
    LOWER_IS_BETTER = ("answer_loss", "dose_error", "nli_contradicted")
    # On all cores; compute_dose_error keeps what it finds, so it runs in this process.
    IN_PARALLEL = ("bleu", "rouge", "meteor", "exact_match", "token_f1")

    def __init__(self, config: EvaluationConfig, answers: Iterable[str], warnings: WarningLog) -> None:
        from medqa import clinical
        from medqa.metrics import model_based, wordnet

        self.lexicon = clinical.MedicalLexicon(answers, config.LEXICON)
        cache = Path(config.OUTPUT_DIR) / "predictions" / "bertscore"
        judges = model_based.load(config.BERTSCORE_MODEL, config.BERTSCORE_LAYER, cache, warnings)
        self.bertscore, self.entailment, self.left_out = judges
        self.dose_errors: dict[tuple[str, str], list[dict[str, str]]] = {}  # by (reference, hypothesis)
        self.wordnet = wordnet.find_wordnet()  # None: METEOR counts no synonyms, and its column says so

    def __getstate__(self) -> dict[str, Any]:
        """What the methods of IN_PARALLEL find on `self`: no encoder, as it may be on a GPU."""
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
        """METEOR: aligned words (same, same stem, synonym), with a penalty for scattered ones."""
        from medqa.metrics import lexical

        return lexical.meteor(reference, hypothesis, self.wordnet)

    def score_bertscore(self, references: list[str], hypotheses: list[str]) -> dict[str, list[float]]:
        """BERTScore precision, recall, F1: similarity of word pieces in an encoder's eyes."""
        return {} if self.bertscore is None else self.bertscore.score(references, hypotheses)

    def score_entailment(self, references: list[str], hypotheses: list[str]) -> dict[str, list[float | None]]:
        """Shares of the reference's statements that the answer entails, and that it contradicts."""
        return {} if self.entailment is None else self.entailment.score(references, hypotheses)

    def compute_exact_match(self, reference: str, hypothesis: str) -> dict[str, float | None]:
        """Exact match of factual spans (doses, quantities, frequencies), with precision, recall, F1."""
        from medqa import clinical

        return clinical.exact_match(reference, hypothesis, self.lexicon)

    def compute_token_f1(self, reference: str, hypothesis: str) -> float | None:
        """F1 over medical terms."""
        return self.lexicon.token_f1(reference, hypothesis)

    def compute_dose_error(self, reference: str, hypothesis: str) -> int | None:
        """Number of quantities that contradict the reference."""
        from medqa import clinical

        errors = clinical.dose_errors(reference, hypothesis)
        if errors:
            self.dose_errors[reference, hypothesis] = errors
        return None if errors is None else len(errors)


def evaluate(config: EvaluationConfig) -> dict[str, Any]:
    """Evaluate both models and return the recommendations.

    Raises:
        UserError: wrong settings, unfinished or edited inputs, models that are not there or do not fit.
    """
    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, EvaluationConfig, LIMITS)
    if config.DOWNLOAD_ONLY:
        models = config.BASE_MODEL_PATH, config.BERTSCORE_MODEL
        return offline_bundle.download_all(config.DOWNLOAD_ONLY, *models, download_nltk)
    output, warnings = Path(config.OUTPUT_DIR), WarningLog()
    if config.REVIEW:  # everything else is there already: no model is loaded
        return add_review(config)

    # 1. Check what comes in, before anything heavy is loaded.
    data = run_manifest.require_finished(
        Path(config.DATASET_DIR), "dataset_preparation", "python dataset_preparation.py"
    )
    from medqa.clinical.vocabulary import user_terms
    from medqa.data import dataset_io
    from medqa.generation import model_pair, prediction_cache, runner
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import choose_device, limit_gpu_memory

    user_terms(config.LEXICON)
    # The template may have been edited since, in the data or here: the one in use must be the trained one.
    data["chat_template_sha256"] = template_sha256(apply_chat_template)
    if not config.SCORE_ONLY:
        model_pair.check_tuned(config.FINETUNED_MODEL_PATH, config.BASE_MODEL_PATH, data, warnings)
        device = choose_device(BaseModel(config.BASE_MODEL_PATH, "BASE_MODEL_PATH"), "evaluation.py")
        print_rank0(f"Device: {device.name} in {device.dtype} ({device.reason})")
        limit_gpu_memory(config.GPU_MEMORY_GB, device)
    with output_dir.output_dir_lock(output, "evaluation") if rank() == 0 else contextlib.nullcontext():
        if rank() == 0:
            output_dir.recover(output)  # of a run that was killed when all had been written
            evaluation_output.require_place(output, config.LIMIT)
        # 2. Both models answer; what an earlier run has answered is taken from there.
        records = dataset_io.load_splits(Path(config.DATASET_DIR), config.LIMIT)
        if config.SCORE_ONLY:
            known = prediction_cache.asked_before(output, records, data["iteration"], warnings)
            answers, losses, made_with = known
            config = replaced(config, **made_with)
        else:
            four_bit = runner.start_processes(config.BASE_MODEL_PATH, config.USE_4BIT, device)
            config = replaced(config, USE_4BIT=four_bit)
            asked = config, records, data, apply_chat_template, device, warnings
            answers, losses = runner.generate_answers(*asked)
        if rank() != 0:
            return {}

        # 3. Score every answer.
        print_rank0("Scoring")
        # Train and pool together are the same in every round, so that its scores can be compared.
        lexicon_texts = chain(records["train"]["response"], records["pool"]["response"])
        metrics = AutomaticMetrics(config, lexicon_texts, warnings)
        tables = results_tables(metrics, answers, losses, records["holdout"], warnings)
        evaluation_output.add_dose_errors(tables, metrics.dose_errors)

        # 4. Compare, overall and by specialty, and say what to train on next.
        found = compare(config, data, metrics, tables, losses, records, started, warnings)

        # 5. Write everything; the manifest comes last.
        evaluation_output.publish(config, data, found, started)
    print_rank0("", f"Evaluated both models in {elapsed(time.monotonic() - clock)}.")
    print_summary(config, found, data["command"])
    return found.advice


def add_review(config: EvaluationConfig) -> dict[str, Any]:
    """Add the ratings of review files to the finished evaluation in OUTPUT_DIR, and return its advice."""
    from medqa.report.review import adding

    if rank() != 0:
        return {}
    found = adding.add_review(config)
    print_rank0("", f"Added {counted(len(config.REVIEW), 'review file')} to {config.OUTPUT_DIR}.")
    print_summary(config, found, "")
    return found.advice


def compare(
    config: EvaluationConfig, data: dict, metrics: AutomaticMetrics, tables: dict, losses: dict,
    records: dict, started: str, warnings: WarningLog,
) -> evaluation_output.Results:  # fmt: skip
    """Overall and specialty tables, the recommendations, and this round among the earlier ones."""
    from medqa.analysis import contamination, paired_scores, recommendations, rounds
    from medqa.analysis.by_specialty import by_specialty
    from medqa.analysis.comparison import compare as compare_models
    from medqa.data.dataset_stats import pool_sizes

    names, lower, primary = metric_names(tables["base"]), metrics.LOWER_IS_BETTER, config.PRIMARY_METRICS
    if absent := [name for name in primary if name not in names]:
        warnings.add(
            f"the primary score is without {', '.join(absent)}: no such metric here ({', '.join(names)})."
        )
    judged_by = metric_metadata(metrics, tables)
    judged_by["primary_metrics"] = paired_scores.add_primary_score(tables, primary, lower)
    compared = partial(compare_models, metrics=names, lower_is_better=lower, seed=config.SEED)
    comparison = compared(*tables.values())
    near = contamination.check_contamination(config, records["holdout"], tables, compared, warnings)
    eval_loss = evaluation_output.loss_by_specialty(records["eval"], losses["finetuned"])
    performance, spread = by_specialty(*tables.values(), names, data["shares"], eval_loss, config.LOW_MARGIN)
    pool = pool_sizes(Path(config.DATASET_DIR))
    limits = {name: getattr(config, name) for name in vars(recommendations.Thresholds())}
    among = rounds.Rounds(config, data, judged_by, comparison, started)
    thresholds = recommendations.Thresholds(**limits)
    evidence = performance, spread, comparison, data["shares"], pool
    advice = recommendations.recommend(*evidence, config.SEED, thresholds, bool(config.LIMIT), among.uses)
    advice |= judged_by | {"near_training": near, "iteration": data["iteration"]}
    advice["versions"] = run_manifest.versions()
    rows = among.join(advice, rounds.mean_loss(records["eval"]["id"], losses["finetuned"]), warnings)
    return evaluation_output.Results(tables, comparison, performance, advice, warnings, rows)


def print_summary(config: EvaluationConfig, found: evaluation_output.Results, command: str) -> None:
    """The table, the review, the advice, the warnings, the files, the next command.

    `command` prepares the data of the next round; it is empty when an evaluation only got its review.
    """
    from medqa.analysis import round_history, verdicts

    print_rank0("", verdicts.comparison_text(found.comparison))
    if command:
        print_rank0(*evaluation_output.notes_on_scores(found.advice))
    if found.review:
        print_rank0("", found.review.text())
    print_rank0("", found.advice["summary"])
    if len(rows := round_history.comparable(found.rounds)) > 1:
        print_rank0("", round_history.told(rows))
    found.warnings.show()
    output = Path(config.OUTPUT_DIR)
    path, card = output / "training_recommendations.json", output / evaluation_output.CARD
    print_rank0("", f"Files: {output}/ (report.html, review_sheet.html, tables as CSV, figures, {path.name})")
    if command and not config.LIMIT:
        print_rank0(f"       {card} (the card in {config.FINETUNED_MODEL_PATH}, with these numbers)")
    if command and found.advice["recommended_sample_increases"]:
        print_rank0(f"Next:  {command} --RECOMMENDATIONS {shlex.quote(str(path))}")
    else:
        print_rank0(f"Next:  open {output / 'report.html'} in a browser")


if __name__ == "__main__":
    kept = "Answers made so far are kept; the same command makes only the missing ones."
    run_script(lambda: evaluate(parse(EvaluationConfig, __doc__)), kept)
