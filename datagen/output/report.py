"""Writes report.json and report.html.

The page is one file: styles and script stand in it, and its Content-Security-Policy allows these two by
their hash and nothing else, so that no text of a document can load or run anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datagen.core.errors import from_os_error
from datagen.core.files import write_if_changed
from datagen.llm.problems import redacted
from datagen.output import charts, words
from datagen.output.report_data import BROWSED, PAGE
from datagen.output.summary import is_heuristic, uses_model
from datagen.output.templating import TEMPLATES, environment
from datagen.output.text import pretty_json, script_json, scrub

JSON, HTML = "report.json", "report.html"
BROWSER_BYTES = 6_000_000
"""Size of the embedded samples at most; more are thinned out evenly, and the page says so."""


def write_report(data: Mapping[str, Any], folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` into ``folder``, each only if it changed.

    Args:
        data: what :meth:`~datagen.output.report_data.ReportBuilder.finish` returned.
        folder: the run folder.

    Raises:
        DatagenError: a file cannot be written.
    """
    lasting = {key: value for key, value in data.items() if key != PAGE}
    try:
        write_if_changed(folder / JSON, pretty_json(lasting))
        write_if_changed(folder / HTML, render(data).encode())
    except OSError as error:
        raise from_os_error(error, "write the report") from error


def render(data: Mapping[str, Any]) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    page = data[PAGE]
    browsed, embedded = _embed(page["samples"])
    template = environment(
        html=True,
        number=words.number,
        plain=words.plain,
        share=charts.share,
        duration=words.duration,
        moment=words.moment,
        plural=words.plural,
    ).get_template("report.html.j2")
    text = template.render(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "img-src 'none'; base-uri 'none'; form-action 'none'",
        css=Markup(css),  # ours, and hashed above
        script=Markup(script),
        embedded=Markup(embedded),  # script_json leaves no character that HTML acts on
        browsed=browsed,
        browsed_most=BROWSED,
        data=data,
        page=page,
        heuristic=is_heuristic(data["scored_by"]),
        model_used=uses_model(data["model"]),
        skips=words.grouped(data["skipped"]),
        steps=words.by_unit(data["funnel"]),
        mean_chart=charts.scores(data["scores"]["mean"]["values"], 880, 190, data["threshold"])
        if "mean" in data["scores"]
        else None,
        score_charts={
            name: charts.scores(found["values"], 240, 90) for name, found in data["scores"].items() if name != "mean"
        },
        length_chart=charts.lengths(data["lengths"], 880, 190) if data["lengths"] else None,
        config=_config_text(page["config"]),
    )
    return scrub(text)


def _hash(content: str) -> str:
    """The source expression of CSP level 3 for an inline element with that content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embed(samples: list[dict[str, Any]]) -> tuple[int, str]:
    """How many samples are embedded, and their JSON."""
    pieces = [script_json(sample) for sample in samples]
    size = sum(len(piece.encode()) for piece in pieces)
    every = max(1, -(-size // BROWSER_BYTES))
    taken = pieces[::every]
    return len(taken), "[" + ",\n".join(taken) + "]"


def _config_text(config: Mapping[str, Any]) -> str:
    """The configuration for people, without names and passwords inside addresses."""
    import yaml

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: clean(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        return redacted(value) if isinstance(value, str) and "://" in value else value

    return str(yaml.safe_dump(clean(config), sort_keys=False, allow_unicode=True, width=100)) if config else ""
