"""The evaluation sets of a configuration and their index, made once in a process."""

from __future__ import annotations

import functools

from curation.decontaminate.against import Against, load_against
from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.matcher import Matcher


def loaded(config: DecontaminateConfig) -> Against:
    """The evaluation texts.

    Raises:
        UsageError: as :func:`~curation.decontaminate.against.load_against`.
    """
    return read(config.against, config.fields)


@functools.lru_cache(maxsize=2)
def read(against: tuple[str, ...], fields: tuple[str, ...]) -> Against:
    """The same by the names of the files and fields."""
    return load_against(against, fields)


def matcher(config: DecontaminateConfig) -> Matcher:
    """Their index, which costs more than a shard."""
    return _made(config.model_dump_json())


def copies(config: DecontaminateConfig) -> Matcher:
    """The same without rewordings."""
    return matcher(config.model_copy(update={"rewordings": False}))


@functools.lru_cache(maxsize=4)
def _made(config_json: str) -> Matcher:
    config = DecontaminateConfig.model_validate_json(config_json)
    return Matcher(loaded(config).texts, config)
