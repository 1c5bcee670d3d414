"""Writes ``training.html``: one file that opens from disk without a network and says first, in words, how it went.

Its Content-Security-Policy allows the one style and the one script by their hash and nothing else, and every value is
escaped, so that no text of a row or a configuration can load or run anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training import page_data, pages
from training.config import TINY
from training.curves import collect, lines
from training.diagnose import headline, of_curves
from training.files import write_result

FILE = "training.html"
METRICS, RECORD = "metrics.jsonl", "training.json"


def write(out: Path) -> Path:
    """Write ``training.html`` from ``metrics.jsonl`` and ``training.json`` in ``out``, whatever there is of them.

    Returns:
        The page.

    Raises:
        StoppedTraining: it cannot be written.
    """
    path = out / FILE
    write_result(path, render(out), FILE)
    return path


def render(out: Path) -> str:
    """The page as HTML."""
    record = page_data.load(out / RECORD)
    curves = collect(lines(out / METRICS))
    findings = of_curves(curves, beta=page_data.beta(record))
    config = page_data.part(record, "config")
    toy = config.get("base") == TINY
    return pages.render(
        "training.html.j2",
        css="training.css",
        script="training.js",
        filters={"number": number, "duration": duration, "size": size, "value": value},
        headline=_headline(record, headline(findings, toy=toy), bool(curves)),
        findings=findings,
        stages=page_data.stages(curves, record, findings),
        state=str(record.get("state") or ""),
        base=str(config.get("base") or "unknown")[:200],
        method=str(config.get("method") or "unknown")[:40],
        toy=toy,
        data=_data(record),
        plan=page_data.part(record, "plan"),
        merge=page_data.part(record, "merge"),
        settings=page_data.settings(config),
        versions=sorted((str(k), str(v)) for k, v in page_data.part(record, "versions").items()),
        git=str(record.get("git") or ""),
        seed=page_data.real(record.get("seed")),
    )


def _headline(record: dict[str, Any], found: str, begun: bool) -> str:
    if record.get("state") == "stopped":
        return "It stopped before its end; the same command goes on."
    if not begun:
        return "Nothing has been trained yet."
    if record.get("state") in ("sft", "dpo"):
        return f"Not at its end yet. So far: {found}"
    return found


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
