"""Collects the models and NLTK's data that a machine without internet needs. `make bundle` runs it.

    python launch/fetch_models.py FOLDER [--BASE_MODEL_PATH NAME] [--BERTSCORE_MODEL NAME]

NAME is a folder, which is copied, or a name on the Hugging Face Hub. The defaults are those of evaluation.py;
--BERTSCORE_MODEL "" leaves the encoder out. Interrupted? Run it again to continue.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config import EvaluationConfig
from medqa.artifacts import offline_models
from medqa.metrics.wordnet import collect_nltk
from medqa.runtime.entrypoint import run_script


def main() -> None:
    """Collect what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("FOLDER", type=Path)
    for name in ("BASE_MODEL_PATH", "BERTSCORE_MODEL"):
        parser.add_argument(f"--{name}", default=getattr(EvaluationConfig, name), metavar="NAME")
    given = parser.parse_args()
    offline_models.collect(given.FOLDER, given.BASE_MODEL_PATH, given.BERTSCORE_MODEL, collect_nltk)


if __name__ == "__main__":
    run_script(main, "Files collected so far are kept; run the same command again to continue.")
