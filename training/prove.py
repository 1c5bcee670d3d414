"""Did the data help? Arms of equal budget, on the same frozen test rows, with several seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from training import prove_arm
from training.bootstrap import Interval, Measure
from training.config import TINY, TrainConfig
from training.errors import TrainingError
from training.files import write_text
from training.prove_arm import Data, Frozen, Result
from training.prove_contrast import Contrast, contrast, over
from training.task_metrics import main_measure, measures

Say = Callable[[str], None]
JSON = "prove.json"
BASE = "base"
LENGTH = 2_048
"""Tokens of a row at most, where the configuration names none."""
LIMIT = 100
"""Test rows that are answered, unless told otherwise; the loss is taken on all."""
MAX_NEW_TOKENS = 128
UNEVEN = 1.1
"""From this ratio of trained tokens on it is said that the budgets are not quite equal."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of training.

    Attributes:
        name: ``base`` is the model as it is.
        rows, pairs: to train on.
        seen: times that each row is seen.
        steps, tokens: trained, by stage, with the first seed.
        a_step: rows of a step of SFT: more where they are shorter, so that all arms have as many tokens a step.
        loss: per token on the test rows' replies, over rows and seeds.
    """

    name: str
    rows: int
    pairs: int
    seen: float
    steps: Mapping[str, int]
    tokens: Mapping[str, int]
    a_step: int
    loss: Interval

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {name: getattr(self, name) for name in ("name", "rows", "pairs", "steps", "tokens", "a_step")}
        return {**told, "seen": round(self.seen, 3), "loss": self.loss.as_dict()}


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out.

    Attributes:
        out: the folder.
        base: name of the base model.
        seeds: all arms had these.
        rows: of the frozen test split.
        steps: optimizer steps of every trained arm.
        arms: ``base`` first.
        contrasts: every later arm against every earlier one, the loss first.
        left_out: arms that could not be made, with the reason.
        notes: what has to be known, in sentences.
    """

    out: Path
    base: str
    seeds: tuple[int, ...]
    rows: int
    steps: int
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]

    def verdict(self, before: str, after: str) -> str:
        """``helped``, ``hurt`` or ``unclear`` by the loss on the replies.

        Raises:
            KeyError: there is no such contrast.
        """
        for one in self.contrasts:
            if (one.before, one.after, one.group) == (before, after, "replies"):
                return one.verdict
        raise KeyError((before, after))

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without the folder, so that the same proof gives the same file."""
        return {
            "base": self.base,
            "seeds": list(self.seeds),
            "rows": self.rows,
            "steps": self.steps,
            "arms": [one.as_dict() for one in self.arms],
            "contrasts": [one.as_dict() for one in self.contrasts],
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }


def prove(
    arms: Mapping[str, Path],
    config: TrainConfig,
    seeds: Sequence[int],
    *,
    test: Path,
    out: Path,
    say: Say = lambda text: None,
    steps: int = 0,
    limit: int = LIMIT,
    max_new_tokens: int = MAX_NEW_TOKENS,
    left_out: Mapping[str, str] | None = None,
    callbacks: Sequence[Any] = (),
) -> Proof:
    """Train every arm with every seed, or go on with it; write ``prove.json`` and ``prove.html`` to ``out``.

    Args:
        arms: name → folder with ``sft.train.jsonl``, and ``preference.train.jsonl`` for an arm that is trained on
            pairs after SFT. Their order is that of the contrasts: later arms against earlier ones.
        config: the same for all; its seed, steps and early stopping are set here.
        seeds: at least one; with one seed nothing can be told from chance.
        test: an export whose test rows are the frozen ones.
        steps: optimizer steps of every arm; 0: ``config.sft.max_steps``, else its epochs over the largest arm.
        limit: test rows that are answered; 0: none.
        max_new_tokens: of an answer.
        left_out: arms that could not be made, with the reason.
        callbacks: for every training.

    Raises:
        TrainingError: no arm, no test rows, a test row among the rows of an arm, or as :func:`training.train.train`.
    """
    from training import base

    base.require(config)
    if not arms or not seeds:
        raise TrainingError(
            "There is nothing to prove.",
            "No arm could be made." if not arms else "No seed is given.",
            "Look at what the run holds with `datagen report RUN`.",
        )
    rows = _test_rows(test)
    data = {name: _read(name, folder, rows) for name, folder in arms.items()}
    config = _with_base(config, out, data, rows)
    tokenizer, frozen = _freeze(config, rows, limit, max_new_tokens)
    steps = steps or config.sft.max_steps or _epochs(config, max(len(one.rows) for one in data.values()))
    settings = _budgets(config, steps, tokenizer, data)
    say(f"{len(arms)} arms and the base, {len(seeds)} seeds, {steps} steps each, {len(rows)} test rows.")
    results = _results(data, settings, tuple(seeds), frozen, tokenizer, out, say, callbacks)
    found = _settle(out, settings, tuple(seeds), frozen, steps, data, results, dict(left_out or {}))
    write(found)
    return found


def write(found: Proof) -> None:
    """Write ``prove.json`` and ``prove.html``.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    from training import prove_page

    text = json.dumps(found.as_dict(), ensure_ascii=True, indent=1, allow_nan=False)
    for name, content in ((JSON, text + "\n"), (prove_page.HTML, prove_page.render(found))):
        write_text(found.out / name, content)


def _test_rows(test: Path) -> list[Any]:
    from training import rows

    found = list(rows.read_sft(test).test)
    if not found:
        raise TrainingError(
            "There are no test rows to prove anything on.",
            "No document of the run was held out for the test split.",
            "Make a run with more documents, or a larger share for the test with --set split.test=0.2.",
        )
    return found


def _read(name: str, folder: Path, test: Sequence[Any]) -> Data:
    from training import rows

    train = rows.read_sft(folder).train
    pairs = rows.read_pairs(folder).train
    held = {_content(row.messages) for row in test}
    if both := sum(_content(row.messages) in held for row in train):
        raise TrainingError(
            f"The arm {name} is trained on {both} of the test rows.",
            "A proof on rows that were learned proves nothing.",
            "Take them out of its sft.train.jsonl.",
        )
    return Data(train, pairs)


def _content(messages: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((one["role"], one["content"].strip()) for one in messages)


def _with_base(config: TrainConfig, out: Path, data: Mapping[str, Data], test: Sequence[Any]) -> TrainConfig:
    """One base for all arms: a tiny one knows the words of all of them, and of the test rows' prompts."""
    if config.base != TINY:
        return config
    from training import base, tiny

    folder = out / "base"
    if not (folder / "config.json").is_file():
        prompts = [turn["content"] for row in test for turn in row.messages[:-1]]
        texts = [turn["content"] for one in data.values() for row in one.rows for turn in row.messages]
        with base.quiet():
            tiny.make(folder, texts + prompts)
    return config.model_copy(update={"base": str(folder)})


def _freeze(config: TrainConfig, rows: Sequence[Any], limit: int, max_new_tokens: int) -> tuple[Any, Frozen]:
    from training import base, encode, template

    tokenizer = base.load_tokenizer(config)
    template.prepare(tokenizer, config.chat_template)
    encoded = encode.encode_sft(rows, tokenizer, config.max_length or LENGTH)
    kept = set(encoded.ids)
    left = [row for row in rows if row.id in kept]
    if len(left) != len(encoded.input_ids):
        raise TrainingError(
            "The test rows cannot be told apart.", "Two of them have the same id.", "Give each row its own id."
        )
    if not left:
        raise TrainingError("No test row can be measured.", encoded.dropped[0].reason, "Raise max_length.")
    count = min(limit, len(left))
    answered = [i * len(left) // count for i in range(count)]
    return tokenizer, Frozen(left, encoded.input_ids, encoded.assistant_masks, answered, max_new_tokens)


def _epochs(config: TrainConfig, rows: int) -> int:
    return max(1, math.ceil(config.sft.epochs * rows / (config.sft.batch * config.sft.accumulation)))


def _budgets(config: TrainConfig, steps: int, tokenizer: Any, data: Mapping[str, Data]) -> dict[str, TrainConfig]:
    """The configuration of each arm: the same length for all, the same steps, and as many rows a step as come
    nearest to the tokens that a step of the largest arm has."""
    from training import encode

    lengths = {
        name: np.minimum(encode.encode_sft(one.rows, tokenizer, config.max_length or LENGTH).lengths, LENGTH)
        for name, one in data.items()
    }
    longest = max(int(each.max(initial=0)) for each in lengths.values())
    length = config.max_length or min(LENGTH, max(64, -(-longest // 64) * 64))
    largest = max(data, key=lambda name: len(data[name].rows))
    wanted = config.sft.accumulation * float(lengths[largest].mean())
    found = {}
    for name, one in data.items():
        accumulation = max(1, round(wanted / max(1.0, float(lengths[name].mean()))))
        sft = config.sft.model_copy(update={"accumulation": accumulation})
        mine = config.model_copy(update={"max_length": length, "sft": sft})
        found[name] = budgeted(mine, steps, len(one.pairs))
    return found


def budgeted(config: TrainConfig, steps: int, pairs: int) -> TrainConfig:
    """The configuration with so many steps in all and no early end. With pairs, at most a quarter of the steps goes to
    them, and SFT has that many fewer."""
    dpo_steps = 0
    if pairs and config.dpo.enabled and steps > 1:
        once = math.ceil(config.dpo.epochs * pairs / (config.dpo.batch * config.dpo.accumulation))
        dpo_steps = max(1, min(steps // 4, config.dpo.max_steps or once))
    sft = config.sft.model_copy(update={"max_steps": steps - dpo_steps, "patience": 0, "enabled": True})
    dpo = config.dpo.model_copy(update={"max_steps": dpo_steps, "patience": 0, "enabled": dpo_steps > 0})
    return config.model_copy(update={"sft": sft, "dpo": dpo})


def _results(
    data: Mapping[str, Data],
    settings: Mapping[str, TrainConfig],
    seeds: tuple[int, ...],
    frozen: Frozen,
    tokenizer: Any,
    out: Path,
    say: Say,
    callbacks: Sequence[Any],
) -> dict[str, list[Result]]:
    from training import base

    with base.quiet():
        alone = prove_arm.measure(base.load_model(next(iter(settings.values()))), tokenizer, frozen)
    found: dict[str, list[Result]] = {BASE: [alone] * len(seeds)}
    count, whole = 0, len(data) * len(seeds)
    for seed in seeds:  # seed by seed, so that a proof that is stopped has whole seeds
        for name, one in data.items():
            count += 1
            say(f"Training {count} of {whole}: {name}, seed {seed}")
            config = settings[name].model_copy(update={"seed": seed})
            folder = out / "arms" / name.replace(" ", "-") / f"seed-{seed}"
            result = prove_arm.run(one, folder, config, frozen, callbacks=callbacks)
            found.setdefault(name, []).append(result)
    return found


def _settle(
    out: Path,
    settings: Mapping[str, TrainConfig],
    seeds: tuple[int, ...],
    frozen: Frozen,
    steps: int,
    data: Mapping[str, Data],
    results: Mapping[str, list[Result]],
    left_out: Mapping[str, str],
) -> Proof:
    per_token = {name: [one.losses.per_token() for one in each] for name, each in results.items()}
    arms = [Arm(BASE, 0, 0, 0.0, {}, {}, 0, over(per_token[BASE]))]
    for name, one in data.items():
        first, sft = results[name][0], settings[name].sft
        pairs_seen = len(one.pairs) if first.steps.get("dpo") else 0
        a_step = sft.batch * sft.accumulation
        seen = sft.max_steps * a_step / len(one.rows)
        arms.append(
            Arm(name, len(one.rows), pairs_seen, seen, first.steps, first.tokens, a_step, over(per_token[name]))
        )
    base = next(iter(settings.values())).base
    pairs = list(combinations(results, 2))
    contrasts = [
        contrast("loss per token", "replies", (a, per_token[a]), (b, per_token[b]), lower_is_better=True)
        for a, b in pairs
    ]
    for group, figure, by_arm in _tasks(frozen, results):
        contrasts += [contrast(figure, group, (a, by_arm[a]), (b, by_arm[b]), lower_is_better=False) for a, b in pairs]
    base = TINY if base == str(out / "base") else base
    notes = _notes(arms, seeds, len(frozen.rows))
    return Proof(out, base, seeds, len(frozen.rows), steps, tuple(arms), tuple(contrasts), left_out, tuple(notes))


def _tasks(frozen: Frozen, results: Mapping[str, list[Result]]) -> list[tuple[str, str, dict[str, list[Measure]]]]:
    """Of each task family its main figure, by arm and seed."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, i in enumerate(frozen.answered):
        groups.setdefault((frozen.rows[i].family, frozen.rows[i].metric), []).append(place)
    found = []
    for (family, metric), places in groups.items():
        figure = main_measure(metric)
        if not figure:
            continue
        wanted = [frozen.rows[frozen.answered[place]].messages[-1]["content"] for place in places]
        by_arm = {
            name: [measures(metric, [one.answers[place] for place in places], wanted)[figure] for one in each]
            for name, each in results.items()
        }
        found.append((f"task: {family or 'questions and answers'}", figure, by_arm))
    return found


def _notes(arms: Sequence[Arm], seeds: Sequence[int], rows: int) -> list[str]:
    notes = []
    if len(seeds) == 1:
        notes.append("With one seed nothing can be told from the chance of training: every verdict is unclear.")
    if rows < 30:
        notes.append(f"There are only {rows} test rows, so most intervals are wide.")
    tokens = {one.name: sum(one.tokens.values()) for one in arms if one.tokens and not one.pairs}
    if tokens and max(tokens.values()) > UNEVEN * max(1, min(tokens.values())):
        told = ", ".join(f"{name} {count:,}" for name, count in tokens.items())
        notes.append(f"All arms had the same number of steps, but not quite as many tokens: {told}.")
    for one in arms:
        if one.seen > 10:
            notes.append(f"The {one.rows} rows of {one.name} were each seen {one.seen:.0f} times to fill the budget.")
    return notes
