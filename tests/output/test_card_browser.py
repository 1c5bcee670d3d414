"""The dataset card as a site shows it: Markdown to HTML with raw HTML allowed, opened in Chromium without a policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen.core.record import Lineage, Message, Rejected, Sample
from datagen.output.export import write_exports
from tests.output import browser
from tests.output.made import a_sample
from tests.output.payloads import payloads

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: it is in the extra dev")
pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium: apt-get install chromium")
LINES = 5_000


def shown(markdown: str) -> str:
    """The card's HTML: raw HTML, tables, strikethrough and bare addresses work as on a site that is careless."""
    from markdown_it import MarkdownIt

    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)


def samples(lines: list[str]) -> Iterator[Sample]:
    """Samples with a line in every text and name, each line in each place once."""
    for i in range(0, len(lines), 4):
        a, b, c, d = lines[i : i + 4]
        lineage = Lineage(path=a, sha256="0", chunk=b, start=0, end=1, heading=(c,), model=d, prompt=a, params={b: c})
        sample = a_sample(
            messages=(Message(role="user", content=a), Message(role="assistant", content=b)), lineage=lineage, recipe=a,
            family=b, scored_by=c, score=3.0, scores={d: 3.0}, rejected=Rejected(content=c, flaw=d),
        )  # fmt: skip
        yield sample.model_copy(update={"id": f"{i:05}"})


def facts(lines: list[str]) -> dict[str, Any]:
    """Of report.json, all that the card reads."""
    return {
        "datagen": lines[0],
        "threshold": 3.5,
        "prompts": dict(zip(lines[::2], lines[1::2], strict=True)),
        "rejections": [{"stage": a, "reason": b, "unit": "samples", "count": 1} for a, b in zip(lines, lines[::-1])],  # noqa: B905
        "judge_health": {"sentences": [{"severity": "warn", "text": line} for line in lines]},
        "ledger": {"requested": 3, "kept": 1, "rejected": {"x": 1}, "failed": {"y": 1}},
        "config": {"curation": {"rules": {"language": lines[0]}}},
    }


def opened(html: str, path: Path) -> tuple[int, list[str], dict[str, Any]]:
    """Scripts that ran, dialogs and addresses that were asked for, and what the page holds."""
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{html}", encoding="utf-8", errors="replace")
    happened: list[str] = []
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        page = launched.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda r: happened.append(f"request {r.url}"))
        page.on("pageerror", lambda e: happened.append(f"error {e}"))
        page.on("dialog", lambda d: (happened.append(f"dialog {d.message}"), d.dismiss()))
        page.goto(path.as_uri())
        page.evaluate(
            "document.querySelectorAll('*').forEach(e => { e.focus(); e.dispatchEvent(new Event('toggle')); })"
        )
        page.wait_for_timeout(500)
        ran = int(page.evaluate("Number(window.__xss !== undefined)"))
        held = page.evaluate(
            """() => ({names: [...new Set([...document.querySelectorAll('body *')].map(e => e.localName))].sort(),
                       links: document.querySelectorAll('[href], [src], [srcdoc], [action]').length,
                       handlers: [...document.querySelectorAll('*')].filter(
                         e => [...e.attributes].some(a => a.name.startsWith('on'))).length,
                       text: document.body.innerText.length})"""
        )
        launched.close()
    return ran, [h for h in happened if h != f"request {path.as_uri()}"], held


def test_the_lines_do_run_where_a_card_lets_them(tmp_path: Path) -> None:
    ran, happened, _ = opened(shown("| a |\n| --- |\n| <img src=x onerror='window.__xss=1'> |\n"), tmp_path / "x.html")
    assert ran
    assert happened


@pytest.mark.slow
def test_no_line_of_thousands_runs_in_the_card(tmp_path: Path) -> None:
    lines = payloads(LINES)
    write_exports(samples(lines), {"messages": tmp_path / "export"}, card_facts=facts(lines[:1_000]))
    card = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["pretty_name"] == "Curated training data"
    ran, happened, held = opened(shown(body), tmp_path / "card.html")
    assert ran == 0
    assert happened == []
    assert held["links"] == held["handlers"] == 0
    assert set(held["names"]) <= {
        "h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "pre", "ul", "li",
    }  # fmt: skip
    assert held["text"] > 200_000, "the lines are there to be read"
