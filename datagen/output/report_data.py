"""Gathers, in one pass over a run's records, everything its report says.

Memory is bounded by what is shown: counters, a few examples a reason, a line a listed sample. Only the
list of documents and skipped files grows with the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from datagen.core.record import Chunk, Document, Failure, Sample, Task
from datagen.output import shown
from datagen.output.audits import Audits
from datagen.output.coverage import Coverage
from datagen.output.funnel import funnel, stage_order
from datagen.output.histogram import Lengths, Scores
from datagen.output.ledger import Ledger
from datagen.output.pairs import Pairs
from datagen.output.pick import Least
from datagen.output.report_answers import answers, health
from datagen.output.report_clusters import Clusters
from datagen.output.report_judging import Judging
from datagen.output.report_reviews import Reviews
from datagen.output.report_shelf import Shelf
from datagen.output.summary import about_model, headline, shaping

EXAMPLES = 3
"""Examples of each reason."""
BEST, WORST = 3, 5
"""Samples shown of the highest and of the lowest scores: one learns more from the latter."""
PAGE = "page"
"""The key of what stands in report.html alone: it may change when the same work is done again."""

Key = tuple[str, str, str]  # unit, stage, reason


class ReportBuilder:
    """Feed it with the records in the order of the run, then :meth:`finish`.

    The methods take records as they left the last stage that handles their kind.
    """

    def __init__(self) -> None:
        self._skipped: list[dict[str, str]] = []
        self._not_taken: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._documents: list[tuple[str, str, str, int]] = []
        self._notes: dict[str, list[str]] = {}
        self._chunks_of: Counter[str] = Counter()
        self._kept_of: Counter[str] = Counter()
        self._chunks = self._chunk_tokens = 0
        self._ledger = Ledger()
        self._losses: Counter[Key] = Counter()
        self._examples: dict[Key, Least[dict[str, Any]]] = {}
        self._failed: dict[str, Least[dict[str, Any]]] = {}
        self._scores, self._means = Scores(), Scores()
        self._scored_by: Counter[str] = Counter()
        self._lengths = Lengths()
        self._coverage, self._pairs, self._audits = Coverage(), Pairs(), Audits()
        self._kept: Counter[tuple[str, str]] = Counter()
        self._best: Least[dict[str, Any]] = Least(BEST)
        self._worst: Least[dict[str, Any]] = Least(WORST)
        self._shelf, self._clusters, self._judging, self._reviews = Shelf(), Clusters(), Judging(), Reviews()
        self._quoted = 0

    def skipped(self, path: str, reason: str) -> None:
        """A file that was found and not taken, with the reason in a few words."""
        self._skipped.append({"path": path, "reason": reason})
        self._not_taken[reason.partition(": ")[0]] += 1

    def document(self, document: Document) -> None:
        """A document; one that has a verdict counts as skipped."""
        self._audits.add("documents", document.audits)
        if document.verdict is not None:
            reason, evidence = document.verdict.reason, document.verdict.evidence
            self._unreadable[reason] += 1
            self._skipped.append({"path": document.path, "reason": f"{reason}: {evidence}" if evidence else reason})
            return
        self._documents.append((document.path, document.kind, document.split, len(document.text)))
        if document.notes:
            self._notes[document.path] = list(document.notes)

    def chunk(self, chunk: Chunk) -> None:
        """A chunk, screened."""
        self._chunks += 1
        self._chunk_tokens += chunk.tokens
        self._chunks_of[chunk.path] += 1
        self._lengths.calibrate(len(chunk.text), chunk.tokens)
        self._coverage.chunk(chunk)
        self._clusters.chunk(chunk)
        self._audits.add("chunks", chunk.audits)
        if chunk.verdict is not None:
            key = ("chunks", chunk.verdict.stage, chunk.verdict.reason)
            self._losses[key] += 1
            self._example(key).offer(chunk.id, lambda: shown.chunk(chunk))

    def task(self, task: Task) -> None:
        """Something that was asked for."""
        self._coverage.task(task)

    def sample(self, sample: Sample) -> None:
        """A sample after the last stage."""
        self._ledger.add(sample)
        self._coverage.sample(sample)
        self._pairs.sample(sample)
        self._shelf.sample(sample)
        self._clusters.sample(sample)
        self._judging.sample(sample)
        self._reviews.sample(sample)
        self._audits.add("samples", sample.audits)
        if sample.score is not None:
            self._scores.add(sample.scores)
            self._means.add({"mean": sample.score})
            self._scored_by[sample.scored_by] += 1
        verdict = sample.verdict
        if verdict is not None:
            key = ("samples", verdict.stage, verdict.reason)
            self._losses[key] += 1
            self._example(key).offer(sample.id, lambda: shown.rejected_sample(sample))
            return
        self._kept[sample.recipe, sample.split] += 1
        self._kept_of[sample.lineage.path] += 1
        self._lengths.add(sum(len(m.content) for m in sample.messages), len(sample.messages))
        if sample.score is not None:
            self._best.offer((-sample.score, sample.id), lambda: shown.sample(sample))
            self._worst.offer((sample.score, sample.id), lambda: shown.sample(sample))
        made = sample.lineage
        self._quoted += bool(shown.find_quotes(sample.source, made.quotes[:1], made.start))

    def failure(self, failure: Failure) -> None:
        """What a model owed."""
        self._ledger.add(failure)
        examples = self._failed.setdefault(failure.reason, Least(EXAMPLES))
        examples.offer((failure.chunk, failure.recipe, failure.call), lambda: shown.failure(failure))

    def _example(self, key: Key) -> Least[dict[str, Any]]:
        return self._examples.setdefault(key, Least(EXAMPLES))

    def finish(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The report as plain values.

        Args:
            facts: any of ``datagen`` (version), ``ledger`` (as in ledger.json; without it, one of what was
                fed), ``model``, ``judge``, ``prompts`` (name → SHA-256), ``seed``, ``threshold``, ``config`` (the
                resolved tree), ``judge_health`` (see
                :func:`~datagen.output.report_answers.health`), and for the page alone ``usage``, ``timing`` and
                ``libraries``.

        Returns:
            The content of report.json, and under ``"page"`` what only report.html shows.
        """
        ledger = dict(facts.get("ledger") or self._ledger.as_dict())
        fed = self._ledger.as_dict()
        steps = funnel(
            skipped=self._not_taken,
            unreadable=self._unreadable,
            documents=len(self._documents),
            chunks=self._chunks,
            chunk_losses=self._by_stage("chunks"),
            requested=fed["requested"],
            failed=fed["failed"],
            sample_losses=self._by_stage("samples"),
        )
        totals = {
            "files": steps[0]["count"],
            "documents": len(self._documents),
            "characters": sum(d[3] for d in self._documents),
            "chunks": self._chunks,
            "chunk_tokens": self._chunk_tokens,
        }
        config = dict(facts.get("config") or {})
        used = self._coverage.used()
        data: dict[str, Any] = {
            "datagen": str(facts.get("datagen") or ""),
            "model": str(facts.get("model") or ""),
            "judge": facts.get("judge"),
            "scored_by": dict(sorted(self._scored_by.items())),
            "threshold": facts.get("threshold"),
            "seed": facts.get("seed"),
            "totals": totals,
            "ledger": ledger,
            "adds_up": ledger["requested"]
            == ledger["kept"] + sum(ledger["rejected"].values()) + sum(ledger["failed"].values()),
            "documents": [
                {
                    "path": path,
                    "kind": kind,
                    "split": split,
                    "characters": characters,
                    "chunks": self._chunks_of[path],
                    "kept": self._kept_of[path],
                    "notes": self._notes.get(path, []),
                    "used": round(min(1.0, used[path] / characters), 4) if characters else 0.0,
                }
                for path, kind, split, characters in sorted(self._documents)
            ],
            "skipped": sorted(self._skipped, key=lambda s: (s["path"], s["reason"])),
            "kinds": self._kinds(),
            "funnel": steps,
            "rejections": self._rejections(),
            "failures": [
                {"reason": reason, "count": fed["failed"].get(reason, 0), "examples": list(examples)}
                for reason, examples in sorted(self._failed.items())
            ],
            "scores": {**self._means.as_dict(), **self._scores.as_dict()},
            "lengths": self._lengths.as_dict(),
            "splits": self._splits(),
            "coverage": self._coverage.finish(),
            "pairs": self._pairs.finish(),
            "audits": self._audits.rows(),
            "steps_missing": list(facts.get("steps_missing") or ()),
            "duplicates": self._clusters.finish(),
            "judging": self._judging.finish(),
            "reviewed": self._reviews.finish(),
            "judge_health": health(facts.get("judge_health")),
            "quoted": {"kept": ledger["kept"], "found": self._quoted},
            "best": list(self._best),
            "worst": list(self._worst),
            "prompts": dict(facts.get("prompts") or {}),
            "config": shaping(config),
        }
        data["headline"] = headline(data)
        data["about_model"] = about_model(data)
        data["answers"] = answers(data)
        data[PAGE] = {
            "samples": self._shelf,
            "usage": facts.get("usage"),
            "timing": facts.get("timing"),
            "libraries": dict(facts.get("libraries") or {}),
            "config": config,
        }
        return data

    def _by_stage(self, unit: str) -> dict[tuple[str, str], int]:
        return {(stage, reason): n for (u, stage, reason), n in self._losses.items() if u == unit}

    def _rejections(self) -> list[dict[str, Any]]:
        ordered = sorted(self._losses, key=lambda k: (k[0], stage_order(k[1]), -self._losses[k], k[2]))
        return [
            {
                "unit": unit,
                "stage": stage,
                "reason": reason,
                "count": self._losses[unit, stage, reason],
                "examples": list(self._examples[unit, stage, reason]),
            }
            for unit, stage, reason in ordered
        ]

    def _kinds(self) -> list[dict[str, Any]]:
        kinds: dict[str, dict[str, Any]] = {}
        for path, kind, _, characters in self._documents:
            row = kinds.setdefault(kind, {"kind": kind, "documents": 0, "characters": 0, "chunks": 0, "kept": 0})
            row["documents"] += 1
            row["characters"] += characters
            row["chunks"] += self._chunks_of[path]
            row["kept"] += self._kept_of[path]
        return sorted(kinds.values(), key=lambda row: (-row["characters"], row["kind"]))

    def _splits(self) -> dict[str, dict[str, int]]:
        recipes: dict[str, dict[str, int]] = {}
        for (recipe, split), n in sorted(self._kept.items()):
            recipes.setdefault(recipe, {})[split] = n
        return recipes
