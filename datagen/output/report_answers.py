"""The report's first answer in words: is this data any good, and what should one look at before using it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datagen.output.summary import is_heuristic
from datagen.output.words import plain, plural

OK, NOTE, WARN = "ok", "note", "warn"
SEVERITIES = (OK, NOTE, WARN)
_MOST_REASONS = 3
_LOW_YIELD = 0.5  # kept of requested, under which one should read the rejections first
_LOW_USE = 0.5  # of the chunks
_HIGH_AGREEMENT = 0.8  # of the run's verdicts with people's, under which one should read what they overturned


def answers(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """Sentences of a report's data, most general first: ``[{"severity": "ok"|"note"|"warn", "text"}]``."""
    return [{"severity": severity, "text": text} for make in _ALL for severity, text in make(data)]


def health(found: Any) -> dict[str, Any]:
    """The judge's health as another part of the program computed it, in the form that the page shows.

    Args:
        found: ``{"sentences": [{"severity", "text"}], "figures": {name: value}}`` or None. What is not of this form
            is left out; nested figures become ``outer: inner``. ``biases``, the same in numbers for a program, stays
            as it is.

    Returns:
        ``{"sentences": […], "figures": [[name, text]]}``, both perhaps empty, and ``biases`` where there are any.
    """
    held = found if isinstance(found, Mapping) else {}
    sentences = [
        {"severity": s["severity"] if s.get("severity") in SEVERITIES else NOTE, "text": str(s.get("text", ""))}
        for s in held.get("sentences") or ()
        if isinstance(s, Mapping)
    ]
    figures = held.get("figures")
    return {
        "sentences": sentences,
        "figures": [list(f) for f in _flat("", figures)] if isinstance(figures, Mapping) else [],
        **({"biases": held["biases"]} if isinstance(held.get("biases"), Mapping) else {}),
    }


def _flat(outer: str, figures: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        label = f"{outer}: {plain(str(name))}" if outer else plain(str(name))
        if isinstance(value, Mapping) and depth < 3:
            yield from _flat(label, value, depth + 1)
        else:
            yield label, _figure(value)


def _figure(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_figure(v) for v in value)
    return str(value)


def _sentences(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ledger = data["ledger"]
    if not ledger["requested"]:
        yield WARN, "Nothing was requested: look at what was skipped."
        return
    rejected, failed = sum(ledger["rejected"].values()), sum(ledger["failed"].values())
    share = ledger["kept"] / ledger["requested"]
    lost = sorted([*ledger["rejected"].items(), *ledger["failed"].items()], key=lambda r: (-r[1], r[0]))
    named = ", ".join(f"{plain(reason)} {n:,}" for reason, n in lost[:_MOST_REASONS])
    text = f"{share:.0%} of what was requested was kept"
    counts = [f"{n:,} {what}" for n, what in ((rejected, "rejected"), (failed, "failed")) if n]
    if counts:
        text += f"; {' and '.join(counts)}, most often for {named}"
    yield (OK if share >= _LOW_YIELD else WARN), text + "."
    if not ledger["kept"]:
        yield WARN, "Nothing was kept: there is nothing to train on."


def _scores(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    judging, mean = data["judging"], data["scores"].get("mean")
    if mean is None:
        yield NOTE, "No sample was scored, so nothing here says how good the answers are."
        return
    weakest = min(
        ((found["mean"], name) for name, found in data["scores"].items() if name != "mean"), default=(0.0, "")
    )
    low = f"; the weakest criterion is {plain(weakest[1])} with {weakest[0]:.2f}" if weakest[1] else ""
    if is_heuristic(data["scored_by"]):
        yield (
            NOTE,
            f"The mean score of {mean['mean']:.2f} of 5 counts signals in the text: no judge read the samples{low}.",
        )
    else:
        yield OK, f"The judge gave a mean of {mean['mean']:.2f} of 5, rejected samples included{low}."
    if judging["unscored"]:
        yield WARN, f"{plural(judging['unscored'], 'sample')} could not be scored and can be judged again."
    found = judging["faithfulness"]
    if found and found["claims"]:
        share = found["supported"] / found["claims"]
        yield (
            (OK if share >= 0.95 else NOTE),
            f"{share:.0%} of {found['claims']:,} claims in the replies are supported by a quote that stands in the "
            "source.",
        )


def _grounds(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    quoted, kept = data["quoted"], data["ledger"]["kept"]
    if kept and quoted["kept"]:
        share = quoted["found"] / quoted["kept"]
        yield (
            (OK if share >= 0.95 else NOTE),
            f"{share:.0%} of the kept samples name a passage of the source that stands there word for word.",
        )


def _copies(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = data["duplicates"]
    if found["dropped"]:
        yield (
            OK,
            f"{plural(found['dropped'], 'copy', 'copies')} {'was' if found['dropped'] == 1 else 'were'} dropped, of "
            f"{plural(found['clusters'], 'record')} that stayed.",
        )


def _covers(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    chunks = data["coverage"]["chunks"]
    silent = sum(not d["kept"] for d in data["documents"])
    if not chunks["all"] or not data["ledger"]["kept"]:
        return
    share = chunks["used"] / chunks["all"]
    text = f"Kept samples rest on {share:.0%} of the passages that passed the screening"
    if silent:
        text += f"; {plural(silent, 'document')} of {len(data['documents']):,} gave none"
    yield (OK if share >= _LOW_USE else NOTE), text + "."


def _lengths(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = data["lengths"]
    if found:
        cut = f", which cuts {plural(found['longer'], 'sample')}" if found["longer"] else ""
        yield OK, f"Train with a max_length of {found['suggested_max_length']:,} tokens{cut}."


def _balance(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = data["pairs"]
    if found and found["kept"]:
        share = f"the chosen reply is the longer one in {found['chosen_longer']:.0%} of {found['kept']:,} pairs"
        if found["balanced"]:
            yield OK, f"Length gives no pair away: {share}."
        else:
            yield WARN, f"Length gives pairs away: {share}."


def _reviewed(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = data["reviewed"]
    if found:
        share = found["agreement"]["share"]
        yield (
            NOTE if share < _HIGH_AGREEMENT else OK,
            f"People decided about {plural(found['decided'], 'sample')} ({found['edited']:,} edited); in {share:.0%} "
            "of them they kept or rejected as the run had.",
        )


def _missing(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    missing = len(data["steps_missing"])
    if missing:
        part, checks = "its" if missing == 1 else "their", plural(missing, "check")
        yield NOTE, f"{checks} could do only part of {part} work here; see what was found in the texts."


def _health(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for sentence in data["judge_health"]["sentences"]:
        if sentence["severity"] == WARN:
            yield WARN, sentence["text"]


_ALL = (_sentences, _scores, _health, _reviewed, _grounds, _copies, _covers, _lengths, _balance, _missing)
