"""Takes from an HTML page what is not its content."""

from __future__ import annotations

import functools
import re
from typing import Any

_MEDIA = "script style noscript template iframe frame object embed svg canvas audio video map head meta link"
_CONTROLS = "input button select textarea datalist dialog"
_NEVER = frozenset(f"{_MEDIA} {_CONTROLS}".split())
_AROUND = frozenset(["nav", "footer", "menu"])
_ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "toolbar"])
_NAMED_FREELY = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "body", "main", "article", "pre", "code"])
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# Names that sites and generators (MediaWiki, Sphinx, MkDocs, Docusaurus, WordPress …) give to what is around the
# content; each is compared with whole class names and ids.
_NAMES = re.compile(
    r"(?:(?:site|page|global|main|top|bottom|primary|secondary|mobile|local|left|right|doc|docs|theme|md|td|bd)[-_]*)?"
    r"(?:nav|navbar|navigation|menu|sidebar|footer|masthead|breadcrumbs?|toc|tocwrapper|pagination|pager|searchbox)"
    r"(?:[-_]*(?:nav|bar|menu|list|links?|items?|wrapper|container|inner|content|right|left|section|mobile|desktop))?"
    r"|(?:site|page|global|top)[-_]?header|headerlink|anchor-?link|hash-link|header-?anchor|(?:doc-)?anchor|permalink|hideme|skip-?(?:to|link|nav).*"
    r"|table-?of-?contents|on-?this-?page|prev-?next|post-?nav.*|edit-?(?:this-?page|link|on-.*)"
    r"|cookie.*|consent.*|gdpr.*|share|sharing|share-?.*|social|social-?.*|related|related-?(?:posts|articles|links|content)"
    r"|newsletter.*|subscribe.*|comments?|comment-?(?:list|form|section)|respond|disqus.*|ad|ads|advert.*|promo|sponsor.*"
    r"|popup|modal|tooltip|sr-only|visually-?hidden|screen-?reader-?text|noprint|no-print|print-only"
    r"|linenos?|line-?numbers?|blob-num|gutter|copybtn|clipboard.*"
    r"|mw-editsection|mw-jump-link|mw-indicators?|catlinks|printfooter|navbox.*|vertical-navbox|sistersitebox|metadata"
    r"|ambox|hatnote|authority-control|mw-cite-backlink|reflist|references|mw-references.*|refbegin|portalbox|stub"
    r"|vector-(?:header|page-toolbar|sticky|toc|menu|dropdown|column|pinnable).*|mw-(?:navigation|panel|head)|sitesub|contentsub"
    r"|coordinates|p-lang-btn",
    re.IGNORECASE,
)
_CONTENT_IDS = ("content", "main", "main-content", "bodycontent", "article", "post", "entry")
_CONTENT_CLASSES = re.compile(
    r"(?:^|\s)(?:markdown-body|post-content|entry-content|article-body|article-content|main-content|content|post-body"
    r"|body-content|theme-doc-markdown|rst-content|documentwrapper)(?:\s|$)"
)
_FOOTNOTE = re.compile(r"\[?\s*(?:\d{1,3}|[a-z]|note \d+|citation needed)\s*\]?")
_MOST = 0.4  # share of the page's text over which something is content, whatever it is called


def clean(root: Any, *, whole: bool = False) -> Any:
    """Remove from a page, in place, what is not content.

    Args:
        root: the ``html`` element (lxml).
        whole: keep everything but scripts and hidden elements.

    Returns:
        The element that holds the content.
    """
    _keep_formulas(root)
    body = root.find("body")
    body = root if body is None else body
    _remove(body, [e for e in body.iter() if e.tag in _NEVER or _is_hidden(e)])
    if whole:
        return body
    total = _length(body)
    content = _content(body, total)
    extra = [e for e in content.iter() if e is not content and _is_around(e)]
    _remove(content, [e for e in extra if _length(e) <= _MOST * total])
    return content


def _content(body: Any, total: int) -> Any:
    """The smallest element that is said to be the content and holds a fair part of the text."""
    for share, candidates in (
        (0.1, [e for e in body.iter("main") if not _below(e, "main")] or body.xpath('.//*[@role="main"]')),
        (0.2, [e for e in body.iter("article") if not _below(e, "article")]),
        (0.4, [e for e in body.iter("div", "section") if (e.get("id") or "").lower() in _CONTENT_IDS]),
        (0.4, [e for e in body.iter("div", "section") if _CONTENT_CLASSES.search(e.get("class") or "")]),
    ):
        if len(candidates) == 1 and _length(candidates[0]) >= share * total:
            return candidates[0]
    return body


def _below(element: Any, tag: str) -> bool:
    return next(element.iterancestors(tag), None) is not None


def _is_hidden(element: Any) -> bool:
    if not element.attrib:
        return False
    style = element.get("style")
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or (style is not None and _HIDDEN_STYLE.search(style) is not None)
    )


def _is_around(element: Any) -> bool:
    tag = element.tag
    if tag in _AROUND:
        return True
    if tag in ("header", "aside"):
        inside = _below(element, "article") or _below(element, "main")
        return not inside and (tag == "aside" or element.find(".//h1") is None)
    if tag == "sup" and ("reference" in (element.get("class") or "").split() or _is_footnote(element)):
        return True
    if not element.attrib or tag in _NAMED_FREELY:
        return False
    if element.get("role") in _ROLES:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}".split()
    return any(_is_name_of_surroundings(name) for name in names)


@functools.lru_cache(maxsize=4096)
def _is_name_of_surroundings(name: str) -> bool:
    return _NAMES.fullmatch(name) is not None


def _is_footnote(element: Any) -> bool:
    """A superscript number that only links to a note."""
    if element.find(".//a") is None:
        return False
    return _FOOTNOTE.fullmatch("".join(element.itertext()).strip().lower()) is not None


def _keep_formulas(root: Any) -> None:
    """Put the TeX of a formula, where a page carries it, in the place of its picture."""
    for element in list(root.iter("math")):
        tex = next((a for a in element.iter("annotation") if "tex" in (a.get("encoding") or "")), None)
        text = ("".join(tex.itertext()) if tex is not None else element.get("alttext") or "").strip()
        if text.startswith("{\\displaystyle") and text.endswith("}"):
            text = text[len("{\\displaystyle") : -1].strip()
        if not text:
            continue
        _become_text(element, f"${text}$")
        for above in element.iterancestors():  # Wikipedia hides the formula beside its picture
            if above.tag != "span":
                break
            above.attrib.pop("style", None)
            above.attrib.pop("aria-hidden", None)
    for element in list(root.iter("script")):
        if (element.get("type") or "").startswith("math/tex"):
            text = (element.text or "").strip()
            _become_text(element, f"$${text}$$" if "display" in element.get("type") else f"${text}$")


def _become_text(element: Any, text: str) -> None:
    tail = element.tail
    for child in list(element):
        element.remove(child)
    element.attrib.clear()
    element.tag, element.text, element.tail = "span", text, tail


def _remove(root: Any, elements: list[Any]) -> None:
    for element in elements:
        parent = element.getparent()
        if element is root or parent is None:
            continue
        if element.tail:  # the text after an element hangs on it in lxml
            before = element.getprevious()
            if before is None:
                parent.text = (parent.text or "") + element.tail
            else:
                before.tail = (before.tail or "") + element.tail
            element.tail = None
        parent.remove(element)


def _length(element: Any) -> int:
    """Characters of text below an element, white space collapsed."""
    return int(element.xpath("string-length(normalize-space(.))"))
