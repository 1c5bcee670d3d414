"""The named flaws of rejected replies: a file of prompt text that the planter and the judge share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from datagen.core.errors import UsageError
from datagen.core.hashing import sha256
from datagen.llm import prompts

FILE = "generate/flaws.yaml"
MAX_BYTES = 1_000_000


class Flaw(BaseModel):
    """One named flaw.

    Attributes:
        definition: what it is, for the planter and the judge.
        plant: how it is planted.
        kin: flaws that it may rightly be called as well.
        only: kinds of question it goes with; empty for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    definition: str = Field(alias="is", min_length=1)
    plant: str = Field(min_length=1)
    kin: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


class Flaws:
    """All flaws by name, in the order of the file. Pickles.

    Attributes:
        sha256: of the file.
    """

    def __init__(self, by_name: dict[str, Flaw], digest: str) -> None:
        self.by_name = by_name
        self.sha256 = digest

    def fitting(self, kind: str, wanted: Iterable[tuple[str, float]]) -> dict[str, float]:
        """Of the wanted flaws with their weights, those that go with a kind of question."""
        return {
            name: weight
            for name, weight in wanted
            if weight > 0 and (not self.by_name[name].only or kind in self.by_name[name].only)
        }

    def named_rightly(self, planted: str, named: set[str]) -> bool:
        """Is the planted flaw among those that were named, and every other one its kin?"""
        return planted in named and named <= {planted, *self.by_name[planted].kin}


def load(folder: str = "") -> Flaws:
    """The flaws of the user's prompts folder, else the shipped ones.

    Raises:
        UsageError: the file cannot be read or is of another form.
    """
    return _load(prompts.locate(FILE, folder), frozenset(_shipped()) if folder else frozenset())


def _shipped() -> list[str]:
    return list(_load(prompts.shipped() / FILE, frozenset()).by_name)


@cache
def _load(path: Path, must_have: frozenset[str]) -> Flaws:
    import yaml

    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ValueError("it is over 1 MB")
        found = TypeAdapter(dict[str, Flaw]).validate_python(yaml.safe_load(data.decode("utf-8")))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        said = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise _wrong(f"It cannot be read: {said.splitlines()[0][:200]}") from error
    unknown = {kin for flaw in found.values() for kin in flaw.kin} - set(found)
    missing = must_have - set(found)
    if unknown or missing:
        raise _wrong(f"It does not define {', '.join(sorted(unknown | missing))}")
    return Flaws(found, sha256(data))


def _wrong(why: str) -> UsageError:
    return UsageError(f"The file {FILE} cannot be used.", f"{why}.", "Correct it, or take the shipped one.")
