"""The two stages: a vector for each sample, then a verdict for each that says what another one says."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from curation import cross_encoder, embed
from curation.embed_config import EmbedConfig
from curation.profiles import FAMILIES, UNTOUCHED, profile_of
from curation.semantic.decide import Pair
from curation.semantic.find import owners, pairs, ranking
from curation.semantic_config import SemanticConfig
from curation.sketch import compared_text
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Map, Shard


class Embed(Map):
    """Sets ``vector`` on each sample that has no verdict and is compared: float16, little endian, unit length.

    Args:
        config: the model.
    """

    name = "embed"
    version = 1
    produces = "sample"

    def __init__(self, config: EmbedConfig = EmbedConfig()) -> None:
        self.config = config

    def fingerprint(self) -> dict[str, Any]:
        """The model; not the batch, which makes no difference."""
        return {"model": embed.model_name(self.config)}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with vectors."""
        texts = {i: compared_text(r) for i, r in enumerate(shard) if isinstance(r, Sample) and _compared(r)}
        out = list(shard)
        if texts:
            rows = embed.load(self.config).encode(list(texts.values())).astype("<f2")
            for (i, text), row in zip(texts.items(), rows, strict=True):
                if text.strip():
                    out[i] = out[i].model_copy(update={"vector": row.tobytes()})
        return out


class DropSemantic(Fold):
    """Rejects samples that say what another one says, once all have been seen; what was kept in an earlier round stays.

    Compared are samples with a ``vector``, within their task family (and form, where it matters) alone. Texts and
    vectors lie in temporary files until then; in memory there are some 100 bytes a sample and a few times the
    vectors of one family while it is compared.

    Args:
        config: see :class:`~curation.semantic_config.SemanticConfig`.
        leave: vectors stay on the samples, for a later stage.
    """

    name = "semantic"
    version = 1
    barrier = True

    def __init__(self, config: SemanticConfig = SemanticConfig(), *, leave: bool = False) -> None:
        self.config = config
        self.leave = leave
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """The configuration, both models, and whether vectors stay. Without a cross-encoder the output is another."""
        held = self.config.model_dump(mode="json", exclude={"embed", "cross_encoder"})
        judge = cross_encoder.load(self.config.cross_encoder)
        used = judge.name if judge.model is not None else ""
        return {**held, "model": embed.model_name(self.config.embed), "cross_encoder": used, "leave": self.leave}

    def begin(self) -> None:
        """Forget every sample."""
        self._groups: dict[tuple[str, str], _Held] = {}
        self._verdicts: dict[str, Verdict] = {}

    def see(self, shard: Shard) -> None:
        """Note text and vector of each sample that is compared."""
        batches: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
        for record in shard:
            if isinstance(record, Sample) and _compared(record) and record.vector is not None:
                batches[_group(record)].append(record)
        for group, samples in batches.items():
            if group not in self._groups:
                self._groups[group] = _Held()
            self._groups[group].add(samples)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what says the same as a sample that is kept."""
        for held in self._groups.values():
            if held.settled < len(held):
                self._verdicts |= self._decide(held)
        out: list[AnyRecord] = []
        for record in shard:
            update: dict[str, Any] = {}
            if isinstance(record, Sample):
                if record.vector is not None and not self.leave:
                    update["vector"] = None
                if record.verdict is None and record.id in self._verdicts:
                    update["verdict"] = self._verdicts[record.id]
            out.append(record.model_copy(update=update) if update else record)
        return out

    def _decide(self, held: _Held) -> dict[str, Verdict]:
        found = pairs(held, self.config, vectors=held.matrix(), since=held.settled)
        held.pairs += [p for p in found if p.method != "distinct_facts"]
        order = sorted(ranking(held.lengths, held.scores, self.config.keep), key=lambda place: place not in held.kept)
        owner = owners(len(held), [(p.i, p.j) for p in held.pairs], order, self.config.clusters)
        direct: dict[int, Pair] = {}
        for pair in held.pairs:
            for one, other in ((pair.i, pair.j), (pair.j, pair.i)):
                if owner[one] == other or (owner[one] != one and one not in direct):
                    direct[one] = pair
        new = range(held.settled, len(held))
        held.settled = len(held)
        held.kept.update(place for place in new if owner[place] == place)
        return {
            held.names[place]: _verdict(held.names[owner[place]], direct[place])
            for place in new
            if owner[place] != place
        }


def _verdict(name: str, pair: Pair) -> Verdict:
    how = "cosine of embeddings" if pair.method == "embedding" else "score of the cross-encoder"
    evidence = f"says what {name} says (similarity {pair.similarity:.2f}, {how})"
    return Verdict(stage="semantic", reason="semantic_duplicate", evidence=evidence)


def _compared(sample: Sample) -> bool:
    return sample.verdict is None and sample.recipe not in UNTOUCHED


def _group(sample: Sample) -> tuple[str, str]:
    """Family and form within which a sample is compared, as for copies."""
    if sample.family not in FAMILIES:
        return "", ""
    return sample.family, sample.attributes.get("form", "") if profile_of(sample).by_form else ""


class _Held(Sequence[str]):
    """Texts in a temporary file, read back one at a time, and their vectors in another.

    Attributes:
        settled: how many of them have been decided on.
        kept: those of them that are kept.
        pairs: that say the same.
    """

    def __init__(self) -> None:
        self._texts = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the texts are needed
        self._vectors = tempfile.TemporaryFile()  # noqa: SIM115
        self._ends = array("q", [0])
        self.lengths = array("q")
        self.scores = array("d")
        self.names: list[str] = []
        self.settled = 0
        self.kept: set[int] = set()
        self.pairs: list[Pair] = []

    def add(self, samples: Sequence[Sample]) -> None:
        """Take samples in, all of them with vectors of one length."""
        self._texts.seek(self._ends[-1])
        for sample in samples:
            text = compared_text(sample)
            data = text.encode("utf-8", "surrogatepass")
            self._texts.write(data)
            self._vectors.write(sample.vector or b"")
            self._ends.append(self._ends[-1] + len(data))
            self.lengths.append(len(text))
            self.scores.append(sample.score if sample.score is not None else float("-inf"))
            self.names.append(sample.id)

    def matrix(self) -> np.memmap[Any, np.dtype[np.float16]]:
        """The vectors (n, d), mapped from disk."""
        self._vectors.flush()
        size = self._vectors.tell() // 2
        return np.memmap(self._vectors, "<f2", "r", shape=(len(self.names), size // max(1, len(self.names))))

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        self._texts.seek(self._ends[place])
        return self._texts.read(self._ends[place + 1] - self._ends[place]).decode("utf-8", "surrogatepass")
