"""Active markup: what runs in a browser (or on a server that builds a page) that shows the text.

Event attributes and elements after the HTML standard (section 8.1.8), ways around filters after OWASP's
"XSS Filter Evasion Cheat Sheet". A plain page of HTML is not an attack: a script counts by what it does or where it is.
"""

from __future__ import annotations

# ruff: noqa: E501 - a pattern that is cut is hard to read
import re
from collections.abc import Iterator

from curation.malicious.finding import Signal
from curation.malicious.fold import lower
from curation.malicious.near import before

_DEED = (
    r"(?:alert|prompt|confirm|eval|atob|fromcharcode|unescape|settimeout|setinterval|fetch|xmlhttprequest|document\s*\.|document\[|window\.|location|cookie"
    r"|localstorage|import\(|function\(|constructor|execscript|innerhtml|\bpostmessage|console\.log|print\s*\(|throw\b|javascript|write\(|top\[|self\[|this\[|xss|\\u00|&#|\\x)"
)
_RUNS = re.compile(_DEED + r"|[\w\])]\s*(?:\([^)\n]{0,200}\)|`)|=\s*\S|\(\d+\)")
_ON = re.compile(
    r"(?:[\s/\"'`;,>\x00]|%[0-9a-f]{2}|&#?\w{1,8};|^)(on[a-z]{3,25})\s{0,20}(?:%[0-9a-f]{2}){0,4}\s{0,20}(?:=|&equals;|%3d|&#61;)([^<>\n]{0,300})"
)
_EVENTS = re.compile(
    r"on(?:abort|activate|after\w+|animation\w+|append|aux\w+|before\w+|begin|blur|bounce|can\w+|cell\w+|change|click|close|command|content\w+|context\w+|control\w+"
    r"|copy|cue\w+|cut|data\w+|dbl\w+|deactivate|device\w+|drag\w*|drop|duration\w+|emptied|end(?:ed)?|error\w*|filter\w+|finish|focus\w*|form\w*|fullscreen\w*"
    r"|gesture\w+|got\w+|gamepad\w+|hash\w+|help|input|invalid|key\w+|language\w+|layout\w*|load\w*|lose\w*|lost\w+|media\w+|message\w*|mouse\w+|move\w*|moz\w+"
    r"|offline|online|open|orient\w+|out\w+|page\w+|paste|pause|play\w*|pointer\w+|pop\w+|popup\w+|progress|property\w+|rate\w+|ready\w+|redo|rejection\w+|repeat"
    r"|reset|resize\w*|resume|reverse|row\w+|scroll\w*|search|security\w+|seek\w*|select\w*|show|slot\w+|snap\w+|stalled|start|stop|storage|submit|suspend|sync\w+"
    r"|text\w+|time\w+|toggle|touch\w+|track\w+|transition\w+|undo|unhandled\w+|unload|url\w+|valuechange|volume\w+|wait\w+|webkit\w+|wheel|zoom|xss|[a-z]+)$"
)
_SCRIPT_TAG = re.compile(
    r"<[\s/\x00]{0,3}s\s?c\s?r\s?i\s?p\s?t\b|<script|<\w+:script|%3c/?script|&lt;/?script&gt;|\\x3cscript|\\u003cscript|&#0*60;?/?script|\+adw-script|<\x00?scr\x00?ipt|¼script|<ſcript|<scr<script"
)
_SCRIPT_BODY = re.compile(_DEED)
_SPACE = r"(?:[\s\x00]|&(?:tab|newline);?|&#x?0{0,6}[9ad](?:10|13)?;?|&#0{0,6}1[03];?|%0[9ad]|\\t|\\n){0,4}"
_SCHEME = re.compile(
    r"(?:"
    + _SPACE.join("javascript")
    + "|"
    + _SPACE.join("vbscript")
    + r"|livescript|mocha|&#(?:x6a|x4a|0{0,6}106|0{0,6}74);?|jav\w{0,8}script|j\W{0,4}a\W{0,4}v\W{0,4}a\W{0,4}s\W{0,4}c\W{0,4}r\W{0,4}i\W{0,4}p\W{0,4}t|\\6a|\\j\\a|[\\/]?javascript)"
    + _SPACE
    + r"(?::|&colon;?|&#x?0{0,6}(?:3a|58);?|%3a|%26colon|\\x3a|\\u003a|&amp;colon|%26%2358)"
)
_DATA = re.compile(
    r"data:(?:text/html|text/xml|application/xhtml|image/svg\+xml|text/javascript|application/javascript|application/x-javascript|text/vbscript|,<|;base64,phn|text/x-scriptlet|x,)[^\s\"'<>]{0,20}"
)
_STYLE = re.compile(
    r"[:;{\s]\s{0,4}(?:xss:)?e(?:/\*[^*]{0,40}\*/|\\)?x(?:/\*[^*]{0,40}\*/|\\)?p(?:/\*[^*]{0,40}\*/|\\)?r(?:/\*[^*]{0,40}\*/|\\)?e(?:/\*[^*]{0,40}\*/|\\)?ss(?:/\*[^*]{0,40}\*/|\\)?i(?:/\*[^*]{0,40}\*/|\\)?on?\s{0,4}(?:/\*[^*]{0,40}\*/)?\(\s?(?:alert|javascript|document|window|eval|write|this|string|prompt|confirm)|-moz-binding|-o-link|behaviou?r\s{0,4}:\s{0,4}url|@im\\?port\s{0,4}[\"']?(?:java|https?:|//|'|url\(\s?[\"']?(?:java|http|//|data:))|expressio\\6e|\\65\\78\\70|list-style-image:\s{0,4}url\([\"']?java"
)
_LOADER = re.compile(
    r"<(?:iframe|frame|embed|object|applet|base|bgsound|link|layer|ilayer|portal|meta|xml|import|set|animate|use|param|svg|math|form|isindex|xss|listener|handler|event-source|audio|video|source|track|input|button|body|table|td|image|img|a|area|maction|mglyph|template|foreignobject)\b"
)
_LOADS = re.compile(
    r"(?:srcdoc\s{0,4}=|http-equiv\s{0,4}=\s{0,4}[\"']?(?:refresh|set-cookie|link|x-ua)[^>]{0,200}(?:url|javascript|data:|script|cookie|edge|rel)"
    r"|(?:src|data|code|archive|href|action|formaction|xlink:href|background|dynsrc|lowsrc|to|from|values|value|handler|implementation|ev:\w+|allowscriptaccess|datasrc|xml:base|poster|folder)\s{0,4}=\s{0,4}[\"'`]?\s{0,4}(?:java|vbs|data:(?!image/(?:png|jpe?g|gif|webp|bmp|x-icon|vnd)|font|audio|video)|&#|\\|//[^\s>]{1,60}\.(?:js|swf|xml|sct|asf|xss)\b|https?:[^\s>\"']{1,80}\.(?:js|swf|sct|xml|asf|scr|xss)\b|#default|always|feed:|mailto:[^>]{0,40}(?:script|alert)|data%3a|blob:|jar:|view-source:|\?|xss))"
)
_PLAIN_LOADER = re.compile(r"<(?:iframe|embed|object|applet|base|bgsound|layer|portal|isindex|frameset|frame)\b")
_PLAIN_LOADS = re.compile(r"\b(?:src|data|href|code|action)\s{0,4}=")
_REMOTE_LOADER = re.compile(r"<(?:script|link)\b")
_REMOTE = re.compile(
    r"\b(?:src|href)\s{0,4}=\s{0,4}[\"'`]?\s{0,4}(?:https?:|\\{0,2}//|//|/\\|[\w-]{1,40}\.js|data:|[^\s>]{1,60}\.(?:css|js|jpg|htc))"
)
_CALL = re.compile(
    r"(?:\balert|\bprompt|\bconfirm)\s{0,4}(?:\?\.)?(?:/\*.{0,20}?\*/)?\s{0,4}(?:\(\s{0,4}(?:[\d'\"`/)]|document|xss|location|this|string|window|origin|name|cookie|self|top|\w{1,5}\))|`|&#|&lpar;?|%28|\\u0028|\.(?:call|apply|bind))"
    r"|(?:=|\(|,|;|\|\||&&)\s{0,4}(?:alert|prompt|confirm)\s{0,4}(?:[,;)\]\n#}]|$)|document\s{0,4}\.\s{0,4}(?:cookie|write(?:ln)?\s{0,4}\(|location|domain|body\.innerhtml)|document\[[\"']|(?:window|self|top|parent|this|frames|globalthis)\s{0,4}\[\s{0,4}[\"'/(\w]{1,20}"
    r"|string\s{0,4}\.\s{0,4}fromcharcode|\beval\s{0,4}\(|\batob\s{0,4}\(|\bfunction\([\"'`]|settimeout\s{0,4}\([\"'`]|setinterval\s{0,4}\([\"'`]|constructor\s{0,4}[.\[(]\s{0,4}(?:constructor|[\"'`])|(?:\[\]|\[\"|\['|\(\))\s{0,3}\[[\"'](?:filter|map|find|constructor|sort|at)[\"']\]"
    r"|\blocation\s{0,4}(?:\.href\s{0,4})?=\s{0,4}(?:[\"'`]|name\b|url\b)|innerhtml\s{0,4}=|javascript:/\*|\bxmlhttprequest\b|execscript\s{0,4}\(|\\u0061lert|al\\?u0065rt|\\x61lert|\baler\\?\b|\bal\"\s{0,2}\+|'al'\s{0,2}\+|import\s{0,4}\(\s{0,4}[\"'`]|\.source\b.{0,20}alert|/alert/|/ale/|\bjavascript\b\W{1,8}alert"
)
_LISTED = re.compile(r",\s+\w+,?$")  # a word of a list, as in: the model, prompt, and parameters
_CALL_HINTS = (
    "alert", "prompt", "confirm", "document", "[", "fromcharcode", "eval", "atob", "function", "settimeout", "setinterval",
    "constructor", "location", "innerhtml", "javascript", "xmlhttp", "execscript", "lert", "aler", "ale", "import",
)  # fmt: skip
_SYMBOLS = re.compile(r"(?:[\[\]()!+{}~$_\"'.;:,=\\/*-]{20,})")
_TEMPLATE = re.compile(
    r"\{\{[^{}\n]{0,200}(?:constructor|alert|\$eval|\$on|tostring|charat|prototype|__proto__|valueof)[^{}\n]{0,200}\}\}|\bng-[\w-]{2,20}\s?=|\bv-(?:on|html|bind)\b|x-on:|\bdata-bind="
)
_SERVER = re.compile(r"<!--#\s?(?:exec|include|echo|printenv|config)\b|<%\s?=?[^%]{0,200}%>")
_PROCESSED = re.compile(r"<\?(?:php|=|xml-stylesheet|import|xml:namespace)")
_PROCESSES = re.compile(r"script|system|exec|echo|passthru|xss|eval|href|http")
_BROKEN = re.compile(
    r"^[\s\"'`<>/\\)\]};-]{1,12}(?:<|%3c|&lt;)[\s/]{0,3}(?:script|img|svg|iframe|body|a|input|object|style|h1|marquee|b|p|xss|plaintext|image|details|video|audio|title|textarea)\b"
)
_PROSE = re.compile(r"(?<![\w<=/.\"'])[a-z]{2,}(?=[ ,.](?![=(]))")
_MARKUP = re.compile(r"<[a-z!/?%]|\bon\w+\s?=")
_STYLE_ELEMENT = re.compile(r"<style\b[^>]{0,200}>")
_STYLE_RULE = re.compile(r"expression|url\s?\(\s?[\"']?java|@import|binding|behaviou?r|\\[0-9a-f]")
_STYLED = re.compile(r"<\w{1,20}[^>]{0,200}\bstyle\s{0,4}=")
_STYLES = re.compile(r"expression|url\s{0,3}\(\s{0,4}[\"']?\s{0,4}(?:java|&#|\\)|binding|behaviou?r|xss")


def signals(text: str) -> Iterator[Signal]:
    """What is found in a text; spans are of that text. A whole page of HTML is read as a page: its scripts and
    handlers are its own."""
    text = lower(text)
    low = text if len(text) < 200 else text[:4000]
    page = bool(re.search(r"<!doctype html|<html\b[^>]*>", low)) and len(text) > 600
    share = 0.35 if page else 1.0
    bare = len(text) < 300 and len(_PROSE.findall(text)) < 6
    short = len(text) < 600 and "\n\n" not in text
    if "<" in text or "%" in text or "&" in text or "\\" in text or "¼" in text:
        remote = [start for start, _ in before(_REMOTE_LOADER, _REMOTE, text, 200, ">")]
        deed = _SCRIPT_BODY.search(text)
        for found in _SCRIPT_TAG.finditer(text):
            if deed and deed.start() < found.end():
                deed = _SCRIPT_BODY.search(text, found.end())
            near = deed is not None and deed.end() <= found.end() + 600
            active = bool(near or (short and found.start() in remote))
            yield Signal(
                "script",
                found.start(),
                _tag_end(text, found.end()),
                share * (0.8 if active else 0.6 if bare else 0.2),
                "script_element",
            )
        for found in _SERVER.finditer(text):
            yield Signal("script", found.start(), _tag_end(text, found.end()), share * 0.6, "server_include")
        for opener, inner, reach, stop, weight, rule in (
            (_LOADER, _LOADS, 300, ">", 0.7, "active_element"),
            (_STYLE_ELEMENT, _STYLE_RULE, 600, "<", 0.7, "active_style"),
            (_STYLED, _STYLES, 200, ">", 0.7, "active_style"),
            (_PROCESSED, _PROCESSES, 200, ">", 0.6, "server_include"),
            (_REMOTE_LOADER, _REMOTE, 200, ">", 0.6 if short else 0.1, "remote_script"),
            (_PLAIN_LOADER, _PLAIN_LOADS, 300, ">", 0.5 if len(text) < 300 else 0.2, "frame"),
        ):
            for start, found in before(opener, inner, text, reach, stop):
                yield Signal("script", start, _tag_end(text, found.end()), share * weight, rule)
    if "on" in text or "ON" in text or "On" in text or "oN" in text:
        for found in _ON.finditer(text):
            if not _EVENTS.match(found[1]):
                continue
            opened = text.rfind("<", max(0, found.start() - 400), found.start() + 1)
            closed = text.find(">", opened, found.start(1)) if opened >= 0 else -1
            inside = opened >= 0
            runs = _RUNS.search(found[2])
            does = _SCRIPT_BODY.search(found[2])
            if not runs and not does:
                if inside and short and found[2].strip():
                    yield Signal("script", opened, _tag_end(text, found.end(1)), 0.55, "event_handler")
                continue
            weight = 0.8 if inside and does else 0.6 if inside else 0.6 if does and len(text) < 400 else 0.0
            weight *= 1 if closed < 0 or does else 0.5
            start = opened if inside else found.start(1)
            yield Signal("script", start, _tag_end(text, found.end(1)), share * weight, "event_handler")
    for regex, weight, rule in (
        (_SCHEME, 0.65, "script_address"),
        (_DATA, 0.6, "active_data"),
        (_STYLE, 0.65, "active_style"),
    ):
        for found in regex.finditer(text):
            run = re.compile(r"[^\s\"'<>]{0,200}").match(text, found.end())
            yield Signal("script", found.start(), run.end() if run else found.end(), share * weight, rule)
    for found in _TEMPLATE.finditer(text):
        told = _SCRIPT_BODY.search(found[0]) is not None or "constructor" in found[0]
        yield Signal("script", *found.span(), 0.6 if told else 0.15, "client_template")
    for found in _CALL.finditer(text) if any(hint in text for hint in _CALL_HINTS) else ():
        marked = _MARKUP.search(text, max(0, found.start() - 200), found.end() + 200)
        weight = 0.5 if short and (bare or not _LISTED.match(found[0])) else 0.35 if marked else 0.15
        yield Signal("script", *found.span(), share * weight, "script_call")
    if short:
        for found in _BROKEN.finditer(text):
            yield Signal("script", *found.span(), 0.55, "broken_out")
        for found in _SYMBOLS.finditer(text):
            if len(set(found[0]) & set("[]()!+")) >= 5:
                yield Signal("script", *found.span(), 0.55, "symbols_only")


def _tag_end(text: str, at: int) -> int:
    """After the ``>`` that closes the element's tag, if it comes soon; else ``at``."""
    end = text.find(">", at, at + 400)
    return end + 1 if end >= 0 else at
