"""Which samples are chosen: by score, by what they stand for, or evenly."""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation import embed
from curation.diverse import facility_location, max_min
from curation.embed_config import EmbedConfig
from curation.lexical_vectors import LexicalVectors
from curation.quotas import balanced
from curation.select_config import SelectConfig
from curation.sketch import compared_text
from datagen.core.progress import say
from datagen.core.record import Sample

LEAST, HIGHEST = 1.0, 5.0  # scores, as the judge gives them
WORDS_ALONE = "Selection: there are no embeddings, so how diverse samples are is told by their words alone."


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        chosen: ids; None: everything.
        nearest: id of a sample that is not chosen → id of a chosen one that stands for it, as far as is known.
        full: documents that have all the samples they may have.
        number: of samples chosen.
        config: by which the choice was made.
    """

    chosen: frozenset[str] | None
    nearest: dict[str, str]
    full: frozenset[str]
    number: int
    config: SelectConfig

    def told(self, sample: Sample) -> tuple[str, str] | None:
        """Reason and evidence, for a sample that is not chosen; None for one that is."""
        if self.chosen is None or sample.id in self.chosen:
            return None
        near = self.nearest.get(sample.id)
        beside = f"; nearest of those kept: {near}" if near else ""
        if sample.lineage.path in self.full:
            return "over_document", f"{self.config.per_document} samples of a document are kept{beside}"
        how = {
            "score": "the {} best were asked for",
            "diverse": "{} were asked for, those that stand for most"
            if self.config.diversity == "coverage"
            else "{} were asked for, far from each other",
            "balanced": "{} were asked for, evenly over families and documents",
        }[self.config.strategy]
        return "over_target", how.format(self.number) + beside


class Pool:
    """The samples there are to choose from.

    Args:
        config: how to choose.
    """

    def __init__(self, config: SelectConfig) -> None:
        self.config = config
        self.eligible = 0
        """Samples that could be kept, by what may be kept of a document."""
        self._names: list[str] = []
        self._scores = array("d")
        self._paths: dict[str, int] = {}
        self._documents = array("q")
        self._kinds: dict[str, int] = {}
        self._families = array("q")
        self._of_document: Counter[int] = Counter()
        self._vectors: _Stored | LexicalVectors | None = None

    def add(self, sample: Sample) -> None:
        """Take a sample in."""
        document = self._paths.setdefault(sample.lineage.path, len(self._paths))
        self._of_document[document] += 1
        most = self.config.per_document
        self.eligible += not most or self._of_document[document] <= most
        self._names.append(sample.id)
        self._scores.append(sample.score or 0.0)
        self._documents.append(document)
        self._families.append(self._kinds.setdefault(sample.family or sample.recipe, len(self._kinds)))
        if self.config.strategy == "diverse":
            if self._vectors is None:
                self._vectors = LexicalVectors() if sample.vector is None else _Stored(len(sample.vector))
            if isinstance(self._vectors, LexicalVectors):
                self._vectors.add([compared_text(sample)])
            else:
                self._vectors.add(sample.vector)

    def choose(self, target: int) -> Choice:
        """Choose ``target`` samples, or as many as may be; 0: all that may be."""
        count = len(self._names)
        wanted = min(target or count, self.eligible)
        if wanted == count:
            return Choice(None, {}, frozenset(), count, self.config)
        most = self.config.per_document
        nearest: dict[str, str] = {}
        if self.config.strategy == "diverse":
            rows, nearest = self._diverse(wanted)
        elif self.config.strategy == "balanced":
            rows = self._balanced(wanted)
        else:
            rows = self._best(wanted)
        taken = Counter(self._documents[row] for row in rows)
        full = frozenset(path for path, number in self._paths.items() if most and taken[number] >= most)
        return Choice(frozenset(self._names[row] for row in rows), nearest, full, len(rows), self.config)

    def _order(self) -> list[int]:
        return sorted(range(len(self._names)), key=lambda row: (-self._scores[row], self._names[row]))

    def _best(self, wanted: int) -> list[int]:
        taken: Counter[int] = Counter()
        rows: list[int] = []
        for row in self._order():
            document = self._documents[row]
            if len(rows) < wanted and (not self.config.per_document or taken[document] < self.config.per_document):
                taken[document] += 1
                rows.append(row)
        return rows

    def _balanced(self, wanted: int) -> list[int]:
        order = self._order()
        kinds, paths = list(self._kinds), list(self._paths)
        found = balanced(
            [kinds[self._families[row]] for row in order],
            [paths[self._documents[row]] for row in order],
            wanted,
            self.config.shares,
            self.config.per_document,
        )
        return [order[place] for place in found]

    def _diverse(self, wanted: int) -> tuple[list[int], dict[str, str]]:
        assert self._vectors is not None
        if isinstance(self._vectors, LexicalVectors):
            say(WORDS_ALONE)
        share = (np.clip(np.asarray(self._scores), LEAST, HIGHEST) - LEAST) / (HIGHEST - LEAST)
        coverage = self.config.diversity == "coverage"
        picked = (facility_location if coverage else max_min)(
            self._vectors.matrix(),
            wanted,
            share * self.config.score_weight + (0 if coverage else 1),
            groups=np.asarray(self._documents),
            most=self.config.per_document,
        )
        told = {
            self._names[row]: self._names[near]
            for row, near in enumerate(picked.nearest.tolist())
            if near not in (-1, row)
        }
        return picked.chosen.tolist(), told


class _Stored:
    """Vectors as they come, in a temporary file; zeros for a sample that has none of the same length."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the vectors are needed
        self._count = 0

    def add(self, vector: bytes | None) -> None:
        self._file.write(vector if vector is not None and len(vector) == self._size else bytes(self._size))
        self._count += 1

    def matrix(self) -> npt.NDArray[np.float16]:
        """(n, d), mapped from disk."""
        self._file.flush()
        return np.memmap(self._file, "<f2", "r", shape=(self._count, self._size // 2))


def status(config: SelectConfig, model: EmbedConfig = EmbedConfig()) -> str:
    """One sentence on what selection does without, or ""."""
    return "" if config.strategy != "diverse" or embed.available(model) else WORDS_ALONE
