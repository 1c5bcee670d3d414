"""The dataset card: what is in an export, how it was made and what it is not good for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datagen.output.formats import Format, Part, parts_of
from datagen.output.report_answers import WARN
from datagen.output.summary import is_heuristic, uses_model
from datagen.output.templating import environment
from datagen.output.text import scrub

_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def cell(text: object) -> str:
    """Text for a cell of a Markdown table: one line, nothing in it that Markdown or HTML would act on."""
    flat = " ".join(scrub(str(text)).split())
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", flat)


def code(text: object) -> str:
    """Text for a code span inside a table."""
    return " ".join(scrub(str(text)).split()).replace("`", "'").replace("|", "¦")


@dataclass(frozen=True)
class RowFile:
    """A file of an export: its name, what kind of rows it holds, of which split, and how many."""

    name: str
    part: Part
    split: str
    rows: int

    def with_rows(self, rows: int) -> RowFile:
        """The same file with so many rows."""
        return replace(self, rows=rows)


@dataclass(frozen=True)
class Card:
    """What a card is made of.

    Attributes:
        format: that was asked for.
        files: with training rows.
        counts: rows by file name, of all files.
        tools: the parts that hold tool calls in some row.
        recipes: samples by recipe.
        families: samples by task family, those without one left out.
        flaws: pairs by the flaw of their rejected reply.
        models: rows by the model that wrote them.
        scored_by: rows by who scored them; "" for rows without a score.
        unwritten: samples the format could not hold, by reason.
        facts: the content of report.json, or {}.
    """

    format: Format
    files: Sequence[RowFile]
    counts: Mapping[str, int]
    tools: Collection[Part]
    recipes: Mapping[str, int]
    families: Mapping[str, int]
    flaws: Mapping[str, int]
    models: Mapping[str, int]
    scored_by: Mapping[str, int]
    unwritten: Mapping[str, int]
    facts: Mapping[str, Any]

    def render(self) -> bytes:
        """The content of README.md."""
        facts = self.facts
        forms = parts_of(self.format)
        rows = sum(file.rows for file in self.files if file.part == "sft")
        pairs = sum(file.rows for file in self.files if file.part == "preference") // forms["preference"].rows_a_sample
        written_by = [name for name in sorted(self.models) if uses_model(name)]
        template = environment(html=False, cell=cell, code=code).get_template("card.md.j2")
        text = template.render(
            front=self._front(rows),
            title="Curated training data",
            summary=self._summary(rows, pairs),
            written_by=written_by,
            by_rules=len(written_by) < len(self.models),
            heuristic=is_heuristic(self.scored_by),
            files=list(self.counts.items()),
            format_about=forms["sft"].about,
            pairs_about=forms["preference"].about,
            pairs=pairs,
            unwritten=sorted(self.unwritten.items()),
            version=facts.get("datagen", ""),
            recipes=_listed(self.recipes),
            families=_listed(self.families),
            flaws=_listed(self.flaws, "unnamed", "pairs"),
            scored_by=_listed(self.scored_by),
            warnings=[
                said["text"]
                for said in (facts.get("judge_health") or {}).get("sentences") or ()
                if said["severity"] == WARN
            ],
            judge=[
                (name, value)
                for name, value in (facts.get("judge_health") or {}).get("figures") or ()
                if not name.startswith("share at ")
            ],
            threshold=facts.get("threshold"),
            seed=facts.get("seed"),
            prompts=sorted((facts.get("prompts") or {}).items()),
            stages=[(r["stage"], r["reason"], r["unit"], r["count"]) for r in facts.get("rejections") or ()],
            ledger=facts.get("ledger"),
        )
        return scrub(text).encode()

    def _summary(self, rows: int, pairs: int) -> str:
        what = f"{rows:,} conversations for supervised fine-tuning"
        if pairs:
            what += f" and {pairs:,} preference pairs"
        documents = (self.facts.get("totals") or {}).get("documents")
        return what + (f", made from {documents:,} documents." if documents else ".")

    def _front(self, rows: int) -> str:
        import yaml

        configs = [c for c in (self._config("sft"), self._config("preference")) if c]
        size = next((name for most, name in _SIZES if rows < most), "n>1M")
        body: dict[str, Any] = {
            "license": "unknown",
            "pretty_name": "Curated training data",
            "task_categories": ["text-generation", "question-answering"],
            "size_categories": [size],
            "tags": ["synthetic" if any(map(uses_model, self.models)) else "extractive", "datagen"],
        }
        language = str(((self.facts.get("config") or {}).get("curation") or {}).get("rules", {}).get("language", ""))
        if re.fullmatch(r"[a-z]{2,3}", language):
            body["language"] = [language]
        if configs:
            body["configs"] = configs
            forms = parts_of(self.format)
            body["dataset_info"] = [
                {"config_name": part, "features": forms[part].features(part in self.tools)}
                for part in ("sft", "preference")
                if any(c["config_name"] == part for c in configs)
            ]
        dumped: str = yaml.dump(body, Dumper=_plain_dumper(), sort_keys=False, allow_unicode=True, width=120)
        return dumped

    def _config(self, part: Part) -> dict[str, Any] | None:
        files = []
        for short, split in _SPLITS.items():
            names = [file.name for file in self.files if (file.part, file.split) == (part, short) and file.rows]
            if names:
                files.append({"split": split, "path": names[0] if len(names) == 1 else _pattern(names[0])})
        if not files:
            return None
        return {"config_name": part, **({"default": True} if part == "sft" else {}), "data_files": files}


def _pattern(shard: str) -> str:
    """The glob that all shards of a split match, and no file of another."""
    return re.sub(r"-\d+(-of-\d+)", r"-*\1", shard)


def _listed(counts: Mapping[str, int], nameless: str = "nobody", unit: str = "rows") -> str:
    return ", ".join(f"{cell(name) or nameless} ({n:,} {unit})" for name, n in sorted(counts.items()))


def _plain_dumper() -> Any:
    import yaml

    class Plain(yaml.SafeDumper):
        """Without anchors and aliases, which not every reader of cards knows."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Plain
