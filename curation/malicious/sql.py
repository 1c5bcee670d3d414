"""SQL injection: text that breaks out of a string or a clause of a statement that somebody else began.

What tells it from SQL: it has no head of its own (it closes a quote, or begins with OR, UNION, ORDER BY), compares
constants, waits, counts up columns, or cuts the rest of the statement off. Techniques after W. G. Halfond,
J. Viegas, A. Orso, "A Classification of SQL Injection Attacks and Countermeasures", 2006.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.malicious.finding import Signal
from curation.malicious.fold import lower
from curation.malicious.inline import quotes_a_word

_S = r"(?:\s|/\*[^*\n]{0,60}\*/|\+|%20|%09|%0a|%0d|%0b|%a0|%2b|\(|--[^\n]{0,40}\n){1,8}"  # what may stand for a blank
_S0 = r"(?:\s|/\*[^*\n]{0,60}\*/|%20|%09|%0a|\(){0,8}"
_Q = r"(?:['\"`´’‘′″]|%27|%22|\\'|\\x27|&#39;|&apos;|&quot;|%2527|%5c')"
_VALUE = rf"(?:n?{_Q}?[\w\[\]%*?!.@-]{{0,24}}{_Q}?)"
_COMPARE = r"(?:=|<>|!=|<=?|>=?|%3d|%3e|%3c|\blike\b|\bin\b|\bbetween\b|\brlike\b|\bregexp\b|\bis\b)"
_LOGIC = r"(?:\bx?or\b|\band\b|\|\||&&|\bhaving\b|\bwhere\b|%6fr|\bo/\*\*/r\b|\bdiv\b)"
_SAME = re.compile(
    rf"{_LOGIC}{_S0}(?:not{_S})?{_S0}({_Q}?)(\w{{0,16}})\1{_S0}(?:=|like|<=>|%3d|\bis\b){_S0}n?{_Q}?\2(?!\w)"
)  # a constant compared with itself
_NUMBERS = re.compile(
    rf"{_LOGIC}{_S0}(?:not{_S0})?\d{{1,9}}{_S0}(?:=|<>|!=|<|>|like|between|in|%3d){_S0}\d{{1,9}}(?![\w.])"
)
_TRUE = re.compile(
    rf"(?:{_Q}|\)|\d|^){_S0}{_LOGIC}{_S0}(?:true|false|not{_S}false|not{_S}true|1|0|exists|isnull|sleep|benchmark|pg_sleep|username|userid|uname|{_Q}\d?{_Q})\b"
)
_BREAK = re.compile(
    rf"(?:^|[=\s(,&?])[\w@.%-]{{0,24}}{_Q}\)*{_S0}(?:{_LOGIC}){_S0}(?:not{_S})?{_VALUE}{_S0}(?:{_COMPARE}|--|#|;|/\*|\()"
)
_QUOTED_LOGIC = re.compile(
    rf"{_Q}\)*{_S0}{_LOGIC}{_S0}\(?{_Q}\w{{0,20}}{_Q}{_S0}(?:=|like|<|>|--|#|;|in\b|$)|{_Q}=?{_Q}?{_S0}{_LOGIC}{_S0}{_Q}\s*$"
)
_TAIL = re.compile(rf"^[\w@.%\s-]{{0,24}}({_Q}){_Q}*[\s)]*(?:;|--|#|/\*|%23|%00|\|\||\))[\s\S]{{0,40}}$")
_UNION = re.compile(
    rf"\bun(?:/\*\*/)?ion\b{_S}(?:all|distinct|/\*!\d*)?{_S0}(?:\*/)?{_S0}/?\*?!?\d{{0,5}}sel(?:/\*\*/)?ect(?:\b|(?=char\())"
)
_COLUMNS = re.compile(
    r"^[\s(+/*!%20]{0,8}(?:distinct|all)?[\s(]{0,4}(?:null|\d+|@@\w+|['\"]\w{0,40}['\"](?:\|\|)?|n?char\(|concat|0x[0-9a-f]+|user\(|version\(|database\(|load_file|group_concat|"
    r"unhex|sleep|benchmark|login|username|password|column_name|table_name|\w{1,20},\s?(?:null|\d))"
)
_WAIT = re.compile(
    r"(?<![\w.])(?:(?:pg_)?sleep\s{0,4}\(\s{0,4}(?:\d|__time__|\(|char|rand)[^)\n]{0,20}\)|benchmark\s{0,4}\(\s{0,4}(?:\d{3}|__time__))|\bwaitfor\s{1,4}(?:delay|time)\b|\bdbms_(?:pipe\.receive_message|lock\.sleep|ldap)|\bgenerate_series\(1,\d{5,}|randomblob\(\s{0,3}\d{6,}"
)
_STACKED = re.compile(
    rf"(?:{_Q}|\)|\d|^|admin){_S0};{_S0}(?:drop{_S}(?:table|database|user|view)|delete{_S}from|insert{_S}into|update{_S}\w+{_S}set|alter{_S}\w+|create{_S}(?:table|user|login|function|procedure)|"
    rf"exec(?:ute)?{_S}\w|exec\s?\(|shutdown\b|truncate{_S}table|declare{_S}@|select\b|grant{_S}\w+|begin{_S}declare|if\s?\(|waitfor{_S}delay|print{_S}@@|copy{_S}\(|attach{_S}database)"
)
_SERVER = re.compile(
    r"\b(?:xp_(?:cmdshell|reg\w+|dirtree|fileexist|enumdsn|availablemedia|loginconfig|ntsec\w*|terminate\w*|makecab|servicecontrol)|sp_(?:makewebtask|password|oacreate|addextendedproc|executesql|addlogin|addsrvrolemember|configure|delete\w*)"
    r"|utl_(?:http|inaddr|file|smtp)|dbms_(?:xmlquery|java|scheduler|export)\w*|openrowset|opendatasource|sys\.(?:databases|objects)|ctxsys\.drithsx|into\s+(?:out|dump)file|load_file\s?\(|load\s+data\s+infile|information_schema\s?\.|"
    r"extractvalue\s?\(|updatexml\s?\(|procedure\s+analyse|@@(?:version|variable|servername|datadir|hostname)|sysobjects|syscolumns|sysusers|syslogins|master\.\.|pg_catalog|sqlite_master|all_tables|user_tables|v\$version|current_setting|lo_import|name_const\s?\("
    r"|exec\s+(?:sp|xp|master)\b|exec\s?\(\s?@|declare\s+@\w+\s+n?(?:var)?char|geometrycollection\s?\(|polygon\s?\(\s?\(|multipoint\s?\(\s?\()"
)
_BUILT = re.compile(
    r"(?:\b(?:n?char|chr)\s?\(\s?\d{2,3}\s?\)\s?(?:\+|\|\||,|%2b)\s?){2,}|\bchar\((?:\d{1,3},){2,}|0x[0-9a-f]{16,}|convert\s?\(\s?int\s?,|elt\(-?\d|make_set\(|\bord\(|\bascii\s?\(\s?(?:substring|substr|mid|lower|char)|substring?\s?\(\s?(?:\(?select|password|@@|user|database|version)"
    r"|'\s?\|\|\s?'|floor\s?\(\s?rand|count\(\*\).{0,80}rand\(|\bif\s?\(\s?(?:1=1|substr|ascii|mid|\(?select)|case\s+when\s?\(?\s?(?:\d+\s?=\s?\d|ascii|substr|\(?select)|rlike\s?\(\s?select|\bxor\s?\(|\(select\s?\*\s?from\s?\(\s?select|\bselect\s?\(\s?select|having\s+\d\s?=\s?\d|\bbit_xor|\bunhex\s?\(|json_keys\s?\(\(|exp\(~\("
)
_HEADLESS = re.compile(
    rf"^[\s'\"`);\d%-]{{0,12}}(?:(?:union{_S}(?:all{_S}|distinct{_S})?select\b)|order{_S}by{_S}(?:\d|sleep|benchmark|null|\w{{1,12}}[\s#-]*$)|group{_S}by{_S}(?:\d|\w+{_S}having|columnnames|userid|password)|having{_S}\d|rlike\b|procedure{_S}analyse"
    rf"|(?:or|and|where|\|\||&&)(?:\b|(?<=\W)){_S0}(?:not{_S}|exists|isnull|if\b|{_Q}?\w{{0,24}}{_Q}?{_S0}(?:=|<|>|\blike\b|\bin\b|\bis\b|\bbetween\b|--|#|/\*|\())|exec(?:ute)?{_S}(?:sp|xp|immediate|master|@)\w*|limit{_S}\d+,|into{_S}outfile|as{_S}injectx|declare{_S}@|print{_S}@@|insert{_S}into{_S}(?:mysql|users)\b|waitfor{_S}delay|delay{_S}'"
    rf"|uni/\*\*/on|\(?\s?select\s?(?:sleep|pg_sleep|@@|count\(\*\)\s?from|user|version|database|benchmark|\(|\*\s?from\s?\(?(?:users?|information_schema|all_|sys))|begin{_S}declare|if\s?\(|ltrim\(|asc\(|replace\(|\+?sleep\(|benchmark\()"
)
_WILD = re.compile(
    r"^\s*(?:[%*_()|&!=]{2,10}|[*()|&]{0,6}(?:uid|cn|mail|objectclass|user|password|userpassword)\s?=\s?\*?[\w)(*|&%]{0,30}|x?'?\)?\(?\|?\(?(?:uid|mail|cn|objectclass)=\S{0,40})\s*$"
)
_HEAD = re.compile(r"\b(?:select|with|update|delete\s+from|insert|where)\b")
_COMPARES = ("=", "<", ">", "%3d", "like", " is", " in", "between")
_ANYWHERE: tuple[tuple[re.Pattern[str], float, str, tuple[str, ...]], ...] = (
    # What is looked for in every text, its weight, its rule, and what stands in every text that holds it.
    (_SAME, 0.45, "tautology", _COMPARES),
    (_NUMBERS, 0.45, "tautology", _COMPARES),
    (_BREAK, 0.4, "breaks_out", ()),
    (_QUOTED_LOGIC, 0.4, "breaks_out", ()),
    (_WAIT, 0.5, "waits", ("sleep", "benchmark", "waitfor", "dbms_", "generate_series", "randomblob")),
    (_STACKED, 0.5, "stacked", (";",)),
    (
        _SERVER,
        0.45,
        "server",
        (
            "_",
            "sys",
            "@@",
            "exec",
            "declare",
            "extractvalue",
            "updatexml",
            "analyse",
            "infile",
            "file",
            "master",
            "v$",
            "geometry",
            "poly",
            "multi",
        ),
    ),
    (
        _BUILT,
        0.45,
        "built",
        (
            "char",
            "chr",
            "0x",
            "convert",
            "elt(",
            "_set",
            "ord",
            "ascii",
            "substr",
            "'||",
            "' ||",
            "rand",
            "if(",
            "if (",
            "case",
            "rlike",
            "xor",
            "select",
            "having",
            "unhex",
            "json_keys",
            "exp(",
        ),
    ),
)
_SHORT = 300


def signals(text: str) -> Iterator[Signal]:
    """What is found in a text; spans are of that text."""
    text = lower(text)
    if not _ANY.search(text):
        return
    stripped = text.strip()
    short = len(stripped) <= _SHORT and stripped.count("\n") <= 2
    own = _HEAD.match(stripped) is not None
    for regex, weight, rule, hints in _ANYWHERE:
        if hints and not any(hint in text for hint in hints):
            continue
        for found in regex.finditer(text):
            if regex is _SAME and not found[2] and not found[1]:
                continue
            yield Signal("sql_injection", *found.span(), weight + (0.15 if short and not own else 0), rule)
    for found in _UNION.finditer(text):
        before = text[max(0, found.start() - 300) : found.start()]
        headed = _HEAD.search(before) is not None
        counted = _COLUMNS.match(text[found.end() : found.end() + 80]) is not None
        yield Signal(
            "sql_injection",
            *found.span(),
            0.1 if headed and not counted else 0.4 if headed else 0.65 if counted else 0.45,
            "union",
        )
    if short:
        for regex, weight, rule in (
            (_HEADLESS, 0.6, "headless"),
            (_TAIL, 0.55, "cuts_off"),
            (_TRUE, 0.5, "tautology"),
            (_WILD, 0.5, "wildcard"),
        ):
            found_one = regex.search(text if regex is _TRUE else stripped)
            if found_one and not (regex is _TAIL and quotes_a_word(stripped, found_one.start(1))):
                at = 0 if regex is _TRUE else len(text) - len(text.lstrip())
                yield Signal("sql_injection", at + found_one.start(), at + found_one.end(), weight, rule)


_ANY = re.compile(r"['\"`%#;(=*´’]|\b(?:or|and|union|select|order|having|exec|declare|waitfor|print|limit)\b")
