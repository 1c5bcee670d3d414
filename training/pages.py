"""What the pages of a training share: templates, the policy that lets nothing in, small drawings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.bootstrap import Interval

TEMPLATES = Path(__file__).parent / "templates"
WIDTH = 120.0
"""Of a drawing of an interval."""
_MARGIN = 6.0


def render(
    template: str,
    *,
    css: str = "compare.css",
    script: str = "",
    filters: Mapping[str, Callable[..., Any]],
    **values: Any,
) -> str:
    """A page with its style and script inside, and a policy (CSP level 3) that allows these two alone.

    Args:
        template: name of the file.
        css: name of the style's file.
        script: name of the script's file, or "".
        filters: for the template.
        values: what it shows; escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    style = (TEMPLATES / css).read_text(encoding="utf-8")
    code = (TEMPLATES / script).read_text(encoding="utf-8") if script else ""
    policy = [f"default-src 'none'; style-src '{_hash(style)}'; img-src 'none'; base-uri 'none'; form-action 'none'"]
    policy += [f"script-src '{_hash(code)}'"] if code else []
    text = made.get_template(template).render(
        policy="; ".join(policy),
        css=Markup(style),  # ours, and hashed above
        script=Markup(code),
        **values,
    )
    return _clean(text)


def mark(found: Interval, most: float) -> dict[str, float] | None:
    """Where a change and its interval lie on a line from ``-most`` to ``most``; None where there is nothing to draw."""
    if found.value is None or not most:
        return None

    def at(value: float) -> float:
        inside = min(1.0, max(-1.0, value / most))
        return round(_MARGIN + (inside + 1) / 2 * (WIDTH - 2 * _MARGIN), 1)

    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    return {"x": at(found.value), "low": at(low), "high": at(high), "zero": at(0.0)}


def reach(found: Interval) -> float:
    """The largest of its numbers, without its sign."""
    return max((abs(v) for v in (found.value, found.low, found.high) if v is not None), default=0.0)


def _clean(text: str) -> str:
    """Without what HTML cannot hold: control characters and halves of surrogate pairs."""
    kept = {c: 0xFFFD for c in range(32) if c not in (9, 10)} | {127: 0xFFFD}
    return text.encode("utf-8", "replace").decode().translate(kept)


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
