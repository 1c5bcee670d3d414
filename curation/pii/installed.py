"""What of the search for personal data is there on this machine, and what not."""

from __future__ import annotations

from curation.pii import lexicon, presidio
from curation.pii.config import PiiConfig
from curation.pii.search import wanted_types
from curation.pii.types import NAMED


def status(config: PiiConfig = PiiConfig()) -> str:
    """One sentence on what is done without, or "" where nothing is.

    A model that is asked for and cannot be loaded is an error of the search itself, not of this.
    """
    missing = []
    if wanted_types(config) & NAMED and not config.model:
        if lexicon.available():
            missing.append(
                "names, places and organisations are found by lists of names and the words around them, not by a model"
            )
        else:
            missing.append(
                "names are found by titles and the words around them alone, as neither a model is set nor "
                "Faker installed"
            )
    if config.presidio and not presidio.available():
        missing.append("national numbers are found by the words before them alone, as Presidio is not installed")
    return f"Personal data: {'; '.join(missing)}." if missing else ""
