"""Does the credible interval of a specialty's mean contain the true mean? Simulated holdouts, known truth.

    python benchmarks/interval_coverage.py    # writes interval_coverage.json, about a minute
    python benchmarks/interval_coverage.py --draws 20

A draw is one holdout: S specialties with true means θ_s ~ N(μ, τ²) and n questions each, whose scores have
standard deviation σ around θ_s. Reported: the share of intervals that contain θ_s, over all specialties and
over the tenth with the lowest θ_s, and the width relative to Student's interval of the specialty alone.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t

sys.path.insert(0, str(Path(__file__).parent.parent))

from medqa.analysis.hierarchical_model import shrink

SIGMA, QUESTIONS, SPECIALTIES = 0.12, 10, 42
TAUS = (0.0, 0.02, 0.04, 0.08)
# Number of specialties, kind of scores; at τ = 0.04.
OTHERS = {
    "3 specialties": (3, ""),
    "10 specialties": (10, ""),
    "n from 3 to 20": (SPECIALTIES, "unequal n"),
    "skewed scores": (SPECIALTIES, "skewed"),
}


def coverage(draws: int, tau: float, specialties: int = SPECIALTIES, kind: str = "") -> dict[str, float]:
    """Shares of intervals that contain the true mean, and their mean relative width."""
    random = np.random.default_rng([int(1000 * tau), specialties, len(kind)])
    inside, lowest, width = [], [], []
    for _ in range(draws):
        counts = np.full(specialties, QUESTIONS)
        if kind == "unequal n":
            counts = random.integers(3, 21, specialties)
        theta = 0.32 + tau * random.standard_normal(specialties)
        draw = random.exponential if kind == "skewed" else random.standard_normal
        scores = [
            mean + SIGMA * (draw(size=n) - (kind == "skewed")) for mean, n in zip(theta, counts, strict=True)
        ]
        means = np.array([own.mean() for own in scores])
        freedom = int(counts.sum() - specialties)
        variance = sum(((own - own.mean()) ** 2).sum() for own in scores) / freedom
        low, high = shrink(means, counts, variance, freedom).interval()
        covered = (low < theta) & (theta < high)
        inside.append(covered.mean())
        lowest.append(covered[np.argsort(theta)[: max(1, specialties // 10)]].mean())
        student = 2 * t.ppf(0.975, freedom) * np.sqrt(variance / counts)
        width.append(((high - low) / student).mean())
    names = ("all", "lowest_tenth", "width")
    return {name: round(float(np.mean(x)), 4) for name, x in zip(names, (inside, lowest, width), strict=True)}


def main() -> None:
    """Run every setting, write the JSON beside this file, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=300, help="holdouts per setting")
    draws = parser.parse_args().draws
    found = {f"τ = {tau:g}": coverage(draws, tau) for tau in TAUS}
    found |= {f"{name}, τ = 0.04": coverage(draws, 0.04, *shape) for name, shape in OTHERS.items()}
    if draws == parser.get_default("draws"):
        text = json.dumps({"draws": draws, **found}, indent=1, ensure_ascii=False)
        Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(
        "| setting | all specialties | lowest tenth | width, Student's = 1 |",
        "|---|---:|---:|---:|",
        sep="\n",
    )
    for name, row in found.items():
        print(f"| {name} | {row['all']:.1%} | {row['lowest_tenth']:.1%} | {row['width']:.2f} |")


if __name__ == "__main__":
    main()
