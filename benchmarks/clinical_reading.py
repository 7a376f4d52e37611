"""False alarms and misses of the clinical reading on labelled pairs, by kind, and its time per pair.

    python benchmarks/clinical_reading.py                          # the development half
    python benchmarks/clinical_reading.py FILE.jsonl --show        # another file; lists what went wrong

A line of the file is {"kind", "reference", "answer", "label": "right" | "wrong"}. A false alarm is a
right answer that is flagged, a miss a wrong one that is not. A pair is flagged when `clinical.dose_errors` or
`negation_errors` reports an error. The kind "K10" is about recognizing terms: such a pair is flagged when
each text names a term that the other does not, or they share none; a medicine and its class, and a compound
and its parts, are one term (`MedicalLexicon.compared`). Upper bounds are one-sided,
95 % (Clopper-Pearson).
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors  # noqa: E402
from medqa.runtime.console import table  # noqa: E402

DEVELOPMENT = ROOT / "tests" / "clinical" / "labelled" / "development.jsonl"


def errors(pair: dict[str, str], lexicon: MedicalLexicon) -> list:
    """What the reading reports for a pair: empty when the pair is not flagged."""
    if not pair["kind"].startswith("K10"):
        texts = pair["reference"], pair["answer"]
        return [*(dose_errors(*texts) or ()), *negation_errors(*texts, lexicon)]
    wanted, given = (terms.keys() for terms in lexicon.compared(pair["reference"], pair["answer"]))
    missing, added = sorted(wanted - given), sorted(given - wanted)
    differ = missing and added if wanted & given else missing or added
    return [missing, added] if differ else []


def upper_bound(found: int, of: int) -> float:
    """Upper end of the one-sided 95 % Clopper-Pearson interval of a share."""
    from scipy.stats import beta

    return 1.0 if found == of else float(beta.ppf(0.95, found + 1, of - found))


def share(found: int, of: int) -> str:
    return f"{found}/{of} = {found / of:.1%} (≤ {upper_bound(found, of):.1%})" if of else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=DEVELOPMENT)
    parser.add_argument("--show", action="store_true", help="list the false alarms and the misses")
    options = parser.parse_args()
    pairs = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line]
    lexicon = MedicalLexicon()
    errors(
        {"kind": "", "reference": "dolorexan 5 Âµg", "answer": "carditis"}, lexicon
    )  # loads what is loaded once
    started = time.process_time()
    found = [errors(pair, lexicon) for pair in pairs]
    seconds = time.process_time() - started
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"right": [0, 0], "wrong": [0, 0]})
    for pair, errors_found in zip(pairs, found, strict=True):
        failed = bool(errors_found) == (pair["label"] == "right")
        for kind in (pair["kind"], "all"):
            counts[kind][pair["label"]][0] += failed
            counts[kind][pair["label"]][1] += 1
        if failed and options.show:
            print(
                f"{pair['kind']}, {pair['label']}: {pair['reference']!r} → {pair['answer']!r} {errors_found}"
            )
    counts["all"] = counts.pop("all")
    rows = [(kind, share(*of["right"]), share(*of["wrong"])) for kind, of in counts.items()]
    print(table(("kind", "false alarms", "misses"), rows))
    print(f"{1000 * seconds / len(pairs):.2f} ms of processor time per pair, {len(pairs)} pairs")


if __name__ == "__main__":
    main()
