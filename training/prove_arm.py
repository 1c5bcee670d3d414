"""One arm of a proof with one seed: trained, measured on the frozen test rows, and written down as done.

``result.json`` is written last and whole, so that it is there only where everything before it was done; a proof that
was stopped goes on with the arm and the step it had come to. An arm whose data or settings are no longer those it was
begun with is done anew.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training import files
from training.bootstrap import Floats
from training.config import TrainConfig
from training.evaluate import Losses, losses
from training.generate_answers import answers

RESULT, BEGUN = "result.json", "begun.json"
_KEPT = (RESULT, BEGUN, "training.json", "metrics.jsonl")


@dataclass(frozen=True, slots=True)
class Frozen:
    """The test rows as every arm sees them.

    Attributes:
        rows: as they were read.
        input_ids, masks: their tokens, and which of them count.
        answered: places in ``rows`` of those that are answered.
        max_new_tokens: of an answer.
    """

    rows: Sequence[Any]
    input_ids: Sequence[Sequence[int]]
    masks: Sequence[Sequence[int]]
    answered: Sequence[int]
    max_new_tokens: int

    def sha256(self) -> str:
        """Of all that shapes a result."""
        told = [self.input_ids, self.masks, list(self.answered), self.max_new_tokens]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """What an arm came to with one seed.

    Attributes:
        losses: of the test rows' replies.
        answers: to ``Frozen.answered``.
        tokens: trained on, by stage.
        steps: optimizer steps, by stage.
    """

    losses: Losses
    answers: Sequence[str]
    tokens: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)


def measure(model: Any, tokenizer: Any, frozen: Frozen) -> Result:
    """A model on the frozen rows."""
    asked = [frozen.rows[i].messages[:-1] for i in frozen.answered]
    said = answers(model, tokenizer, asked, max_new_tokens=frozen.max_new_tokens)
    return Result(losses(model, frozen.input_ids, frozen.masks), [one.text for one in said])


@dataclass(frozen=True, slots=True)
class Data:
    """What an arm is trained on.

    Attributes:
        rows: conversations.
        pairs: pairs of replies, or none.
    """

    rows: Sequence[Any]
    pairs: Sequence[Any] = ()


def run(data: Data, out: Path, config: TrainConfig, frozen: Frozen, *, callbacks: Sequence[Any] = ()) -> Result:
    """Train an arm with one seed and measure it, or read what it came to.

    Args:
        data: its data. As many rows are drawn from it as the steps take (:func:`drawn`).
        out: its folder for this seed.
        config: with its seed and its steps.
        frozen: what it is measured on.
        callbacks: for the training.

    Raises:
        TrainingError: as :func:`training.train.train`.
    """
    settings = config.model_dump(mode="json", exclude={"base"})
    wanted = {"data": _hash(data), "test": frozen.sha256(), "config": settings, "base": _weights(config.base)}
    if (done := read(out, wanted)) is not None:
        return done
    if files.read_json(out / BEGUN) != wanted:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        files.write_text(out / BEGUN, json.dumps(wanted))
    export = _written(data, out / "data", config)
    from training import base, train
    from training.evaluate_models import Variants

    train.train(export, out, config, say=_nothing, callbacks=callbacks)
    gc.collect()
    variants = Variants(out, config)
    with base.quiet(), variants.use(variants.names[-1]) as model:
        found = measure(model, variants.tokenizer(), frozen)
    variants.close()
    stages = (files.read_json(out / "training.json") or {}).get("stages", {})
    counted = {name: {of: int(stages[of].get(name) or 0) for of in stages} for name in ("tokens", "steps")}
    found = Result(found.losses, found.answers, counted["tokens"], counted["steps"])
    held = {
        "begun": wanted,
        "nll": found.losses.nll.tolist(),
        "tokens": found.losses.tokens.tolist(),
        "answers": list(found.answers),
        "trained_tokens": dict(found.tokens),
        "steps": dict(found.steps),
    }
    files.write_text(out / RESULT, json.dumps(held))
    for other in out.iterdir():  # the adapters and checkpoints of twenty trainings fill a disk
        if other.name not in _KEPT:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    return found


def _nothing(_: str) -> None:
    """Twenty trainings would say the same twenty times."""


def read(out: Path, wanted: Mapping[str, Any]) -> Result | None:
    """The result in a folder, None where there is none of this data and these settings."""
    held = files.read_json(out / RESULT)
    if not isinstance(held, dict) or held.get("begun") != wanted:
        return None
    try:
        return Result(
            Losses(_floats(held["nll"]), _floats(held["tokens"])),
            [str(one) for one in held["answers"]],
            dict(held["trained_tokens"]),
            dict(held["steps"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def drawn(rows: Sequence[Any], count: int, seed: int) -> list[Any]:
    """``count`` rows: as many whole rounds as fit, each row in them once, and the rest drawn without replacement."""
    random = np.random.default_rng(seed)
    rounds, rest = divmod(count, len(rows))
    picked = np.concatenate([*(random.permutation(len(rows)) for _ in range(rounds)), random.permutation(len(rows))])
    return [rows[i] for i in picked[: rounds * len(rows) + rest]]


def _written(data: Data, folder: Path, config: TrainConfig) -> Path:
    """The files that training reads: exactly as many rows as its steps take, so that no arm has smaller steps."""
    folder.mkdir(exist_ok=True)
    count = config.sft.max_steps * config.sft.batch * config.sft.accumulation
    with (folder / "sft.train.jsonl").open("w", encoding="utf-8") as file:
        for i, row in enumerate(drawn(data.rows, count, config.seed)):
            told = {"id": f"{i}-{row.id}", "messages": list(row.messages), "family": row.family, "metric": row.metric}
            file.write(json.dumps(told) + "\n")
    if data.pairs and config.dpo.enabled:
        with (folder / "preference.train.jsonl").open("w", encoding="utf-8") as file:
            for pair in data.pairs:
                replies = {
                    name: [{"role": "assistant", "content": getattr(pair, name)}] for name in ("chosen", "rejected")
                }
                file.write(json.dumps({"id": pair.id, "prompt": list(pair.prompt), **replies}) + "\n")
    return folder


def _hash(data: Data) -> str:
    told = [(row.id, row.messages, row.family) for row in data.rows]
    pairs = [(pair.id, pair.prompt, pair.chosen, pair.rejected) for pair in data.pairs]
    return hashlib.sha256(json.dumps([told, pairs]).encode()).hexdigest()


def _weights(base: str) -> dict[str, str]:
    """What the base is: a name on the hub, or a hash of its small files and the sizes of its large ones."""
    folder = Path(base).expanduser()
    found: dict[str, str] = {} if folder.is_dir() else {"name": base}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json":
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            elif path.suffix in (".safetensors", ".bin"):
                found[path.name] = str(path.stat().st_size)
    return found
