"""The two kinds of stage a run is made of, and where the work of a stage runs.

A :class:`Map` turns a shard into a shard and needs nothing else, so any worker can run it. A
:class:`Fold` sees the shards in input order, on the driver, and is cheap. Records a stage does
not care about (a :class:`~datagen.core.record.Failure`, a rejected sample) pass through
unchanged and in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from datagen.core.record import AnyRecord

Shard = Sequence[AnyRecord]


class Stage(ABC):
    """What both kinds share: a name, a version, and a fingerprint of what shapes the output.

    Attributes:
        name: snake_case, used in folder names, progress and verdicts.
        version: raised by hand whenever the code gives other output for the same input.
    """

    name: str
    version: int = 1

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Everything besides the code that shapes the output, as JSON values: configuration, prompt
        hashes, model. What does not shape it (concurrency, time-outs) stays out."""


class Map(Stage):
    """A pure function of one shard. Instances must pickle: worker processes receive a copy.

    Attributes:
        produces: the record type of the output. A segment ends where it changes, so that shards
            of documents, chunks and samples each exist on disk.
        waits: True for a stage that mostly waits (for a model, for child processes): it then
            runs in a thread of the driver, several shards at once; else in the chosen executor.
    """

    produces: Literal["document", "chunk", "task", "sample"]
    waits: bool = False

    @abstractmethod
    def run(self, shard: Shard) -> list[AnyRecord]:
        """Turn a shard into a shard. Must be deterministic given the call log."""


class Fold(Stage):
    """A stage that needs to have seen what came before.

    The engine makes a fresh instance state by calling :meth:`begin`, then for each shard in input
    order :meth:`see`, and :meth:`emit` once per shard, in order: at once after ``see`` if
    ``barrier`` is False, after the last ``see`` otherwise.

    Where rounds are laid out, shards of a further round come after everything that was emitted: ``see`` and ``emit``
    go on then, and what was emitted stays as it is.

    Attributes:
        barrier: see above.
        may_repeat: lays out rounds.
        asks_again: a barrier; once it has seen a round, the fold that lays out rounds is asked for another one.
    """

    barrier: bool = False
    produces: str = ""
    may_repeat: bool = False
    asks_again: bool = False

    def begin(self) -> None:
        """Forget everything: a run starts."""

    def see(self, shard: Shard) -> None:
        """Look at a shard, in input order."""

    def again(self) -> bool:
        """Is there another round? Asked when the next fold that asks has seen everything. If so, :meth:`emit`
        is called once more for each shard of the first round, and what it gives joins the line as further shards."""
        return False

    @abstractmethod
    def emit(self, shard: Shard) -> list[AnyRecord]:
        """Return what becomes of the shard: as a rule itself with this stage's verdicts, one record out for each in."""
