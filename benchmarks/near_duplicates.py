"""Ways to find all questions with a word-3-gram Jaccard similarity of at least 0.7: time and completeness.

    python benchmarks/near_duplicates.py

Each way groups the questions that benchmarks/preparation.py makes, and is compared with the one in use. What
it takes is measured in a process of its own. datasketch is measured if it is installed; the project does
without it. The results go to benchmarks/near_duplicates.json.
"""

import json
import multiprocessing
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from preparation import near_copy, questions  # noqa: E402

from medqa.data.near_duplicates import _grams, groups, jaccard  # noqa: E402
from medqa.data.normal_form import normal_form  # noqa: E402
from medqa.data.similarity_join import THRESHOLD  # noqa: E402

RESULTS = ROOT / "benchmarks" / "near_duplicates.json"
Pairs = Iterator[tuple[int, int]]


def every_pair(forms: Sequence[str]) -> Pairs:
    """The definition: each question with each."""
    for a in range(len(forms)):
        for b in range(a):
            if jaccard(forms[a], forms[b]) >= THRESHOLD:
                yield a, b


def index_of_grams(forms: Sequence[str]) -> Pairs:
    """A dict from each 3-gram to the questions before that have it; all that share one are compared."""
    sets = [_grams(form) for form in forms]
    index: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for a, grams in enumerate(sets):
        shared: defaultdict[int, int] = defaultdict(int)
        for gram in grams:
            for b in index[gram]:
                shared[b] += 1
            index[gram].append(a)
        for b, number in shared.items():
            if number >= THRESHOLD * (len(grams) + len(sets[b]) - number):
                yield a, b


def sparse_product(forms: Sequence[str]) -> Pairs:
    """CountVectorizer of scikit-learn, sparse product of scipy: the number of 3-grams that each two share."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=lambda form: _grams(form), binary=True, dtype="int32")
    matrix = vectorizer.fit_transform(forms)
    sizes = matrix.sum(axis=1).A1
    transposed = matrix.T.tocsc()
    for start in range(0, matrix.shape[0], 1000):
        shared = (matrix[start : start + 1000] @ transposed).tocoo()
        rows = shared.row + start
        found = shared.data >= THRESHOLD * (sizes[rows] + sizes[shared.col] - shared.data)
        yield from ((a, b) for a, b in zip(rows[found], shared.col[found], strict=True) if a < b)


def minhash(forms: Sequence[str]) -> Pairs:
    """datasketch: locality-sensitive hashing of 128 permutations, and a comparison of what it suggests."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    sets = [[" ".join(gram).encode() for gram in _grams(form)] for form in forms]
    for a, sketch in enumerate(MinHash.generator(sets, num_perm=128)):
        for b in index.query(sketch):
            if jaccard(forms[a], forms[b]) >= THRESHOLD:
                yield a, b
        index.insert(a, sketch)


def fuzzy_ratio(forms: Sequence[str]) -> Pairs:
    """rapidfuzz: its own measure (token_set_ratio ≥ 90), for it has no Jaccard; each question with each."""
    from rapidfuzz import fuzz, process

    for start in range(0, len(forms), 500):
        scores = process.cdist(
            forms[start : start + 500], forms, scorer=fuzz.token_set_ratio, score_cutoff=90, workers=2
        )
        yield from ((start + a, b) for a, b in zip(*scores.nonzero(), strict=True) if start + a < b)


def grouped(pairs: Pairs, number: int) -> list[int]:
    """Number of the group of each question."""
    root = list(range(number))

    def find(a: int) -> int:
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        return a

    for a, b in pairs:
        root[find(int(a))] = find(int(b))
    return [find(a) for a in range(number)]


def made(number: int) -> list[str]:
    """Normal forms of questions, one in a hundred a near-duplicate of another."""
    import random

    random_state = random.Random(5)
    originals = list(questions(number - number // 100, 5))
    copies = (near_copy(random_state.choice(originals), random_state) for _ in range(number))
    found = {normal_form(question) for question in originals}
    for copy in copies:
        if len(found) >= number:
            break
        if copy is not None:
            found.add(normal_form(copy))
    return sorted(found)


def in_use(forms: Sequence[str]) -> list[int]:
    """What dataset_preparation.py does."""
    return groups(forms).tolist()


WAYS: dict[str, tuple[Callable[[Sequence[str]], Pairs], int]] = {
    "every pair": (every_pair, 3_000),
    "dict of 3-grams": (index_of_grams, 30_000),
    "CountVectorizer and sparse product": (sparse_product, 30_000),
    "rapidfuzz token_set_ratio": (fuzzy_ratio, 10_000),
    "datasketch MinHashLSH": (minhash, 100_000),
}
SIZES = (3_000, 10_000, 30_000, 100_000, 1_000_000)


def measured(way: str, number: int, send: "multiprocessing.connection.Connection") -> None:
    """Group `number` questions in one way; send what it took, and what it found of the exact groups."""
    forms = made(number)
    exact = in_use(forms)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time(), time.monotonic()
    found = in_use(forms) if way == "in use" else grouped(WAYS[way][0](forms), len(forms))
    result = {
        "way": way,
        "questions": number,
        "cpu_seconds": round(time.process_time() - begun[0], 2),
        "seconds": round(time.monotonic() - begun[1], 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "peak_before_gb": round(before * 1024 / 1e9, 2),
    }
    # Links that make up the exact groups: each question with the first of its group.
    first: dict[int, int] = {}
    links = [(first.setdefault(group, a), a) for a, group in enumerate(exact)]
    links = [(a, b) for a, b in links if a != b]
    members: defaultdict[int, set[int]] = defaultdict(set)
    for a, group in enumerate(found):
        members[group].add(exact[a])
    result["links"] = len(links)
    result["links_found"] = sum(found[a] == found[b] for a, b in links)
    result["groups_joined_wrongly"] = sum(len(joined) > 1 for joined in members.values())
    send.send(result)


def main() -> None:
    """Measure every way at the sizes that it can do in some minutes."""
    results = []
    for way, most in [("in use", SIZES[-1]), *((way, most) for way, (_, most) in WAYS.items())]:
        for number in SIZES:
            if number > most:
                continue
            receive, send = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.Process(target=measured, args=(way, number, send))
            process.start()
            send.close()
            try:
                results.append(receive.recv())
                print(json.dumps(results[-1]), flush=True)
            except EOFError:
                print(f"{way}: not measured", flush=True)
            process.join()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
