"""How long bootstrap intervals take, beside a loop over scikit-learn and SciPy, and the bias report of a large run.

    python -m benchmarks.calibrate [ROWS] [RESAMPLES]        (default: 10000 rows, 2000 resamples)

Ratings are made up from a seed: whole scores of a judge and a person, and lengths. The loop draws rows and calls
``cohen_kappa_score`` and ``spearmanr`` for each resample; it is timed over a few and multiplied. Both sides compute
kappa, Spearman, exact agreement and bias, and in the second line partial Spearman and the lean to length too; the
third line has scores that are hardly ever alike. Seconds are CPU time of one core.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from curation import agreement
from curation.bias import bias_report
from datagen.core.record import Lineage, Message, Sample, trusted

LOOPED = 20
"""Resamples that the loop is given."""
SAMPLES = 100_000


def ratings(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The judge's scores, a person's and the lengths, (rows,) each."""
    random = np.random.default_rng(seed)
    truth = random.normal(3.3, 1.0, rows)
    judge, person = (np.clip(np.rint(truth + random.normal(0, 0.6, rows)), 1, 5) for _ in "ab")
    return judge, person, np.rint(np.exp(random.normal(5.5, 0.7, rows)))


def loop(judge: np.ndarray, person: np.ndarray, lengths: np.ndarray | None, resamples: int) -> float:
    """Seconds that the loop would take for so many resamples, and for nothing else."""
    from scipy.stats import pearsonr, rankdata, spearmanr
    from sklearn.metrics import accuracy_score, cohen_kappa_score

    random = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(LOOPED):
        at = random.integers(0, len(judge), len(judge))
        a, b = judge[at], person[at]
        cohen_kappa_score(a.astype(int), b.astype(int), weights="quadratic")
        spearmanr(a, b)
        accuracy_score(a.astype(int), b.astype(int))
        (a - b).mean()
        if lengths is not None:
            c = rankdata(lengths[at])
            left = [x - np.polyval(np.polyfit(c, x, 1), c) for x in (rankdata(a), rankdata(b))]
            pearsonr(*left)
            spearmanr(a - b, c)
    return (time.process_time() - start) / LOOPED * resamples


def timed(*columns: np.ndarray, lengths: list[float] | None, resamples: int) -> float:
    """Seconds of :func:`curation.agreement.compare`."""
    start = time.process_time()
    agreement.compare(*columns, lengths=lengths, resamples=resamples)
    return time.process_time() - start


def samples(count: int) -> Iterator[Sample]:
    """Judged samples, made one by one."""
    random = np.random.default_rng(2)
    scores = np.round(np.clip(random.normal(3.8, 0.7, count), 1, 5) * 4) / 4
    texts = ["x" * n for n in range(50, 2_000, 50)]
    picked = random.integers(0, len(texts), count)
    lineage = Lineage(path="a.md", sha256="0", chunk="c", start=0, end=0, model="Qwen/Qwen2.5-7B-Instruct")
    for score, text in zip(scores.tolist(), picked.tolist(), strict=True):
        messages = (Message(role="user", content="Why?"), Message(role="assistant", content=texts[text]))
        yield trusted(
            Sample, id="s", recipe="qa", messages=messages, lineage=lineage, score=score, scored_by="judge:gpt-4o-mini"
        )


def main() -> None:
    """Print the figures."""
    rows, resamples = (int(v) for v in (*sys.argv[1:], *("10000", "2000")[len(sys.argv) - 1 :]))
    judge, person, lengths = ratings(rows)
    finer = judge + np.random.default_rng(3).random(rows)
    plain = timed(judge, person, lengths=None, resamples=resamples)
    long = timed(judge, person, lengths=lengths.tolist(), resamples=resamples)
    fine = timed(finer, person, lengths=None, resamples=resamples)
    print(f"{rows:,} ratings, {resamples:,} resamples")
    try:
        told = [loop(judge, person, held, resamples) for held in (None, lengths)]
    except ImportError as error:
        print(f"  without the loop: {error}")
        told = [float("nan")] * 2
    print(f"  kappa, Spearman, exact, bias    {plain:6.2f} s   loop {told[0]:6.1f} s   {told[0] / plain:6.0f} x")
    print(f"  and with length held fixed      {long:6.2f} s   loop {told[1]:6.1f} s   {told[1] / long:6.0f} x")
    print(f"  scores that are hardly alike    {fine:6.2f} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    for _ in samples(SAMPLES):
        pass
    making = time.process_time() - start
    start = time.process_time()
    bias_report(samples(SAMPLES))
    took = time.process_time() - start - making
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"bias report of {SAMPLES:,} samples: {took:.2f} s, memory grew by {grown:.0f} MiB")


if __name__ == "__main__":
    main()
