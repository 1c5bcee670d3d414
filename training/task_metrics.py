"""How near answers come to their references, by the metric that a row's task family names.

Each figure is kept as sums over rows (:class:`~training.bootstrap.Measure`), so that it can be resampled.

- ``rouge``: ROUGE-1, -2 and -L F1 (C.-Y. Lin 2004) by rouge-score, with words of every script.
- ``bleu_chrf``: BLEU (Papineni et al. 2002) over all rows, and the rows' mean chrF (Popović 2015), by sacrebleu.
- ``f1_em``: exact match and token F1 as for SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250).
- ``accuracy_f1``: accuracy, and F1 averaged over the labels of the references.
- ``field_f1``: F1 over pairs of key and value of a JSON object.
- anything else: ROUGE-L, chrF, token F1 and exact match.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.bootstrap import Floats, Measure, mean, ratio_of
from training.errors import TrainingError

MAX_CHARACTERS = 8_000
"""Of an answer that are compared; ROUGE-L takes time with the product of both lengths."""
_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"\w+")
_ORDERS = 4  # BLEU counts n-grams of one to four words
_MAIN = {
    "rouge": "rougeL",
    "bleu_chrf": "chrF",
    "f1_em": "token F1",
    "accuracy_f1": "accuracy",
    "field_f1": "field F1",
    "perplexity": "",
}


def main_measure(metric: str) -> str:
    """The name of the figure that stands for a metric where there is room for one; "" for none."""
    return _MAIN.get(metric, "token F1")


def measures(metric: str, answers: Sequence[str], references: Sequence[str]) -> dict[str, Measure]:
    """The figures of one metric, by name, each in 0..1.

    Args:
        metric: as rows name it; "" for a row of no family. ``perplexity`` has no figure of texts: see the loss.
        answers, references: of one length.

    Raises:
        ValueError: the lengths differ.
        TrainingError: a library is missing.
    """
    if len(answers) != len(references):
        raise ValueError("there must be a reference for each answer")
    said = [_plain(text) for text in answers]
    wanted = [_plain(text) for text in references]
    return _METRICS.get(metric, _general)(said, wanted)


def rouge(answer: str, reference: str) -> dict[str, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, without stemming.

    Raises:
        TrainingError: rouge-score is missing.
    """
    found = _rouge_scorer().score(_plain(reference), _plain(answer))
    return {name: float(found[name].fmeasure) for name in ("rouge1", "rouge2", "rougeL")}


def token_f1(answer: str, reference: str) -> float:
    """F1 over words as SQuAD's script has it; two empty texts are alike."""
    return _f1(Counter(normal(answer).split()), Counter(normal(reference).split()))


def exact_match(answer: str, reference: str) -> float:
    """1.0 where both are the same after :func:`normal`."""
    return float(normal(answer) == normal(reference))


def normal(text: str) -> str:
    """Case folded, without punctuation (of all scripts) and English articles, single spaces."""
    folded = unicodedata.normalize("NFC", text).casefold()
    bare = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in folded)
    return " ".join(word for word in bare.split() if word not in _ARTICLES)


def field_f1(answer: str, reference: str) -> float:
    """F1 over pairs of key and value; 0.0 where the answer is no JSON object."""
    said = fields(answer)
    return 0.0 if said is None else _f1(said, fields(reference) or Counter())


def fields(text: str) -> Counter[tuple[str, str]] | None:
    """Pairs of path and value of a JSON object, or None where there is none.

    A fence around it, or words before and after, are passed over. Values are compared after :func:`normal`; what is
    null or empty counts as not there; the order of a list does not count.
    """
    import json

    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    pairs: Counter[tuple[str, str]] = Counter()
    left: list[tuple[str, Any]] = [("", found)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left.extend((f"{path}.{key}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            left.extend((f"{path}[]", inner) for inner in value)
        elif value is not None and (told := normal(str(value))):
            pairs[path, told] += 1
    return pairs


def _f1(said: Counter[Any], wanted: Counter[Any]) -> float:
    if not said and not wanted:
        return 1.0
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total())


def _rouge(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    scored = [rouge(a, r) for a, r in zip(said, wanted, strict=True)]
    return {name: mean([one[name] for one in scored]) for name in ("rouge1", "rouge2", "rougeL")}


def _bleu_chrf(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    return {"BLEU": bleu(said, wanted), "chrF": chrf(said, wanted)}


def bleu(answers: Sequence[str], references: Sequence[str]) -> Measure:
    """BLEU over all rows, in 0..1 (sacrebleu's own is in 0..100), its tokenizer 13a, exponential smoothing.

    Raises:
        TrainingError: sacrebleu is missing.
    """
    scorer = _sacrebleu().BLEU(effective_order=True)
    table = np.zeros((len(answers), 2 * _ORDERS + 2))
    for i, (answer, reference) in enumerate(zip(answers, references, strict=True)):
        one = scorer.sentence_score(_plain(answer), [_plain(reference)])
        table[i] = [*one.counts, *one.totals, one.sys_len, one.ref_len]
    return Measure(table, _bleu_of)


def _bleu_of(sums: Floats) -> Floats:
    compute = _sacrebleu().BLEU.compute_bleu
    out = np.empty(len(sums))
    for i, row in enumerate(sums):
        whole = [round(v) for v in row]
        one = compute(whole[:_ORDERS], whole[_ORDERS : 2 * _ORDERS], whole[-2], whole[-1], smooth_method="exp")
        out[i] = one.score / 100
    return out


def chrf(answers: Sequence[str], references: Sequence[str]) -> Measure:
    """The rows' mean chrF2, in 0..1.

    Raises:
        TrainingError: sacrebleu is missing.
    """
    scorer = _sacrebleu().CHRF()
    pairs = zip(answers, references, strict=True)
    return mean([scorer.sentence_score(_plain(a), [_plain(r)]).score / 100 for a, r in pairs])


def _f1_em(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    pairs = list(zip(said, wanted, strict=True))
    return {
        "token F1": mean([token_f1(a, r) for a, r in pairs]),
        "exact match": mean([exact_match(a, r) for a, r in pairs]),
    }


def _accuracy_f1(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    found, right = [normal(text) for text in said], [normal(text) for text in wanted]
    labels = {label: i for i, label in enumerate(dict.fromkeys(right))}
    hits = np.zeros((len(said), 3, len(labels)))  # right, said, wanted by label
    for i, (a, r) in enumerate(zip(found, right, strict=True)):
        hits[i, 2, labels[r]] = 1
        if a in labels:
            hits[i, 1, labels[a]] = 1
        if a == r:
            hits[i, 0, labels[r]] = 1
    return {
        "accuracy": mean([float(a == r) for a, r in zip(found, right, strict=True)]),
        "macro F1": Measure(hits.reshape(len(said), -1), _macro_f1),
    }


def _macro_f1(sums: Floats) -> Floats:
    """The mean over labels of 2 hits / (said + wanted); a label that a resample does not hold counts in no mean."""
    hits, said, wanted = sums.reshape(len(sums), 3, -1).transpose(1, 0, 2)
    under = said + wanted
    scores = 2 * hits / np.where(under > 0, under, 1)
    held = wanted > 0
    return ratio_of(np.column_stack([(scores * held).sum(axis=1), held.sum(axis=1)]))


def _field_f1(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    return {"field F1": mean([field_f1(a, r) for a, r in zip(said, wanted, strict=True)])}


def _general(said: Sequence[str], wanted: Sequence[str]) -> dict[str, Measure]:
    return {"rougeL": _rouge(said, wanted)["rougeL"], "chrF": chrf(said, wanted), **_f1_em(said, wanted)}


_METRICS: dict[str, Callable[[Sequence[str], Sequence[str]], dict[str, Measure]]] = {
    "rouge": _rouge,
    "bleu_chrf": _bleu_chrf,
    "f1_em": _f1_em,
    "accuracy_f1": _accuracy_f1,
    "field_f1": _field_f1,
    "perplexity": lambda said, wanted: {},
}


def _plain(text: str) -> str:
    """What the libraries can take: cut, and without halves of surrogate pairs."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


class _Words:
    """Words of every script; rouge-score's own tokenizer knows a to z alone."""

    def tokenize(self, text: str) -> list[str]:
        return _WORD.findall(text.lower().replace("_", " "))


@functools.cache
def _rouge_scorer() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing("rouge-score") from error
    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False, tokenizer=_Words())


@functools.cache
def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise _missing("sacrebleu") from error
    return metrics


def _missing(name: str) -> TrainingError:
    return TrainingError(
        "Answers cannot be compared with their references.",
        f"The library {name} is not installed.",
        "Install it with pip install 'datagen[train]'.",
    )
