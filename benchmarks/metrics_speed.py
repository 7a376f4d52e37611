"""How long the metrics take, by one process and by one on each core, and what our caches save.

    python benchmarks/metrics_speed.py                      # 840 pairs of 250 words: 420 questions, 2 models
    python benchmarks/metrics_speed.py --pairs 40000        # a large evaluation
    python benchmarks/metrics_speed.py --encoder FOLDER     # BERTScore too, with an encoder of yours
    python benchmarks/metrics_speed.py --random_encoder     # ... with random weights, shape of deberta-xlarge

The texts are answers of the demo, strung together to 250 words; every second pair has the reference of the
one before, as two models have. WordNet is used when NLTK_DATA leads to it. The results go to
benchmarks/metrics_speed.json. Processor time, of all processes together, hardly depends on what else the
machine does; the time by the clock does.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from medqa.artifacts.atomic_io import write_json  # noqa: E402
from medqa.artifacts.run_manifest import versions  # noqa: E402
from medqa.runtime.console import table  # noqa: E402

RESULTS = ROOT / "benchmarks" / "metrics_speed.json"
WORDS = 250
# Each metric alone, and the libraries alone, score so many pairs at most; their time is given for one pair.
METRIC_PAIRS, LIBRARY_PAIRS = 840, 100
# Pairs for BERTScore by the library, which encodes a text on a CPU in seconds.
ENCODER_PAIRS = 24
# Pairs whose statements are judged on a GPU, 14 or so each.
JUDGED_PAIRS = 200


def demo_answers() -> list[str]:
    files = sorted((ROOT / "demo" / "data").glob("*.json"))
    return [text for file in files for text in json.loads(file.read_text(encoding="utf-8")).values()]


def make_pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of 250 words: a reference, and an answer that shares about half of its sentences."""
    source, chance = demo_answers(), random.Random(0)
    pairs = []
    for number in range(count):
        if number % 2 == 0:
            sentences = chance.choices(source, k=14)
        reference = " ".join(" ".join(sentences).split()[:WORDS])
        mixed = chance.sample(sentences, 7) + chance.choices(source, k=7)
        words = [word for word in " ".join(mixed).split() if chance.random() > 0.05]
        pairs.append((reference, " ".join(words[:WORDS])))
    return pairs


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Wall-clock seconds of `work`, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def processor_time(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds that `work` kept one core busy, whatever else the machine does, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def by_metric(pairs: list[tuple[str, str]]) -> tuple[dict[str, float], dict[str, list]]:
    """Processor seconds of each metric in one process, the start included, and their values.

    All metrics of one pair are computed before the next pair, as what one metric has read of a text is kept
    for the others.
    """
    references, hypotheses = zip(*pairs, strict=True)

    def start() -> tuple:
        from medqa import clinical
        from medqa.metrics import wordnet

        place = wordnet.find_wordnet()  # imports NLTK without the parts that nobody needs
        from medqa.metrics import lexical

        lexical.meteor("a", "b", place)
        return lexical, clinical, clinical.MedicalLexicon(demo_answers()), place

    spent, (metrics, clinical, lexicon, place) = processor_time(start)
    seconds = {"start (NLTK, WordNet, lexicon)": spent}
    methods = {
        "BLEU-1 to 4": metrics.bleu,
        "ROUGE-1, 2, L": metrics.rouge,
        "METEOR" if place else "METEOR without synonyms": lambda *pair: metrics.meteor(*pair, place),
        "exact match of facts": lambda *pair: clinical.exact_match(*pair, lexicon),
        "dose errors": clinical.dose_error,
        "medical-term F1": lexicon.token_f1,
    }
    values: dict[str, list] = {name: [] for name in methods}
    seconds |= dict.fromkeys(methods, 0.0)
    for pair in pairs:
        for name, compute in methods.items():
            spent, value = processor_time(lambda compute=compute, pair=pair: compute(*pair))
            seconds[name] += spent
            values[name].append(value)
    seconds["corpus BLEU"], _ = processor_time(lambda: metrics.corpus_bleu(references, hypotheses))
    return seconds, values


def whole(count: int, cores: int) -> dict[str, float]:
    """All of them as an evaluation runs them, with the start: seconds by the clock and of all processors."""
    command = [sys.executable, __file__, "--pairs", str(count), "--one_run"]
    environment = os.environ | {"LOKY_MAX_CPU_COUNT": str(cores)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def score_all(count: int) -> dict[str, float]:
    """What `whole` runs in a fresh process."""
    # First the pairs of the base model, then those of the tuned one, as an evaluation has them.
    pairs = make_pairs(count)
    references, hypotheses = map(list, zip(*(pairs[::2] + pairs[1::2]), strict=True))

    def score() -> None:
        from config import EvaluationConfig
        from evaluation import AutomaticMetrics
        from medqa.metrics.lexical import corpus_bleu
        from medqa.metrics.runner import score_pairs
        from medqa.runtime.console import WarningLog

        with contextlib.redirect_stdout(io.StringIO()):
            metrics = AutomaticMetrics(EvaluationConfig(BERTSCORE_MODEL=""), demo_answers(), WarningLog())
            score_pairs(metrics, references, hypotheses, WarningLog())
            corpus_bleu(references, hypotheses)

    used = time.process_time()
    clock, _ = timed(score)
    used = time.process_time() - used
    if os.environ["LOKY_MAX_CPU_COUNT"] != "1":
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown()  # only the time of processes that have ended is counted
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds by the clock": round(clock, 1),
        "processor seconds": round(used + others.ru_utime + others.ru_stime, 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "memory_mb of each other process": round(others.ru_maxrss / 1024),
        "load of the machine": round(os.getloadavg()[0], 1),
    }


def libraries(pairs: list[tuple[str, str]], values: dict[str, list]) -> dict[str, dict[str, float]]:
    """Processor seconds of rouge-score and of NLTK's METEOR alone, and the largest difference from ours.

    Alone: without our caches of stems and senses, and with rouge-score's own table for ROUGE-L.
    """
    from nltk.translate.meteor_score import single_meteor_score
    from rouge_score.rouge_scorer import RougeScorer

    from medqa.clinical.words.build import nltk_reader
    from medqa.metrics.lexical import tokens
    from medqa.metrics.wordnet import find_wordnet

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    methods = {"ROUGE-1, 2, L": lambda *pair: [found.fmeasure for found in scorer.score(*pair).values()]}
    if find_wordnet():
        reader = nltk_reader()
        methods["METEOR"] = lambda *pair: [single_meteor_score(*map(tokens, pair), wordnet=reader)]
    found: dict[str, dict[str, float]] = {}
    for name, compute in methods.items():
        seconds, theirs = processor_time(lambda compute=compute: [compute(*pair) for pair in pairs])
        gaps = [
            abs(a - b)
            for row, ours in zip(theirs, values[name], strict=False)
            for a, b in zip(row, ours.values(), strict=True)
        ]
        found[name] = {"seconds": seconds, "pairs": len(pairs), "largest_difference": max(gaps)}
    return found


# ---- BERTScore ---------------------------------------------------------------------------------------------


def random_encoder(folder: Path) -> Path:
    """An encoder with random weights in the shape of microsoft/deberta-xlarge-mnli (3 GB)."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import DebertaConfig, DebertaForSequenceClassification, DebertaTokenizer

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=50_000, special_tokens=special, initial_alphabet=alphabet)
    pieces.train_from_iterator(demo_answers(), trainer)
    model = json.loads(pieces.to_str())["model"]
    tokenizer = DebertaTokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])
    torch.manual_seed(0)
    encoder = DebertaForSequenceClassification(
        DebertaConfig(
            id2label=dict(enumerate(("CONTRADICTION", "NEUTRAL", "ENTAILMENT"))),
            vocab_size=50_265, hidden_size=1024, num_hidden_layers=48, num_attention_heads=16,
            intermediate_size=4096, max_position_embeddings=512, relative_attention=True,
            pos_att_type=["c2p", "p2c"], position_biased_input=False, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    target = folder / "deberta-xlarge-mnli"
    tokenizer.save_pretrained(target)
    encoder.save_pretrained(target)
    return target


def bertscore(folder: Path, pairs: list[tuple[str, str]]) -> dict[str, object]:
    """Seconds of our BERTScore, in float32 and on a GPU also in bfloat16, and of the library."""
    import torch

    from medqa.metrics.bertscore import BertScorer

    gpu = torch.cuda.is_available()
    pairs = pairs if gpu else pairs[:ENCODER_PAIRS]
    references, hypotheses = map(list, zip(*pairs, strict=True))
    found: dict[str, object] = {
        "device": torch.cuda.get_device_name() if gpu else "CPU", "pairs": len(pairs),
    }  # fmt: skip
    scores = {}
    with tempfile.TemporaryDirectory() as cache:
        for dtype in ("float32", "bfloat16") if gpu else ("float32",):
            scorer = BertScorer(folder, dtype=dtype, cache_folder=cache)
            scorer.score(references[:2], hypotheses[:2])
            found[f"seconds {dtype}"], scores[dtype] = timed(lambda s=scorer: s.score(references, hypotheses))
            found["texts"], found["texts cut"], found["layer"] = (
                scorer.encoded,
                len(scorer.truncated),
                scorer.layer,
            )
        again = BertScorer(folder, cache_folder=cache)
        found["seconds from the cache"], _ = timed(lambda: again.score(references, hypotheses))
    if "bfloat16" in scores:
        gaps = zip(scores["float32"]["bertscore_f1"], scores["bfloat16"]["bertscore_f1"], strict=True)
        found["largest difference of bfloat16"] = max(abs(a - b) for a, b in gaps)
    try:
        from bert_score import BERTScorer

        library = BERTScorer(model_type=str(folder), num_layers=found["layer"], lang="en")
        library._tokenizer.model_max_length = 512  # without it the library raises OverflowError
        seconds, theirs = timed(lambda: library.score(hypotheses, references, batch_size=4))
        found["seconds of bert_score"] = seconds
        gaps = zip(theirs[2].tolist(), scores["float32"]["bertscore_f1"], strict=True)
        found["largest difference from bert_score"] = max(abs(a - b) for a, b in gaps)
    except ImportError:
        pass
    return found


def entailment(folder: Path, pairs: list[tuple[str, str]]) -> dict[str, object]:
    """Seconds of the judgements on a GPU, in both precisions, and how many labels differ."""
    from medqa.metrics.nli import EntailmentScorer

    references, hypotheses = map(list, zip(*pairs, strict=True))
    found: dict[str, object] = {"pairs": len(pairs)}
    scores = {}
    for dtype in ("float32", "bfloat16"):
        scorer = EntailmentScorer(folder, dtype=dtype)
        scorer.score(references[:2], hypotheses[:2])
        found[f"seconds {dtype}"], scores[dtype] = timed(lambda s=scorer: s.score(references, hypotheses))
        found["judgements"] = scorer.judged
    for name in ("nli_entailed", "nli_contradicted"):
        gaps = [abs(a - b) for a, b in zip(scores["float32"][name], scores["bfloat16"][name], strict=True)]
        found[f"mean difference of bfloat16, {name}"] = sum(gaps) / len(gaps)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=840)
    parser.add_argument("--encoder", default="")
    parser.add_argument("--random_encoder", action="store_true")
    parser.add_argument("--encoder_only", action="store_true", help="leave the lexical metrics out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--one_run", action="store_true", help="one run of everything lexical, as JSON")
    options = parser.parse_args()
    if options.one_run:
        print(json.dumps(score_all(options.pairs)))
        return

    pairs = make_pairs(options.pairs)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if not options.encoder_only:
        results[f"{len(pairs)} pairs"] = lexical(pairs)
    with tempfile.TemporaryDirectory() as folder:
        encoder = random_encoder(Path(folder)) if options.random_encoder else options.encoder
        if encoder:
            found = bertscore(Path(encoder), pairs)
            if found["device"] != "CPU":
                found["entailment"] = entailment(Path(encoder), pairs[:JUDGED_PAIRS])
            name = "random weights, shape of deberta-xlarge" if options.random_encoder else Path(encoder).name
            results[f"BERTScore, {found['device']}"] = {"encoder": name} | found
            print(table(["BERTScore", ""], [[key, value] for key, value in found.items()]))
    write_json(options.output, results)


def lexical(pairs: list[tuple[str, str]]) -> dict[str, object]:
    """All metrics that need no encoder: by one process, by one on each core, and metric by metric."""
    runs = {
        f"{cores} core{'s'[: cores > 1]}": whole(len(pairs), cores) for cores in sorted({1, os.cpu_count()})
    }
    print(table(["", *runs["1 core"]], [[name, *run.values()] for name, run in runs.items()]))
    pairs = pairs[:METRIC_PAIRS]
    seconds, values = by_metric(pairs)
    theirs = libraries(pairs[:LIBRARY_PAIRS], values)
    rows = []
    for name, spent in seconds.items():
        library = theirs.get(name)
        alone = "" if library is None else f"{library['seconds'] / library['pairs'] * 1000:.2f}"
        gap = "" if library is None else f"{library['largest_difference']:.0e}"
        rows.append([name, f"{spent:.2f}", f"{spent / len(pairs) * 1000:.2f}", alone, gap])
    print(table(["metric", "s", "ms a pair", "library alone, ms a pair", "largest difference"], rows))
    return {
        "as an evaluation runs them": runs,
        "processor seconds by metric, one process": {
            name: round(spent, 3) for name, spent in seconds.items()
        },
        "libraries alone": theirs,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
