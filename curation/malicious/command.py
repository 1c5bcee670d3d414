"""Payloads for servers: shell commands chained to a value, paths out of a folder, templates, XML entities, Log4j.

After OWASP's Web Security Testing Guide 4.2, chapters on command injection, path traversal, server-side template
injection and XML external entities; CVE-2021-44228 for the look-ups of Log4j.
"""

from __future__ import annotations

# ruff: noqa: E501 - a pattern that is cut is hard to read
import re
from collections.abc import Iterator

from curation.malicious.finding import Signal
from curation.malicious.fold import lower
from curation.malicious.near import before

_PROGRAMS = r"(?:cat|ls|id|whoami|uname|ping|nslookup|dig|curl|wget|nc|ncat|bash|sh|zsh|cmd(?:\.exe)?|powershell|pwd|ifconfig|ipconfig|netstat|dir|type|net\s+user|sleep|echo|rm|touch|chmod|perl|python3?|ruby|php|telnet|ps|env|printenv|ssh|awk|sed|head|tail|more|less|tac|nl|find|which|/bin/\w+|/usr/bin/\w+)"
_CHAINED = re.compile(
    rf"^[\w.\s'\"@:/-]{{0,40}}(?:[;|`\n]|&&|\|\||&|\$\(|%0a|%0d|%26|%7c|%3b|<\()\s{{0,4}}{_PROGRAMS}\b"
)
_SHELL = re.compile(
    r"/dev/tcp/|\bnc\s+-\w*e\w*\s|\bncat\s[^\n]{0,40}-e\s|(?:curl|wget)\s[^\n|]{1,200}\|\s{0,4}(?:sudo\s+)?(?:ba|z|da)?sh\b|\bbash\s+-i\b|rm\s+-rf\s+(?:/(?:\s|\*|$)|~|--no-preserve)|:\(\)\s?\{\s?:\|:&\s?\};:|mkfifo\s+/tmp/|powershell\S{0,6}\s[^\n]{0,60}(?:-enc|-e\s|downloadstring|iex\b|hidden)|certutil\S{0,4}\s[^\n]{0,40}-urlcache|/etc/(?:passwd|shadow)\b[^\n]{0,20}(?:\||;|`|$)|\(\)\s?\{\s?:;\s?\};"
)
_PATH = re.compile(
    r"(?:(?:\.\.|%2e%2e|%252e%252e|\.%2e|%2e\.|%c0%ae%c0%ae|\.{3,4}|%uff0e%uff0e|\.\.;|\.\.\x00|\.\.%00)(?:/|\\|%2f|%5c|%252f|%255c|%c0%af|%c1%9c|%u2215|//|\\\\)){2,}[^\s\"'<>]{0,80}"
    r"|(?:file|php|phar|expect|zip|data|gopher|dict|ldap|jar|netdoc)://(?:/etc/|/c:|filter|input|id\b|127\.0\.0\.1|localhost|169\.254)[^\s\"'<>]{0,80}"
    r"|/proc/self/(?:environ|cmdline|fd|maps)|c:[\\/]{1,2}(?:windows[\\/]{1,2}(?:system32|win\.ini)|boot\.ini)"
)
_TARGET = re.compile(
    r"etc[/\\%]|passwd|shadow|win\.ini|boot\.ini|system32|windows|proc/|\.ssh|id_rsa|web\.config|web-inf|\.htaccess|\.env|config\.php|access\.log|hosts"
)
_TEMPLATE = re.compile(r"\{\{|\$\{|#\{|<%=?|\{%|\*\{|@\(|\[\[\$\{|\{php\}|#set\(|%\{\(")
_TEMPLATE_CALL = re.compile(
    r"(?:__class__|__mro__|__subclasses__|__globals__|__builtins__|__import__|__init__|config\.items|self\._templatereference|request\.application|getruntime|runtime\b|processbuilder|freemarker\.template|t\(java|java\.lang|@java|popen|os\.system|system\(|exec\(|`id`|file\.open|file\.read|cycler|lipsum|joiner|\.getclass|forname|registerundefinedfiltercallback|allowstaticmethodaccess|_memberaccess|get_flashed|url_for\.|passthru|range\.constructor|#this|constructor\.constructor|\d{1,7}\s?\*\s?'?\d{1,7})"
)
_JNDI = re.compile(r"\$\{[^}\n]{0,60}(?:jndi|\$\{(?:lower|upper|env|sys|date|::-)[^}\n]{0,20}\}[^\n]{0,80}(?:i|\}):)")
_XML = re.compile(
    r"<!entity\s{1,8}%?\s{0,4}\w{1,40}\s{1,8}(?:system|public|\"(?:&\w{1,20};){2,}|'(?:&\w{1,20};){2,}|\"[^\"\n]{0,20}&\w)|<!doctype\s{1,4}[\w:]{1,40}\s{0,4}(?:\[\s{0,8}<!|system\s{1,4}[\"'](?!about|http://www\.w3))|<xi:include\b|<!entity\s[^>]{0,200}(?:file:|expect:|php:|ftp:|gopher:|netdoc:)"
)
_OBJECT = re.compile(
    r"\bO:\d{1,3}:\"[\w\\]{1,60}\":\d{1,3}:\{|\brO0AB[\w+/=]{10,}|\bcos\nsystem\n|!!python/object(?:/\w+)?:|!!javax\.script|\bcposix\nsystem|__proto__[\"']?\s?[:\]]\s?"
)
_OBJECT_HINTS = ("O:", "rO0AB", "cos\n", "!!", "cposix", "__proto__")
_HEADER = re.compile(
    r"(?:%0d%0a|\\r\\n|\r\n)\s?(?:set-cookie|location|content-length|content-type|x-forwarded\S{0,20}|bcc|cc|to|refresh)\s?(?::|%3a)"
)
_NOSQL = re.compile(
    r"[\[{,&?\"']\s?\[?[\"']?\$(?:ne|gt|gte|lt|where|regex|nin|exists|or)[\"']?\]?\s?[:=]\s?(?:null|\"\"|''|-1|1|true|\"?\.\*|\"?\^|\[|\{?\"?\}?|this|\"this|undefined|nothing)"
)


def signals(text: str) -> Iterator[Signal]:
    """What is found in a text; spans are of that text."""
    original, text = text, lower(text)
    stripped = text.strip()
    short = len(stripped) <= 200 and "\n\n" not in stripped
    if "." in text or "%" in text or ":" in text or "/" in text:
        for found in _PATH.finditer(text):
            target = _TARGET.search(found[0]) is not None
            weight = 0.65 if target else 0.5 if short and len(found[0]) > 0.5 * len(stripped) else 0.2
            yield Signal("command", *found.span(), weight, "path_traversal")
        for found in _SHELL.finditer(text):
            yield Signal("command", *found.span(), 0.55, "shell")
    if "{" in text or "<%" in text or "#set" in text or "@(" in text:
        for start, found in before(_TEMPLATE, _TEMPLATE_CALL, text, 200, "\n"):
            simple = found[0][-1:].isdigit() and "__" not in text[start : found.end()]
            yield Signal("command", start, found.end(), (0.55 if short else 0.25) if simple else 0.65, "template")
        for found in _JNDI.finditer(text) if "jndi" in text or "}" in text else ():
            yield Signal("command", *found.span(), 0.75, "jndi")
        for found in _NOSQL.finditer(text):
            yield Signal("command", *found.span(), 0.55 if short else 0.2, "nosql")
    if "<!" in text or "<x" in text:
        for found in _XML.finditer(text):
            yield Signal("command", *found.span(), 0.6, "xml_entity")
    for found in _OBJECT.finditer(original) if any(hint in original for hint in _OBJECT_HINTS) else ():
        yield Signal("command", *found.span(), 0.55, "object")
    for found in _HEADER.finditer(text):
        yield Signal("command", *found.span(), 0.5 if short else 0.3, "header")
    if short:
        chained = _CHAINED.match(stripped)
        if chained and not stripped.startswith(("#", "$ ", "> ")):
            at = text.find(stripped[:1])
            yield Signal("command", at, at + len(stripped), 0.55, "chained")
