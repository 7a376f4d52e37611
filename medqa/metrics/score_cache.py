"""Stores scores of pairs of texts on disk, one line per pair: a killed run loses at most its last block."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

Pair = tuple[str, str]
Scores = tuple[float, float, float]


class ScoreCache:
    """Three numbers per pair, in a file named after everything they depend on except the texts.

    Args:
        folder: of the file; None: nothing is stored.
        kind: start of the file's name, such as "bertscore".
        fingerprint: identifies the model and all settings that change a score.
    """

    def __init__(self, folder: str | Path | None, kind: str, fingerprint: str) -> None:
        self.path = None if folder is None else Path(folder) / f"{kind}_{fingerprint[:16]}.jsonl"
        self.scores: dict[str, Scores] = {}
        if self.path is None or not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, first, second, third = json.loads(line)
                self.scores[key] = (float(first), float(second), float(third))
            except (ValueError, TypeError):
                continue  # a line cut off by a killed run: that pair is scored again

    @staticmethod
    def key(pair: Pair) -> str:
        """SHA-256 of both texts; the length distinguishes ("ab", "c") from ("a", "bc")."""
        text = f"{len(pair[0])} {pair[0]}{pair[1]}"
        return hashlib.sha256(text.encode()).hexdigest()

    def get(self, pair: Pair) -> Scores | None:
        """The scores of a pair, None when they are not stored."""
        return self.scores.get(self.key(pair)) if self.path is not None else None

    def add(self, found: Mapping[Pair, Scores]) -> None:
        """Append scores, in one write."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps([self.key(pair), *scores]) + "\n" for pair, scores in found.items()]
        # A line break first, because a killed run may have left an incomplete line.
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n" + "".join(lines))
