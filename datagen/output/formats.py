"""The formats of exported rows, each with its way there and back.

To add one: two functions, a :class:`~datagen.output.formats_base.Format`, and its name in :data:`FORMATS`.
"""

from __future__ import annotations

from datagen.core.errors import UsageError
from datagen.output.formats_base import CannotHold, Format, Part, Parts, Row
from datagen.output.formats_pairs import DPO, DPO_PLAIN, KTO, RANKED
from datagen.output.formats_sft import ALPACA, DATASETS, MESSAGES, PARQUET, SHAREGPT
from datagen.output.formats_tree import OASST

FORMATS: dict[str, Format] = {
    f.name: f for f in (MESSAGES, ALPACA, SHAREGPT, OASST, DPO, DPO_PLAIN, KTO, RANKED, PARQUET, DATASETS)
}


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in FORMATS:
        raise UsageError(
            f"There is no export format {name!r}.",
            f"The formats are {', '.join(FORMATS)}.",
            f"Give one of them, as in --format {next(iter(FORMATS))}.",
        )
    return FORMATS[name]


def parts_of(format: Format) -> dict[Part, Format]:
    """The format of each kind of file in an export: conversations are ``messages`` beside a format for pairs,
    pairs are ``dpo`` beside a format for conversations."""
    return {"sft": format, "preference": DPO} if format.part == "sft" else {"sft": MESSAGES, "preference": format}


__all__ = ["FORMATS", "CannotHold", "Format", "Part", "Parts", "Row", "named", "parts_of"]
