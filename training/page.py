"""Writes ``training.html``: one file that opens from disk without a network and says first, in words, how it went.

Its Content-Security-Policy allows the one style and the one script by their hash and nothing else, and every value is
escaped, so that no text of a row or a configuration can load or run anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import page_data
from training.curves import collect, lines
from training.diagnose import Finding, headline, of_curves
from training.errors import StoppedTraining

if TYPE_CHECKING:
    from jinja2 import Template

FILE = "training.html"
METRICS, RECORD = "metrics.jsonl", "training.json"
TEMPLATES = Path(__file__).parent / "templates"


def write(out: Path) -> Path:
    """Write ``training.html`` from ``metrics.jsonl`` and ``training.json`` in ``out``, whatever there is of them.

    Returns:
        The page.

    Raises:
        StoppedTraining: it cannot be written.
    """
    path = out / FILE
    held = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        held.write_text(render(out), encoding="utf-8")
        held.replace(path)
    except OSError as error:
        held.unlink(missing_ok=True)
        raise StoppedTraining(
            f"{FILE} could not be written.", f"{error.strerror or error}.", "Make room and give the same command again."
        ) from error
    return path


def render(out: Path) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    record = page_data.load(out / RECORD)
    curves = collect(lines(out / METRICS))
    findings = of_curves(curves, beta=page_data.beta(record))
    css = (TEMPLATES / "training.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "training.js").read_text(encoding="utf-8")
    config = page_data.part(record, "config")
    text = _template().render(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; img-src 'none'; "
        "base-uri 'none'; form-action 'none'",
        css=Markup(css),  # ours, and hashed above
        script=Markup(script),
        headline=_headline(record, findings, bool(curves)),
        findings=findings,
        stages=page_data.stages(curves, record, findings),
        state=str(record.get("state") or ""),
        base=str(config.get("base") or "unknown")[:200],
        method=str(config.get("method") or "unknown")[:40],
        toy=config.get("base") == "tiny",
        data=_data(record),
        plan=page_data.part(record, "plan"),
        merge=page_data.part(record, "merge"),
        settings=page_data.settings(config),
        versions=sorted((str(k), str(v)) for k, v in page_data.part(record, "versions").items()),
        git=str(record.get("git") or ""),
        seed=page_data.real(record.get("seed")),
    )
    return _clean(text)


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(number=number, duration=duration, size=size, value=value)
    return made.get_template("training.html.j2")


def _headline(record: dict[str, Any], findings: list[Finding], begun: bool) -> str:
    if record.get("state") == "stopped":
        return "It stopped before its end; the same command goes on."
    if not begun:
        return "Nothing has been trained yet."
    if record.get("state") in ("sft", "dpo"):
        return f"Not at its end yet. So far: {headline(findings)}"
    return headline(findings)


def _data(record: dict[str, Any]) -> list[tuple[str, float | None, str]]:
    return [
        (str(name)[:200], page_data.real(page_data.part(one).get("rows")), str(page_data.part(one).get("sha256") or ""))
        for name, one in page_data.part(record, "data").items()
    ]


def number(found: float | None) -> str:
    """A whole number with thousands separators."""
    return "–" if found is None else f"{found:,.0f}"


def value(found: float | None) -> str:
    """A figure with three or four digits."""
    if found is None:
        return "–"
    return f"{found:,.0f}" if abs(found) >= 1000 else f"{found:.4g}"


def duration(seconds: float | None) -> str:
    """``"3.4 s"``, ``"2 min 05 s"``, ``"1 h 12 min"``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(found: float | None) -> str:
    """Bytes in GB or MB."""
    if found is None:
        return "–"
    return f"{found / 1e9:.2f} GB" if found >= 1e8 else f"{found / 1e6:.1f} MB"


def _clean(text: str) -> str:
    """Without what HTML cannot hold: control characters and halves of surrogate pairs."""
    kept = {c: 0xFFFD for c in range(32) if c not in (9, 10)} | {127: 0xFFFD}
    return text.encode("utf-8", "replace").decode().translate(kept)


def _hash(content: str) -> str:
    """The source expression of CSP level 3 for an inline element with that content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
