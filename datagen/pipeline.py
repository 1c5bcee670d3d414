"""The composition root: the only place that names which stages run, in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from datagen import config as settings
from datagen import gold as golden
from datagen import judging, results, steps
from datagen import models as llms
from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Sample, SourceFile
from datagen.core.stage import Fold, Map
from datagen.engine.config import EngineConfig
from datagen.engine.events import Events
from datagen.engine.run import Runner, Source
from datagen.engine.segment import Node, plan
from datagen.engine.store import Store
from datagen.generate.recipe import NO_MODEL, Recipe
from datagen.generate.rounds import Rounds
from datagen.llm import prompts
from datagen.models import Models
from datagen.results import Outcome
from datagen.retry import forget_passing
from datagen.sources.discover import Discovery
from datagen.state import read_drift

SKETCH_NGRAM, SKETCH_PERMUTATIONS = 3, 128
NAMED_AT_MOST = 200  # skipped files on the screen; the report names them all
PROCESSES_FROM_BYTES = 3_000_000  # below, starting processes costs more than they save


class Listener(Protocol):
    """Who shows progress: takes events, and lines that stay."""

    def __call__(self, event: Mapping[str, Any]) -> None: ...

    def note(self, text: str) -> None:
        """Show a line that stays."""
        ...


def configure(file: Path | None, overrides: Iterable[str], values: Mapping[str, Any]) -> Config:
    """The configuration of a run: a named file, else ``datagen.yaml`` here, else the defaults.

    Args:
        file, overrides, values: as :func:`datagen.config.load` takes them.

    Raises:
        UsageError: a bad configuration, or nothing to read is named anywhere.
    """
    config = settings.load(file or settings.default_file(), overrides, values)
    prompts.check_folder(config.generator.prompts)
    if not config.sources.paths:
        raise UsageError(
            "There is nothing to read.",
            "No --source was given and no datagen.yaml in this folder names one.",
            "Type `datagen run --source FOLDER`, or `datagen init` for a datagen.yaml.",
        )
    return config


def recipes(config: Config, models: Models, gold: Sequence[Sample] = ()) -> list[tuple[Recipe, float]]:
    """The recipes of a run, with the calls of each for a chunk."""
    found: list[tuple[Recipe, float]] = []
    if config.chat.me:
        from datagen.generate.chat import Chat

        found.append((Chat(config.chat.me), 1.0))
    if models.generator is None:
        from datagen.generate.extractive import Extractive

        return [*found, (Extractive(), 1.0)]
    from datagen.generate.conversation import Conversation
    from datagen.generate.instruct import Instruct
    from datagen.generate.qa import QA
    from datagen.generate.style import Style
    from datagen.generate.tasks import Tasks

    kinds: dict[str, Any] = {kind.name: kind for kind in (QA, Instruct, Tasks, Style, Conversation)}
    model = models.generator.model
    wanted = [(name, rate) for name, rate in config.generator.recipes.items() if rate]
    return [*found, *((kinds[name](config.generator, model, config.seed, gold), rate) for name, rate in wanted)]


def stages(
    config: Config, models: Models, gold: Sequence[Sample] = (), rounds: Rounds | None = None
) -> list[Map | Fold]:
    """The line of stages of a run."""
    from curation.dedupe import DropDuplicates
    from curation.heuristic import HeuristicScore
    from curation.normalize import Normalize
    from curation.novelty import Novelty
    from curation.rules import Rules
    from curation.sketch import Sketch
    from datagen.generate import attributes
    from datagen.generate.generate import Generate
    from datagen.generate.plan import Plan
    from datagen.sources.chunk import Chunker
    from datagen.sources.load import Load

    curation = config.curation
    generator = config.generator
    threshold = config.judge.threshold if config.judge.enabled else None
    repeated = rounds is not None and (rounds.target > 0 or rounds.passes > 1)
    target = config.limits.target
    selection = steps.selection(
        curation,
        target,
        threshold,
        embedded=curation.semantic.enabled,
        rounds=repeated,
        by_rubric=judging.thresholds(config, models),
    )
    accepted: Any = selection[-1] if repeated else None
    chosen = recipes(config, models, gold)
    shown = _shown([recipe for recipe, _ in chosen], gold)
    line: list[Map | Fold] = [
        Load(config.sources, config.chat),
        *steps.checks(curation, steps.DOCUMENTS),
        Chunker(config.chunk, config.chat),
        *steps.checks(curation, steps.CHUNKS),
        Sketch(SKETCH_NGRAM, SKETCH_PERMUTATIONS, "chunk"),
        DropDuplicates(config.chunk.duplicate_threshold, SKETCH_PERMUTATIONS, name="screen"),
        Plan(
            chosen,
            attributes.load(generator.prompts, _lists(config)),
            config.seed,
            shots=generator.shots,
            selection=generator.selection,
            rounds=rounds,
            accepted=accepted,
        ),
        Generate([recipe for recipe, _ in chosen], models.generator),
        Normalize(),
        Rules(curation.rules, curation.semantic.embed),
        *steps.checks(curation, steps.SAMPLES),
        *steps.copies(curation, shown),
    ]
    if any(recipe.name == "instruct" for recipe, _ in chosen):
        line.append(Novelty(generator.instruct.novelty, seen=list(shown.values())))
    if curation.decontaminate.against:
        judge = None if models.judge is None else (config.judge, models.judge)
        line += steps.contamination(curation, judge, generator.prompts)
    own = steps.own_split(curation) if config.split.test else []
    if curation.semantic.enabled:
        line += steps.meaning(curation, leave=steps.compares(curation, target), between=own)
    else:
        line += own
    if models.judge is not None:
        line += judging.stages(config, models)
    elif config.judge.enabled:
        line.append(HeuristicScore())
    line += selection
    if config.generator.preference.share and models.generator is not None:
        line += pair_stages(config, models)
    return line


def pair_stages(config: Config, models: Models) -> list[Map | Fold]:
    """What gives kept samples a rejected reply."""
    from curation.balance import BalanceLength
    from curation.pairs import CheckPairs
    from datagen.generate.generate import Generate
    from datagen.generate.pair_plan import PlanPairs
    from datagen.generate.preference import Preference

    wanted = config.generator.preference
    recipe = Preference(config.generator, models.generator.model, config.seed, models.base)
    line: list[Map | Fold] = [
        PlanPairs(wanted, config.seed, config.generator.prompts),
        Generate([recipe], models.generator, name="preference"),
        CheckPairs(config.judge, wanted.min_margin, models.judge, config.generator.prompts, models.panel),
        *judging.order_check(config, models),
    ]
    return [*line, BalanceLength()] if wanted.balance_length else line


def _shown(chosen: Sequence[Recipe], gold: Sequence[Sample]) -> dict[str, str]:
    """Instructions that no sample may repeat as if they were made: of gold samples and of what prompts show."""
    from datagen.generate.shots import shown

    texts = dict.fromkeys([*shown(gold), *(text for recipe in chosen for text in shown(recipe.pool))])
    return {f"example {number}": text for number, text in enumerate(texts, 1)}


def _lists(config: Config) -> dict[str, dict[str, float]]:
    """The attribute lists that the configuration replaces, the language among them."""
    return {"language": {config.generator.language: 1.0}, **config.generator.attributes}


def rounds_of(config: Config, models: Models, pilot: int = 0) -> Rounds:
    """How often the recipes go over the chunks."""
    if pilot:
        return Rounds(first=pilot)
    if models.generator is None:
        return Rounds()  # rules find the same each time
    return Rounds(config.limits.target, config.generator.rounds, min_yield=config.limits.min_yield)


def default_out(config: Config) -> Path:
    """``runs/NAME`` after the first source."""
    first = Path(config.sources.paths[0]).resolve()
    return Path("runs") / (first.stem if first.is_file() else first.name or "root")


def run(config: Config, out: Path | None, listener: Listener, *, retry_failed: bool = False, pilot: int = 0) -> Outcome:
    """Do, or continue, a whole run.

    Args:
        config: from :func:`configure`.
        out: the run folder; None takes :func:`default_out`.
        listener: who shows progress.
        retry_failed: do again what failed for a passing reason.
        pilot: ask for so many samples alone, and estimate what the whole would take; 0: all of it.

    Returns:
        What came of it; its ``exit_code`` is 0 or 1.

    Raises:
        DatagenError: wrong set-up (exit code 2) or stopped early and resumable (3).
    """
    from datagen.sources.discover import cut, discover

    folder = out or default_out(config)
    gold = golden.read(config)
    with_model = llms.uses_model(config)
    if pilot and not with_model:
        raise UsageError(
            "A pilot needs a model.",
            "None is named: without one a run costs nothing, and makes all samples at once.",
            "Leave --pilot out, or name an endpoint with --base-url.",
        )
    discovery = discover(config.sources, config.split, config.seed, folder)
    store = Store(folder)
    with store.locked():
        events = Events(folder / "events.jsonl")
        events.listen(listener)
        with closing(events):
            _announce(config, discovery, with_model, listener)
            if retry_failed:
                listener.note(f"Trying {forget_passing(folder):,} shards with passing failures again.")
            try:
                models = llms.connect(config, folder / "calls.sqlite") if with_model else Models()
                if models.generator is not None:
                    listener.note(llms.text(models))
                    judging.check_families(config, models, listener.note)
                rounds = rounds_of(config, models, pilot)
                if pilot:
                    models.log.seen = []
                nodes = plan(stages(config, models, gold, rounds))
                sources = [
                    _source(files)
                    for files in cut(discovery.files, config.engine.shard_bytes, config.engine.shard_files)
                ]
                events.emit("run", files=len(discovery.files), shards=len(sources), skipped=len(discovery.skipped))
                begun = time.monotonic()
                engine = _engine(config, discovery, len(sources))
                runner = Runner(store, nodes, sources, engine, events, meters(config, models))
                shards = runner.run()
                twice = None if pilot else _drift(config, models, store, nodes[-1], shards[-1], retry_failed, listener)
                facts = _facts(config, models, nodes, shards, rounds, twice)
                if config.generator.gold:
                    facts = golden.added(facts, store, gold[: config.generator.gold])
                elapsed = time.monotonic() - begun
                outcome = results.finish(folder, config, discovery, facts, events, elapsed if events.worked else 0.0)
                _name_skipped(outcome, listener)
                return _looked_at(outcome, config, models, rounds, pilot) if pilot else outcome
            finally:
                if with_model:
                    from datagen.llm import connect as connections

                    connections.close()


def _looked_at(outcome: Outcome, config: Config, models: Models, rounds: Rounds, pilot: int) -> Outcome:
    """A pilot's outcome with its samples and the estimate; a target was not to be reached yet."""
    from datagen.estimate import Whole
    from datagen.pilot import look

    tasks, samples = rounds.per_pass
    passes = 1 if config.limits.target else config.generator.rounds
    whole = Whole(
        tasks * passes, samples * passes, config.limits.target, config.client.concurrency, models.generator.batch
    )
    seen = look(outcome.folder, config, whole, models.log, pilot)
    return replace(outcome, pilot=seen, problems=[] if outcome.ledger["kept"] else outcome.problems)


def _name_skipped(outcome: Outcome, listener: Listener) -> None:
    for skip in outcome.skipped[:NAMED_AT_MOST]:
        listener.note(f"Skipped {skip['path']}: {skip['reason']}")
    if len(outcome.skipped) > NAMED_AT_MOST:
        listener.note(f"… and {len(outcome.skipped) - NAMED_AT_MOST:,} more, each named in report.json")


def _source(files: tuple[SourceFile, ...]) -> Source:
    content = [[f.path, f.sha256, f.kind, f.split] for f in files]
    return Source(digest(content), files)


def _engine(config: Config, discovery: Discovery, shards: int) -> EngineConfig:
    """How the work is spread. A batch is worth sending when it is full, so all shards are then under way at once."""
    executor: Any = config.engine.executor
    if executor == "auto":
        executor = "processes" if sum(f.size for f in discovery.files) >= PROCESSES_FROM_BYTES else "inline"
    window = max(config.engine.window, shards) if config.generator.backend == "batch" else config.engine.window
    return config.engine.model_copy(update={"executor": executor, "window": window})


def _announce(config: Config, discovery: Discovery, with_model: bool, listener: Listener) -> None:
    size = sum(f.size for f in discovery.files)
    listener.note(f"Reading {len(discovery.files):,} files ({size / 1e6:,.1f} MB), {len(discovery.skipped):,} skipped.")
    if config.chat.me:
        listener.note(f"Chat exports become conversations in which {config.chat.me} is the assistant.")
    if not with_model:
        listener.note(
            "No language model: pairs come from extractive rules and are scored by heuristics, not by a judge.\n"
            "  For real generation name an endpoint: --base-url URL (vLLM, Ollama, OpenAI …)."
        )


def meters(config: Config, models: Models) -> Callable[[], dict[str, Any]]:
    """What was asked so far, for the progress: replies, tokens, cost."""
    log = models.log
    if log is None:
        return dict

    def read() -> dict[str, Any]:
        usage = results.usage(log, config)
        cost = usage["cost_usd"]
        return {
            "replies": f"{usage['calls']:,}",
            "tokens": f"{usage['prompt_tokens'] + usage['completion_tokens']:,}",
            "cost": "unknown" if cost is None else f"${cost:,.2f}",
        }

    return read


def _drift(
    config: Config,
    models: Models,
    store: Store,
    node: Node,
    shards: Sequence[str],
    anew: bool,
    listener: Listener,
) -> dict[str, Any] | None:
    """What a second judging of some samples gives; ``anew``: what could not be read is asked again."""
    before = None if anew else read_drift(store.root)

    def records() -> Iterator[AnyRecord]:
        for name in shards:
            yield from store.read(node.folder, name, node.produces)

    return judging.drift(config, models, [node.folder, *shards], records, before, listener.note)


def _facts(
    config: Config,
    models: Models,
    nodes: list[Node],
    shards: list[list[str]],
    rounds: Rounds,
    twice: dict[str, Any] | None,
) -> results.Facts:
    prompts: dict[str, str] = {}
    for node in nodes:
        for stage in node.maps:
            found = stage.fingerprint().get("prompts")
            if isinstance(found, dict):
                prompts.update(found)
    return results.Facts(
        nodes=[
            results.NodeFacts(node.stages, node.folder, node.produces, names)
            for node, names in zip(nodes, shards, strict=True)
        ],
        model=models.generator.model if models.generator is not None else NO_MODEL,
        judge=models.judge.model if models.judge is not None else "",
        prompts=prompts,
        rounds=rounds.number,
        gave_up=rounds.why,
        usage=results.usage(models.log, config) if models.log is not None else None,
        missing=tuple(steps.missing(config.curation, config.limits.target)),
        drift=twice,
    )
