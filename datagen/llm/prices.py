"""What models cost: a dated table that users may correct. A model that is not in it has no price, never 0."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.core.errors import UsageError

SHIPPED = Path(__file__).with_name("prices.yaml")
MAX_BYTES = 1_000_000
# Dated versions: gpt-4o-mini-2024-07-18, claude-haiku-4-5-20251001.
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})\Z")
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Price(BaseModel):
    """What one model costs.

    Attributes:
        input, output: US dollars per million tokens.
        batch: factor of the Batch API.
        as_of: when that was so, ISO 8601; "" where the user said it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    input: Dollars
    output: Dollars
    batch: Annotated[float, Field(ge=0, le=1)] = 1.0
    as_of: str = ""

    @property
    def free(self) -> bool:
        """It costs nothing, however much is asked."""
        return not self.input and not self.output

    def cost(self, prompt_tokens: int, completion_tokens: int, *, batch: bool = False) -> float:
        """US dollars for so many tokens."""
        full = (prompt_tokens * self.input + completion_tokens * self.output) / 1e6
        return full * self.batch if batch else full


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    input: Dollars | None = None
    output: Dollars | None = None
    batch: Annotated[float, Field(ge=0, le=1)] = 1.0
    free: bool = False
    as_of: date | None = None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    as_of: date | None = None
    sources: dict[str, str] = {}
    models: dict[str, _Entry]


class Prices:
    """A table of prices.

    Args:
        by_model: price by the model's exact name.
    """

    def __init__(self, by_model: dict[str, Price]) -> None:
        self.by_model = by_model

    def of(self, model: str) -> Price | None:
        """The price of a model, or None. A dated version has the price of its undated name; no other name is
        taken for another. A provider's prefix, as in ``openai/gpt-4o``, must be in the table to count."""
        return self.by_model.get(model) or self.by_model.get(_DATED.sub("", model))


def load(file: str = "") -> Prices:
    """The shipped table, corrected by the user's file where one is named.

    Raises:
        UsageError: the file cannot be read or is of another form.
    """
    own = _read(Path(file).expanduser(), file) if file else {}
    return Prices({**_shipped(), **own})


@cache
def _shipped() -> dict[str, Price]:
    return _read(SHIPPED, SHIPPED.name)


def _read(path: Path, name: str) -> dict[str, Price]:
    import yaml

    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError("it is over 1 MB")
        table = _Table.model_validate(yaml.safe_load(data.decode("utf-8")))
        return {model: _price(model, entry, entry.as_of or table.as_of) for model, entry in table.models.items()}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _wrong(name, f"{place}: {first['msg']}") from error
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise _wrong(name, (str(error).splitlines() or ["it cannot be read"])[0][:200]) from error


def _price(model: str, entry: _Entry, day: date | None) -> Price:
    as_of = day.isoformat() if day else ""
    if entry.free:
        if entry.input or entry.output:
            raise ValueError(f"{model} cannot be free and have a price")
        return Price(input=0, output=0, as_of=as_of)
    if entry.input is None or entry.output is None:
        raise ValueError(f"{model} needs input and output, or free: true")
    return Price(input=entry.input, output=entry.output, batch=entry.batch, as_of=as_of)


def _wrong(name: str, why: str) -> UsageError:
    return UsageError(
        f"The price table {name} cannot be used.",
        f"{why}.",
        "Write models: {NAME: {input: 1.0, output: 2.0}}, US dollars per million tokens; docs/cost.md has an example.",
    )
