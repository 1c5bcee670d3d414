"""Base, SFT and SFT + DPO side by side: what they answer, how near it comes, what they learned and what they forgot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training import evaluate_models as models
from training import forgetting
from training.bootstrap import Interval, centred, interval, mean
from training.compare_figures import PAIRS, Line, line
from training.config import TrainConfig
from training.errors import TrainingError
from training.evaluate import Losses, losses, text_losses
from training.files import write_text
from training.generate_answers import MAX_NEW_TOKENS, Answer, answers
from training.style import Style
from training.task_metrics import measures

Say = Callable[[str], None]
JSON = "compare.json"
LIMIT = 200
"""Held-out rows that are answered, unless told otherwise; the loss is taken on all."""
LENGTH = 2_048
"""Tokens of a row at most, where the configuration names none."""
PASSAGE = 256
"""Tokens of a held-out document that are read at once; the interval of the perplexity is over such passages."""


@dataclass(frozen=True, slots=True)
class Duel:
    """Two answers for a judge.

    Attributes:
        asked: what they answer.
        a, b: the answers.
        reference: a right answer, or "".
    """

    asked: str
    a: str
    b: str
    reference: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a judge says, asked in both orders.

    Attributes:
        winner: ``tie`` also where the orders contradict each other.
        consistent: do both orders name the same answer, or both none?
    """

    winner: Literal["a", "b", "tie"]
    consistent: bool


Judge = Callable[[Sequence[Duel]], Sequence[Ruling | None]]
"""Rules on each duel; None where there is no readable answer."""


@dataclass(frozen=True, slots=True)
class Wins:
    """How often answers of ``after`` win over those of ``before``.

    Attributes:
        rate: wins and half of the ties, of what was decided.
        undecided: without a readable ruling.
        consistent: share of the rulings in which both orders say the same; None without rulings.
    """

    before: str
    after: str
    rate: Interval
    wins: int
    ties: int
    losses: int
    undecided: int
    consistent: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "rate": self.rate.as_dict()}


@dataclass(frozen=True, slots=True)
class Shown:
    """A prompt and what each model answers.

    Attributes:
        id: of the row; "" for a prompt that was given.
        prompt: messages.
        reference: the row's reply; "" for a prompt that was given.
        answers: by model.
    """

    id: str
    family: str
    prompt: tuple[dict[str, str], ...]
    reference: str
    answers: Mapping[str, Answer]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {"id": self.id, "family": self.family, "prompt": list(self.prompt), "reference": self.reference}
        each = {name: {f: getattr(one, f) for f in one.__slots__} for name, one in self.answers.items()}
        return {**told, "answers": each}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it.

    Attributes:
        out: the folder of the training.
        base: name of the base model.
        models: ``base``, and ``sft`` and ``dpo`` where there are such.
        split: where the held-out rows come from: ``test``, or ``valid`` where there is no test row; "" for none.
        rows: held-out rows.
        lines: the figures.
        wins: the judge's; empty where none is configured.
        judge: its name, or "".
        shown: prompts with their answers, those that were given first.
        notes: what was left out or has to be known, in sentences.
    """

    out: Path
    base: str
    models: tuple[str, ...]
    split: str
    rows: int
    lines: tuple[Line, ...]
    wins: tuple[Wins, ...]
    judge: str
    shown: tuple[Shown, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without the folder, so that the same training gives the same file."""
        return {
            "base": self.base,
            "models": list(self.models),
            "split": self.split,
            "rows": self.rows,
            "figures": [one.as_dict() for one in self.lines],
            "judge": {"model": self.judge, "wins": [one.as_dict() for one in self.wins]} if self.judge else None,
            "notes": list(self.notes),
            "answers": [one.as_dict() for one in self.shown],
        }


@dataclass(slots=True)
class _Seen:
    """What one model gave."""

    replies: Losses | None = None
    documents: Losses | None = None
    general: Losses | None = None
    answers: Sequence[Answer] = ()


def compare(
    out: Path,
    export: Path,
    config: TrainConfig,
    *,
    prompts: Sequence[str] = (),
    say: Say = lambda text: None,
    documents: Sequence[str] = (),
    author: Sequence[str] = (),
    judge: Judge | None = None,
    judged_by: str = "",
    limit: int = LIMIT,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Comparison:
    """Compare the models of a training, and write ``compare.json`` and ``compare.html`` to ``out``.

    Args:
        out: the folder of the training, with ``adapters/``.
        export: with ``sft.test.jsonl``; where that has no row, ``sft.valid.jsonl`` is taken.
        config: as the training had it.
        prompts: of the user, answered besides.
        say: told what is going on.
        documents: held-out texts, for perplexity.
        author: texts in the author's style; without them the held-out replies stand for it.
        judge: who says which of two answers is better; None: nobody.
        judged_by: the judge's name.
        limit: held-out rows that are answered; they are taken evenly from all. 0: none.
        max_new_tokens: of an answer.

    Raises:
        TrainingError: nothing trained, nothing to compare on, or a model that cannot be loaded.
    """
    from training import base, encode, rows

    base.require(config)
    split, held = _held_out(rows.read_sft(export))
    if not held and not prompts:
        raise TrainingError(
            "There is nothing to compare on.",
            "The export has no row in sft.test.jsonl and none in sft.valid.jsonl.",
            "Give prompts with --prompt TEXT, or make a run with more documents, so that some are held out.",
        )
    notes = _notes(split, len(held))
    variants = models.Variants(out, config)
    tokenizer = variants.tokenizer()
    encoded = encode.encode_sft(held, tokenizer, config.max_length or LENGTH) if held else None
    if encoded is not None and encoded.dropped:
        notes.append(f"{len(encoded.dropped)} held-out rows have no loss: {encoded.dropped[0].reason}.")
    picked = _spread(held, limit)
    if len(picked) < len(held):
        notes.append(f"{len(picked)} of {len(held)} held-out rows were answered; the loss is of all.")
    asked = [({"role": "user", "content": text},) for text in prompts]
    asked += [row.messages[:-1] for row in picked]
    seen: dict[str, _Seen] = {}
    for name in variants.names:
        say(f"{models.NAMES[name]}: loss, then {len(asked)} answers")
        with variants.use(name) as model, base.quiet():
            one = seen[name] = _Seen(general=forgetting.general_loss(model, tokenizer))
            if encoded is not None and encoded.input_ids:
                one.replies = losses(model, encoded.input_ids, encoded.assistant_masks)
            if documents:
                one.documents = text_losses(model, tokenizer, documents, window=PASSAGE)
            one.answers = answers(model, tokenizer, asked, max_new_tokens=max_new_tokens)
    variants.close()
    first = len(prompts)
    shown = [
        Shown("", "", tuple(asked[i]), "", {name: seen[name].answers[i] for name in seen}) for i in range(first)
    ] + [
        Shown(
            row.id,
            row.family,
            tuple(row.messages[:-1]),
            row.messages[-1]["content"],
            {name: seen[name].answers[first + i] for name in seen},
        )
        for i, row in enumerate(picked)
    ]
    lines = [*_loss_lines(seen), *_task_lines(picked, shown[first:]), *_style_lines(author, shown[first:])]
    wins: list[Wins] = []
    if judge is not None:
        say(f"Asking {judged_by} which answers are better")
        wins = [_wins(judge, before, after, shown) for before, after in PAIRS if before in seen and after in seen]
    found = Comparison(
        out, config.base, variants.names, split, len(held), tuple(lines), tuple(wins), judged_by if judge else "",
        tuple(shown), tuple(notes),
    )  # fmt: skip
    write(found)
    return found


def write(found: Comparison) -> None:
    """Write ``compare.json`` and ``compare.html``.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    from training import compare_page

    text = json.dumps(found.as_dict(), ensure_ascii=True, indent=1, allow_nan=False)
    for name, content in ((JSON, text + "\n"), (compare_page.HTML, compare_page.render(found))):
        write_text(found.out / name, content)


def _held_out(splits: Any) -> tuple[str, list[Any]]:
    for name in ("test", "valid"):
        if found := list(getattr(splits, name)):
            return name, found
    return "", []


def _notes(split: str, count: int) -> list[str]:
    if split == "valid":
        return ["The run has no test rows, so the validation rows are used; training looked at their loss."]
    if not split:
        return ["The run holds no row out, so there are no figures on replies: only the prompts that were given."]
    if count < 30:
        return [f"There are only {count} held-out rows, so most intervals are wide."]
    return []


def _spread(held: Sequence[Any], limit: int) -> list[Any]:
    """``limit`` of them at even distances: rows stand in the order of their documents."""
    if len(held) <= limit:
        return list(held)
    return [held[i * len(held) // limit] for i in range(limit)]


def _loss_lines(seen: Mapping[str, _Seen]) -> list[Line]:
    found = []
    replies = {name: one.replies for name, one in seen.items() if one.replies is not None}
    if replies:
        per_token = {name: one.per_token() for name, one in replies.items()}
        found.append(line("loss per token", "replies", "lower", per_token))
    documents = {name: one.documents for name, one in seen.items() if one.documents is not None}
    if documents:
        found.append(line("perplexity", "documents", "lower", {n: one.perplexity() for n, one in documents.items()}))
    general = {name: one.general.per_token() for name, one in seen.items() if one.general is not None}
    found.append(line("loss per token", "general", "lower", general))
    return found


def _task_lines(rows: Sequence[Any], shown: Sequence[Shown]) -> list[Line]:
    found: list[Line] = []
    groups: dict[tuple[str, str], list[Shown]] = {}
    for row, one in zip(rows, shown, strict=True):
        groups.setdefault((row.family, row.metric), []).append(one)
    for (family, metric), members in groups.items():
        by_model = {
            name: measures(metric, [one.answers[name].text for one in members], [one.reference for one in members])
            for name in members[0].answers
        }
        for figure in next(iter(by_model.values())):
            each = {name: of[figure] for name, of in by_model.items()}
            found.append(line(figure, f"task: {family or 'questions and answers'}", "higher", each))
    return found


def _style_lines(author: Sequence[str], shown: Sequence[Shown]) -> list[Line]:
    try:
        style = Style(author or [one.reference for one in shown])
    except ValueError:
        return []
    if not shown:
        return []
    each = {name: style.distance([one.answers[name].text for one in shown]) for name in shown[0].answers}
    reference = style.distance([one.reference for one in shown]) if author else None
    return [line("distance, in bits", "style", "lower", each, reference=reference, around=centred)]


def _wins(judge: Judge, before: str, after: str, shown: Sequence[Shown]) -> Wins:
    asked = [
        Duel(_text(one.prompt), one.answers[before].text, one.answers[after].text, one.reference)
        for one in shown
        if not one.answers[before].refused and not one.answers[after].refused
    ]
    rulings = judge(asked)
    decided = [one for one in rulings if one is not None]
    worth = {"b": 1.0, "tie": 0.5, "a": 0.0}
    count = {name: sum(one.winner == name for one in decided) for name in worth}
    return Wins(
        before,
        after,
        interval(mean([worth[one.winner] for one in decided])),
        wins=count["b"],
        ties=count["tie"],
        losses=count["a"],
        undecided=len(rulings) - len(decided),
        consistent=sum(one.consistent for one in decided) / len(decided) if decided else None,
    )


def _text(prompt: Sequence[Mapping[str, str]]) -> str:
    if len(prompt) == 1:
        return prompt[0]["content"]
    return "\n\n".join(f"{one['role']}: {one['content']}" for one in prompt)
