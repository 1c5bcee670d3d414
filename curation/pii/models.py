"""Names, places and organisations by a model: a spaCy pipeline, a transformers token classifier, or GLiNER.

Long texts are shown in windows that overlap; nothing is cut off: a window that a model's tokenizer finds too long is
halved until it fits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from curation.pii.config import PiiConfig
from curation.pii.page import Found
from datagen.core.errors import DatagenError, UsageError

LABELS: dict[str, str] = {
    **dict.fromkeys(
        (
            "PER",
            "PERSON",
            "PERSONNAME",
            "NAME",
            "FIRSTNAME",
            "LASTNAME",
            "GIVENNAME",
            "SURNAME",
            "PATIENT",
            "STAFF",
            "DOCTOR",
        ),
        "PERSON",
    ),
    **dict.fromkeys(("LOC", "LOCATION", "GPE", "FAC", "CITY", "COUNTRY", "STATE", "COUNTY", "PLACE"), "LOCATION"),
    **dict.fromkeys(
        ("ORG", "ORGANIZATION", "ORGANISATION", "COMPANY", "COMPANYNAME", "HOSP", "HOSPITAL"), "ORGANIZATION"
    ),
    **dict.fromkeys(("ADDRESS", "STREET", "STREETADDRESS", "BUILDINGNUM", "ZIPCODE", "POSTCODE"), "ADDRESS"),
}
"""Labels of well-known models, in capitals and without signs → our type; others are left out."""

GLINER_LABELS = {
    "person": "PERSON",
    "location": "LOCATION",
    "organization": "ORGANIZATION",
    "street address": "ADDRESS",
}
"""What GLiNER is asked for → our type."""

_SPACY_SCORE = 0.85  # spaCy gives no scores: the one Presidio uses
_LEAST_WINDOW = 64  # characters below which a window is not halved again

Reader = Callable[[str], list[Found]]


def kind_of(config: PiiConfig) -> str:
    """Which library the model belongs to."""
    if config.model_kind != "auto":
        return config.model_kind
    name = config.model.lower()
    if "gliner" in name:
        return "gliner"
    return "spacy" if "/" not in name and name.count("_") >= 2 else "transformers"


def entities(texts: Sequence[str], config: PiiConfig) -> list[list[Found]]:
    """What the model finds in each text.

    Raises:
        DatagenError: the library is not installed or the model cannot be loaded.
    """
    read, fits = _reader(kind_of(config), config.model, config.model_threshold)
    return [list(_windows(text, read, fits, config.window, config.overlap)) for text in texts]


def _windows(text: str, read: Reader, fits: Callable[[str], bool], size: int, overlap: int) -> Iterator[Found]:
    done = 0  # up to here findings are settled
    for start, end, settled in stretches(text, size, overlap):
        for f in _halved(text[start:end], read, fits, overlap):
            place = f._replace(start=f.start + start, end=f.end + start)
            if done <= place.start < settled and (place.end < end or end == len(text)):
                yield place
        done = settled


def stretches(text: str, size: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """Windows over a text: start, end, and up to where a finding may begin to be taken from this one.

    A finding that begins in the last ``overlap`` characters is taken from the next window, which shows all of it.
    """
    overlap = min(overlap, size // 2)
    start = 0
    while start < len(text):
        end = min(len(text), start + size)
        if end < len(text):
            cut = text.rfind(" ", end - overlap // 2, end)
            end = cut if cut > 0 else end
        settled = len(text) if end == len(text) else end - overlap // 2
        yield start, end, settled
        if end == len(text):
            return
        start = max(start + 1, end - overlap)


def _halved(text: str, read: Reader, fits: Callable[[str], bool], overlap: int) -> Iterator[Found]:
    if len(text) <= _LEAST_WINDOW or fits(text):
        yield from read(text)
    else:
        yield from _windows(
            text, read, fits, max(_LEAST_WINDOW, len(text) // 2 + overlap // 4), min(overlap, len(text) // 4)
        )


@functools.lru_cache(maxsize=2)
def _reader(kind: str, name: str, threshold: float) -> tuple[Reader, Callable[[str], bool]]:
    """A loaded model, and whether a text fits into it at once."""
    try:
        return {"spacy": _spacy, "transformers": _transformers, "gliner": _gliner}[kind](name, threshold)
    except ImportError as error:
        extra = {"spacy": "pii", "transformers": "semantic", "gliner": "gliner"}[kind]
        fix = "pip install gliner" if kind == "gliner" else f"pip install 'datagen[{extra}]'"
        raise UsageError(
            f"The model {name!r} cannot be used to find names.", f"{error}.", f"Install what it needs: {fix}."
        ) from error
    except DatagenError:
        raise
    except Exception as error:
        # The libraries raise whatever they like for a name they do not know, a missing file, or no network.
        why = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise UsageError(
            f"The model {name!r} cannot be loaded to find names.",
            f"{kind} says: {why}.",
            "Give a folder or the name of a model that is on this machine, or leave curation.pii.model empty.",
        ) from error


def _spacy(name: str, threshold: float) -> tuple[Reader, Callable[[str], bool]]:
    import spacy

    loaded = spacy.load(name)

    def read(text: str) -> list[Found]:
        if threshold > _SPACY_SCORE:
            return []
        found = []
        for entity in loaded(text).ents:
            kind = label(entity.label_)
            if kind:
                found.append(Found(entity.start_char, entity.end_char, kind, _SPACY_SCORE))
        return found

    return read, lambda text: True


def _transformers(name: str, threshold: float) -> tuple[Reader, Callable[[str], bool]]:
    from transformers import pipeline  # type: ignore[attr-defined, unused-ignore]

    loaded: Any = pipeline("token-classification", model=name, aggregation_strategy="simple", device="cpu")
    tokenizer = loaded.tokenizer
    limit = min(int(tokenizer.model_max_length), int(getattr(loaded.model.config, "max_position_embeddings", 1 << 30)))

    def read(text: str) -> list[Found]:
        found = []
        for entity in loaded(text):
            kind, score = label(str(entity["entity_group"])), float(entity["score"])
            if kind and score >= threshold and entity["start"] < entity["end"]:
                found.append(Found(int(entity["start"]), int(entity["end"]), kind, score))
        return _joined(text, found)

    return read, lambda text: len(tokenizer(text, truncation=False, verbose=False)["input_ids"]) <= limit


def _joined(text: str, found: list[Found]) -> list[Found]:
    """Word pieces and first and last names of one person, which aggregation leaves apart, as one finding."""
    out: list[Found] = []
    for f in sorted(found):
        between = text[out[-1].end : f.start] if out else ""
        if out and out[-1].type == f.type and f.start - out[-1].end <= 1 and between in ("", " ", "-", "'"):
            last = out.pop()
            f = Found(last.start, f.end, f.type, min(last.score, f.score))
        out.append(f)
    return out


def _gliner(name: str, threshold: float) -> tuple[Reader, Callable[[str], bool]]:
    from gliner import GLiNER  # type: ignore[import-not-found, unused-ignore]

    loaded = GLiNER.from_pretrained(name)
    limit = int(getattr(loaded.config, "max_len", 384))  # words

    def read(text: str) -> list[Found]:
        found = loaded.predict_entities(text, list(GLINER_LABELS), threshold=threshold)
        return [Found(int(e["start"]), int(e["end"]), GLINER_LABELS[e["label"]], float(e["score"])) for e in found]

    return read, lambda text: len(text.split()) * 2 <= limit  # it counts signs as words


def label(name: str) -> str:
    """Our type of a model's label, as in ``"B-PER"`` or ``"person_name"``; "" where there is none."""
    key = "".join(c for c in name.removeprefix("B-").removeprefix("I-").upper() if c.isalpha())
    return LABELS.get(key, "")
