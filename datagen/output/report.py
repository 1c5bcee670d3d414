"""Writes report.json and report.html.

The page is one file: styles, scripts and packed samples stand in it, and its Content-Security-Policy allows style
and scripts by their hash and nothing else, so that no text of a document can load or run anything.
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
from datagen.output.audits import by_subject
from datagen.output.report_data import PAGE
from datagen.output.report_rows import find_rows
from datagen.output.report_shelf import Packed
from datagen.output.summary import is_heuristic, uses_model
from datagen.output.templating import TEMPLATES, environment
from datagen.output.text import pretty_json, scrub

JSON, HTML = "report.json", "report.html"
SCRIPTS = ("report.js", "report_unpack.js", "report_card.js", "report_samples.js")
"""One script of the page is made of these, in this order."""


def write_report(data: Mapping[str, Any], folder: Path, exports: Mapping[str, Path] = {}) -> None:
    """Write ``report.json`` and ``report.html`` into ``folder``, each only if it changed.

    Args:
        data: what :meth:`~datagen.output.report_data.ReportBuilder.finish` returned.
        folder: the run folder.
        exports: folders of exports by the name that is shown, so that the page can find a row of theirs.

    Raises:
        DatagenError: a file cannot be written or read.
    """
    lasting = {key: value for key, value in data.items() if key != PAGE}
    try:
        write_if_changed(folder / JSON, pretty_json(lasting))
        write_if_changed(folder / HTML, render(data, exports).encode())
    except OSError as error:
        raise from_os_error(error, "write the report") from error


def render(data: Mapping[str, Any], exports: Mapping[str, Path] = {}) -> str:
    """The page as HTML. Raises OSError where an export cannot be read."""
    from markupsafe import Markup

    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    parts = ((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"
    page = data[PAGE]
    shelf = page["samples"]
    packed = shelf.pack(find_rows(shelf.ids, exports))
    template = environment(
        html=True,
        number=words.number,
        plain=words.plain,
        share=charts.share,
        duration=words.duration,
        moment=words.moment,
        plural=words.plural,
        halves=charts.halves,
    ).get_template("report.html.j2")
    text = template.render(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "img-src 'none'; base-uri 'none'; form-action 'none'",
        css=Markup(css),  # ours, and hashed above
        script=Markup(script),
        embedded=Markup(_embedded(packed)),  # the alphabet of base64 alone
        packed=packed,
        seen=shelf.seen,
        data=data,
        page=page,
        heuristic=is_heuristic(data["scored_by"]),
        model_used=uses_model(data["model"]),
        skips=words.grouped(data["skipped"]),
        steps=words.by_unit(data["funnel"]),
        subjects=by_subject(data["audits"]),
        against=_against(page["config"]),
        mean_chart=charts.scores(data["scores"]["mean"]["values"], 880, 190, data["threshold"])
        if "mean" in data["scores"]
        else None,
        score_charts={
            name: charts.scores(found["values"], 240, 90) for name, found in data["scores"].items() if name != "mean"
        },
        length_chart=charts.lengths(data["lengths"], 880, 190) if data["lengths"] else None,
        margin_chart=charts.margins(data["pairs"]["margins"], 880, 130)
        if data["pairs"] and data["pairs"]["margins"]
        else None,
        config=_config_text(page["config"]),
    )
    return scrub(text)


def _hash(content: str) -> str:
    """The source expression of CSP level 3 for an inline element with that content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embedded(packed: Packed) -> str:
    """Data blocks (HTML, section 4.12.1: a script element of another type is not run)."""
    blocks = [f'<script type="text/plain" id="packed-{i}">{page}</script>' for i, page in enumerate(packed.pages)]
    return "\n".join([*blocks, f'<script type="text/plain" id="columns">{packed.columns}</script>'])


def _against(config: Mapping[str, Any]) -> int:
    """How many evaluation sets the samples were compared with."""
    held = (config.get("curation") or {}).get("decontaminate") or {}
    return len(held.get("against") or ())


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
