"""The stage that rejects samples which repeat an evaluation set."""

from __future__ import annotations

import functools
from typing import Any

from curation import embed
from curation.decontaminate.against import Against, load_against
from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.matcher import Match, Matcher
from curation.profiles import UNTOUCHED
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Map, Shard

_SHOWN = 160  # characters of each side in the evidence


class Decontaminate(Map):
    """Rejects samples whose instruction, or all that is said in them, repeats a text of an evaluation set.

    Args:
        config: ``against`` names the sets; they are read at once, so that a bad one is said before any work.

    Raises:
        UsageError: as :func:`~curation.decontaminate.against.load_against`.
    """

    name = "decontaminate"
    version = 1
    produces = "sample"

    def __init__(self, config: DecontaminateConfig) -> None:
        self.config = config
        self.sha256 = _loaded(config).sha256

    def fingerprint(self) -> dict[str, Any]:
        """The settings, what the sets hold, and the embedding model."""
        held = self.config.model_dump(mode="json", exclude={"against", "embed"})
        model = ""
        if self.config.rewordings and embed.available(self.config.embed):
            model = embed.model_name(self.config.embed)
        return {**held, "sets": self.sha256, "model": model}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts; the evidence shows both sides."""
        out = list(shard)
        wanted = [
            (i, record)
            for i, record in enumerate(out)
            if isinstance(record, Sample) and record.verdict is None and record.recipe not in UNTOUCHED
        ]
        if not wanted:
            return out
        sets, matcher = _loaded(self.config), _matcher(self.config)
        asked = ["\n".join(m.content for m in s.messages if m.role == "user") for _, s in wanted]
        said = ["\n".join(m.content for m in s.messages) for _, s in wanted]
        found = matcher.match(asked)
        # An answer, or a text without any question, may hold an evaluation text too.
        whole = [i for i, match in enumerate(found) if match is None and said[i] != asked[i]]
        for i, match in zip(whole, _copies(self.config).match([said[i] for i in whole]), strict=True):
            found[i] = match
        for (place, sample), match, text in zip(wanted, found, said, strict=True):
            if match is not None:
                verdict = Verdict(
                    stage=self.name, reason="contaminated", evidence=_evidence(match, text, sets, match.index)
                )
                out[place] = sample.model_copy(update={"verdict": verdict})
        return out


def _evidence(match: Match, text: str, sets: Against, index: int) -> str:
    how = f"{match.score:.0%} of its n-grams" if match.method == "ngram" else f"reworded, score {match.score:.2f}"
    return (
        f"{sets.names[index]} ({how}): “{_short(text)}” repeats “{_short(sets.texts[index])}”; "
        f"in common: “{_short(match.overlap)}”"
    )


def _short(text: str) -> str:
    plain = " ".join(text[: 4 * _SHOWN].split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


@functools.lru_cache(maxsize=2)
def _read(against: tuple[str, ...], fields: tuple[str, ...]) -> Against:
    return load_against(against, fields)


def _loaded(config: DecontaminateConfig) -> Against:
    return _read(config.against, config.fields)


@functools.lru_cache(maxsize=4)
def _made(config_json: str) -> Matcher:
    config = DecontaminateConfig.model_validate_json(config_json)
    return Matcher(_loaded(config).texts, config)


def _matcher(config: DecontaminateConfig) -> Matcher:
    """One for each configuration and process: the index costs more than a shard."""
    return _made(config.model_dump_json())


def _copies(config: DecontaminateConfig) -> Matcher:
    return _matcher(config.model_copy(update={"rewordings": False}))
