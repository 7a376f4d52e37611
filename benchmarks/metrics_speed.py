"""How fast the metrics are against the libraries that define them, and that the numbers are the same.

    python benchmarks/metrics_speed.py                      # 840 pairs of 250 words: 420 questions, 2 models
    python benchmarks/metrics_speed.py --pairs 40000        # a large evaluation
    python benchmarks/metrics_speed.py --encoder FOLDER     # BERTScore too, with an encoder of yours
    python benchmarks/metrics_speed.py --random_encoder     # ... with random weights, shape of deberta-xlarge

The texts are answers of the demo, strung together to 250 words; every second pair has the reference of the
one before, as two models have. WordNet is used when NLTK_DATA leads to it. The results go to
benchmarks/metrics_speed.json.
"""

import argparse
import json
import os
import platform
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from medqa.disk import write_json  # noqa: E402
from medqa.manifests import versions  # noqa: E402
from medqa.screen import table  # noqa: E402

RESULTS = ROOT / "benchmarks" / "metrics_speed.json"
WORDS = 250
# The libraries score so many pairs, and their time is told for one pair.
LIBRARY_PAIRS = 840
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


def ours(pairs: list[tuple[str, str]]) -> tuple[dict[str, float], dict[str, list]]:
    """Seconds of one core for each metric of this project, the start included, and their values.

    All metrics of one pair are computed before the next pair, as what one metric has read of a text is kept
    for the others.
    """
    references, hypotheses = zip(*pairs, strict=True)

    def start() -> tuple:
        from medqa import clinical, metrics, tokenisation

        tokenisation.stem("fever")
        metrics.meteor_variant()
        return metrics, clinical, clinical.MedicalLexicon(demo_answers())

    spent, (metrics, clinical, lexicon) = processor_time(start)
    seconds = {"start (NLTK, WordNet, lexicon)": spent}
    methods = {
        "BLEU-1 to 4": metrics.bleu,
        "ROUGE-1, 2, L": metrics.rouge,
        metrics.meteor_variant(): metrics.meteor,
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


def whole(count: int) -> float:
    """Seconds of one core for all of them as an evaluation runs them: the class, its start, its columns."""
    from config import EvaluationConfig
    from evaluation import AutomaticMetrics
    from medqa.scoring import score_pairs
    from medqa.screen import Warnings

    # First the pairs of the base model, then those of the tuned one, as an evaluation has them.
    pairs = make_pairs(count)
    references, hypotheses = map(list, zip(*(pairs[::2] + pairs[1::2]), strict=True))

    def score() -> None:
        metrics = AutomaticMetrics(EvaluationConfig(BERTSCORE_MODEL=""), demo_answers(), Warnings())
        score_pairs(metrics, references, hypotheses, Warnings())

    return processor_time(score)[0]


def libraries(pairs: list[tuple[str, str]], values: dict[str, list]) -> dict[str, dict[str, float]]:
    """Seconds of one core for each library over its pairs, and the largest difference from ours."""
    import sacrebleu
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from nltk.translate.meteor_score import single_meteor_score
    from rouge_score.rouge_scorer import RougeScorer

    from medqa import metrics, tokenisation
    from medqa.clinical.words.build import nltk_reader
    from medqa.wordnet import wordnet

    weights = [(1,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]
    words = tokenisation._word_tokenizer().tokenize
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    found: dict[str, dict[str, float]] = {}

    def add(name: str, compute: Callable[[str, str], list[float]], own: Callable[[int], list[float]]) -> None:
        seconds, theirs = processor_time(lambda: [compute(*pair) for pair in pairs])
        gaps = [
            abs(a - b) for number, row in enumerate(theirs) for a, b in zip(row, own(number), strict=True)
        ]
        found[name] = {"seconds": seconds, "pairs": len(pairs), "largest_difference": max(gaps)}

    def split(text: str) -> list[str]:
        return words(tokenisation.SENTENCE_END.sub(" .", text))

    add(
        "BLEU-1 to 4",
        lambda reference, hypothesis: sentence_bleu(
            [split(reference)], split(hypothesis), weights, SmoothingFunction().method1
        ),
        lambda number: list(values["BLEU-1 to 4"][number].values()),
    )
    add(
        "ROUGE-1, 2, L",
        lambda reference, hypothesis: [
            score.fmeasure for score in scorer.score(reference, hypothesis).values()
        ],
        lambda number: list(values["ROUGE-1, 2, L"][number].values()),
    )
    if wordnet() is not None:
        reader = nltk_reader()
        add(
            "METEOR",
            lambda reference, hypothesis: [
                single_meteor_score(split(reference), split(hypothesis), wordnet=reader)
            ],
            lambda number: [values["METEOR"][number]],
        )
    references, hypotheses = map(list, zip(*pairs, strict=True))
    seconds, theirs = processor_time(lambda: sacrebleu.corpus_bleu(hypotheses, [references]).score / 100)
    gap = abs(theirs - metrics.corpus_bleu(references, hypotheses))
    found["corpus BLEU"] = {"seconds": seconds, "pairs": len(pairs), "largest_difference": gap}
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

    from medqa.bertscore import BertScorer

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
                scorer.truncated,
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
    from medqa.entailment import EntailmentScorer

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
    options = parser.parse_args()

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
    """All metrics that need no encoder, beside the libraries."""
    clock, (seconds, values) = timed(lambda: ours(pairs))
    total = sum(seconds.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(pairs)} pairs of {WORDS} words, all lexical and clinical metrics: {total:.1f} s of one core "
        f"({clock:.1f} s by the clock), {memory:.0f} MB"
    )
    with get_context("spawn").Pool(1) as pool:  # a process of its own, which has read none of these texts
        in_one = pool.apply(whole, (len(pairs),))
        pool.close()
        pool.join()
    print(f"by the class of an evaluation, in a fresh process: {in_one:.1f} s of one core")
    theirs = libraries(pairs[:LIBRARY_PAIRS], values)
    rows = []
    for name, spent in seconds.items():
        library = theirs.get(name)
        each = spent / len(pairs) * 1000
        rows.append([name, f"{spent:.2f}", f"{each:.2f}", "", "", ""] if library is None else [
            name, f"{spent:.2f}", f"{each:.2f}", f"{library['seconds'] / library['pairs'] * 1000:.2f}",
            f"{library['seconds'] / library['pairs'] * 1000 / each:.1f}",
            f"{library['largest_difference']:.0e}",
        ])  # fmt: skip
    print(
        table(["metric", "s", "ms a pair", "library, ms a pair", "times faster", "largest difference"], rows)
    )

    return {
        "seconds": {name: round(spent, 3) for name, spent in seconds.items()}, "total": round(total, 2),
        "by the class of an evaluation": round(in_one, 2), "memory_mb": round(memory), "libraries": theirs,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": versions(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
