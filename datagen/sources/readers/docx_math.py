"""Office formulas (OMML, ECMA-376 part 1, section 22.1) as a line of TeX."""

from __future__ import annotations

from typing import Any

from datagen.sources.ooxml import M

_DEEPEST = 60
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "overline", "\u20d7": "vec", "\u0307": "dot"}


def linear(element: Any, depth: int = 0) -> str:
    """TeX of an OMML element; what has no rule of its own is the text of its parts."""
    if depth > _DEEPEST:
        return "".join(element.itertext(f"{M}t"))
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""

    def part(which: str) -> str:
        child = element.find(f"{M}{which}")
        return linear(child, depth + 1).strip() if child is not None else ""

    def value(which: str, default: str) -> str:
        child = element.find(f"{M}{name}Pr/{M}{which}")
        found = child.get(f"{M}val") if child is not None else None
        return default if found is None else found

    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    if name == "f":
        return f"\\frac{{{part('num')}}}{{{part('den')}}}"
    if name == "sSup":
        return f"{_group(part('e'))}^{{{part('sup')}}}"
    if name == "sSub":
        return f"{_group(part('e'))}_{{{part('sub')}}}"
    if name == "sSubSup":
        return f"{_group(part('e'))}_{{{part('sub')}}}^{{{part('sup')}}}"
    if name == "rad":
        degree = part("deg")
        return f"\\sqrt{f'[{degree}]' if degree else ''}{{{part('e')}}}"
    if name == "nary":
        low, high = part("sub"), part("sup")
        return value("chr", "∫") + (f"_{{{low}}}" if low else "") + (f"^{{{high}}}" if high else "") + f" {part('e')}"
    if name == "d":
        inner = value("sepChr", "|").join(linear(e, depth + 1).strip() for e in element.iterfind(f"{M}e"))
        return f"{value('begChr', '(')}{inner}{value('endChr', ')')}"
    if name == "func":
        function = part("fName")
        mark = "\\" if function.isascii() and function.isalpha() and len(function) > 1 else ""
        return f"{mark}{function} {part('e')}"
    if name == "limLow":
        return f"{part('e')}_{{{part('lim')}}}"
    if name == "limUpp":
        return f"{part('e')}^{{{part('lim')}}}"
    if name == "acc":
        accent = _ACCENTS.get(value("chr", "\u0302"), "hat")
        return f"\\{accent}{{{part('e')}}}"
    if name == "bar":
        return f"\\overline{{{part('e')}}}"
    if name == "m":
        rows = [" & ".join(linear(e, depth + 1).strip() for e in row) for row in element.iterfind(f"{M}mr")]
        return "\\begin{matrix}" + " \\\\ ".join(rows) + "\\end{matrix}"
    if name == "eqArr":
        return " \\\\ ".join(linear(e, depth + 1).strip() for e in element.iterfind(f"{M}e"))
    return "".join(linear(child, depth + 1) for child in element)


def _group(base: str) -> str:
    return base if len(base) < 2 else f"{{{base}}}"
