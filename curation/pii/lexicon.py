"""Names of people and places, from the locales of Faker, as far as it is installed, and our own lists of other words.

Faker's lists are read once a process (about 0.3 s, 70,000 names); nothing of them is kept in this project.
"""

from __future__ import annotations

import functools
import importlib
import importlib.resources
import importlib.util
import pkgutil
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_PLACES = ("cities", "countries", "states", "city_names", "localities", "provinces", "regions", "real_city_names")
_LEAST = 2  # letters of a name


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Lower-case words → in how many locales they are names.

    Attributes:
        first, last: first names, surnames; each word of one by itself.
        places: cities, states, countries; several words are one entry.
        starts: the first words of places of several words, and how many words these have at most.
        nations: countries alone.
    """

    first: dict[str, int]
    last: dict[str, int]
    places: dict[str, int]
    starts: dict[str, int]
    nations: frozenset[str]


@functools.cache
def words(name: str) -> frozenset[str]:
    """One of our own lists of ``words.toml``."""
    text = importlib.resources.files("curation.pii").joinpath("words.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)[name].split())


@functools.cache
def available() -> bool:
    """Are there lists of names?"""
    return importlib.util.find_spec("faker") is not None


@functools.cache
def lexicon() -> Lexicon:
    """The lists of names; empty where Faker is not installed."""
    first: Counter[str] = Counter()
    last: Counter[str] = Counter()
    places: Counter[str] = Counter()
    nations: set[str] = set()
    if available():
        for provider in _providers("person"):
            groups: dict[str, set[str]] = {"first": set(), "last": set()}
            for attribute in dir(provider):
                kind = "first" if "first_name" in attribute else "last" if "last_name" in attribute else ""
                if kind and "format" not in attribute:
                    groups[kind].update(_words(getattr(provider, attribute)))
            first.update(groups["first"])
            last.update(groups["last"])
        for provider in _providers("address"):
            found = {v.casefold() for a in _PLACES for v in _strings(getattr(provider, a, ()))}
            nations |= {v.casefold() for v in _strings(getattr(provider, "countries", ()))}
            places.update(v for v in found if len(v) > 3 and not v[-1].isdigit())
    starts: dict[str, int] = {}
    for place in places:
        head, *tail = place.split()
        if tail:
            starts[head] = max(starts.get(head, 0), 1 + len(tail))
    return Lexicon(dict(first), dict(last), dict(places), starts, frozenset(nations))


def _providers(kind: str) -> Iterable[type]:
    package = importlib.import_module(f"faker.providers.{kind}")
    for module in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{module.name}").Provider


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, tuple | list | dict | set | frozenset):
        for item in value:
            if isinstance(item, str):
                yield item
            elif isinstance(item, tuple):  # a name in several scripts
                yield from (form for form in item if isinstance(form, str))


def _words(value: object) -> Iterable[str]:
    for item in _strings(value):
        for word in item.split():
            if len(word) >= _LEAST and word[-1] != ".":
                yield word.casefold()
                for part in word.split("-"):
                    if len(part) > _LEAST:
                        yield part.casefold()


def is_first_name(word: str) -> bool:
    """Is it a first name somewhere, and no everyday word?"""
    key = word.casefold()
    return key in lexicon().first and not is_everyday(key)


def is_everyday(key: str) -> bool:
    """Is a lower-case word an everyday one, or the name of software?"""
    return key in words("everyday") or key in words("software") or key in words("openers")
